"""The shape of the package: imports go one way, and every file can be read in one sitting."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "recsys").rglob("*.py"))
}
CORE = "errors options data metrics parts serving"
BELOW = {  # what a layer may import besides itself
    "errors": "",
    "options": "errors",
    "data": "errors",
    "metrics": "errors data",
    "preprocess": "errors data",
    "parts": "errors options data metrics",
    "serving": "errors data metrics parts",
    "training": f"{CORE} model",
    "model": f"{CORE} training",
    "train": f"{CORE} training model preprocess",
    "milvus": CORE,
    "milvus_store": f"{CORE} milvus",
    "infer": CORE,
    "update": f"{CORE} preprocess",
    "report": f"{CORE} training infer evaluation __version__",
    "evaluation": f"{CORE} training model train preprocess milvus milvus_store infer",
}
PADDLE = {"recsys.model", "recsys.training.step", "recsys.training.ranks", "recsys.train"}
LONGEST_CHAIN, LONGEST_FILE, LINES, MODULES = 10, 450, 16_908, 88


def imports(name):
    """Every module a file imports, also within functions, but not for its types alone."""
    nodes = [ast.parse(FILES[name].read_text("utf-8"))]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = [f"{node.module}.{each.name}" for each in node.names]
            yield from (each if each in FILES else str(node.module) for each in parts)
        nodes += ast.iter_child_nodes(node)


IMPORTS = {name: set(imports(name)) for name in FILES}


@pytest.mark.parametrize("layer", BELOW)
def test_imports_go_one_way(layer):
    own = {name for name in FILES if f"{name}.".startswith(f"recsys.{layer}.")}
    seen = {each.split(".")[1] for name in own for each in IMPORTS[name] if "recsys." in each}
    assert seen <= {layer, *BELOW[layer].split()}


def test_only_the_model_and_its_step_import_paddle():
    users = {name for name in FILES for each in IMPORTS[name] if each.split(".")[0] == "paddle"}
    assert users <= PADDLE


def test_imports_have_no_circle_and_no_chain_of_them_is_long():
    graph = {name: IMPORTS[name] & {*FILES} - {name} for name in FILES}
    length: dict[str, int] = {}
    for name in TopologicalSorter(graph).static_order():
        length[name] = 1 + max((length[each] for each in graph[name]), default=0)
    assert max(length.values()) <= LONGEST_CHAIN


def test_files_are_neither_too_long_nor_too_short():
    lines = {name: path.read_text("utf-8").count("\n") for name, path in FILES.items()}
    assert [name for name, count in lines.items() if count > LONGEST_FILE] == []
    modules = [name for name, path in FILES.items() if not path.name.startswith("__")]
    assert [
        name
        for name in modules
        if lines[name] < 40 and sum(name in each for each in IMPORTS.values()) == 1
    ] == []
    assert sum(lines.values()) <= LINES
    assert len(FILES) <= MODULES
