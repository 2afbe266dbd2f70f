"""The commands that look at what there is, and how good it is: status, doctor, evaluate."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recsys.cli.options import (
    data_folder,
    data_option,
    manners,
    milvus_options,
    model_option,
    say,
    store_at,
)
from recsys.data.movielens import PROTOCOLS
from recsys.errors import ModelError, RecsysError
from recsys.training.options import Options

if TYPE_CHECKING:
    from recsys.evaluation.experiment import Row

LIBRARIES = ("recsys", "paddlepaddle", "pymilvus", "milvus-lite", "numpy", "click", "tqdm")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One json object instead of lines.")
@model_option
@milvus_options
@manners
def status(as_json: bool, model: str, **where: Any) -> None:
    """What model there is, what is published where, and what is stale.

    Example: recsys status --json
    """
    from importlib.metadata import version

    found: dict[str, Any] = {"model": _model(model), "published": _published(where)}
    found["libraries"] = {name: version(name) for name in LIBRARIES}
    found["stale"] = _stale(found)
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    for part in ("model", "published", "libraries"):
        for name, value in found[part].items():
            if isinstance(value, dict):
                value = ", ".join(f"{k} {v}" for k, v in value.items())
            click.echo(f"{part:<10} {name:<12} {value}")
    for line in found["stale"] or ["nothing"]:
        click.echo(f"{'stale':<10} {line}")


def _model(path: str) -> dict[str, Any]:
    from recsys.serving.model_folder import ModelFolder

    try:
        folder = ModelFolder(path)
        folder.verify()
    except ModelError as error:
        return {"folder": path, "error": str(error)}
    config = folder.config
    kept = ("fingerprint", "created", "data", "seed", "epoch", "validation", "versions")
    return {"folder": path, **{name: config.get(name, "") for name in kept}}


def _published(where: dict[str, Any]) -> dict[str, Any]:
    try:
        with store_at(where) as store:
            p = store.open(None)
            return {
                "uri": store.uri,
                "collection": p.collection,
                "alias": p.alias,
                "model": p.model,
                "movies": p.count,
                "dimension": p.dimension,
                "index": str(p.index),
                "when": p.when,
                "versions": len(store.versions()),
            }
    except RecsysError as error:
        return {"uri": where["uri"], "error": str(error)}


def _stale(found: dict[str, Any]) -> list[str]:
    """What does not fit together, each with the command that mends it."""
    model, published = found["model"], found["published"]
    stale = [part["error"] for part in (model, published) if "error" in part]
    if not stale and model["fingerprint"] != published["model"]:
        stale.append(
            f"movies of model {published['model']} are published, the model is "
            f"{model['fingerprint']}: recsys load-movies"
        )
    return stale


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One json object instead of lines.")
@data_option
@model_option
@milvus_options
@manners
def doctor(as_json: bool, data: str | None, model: str, **where: Any) -> None:
    """Check data, model, libraries, Milvus and what is published, one by one.

    Each line says what is well, or what is wrong and the command that mends it. Exits with 1 if
    anything is wrong.

    Example: recsys doctor --uri http://localhost:19530
    """
    from recsys.cli.doctor import examine

    checks = list(examine(Path(data) if data else None, Path(model), lambda: store_at(where)))
    if as_json:
        click.echo(json.dumps([check._asdict() for check in checks], ensure_ascii=False, indent=2))
    else:
        for check in checks:
            click.echo(f"{'ok' if check.well else 'WRONG':<6} {check.name:<12} {check.found}")
    if not all(check.well for check in checks):
        raise click.exceptions.Exit(1)


@click.command()
@data_option
@click.option(
    "--protocol",
    type=click.Choice(PROTOCOLS),
    default=PROTOCOLS[0],
    show_default=True,
    help="How ratings are held out.",
)
@click.option("--likes", default=5, show_default=True, type=click.IntRange(1), help="Of few-likes.")
@click.option(
    "--seeds", default="0", show_default=True, help="Of splits and training: 0,1,2 or 0-4."
)
@click.option("--epochs", default=Options().epochs, show_default=True, type=click.IntRange(1))
@click.option("--uri", default="", envvar="RECSYS_URI", help="Milvus; by default a passing file.")
@click.option("--no-index", is_flag=True, help="Leave out what comes through Milvus.")
@click.option("--skip-bad-lines", is_flag=True, help="Leave bad lines of the data out.")
@click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
@manners
def evaluate(
    data: str | None,
    protocol: str,
    likes: int,
    seeds: str,
    epochs: int,
    uri: str,
    no_index: bool,
    skip_bad_lines: bool,
    form: str,
) -> None:
    """How good is it, against what: one table, everything on the same split in the same run.

    All options, ours and the baselines', are chosen on validation data; test data is asked once.
    Every movie is ranked, seen ones left out; relevant is a held-out rating of 4 and more.

    Example: recsys evaluate --data data/ml-100k --protocol few-likes --likes 5
    """
    from recsys.evaluation.experiment import INDEXES, mean, run
    from recsys.preprocess import read_dataset
    from recsys.train import use_all_cores

    use_all_cores()
    numbers = _numbers(seeds)
    dataset = read_dataset(data_folder(data), skip_bad_lines=skip_bad_lines, log=say)
    options = Options(epochs=epochs)
    indexes = () if no_index else INDEXES
    rows = list(
        run(dataset, protocol, numbers, options, likes=likes, indexes=indexes, uri=uri, say=say)
    )
    shown = [*rows, *(mean(rows) if len(numbers) > 1 else [])]
    if form == "json":
        click.echo(json.dumps([_row_json(row) for row in shown], ensure_ascii=False, indent=2))
        return
    for seed in dict.fromkeys(row.seed for row in shown):
        same = [row for row in shown if row.seed == seed]
        asked = f"{same[0].users} users asked, {same[0].left_out} left out for liking nothing"
        name = f"seed {seed}" if seed >= 0 else f"mean of seeds {seeds}"
        click.echo(f"{dataset.name}, {protocol}, {name}: {asked}")
        click.echo(_evaluation_table(same) + "\n")


def _numbers(text: str) -> list[int]:
    """0,1,2 or 0-4 as numbers."""
    first, dash, last = text.partition("-")
    parts = text.split(",") if not dash else [first, last]
    if not all(part.strip().isdecimal() for part in parts):
        raise click.UsageError(f"--seeds {text!r}: expected numbers such as 0,1,2 or 0-4")
    return list(range(int(first), int(last) + 1)) if dash else [int(part) for part in parts]


def _evaluation_table(rows: "Sequence[Row]") -> str:
    """Metrics by column, the widest interval of ndcg in brackets, our lead over each row."""
    from recsys.cli.tables import table

    names = list(dict.fromkeys(name for row in rows for name in row.metrics))
    cells = [
        (
            row.name,
            row.chosen,
            *(f"{row.metrics[n].value:.4f}" if n in row.metrics else "" for n in names),
            _span(row),
            f"{row.coverage:.3f}" if row.coverage is not None else "",
            f"{row.behind.value:+.4f} [{row.behind.low:+.4f}, {row.behind.high:+.4f}]"
            if row.behind
            else "",
        )
        for row in rows
    ]
    notes = [f"{row.chosen}: {row.note}" for row in rows if row.note]
    header = ("", "chosen", *names, "ndcg@10 95%", "coverage@10", "our ndcg@10 lead")
    return "\n".join([table(header, cells), *notes])


def _span(row: "Row") -> str:
    found = row.metrics.get("ndcg@10")
    return f"{found.low:.3f}-{found.high:.3f}" if found else ""


def _row_json(row: "Row") -> dict[str, Any]:
    whole = row._asdict()
    whole["metrics"] = {name: each._asdict() for name, each in row.metrics.items()}
    whole["behind"] = row.behind._asdict() if row.behind else None
    return whole
