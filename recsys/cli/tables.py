"""Answers as a table for people, and as csv, json or jsonl for programs. Keys are stable."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from recsys.data.movielens import AGE_NAMES, GENDERS, JOBS
from recsys.infer import Recommendation, UserQuery

COLUMNS = ("user_id", "rank", "movie_id", "title", "genres", "year", "score", "rating", "new")


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Columns in a line each, numbers to the right."""
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [isinstance(value, int | float) for value in next(iter(rows), header)]
    widths = [max(len(row[i]) for row in [list(header), *cells]) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in [list(header), *cells]
    )


def _cell(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def recommendations(answer: Sequence[Recommendation]) -> str:
    """The tutorial's table, with genres, both scores, and a mark on movies that are new."""
    rows = [
        (r.rank, r.movie_id, r.title + " [new]" * r.is_new, "|".join(r.genres), r.score, r.rating)
        for r in answer
    ]
    return table(("Top", "Ids", "Title", "Genres", "Score", "Rating"), rows)


def record(answer: Recommendation) -> dict[str, Any]:
    """One movie of an answer under the keys of json."""
    return {
        "rank": answer.rank,
        "movie_id": answer.movie_id,
        "title": answer.title,
        "genres": list(answer.genres),
        "year": answer.year or None,
        "score": round(answer.score, 6),
        "rating": round(answer.rating, 6),
        "new": answer.is_new,
    }


def person(asked: UserQuery) -> dict[str, Any]:
    """Who asked, in words; what is not known is null."""
    return {
        "user_id": asked.user_id,
        "gender": GENDERS[asked.gender] if asked.gender >= 0 else None,
        "age": AGE_NAMES[asked.age] if asked.age >= 0 else None,
        "job": JOBS[asked.job] if asked.job >= 0 else None,
        "likes": list(asked.likes),
        "dislikes": list(asked.dislikes),
    }


def answer_json(
    asked: UserQuery, model: str, answer: Sequence[Recommendation], *, indent: int | None = None
) -> str:
    """One object: who asked, of which model, and what came."""
    whole: dict[str, Any] = {} if asked.user_id is None else {"user_id": asked.user_id}
    whole |= {"user": person(asked), "model": model}
    whole |= {"recommendations": [record(each) for each in answer]}
    return json.dumps(whole, ensure_ascii=False, indent=indent)


def similar(movie_id: int, model: str, answer: Sequence[Recommendation], form: str) -> str:
    """Movies like one; their match is the cosine of the two movies' vectors."""
    if form == "json":
        movies = [{k: v for k, v in record(each).items() if k != "rating"} for each in answer]
        whole = {"movie_id": movie_id, "model": model, "similar": movies}
        return json.dumps(whole, ensure_ascii=False, indent=2)
    rows = [(r.rank, r.movie_id, r.title, "|".join(r.genres), r.score) for r in answer]
    if form == "csv":
        header = ("rank", "movie_id", "title", "genres", "relevance")
        return "\n".join(csv_line(row) for row in [header, *rows])
    return table(("Top", "Ids", "Title", "Genres", "Match"), rows)


def csv_line(values: Iterable[Any]) -> str:
    """One line of csv, without its end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(values)
    return line.getvalue()


def answer_rows(asked: UserQuery, answer: Sequence[Recommendation]) -> list[dict[str, Any]]:
    """One flat record a movie, for csv and parquet; COLUMNS names its keys."""
    return [
        {"user_id": asked.user_id, **record(each), "genres": "|".join(each.genres)}
        for each in answer
    ]


def lines(
    answers: Iterable[tuple[UserQuery, Sequence[Recommendation]]],
    form: str,
    model: str,
    done: Callable[[int], Any],
) -> Iterator[str]:
    """Answers in a form, line by line as they come; `done` is told of each."""
    if form == "csv":
        yield csv_line(COLUMNS)
    for asked, answer in answers:
        if form == "table":
            yield recommendations(answer)
        elif form == "csv":
            for row in answer_rows(asked, answer):
                yield csv_line(row[name] for name in COLUMNS)
        else:
            yield answer_json(asked, model, answer, indent=2 if form == "json" else None)
        done(1)


def write_parquet(
    answers: Iterable[tuple[UserQuery, Sequence[Recommendation]]],
    path: str,
    done: Callable[[int], Any],
) -> None:
    """Answers as one parquet file with COLUMNS, a row a movie."""
    import pyarrow
    from pyarrow import parquet

    writer = None
    rows: list[dict[str, Any]] = []

    def flush() -> None:
        nonlocal writer
        batch = pyarrow.Table.from_pylist(rows)
        writer = writer or parquet.ParquetWriter(path, batch.schema)
        writer.write_table(batch)
        rows.clear()

    for asked, answer in answers:
        rows += answer_rows(asked, answer)
        done(1)
        if len(rows) >= 100_000:
            flush()
    flush()
    if writer:
        writer.close()
