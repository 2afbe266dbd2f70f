"""The commands of every day: update, forget, export."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, get_args

import click

import recsys
from recsys.cli import shared
from recsys.cli.options import command, grouped, option, path
from recsys.cli.output import as_json
from recsys.cli.prompt import bar, log, refuse_beside
from recsys.cli.shared import Source
from recsys.cli.typed import Known
from recsys.data.files import interrupts_wait, previous_of, replacing_file
from recsys.errors import printable
from recsys.serving import RankBy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recsys.infer import Vectors
    from recsys.serving.model_folder import Model

DRY_RUN = option("Say what would change, and change nothing.", default=False)


@command
def update(
    data: str = path("New ratings, in any format that train reads.", required=True),
    dry_run: bool = DRY_RUN,
    json: bool = shared.JSON,
    model: str = shared.MODEL,
    source: Source = grouped(Source),
) -> None:
    """Add ratings, users and movies to a model without training; prints how many.

    Ratings are on the model's scale; one given again replaces the older. New users are answered at
    once. Published movies stay as they are; load-movies publishes new ones.

    Example: recsys update --data monday.csv
    """
    before = recsys.load_model(model)
    found = recsys.update_model(before, source.read(data, before), log=log)
    counts = {name: each for name, each in found._asdict().items() if name != "model"}
    _settle(model, before, found.model, counts, json, dry_run or not found)
    if found.movies:
        log(f"{found.movies} new movies: publish them by recsys load-movies")


@command
def forget(
    user: str | None = option("A user of the model.", "-u", metavar="ID"),
    users: str | None = path("A file of user ids (- for stdin)."),
    dry_run: bool = DRY_RUN,
    json: bool = shared.JSON,
    model: str = shared.MODEL,
) -> None:
    """Remove users from a model: their ratings, attributes and ids; prints how many.

    The vectors of movies, learned from them too, change with the next training.

    Example: recsys forget -u 42
    """
    if (user is None) == (users is None):
        raise click.UsageError("give -u or --users")
    before = recsys.load_model(model)
    known = Known(before)
    ids = [known.user(user)] if user is not None else [*dict.fromkeys(known.ids(users or "-")[0])]
    if ids:
        left = recsys.forget_users(before, ids)
        _settle(model, before, left, {"forgotten": len(ids)}, json, dry_run)
        log("what movies' vectors learned from them goes with the next recsys train")
        if (kept := previous_of(model)).exists():
            log(f"{kept}: the model before still has them")
    known.end(len(ids))


def _settle(
    place: str, before: "Model", after: "Model", counts: dict[str, int], json: bool, dry_run: bool
) -> None:
    """Write the model, if that is wanted, and print what changed."""
    if not dry_run:
        with interrupts_wait():
            after = recsys.write_model(place, after, before=before)
    if json:
        came = {**after.config.get("since_training", {})}
        came.pop("new_movies", None)
        about = {"history": after.config.get("history"), "since_training": came}
        click.echo(as_json({"model": place, "fingerprint": before.fingerprint, **counts, **about}))
    else:
        words = ", ".join(f"{each:,} {name}" for name, each in counts.items())
        click.echo(f"{printable(place)}\t{before.fingerprint}\t{words}")


@command
def export(
    output: str = path("FILE.parquet, or FILE.npy; complete or not at all.", "-o", required=True),
    users: str | None = path("Of users instead: 'all', or a file of their ids (- for stdin)."),
    rank_by: RankBy = option("Of users.", default="relevance", type=click.Choice(get_args(RankBy))),
    model: str = shared.MODEL,
) -> None:
    """Write the vectors of the model's movies, or of users, for FAISS, notebooks and other tools.

    The score of a movie for a user is the inner product of their vectors.

    \b
    Example: recsys export -o movies.parquet
             recsys export --users all -o users.npy
    """
    from recsys.data.ids import id_array, is_text
    from recsys.infer import BATCH

    if not output.endswith((".parquet", ".npy")):
        raise click.UsageError(f"-o {printable(output)}: expected a name in .parquet or .npy")
    folder, what = recsys.load_model(model), "movie"
    known = Known(folder)
    if users is None:
        refuse_beside("export of movies", "rank_by")
        ids, vectors = folder.vocabulary.movie_ids, iter([recsys.item_vectors(folder)])
    else:
        what, ids = "user", folder.vocabulary.user_ids
        if users != "all":
            ids = id_array(known.ids(users)[0], is_text(ids))
        queries = [recsys.UserQuery(each) for each in ids.tolist()]
        batches = (queries[n : n + BATCH] for n in range(0, len(ids), BATCH))
        vectors = (recsys.user_vectors(folder, each, rank_by) for each in batches)
    with bar("exporting", len(ids), what) as shown:
        _write_vectors(output, _counted(vectors, shown), ids, f"{what}_id", folder)
    layout = folder.layout
    slices = ", ".join(f"{name} {size}" for name, size in layout.sizes.items())
    click.echo(f"{printable(output)}\t{len(ids):,} {what}s\t{layout.size} numbers: {slices}, rest")
    known.end(len(ids))


def _counted(vectors: "Iterator[Vectors]", shown: Any) -> "Iterator[Vectors]":
    """The vectors, counted on a bar when they are written."""
    for each in vectors:
        yield each
        shown.update(len(each.ids))


def _write_vectors(
    path: str, vectors: "Iterator[Vectors]", ids: "NDArray", key: str, folder: "Model"
) -> None:
    """A table of ids and vectors, or an array of records of them."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    from recsys.data.ids import is_text

    size, text, start = folder.layout.size, is_text(ids), 0
    with replacing_file(path) as beside:
        if path.endswith(".npy"):
            kind = ids.astype(str).dtype if text else np.dtype(np.int64)
            records = np.empty(len(ids), [(key, kind), ("vector", np.float32, (size,))])
            records[key] = ids
            for each in vectors:
                records["vector"][start : start + len(each.ids)] = each.vectors
                start += len(each.ids)
            with open(beside, "wb") as file:
                np.save(file, records, allow_pickle=False)
            return
        about = {"names": as_json(folder.layout.names, None), "model": folder.fingerprint}
        kinds = {key: pa.string() if text else pa.int64(), "vector": pa.list_(pa.float32(), size)}
        with parquet.ParquetWriter(str(beside), pa.schema(kinds, about)) as writer:
            for each in vectors:
                flat = pa.FixedSizeListArray.from_arrays(pa.array(each.vectors.ravel()), size)
                rows = {key: each.ids.tolist(), "vector": flat}
                writer.write_table(pa.table(rows, writer.schema))
