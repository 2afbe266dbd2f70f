"""The commands that look at what there is, and how good it is: inspect, doctor, evaluate."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from recsys import __version__
from recsys.cli.build import set_option, with_knobs
from recsys.cli.options import (
    File,
    Parsed,
    Source,
    Whole,
    address_options,
    data_folder,
    data_option,
    filled,
    grouped,
    model_option,
    option,
    store_at,
    whole_number,
)
from recsys.cli.output import as_json, table
from recsys.cli.prompt import command, log, refuse_beside, with_remedy
from recsys.errors import RecsysError, StoreError
from recsys.evaluation import PROTOCOLS, SIMILAR
from recsys.milvus.address import MilvusAddress
from recsys.training.options import Options

if TYPE_CHECKING:
    from recsys.evaluation.compare import Row
    from recsys.evaluation.similar import SimilarRow
    from recsys.metrics import Interval
    from recsys.milvus_store import MilvusStore
    from recsys.serving.model_folder import Model

WIDTH = 40  # characters of the longest bar of inspect
LIBRARIES = ("paddlepaddle", "pymilvus", "milvus-lite", "numpy", "pyarrow", "click", "tqdm")
TRAINING = "paddlepaddle"  # queries do without
KEPT = ("fingerprint", "created", "data", "seed", "epoch", "validation", "versions")  # of a config


@command()
@click.argument("data", type=File())
@grouped(Source, "source", only=[name for name in vars(Source()) if not name.startswith("skip")])
@click.option("--json", is_flag=True, help="One json object.")
def inspect(data: str, source: Source, json: bool) -> None:
    """Show how ratings are understood, and what they look like; nothing is trained or written.

    Bad lines are counted, the first ten are listed.

    Example: recsys inspect data/sample
    """
    from recsys.preprocess import read_all

    found = read_all(
        *(data, source.items, source.users, source.columns),
        liked_from=source.liked_from,
        repeats=source.repeats,
        log=log,
    ).summary()
    for line in found["first_bad_lines"]:
        log(line)
    click.echo(as_json(found) if json else _summary(found))


def _summary(found: dict[str, Any]) -> str:
    """The summary as lines to read."""
    ratings, missing = found["ratings"], found["missing"]
    span = f"{found['first']} to {found['last']}" if found["first"] else "no times"
    lines = [
        f"{found['name']}: {ratings:,} ratings by {found['users_who_rated']:,} users of "
        f"{found['movies_rated']:,} movies",
        f"known        {found['users']:,} users, {found['movies']:,} movies",
        f"density      {found['density']:.2%}, {found['ratings_per_user_median']:g} ratings a user "
        "(median)",
        f"times        {span}",
        f"long tail    {found['top_movies_share']:.1%} of the ratings are of the top 1 % of movies "
        f"({found['top_movies']:,})",
        f"duplicates   {found['duplicates']:,}",
        "missing      "
        + ", ".join(f"{n} {count:,}" for n, count in missing.items())
        + f", empty fields {found['empty_fields']:,}",
        f"bad lines    {found['bad_lines']:,}",
    ]
    most = max(found["histogram"].values(), default=1)
    lines += [
        f"rating {value:>3} {count:>12,}  {'#' * round(WIDTH * count / most)}".rstrip()
        for value, count in found["histogram"].items()
    ]
    return "\n".join(lines)


Words = tuple[str, Mapping[str, Any]]  # what there is, and facts for programs


class Check(NamedTuple):
    """One thing looked at."""

    name: str
    well: bool
    found: str  # in words: what there is, or what is wrong and the command that fixes it
    facts: Mapping[str, Any] = MappingProxyType({})

    def to_json(self) -> dict[str, Any]:
        return {"well": self.well, "found": self.found, **self.facts}


@command()
@click.option("--json", is_flag=True, help="One json object, a key for each thing looked at.")
@data_option
@model_option
@address_options
def doctor(json: bool, data: str | None, model: str, address: MilvusAddress) -> None:
    """Show libraries, data, model, Milvus and what is published, and whether they fit together.

    Each line says what is well, or what is wrong and the command that fixes it. Exits with 1 if
    anything is wrong. Ratings are read only where --data names them.

    Example: recsys doctor --uri http://localhost:19530
    """
    checks = list(_checks(Path(data) if data else None, Path(model), address))
    well = all(check.well for check in checks)
    if json:
        click.echo(as_json({"well": well, **{each.name: each.to_json() for each in checks}}))
    else:
        for check in checks:
            click.echo(f"{'ok' if check.well else 'WRONG':<6} {check.name:<12} {check.found}")
    if not well:
        raise click.exceptions.Exit(1)


def _checks(data: Path | None, model: Path, address: MilvusAddress) -> Iterator[Check]:
    """Look at one thing after the other; what needs something that is not well is left out."""
    from recsys.serving.model_folder import load_model

    context = click.get_current_context()

    def look(name: str, at: Callable[[], Words], **known: Any) -> Check:
        try:
            return Check(name, True, *at())
        except RecsysError as error:
            return Check(name, False, with_remedy(error, context), known)

    yield _libraries()
    if data:
        yield look("data", lambda: _data(data))
    yield (checked := look("model", lambda: _model(model)))
    folder = load_model(model) if checked.well else None
    try:
        with store_at(address) as store:
            facts = {"uri": store.uri, "version": store.version}
            yield Check("milvus", True, f"{store.uri}, {store.version}", facts)
            published = look("published", lambda: _published(store))
            if published.well and folder:
                same = look(
                    "published", lambda: _of_model(folder, store, published), **published.facts
                )
                yield same
                if same.well:
                    yield look("answers", lambda: _answers(folder, store))
            else:
                yield published
    except RecsysError as error:
        yield Check("milvus", False, with_remedy(error, context))


def _libraries() -> Check:
    found = {"recsys": __version__}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    missing = {name for name, each in found.items() if each == "missing"}
    words = ", ".join(f"{name} {each}" for name, each in found.items())
    words += f"; {TRAINING} is for train and evaluate" if TRAINING in missing else ""
    return Check("libraries", missing <= {TRAINING}, words, {"versions": found})


def _data(folder: Path) -> Words:
    from recsys.preprocess import read_dataset

    found = read_dataset(folder)
    facts = {"ratings": len(found.ratings), "movies": len(found.movies), "users": len(found.users)}
    counts = ", ".join(f"{count} {name}" for name, count in facts.items())
    return f"{folder}: {counts}", {"folder": str(folder), **facts}


def _model(path: Path) -> Words:
    from recsys.serving.model_folder import load_model

    folder = load_model(path)
    folder.verify()
    facts = {"folder": str(folder.path), **{name: folder.config.get(name) for name in KEPT}}
    metrics = ", ".join(f"{k} {v:.4f}" for k, v in folder.config["validation"].items())
    return f"{folder.path}, {folder.fingerprint}, {metrics or 'not validated'}", facts


def _published(store: "MilvusStore") -> Words:
    found = store.open(None)
    facts = {
        "alias": found.alias,
        "collection": found.collection,
        "model": found.model,
        "movies": found.count,
        "dimension": found.dimension,
        "index": str(found.index),
        "when": found.when,
        "versions": len(store.versions()),
    }
    words = f"{found.collection}: {found.count} movies of model {found.model}, {found.index}"
    return f"{words}, {facts['versions']} versions", facts


def _of_model(folder: "Model", store: "MilvusStore", published: Check) -> Words:
    """What is published, if it is of this model."""
    if not store.open(folder.fingerprint).is_current:
        raise StoreError(
            f"{store.uri}: the movies of another model are published; this one, "
            f"{folder.fingerprint}, answers from the version before",
            "switch to that model, or publish the movies of this one",
            "publish",
        )
    return published.found, published.facts


def _answers(folder: "Model", store: "MilvusStore") -> Words:
    """Ask for a cold-start user, in Milvus and by comparing every movie."""
    from recsys.infer import Recommender, UserQuery, catalogue

    exact = catalogue(folder)
    k = min(10, len(exact))
    (best,), (found,) = (
        Recommender(folder, each).recommend([UserQuery()], k) for each in (exact, store)
    )
    if not found or found[0].score < best[0].score - 1e-4:
        raise StoreError("Milvus answers worse than an exact search", "publish again", "publish")
    same = len({m.movie_id for m in best} & {m.movie_id for m in found}) / len(best)
    words = f"{same:.0%} of a cold-start user's {k} best movies are those of an exact search"
    return words, {"same": same}


def seeds_of(text: str) -> tuple[int, ...]:
    """Numbers such as 0,1,2 or 0-4."""
    first, dash, last = text.partition("-")
    numbers = [whole_number(part) for part in ([first, last] if dash else text.split(","))]
    seeds = [number for number in numbers if number is not None and number < 2**32]
    if len(seeds) < len(numbers) or (dash and not 0 <= seeds[1] - seeds[0] < 1000):
        raise ValueError("is not numbers such as 0,1,2 or 0-4.")
    return tuple(range(seeds[0], seeds[1] + 1)) if dash else tuple(seeds)


@dataclass(frozen=True)
class Evaluation:
    """What is compared, and how it is shown."""

    protocol: str = option(
        f"How ratings are held out: {', '.join(PROTOCOLS)}; {SIMILAR}: none are, pairs of similar "
        "movies are looked for.",
        default=PROTOCOLS[0],
        type=click.Choice([*PROTOCOLS, SIMILAR]),
        metavar="NAME",
    )
    baselines: str = option(
        "quick: those that need no library; all; or names with commas between them.",
        default="quick",
    )
    likes: int = option("Likes given in few-likes.", default=5, type=Whole(1, 1000))
    seeds: tuple[int, ...] = option(
        "Of splits and training: 0,1,2 or 0-4.", default=(0,), type=Parsed("seeds", seeds_of)
    )
    uri: str = option(
        "Milvus; by default a temporary file.", default="", envvar="RECSYS_URI", show_envvar=True
    )
    no_index: bool = option("Leave out what comes through Milvus.", default=False)
    format: str = option(
        "A table for each seed, or json.", default="table", type=click.Choice(["table", "json"])
    )


@command()
@data_option
@grouped(Evaluation, "how")
@grouped(Options, "knobs", only=["epochs"])
@set_option
@grouped(Source, "source")
def evaluate(
    data: str | None,
    how: Evaluation,
    knobs: Options,
    set: Sequence[tuple[str, Any]],
    source: Source,
) -> None:
    """Compare recsys with its baselines: one table, everything on the same split in the same run.

    All options, ours and the baselines', are chosen on validation data; test data is used once.
    Every movie is ranked, seen ones left out; relevant is a held-out rating of 4 and more.

    Example: recsys evaluate --data data/ml-100k --protocol few-likes --likes 5
    """
    others = {"few-likes": (), SIMILAR: ("likes", "baselines")}.get(how.protocol, ("likes",))
    refuse_beside(f"--protocol {how.protocol}", *others)
    if how.uri and not how.no_index and how.protocol != SIMILAR:
        with store_at(filled(MilvusAddress, uri=how.uri), make=True):
            pass  # what cannot be opened is known before the work
    folder = data_folder(data)
    from recsys.evaluation import compare, similar
    from recsys.train import use_all_cores

    use_all_cores()
    dataset, chosen = source.read(folder), with_knobs(knobs, set)
    rows: list[Any]
    if how.protocol == SIMILAR:
        rows = list(similar.evaluate_similar(dataset, how.seeds, chosen, log=log))
    else:
        found = compare.evaluate(
            dataset,
            how.protocol,
            how.seeds,
            chosen,
            likes=how.likes,
            indexes=() if how.no_index else compare.INDEXES,
            uri=how.uri,
            compared=how.baselines,
            log=log,
        )
        rows = list(found)
        rows += compare.mean(rows) if len(how.seeds) > 1 else []
    if how.format == "json":
        click.echo(as_json([_plain(row) for row in rows]))
    elif how.protocol == SIMILAR:
        _print_similar(dataset.name, rows)
    else:
        _print_evaluation(dataset.name, rows, len(how.seeds))


def _print_evaluation(name: str, rows: "Sequence[Row]", seeds: int) -> None:
    """A table for each seed, and for the mean of several."""
    for seed in dict.fromkeys(row.seed for row in rows):
        same = [row for row in rows if row.seed == seed]
        counts = f"{same[0].users} users ranked for, {same[0].left_out} left out for liking nothing"
        which = f"seed {seed}" if seed >= 0 else f"mean of {seeds} seeds"
        click.echo(f"{name}, {same[0].protocol}, {which}: {counts}")
        click.echo(_evaluation_table(same) + "\n")


def _evaluation_table(rows: "Sequence[Row]") -> str:
    """Metrics by column, the widest interval of ndcg in brackets, our lead over each row."""
    names = list(dict.fromkeys(name for row in rows for name in row.metrics))
    leads = ("our ndcg@10 lead", "our rmse lead")
    header = ("", "chosen", *names, "ndcg@10 95%", "coverage@10", *leads)
    cells = [
        (
            row.name,
            row.chosen,
            *(f"{row.metrics[n].value:.4f}" if n in row.metrics else "" for n in names),
            _span(row.metrics.get("ndcg@10")),
            f"{row.coverage:.3f}" if row.coverage is not None else "",
            _lead(row.behind),
            _lead(row.rmse_behind),
        )
        for row in rows
    ]
    notes = [f"{row.chosen}: {row.note}" for row in rows if row.note]
    return "\n".join([table(header, cells), *notes])


def _print_similar(name: str, rows: "Sequence[SimilarRow]") -> None:
    click.echo(f"{name}, {SIMILAR}: {rows[0].pairs} pairs of movies")
    cells = [
        (
            row.name,
            "" if row.seed is None else str(row.seed),
            f"{row.mrr.value:.4f}",
            _span(row.mrr),
            f"{row.median_rank:g}",
        )
        for row in rows
    ]
    click.echo(table(("", "seed", "mrr", "mrr 95%", "median rank"), cells))


def _lead(found: "Interval | None") -> str:
    return f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]" if found else ""


def _span(found: "Interval | None") -> str:
    return f"{found.low:.3f}-{found.high:.3f}" if found else ""


def _plain(value: Any) -> Any:
    """Named tuples as json has them."""
    if hasattr(value, "_asdict"):
        value = value._asdict()
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, dict) else value
