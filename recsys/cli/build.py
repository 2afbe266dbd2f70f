"""The commands that make: download, train, preprocess, load-movies."""

import dataclasses
import difflib
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recsys.cli import options, prompt
from recsys.cli.options import Source, argument, command, grouped, option, path, store_at
from recsys.cli.prompt import KNOBS, TERMINATED, bar, log, no_bar
from recsys.data.movielens import SOURCES
from recsys.errors import DataError
from recsys.milvus.address import MilvusAddress, choose_index
from recsys.training.options import Options

if TYPE_CHECKING:
    from recsys.milvus.versions import Published
    from recsys.milvus_store import MilvusStore
    from recsys.serving.catalogue import Catalogue
    from recsys.serving.model_folder import Model

ENCODED = "movies_data.txt"  # what `preprocess` writes where nothing else is named
MOST_REMOVED = 0.1  # of the published movies, unless --replace
BARS = ("sent", "indexed")
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
        return name, options.made(name, each).type.convert(value, None, None)
    except click.BadParameter as error:
        raise ValueError(f"sets {name} to what it cannot be: {error.message}") from None


def _show_knobs(context: click.Context, _: click.Parameter, on: bool) -> None:
    if not on or context.resilient_parsing:
        return
    knobs = [each for each in fields(Options) if each.name not in KNOBS_WITH_OPTIONS]
    shown = context.make_formatter()
    with shown.section("Knobs of training, for --set NAME=VALUE"):
        records = [options.made(each.name, each).get_help_record(context) for each in knobs]
        shown.write_dl([(n.name, each[1]) for n, each in zip(knobs, records, strict=True) if each])
    click.echo(shown.getvalue(), nl=False)
    context.exit()


Knobs = Sequence[tuple[str, Any]]  # of training, by name: what --set gives
SET = option(
    "A knob of training (train --knobs); repeat it.", default=(), type=knob, metavar="NAME=VALUE"
)


@command
def download(
    name: str = argument(type=click.Choice(list(SOURCES)), default="ml-1m"),
    archive: str | None = path(
        "A zip you have; nothing is fetched.",
        "--from",
        envvar="RECSYS_DOWNLOAD_FROM",
        show_envvar=True,
    ),
    to: str = path("The folder datasets live in.", default=options.DATA_HOME),
) -> None:
    """Fetch, verify and unpack a MovieLens dataset; prints its folder.

    Example: recsys download ml-100k
    """
    from recsys.data.download import download as fetch

    given = Path(archive) if archive else None
    click.echo(fetch(name, Path(to), archive=given, progress=not no_bar(), log=log))


@command
def train(
    data: str | None = options.DATA,
    model: str = options.MODEL,
    chosen: Options = grouped(Options, only=KNOBS_WITH_OPTIONS),
    validation: float = option(
        "Held out: the best epoch has the largest ndcg@10 - rmse.",
        default=0.1,
        min=0,
        max=0.9,
    ),
    set: Knobs = SET,
    knobs: bool = option(
        "List what --set takes, and exit.",
        default=False,
        is_eager=True,
        callback=_show_knobs,
        expose_value=False,
    ),
    device: str = option("cpu, gpu or gpu:N.", default="cpu"),
    resume: bool = option("Go on from MODEL.checkpoint.npz.", default=False),
    source: Source = grouped(Source),
) -> None:
    """Train the model; prints its folder, fingerprint and metrics on held-out ratings.

    Example: recsys train --data data/ml-100k --epochs 5
    """
    dataset = source.read(options.data_folder(data))
    from recsys.train import train_model  # loads Paddle, which installs signal handlers

    with prompt.terminated_as_interrupted() as terminated:
        done = train_model(
            dataset,
            model,
            dataclasses.replace(chosen, **dict(set)),
            validation=validation,
            device=device,
            resume=resume,
            quiet=no_bar(),
            log=lambda line: log(line.replace("Ctrl-C", "SIGTERM") if terminated else line),
        )
    metrics = ", ".join(f"{name} {each:.4f}" for name, each in done.config["validation"].items())
    click.echo(f"{model}\t{done.fingerprint}\t{metrics}".rstrip())
    if terminated:
        raise click.exceptions.Exit(TERMINATED)


@command
def preprocess(
    file: str = path("A raw movie file.", "-f", required=True),
    output: str = path("The file to write.", "-o", default=ENCODED),
    source: Source = grouped(
        Source, only=(*options.MOVIE_COLUMNS, "skip_bad_lines", "skip_all_bad_lines")
    ),
    model: str = options.MODEL,
) -> None:
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


def index_of(text: str) -> str:
    """NAME or NAME:parameter=value,... of an index."""
    choose_index(text, 1)
    return text


@dataclass(frozen=True)
class Publishing:
    """What is published, and how."""

    file: str | None = path(f"{ENCODED} or a raw movie file; adds to what is published.", "-f")
    keep: int = option("Earlier versions that stay for --rollback.", default=1, min=0, max=100)
    index: str | None = option(
        "FLAT, IVF_FLAT, HNSW or AUTOINDEX: IVF_FLAT:nlist=256,nprobe=16.", type=index_of
    )
    shards: int = option("Parts on a cluster.", default=1, min=1, max=16)
    replicas: int = option("Copies on a cluster.", default=1, min=1, max=1024)
    resource_group: tuple[str, ...] = option("Of a cluster; may be repeated.", default=())
    switch: str | None = path("A model folder: once all is published, the model takes its place.")
    replace: bool = option("Only the file's movies; what is published may go.", default=False)
    rollback: bool = option("Make the version before the current one.", default=False)
    dry_run: bool = option("Check everything, publish nothing.", default=False)


