"""The commands that make: download, train, preprocess, load-movies."""

import dataclasses
import difflib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recsys.cli.options import (
    DATA_HOME,
    MOVIE_COLUMNS,
    File,
    Number,
    Parsed,
    Source,
    Whole,
    address_options,
    data_folder,
    data_option,
    grouped,
    model_option,
    option,
    store_at,
    texts,
    type_of,
)
from recsys.cli.prompt import (
    KNOBS,
    TERMINATED,
    bar,
    command,
    log,
    no_bar,
    refuse_beside,
    terminated_as_interrupted,
)
from recsys.data.movielens import SOURCES
from recsys.errors import DataError
from recsys.milvus.address import MilvusAddress, choose_index
from recsys.training.options import Options

if TYPE_CHECKING:
    from recsys.data.dataset import Movies
    from recsys.milvus.versions import Published
    from recsys.milvus_store import MilvusStore
    from recsys.serving.catalogue import Catalogue
    from recsys.serving.model_folder import Model

ENCODED = "movies_data.txt"  # what `preprocess` writes where nothing else is named
MOST_REMOVED = 0.1  # of the published movies, unless --replace
KNOBS_WITH_OPTIONS = ("epochs", "seed")


def knob(text: str) -> tuple[str, Any]:
    """NAME=VALUE of a knob of training, checked as an option of that name would be."""
    name, _, value = (part.strip() for part in text.partition("="))
    name = name.replace("-", "_")
    if name not in KNOBS:
        near = difflib.get_close_matches(name, KNOBS, 3)
        hint = f", near are {', '.join(near)}" if near else ""
        raise ValueError(f"sets no knob{hint}; recsys train --knobs lists them")
    if name in KNOBS_WITH_OPTIONS:
        raise ValueError(f"sets no knob; {name} is an option of its own")
    (each,) = (each for each in fields(Options) if each.name == name)
    try:
        return name, type_of(each).convert(value, None, None)
    except click.BadParameter as error:
        raise ValueError(f"sets {name} to what it cannot be: {error.message}") from None


def _show_knobs(context: click.Context, _: click.Parameter, on: bool) -> None:
    if not on or context.resilient_parsing:
        return
    shown = context.make_formatter()
    with shown.section("Knobs of training, for --set NAME=VALUE"):
        rows = []
        for each in fields(Options):
            if each.name not in KNOBS_WITH_OPTIONS:
                about = click.Option(["--x"], type=type_of(each), default=each.default)
                bounds = getattr(about.type, "_describe_range", str)()
                default = "; ".join(filter(None, [f"default: {each.default}", bounds]))
                rows.append((each.name, f"{each.metadata['help']}  [{default}]"))
        shown.write_dl(rows)
    click.echo(shown.getvalue(), nl=False)
    context.exit()


set_option = click.option(
    "--set", type=Parsed("name=value", knob), multiple=True,
    help="A knob of training (train --knobs); repeat it.",
)  # fmt: skip
knobs_option = click.option(
    "--knobs", is_flag=True, is_eager=True, expose_value=False, callback=_show_knobs,
    help="List what --set takes, and exit.",
)  # fmt: skip


def with_knobs(knobs: Options, more: Sequence[tuple[str, Any]]) -> Options:
    """The knobs of training with what --set gives."""
    return dataclasses.replace(knobs, **dict(more))


@command()
@click.argument("name", type=click.Choice(list(SOURCES)), default="ml-1m")
@click.option(
    "--from", "archive", envvar="RECSYS_DOWNLOAD_FROM", type=File(),
    help="A zip you have; nothing is fetched.",
)  # fmt: skip
@click.option(
    "--to", default=DATA_HOME, show_default=True, type=File(), help="The folder datasets live in."
)
def download(name: str, archive: str | None, to: str) -> None:
    """Fetch, verify and unpack a MovieLens dataset; prints its folder.

    Example: recsys download ml-100k
    """
    from recsys.data.download import download as fetch

    given = Path(archive) if archive else None
    click.echo(fetch(name, Path(to), archive=given, progress=not no_bar(), log=log))


