"""Answers as a table to read, and as csv, json, jsonl or parquet for programs.

The keys are the contract of version 0.2: rank, movie_id, title, genres, year, score (what the list
is sorted by), rating (predicted, beside it) and new; user_id first where there is a row a movie.
`similar` has the same; nobody's rating is predicted there, so that `rating` is empty. Movies' own
columns come behind, in the order of the schema.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from recsys.data.movielens import AGE_NAMES, GENDERS, JOBS

if TYPE_CHECKING:
    from recsys.data.dataset import Vocabulary
    from recsys.data.ids import Id
    from recsys.infer import Recommendation, UserQuery

FORMATS = ("table", "json", "jsonl", "csv", "parquet")
COLUMNS = ("user_id", "rank", "movie_id", "title", "genres", "year", "score", "rating", "new")
HEADER = ("Top", "Ids", "Title", "Genres", "Score", "Rating")
ROWS_AT_ONCE = 100_000  # of a parquet file
WIDEST = 30  # characters of a movie's own column in the table


class Answer(NamedTuple):
    """The movies found for one user, or near one movie."""

    found: "Sequence[Recommendation]"
    query: "UserQuery | None" = None  # the user; None for movies near to one
    movie: "tuple[Id, str | None] | None" = None  # that movie's id and title
    titles: "Mapping[Id, str | None]" = MappingProxyType({})  # of likes and dislikes

    @property
    def user_id(self) -> "Id | None":
        return self.query.user_id if self.query else None

    def records(self) -> list[dict[str, Any]]:
        """A movie each, under the keys of json."""
        return [
            {
                "rank": each.rank,
                "movie_id": each.movie_id,
                "title": each.title,
                "genres": list(each.genres),
                "year": each.year or None,
                "score": round(each.score, 6),
                "rating": None if not self.query or each.rating is None else round(each.rating, 6),
                "new": each.is_new,
                **({"columns": each.columns} if each.columns else {}),
            }
            for each in self.found
        ]

    def rows(self) -> list[dict[str, Any]]:
        """A flat record a movie, for csv and parquet: COLUMNS, then the movie's own by name."""
        found = []
        for record in self.records():
            own = record.pop("columns", {})
            flat = {"user_id": self.user_id, **record, **own}
            found.append({k: "|".join(v) if isinstance(v, list) else v for k, v in flat.items()})
        return found

    def json(self, model: str, indent: int | None = None) -> str:
        """One object: the query, the model, and what was found."""
        whole: dict[str, Any] = {} if self.user_id is None else {"user_id": self.user_id}
        if self.movie:
            whole |= dict(zip(("movie_id", "title"), self.movie, strict=True))
        if self.query:
            whole["user"] = _user(self.query, self.titles)
        whole["model"] = model
        whole["recommendations" if self.query else "similar"] = self.records()
        return as_json(whole, indent)

    def table(self) -> str:
        """The tutorial's table, with genres, score and rating, and a mark on new movies."""
        rated = self.query and not any(each.rating is None for each in self.found)
        columns = HEADER if rated else HEADER[:-1]
        rows = [
            (
                each.rank,
                each.movie_id,
                each.title + " [new]" * each.is_new,
                "|".join(each.genres),
                each.score,
                each.rating,
            )[: len(columns)]
            + tuple(_cell(value) for value in each.columns.values())
            for each in self.found
        ]
        own = self.found[0].columns if self.found else ()
        return table([*columns, *own], rows)


def _cell(value: str | float | list[str] | None) -> str:
    """A movie's own column in the table."""
    text = "|".join(value) if isinstance(value, list) else "" if value is None else str(value)
    return text if len(text) <= WIDEST else text[: WIDEST - 3] + "..."


def format_of(format: str | None, output: str | None, many: bool) -> str:
    """The format of the answers, of `many` users or of one.

    Raises:
        click.UsageError: it is not for that.
    """
    format = format or ("jsonl" if many else "table")
    if many and format in ("json", "table"):
        raise click.UsageError(f"--format {format} is for one user; take jsonl, csv or parquet")
    if format == "parquet" and not output:
        raise click.UsageError("--format parquet needs -o FILE")
    return format


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A line for each row, numbers to the right."""
    cells = [[f"{v:.4f}" if isinstance(v, float) else str(v) for v in row] for row in rows]
    numeric = [isinstance(value, int | float) for value in next(iter(rows), header)]
    widths = [max(len(row[i]) for row in [list(header), *cells]) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in [list(header), *cells]
    )


def as_json(value: Any, indent: int | None = 2) -> str:
    """A value as json, letters as they are."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def csv_line(values: Iterable[Any]) -> str:
    """One line of csv, without its end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def lines(
    answers: Iterable[Answer],
    format: str,
    model: str,
    done: Callable[[int], Any],
    own: Sequence[str] = (),
) -> Iterator[str]:
    """Answers in a format, line by line as they come; `done` is called after each.

    Args:
        own: the names of the movies' own columns.
    """
    columns = [*COLUMNS, *own]
    if format == "csv":
        yield csv_line(columns)
    for answer in answers:
        if format == "table":
            yield answer.table()
        elif format == "csv":
            for row in answer.rows():
                yield csv_line(row[name] for name in columns)
        else:
            yield answer.json(model, indent=2 if format == "json" else None)
        done(1)


def write_parquet(
    answers: Iterable[Answer], path: str, done: Callable[[int], Any], vocabulary: "Vocabulary"
) -> None:
    """Answers as one parquet file, a row a movie: COLUMNS and the movies' own; types of theirs."""
    import pyarrow as pa
    from pyarrow import parquet

    from recsys.data.ids import is_text

    kinds = {
        "user_id": pa.string() if is_text(vocabulary.user_ids) else pa.int64(),
        "rank": pa.int64(),
        "movie_id": pa.string() if is_text(vocabulary.movie_ids) else pa.int64(),
        "year": pa.int64(),
        "score": pa.float64(),
        "rating": pa.float64(),
        "new": pa.bool_(),
        **{each.name: pa.float64() for each in vocabulary.movies if each.kind == "number"},
    }
    names = [*COLUMNS, *(each.name for each in vocabulary.movies)]
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in names])
    with parquet.ParquetWriter(path, schema) as writer:
        rows: list[dict[str, Any]] = []
        for answer in answers:
            rows += answer.rows()
            done(1)
            if len(rows) >= ROWS_AT_ONCE:
                writer.write_table(pa.Table.from_pylist(rows, schema))
                rows = []
        writer.write_table(pa.Table.from_pylist(rows, schema))


def _user(query: "UserQuery", titles: "Mapping[Id, str | None]") -> dict[str, Any]:
    """A user in words; what is not known is null."""
    return {
        "user_id": query.user_id,
        "gender": GENDERS[query.gender] if query.gender >= 0 else None,
        "age": AGE_NAMES[query.age] if query.age >= 0 else None,
        "job": JOBS[query.job] if query.job >= 0 else None,
        **({"attributes": dict(query.attributes)} if query.attributes else {}),
        "likes": list(query.likes),
        "dislikes": list(query.dislikes),
        "liked_titles": [titles.get(each) for each in query.likes],
        "disliked_titles": [titles.get(each) for each in query.dislikes],
    }
