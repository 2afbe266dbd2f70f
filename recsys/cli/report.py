"""The command that writes what there is to see of a model: report."""

import os
import time
from pathlib import Path

import click

import recsys
from recsys.cli import shared
from recsys.cli.options import command, grouped, option, path
from recsys.cli.prompt import log
from recsys.cli.shared import Source
from recsys.data.files import replacing_file

FORMATS = ("html", "md")
STDOUT = "-"
NOT_SKIPPED = [name for name in vars(Source()) if not name.startswith("skip")]


@command
def report(
    model: str = shared.MODEL,
    evaluation: tuple[str, ...] = option(
        "What evaluate --format json printed; repeat it.", default=()
    ),
    compare: str | None = path("Another model to stand beside this one."),
    data: str | None = path("The ratings, to say what was left out of them.", show_envvar=True),
    format: str | None = option(
        "A page, or tables for a comment; by default as -o ends.", type=click.Choice(FORMATS)
    ),
    output: str | None = path(
        f"The file, {STDOUT} for stdout; report.html, tables to stdout.", "-o"
    ),
    source: Source = grouped(Source, only=NOT_SKIPPED),
) -> None:
    """Write what there is to see of a model: its data, training, quality, map, some of its users.

    The page is one file that needs no network. It shows what a few users rated.

    \b
    Example: recsys report
             recsys evaluate --format json --by gender > random.json
             recsys report --evaluation random.json --compare old.model -o report.html
    """
    format = format or ("md" if os.path.splitext(output or "")[1] == ".md" else FORMATS[0])
    started, output = time.monotonic(), output or (STDOUT if format == "md" else "report.html")
    from recsys.report.evaluations import rows_of
    from recsys.report.facts import IN_PAGE, SECTIONS, check_extra, facts

    if format == "html":
        check_extra()
        from recsys.report.page import page as written
    else:
        from recsys.report.markdown import markdown as written
    shown, other = recsys.load_model(model), recsys.load_model(compare) if compare else None
    rows = [rows_of(Path(each).read_text("utf-8", "replace"), each) for each in evaluation]
    inspected = None
    if data:
        from recsys.preprocess import read_all

        inspected = read_all(data, **source.how).summary()
    only = [each for each in SECTIONS if format == "html" or each not in IN_PAGE]

    def text() -> str:
        return written(facts(shown, inspected, rows, other, only))

    if output == STDOUT:
        click.echo(text(), nl=False)
        return
    with replacing_file(output) as beside:  # or it fails now
        beside.write_text(text(), "utf-8", "backslashreplace")
        size = beside.stat().st_size / 1e6
    log(f"{output}: {size:.1f} MB, in {time.monotonic() - started:.1f} s")
