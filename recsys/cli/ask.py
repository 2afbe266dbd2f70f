"""The commands that answer: recommend, similar, predict."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from recsys.cli.options import (
    Age,
    Gender,
    Job,
    UserId,
    bar,
    filter_options,
    id_of,
    known_genres,
    manners,
    milvus_options,
    model_option,
    movies_of,
    say,
    store_at,
)
from recsys.data.movielens import AGE_NAMES, GENDERS, JOBS
from recsys.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recsys.infer import UserQuery
    from recsys.serving.catalogue import Filter, Store
    from recsys.serving.model_folder import ModelFolder


@contextmanager
def _searched(exact: bool, folder: "ModelFolder", where: dict[str, Any]) -> Iterator["Store"]:
    """Milvus, opened for this model; or the model's own movies, compared one by one."""
    if exact:
        from recsys.infer import catalogue

        yield catalogue(folder)
        return
    with store_at(where) as store:
        store.open(folder.fingerprint)
        yield store


@click.command()
@click.option("-u", "--user", "user_id", type=UserId(), help="A user of the training data.")
@click.option("-a", "--age", type=Age(), help="Years, or a bracket such as 25-34.")
@click.option("-g", "--gender", type=Gender())
@click.option("-j", "--job", type=Job(), help="0 to 20, or its name.")
@click.option("--like", multiple=True, help="A favourite, by title or id; repeat it.")
@click.option("--dislike", multiple=True, help="The opposite of a favourite.")
@click.option("--users", help="'all', or a file of user ids (- for stdin), for many at once.")
@click.option("-k", default=5, show_default=True, type=click.IntRange(1), help="How many movies.")
@click.option(
    "--rank-by", type=click.Choice(["relevance", "rating"]), default="relevance", show_default=True
)
@click.option("--include-seen", is_flag=True, help="Also movies the user has rated.")
@filter_options
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "jsonl", "csv", "parquet"]),
    help="table, or jsonl with --users.",
)  # fmt: skip
@click.option("-o", "--output", type=click.Path(), help="A file instead of stdout.")
@click.option("--exact", is_flag=True, help="Compare every movie of the model; no Milvus.")
@click.option("-i", "load_first", is_flag=True, help="Publish the model's movies first.")
@model_option
@milvus_options
@manners
def recommend(
    user_id: int | None,
    age: int | None,
    gender: int | None,
    job: int | None,
    like: Sequence[str],
    dislike: Sequence[str],
    users: str | None,
    k: int,
    rank_by: str,
    include_seen: bool,
    genre: Sequence[str],
    all_genres: bool,
    not_genre: Sequence[str],
    year: tuple[int, int] | None,
    form: str | None,
    output: str | None,
    exact: bool,
    load_first: bool,
    model: str,
    **where: Any,
) -> None:
    """Recommend movies to a user, a profile, a few favourites, or many users at once.

    What is not given is unknown, which is fine. Movies a user has rated are left out.

    \b
    Example: recsys recommend --age 1 --gender F --job 10
             recsys recommend --like Heat --like "Usual Suspects" --year 1990-1999
             recsys recommend --users all -k 100 --format csv -o all.csv
    """
    from recsys.data.dataset import UNKNOWN
    from recsys.infer import Recommender, UserQuery
    from recsys.serving.model_folder import ModelFolder

    folder = ModelFolder(model)
    if load_first and not exact:
        with store_at(where, make=True) as store:
            published = store.publish(movies_of(folder), folder.fingerprint)
            say(f"published {published.count} movies of model {published.model}")
    asked = UserQuery(
        user_id,
        gender=UNKNOWN if gender is None else gender,
        age=UNKNOWN if age is None else age,
        job=UNKNOWN if job is None else job,
        likes=tuple(_movie(folder, text) for text in like),
        dislikes=tuple(_movie(folder, text) for text in dislike),
    )
    if users is not None and asked != UserQuery():
        raise click.UsageError("--users goes without -u, -a, -g, -j, --like and --dislike")
    people = [asked] if users is None else [UserQuery(each) for each in _user_ids(folder, users)]
    form = form or ("table" if users is None else "jsonl")
    if form in ("json", "table") and len(people) != 1:
        raise click.UsageError(f"--format {form} is for one user; take jsonl, csv or parquet")
    with _searched(exact, folder, where) as store:
        recommender = Recommender(folder, store)
        people = recommender.completed(people)
        if users is None:
            say(_understood(folder, people[0]))
        answers = recommender.recommend(
            people,
            k,
            rank_by="rating" if rank_by == "rating" else "relevance",
            where=_where(folder, genre, all_genres, not_genre, year),
            include_seen=include_seen,
        )
        _write(zip(people, answers, strict=True), len(people), form, output, folder.fingerprint)


def _movie(folder: "ModelFolder", text: str, *, new: bool = False) -> int:
    """The movie somebody means; a number may be one that only Milvus knows."""
    from recsys.data.titles import AmbiguousTitle, find

    number = id_of(text)
    if number is not None and new and not folder.vocabulary.movie_rows([number])[0]:
        return number
    try:
        return find(text, folder.movies.ids.tolist(), folder.movies.titles)
    except AmbiguousTitle as error:
        raise click.UsageError(str(error)) from error


def _user_ids(folder: "ModelFolder", users: str) -> list[int]:
    if users == "all":
        return folder.vocabulary.user_ids.tolist()
    ids = []
    with click.open_file(users) as file:
        for number, line in enumerate(file, 1):
            user_id = id_of(line)
            if user_id is None:
                raise DataError(
                    f"{users}:{number}: found {line.strip()!r}, expected a user id; mend the line"
                )
            ids.append(user_id)
    return ids


