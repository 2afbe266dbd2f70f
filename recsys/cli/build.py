"""The commands that make: download, train, preprocess, load-movies."""

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

import recsys
from recsys.cli import options, prompt, shared
from recsys.cli.options import argument, command, grouped, option, path
from recsys.cli.output import as_json
from recsys.cli.prompt import TERMINATED, bar, log, no_bar
from recsys.cli.shared import Source
from recsys.data.files import previous_of
from recsys.data.movielens import SOURCES
from recsys.errors import DataError, ModelError, printable
from recsys.milvus.address import MilvusAddress, choose_index
from recsys.options import Options

if TYPE_CHECKING:
    from recsys.milvus.versions import Published
    from recsys.milvus_store import MilvusStore
    from recsys.serving.catalogue import Catalogue
    from recsys.serving.model_folder import Model

MOST_REMOVED = 0.1  # of the published movies, unless --replace
ENCODED = "movies_data.txt"  # what `preprocess` writes where nothing else is named


@command
def download(
    name: str = argument(type=click.Choice(list(SOURCES)), default="ml-1m"),
    archive: str | None = path("A zip that you have.", "--from", envvar="RECSYS_DOWNLOAD_FROM"),
    to: str = path("The folder datasets live in.", default=shared.DATA_HOME),
) -> None:
    """Fetch, verify and unpack a MovieLens dataset; prints its folder.

    Example: recsys download ml-100k
    """
    from recsys.data.download import download as fetch

    given = Path(archive) if archive else None
    done = fetch(name, Path(to), archive=given, progress=not no_bar(), log=log)
    click.echo(printable(str(done)))


@command
def train(
    data: str | None = shared.DATA,
    model: str = shared.MODEL,
    chosen: Options = grouped(Options, only=options.KNOBS_WITH_OPTIONS),
    validation: float = option(
        "Share of ratings held out to choose by.", default=0.1, min=0, max=0.9
    ),
    set: options.Knobs = options.SET,
    knobs: bool = option("List what --set takes, and exit.", default=False),
    device: str = option("cpu, gpu or gpu:N.", default="cpu"),
    resume: bool = option("Continue from MODEL.checkpoint.npz.", default=False),
    json: bool = shared.JSON,
    source: Source = grouped(Source),
) -> None:
    """Train the model; prints folder, fingerprint and held-out metrics.

    Example: recsys train --data data/ml-100k --epochs 5
    """
    if knobs:
        options.show_knobs()
        return
    dataset = source.read(data)
    fit = recsys.train_model  # loads Paddle, which installs signal handlers
    with prompt.terminated_as_interrupted() as terminated:
        done = fit(
            dataset,
            model,
            replace(chosen, **dict(set)),
            validation=validation,
            device=device,
            resume=resume,
            quiet=no_bar(),
            log=lambda line: log(line.replace("Ctrl-C", "SIGTERM") if terminated else line),
        )
    if not done.fingerprint:  # another process of this training has written it
        return
    metrics = ", ".join(f"{name} {each:.4f}" for name, each in done.config["validation"].items())
    about = {name: done.config[name] for name in ("fingerprint", "created", "epoch", "validation")}
    line = f"{printable(model)}\t{done.fingerprint}\t{metrics}".rstrip()
    click.echo(as_json({"model": model, **about}) if json else line)
    if terminated:
        raise click.exceptions.Exit(TERMINATED)


@command
def preprocess(
    file: str = path("A raw movie file.", "-f", required=True),
    output: str = path("The file to write.", "-o", default=ENCODED),
    source: Source = grouped(Source, only=shared.OF_MOVIES),
    model: str = shared.MODEL,
) -> None:
    """Encode a raw movie file as `movie_id::title_ids::genre_ids`; prints the file written.

    Example: recsys preprocess -f data/ml-100k/u.item
    """
    from recsys.preprocess import write_movies_data

    vocabulary = recsys.load_model(model).vocabulary
    movies = source.movies(file)
    words, genres = write_movies_data(Path(output), movies, vocabulary)
    log(f"{len(movies)} movies; unknown to the model: {words} words, {genres} genres")
    if movies.columns:
        log(f"{output}: has titles and genres only, not {', '.join(movies.columns)}")
    click.echo(printable(output))


