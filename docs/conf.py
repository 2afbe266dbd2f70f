"""The documents as a site, which `python3 make.py docs` builds: Sphinx, MyST and Furo.

The source is the repository itself, so that a link is the same here and in a checkout.
"""

import shutil
from pathlib import Path
from typing import Any

from pygments.lexers.special import TextLexer

import recsys

project = "recsys"
version = release = recsys.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "README"
include_patterns = ["*.md", "data/README.md", "docs/*.md"]
exclude_patterns = [".*", "benchmarks", "recsys", "site", "tests"]
myst_heading_anchors = 3
highlight_language = "text"
default_role = "code"  # what a docstring has between backticks
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
html_theme = "furo"
html_title = f"recsys {version}"
html_copy_source = False

PAGES = {  # on the left, in this order
    "Use": ("tutorial", "data", "everyday", "deploy", "milvus"),
    "Look up": ("commands", "api", "glossary"),
    "Judge": ("how-it-works", "report", "results", "performance"),
}
EXAMPLE = "report.html"  # beside the pages, where there is a model to report


def with_contents(app: Any, page: str, source: list[str]) -> None:
    """Add what a forge would show as code: the pages on the left, and the example."""
    if page == root_doc:
        groups = {**PAGES, "Project": ("../CONTRIBUTING", "../CHANGELOG", "../data/README")}
        for caption, pages in groups.items():
            paths = "\n".join(f"docs/{name}".removeprefix("docs/../") for name in pages)
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{paths}\n```\n"
        if Path(app.outdir, EXAMPLE).exists():
            source[0] += f'\n<p><a href="{EXAMPLE}">The report of a model</a>, as an example.</p>\n'


def first_page(app: Any, error: Exception | None) -> None:
    """Let a folder that is opened show its first page."""
    if not error:
        shutil.copyfile(Path(app.outdir, "README.html"), Path(app.outdir, "index.html"))


def setup(app: Any) -> None:
    app.add_lexer("crontab", TextLexer)
    app.connect("source-read", with_contents)
    app.connect("build-finished", first_page)
