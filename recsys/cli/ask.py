"""The commands that answer: recommend, similar, predict."""

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, get_args

import click

import recsys
from recsys.cli import shared
from recsys.cli.build import Publishing, publish
from recsys.cli.options import argument, command, grouped, option, path, whole_number
from recsys.cli.output import Answer, Output
from recsys.cli.prompt import log, refuse_beside
from recsys.cli.shared import Source, Wanted
from recsys.cli.stream import Stream, peeked
from recsys.cli.typed import Known, lines_of
from recsys.data.movielens import AGE_NAMES, AGES
from recsys.milvus.address import MilvusAddress
from recsys.serving import RankBy

if TYPE_CHECKING:
    from recsys.data.ids import Id
    from recsys.serving.catalogue import Catalogue
    from recsys.serving.model_folder import Model


AS_QUICK = 100  # movies that are read in the time of a query


def shard_of(text: str) -> tuple[int, int]:
    """I/N, the part I of N."""
    part, count = (whole_number(each) or 0 for each in (*text.split("/"), "")[:2])
    if not (1 <= part <= count and text.count("/") == 1):
        raise ValueError("is not a part of so many, as 3/8.")
    return part, count


@dataclass(frozen=True)
class Profile:
    """Who asks, as typed."""

    user: str | None = option("A user of the training data.", "-u", metavar="ID")
    age: str | None = option("Years, or a bracket such as 25-34.", "-a")
    gender: str | None = option("F or M.", "-g")
    job: str | None = option("0 to 20, or its name.", "-j")
    user_attribute: tuple[tuple[str, str], ...] = option(
        "Another attribute of the user, as city=Seoul, if the model has it; repeat it.",
        default=(),
        type=shared.name_and_value,
    )
    like: tuple[str, ...] = option("A movie the user likes, by title or id; repeat it.", default=())
    dislike: tuple[str, ...] = option("A movie the user dislikes; repeat it.", default=())
    ratings: str | None = path(
        "One user's ratings, as MovieLens, Letterboxd or IMDb export them (- for stdin)."
    )

    def query(self, known: Known, as_of: int | None) -> "recsys.UserQuery":
        """The query, with ids of users and movies that are known."""
        from recsys.cli.exports import ratings_of

        profile = {"gender": self.gender, "age": self.age, "job": self.job}
        given = {name: text for name, text in profile.items() if text is not None}
        if self.age and self.age in [*"0123456"]:
            meant = f"age {AGES[int(self.age)]} ({AGE_NAMES[int(self.age)]})"
            log(f"age {self.age} is in years; code {self.age} of the tutorial is {meant}")
        likes, dislikes = (
            tuple(dict.fromkeys(map(known.movie, texts))) for texts in (self.like, self.dislike)
        )
        user = None if self.user is None else known.user(self.user)
        given |= dict(self.user_attribute)
        rated = [] if self.ratings is None else ratings_of(self.ratings, known)
        return recsys.UserQuery(user, given, likes, dislikes, rated, as_of)


@dataclass(frozen=True)
class Choosing:
    """Which of the best movies are taken, as typed."""

    exclude: tuple[str, ...] = option(
        "Movies to leave out: a file of ids, or ids with commas; repeat it.", default=()
    )
    only: str | None = option("The only movies to rank, likewise.", metavar="FILE|IDS")
    diversity: float = option("Weight of differing genres.", default=0.0, min=0, max=1)
    novelty: float = option("Weight of having few ratings.", default=0.0, min=0, max=1)
    max_per: tuple[tuple[str, int], ...] = option(
        "The most movies of a genre, year or value of a column, as genre=2; repeat it.",
        default=(),
        type=shared.name_and_number,
    )

    def choice(self, known: Known) -> "recsys.Choice":
        """The choice, of movies that are known."""
        exclude = [each for given in self.exclude for each in known.ids(given, ("item",))[0]]
        only = None if self.only is None else known.ids(self.only, ("item",))[0]
        return recsys.Choice(exclude, only, self.diversity, self.novelty, self.max_per)


