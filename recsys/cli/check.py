"""The commands that look at what there is, and how good it is."""

import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import recsys
from recsys.cli import options, shared
from recsys.cli.options import File, Number, argument, command, grouped, option, path
from recsys.cli.output import as_json, plain, table
from recsys.cli.prompt import bar, busy, log, refuse_beside, styled, terminal_width, with_remedy
from recsys.cli.shared import Source
from recsys.data.files import leftovers, replacing_file
from recsys.errors import RecsysError, StoreError, escaped, listed, printable
from recsys.evaluation import GIVEN, PROTOCOLS
from recsys.milvus.address import MilvusAddress
from recsys.options import Options

if TYPE_CHECKING:
    from recsys.evaluation.compare import Row
    from recsys.metrics import Interval
    from recsys.milvus_store import MilvusStore
    from recsys.serving.model_folder import Model

FORMATS = ("table", "json")  # of evaluate and doctor
PAGES = ("html", "md")  # of report
NEEDED = {"jinja2": "jinja2", "sklearn": "scikit-learn", "vl_convert": "vl-convert-python"}
Found = dict[str, dict[str, Any]]  # of doctor: facts by what they are about
RETRAIN = 0.15  # share of ratings since training from which on training again pays
WIDTH, BESIDE = 40, 26  # characters of the longest bar of inspect, and on its left
NOT_SKIPPED = [name for name in vars(Source()) if not name.startswith("skip")]
LIBRARIES = (
    *("paddlepaddle", "pymilvus", "milvus-lite", "numpy", "scipy", "pyarrow", "threadpoolctl"),
    *("click", "tqdm"),
)
TRAINING = {"paddlepaddle", "scipy", "threadpoolctl"}  # queries do without
SPAN, LEAD = "{1:.3f}-{2:.3f}", "{0:+.4f} [{1:+.4f}, {2:+.4f}]"  # an interval, as printed
KEPT = ("fingerprint", "created", "data", "seed", "epoch", "validation", "versions")  # of a config


@command
def inspect(
    data: str = argument(type=File()),
    source: Source = grouped(Source, only=NOT_SKIPPED),
    json: bool = shared.JSON,
) -> None:
    """Show how ratings are understood, and statistics; nothing is trained or written.

    Bad lines are counted, and the first ten listed.

    Example: recsys inspect data/sample
    """
    from recsys.preprocess import read_all

    with busy(f"reading {data}"):
        found = read_all(data, **source.how).summary()
    for line in found["first_bad_lines"]:
        log(line)
    click.echo(as_json(found) if json else _summary(found))


def _summary(found: dict[str, Any]) -> str:
    """The summary as lines to read."""
    missing = [f"{name} {count:,}" for name, count in found["missing"].items()]
    lacking = ", ".join([*missing, f"empty fields {found['empty_fields']:,}"])
    lines = [
        "{name}: {ratings:,} ratings by {users_who_rated:,} users of {movies_rated:,} movies",
        "known        {users:,} users, {movies:,} movies",
        "density      {density:.2%}, {ratings_per_user_median:g} ratings a user (median)",
        "times        {first} to {last}" if found["first"] else "times        no times",
        "long tail    {top_movies_share:.1%} of the ratings are of the top 1 % of movies "
        "({top_movies:,})",
        "duplicates   {duplicates:,}",
        "missing      {lacking}",
        "bad lines    {bad_lines:,}",
    ]
    most = max(found["histogram"].values(), default=1)
    longest = min(WIDTH, max(1, (terminal_width() or WIDTH + BESIDE) - BESIDE))
    bars = [
        f"rating {value:>3} {count:>12,}  {'#' * round(longest * count / most)}".rstrip()
        for value, count in found["histogram"].items()
    ]
    return "\n".join([*(escaped(line.format(**found, lacking=lacking)) for line in lines), *bars])