@command
def load_movies(
    how: Publishing = grouped(Publishing),
    source: Source = grouped(Source, only=options.MOVIE_COLUMNS),
    model: str = options.MODEL,
    address: MilvusAddress = options.ADDRESS,
) -> None:
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
        prompt.refuse_beside(
            "--rollback", *(each.name for each in fields(how) if each.name != "rollback")
        )
        with store_at(address) as store:
            _print_published(store.rollback())
        return
    if how.switch and not how.keep:
        raise click.UsageError("--switch needs --keep 1: the model before answers until its end")
    from recsys.serving.model_folder import check_place, load_model, put_model

    folder = load_model(model)
    if how.switch:
        check_place(Path(how.switch), "switch")
    done = publish(folder, how, source, address)
    if done:
        _print_published(done)
    if done and how.switch:
        put_model(folder, Path(how.switch))
        log(f"{how.switch}: is the model {folder.fingerprint} now")


def _print_published(p: "Published") -> None:
    click.echo(f"{p.alias}\t{p.collection}\t{p.count} movies\tmodel {p.model}\t{p.index}")


def publish(
    model: "Model", how: Publishing, source: Source, address: MilvusAddress
) -> "Published | None":
    """Publish movies, all or none; a dry run checks what a publish does, and says what it would.

    Raises:
        DataError: the file cannot be read, was encoded for another model, or has no such columns.
        ModelError: the model folder is damaged.
        StoreError: Milvus failed, or too many of the published movies would go.
    """
    from recsys.milvus.client import Missing
    from recsys.milvus.rows import check_catalogue

    model.verify()
    movies = _movies_of(model, how.file, source)
    with ExitStack() as stack:
        store = current = None
        with suppress(*([Missing] if how.dry_run else [])):
            store = stack.enter_context(store_at(address, make=not how.dry_run))
            current = store.open(None) if how.dry_run else None
        movies = _with_published(model, movies, how, store)
        if how.dry_run:
            check_catalogue(movies)
            replaced = current and f"would replace {current.count} movies of model {current.model}"
            log(replaced or "would be the first to be published there")
        most = 1.0 if how.replace else MOST_REMOVED
        if gone := store.check_removal(movies, most) if store else 0:
            log(f"{gone} of the published movies are not among them and go")
        if how.dry_run or not store:
            index = choose_index(how.index, len(movies))
            click.echo(f"{len(movies)} movies, model {model.fingerprint}, index {index}: fit")
            return None
        sent, indexed = (stack.enter_context(bar(len(movies), "movie", x)) for x in BARS)
        layout = {name: getattr(how, name) for name in ("keep", "index", "shards", "replicas")}
        return store.publish(
            movies,
            model.fingerprint,
            resource_groups=how.resource_group,
            progress=sent,
            indexing=indexed,
            **layout,
        )


def _movies_of(model: "Model", file: str | None, source: Source) -> "Catalogue":
    """The movies of a file, raw or encoded, or those the model was trained on.

    What the columns of a raw file are is what they were in training.
    """
    from recsys.infer import catalogue, decoded_movies
    from recsys.preprocess import is_movies_data, read_movies, read_movies_data

    if not file:
        return catalogue(model)
    if is_movies_data(Path(file)):
        if any(source.columns):
            raise DataError(f"{file}: encoded movies have no columns", "name the raw file", "file")
        encoded = read_movies_data(Path(file), model.vocabulary)
        return catalogue(model, decoded_movies(model, *encoded))
    kinds: dict[str, str] = {each.name: each.kind for each in model.vocabulary.movies}
    movies = read_movies(file, columns=source.columns, kinds=kinds, log=log)
    if others := [name for name in movies.columns if name not in kinds]:
        log(f"{file}: not used: {', '.join(others)}, of which the model knows nothing")
    if missing := [name for name in kinds if name not in movies.columns]:
        log(f"{file}: unknown of its movies: {', '.join(missing)}")
    return catalogue(model, movies)


def _with_published(
    model: "Model", movies: "Catalogue", how: Publishing, store: "MilvusStore | None"
) -> "Catalogue":
    """All that is to be published; logs what is taken from where.

    A file adds to the movies that this model has published, else to those it was trained on.
    """
    from recsys.infer import catalogue

    if not how.file:
        unread = f"; {ENCODED} is not read without -f {ENCODED}" * Path(ENCODED).exists()
        log(f"movies: the {len(movies)} the model was trained on{unread}")
        return movies
    new = f"{movies.is_new.sum()} new to the model"
    if how.replace:
        log(f"movies: only the {len(movies)} of {how.file}, {new}")
        return movies
    before, what = published(model, store) if store else None, "published"
    if before is None:
        before, what = catalogue(model), "the model was trained on"
    both = before.updated(movies)
    others = f"{len(both) - len(movies)} {what}"
    log(f"movies: {len(both)}: {others} and {len(movies)} of {how.file}, {new}")
    return both


def published(model: "Model", store: "MilvusStore") -> "Catalogue | None":
    """The movies that are published of this very model, None where there are none, or damaged."""
    from recsys.errors import StoreError
    from recsys.milvus.client import Unreachable

    try:
        return store.read_all() if store.open(None).model == model.fingerprint else None
    except Unreachable:
        raise
    except StoreError:  # publishing is what repairs it
        return None
