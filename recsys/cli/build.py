"""The commands that make what queries need: download, train, preprocess, load-movies."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recsys.cli.movies import Wanted
from recsys.cli.options import (
    DATA_HOME,
    ROLES_OF_MOVIES,
    columns_options,
    data_folder,
    data_option,
    milvus_options,
    model_option,
    skip_bad_lines_options,
    source_options,
    store_at,
    training_options,
)
from recsys.cli.prompt import bar, command, log, quiet, refuse_beside, verbosity_options
from recsys.cli.signals import TERMINATED, terminated_as_interrupted
from recsys.cli.values import File, IndexName, Number, Text, Whole
from recsys.data.movielens import SOURCES

if TYPE_CHECKING:
    from recsys.cli.options import Source
    from recsys.data.columns import Columns
    from recsys.milvus.address import MilvusAddress
    from recsys.milvus.versions import Published
    from recsys.milvus_store import MilvusStore
    from recsys.preprocess import SkipBadLines
    from recsys.training.options import Options

LAYOUT = ("shards", "replicas", "resource_group")  # of a new collection


@command()
@click.argument("name", type=click.Choice(list(SOURCES)), default="ml-1m")
@click.option(
    "--from", "archive", envvar="RECSYS_DOWNLOAD_FROM", type=File(),
    help="A zip you have; nothing is fetched.",
)  # fmt: skip
@click.option(
    "--to", default=DATA_HOME, show_default=True, type=File(), help="The folder datasets live in."
)
@verbosity_options
def download(name: str, archive: str | None, to: str) -> None:
    """Fetch, verify and unpack a MovieLens dataset; prints its folder.

    Example: recsys download ml-100k
    """
    from recsys.data.download import download as fetch

    given = Path(archive) if archive else None
    click.echo(fetch(name, Path(to), archive=given, progress=not quiet(), log=log))


@command()
@data_option
@source_options
@model_option
@click.option(
    "--validation", default=0.1, show_default=True, type=Number(0, 0.9),
    help="Share of the ratings held out to choose the best epoch, that of the largest ndcg@10 - "
    "rmse on them; 0 trains on all and keeps the last.",
)  # fmt: skip
@training_options()
@click.option("--device", default="cpu", show_default=True, help="cpu, gpu or gpu:N.")
@click.option(
    "--resume",
    is_flag=True,
    help="Go on after the last epoch of a broken training, from MODEL.checkpoint.npz.",
)
@skip_bad_lines_options
@verbosity_options
def train(
    data: str | None,
    source: "Source",
    model: str,
    validation: float,
    options: "Options",
    device: str,
    resume: bool,
    skip_bad_lines: "SkipBadLines",
) -> None:
    """Train the model; prints its folder, fingerprint and metrics on held-out ratings.

    Example: recsys train --data data/ml-100k --epochs 5
    """
    dataset = source.read(data_folder(data), skip_bad_lines)
    from recsys.train import train as fit  # loads Paddle, which installs signal handlers

    with terminated_as_interrupted() as terminated:
        done = fit(
            dataset,
            model,
            options,
            validation=validation,
            device=device,
            resume=resume,
            quiet=quiet(),
            log=lambda line: log(line.replace("Ctrl-C", "SIGTERM") if terminated() else line),
        )
    metrics = ", ".join(f"{name} {each:.4f}" for name, each in done.config["validation"].items())
    click.echo(f"{model}\t{done.fingerprint}\t{metrics}".rstrip())
    if terminated():
        raise click.exceptions.Exit(TERMINATED)


@command()
@click.option("-f", "--file", required=True, type=File(), help="A raw movie file.")
@click.option(
    "-o", "--output", default="movies_data.txt", show_default=True, type=File(),
    help="The file to write.",
)  # fmt: skip
@columns_options(*ROLES_OF_MOVIES)
@model_option
@skip_bad_lines_options
@verbosity_options
def preprocess(
    file: str, output: str, columns: "Columns", model: str, skip_bad_lines: "SkipBadLines"
) -> None:
    """Encode a raw movie file as `movie_id::title_ids::genre_ids`; prints the file written.

    Example: recsys preprocess -f data/ml-100k/u.item
    """
    from recsys.preprocess import read_movies, write_movies_data
    from recsys.serving.model_folder import load_model

    vocabulary = load_model(model).vocabulary
    movies = read_movies(Path(file), columns=columns, skip_bad_lines=skip_bad_lines, log=log)
    done = write_movies_data(Path(output), movies, vocabulary)
    log(
        f"{done.movies} movies; unknown to the model: {done.unknown_words} words, "
        f"{done.unknown_genres} genres"
    )
    if movies.columns:
        log(f"{output}: has titles and genres only, not {', '.join(movies.columns)}")
    click.echo(output)


@command("load-movies")
@click.option(
    "-f", "--file", type=File(),
    help="movies_data.txt or a raw movie file, which adds to what is published.",
)  # fmt: skip
@columns_options(*ROLES_OF_MOVIES)
@model_option
@milvus_options
@click.option(
    "--keep", default=1, show_default=True, type=Whole(0, 100),
    help="Earlier versions that stay for --rollback.",
)  # fmt: skip
@click.option(
    "--index", type=IndexName(),
    help="FLAT, IVF_FLAT, HNSW or AUTOINDEX: IVF_FLAT:nlist=256,nprobe=16.",
)  # fmt: skip
@click.option(
    "--shards", default=1, show_default=True, type=Whole(1, 16), help="Parts on a cluster."
)
@click.option(
    "--replicas", default=1, show_default=True, type=Whole(1, 1024), help="Copies on a cluster."
)
@click.option("--resource-group", multiple=True, type=Text(), help="Of a cluster; may be repeated.")
@click.option(
    "--switch", type=File(),
    help="A model folder: once all is published, the model is put in its place.",
)  # fmt: skip
@click.option("--replace", is_flag=True, help="Only the file's movies; what is published may go.")
@click.option("--rollback", is_flag=True, help="Make the version before the current one.")
@click.option("--dry-run", is_flag=True, help="Check everything, publish nothing.")
@verbosity_options
def load_movies(
    file: str | None,
    columns: "Columns",
    model: str,
    address: "MilvusAddress",
    keep: int,
    index: str | None,
    shards: int,
    replicas: int,
    resource_group: Sequence[str],
    switch: str | None,
    replace: bool,
    rollback: bool,
    dry_run: bool,
) -> None:
    """Publish movies to Milvus (also `recsys load`); prints what is published.

    The movies the model was trained on; those of -f are added to what is published of it, or change
    it; with --replace they are all. All of it or nothing: queries see the movies of before until
    the new ones are in place. To remove more than a tenth of the published movies needs --replace.

    \b
    Example: recsys load-movies -f movies_data.txt
             recsys load-movies --model next.model --switch recommender_system.inference.model
    """
    if any(columns) and not file:
        raise click.UsageError("columns are of a table of movies: name it by -f")
    if rollback and dry_run:
        raise click.UsageError("--rollback and --dry-run go one at a time")
    layout = {"shards": shards, "replicas": replicas, "resource_groups": resource_group}
    if rollback:
        refuse_beside("--rollback", "index", *LAYOUT, "file", "replace", "switch", "keep")
    if switch and not keep:
        raise click.UsageError("--switch needs --keep 1: the model before answers until its end")
    if rollback:
        with store_at(address) as store:
            _print_published(store.rollback())
        return
    from recsys.serving.model_folder import check_place, load_model, put_model

    folder = load_model(model)
    if switch:
        check_place(Path(switch), "switch")
    wanted = Wanted.read(folder, file, replace, columns)
    if dry_run:
        _dry_run(wanted, index, address)
        return
    with store_at(address, make=True) as store:
        published = _publish(store, wanted, keep=keep, index=index, **layout)
    _print_published(published)
    if switch:
        put_model(folder, Path(switch))
        log(f"{switch}: is the model {folder.fingerprint} now")


def _publish(store: "MilvusStore", wanted: Wanted, **how: Any) -> "Published":
    movies, model = wanted.catalogue(store), wanted.folder.fingerprint
    wanted.check_removal(movies, store)
    with (
        bar(len(movies), "movie", "sent") as progress,
        bar(len(movies), "movie", "indexed") as indexing,
    ):
        return store.publish(movies, model, progress=progress, indexing=indexing, **how)


def _print_published(published: "Published") -> None:
    p = published
    click.echo(f"{p.alias}\t{p.collection}\t{p.count} movies\tmodel {p.model}\t{p.index}")


def _dry_run(wanted: Wanted, index: str | None, address: "MilvusAddress") -> None:
    """Everything a publish checks beforehand, and what it would replace."""
    from recsys.milvus.address import choose_index
    from recsys.milvus.client import Missing
    from recsys.milvus.rows import check_catalogue

    model = wanted.folder.fingerprint
    try:
        with store_at(address) as store:
            now = store.open(None)
            movies = wanted.catalogue(store)
            check_catalogue(movies)
            log(f"would replace {now.count} movies of model {now.model}")
            wanted.check_removal(movies, store)
    except Missing:
        movies = wanted.catalogue(None)
        check_catalogue(movies)
        log("would be the first to be published there")
    click.echo(
        f"{len(movies)} movies, model {model}, index {choose_index(index, len(movies))}: fit"
    )
