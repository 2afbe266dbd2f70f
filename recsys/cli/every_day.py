"""The commands of every day: update, forget."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recsys.cli import shared
from recsys.cli.options import command, grouped, option, path
from recsys.cli.output import as_json
from recsys.cli.prompt import log
from recsys.cli.shared import Source
from recsys.cli.typed import known_ids, left_out, typed_user
from recsys.errors import printable

if TYPE_CHECKING:
    from recsys.serving.model_folder import Model

DRY_RUN = option("Say what would change, and change nothing.", default=False)


@command
def update(
    data: str = path("New ratings, as train takes them.", required=True),
    dry_run: bool = DRY_RUN,
    json: bool = shared.JSON,
    model: str = shared.MODEL,
    source: Source = grouped(Source),
) -> None:
    """Add ratings, users and movies to a model without training; prints what came.

    Ratings are on the model's scale; one given again replaces the older. New users are answered at
    once. What is published stays good; new movies are published by load-movies.

    Example: recsys update --data monday.csv
    """
    from recsys.serving.model_folder import load_model
    from recsys.update import update_model

    before = load_model(model)
    found = update_model(before, source.read(Path(data), before), log=log)
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

    What the vectors of movies have learned from them goes with the next training.

    Example: recsys forget -u 42
    """
    from recsys.data.files import previous_of
    from recsys.serving.model_folder import load_model
    from recsys.update import forget_users

    if (user is None) == (users is None):
        raise click.UsageError("give -u or --users")
    before, unknown = load_model(model), 0
    ids = [] if user is None else [typed_user(before, user)]
    if users is not None:
        known, unknown = known_ids(users, before.vocabulary)
        ids = list(dict.fromkeys(each for (each,) in known))
    if ids:
        left = forget_users(before, ids)
        _settle(model, before, left, {"forgotten": len(ids)}, json, dry_run)
        log("what movies' vectors learned from them goes with the next recsys train")
        if (kept := previous_of(model)).exists():
            log(f"{kept}: the model before still has them")
    left_out(unknown, len(ids) + unknown)


def _settle(
    place: str, before: "Model", after: "Model", counts: dict[str, int], json: bool, dry_run: bool
) -> None:
    """Write the model, if that is wanted, and print what changed."""
    from recsys.data.files import interrupts_wait
    from recsys.serving.model_folder import write_model

    if not dry_run:
        with interrupts_wait():
            after = write_model(Path(place), after, before=before)
    total = after.config.get("since_training", {})
    about: dict[str, Any] = {"model": place, "fingerprint": before.fingerprint, **counts}
    if json:
        history = (before if dry_run else after).config.get("history")
        kept = {name: each for name, each in total.items() if name != "new_movies"}
        click.echo(as_json({**about, "history": history, "since_training": kept}))
    else:
        words = ", ".join(f"{each:,} {name}" for name, each in counts.items())
        click.echo(f"{printable(place)}\t{before.fingerprint}\t{words}")