@command
def doctor(
    json: bool = option("One json object, a key for each thing looked at.", default=False),
    format: str = option("Lines, or as --json.", default="table", type=click.Choice(FORMATS)),
    contract: bool = option("Try all that recsys relies on in a Milvus.", default=False),
    data: str | None = shared.DATA,
    model: str = shared.MODEL,
    address: MilvusAddress = shared.ADDRESS,
) -> None:
    """Check libraries, data, model, Milvus and published movies, and whether they match.

    Each line says what is well, or what is wrong and the command that fixes it. Exits with 1 if
    anything is wrong. Ratings are read only if --data names them. --contract tries only libraries
    and Milvus, in collections that it drops at the end.

    \b
    Example: recsys doctor --uri http://localhost:19530
             recsys doctor --contract --uri http://localhost:19530
    """
    found: Found = {}
    with _look(found, "libraries") as facts:
        _check_libraries(facts)
    if contract:
        refuse_beside("--contract", "data", "model")
        from recsys.milvus.contract import contract as try_all

        made = address.is_missing
        try:
            with _look(found, "milvus") as facts, recsys.MilvusStore(address) as store:
                facts |= {"uri": store.uri, "version": store.version}
                facts["found"] = f"{store.uri}, {store.version}"
                try_all(store, partial(_look, found))
        finally:
            if made:
                shutil.rmtree(Path(address.uri).expanduser(), ignore_errors=True)
    else:
        _look_at_all(found, data, model, address)
    well = all(facts["well"] for facts in found.values())
    if json or format == "json":
        click.echo(as_json({"well": well, **found}))
    else:
        for name, facts in found.items():
            seconds = f"{facts['seconds']:6.2f} s  " if "seconds" in facts else ""
            well_or_not = "ok    " if facts["well"] else styled("WRONG ", sys.stdout, fg="red")
            click.echo(f"{well_or_not} {name:<12} {seconds}{printable(facts['found'])}")
    if not well:
        raise click.exceptions.Exit(1)


def _look_at_all(found: Found, data: str | None, model: str, address: MilvusAddress) -> None:
    """Data, model, Milvus, what is published and what it answers."""
    look, folder = partial(_look, found), None
    if data:
        with look("data") as facts:
            read = recsys.read_dataset(data)
            counts = {name: len(getattr(read, name)) for name in ("ratings", "movies", "users")}
            words = ", ".join(f"{count} {name}" for name, count in counts.items())
            facts |= {"folder": data, **counts, "found": f"{Path(data)}: {words}"}
    with look("model") as facts:
        loaded = recsys.load_model(model)
        loaded.verify()
        folder = loaded
        _check_model(facts, folder)
    with look("milvus") as facts, recsys.MilvusStore(address, make=False) as store:
        uri, version = store.uri, store.version
        facts |= {"uri": uri, "version": version, "found": f"{uri}, {version}"}
        with look("published") as facts:
            _check_published(facts, store, folder)
        if folder and found["published"]["well"]:
            with look("answers") as facts:
                _check_answers(facts, store, folder)


@contextmanager
def _look(found: Found, name: str) -> Iterator[dict[str, Any]]:
    """Facts for programs and, as `found`, words: what there is, or what is wrong and its remedy."""
    facts = found[name] = {"well": True, "found": ""}
    try:
        yield facts
    except RecsysError as error:
        facts |= {"well": False, "found": with_remedy(error, click.get_current_context())}


def _check_libraries(facts: dict[str, Any]) -> None:
    versions = {"recsys": recsys.__version__, **dict.fromkeys(LIBRARIES, "missing")}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    missing = {name for name, each in versions.items() if each == "missing"}
    words = ", ".join(f"{name} {each}" for name, each in versions.items())
    lacking = listed(sorted(missing & TRAINING))
    words += f"; only training and large batches need {lacking}" * bool(lacking)
    facts |= {"well": missing <= TRAINING, "found": words, "versions": versions}


def _check_model(facts: dict[str, Any], folder: "Model") -> None:
    """What came since training, too, whether training again pays, and what a kill has left."""
    config = folder.config
    facts |= {"folder": str(folder.path), **{name: config.get(name) for name in KEPT}}
    metrics = ", ".join(f"{k} {v:.4f}" for k, v in config["validation"].items())
    words = [f"{folder.path}, {folder.fingerprint}, {metrics or 'not validated'}"]
    if came := config.get("since_training"):
        facts["since_training"] = came
        share = came.get("ratings", 0) / max(1, len(folder.history.indices))
        names = ("ratings", "users", "movies", "forgotten")
        what = ", ".join(f"{came[name]:,} {name}" for name in names if came.get(name))
        pays = f"; train again, which pays from {RETRAIN:.0%} on" * (share >= RETRAIN)
        words.append(f"since training {what or 'nothing'} ({share:.1%} of the ratings{pays})")
    if left := [str(each) for each in leftovers(folder.path)]:
        words.append(f"left by a kill: {listed(left)}; the next train or switch sweeps it")
    facts["found"] = "; ".join(words)


def _check_published(facts: dict[str, Any], store: "MilvusStore", folder: "Model | None") -> None:
    found, versions = store.open(None), len(store.versions())
    names = ("alias", "collection", "model", "dimension", "when")
    facts |= {name: getattr(found, name) for name in names}
    facts |= {"movies": found.count, "index": str(found.index), "versions": versions}
    if folder and not store.open(folder.fingerprint).is_current:
        this = f"this one, {folder.fingerprint}, answers from the version before"
        cause = f"{store.uri}: the movies of another model are published; {this}"
        raise StoreError(cause, "switch to that model, or publish those of this one", "publish")
    words = f"{found.collection}: {found.count} movies of model {found.model}, {found.index}"
    facts["found"] = f"{words}, {versions} version{'s' * (versions > 1)}"


