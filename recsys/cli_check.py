"""The commands that look at what there is: status."""

import json
from importlib.metadata import version
from typing import Any

import click

from recsys.cli_options import manners, milvus_options, model_option, store_at
from recsys.errors import ModelError, RecsysError

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
    from recsys.folder import ModelFolder

    try:
        folder = ModelFolder(path)
        folder.verify()
    except ModelError as error:
        return {"folder": path, "error": str(error)}
    config = folder.config
    kept = ("fingerprint", "created", "data", "seed", "epoch", "validation", "versions")
    return {"folder": path, **{name: config[name] for name in kept}}


def _published(where: dict[str, Any]) -> dict[str, Any]:
    try:
        with store_at(where) as store:
            p = store.open(None)
            return {
                "uri": store.uri,
                "collection": p.collection,
                "alias": p.alias,
                "model": p.model,
                "films": p.count,
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
            f"films of model {published['model']} are published, the model is "
            f"{model['fingerprint']}: recsys load-movies"
        )
    return stale
