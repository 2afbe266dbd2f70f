"""The command that says how data is understood, and what it looks like: inspect."""

from typing import TYPE_CHECKING, Any

import click

from recsys.cli import tables
from recsys.cli.options import source_options
from recsys.cli.prompt import command, log, verbosity_options
from recsys.cli.values import File

if TYPE_CHECKING:
    from recsys.cli.options import Source

WIDTH = 40  # characters of the longest bar


@command()
@click.argument("data", type=File())
@source_options
@click.option("--json", is_flag=True, help="One json object.")
@verbosity_options
def inspect(data: str, source: "Source", json: bool) -> None:
    """Show how ratings are understood, and what they look like; nothing is trained or written.

    Bad lines are counted, the first ten are listed.

    Example: recsys inspect data/sample
    """
    from recsys.data.summary import summary
    from recsys.preprocess import read_all

    read = read_all(
        *(data, source.items, source.users, source.columns),
        liked_from=source.liked_from,
        repeats=source.repeats,
        log=log,
    )
    found = {"name": read.dataset.name, **summary(read.dataset)}
    found |= {
        "columns": read.understood,
        "unused": read.unused,
        "bad_lines": len(read.problems),
        "duplicates": read.problems.kinds["duplicate"],
        "empty_fields": read.problems.kinds["missing"],
        "first_bad_lines": read.problems.listed(),
    }
    for line in read.problems.listed():
        log(line)
    click.echo(tables.as_json(found) if json else _in_words(found))


def _in_words(found: dict[str, Any]) -> str:
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
