"""The commands that make what is asked later: download, train, preprocess, load-movies."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from recsys.cli.options import (
    DATA_HOME,
    bar,
    data_folder,
    data_option,
    manners,
    milvus_options,
    model_option,
    movies_of,
    quiet,
    say,
    store_at,
)
from recsys.data.movielens import SOURCES
from recsys.training.options import Options

if TYPE_CHECKING:
    from recsys.milvus.publish import Published
    from recsys.milvus.update import Changes
    from recsys.serving.catalogue import Catalogue

F = TypeVar("F", bound=Callable[..., Any])
DEFAULTS = Options()


@click.command()
@click.argument("name", type=click.Choice(list(SOURCES)), default="ml-1m")
@click.option("--from", "archive", type=click.Path(), help="A zip you have; nothing is fetched.")
@click.option("--to", default=DATA_HOME, show_default=True, help="The folder datasets live in.")
@manners
def download(name: str, archive: str | None, to: str) -> None:
    """Fetch, verify and unpack a MovieLens dataset; prints its folder.

    Example: recsys download ml-100k
    """
    from recsys.data.download import download as fetch

    given = Path(archive) if archive else None
    click.echo(fetch(name, Path(to), archive=given, progress=not quiet(), log=say))


@click.command()
@data_option
@model_option
@click.option("--epochs", default=DEFAULTS.epochs, show_default=True, type=click.IntRange(1))
@click.option(
    "--batch-size", default=DEFAULTS.batch_size, show_default=True, type=click.IntRange(0),
    help="Ratings a step; 0: about 2048, for 32 to 50 steps an epoch.",
)  # fmt: skip
@click.option(
    "--learning-rate", default=DEFAULTS.learning_rate, show_default=True,
    type=click.FloatRange(0, min_open=True),
)  # fmt: skip
@click.option(
    "--validation", default=0.1, show_default=True, type=click.FloatRange(0, 0.9),
    help="Share of the ratings held out to choose the best epoch; 0 trains on all.",
)  # fmt: skip
@click.option(
    "--patience", default=DEFAULTS.patience, show_default=True, type=click.IntRange(1),
    help="Epochs without a better validation before it stops.",
)  # fmt: skip
@click.option("--dimension", default=DEFAULTS.dimension, show_default=True, type=click.IntRange(2))
@click.option("--seed", default=DEFAULTS.seed, show_default=True, type=click.IntRange(0))
@click.option("--device", default="cpu", show_default=True, help="cpu, gpu or gpu:N.")
@click.option("--resume", is_flag=True, help="Go on from the checkpoint of a broken training.")
@click.option("--skip-bad-lines", is_flag=True, help="Leave bad lines of the data out.")
@manners
def train(
    data: str | None,
    model: str,
    validation: float,
    device: str,
    resume: bool,
    skip_bad_lines: bool,
    **options: Any,
) -> None:
    """Train the model; prints its folder, fingerprint and what it is worth on validation.

    Example: recsys train --data data/ml-100k --epochs 5
    """
    from recsys.train import train_folder

    folder = data_folder(data)
    done = train_folder(
        folder,
        Path(model),
        Options(**options),
        validation=validation,
        device=device,
        resume=resume,
        skip_bad_lines=skip_bad_lines,
        quiet=quiet(),
        say=say,
    )
    worth = ", ".join(f"{name} {value:.4f}" for name, value in done["validation"].items())
    click.echo(f"{model}\t{done['fingerprint']}\t{worth}".rstrip())


@click.command()
@click.option("-f", "--file", required=True, type=click.Path(), help="A raw movie file.")
@click.option("-o", "--output", default="movies_data.txt", show_default=True, type=click.Path())
@model_option
@click.option("--skip-bad-lines", is_flag=True, help="Leave bad lines out.")
@manners
def preprocess(file: str, output: str, model: str, skip_bad_lines: bool) -> None:
    """Encode a raw movie file as `movie_id::title_ids::genre_ids`; prints the file written.

    Example: recsys preprocess -f movies_origin.txt
    """
    from recsys.preprocess import read_movies, write_movies_data
    from recsys.serving.model_folder import ModelFolder

    vocabulary = ModelFolder(model).vocabulary
    movies = read_movies(Path(file), skip_bad_lines=skip_bad_lines, log=say)
    done = write_movies_data(Path(output), movies, vocabulary)
    say(
        f"{done.movies} movies; unknown to the model: {done.unknown_words} words, "
        f"{done.unknown_genres} genres"
    )
    click.echo(output)


def loading_options(command: F) -> F:
    """How the movies are laid out in Milvus."""
    for names, settings in (
        (("--resource-group",), {"multiple": True, "help": "Of a cluster; may be repeated."}),
        (("--replicas",), {"default": 1, "show_default": True, "type": click.IntRange(1)}),
        (("--shards",), {"default": 1, "show_default": True, "type": click.IntRange(1, 16)}),
        (
            ("--index",),
            {"help": "FLAT, IVF_FLAT, HNSW or AUTOINDEX, e.g. IVF_FLAT:nlist=256,nprobe=16."},
        ),
        (
            ("--keep",),
            {
                "default": 1,
                "show_default": True,
                "type": click.IntRange(0),
                "help": "Earlier versions that stay for --rollback.",
            },
        ),
    ):
        command = click.option(*names, **settings)(command)
    return command


@click.command("load-movies")
@click.option("-f", "--file", type=click.Path(), help="movies_data.txt, or a raw movie file.")
@model_option
@milvus_options
@loading_options
@click.option("--update", is_flag=True, help="Touch only movies that differ from the published.")
@click.option("--rollback", is_flag=True, help="Make the version before the current one.")
@click.option("--dry-run", is_flag=True, help="Check everything, publish nothing.")
@manners
def load_movies(
    file: str | None,
    model: str,
    update: bool,
    rollback: bool,
    dry_run: bool,
    index: str | None,
    keep: int,
    shards: int,
    replicas: int,
    resource_group: Sequence[str],
    **where: Any,
) -> None:
    """Publish movies to Milvus (also `recsys load`); prints what is published.

    Without -f the movies the model was trained on. All of it or nothing: queries see the movies
    of before until the new ones are in place.

    Example: recsys load-movies -f movies_data.txt
    """
    if sum([update, rollback, dry_run]) > 1:
        raise click.UsageError("--update, --rollback and --dry-run go one at a time")
    if rollback:
        with store_at(where) as store:
            _print_published(store.rollback())
        return
    from recsys.serving.model_folder import ModelFolder

    folder = ModelFolder(model)
    movies = movies_of(folder, file)
    if dry_run:
        _dry_run(movies, folder.fingerprint, index, where)
        return
    with store_at(where, make=True) as store:
        if update:
            with bar(len(movies), "movie") as progress:
                changes = store.update(movies, folder.fingerprint, progress=progress)
            say(_in_words(changes))
            _print_published(store.open(folder.fingerprint))
            return
        with (
            bar(len(movies), "movie", "sent") as progress,
            bar(len(movies), "movie", "indexed") as indexing,
        ):
            published = store.publish(
                movies,
                folder.fingerprint,
                index=index,
                keep=keep,
                shards=shards,
                replicas=replicas,
                resource_groups=resource_group,
                progress=progress,
                indexing=indexing,
            )
        _print_published(published)


def _print_published(published: "Published") -> None:
    p = published
    click.echo(f"{p.alias}\t{p.collection}\t{p.count} movies\tmodel {p.model}\t{p.index}")


def _dry_run(movies: "Catalogue", model: str, index: str | None, where: dict[str, Any]) -> None:
    """Everything a publish checks beforehand, and what it would replace."""
    from recsys.milvus.errors import Missing
    from recsys.milvus.index import choose_index
    from recsys.milvus.publish import check_catalogue

    check_catalogue(movies)
    chosen = choose_index(index, len(movies))
    try:
        with store_at(where) as store:
            now = store.open(None)
            say(f"would replace {now.count} movies of model {now.model}")
            if now.model == model:
                say(f"--update would touch: {_in_words(store.differences(movies, model))}")
    except Missing:
        say("would be the first to be published there")
    click.echo(f"{len(movies)} movies, model {model}, index {chosen}: fit")


def _in_words(changes: "Changes") -> str:
    return ", ".join(f"{len(ids)} {what}" for what, ids in changes._asdict().items())