def _check_answers(facts: dict[str, Any], store: "MilvusStore", folder: "Model") -> None:
    """Ask for a cold-start user, in Milvus and exactly."""
    exact = recsys.catalogue(folder)
    k = min(10, len(exact))
    (best,), (found,) = (
        recsys.Recommender(folder, each).recommend([recsys.UserQuery()], k)
        for each in (exact, store)
    )
    if not found or found[0].score < best[0].score - 1e-4:
        raise StoreError("Milvus answers worse than an exact search", "publish again", "publish")
    same = len({m.movie_id for m in best} & {m.movie_id for m in found}) / len(best)
    words = f"{same:.0%} of a cold-start user's {k} best movies are those of an exact search"
    facts |= {"same": same, "found": words}


def seeds_of(text: str) -> tuple[int, ...]:
    """Numbers such as 0,1,2 or 0-4."""
    first, dash, last = text.partition("-")
    seeds = [options.whole_number(each) for each in ([first, last] if dash else text.split(","))]
    known = [each for each in seeds if each is not None and each < 2**32]
    if len(known) < len(seeds) or (dash and not 0 <= known[1] - known[0] < 1000):
        raise ValueError("is not numbers such as 0,1,2 or 0-4.")
    return tuple(range(known[0], known[1] + 1) if dash else known)


def diversities_of(text: str) -> tuple[float, ...]:
    """Numbers such as 0.1,0.3."""
    return tuple(Number(0, 1).convert(each, None, None) for each in text.split(","))


@command
def evaluate(
    data: str | None = path(shared.RATINGS, *("--data", "--train"), show_envvar=True),
    test: str | None = path("Ratings to judge on; then none of --data are held out."),
    model: str | None = path("A trained model, instead of training one; with --test."),
    compare: tuple[str, ...] = option("A model to compare it with; repeat it.", default=()),
    protocol: str = option("What is held out.", default="random", type=click.Choice(PROTOCOLS)),
    baselines: str = option("quick, all, or names with commas.", default="quick"),
    likes: int = option("Likes given in few-likes.", default=5, min=1, max=1000),
    diversity: tuple[float, ...] | None = option(
        "Also with these for --diversity: 0.2,0.4.", type=diversities_of
    ),
    by: tuple[str, ...] = option("Also by an attribute of users, or popularity.", default=()),
    seeds: tuple[int, ...] = option("Seeds of splits: 0,1,2 or 0-4.", default=(0,), type=seeds_of),
    uri: str = option("Milvus; by default a temporary file.", default="", show_envvar=True),
    no_index: bool = option("Leave out answers of Milvus.", default=False),
    format: str = option("A table a seed, or json.", default="table", type=click.Choice(FORMATS)),
    output: str | None = path("Also a Parquet file of all metrics by user.", "-o"),
    knobs: Options = grouped(Options, only=["epochs"]),
    set: options.Knobs = options.SET,
    source: Source = grouped(Source),
) -> None:
    """Compare recsys with baselines on the same split in the same run.

    All options, of recsys and the baselines, are chosen on validation data; test data is used once.
    All movies but seen ones are ranked; those with a held-out rating of 4 or more are relevant.

    \b
    Example: recsys evaluate --data data/ml-100k --protocol few-likes --likes 5
             recsys evaluate --train before.csv --test after.csv --by popularity
             recsys evaluate --model new.model --compare old.model --test today.csv
    """
    if protocol != "few-likes":
        refuse_beside(f"--protocol {protocol}", "likes")
    if test and protocol not in GIVEN:
        raise click.UsageError(f"--test takes --protocol {', '.join(GIVEN)}, to choose options by")
    if (compare and not model) or (model and not test):
        raise click.UsageError("--compare goes with --model, and --model with --test")
    if model:
        refuse_beside("--model", "data", "epochs", "set")
    if uri and not no_index:
        recsys.MilvusStore(uri).close()  # what cannot be opened is known before the work
    from recsys.evaluation import compare as comparison
    from recsys.train import use_all_cores

    use_all_cores()
    chosen = replace(knobs, **dict(set))
    dataset: Any = None if model else source.read(data)
    models = [recsys.load_model(each) for each in (*filter(None, [model]), *compare)]
    judged_on = source.read(test, dataset or models[0]) if test else None
    how: dict[str, Any] = {"test": judged_on, "likes": likes, "uri": uri, "by": by, "log": log}
    how |= {"compared": baselines, "diversity": diversity or ()}
    how["indexes"] = () if no_index else comparison.INDEXES
    with replacing_file(output) if output else nullcontext() as beside:  # or it fails now
        rows: list[Row] = []
        with bar("evaluating", len(seeds), "seed") as shown:
            for row in recsys.evaluate(dataset or models, protocol, seeds, chosen, **how):
                rows.append(row)
                shown.update(len({each.seed for each in rows}) - 1 - shown.n)  # done before
            shown.update(len(seeds) - shown.n)
        if beside:
            _write_users(beside, rows)
    rows += comparison.mean(rows) if len(seeds) > 1 else []
    if format == "json":
        click.echo(as_json(plain(rows)))
    else:
        _print_evaluation(escaped((judged_on or dataset).name), rows, len(seeds))