@command
def recommend(
    profile: Profile = grouped(Profile),
    users: str | None = path("'all', or a file of user ids, or of JSON lines (- for stdin)."),
    shard: tuple[int, int] = option(
        "Only the users of this part, as 3/8.", default="1/1", type=shard_of, metavar="I/N"
    ),
    output: Output = grouped(Output),
    rank_by: RankBy = option(
        "What the score is: relevance, the predicted rating, the tutorial's 5 x cosine, or "
        "similarity to liked movies.",
        default=get_args(RankBy)[0],
        type=click.Choice(get_args(RankBy)),
    ),
    as_of: int | None = shared.AS_OF,
    include_seen: bool = option("Also movies the user has rated.", default=False),
    wanted: Wanted = grouped(Wanted),
    choosing: Choosing = grouped(Choosing),
    load_first: bool = option("Publish the model's movies first.", "-i", default=False),
    model: str = shared.MODEL,
    address: MilvusAddress = shared.ADDRESS,
) -> None:
    """Recommend movies to a user, a profile, a few likes, or many users at once.

    Any part of a query may be left out. Movies a user has rated are left out. Score is what the
    list is sorted by, rating the predicted rating.

    \b
    Example: recsys recommend --age 1 --gender F --job 10
             recsys recommend --like Heat --like "Usual Suspects" --year 1990-1999
             recsys recommend --users all -k 100 --format csv -o all.csv
    """
    if output.exact:
        refuse_beside("--exact", "load_first")
    if users is not None and profile != Profile():
        given = "-u, -a, -g, -j, --user-attribute, --like, --dislike and --ratings"
        raise click.UsageError(f"--users goes without {given}")
    from recsys.infer import BATCH

    part, parts = shard
    if parts > 1 and users is None:
        raise click.UsageError("--shard is for --users")
    format = output.format_of(many=users is not None)
    folder = recsys.load_model(model)
    known = Known(folder, None if output.exact else address)
    query, filter = profile.query(known, as_of), wanted.filter(folder)
    queries, choice, stream, first = [query], choosing.choice(known), None, 0
    ids: list[Id] = []
    if users:
        folder.verify()
        objects, lines = peeked(lines_of(users)) if users != "all" else (False, iter(()))
        if objects and format != "jsonl":
            raise click.UsageError(f"--format {format} is not for JSON lines: take jsonl")
        if objects and (parts > 1 or output.in_parts):
            raise click.UsageError("--shard and -o FOLDER/ are for user ids, not for JSON lines")
        if objects:
            stream = Stream(known, (query, output.k, choice, wanted))
        else:
            all_ids = folder.vocabulary.user_ids.tolist()
            ids = all_ids if users == "all" else known.ids(users, lines=lines)[0]
            # Whole batches, as what is multiplied together decides the last digit.
            first, end = (len(ids) * n // parts // BATCH * BATCH for n in (part - 1, part))
            some = ids[first : end if part < parts else None]
            queries = [query._replace(user_id=each) for each in some]
    if load_first and (done := publish(folder, Publishing(), Source(), address)):
        log(f"published {done.count} movies of model {done.model}")
    hits = len(ids) * max(output.k, AS_QUICK)
    how: dict[str, Any] = {"rank_by": rank_by, "include_seen": include_seen}
    how["explain"] = output.explain
    with _searched(output.exact, folder, address, hits) as (searched, count, version):
        asked = recsys.Recommender(folder, searched)
        if stream:
            output.write(stream.answers(lines, asked, count, **how), format, 0, folder)
            return stream.end()
        how |= {"filter": filter, "choice": choice}

        def answers(some: "Sequence[recsys.UserQuery]") -> Iterator[Answer]:
            found = asked.recommend(some, min(output.k, count), **how)
            return (Answer(each, each.query, title=known.title) for each in found)

        if output.in_parts:
            question = repr((folder.config, version, output.k, how, query, parts, ids))
            output.write_parts(answers, queries, first, question, format, folder)
        else:
            every = answers(queries)
            output.write(every if users else _logged(every), format, len(queries), folder)
    known.end(0 if choice.only == [] else len(queries))


@command
def similar(
    movie: str = argument(),
    output: Output = grouped(Output),
    wanted: Wanted = grouped(Wanted),
    model: str = shared.MODEL,
    address: MilvusAddress = shared.ADDRESS,
) -> None:
    """Movies that the same users like as they like MOVIE, a title or an id.

    Example: recsys similar "Toy Story" -k 10
    """
    format = output.format_of(many=False)
    folder = recsys.load_model(model)
    filter = wanted.filter(folder)
    movie_id = Known(folder, None if output.exact else address).movie(movie)
    with _searched(output.exact, folder, address) as (store, count, _):
        asked = recsys.Recommender(folder, store)
        found = asked.similar(movie_id, min(output.k, count), filter, output.explain)
        title = store.take([movie_id]).titles[0]
    log(f"near to {title} (id {movie_id})")
    output.write(_logged([Answer(found, movie=(movie_id, title))]), format, 1, folder)


@command
def predict(
    user: str | None = option("A user of the training data.", "-u", metavar="ID"),
    movie: str | None = option("A movie, by title or id.", "-m"),
    pairs: str | None = path("A CSV of user_id,movie_id ('-', the default, is stdin)."),
    rank_by: RankBy = option(
        "What is printed: the predicted rating, or the score by which recommend ranks.",
        default="rating",
        type=click.Choice(get_args(RankBy)),
    ),
    as_of: int | None = shared.AS_OF,
    model: str = shared.MODEL,
    address: MilvusAddress = shared.ADDRESS,
) -> None:
    """Predict ratings of users for movies, on the scale of the data; prints CSV.

    Its columns are user_id,movie_id,rating, or score where --rank-by says so. Milvus is asked only
    for movies that the model was not trained on.

    \b
    Example: recsys predict -u 1 -m "Toy Story"
             recsys predict --rank-by relevance < pairs.csv
    """
    if (user is None) != (movie is None) or (movie is not None and pairs is not None):
        raise click.UsageError("give -u and -m together, or else pairs by --pairs or on stdin")
    folder = recsys.load_model(model)
    known = Known(folder, address)
    if user is not None and movie is not None:
        user_ids, movie_ids = [known.user(user)], [known.movie(movie)]
    else:
        user_ids, movie_ids = known.ids(pairs or "-", ("user", "item"))
    new = None if folder.vocabulary.movie_rows(movie_ids).all() else known.published
    scores = recsys.predict(folder, user_ids, movie_ids, as_of, new, rank_by)
    if user is not None:
        log(f"of user {user} for {known.title(movie_ids[0])} (id {movie_ids[0]})")
    name, form = ("rating", ".4f") if rank_by == "rating" else ("score", ".6f")  # as of recommend
    shown = [format(each, form) for each in scores]
    lines = csv.writer(sys.stdout, lineterminator="\n")
    lines.writerow(("user_id", "movie_id", name))
    lines.writerows(zip(user_ids, movie_ids, shown, strict=True))
    sys.stdout.flush()
    known.end(len(user_ids))


@contextmanager
def _searched(
    exact: bool, folder: "Model", address: MilvusAddress, hits: int = 0
) -> "Iterator[tuple[Catalogue | recsys.MilvusStore, int, str]]":
    """What is searched: Milvus, or with `exact` the model's own; how many movies, and its name.

    Where more `hits` are wanted than Milvus holds movies, and its index is exact, all are read once
    and compared here: the same answers, sooner.
    """
    if exact:
        movies = recsys.catalogue(folder)
        yield movies, len(movies), "exact"
        return
    with recsys.MilvusStore(address, make=False) as store:
        opened = store.open(folder.fingerprint)
        if not opened.is_current:
            log(f"another model is published; this one, {opened.model}, answers from what is kept")
        at_once = opened.index.exact and hits > opened.count
        yield store.read_all() if at_once else store, opened.count, opened.collection


def _logged(answers: Iterable[Answer]) -> Iterator[Answer]:
    """Answers as they come; logs for whom, and when nothing fits."""
    for answer in answers:
        if query := answer.query:
            known = [] if query.user_id is None else [f"user {query.user_id}"]
            if query.as_of is not None:
                time = datetime.fromtimestamp(query.as_of, timezone.utc)
                known.append(f"as of {time:%Y-%m-%d %H:%M}")
            known += [f"{name} {value}" for name, value in query.attributes.items()]
            known += [f"{len(query.rated)} ratings"] if query.rated else []
            for what, ids in (("likes", query.likes), ("dislikes", query.dislikes)):
                titles = ", ".join(f"{answer.title(each)} (id {each})".strip() for each in ids)
                known += [f"{what} {titles}"] if titles else []
            log("for " + ("; ".join(known) or "a cold-start user without profile"))
        if not answer.found:
            log("no movie fits")
        yield answer
