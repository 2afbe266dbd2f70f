"""The commands that answer: recommend, similar, predict."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, get_args

import click

from recsys.cli.build import Load, Publishing, published
from recsys.cli.options import (
    File,
    Parsed,
    Source,
    Wanted,
    address_options,
    age_of,
    as_of_option,
    gender_of,
    grouped,
    job_of,
    model_option,
    name_and_value,
    option,
    store_at,
    texts,
    whole_number,
)
from recsys.cli.output import Answer, Output, csv_line, print_lines
from recsys.cli.prompt import command, error_line, log, refuse_beside
from recsys.errors import DataError, quoted
from recsys.serving import RankBy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from recsys.data.dataset import Vocabulary
    from recsys.data.ids import Id
    from recsys.infer import UserQuery
    from recsys.milvus.address import MilvusAddress
    from recsys.serving.catalogue import Catalogue, Store
    from recsys.serving.model_folder import Model

T = TypeVar("T")


@dataclass(frozen=True)
class Profile:
    """Who asks, as typed."""

    user: str | None = option("A user of the training data.", "-u", "--user", metavar="ID")
    age: str | None = option(
        "Years, or a bracket such as 25-34.", "-a", "--age", type=Parsed("years", age_of)
    )
    gender: str | None = option("F or M.", "-g", "--gender", type=Parsed("F|M", gender_of))
    job: str | None = option("0 to 20, or its name.", "-j", "--job", type=Parsed("job", job_of))
    user_attribute: tuple[tuple[str, str], ...] = option(
        "What else is known of the user, as city=Seoul; the model says what it knows. Repeat it.",
        default=(),
        type=Parsed("name=value", name_and_value),
    )
    like: tuple[str, ...] = texts("A movie the user likes, by title or id; repeat it.")
    dislike: tuple[str, ...] = texts("One the user does not like; repeat it.")

    def query(self, model: "Model", as_of: int | None) -> "UserQuery":
        """
        Raises:
            click.UsageError: no user id, or a movie is liked and disliked.
            QueryError: there is no such movie, or there are several.
        """
        from recsys.infer import UserQuery

        profile = {"gender": self.gender, "age": self.age, "job": self.job}
        query = UserQuery(
            None if self.user is None else typed_user(model, self.user),
            likes=tuple(typed_movie(model, text) for text in self.like),
            dislikes=tuple(typed_movie(model, text) for text in self.dislike),
            as_of=as_of,
            attributes=(
                *((name, text) for name, text in profile.items() if text is not None),
                *self.user_attribute,
            ),
        )
        if both := set(query.likes) & set(query.dislikes):
            titles = ", ".join(title_of(model, each) or str(each) for each in sorted(both))
            raise click.UsageError(f"--like and --dislike name the same: {titles}")
        return query


@command()
@grouped(Profile, "profile")
@click.option(
    "--users", type=File(), help="'all', or a file of user ids (- for stdin), for many at once."
)
@grouped(Output, "output")
@click.option(
    "--rank-by",
    type=click.Choice(get_args(RankBy)),
    default=get_args(RankBy)[0],
    show_default=True,
    help="Relevance: what the user likely chooses, and likes; or the predicted rating; or the "
    "tutorial's 5 x cosine.",
)
@as_of_option
@click.option("--include-seen", is_flag=True, help="Also movies the user has rated.")
@grouped(Wanted, "wanted")
@click.option("-i", "--load-first", is_flag=True, help="Publish the model's movies first.")
@model_option
@address_options
def recommend(
    profile: Profile,
    users: str | None,
    output: Output,
    rank_by: RankBy,
    as_of: int | None,
    include_seen: bool,
    wanted: Wanted,
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
    from recsys.infer import Recommender
    from recsys.serving.model_folder import load_model

    if output.exact:
        refuse_beside("--exact", "load_first")
    format = output.format_of(many=users is not None)
    folder = load_model(model)
    query, unknown = profile.query(folder, as_of), 0
    queries = [query]
    if users is not None:
        if profile != Profile():
            given = "-u, -a, -g, -j, --user-attribute, --like and --dislike"
            raise click.UsageError(f"--users goes without {given}")
        known, unknown = listed_users(folder.vocabulary, users)
        queries = [query._replace(user_id=each) for each in known]
    filter = wanted.filter(folder.vocabulary)
    if load_first:
        load = Load.of(folder, Publishing(), Source())
        with store_at(address, make=True) as store:
            done = load.publish(store)
            log(f"published {done.count} movies of model {done.model}")
    hits = len(queries) * output.k if users else 0
    with _searched(output.exact, folder, address, hits) as (searched, count):
        recommender, k = Recommender(folder, searched), min(output.k, count)
        found = recommender.recommend(
            queries, k, rank_by=rank_by, filter=filter, include_seen=include_seen
        )
        titles = {each: title_of(folder, each) for each in query.likes + query.dislikes}
        answers = (Answer(each, each.query, titles=titles) for each in found)
        shown = _logged(folder, answers) if users is None else answers
        output.write(shown, format, len(queries), folder)
    if unknown:
        raise click.exceptions.Exit(1)


@command()
@click.argument("movie")
@grouped(Output, "output")
@grouped(Wanted, "wanted")
@model_option
@address_options
def similar(
    movie: str,
    output: Output,
    wanted: Wanted,
    model: str,
    address: "MilvusAddress",
) -> None:
    """Movies that the same users like as they like MOVIE, a title or an id.

    Example: recsys similar "Toy Story" -k 10
    """
    from recsys.infer import Recommender
    from recsys.serving.model_folder import load_model

    format = output.format_of(many=False)
    folder = load_model(model)
    filter = wanted.filter(folder.vocabulary)
    with _searched(output.exact, folder, address) as (store, count):

        def others() -> "Catalogue | None":
            from recsys.milvus_store import MilvusStore

            if not isinstance(store, MilvusStore):
                return None
            movie_id = typed_id(folder.vocabulary.movie_ids, movie.strip().removeprefix("id:"))
            with suppress(KeyError):
                if movie_id is not None:
                    return store.take([movie_id])
            return store.read_all()

        movie_id = typed_movie(folder, movie, others)
        found = Recommender(folder, store).similar(movie_id, min(output.k, count), filter)
        title = store.take([movie_id]).titles[0]
    log(f"near to {title} (id {movie_id})")
    answers = [Answer(found, movie=(movie_id, title))]
    output.write(_logged(folder, answers), format, 1, folder)


@command()
@click.option("-u", "--user", metavar="ID", help="A user of the training data.")
@click.option("-m", "--movie", help="A movie, by title or id.")
@click.option(
    "--pairs", type=File(), help="A CSV of user_id,movie_id ('-', the default, is stdin)."
)
@as_of_option
@model_option
@address_options
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
    folder = load_model(model)
    new: Catalogue | None = None

    def others() -> "Catalogue | None":
        nonlocal new
        from recsys.milvus.client import Missing

        with suppress(Missing), store_at(address) as store:
            new = published(folder, store)
        return new

    vocabulary = folder.vocabulary
    if user is not None and movie is not None:
        asked = known = [(typed_user(folder, user), typed_movie(folder, movie, others))]
    else:
        expected = "user_id,movie_id"
        asked = listed(pairs or "-", lambda line: typed_pair(vocabulary, line), expected)
        if not vocabulary.movie_rows([movie_id for _, movie_id in asked]).all():
            others()
        known = known_pairs(vocabulary, asked, new)
    ratings = predicted(folder, [u for u, _ in known], [m for _, m in known], as_of, new)
    if user is not None:
        movie_id = known[0][1]
        log(f"of user {user} for {title_of(folder, movie_id, new)} (id {movie_id})")
    rows = [(u, m, f"{r:.4f}") for (u, m), r in zip(known, ratings, strict=True)]
    print_lines(csv_line(row) for row in [("user_id", "movie_id", "rating"), *rows])
    if len(known) < len(asked):
        raise click.exceptions.Exit(1)


@contextmanager
def _searched(
    exact: bool, folder: "Model", address: "MilvusAddress", hits: int = 0
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


def _logged(folder: "Model", answers: Iterable[Answer]) -> Iterator[Answer]:
    """Answers as they come; logs for whom, and when nothing fits."""
    for answer in answers:
        if query := answer.query:
            known = [] if query.user_id is None else [f"user {query.user_id}"]
            known += [f"{name} {value}" for name, value in query.profile().items()]
            for what, ids in (("likes", query.likes), ("dislikes", query.dislikes)):
                titles = [title_of(folder, movie_id) or str(movie_id) for movie_id in ids]
                known += [f"{what} {', '.join(titles)}"] if titles else []
            log("for " + ("; ".join(known) or "a cold-start user without profile"))
        if not answer.found:
            log("no movie fits")
        yield answer


# What is typed or listed in a file, as ids


def typed_id(known: "NDArray", text: str) -> "Id | None":
    """What is typed as an id of the kind that the known ones are; None where it is none."""
    from recsys.data.ids import is_text

    return (text.strip() or None) if is_text(known) else whole_number(text)


def typed_user(folder: "Model", text: str) -> "Id":
    """A user id as typed, of the kind that the model's are.

    Raises:
        click.UsageError: it is none.
    """
    user_id = typed_id(folder.vocabulary.user_ids, text)
    if user_id is None:
        raise click.UsageError(f"{quoted(text)} is not a user id, a whole number")
    return user_id


def typed_movie(
    folder: "Model", text: str, others: "Callable[[], Catalogue | None]" = lambda: None
) -> "Id":
    """The id of the movie that a title or id names.

    Args:
        others: called where the model knows no such movie, for published ones.

    Raises:
        AmbiguousTitle: several movies have such a title; they are listed, the most rated first.
        UnknownMovie: none has.
    """
    from recsys.data.titles import UnknownMovie, find

    movies, vocabulary = folder.movies, folder.vocabulary

    def rated() -> list[int]:
        import numpy as np

        rows = vocabulary.movie_rows(movies.ids)
        counts = np.bincount(folder.history.indices, minlength=int(rows.max(initial=0)) + 1)
        return counts[rows].tolist()

    try:
        known = " the model was trained on"
        return find(text, movies.ids.tolist(), movies.titles, rated, known)
    except UnknownMovie:
        more = others()
        if more is None:
            raise
    return find(text, more.ids.tolist(), more.titles)


def title_of(folder: "Model", movie_id: "Id", others: "Catalogue | None" = None) -> str | None:
    """The title of a movie that the model knows, or one of the others, None of what none is."""
    row = int(folder.vocabulary.movie_rows([movie_id])[0])
    if others and not row:
        return others.take([movie_id]).titles[0]
    return folder.movies.titles[row - 1] if row else None


def listed(path: str, read: "Callable[[str], T | None]", expected: str) -> "list[T]":
    """What the lines of a file are (- is stdin); a first line of names is passed over.

    Raises:
        DataError: the file cannot be read, or a line is not what is expected.
    """
    found: list[T] = []
    try:
        with click.open_file(path, encoding="utf-8-sig") as file:
            for number, line in enumerate(map(str.strip, file), 1):
                if number == 1 and line.partition(",")[0] == "user_id":
                    continue
                value = read(line)
                if value is None:
                    cause = f"{path}:{number}: found {quoted(line)}, expected {expected}"
                    raise DataError(cause, "fix the line")
                found.append(value)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not text in UTF-8", "convert it, or name another") from error
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise DataError(f"{quoted(path)[1:-1]}: cannot be read ({why})", "name another") from error
    return found


def typed_pair(vocabulary: "Vocabulary", line: str) -> "tuple[Id, Id] | None":
    """The ids of a user and a movie with a comma between them."""
    cells = next(csv.reader([line]), [])
    if len(cells) != 2:
        return None
    user_id, movie_id = map(typed_id, (vocabulary.user_ids, vocabulary.movie_ids), cells)
    return None if user_id is None or movie_id is None else (user_id, movie_id)


def listed_users(vocabulary: "Vocabulary", users: str) -> "tuple[list[Id], int]":
    """The model's users ("all"), or those of a file that it knows, and how many it does not.

    Each that it does not know is named on stderr.
    """
    if users == "all":
        return vocabulary.user_ids.tolist(), 0
    ids: list[Id] = listed(users, lambda line: typed_id(vocabulary.user_ids, line), "a user id")
    known: list[Id] = []
    for user_id, row in zip(ids, vocabulary.user_rows(ids), strict=True):
        if row:
            known.append(user_id)
        else:
            error_line(f"user {user_id} is not one the model was trained on")
    return known, len(ids) - len(known)


def known_pairs(
    vocabulary: "Vocabulary", pairs: "Sequence[tuple[Id, Id]]", others: "Catalogue | None"
) -> "list[tuple[Id, Id]]":
    """Those of pairs whose user and movie are known; the others are named on stderr."""
    users = vocabulary.user_rows([user for user, _ in pairs])
    movies = vocabulary.movie_rows([movie for _, movie in pairs])
    new = set(others.ids.tolist()) if others else ()
    known: list[tuple[Id, Id]] = []
    for (user_id, movie_id), user, movie in zip(pairs, users, movies, strict=True):
        if user and (movie or movie_id in new):
            known.append((user_id, movie_id))
            continue
        unknown = f"movie {movie_id}" if user else f"user {user_id}"
        error_line(f"{user_id},{movie_id}: {unknown} is not one the model was trained on")
    return known