@dataclass(frozen=True)
class Publishing:
    """What is published, and how."""

    file: str | None = path(f"{ENCODED} or a raw movie file; adds to what is published.", "-f")
    keep: int = option("Earlier versions that stay for --rollback.", default=1, min=0, max=100)
    index: str | None = option("FLAT, IVF_FLAT, HNSW or AUTOINDEX: IVF_FLAT:nlist=256,nprobe=16.")
    shards: int = option("Shards, on a cluster.", default=1, min=1, max=16)
    replicas: int = option("Replicas, on a cluster.", default=1, min=1, max=1024)
    resource_group: tuple[str, ...] = option("Resource group, on a cluster; repeat it.", default=())
    bulk: str = option(
        "A folder, or s3://bucket/folder, that the server reads too: it imports files from there.",
        default="",
        metavar="FOLDER",
    )
    switch: str | None = path("A model folder that the model replaces after publishing.")
    replace: bool = option("Publish only the file's movies; others may be removed.", default=False)
    rollback: bool = option("Go back to the previous version.", default=False)
    dry_run: bool = option("Check everything, publish nothing.", default=False)
    json: bool = shared.JSON


@command
def load_movies(
    how: Publishing = grouped(Publishing),
    source: Source = grouped(Source, only=shared.OF_MOVIES),
    model: str = shared.MODEL,
    address: MilvusAddress = shared.ADDRESS,
) -> None:
    """Publish movies to Milvus (also `recsys load`); prints what is published.

    Without -f the movies the model was trained on. Those of -f are added to the published movies of
    the model, or change them; with --replace they take their place. Queries see the old movies
    until all new ones are published. To remove more than a tenth of them needs --replace.

    \b
    Example: recsys load-movies -f movies_data.txt
             recsys load-movies --model next.model --switch recommender_system.inference.model
    """
    from recsys.serving.model_folder import check_place, put_model

    if source != Source() and not how.file:
        raise click.UsageError("columns and bad lines are of a table of movies: name it by -f")
    if how.rollback:
        others = {each.name for each in fields(how)} - {"rollback", "json"}
        prompt.refuse_beside("--rollback", *others)
        with recsys.MilvusStore(address, make=False) as store:
            _print_published(store.rollback(lambda before: _restore(Path(model), before)), how)
        return
    if how.switch and not how.keep:
        raise click.UsageError("--switch needs --keep 1: the model before answers until its end")
    folder, in_use = recsys.load_model(model), []
    if how.switch:
        check_place(Path(how.switch), "switch")
        with suppress(ModelError):  # there is none, or it answers no longer
            in_use = [recsys.load_model(how.switch).fingerprint]
            if in_use == [folder.fingerprint]:  # again: the model before it stays, with its movies
                in_use.append(recsys.load_model(previous_of(how.switch)).fingerprint)
    if done := publish(folder, how, source, address, in_use):
        _print_published(done, how)
        if how.switch:
            put_model(folder, Path(how.switch), "switch")
            log(f"{how.switch}: is the model {folder.fingerprint} now")


def _restore(model: Path, version: "Published") -> None:
    """Bring back the model of a version that queries go back to, or say what is to be done."""
    from recsys.serving.model_folder import put_model

    for folder in (model, previous_of(model)):
        with suppress(ModelError):
            found = recsys.load_model(folder)
            if found.fingerprint == version.model:
                if folder != model:
                    put_model(found, model)
                    log(f"{model}: is the model {version.model} again")
                return
    log(f"{model}: is not the model {version.model} of this version: ask that one by --model")


