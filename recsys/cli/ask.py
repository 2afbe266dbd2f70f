"""The commands that answer: recommend, similar, predict."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

import click

from recsys.cli import queries, tables
from recsys.cli.movies import Wanted, published
from recsys.cli.options import (
    FilterOptions,
    as_of_option,
    exact_option,
    filter_options,
    k_option,
    milvus_options,
    model_option,
    output_option,
    store_at,
)
from recsys.cli.prompt import bar, command, log, refuse_beside, verbosity_options
from recsys.cli.values import Age, File, Gender, Job, NameValue, Text

if TYPE_CHECKING:
    from recsys.infer import RankBy, UserQuery
    from recsys.milvus.address import MilvusAddress
    from recsys.serving.catalogue import Catalogue, Store
    from recsys.serving.model_folder import ModelFolder

RANKINGS: tuple["RankBy", ...] = ("relevance", "rating", "tutorial")


@command()
@click.option("-u", "--user", metavar="ID", help="A user of the training data.")
@click.option("-a", "--age", type=Age(), help="Years, or a bracket such as 25-34.")
@click.option("-g", "--gender", type=Gender(), help="F or M.")
@click.option("-j", "--job", type=Job(), help="0 to 20, or its name.")
@click.option(
    "--user-attribute", multiple=True, type=NameValue(),
    help="What else is known of the user, as city=Seoul; the model says what it knows. Repeat it.",
)  # fmt: skip
@click.option(
    "--like", multiple=True, type=Text(), help="A movie the user likes, by title or id; repeat it."
)
@click.option(
    "--dislike", multiple=True, type=Text(), help="One the user does not like; repeat it."
)
@click.option(
    "--users", type=File(), help="'all', or a file of user ids (- for stdin), for many at once."
)
@k_option
@click.option(
    "--rank-by",
    type=click.Choice(RANKINGS),
    default=RANKINGS[0],
    show_default=True,
    help="Relevance: what the user likely chooses, and likes; or the predicted rating; or the "
    "tutorial's 5 x cosine.",
)
@as_of_option
@click.option("--include-seen", is_flag=True, help="Also movies the user has rated.")
@filter_options
@click.option("--format", type=click.Choice(tables.FORMATS), help="table, or jsonl with --users.")
@output_option
@exact_option
@click.option("-i", "--load-first", is_flag=True, help="Publish the model's movies first.")
@model_option
@milvus_options
@verbosity_options
def recommend(
    user: str | None,
    age: int | None,
    gender: int | None,
    job: int | None,
    user_attribute: Sequence[tuple[str, str]],
    like: Sequence[str],
    dislike: Sequence[str],
    users: str | None,
    k: int,
    rank_by: "RankBy",
    as_of: int | None,
    include_seen: bool,
    wanted: FilterOptions,
    format: str | None,
    output: str | None,
    exact: bool,
    load_first: bool,
    model: str,
    address: "MilvusAddress",
) -> None:
    """Recommend movies to a user, a profile, a few likes, or many users at once.

    What is not given is unknown, which is fine. Movies a user has rated are left out. Score is what
    the list is sorted by, rating the predicted rating.

    \b
    Example: recsys recommend --age 1 --gender F --job 10
             recsys recommend --like Heat --like "Usual Suspects" --year 1990-1999
             recsys recommend --users all -k 100 --format csv -o all.csv
    """
    from recsys.infer import Recommender, UserQuery
    from recsys.serving.model_folder import load_model
    from recsys.serving.queries import UNKNOWN

    if exact:
        refuse_beside("--exact", "load_first")
    format = tables.format_of(format, output, many=users is not None)
    folder = load_model(model)
    query = UserQuery(
        None if user is None else queries.user_of(folder, user),
        gender=UNKNOWN if gender is None else gender,
        age=UNKNOWN if age is None else age,
        job=UNKNOWN if job is None else job,
        likes=tuple(queries.movie_of(folder, text) for text in like),
        dislikes=tuple(queries.movie_of(folder, text) for text in dislike),
        as_of=as_of,
        attributes=tuple(user_attribute),
    )
    asking, unknown = _asking(folder, query, users)
    filter = wanted.of(folder.vocabulary)
    if load_first:
        _publish(folder, address)
    with _searched(exact, folder, address, hits=len(asking) * k if users else 0) as (store, count):
        recommender = Recommender(folder, store)
        answers = recommender.answers(asking, min(k, count), rank_by, filter, include_seen)
        titles = {each: queries.title_of(folder, each) for each in query.likes + query.dislikes}
        found = (tables.Answer(movies, query, titles=titles) for query, movies in answers)
        shown = _logged(folder, found) if users is None else found
        _write(shown, len(asking), format, output, folder)
    if unknown:
        raise click.exceptions.Exit(1)


def _asking(
    folder: "ModelFolder", query: "UserQuery", users: str | None
) -> tuple[list["UserQuery"], int]:
    """The query, or one for each of many users, and how many of them the model does not know."""
    if both := set(query.likes) & set(query.dislikes):
        named = ", ".join(queries.title_of(folder, each) or str(each) for each in sorted(both))
        raise click.UsageError(f"--like and --dislike name the same: {named}")
    if users is None:
        return [query], 0
    if query != type(query)(as_of=query.as_of):
        profile = "-u, -a, -g, -j, --user-attribute"
        raise click.UsageError(f"--users goes without {profile}, --like and --dislike")
    known, unknown = queries.known_users(folder, queries.user_ids_of(folder, users))
    return [query._replace(user_id=each) for each in known], unknown


def _logged(folder: "ModelFolder", answers: Iterable[tables.Answer]) -> Iterator[tables.Answer]:
    """Answers as they come; logs for whom, and when nothing fits."""
    for answer in answers:
        if answer.query:
            log(queries.in_words(folder, answer.query))
        if not answer.found:
            log("no movie fits")
        yield answer


@command()
@click.argument("movie")
@k_option
@filter_options
@click.option(
    "--format", type=click.Choice(tables.FORMATS), default="table", show_default=True,
    help="How the answer is written; the columns are those of recommend.",
)  # fmt: skip
@output_option
@exact_option
@model_option
@milvus_options
@verbosity_options
def similar(
    movie: str,
    k: int,
    wanted: FilterOptions,
    format: str,
    output: str | None,
    exact: bool,
    model: str,
    address: "MilvusAddress",
) -> None:
    """Movies that the same users like as they like MOVIE, a title or an id.

    Example: recsys similar "Toy Story" -k 10
    """
    from recsys.infer import Recommender
    from recsys.serving.model_folder import load_model

    format = tables.format_of(format, output, many=False)
    folder = load_model(model)
    filter = wanted.of(folder.vocabulary)
    known = queries.movie_if_known(folder, movie)
    with _searched(exact, folder, address) as (store, count):
        movie_id = queries.new_movie_of(folder, movie, store) if known is None else known
        found = Recommender(folder, store).similar(movie_id, min(k, count), filter)
        title = store.take([movie_id]).titles[0]
    log(f"near to {title} (id {movie_id})")
    answer = tables.Answer(found, movie=(movie_id, title))
    _write(_logged(folder, [answer]), 1, format, output, folder)


@command()
@click.option("-u", "--user", metavar="ID", help="A user of the training data.")
@click.option("-m", "--movie", help="A movie, by title or id.")
@click.option(
    "--pairs", type=File(), help="A CSV of user_id,movie_id ('-', the default, is stdin)."
)
@as_of_option
@model_option
@milvus_options
@verbosity_options
def predict(
    user: str | None,
    movie: str | None,
    pairs: str | None,
    as_of: int | None,
    model: str,
    address: "MilvusAddress",
) -> None:
    """Predict ratings of users for movies, on the scale of the data; prints CSV.

    Its columns are user_id,movie_id,rating. Milvus is asked only for movies that the model was not
    trained on.

    \b
    Example: recsys predict -u 1 -m "Toy Story"
             recsys predict < pairs.csv
    """
    from recsys.infer import predict as predicted
    from recsys.serving.model_folder import load_model

    if (user is None) != (movie is None) or (movie is not None and pairs is not None):
        raise click.UsageError("give -u and -m together, or pairs by --pairs or on stdin")
    folder, new, unknown = load_model(model), None, 0
    if user is not None and movie is not None:
        known = queries.movie_if_known(folder, movie)
        new = _published(folder, address) if known is None else None
        movie_id = queries.movie_of(folder, movie, new) if known is None else known
        asked = [(queries.user_of(folder, user), movie_id)]
    else:
        asked = queries.pairs_of(folder, pairs or "-")
        if not folder.vocabulary.movie_rows([movie_id for _, movie_id in asked]).all():
            new = _published(folder, address)
        asked, unknown = queries.known_pairs(folder, asked, new)
    ratings = predicted(folder, [user for user, _ in asked], [m for _, m in asked], as_of, new)
    if user is not None:
        log(f"of user {user} for {queries.title_of(folder, movie_id, new)} (id {movie_id})")
    with _stdout() as out:
        out.write("user_id,movie_id,rating\n")
        out.writelines(
            f"{tables.csv_line([u, m, f'{r:.4f}'])}\n"
            for (u, m), r in zip(asked, ratings, strict=True)
        )
    if unknown:
        raise click.exceptions.Exit(1)


def _published(folder: "ModelFolder", address: "MilvusAddress") -> "Catalogue | None":
    """All published movies of this model, None where there are none."""
    from recsys.milvus.client import Missing

    with suppress(Missing), store_at(address) as store:
        return published(folder, store)
    return None


@contextmanager
def _searched(
    exact: bool, folder: "ModelFolder", address: "MilvusAddress", hits: int = 0
) -> Iterator[tuple["Store", int]]:
    """What is searched, and how many movies it holds.

    That is Milvus, opened for this model; or with `exact` the model's own movies, compared one by
    one. Where more `hits` are wanted than Milvus holds movies, and its index is exact, all movies
    are read once and compared here: the same answers, sooner.
    """
    if exact:
        from recsys.infer import catalogue

        movies = catalogue(folder)
        yield movies, len(movies)
        return
    with store_at(address) as store:
        opened = store.open(folder.fingerprint)
        if not opened.is_current:
            log(f"another model is published; this one, {opened.model}, answers from what is kept")
        if opened.index.exact and hits > opened.count:
            yield store.read_all(), opened.count
        else:
            yield store, opened.count


def _publish(folder: "ModelFolder", address: "MilvusAddress") -> None:
    wanted = Wanted.read(folder, None)
    with store_at(address, make=True) as store:
        movies = wanted.catalogue(store)
        wanted.check_removal(movies, store)
        published = store.publish(movies, folder.fingerprint)
        log(f"published {published.count} movies of model {published.model}")


def _write(
    answers: Iterable[tables.Answer],
    count: int,
    format: str,
    output: str | None,
    folder: "ModelFolder",
) -> None:
    """All answers as they come, to stdout or, complete or not at all, to a file."""
    from recsys.data.files import replacing_file

    model, own = folder.fingerprint, [each.name for each in folder.vocabulary.movies]
    with bar(count, "user") as done:
        if not output:
            with _stdout() as out:
                _write_lines(tables.lines(answers, format, model, done, own), out)
            return
        with replacing_file(output) as beside:
            if format == "parquet":
                tables.write_parquet(answers, str(beside), done, folder.vocabulary)
                return
            with open(beside, "w", encoding="utf-8") as file:
                _write_lines(tables.lines(answers, format, model, done, own), file)


def _write_lines(lines: Iterable[str], file: IO[str]) -> None:
    file.writelines(f"{line}\n" for line in lines)


@contextmanager
def _stdout() -> Iterator[IO[str]]:
    yield sys.stdout
    sys.stdout.flush()