@command()
@data_option
@model_option
@grouped(Options, "knobs", only=KNOBS_WITH_OPTIONS)
@click.option(
    "--validation", default=0.1, show_default=True, type=Number(0, 0.9), metavar="SHARE",
    help="Held out: the best epoch has the largest ndcg@10 - rmse.",
)  # fmt: skip
@set_option
@knobs_option
@click.option("--device", default="cpu", show_default=True, help="cpu, gpu or gpu:N.")
@click.option("--resume", is_flag=True, help="Go on from MODEL.checkpoint.npz.")
@grouped(Source, "source")
def train(
    data: str | None,
    model: str,
    knobs: Options,
    validation: float,
    set: Sequence[tuple[str, Any]],
    device: str,
    resume: bool,
    source: Source,
) -> None:
    """Train the model; prints its folder, fingerprint and metrics on held-out ratings.

    Example: recsys train --data data/ml-100k --epochs 5
    """
    dataset = source.read(data_folder(data))
    from recsys.train import train_model  # loads Paddle, which installs signal handlers

    with terminated_as_interrupted() as terminated:
        done = train_model(
            dataset,
            model,
            with_knobs(knobs, set),
            validation=validation,
            device=device,
            resume=resume,
            quiet=no_bar(),
            log=lambda line: log(line.replace("Ctrl-C", "SIGTERM") if terminated() else line),
        )
    metrics = ", ".join(f"{name} {each:.4f}" for name, each in done.config["validation"].items())
    click.echo(f"{model}\t{done.fingerprint}\t{metrics}".rstrip())
    if terminated():
        raise click.exceptions.Exit(TERMINATED)


@command()
@click.option("-f", "--file", required=True, type=File(), help="A raw movie file.")
@click.option(
    "-o", "--output", default=ENCODED, show_default=True, type=File(), help="The file to write."
)
@grouped(Source, "source", only=(*MOVIE_COLUMNS, "skip_bad_lines", "skip_all_bad_lines"))
@model_option
def preprocess(file: str, output: str, source: Source, model: str) -> None:
    """Encode a raw movie file as `movie_id::title_ids::genre_ids`; prints the file written.

    Example: recsys preprocess -f data/ml-100k/u.item
    """
    from recsys.preprocess import read_movies, write_movies_data
    from recsys.serving.model_folder import load_model

    vocabulary = load_model(model).vocabulary
    movies = read_movies(Path(file), columns=source.columns, skip_bad_lines=source.skip, log=log)
    done = write_movies_data(Path(output), movies, vocabulary)
    log(
        f"{done.movies} movies; unknown to the model: {done.unknown_words} words, "
        f"{done.unknown_genres} genres"
    )
    if movies.columns:
        log(f"{output}: has titles and genres only, not {', '.join(movies.columns)}")
    click.echo(output)


@dataclass(frozen=True)
class Publishing:
    """What is published, and how."""

    file: str | None = option(
        f"{ENCODED} or a raw movie file, which adds to what is published.",
        "-f",
        "--file",
        type=File(),
    )
    keep: int = option("Earlier versions that stay for --rollback.", default=1, type=Whole(0, 100))
    index: str | None = option(
        "FLAT, IVF_FLAT, HNSW or AUTOINDEX: IVF_FLAT:nlist=256,nprobe=16.",
        type=Parsed("name", lambda text: choose_index(text, 1) and text),
    )
    shards: int = option("Parts on a cluster.", default=1, type=Whole(1, 16))
    replicas: int = option("Copies on a cluster.", default=1, type=Whole(1, 1024))
    resource_group: tuple[str, ...] = texts("Of a cluster; may be repeated.")
    switch: str | None = option(
        "A model folder: once all is published, the model is put in its place.", type=File()
    )
    replace: bool = option("Only the file's movies; what is published may go.", default=False)
    rollback: bool = option("Make the version before the current one.", default=False)
    dry_run: bool = option("Check everything, publish nothing.", default=False)


@command("load-movies")
@grouped(Publishing, "how")
@grouped(Source, "source", only=MOVIE_COLUMNS)
@model_option
@address_options
def load_movies(how: Publishing, source: Source, model: str, address: MilvusAddress) -> None:
    """Publish movies to Milvus (also `recsys load`); prints what is published.

    The movies the model was trained on; those of -f are added to what is published of it, or change
    it; with --replace they are all. All of it or nothing: queries see the movies of before until
    the new ones are in place. To remove more than a tenth of the published movies needs --replace.

    \b
    Example: recsys load-movies -f movies_data.txt
             recsys load-movies --model next.model --switch recommender_system.inference.model
    """
    if any(source.columns) and not how.file:
        raise click.UsageError("columns are of a table of movies: name it by -f")
    if how.rollback:
        refuse_beside("--rollback", *(each.name for each in fields(how) if each.name != "rollback"))
        with store_at(address) as store:
            _print_published(store.rollback())
        return
    if how.switch and not how.keep:
        raise click.UsageError("--switch needs --keep 1: the model before answers until its end")
    from recsys.serving.model_folder import check_place, load_model, put_model

    folder = load_model(model)
    if how.switch:
        check_place(Path(how.switch), "switch")
    load = Load.of(folder, how, source)
    if how.dry_run:
        load.try_out(address)
        return
    with store_at(address, make=True) as store:
        _print_published(load.publish(store))
    if how.switch:
        put_model(folder, Path(how.switch))
        log(f"{how.switch}: is the model {folder.fingerprint} now")