def _print_published(p: "Published", how: Publishing) -> None:
    about = {"alias": p.alias, "collection": p.collection, "movies": p.count, "model": p.model}
    line = f"{p.alias}\t{p.collection}\t{p.count} movies\tmodel {p.model}\t{p.index}"
    click.echo(as_json({**about, "index": str(p.index), "when": p.when}) if how.json else line)


def publish(
    model: "Model", how: Publishing, source: Source, address: MilvusAddress, old: Sequence[str] = ()
) -> "Published | None":
    """Publish movies, all or none; a dry run checks what a publish does, and says what it would.

    The versions of `old`, fingerprints of models that answer until the end, stay.
    """
    from recsys.milvus.rows import check_catalogue

    choose_index(how.index, 0)  # what is none is refused before the work
    model.verify()
    given = _movies_of(model, how.file, source) if how.file else recsys.catalogue(model)
    nothing = how.dry_run and address.is_missing
    with nullcontext() if nothing else recsys.MilvusStore(address) as store:
        movies = _with_published(model, given, how, store)
        index = choose_index(how.index, len(movies))
        if store and (gone := store.check_removal(movies, 1.0 if how.replace else MOST_REMOVED)):
            log(f"{gone} of the published movies are not among them and go")
        if how.dry_run or not store:
            check_catalogue(movies)
            about = {"movies": len(movies), "model": model.fingerprint, "index": str(index)}
            line = f"{len(movies)} movies, model {model.fingerprint}, index {index}: fit"
            click.echo(as_json(about) if how.json else line)
            return None
        with bar("publishing", len(movies), "movie") as shown:
            return store.publish(
                movies,
                model.fingerprint,
                index=how.index,
                keep=how.keep,
                in_use=old,
                shards=how.shards,
                replicas=how.replicas,
                resource_groups=how.resource_group,
                bulk=how.bulk,
                progress=shown.update,
            )


def _movies_of(model: "Model", file: str, source: Source) -> "Catalogue":
    """The movies of a file, raw or encoded; columns of a raw one are what they were in training."""
    from recsys.preprocess import is_movies_data, read_movies_data

    if is_movies_data(Path(file)):
        if source != Source():
            cause = f"{file}: encoded movies have no columns, and no line of them is left out"
            raise DataError(cause, "name the raw file", "file")
        movies = read_movies_data(Path(file), model.movies, model.vocabulary)
        return recsys.catalogue(model, movies)
    kinds: dict[str, str] = {each.name: each.kind for each in model.vocabulary.movies}
    movies = source.movies(file, kinds)
    if others := [name for name in movies.columns if name not in kinds]:
        log(f"{file}: not used: {', '.join(others)}, of which the model knows nothing")
    if missing := [name for name in kinds if name not in movies.columns]:
        log(f"{file}: unknown of its movies: {', '.join(missing)}")
    return recsys.catalogue(model, movies)


def _with_published(
    model: "Model", movies: "Catalogue", how: Publishing, store: "MilvusStore | None"
) -> "Catalogue":
    """All that is to be published: a file adds to what the model published, or was trained on."""
    new = int(movies.is_new.sum())  # without a file by update
    if not how.file:
        more = f", and {new} added since" * (new > 0)
        unread = f"; {ENCODED} is not read without -f {ENCODED}" * Path(ENCODED).exists()
        log(f"movies: the {len(movies) - new} the model was trained on{more}{unread}")
        return movies
    if how.replace:
        log(f"movies: only the {len(movies)} of {how.file}, {new} new to the model")
        return movies
    published = store.movies_of(model.fingerprint) if store else None
    what = "the model was trained on" if published is None else "published"
    both = (recsys.catalogue(model) if published is None else published).updated(movies)
    rest = f", and {len(both) - len(movies)} others {what}" * (len(both) > len(movies))
    log(f"movies: {len(both)}: {len(movies)} of {how.file}, {new} new to the model{rest}")
    return both
