"""Answers as a table to read, and as csv, json, jsonl or parquet for programs.

The keys are the contract of version 0.2: rank, movie_id, title, genres, year, score (what the list
is sorted by), rating (predicted, beside it) and new; user_id first where there is a row a movie.
`similar` has the same; nobody's rating is predicted there, so that `rating` is empty. Movies' own
columns come behind, in the order of the schema.
"""

import csv
import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from recsys.cli.options import MOST, File, Whole, option
from recsys.cli.prompt import bar

if TYPE_CHECKING:
    from recsys.data.dataset import Vocabulary
    from recsys.data.ids import Id
    from recsys.infer import Recommendation, UserQuery
    from recsys.serving.model_folder import Model

FORMATS = ("table", "json", "jsonl", "csv", "parquet")
COLUMNS = ("user_id", "rank", "movie_id", "title", "genres", "year", "score", "rating", "new")
HEADER = ("Top", "Ids", "Title", "Genres", "Score", "Rating")
PROFILE = ("gender", "age", "job")  # keys of json, null where unknown; others lie under attributes
ROWS_AT_ONCE = 100_000  # of a parquet file
WIDEST = 30  # characters of a movie's own column in the table
NARROWEST = 10  # characters to which a column of text is cut where the terminal is narrow


@dataclass(frozen=True)
class Output:
    """How many movies an answer has, how it is written and where."""

    k: int = option("How many movies.", "-k", default=5, type=Whole(1, MOST))
    format: str | None = option(
        "How the answer is written: as a table; of many users as jsonl.", type=click.Choice(FORMATS)
    )
    output: str | None = option(
        "A file instead of stdout; complete or not at all.", "-o", "--output", type=File()
    )
    exact: bool = option("Compare every movie of the model; no Milvus.", default=False)

    def format_of(self, many: bool) -> str:
        """The format of the answers, of `many` users or of one.

        Raises:
            click.UsageError: it is not for that.
        """
        format = self.format or ("jsonl" if many else "table")
        if many and format in ("json", "table"):
            raise click.UsageError(f"--format {format} is for one user; take jsonl, csv or parquet")
        if format == "parquet" and not self.output:
            raise click.UsageError("--format parquet needs -o FILE")
        return format

    def write(self, answers: "Iterable[Answer]", format: str, count: int, model: "Model") -> None:
        """All answers as they come, to stdout or, complete or not at all, to a file."""
        from recsys.data.files import replacing_file

        own = [each.name for each in model.vocabulary.movies]
        with bar(count, "user") as done:
            if not self.output:
                width = terminal_width()
                print_lines(lines(answers, format, model.fingerprint, done, own, width))
                return
            with replacing_file(self.output) as beside:
                if format == "parquet":
                    write_parquet(answers, str(beside), done, model.vocabulary)
                    return
                with open(beside, "w", encoding="utf-8") as file:
                    for line in lines(answers, format, model.fingerprint, done, own):
                        file.write(f"{line}\n")


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
        answer: dict[str, Any] = {} if self.user_id is None else {"user_id": self.user_id}
        if self.movie:
            answer |= dict(zip(("movie_id", "title"), self.movie, strict=True))
        if self.query:
            answer["user"] = self._user(self.query)
        answer["model"] = model
        answer["recommendations" if self.query else "similar"] = self.records()
        return as_json(answer, indent)

    def _user(self, query: "UserQuery") -> dict[str, Any]:
        """A user in words; what is not known is null."""
        attributes = query.profile()
        profile = {name: attributes.pop(name, None) for name in PROFILE}
        return {
            "user_id": query.user_id,
            **profile,
            **({"attributes": attributes} if attributes else {}),
            "likes": list(query.likes),
            "dislikes": list(query.dislikes),
            "liked_titles": [self.titles.get(each) for each in query.likes],
            "disliked_titles": [self.titles.get(each) for each in query.dislikes],
        }

    def table(self, width: int | None = None) -> str:
        """The tutorial's table, with genres, score and rating, and a mark on new movies.

        Args:
            width: of a line at most, where titles, genres and the movies' own columns can be cut.
        """
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
        return table([*columns, *own], rows, width)


def _cell(value: str | float | list[str] | None) -> str:
    """A movie's own column in the table."""
    text = "|".join(value) if isinstance(value, list) else "" if value is None else str(value)
    return text if len(text) <= WIDEST else text[: WIDEST - 3] + "..."


def terminal_width() -> int | None:
    """The characters a line of stdout may have; None where it is no terminal."""
    if os.environ.get("COLUMNS") or sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    return None


def table(header: Sequence[str], rows: Sequence[Sequence[Any]], width: int | None = None) -> str:
    """A line for each row, numbers to the right.

    Args:
        width: of a line at most; columns of text are cut, with an ellipsis, as far as is needed.
    """
    cells = [[f"{v:.4f}" if isinstance(v, float) else str(v) for v in row] for row in rows]
    cells.insert(0, list(header))
    numeric = [isinstance(value, int | float) for value in next(iter(rows), header)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    spare = float("inf") if width is None else width - sum(widths) - 2 * (len(widths) - 1)
    while spare < 0:
        widest = max((w, -i) for i, w in enumerate(widths) if not numeric[i])
        if widest[0] <= NARROWEST:
            break
        widths[-widest[1]] -= 1
        spare += 1
    return "\n".join(
        "  ".join(
            cell.rjust(size) if right else _cut(cell, size).ljust(size)
            for cell, size, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    )


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1].rstrip() + "…"


def as_json(value: Any, indent: int | None = 2) -> str:
    """A value as json, letters as they are."""
    return json.dumps(value, ensure_ascii=False, indent=indent)


def csv_line(values: Iterable[Any]) -> str:
    """One line of csv, without its end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def print_lines(lines: Iterable[str]) -> None:
    """Lines to stdout as they come."""
    sys.stdout.writelines(f"{line}\n" for line in lines)
    sys.stdout.flush()


def lines(
    answers: Iterable[Answer],
    format: str,
    model: str,
    done: Callable[[int], Any],
    own: Sequence[str] = (),
    width: int | None = None,
) -> Iterator[str]:
    """Answers in a format, line by line as they come; `done` is called after each.

    Args:
        own: the names of the movies' own columns.
        width: of a table's lines at most.
    """
    columns = [*COLUMNS, *own]
    if format == "csv":
        yield csv_line(columns)
    for answer in answers:
        if format == "table":
            yield answer.table(width)
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