def _print_published(p: "Published") -> None:
    click.echo(f"{p.alias}\t{p.collection}\t{p.count} movies\tmodel {p.model}\t{p.index}")


@dataclass(frozen=True)
class Load:
    """Which movies are published: those the model was trained on, or of a file."""

    model: "Model"
    movies: "Catalogue"
    how: Publishing

    @classmethod
    def of(cls, model: "Model", how: Publishing, source: Source) -> "Load":
        """
        Raises:
            DataError: the file cannot be read, was encoded for another model, or has no such
                columns.
            ModelError: the model folder is damaged.
        """
        from recsys.infer import catalogue, decoded_movies
        from recsys.preprocess import is_movies_data, read_movies_data

        model.verify()
        movies, file = None, how.file
        if file and is_movies_data(Path(file)):
            if any(source.columns):
                cause = f"{file}: encoded movies have no columns"
                raise DataError(cause, "name the raw file", "file")
            movies = decoded_movies(model, *read_movies_data(Path(file), model.vocabulary))
        elif file:
            movies = _movies_as_trained(model, Path(file), source)
        return cls(model, catalogue(model, movies), how)

    def all_movies(self, store: "MilvusStore | None") -> "Catalogue":
        """All that is to be published; logs what is taken from where.

        A file adds to the movies that this model has published, else to those it was trained on.

        Args:
            store: None where there is none yet.
        """
        from recsys.infer import catalogue

        movies, file = self.movies, self.how.file
        if not file:
            unread = f"; {ENCODED} is not read without -f {ENCODED}" * Path(ENCODED).exists()
            log(f"movies: the {len(movies)} the model was trained on{unread}")
            return movies
        new = f"{movies.is_new.sum()} new to the model"
        if self.how.replace:
            log(f"movies: only the {len(movies)} of {file}, {new}")
            return movies
        before, what = published(self.model, store) if store else None, "published"
        if before is None:
            before, what = catalogue(self.model), "the model was trained on"
        both = before.updated(movies)
        others = f"{len(both) - len(movies)} {what}"
        log(f"movies: {len(both)}: {others} and {len(movies)} of {file}, {new}")
        return both

    def check_removal(self, movies: "Catalogue", store: "MilvusStore") -> None:
        """Logs how many published movies would go.

        Raises:
            StoreError: too many.
        """
        if gone := store.check_removal(movies, 1.0 if self.how.replace else MOST_REMOVED):
            log(f"{gone} of the published movies are not among them and go")

    def publish(self, store: "MilvusStore") -> "Published":
        """Publish them, all or none."""
        movies, how = self.all_movies(store), self.how
        self.check_removal(movies, store)
        with (
            bar(len(movies), "movie", "sent") as progress,
            bar(len(movies), "movie", "indexed") as indexing,
        ):
            return store.publish(
                movies,
                self.model.fingerprint,
                keep=how.keep,
                index=how.index,
                shards=how.shards,
                replicas=how.replicas,
                resource_groups=how.resource_group,
                progress=progress,
                indexing=indexing,
            )

    def try_out(self, address: MilvusAddress) -> None:
        """Everything a publish checks beforehand, and what it would replace."""
        from recsys.milvus.client import Missing
        from recsys.milvus.rows import check_catalogue

        try:
            with store_at(address) as store:
                now = store.open(None)
                movies = self.all_movies(store)
                check_catalogue(movies)
                log(f"would replace {now.count} movies of model {now.model}")
                self.check_removal(movies, store)
        except Missing:
            movies = self.all_movies(None)
            check_catalogue(movies)
            log("would be the first to be published there")
        index = choose_index(self.how.index, len(movies))
        click.echo(f"{len(movies)} movies, model {self.model.fingerprint}, index {index}: fit")


def published(folder: "Model", store: "MilvusStore") -> "Catalogue | None":
    """The movies that are published of this very model, None where there are none, or damaged."""
    from recsys.errors import StoreError
    from recsys.milvus.client import Unreachable

    try:
        return store.read_all() if store.open(None).model == folder.fingerprint else None
    except Unreachable:
        raise
    except StoreError:  # publishing is what repairs it
        return None


def _movies_as_trained(model: "Model", file: Path, source: Source) -> "Movies":
    """A raw file's movies; what its columns are is what they were in training."""
    from recsys.preprocess import read_movies

    kinds: dict[str, str] = {each.name: each.kind for each in model.vocabulary.movies}
    movies = read_movies(file, columns=source.columns, kinds=kinds, log=log)
    if others := [name for name in movies.columns if name not in kinds]:
        log(f"{file}: not used: {', '.join(others)}, of which the model knows nothing")
    if missing := [name for name in kinds if name not in movies.columns]:
        log(f"{file}: unknown of its movies: {', '.join(missing)}")
    return movies