def _where(
    folder: "ModelFolder",
    genre: Sequence[str],
    all_genres: bool,
    not_genre: Sequence[str],
    year: tuple[int, int] | None,
) -> "Filter":
    from recsys.serving.catalogue import Filter

    named = known_genres(genre, folder.vocabulary.genres)
    without = known_genres(not_genre, folder.vocabulary.genres)
    return Filter(() if all_genres else named, named if all_genres else (), without, year)


def _understood(folder: "ModelFolder", asked: "UserQuery") -> str:
    """Who is asked for, in words."""
    told = (
        ("user", None if asked.user_id is None else str(asked.user_id)),
        ("gender", GENDERS[asked.gender] if asked.gender >= 0 else None),
        ("age", AGE_NAMES[asked.age] if asked.age >= 0 else None),
        ("job", JOBS[asked.job] if asked.job >= 0 else None),
    )
    parts = [f"{what} {value}" for what, value in told if value is not None]
    for what, ids in (("likes", asked.likes), ("dislikes", asked.dislikes)):
        titles = [folder.movies.titles[row - 1] for row in folder.vocabulary.movie_rows(ids)]
        parts += [f"{what} {', '.join(titles)}"] if titles else []
    return "for " + ("; ".join(parts) or "somebody nothing is known of")


def _write(answers: Any, count: int, form: str, output: str | None, model: str) -> None:
    """All answers as they come, to stdout or, beside and renamed, to a file."""
    if form == "parquet" and not output:
        raise click.UsageError("--format parquet needs -o FILE")
    from recsys.cli import tables

    beside = f"{output}.tmp-{os.getpid()}" if output else None
    try:
        with bar(count, "user") as seen:
            if form == "parquet":
                tables.write_parquet(answers, str(beside), seen)
            else:
                with open(beside, "w", encoding="utf-8") if beside else _stdout() as file:
                    for line in tables.lines(answers, form, model, seen):
                        file.write(line + "\n")
        if beside:
            os.replace(beside, str(output))
    finally:
        if beside:
            Path(beside).unlink(missing_ok=True)


@contextmanager
def _stdout() -> Iterator[Any]:
    yield sys.stdout
    sys.stdout.flush()


@click.command()
@click.argument("movie")
@click.option("-k", default=5, show_default=True, type=click.IntRange(1), help="How many movies.")
@filter_options
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "csv"]), default="table",
    show_default=True,
)  # fmt: skip
@click.option("--exact", is_flag=True, help="Compare every movie of the model; no Milvus.")
@model_option
@milvus_options
@manners
def similar(
    movie: str,
    k: int,
    genre: Sequence[str],
    all_genres: bool,
    not_genre: Sequence[str],
    year: tuple[int, int] | None,
    form: str,
    exact: bool,
    model: str,
    **where: Any,
) -> None:
    """Movies chosen by the same people as MOVIE, a title or an id.

    Example: recsys similar "Toy Story" -k 10
    """
    from recsys.cli import tables
    from recsys.infer import Recommender
    from recsys.serving.model_folder import ModelFolder

    folder = ModelFolder(model)
    movie_id = _movie(folder, movie, new=True)
    wanted = _where(folder, genre, all_genres, not_genre, year)
    with _searched(exact, folder, where) as store:
        answer = Recommender(folder, store).similar(movie_id, k, wanted)
    click.echo(tables.similar(movie_id, folder.fingerprint, answer, form))


@click.command()
@click.option("-u", "--user", "user_id", type=UserId(), help="A user of the training data.")
@click.option("-m", "--movie", help="A movie, by title or id.")
@click.option("--pairs", help="A CSV of user_id,movie_id ('-', the default, is stdin).")
@model_option
@manners
def predict(user_id: int | None, movie: str | None, pairs: str | None, model: str) -> None:
    """How many ratings known users would give movies; prints CSV user_id,movie_id,rating.

    \b
    Example: recsys predict -u 1 -m "Toy Story"
             recsys predict < pairs.csv
    """
    import numpy as np

    from recsys.infer import Recommender, catalogue
    from recsys.serving.catalogue import Catalogue
    from recsys.serving.model_folder import ModelFolder

    if (user_id is None) != (movie is None) or (movie is not None and pairs is not None):
        raise click.UsageError("give -u and -m together, or pairs by --pairs or on stdin")
    folder = ModelFolder(model)
    if user_id is not None and movie is not None:
        asked = np.array([[user_id, _movie(folder, movie)]], np.int64)
    else:
        asked = _pairs(pairs or "-")
    store: Catalogue = catalogue(folder)
    ratings = Recommender(folder, store).predict(asked[:, 0], asked[:, 1])
    with _stdout() as out:
        out.write("user_id,movie_id,rating\n")
        out.writelines(
            f"{u},{m},{s:.4f}\n" for (u, m), s in zip(asked.tolist(), ratings, strict=True)
        )


def _pairs(path: str) -> "NDArray":
    """(N, 2) user and movie ids of a CSV; a first line of names is passed over."""
    import numpy as np

    pairs = []
    with click.open_file(path) as file:
        for number, line in enumerate(file, 1):
            fields = [field.strip() for field in line.split(",")]
            if number == 1 and fields[:1] == ["user_id"]:
                continue
            ids = [id_of(field) for field in fields]
            if len(ids) != 2 or None in ids:
                raise DataError(
                    f"{path}:{number}: found {line.strip()!r}, expected user_id,movie_id; "
                    "mend the line"
                )
            pairs.append(ids)
    return np.array(pairs, np.int64).reshape(-1, 2)
