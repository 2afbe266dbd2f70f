"""The commands that look at what there is, and how good it is: doctor, evaluate."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recsys.cli import tables
from recsys.cli.options import (
    address_of,
    data_folder,
    data_option,
    milvus_options,
    model_option,
    skip_bad_lines_options,
    source_options,
    store_at,
    training_options,
)
from recsys.cli.prompt import command, log, refuse_beside, verbosity_options
from recsys.cli.remedies import in_words
from recsys.cli.values import Seeds, Whole
from recsys.evaluation import PROTOCOLS, SIMILAR

if TYPE_CHECKING:
    from recsys.cli.options import Source
    from recsys.data.dataset import Dataset
    from recsys.evaluation.compare import Row
    from recsys.metrics import Interval
    from recsys.milvus.address import MilvusAddress
    from recsys.preprocess import SkipBadLines
    from recsys.training.options import Options


@command()
@click.option("--json", is_flag=True, help="One json object, a key for each thing looked at.")
@data_option
@model_option
@milvus_options
@verbosity_options
def doctor(json: bool, data: str | None, model: str, address: "MilvusAddress") -> None:
    """Show libraries, data, model, Milvus and what is published, and whether they fit together.

    Each line says what is well, or what is wrong and the command that fixes it. Exits with 1 if
    anything is wrong. Ratings are read only where --data names them.

    Example: recsys doctor --uri http://localhost:19530
    """
    from recsys.cli.doctor import examine

    context = click.get_current_context()
    checks = list(
        examine(
            Path(data) if data else None,
            Path(model),
            lambda: store_at(address),
            lambda error: in_words(error, context),
        )
    )
    well = all(check.well for check in checks)
    if json:
        click.echo(tables.as_json({"well": well, **{c.name: c.as_dict() for c in checks}}))
    else:
        for check in checks:
            click.echo(f"{'ok' if check.well else 'WRONG':<6} {check.name:<12} {check.found}")
    if not well:
        raise click.exceptions.Exit(1)


@command()
@data_option
@source_options
@click.option(
    "--protocol",
    type=click.Choice([*PROTOCOLS, SIMILAR]),
    default=PROTOCOLS[0],
    show_default=True,
    help="How ratings are held out; similar: none are, pairs of similar movies are looked for.",
)
@click.option(
    "--baselines", default="quick", show_default=True,
    help="quick: those that need no library; all; or names with commas between them.",
)  # fmt: skip
@click.option(
    "--likes", default=5, show_default=True, type=Whole(1, 1000), help="Likes given in few-likes."
)
@click.option(
    "--seeds", default="0", show_default=True, type=Seeds(),
    help="Of splits and training: 0,1,2 or 0-4.",
)  # fmt: skip
@training_options("seed")
@click.option(
    "--uri", default="", envvar="RECSYS_URI", show_envvar=True,
    help="Milvus; by default a temporary file.",
)  # fmt: skip
@click.option("--no-index", is_flag=True, help="Leave out what comes through Milvus.")
@skip_bad_lines_options
@click.option(
    "--format", type=click.Choice(["table", "json"]), default="table", show_default=True,
    help="A table for each seed, or json.",
)  # fmt: skip
@verbosity_options
def evaluate(
    data: str | None,
    source: "Source",
    protocol: str,
    baselines: str,
    likes: int,
    seeds: tuple[int, ...],
    options: "Options",
    uri: str,
    no_index: bool,
    skip_bad_lines: "SkipBadLines",
    format: str,
) -> None:
    """Compare recsys with its baselines: one table, everything on the same split in the same run.

    All options, ours and the baselines', are chosen on validation data; test data is used once.
    Every movie is ranked, seen ones left out; relevant is a held-out rating of 4 and more.

    Example: recsys evaluate --data data/ml-100k --protocol few-likes --likes 5
    """
    others = {"few-likes": (), SIMILAR: ("likes", "baselines")}.get(protocol, ("likes",))
    refuse_beside(f"--protocol {protocol}", *others)
    indexed = not no_index and protocol != SIMILAR
    if uri and indexed:
        with store_at(address_of(uri=uri), make=True):
            pass  # what cannot be opened is known before the work
    folder = data_folder(data)
    from recsys.evaluation import compare
    from recsys.train import use_all_cores

    use_all_cores()
    dataset = source.read(folder, skip_bad_lines)
    if protocol == SIMILAR:
        _evaluate_similar(dataset, seeds, options, format)
        return
    indexes = () if no_index else compare.INDEXES
    compared = compare.evaluate(
        dataset,
        protocol,
        seeds,
        options,
        likes=likes,
        indexes=indexes,
        uri=uri,
        compared=baselines,
        log=log,
    )
    rows = list(compared)
    if len(seeds) > 1:
        rows += compare.mean(rows)
    if format == "json":
        click.echo(tables.as_json([_row_json(row) for row in rows]))
        return
    _print_evaluation(dataset.name, rows, len(seeds))


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
    cells = [
        (
            row.name,
            row.chosen,
            *(f"{row.metrics[n].value:.4f}" if n in row.metrics else "" for n in names),
            _span(row),
            f"{row.coverage:.3f}" if row.coverage is not None else "",
            _lead(row.behind),
            _lead(row.rmse_behind),
        )
        for row in rows
    ]
    notes = [f"{row.chosen}: {row.note}" for row in rows if row.note]
    header = (
        "",
        "chosen",
        *names,
        "ndcg@10 95%",
        "coverage@10",
        "our ndcg@10 lead",
        "our rmse lead",
    )
    return "\n".join([tables.table(header, cells), *notes])


def _evaluate_similar(
    dataset: "Dataset", seeds: tuple[int, ...], options: "Options", format: str
) -> None:
    """Print the table of the similar protocol."""
    from recsys.evaluation.similar import evaluate_similar

    rows = list(evaluate_similar(dataset, seeds, options, log=log))
    if format == "json":
        click.echo(tables.as_json([row._asdict() | {"mrr": row.mrr._asdict()} for row in rows]))
        return
    click.echo(f"{dataset.name}, {SIMILAR}: {rows[0].pairs} pairs of movies")
    header = ("", "seed", "mrr", "mrr 95%", "median rank")
    cells = [
        (
            row.name,
            "" if row.seed is None else str(row.seed),
            f"{row.mrr.value:.4f}",
            f"{row.mrr.low:.3f}-{row.mrr.high:.3f}",
            f"{row.median_rank:g}",
        )
        for row in rows
    ]
    click.echo(tables.table(header, cells))


def _lead(found: "Interval | None") -> str:
    return f"{found.value:+.4f} [{found.low:+.4f}, {found.high:+.4f}]" if found else ""


def _span(row: "Row") -> str:
    found = row.metrics.get("ndcg@10")
    return f"{found.low:.3f}-{found.high:.3f}" if found else ""


def _row_json(row: "Row") -> dict[str, Any]:
    whole = row._asdict()
    whole["metrics"] = {name: each._asdict() for name, each in row.metrics.items()}
    for name in ("behind", "rmse_behind"):
        whole[name] = whole[name]._asdict() if whole[name] else None
    return whole