def _print_evaluation(name: str, rows: "Sequence[Row]", seeds: int) -> None:
    """A table for each seed, and for the mean of several: metrics, and our lead over each row."""

    def shown(interval: "Interval | None", form: str) -> str:
        return form.format(*interval) if interval else ""

    for seed in dict.fromkeys(row.seed for row in rows):
        same = [row for row in rows if row.seed == seed]
        counts = f"{same[0].users} users ranked for, {same[0].left_out} left out for liking nothing"
        which = f"seed {seed}" if seed >= 0 else f"mean of {seeds} seeds"
        click.echo(f"{name}, {same[0].protocol}, {which}: {counts}")
        names = list(dict.fromkeys(name for row in same for name in row.metrics))
        leads = ("our ndcg@10 lead", "our rmse lead")
        cells = [
            (
                *(row.name, row.chosen),
                *(shown(row.metrics.get(each), "{0:.4f}") for each in names),
                shown(row.metrics.get("ndcg@10"), SPAN),
                f"{row.coverage:.3f}" if row.coverage is not None else "",
                *(shown(each, LEAD) for each in (row.behind, row.rmse_behind)),
            )
            for row in same
        ]
        header = ("", "chosen", *names, "ndcg@10 95%", "coverage@10", *leads)
        click.echo(table(header, cells, terminal_width(), below=True))
        click.echo()


def _write_users(path: Path, rows: "Sequence[Row]") -> None:
    """A row for each user and row of the table."""
    import pyarrow as pa
    from pyarrow import parquet

    tables = []
    for row in rows:
        count = len(row.per_user["user_id"])
        about = {name: [getattr(row, name)] * count for name in ("seed", "name", "chosen")}
        tables.append(pa.table({**about, **row.per_user}))
    parquet.write_table(pa.concat_tables(tables, promote_options="permissive"), str(path))


@command
def report(
    model: str = shared.MODEL,
    evaluation: tuple[str, ...] = option("What evaluate printed as json; repeat it.", default=()),
    compare: str | None = path("Another model to show beside it."),
    data: str | None = path("Its ratings, to say what was left out of them.", show_envvar=True),
    format: str | None = option("By default as -o ends, or html.", type=click.Choice(PAGES)),
    output: str | None = path("A file, or - for stdout. [default: report.html; md: -]", "-o"),
    source: Source = grouped(Source, only=NOT_SKIPPED),
) -> None:
    """Write a page about a model: data, training, quality, a map of its movies, some users.

    The page is one file that needs no network; it shows what a few users rated. As Markdown it is
    tables for a comment in CI.

    \b
    Example: recsys report
             recsys evaluate --format json --by gender > random.json
             recsys report --evaluation random.json --compare old.model --format md
    """
    from recsys.report.evaluations import rows_of
    from recsys.report.facts import IN_PAGE, SECTIONS, facts

    started, ending = time.monotonic(), Path(output or "").suffix[1:]
    if (format or ending) == "md":
        from recsys.report.tables import markdown as written

        output, only = output or "-", [each for each in SECTIONS if each not in IN_PAGE]
    else:
        if missing := [name for module, name in NEEDED.items() if not find_spec(module)]:
            cause = f"the page needs {listed(missing)}: not installed"
            raise RecsysError(cause, "pip install 'recsys[report]', or take --format md")
        from recsys.report.page import page as written

        output, only = output or "report.html", [*SECTIONS]
    shown, other = recsys.load_model(model), recsys.load_model(compare) if compare else None
    rows = [rows_of(Path(each).read_text("utf-8", "replace"), each) for each in evaluation]
    found = None
    if data:
        from recsys.preprocess import read_all

        found = read_all(data, **source.how).summary()
    if output == "-":
        click.echo(written(facts(shown, found, rows, other, only)), nl=False)
        return
    with replacing_file(output) as beside, busy(f"reporting on {model}"):  # or it fails now
        text = written(facts(shown, found, rows, other, only))
        beside.write_text(text, "utf-8", "backslashreplace")
    log(f"{output}: {len(text) / 1e6:.1f} MB, in {time.monotonic() - started:.1f} s")
