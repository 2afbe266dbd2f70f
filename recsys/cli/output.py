"""Answers as a table to read, and as csv, json, jsonl or parquet for programs.

The keys are the contract of version 0.2 (docs/commands.md). Nobody's rating is predicted by
`similar`, so that it is empty there. Movies' own columns come behind, in the order of the schema.
"""

import csv
import hashlib
import itertools
import json
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import click

from recsys.cli.options import option, path
from recsys.cli.prompt import bar, log, styled, terminal_width
from recsys.data.files import replacing_file, writable_folder
from recsys.errors import RecsysError, escaped, shortened

if TYPE_CHECKING:
    from recsys.data.dataset import Vocabulary
    from recsys.data.ids import Id
    from recsys.infer import Recommendation, UserQuery
    from recsys.serving.model_folder import Model

MOST = 1_000_000  # movies one may ask for at once
FORMATS = ("table", "json", "jsonl", "csv", "parquet")
COLUMNS = ("user_id", "rank", "movie_id", "title", "genres", "year", "score", "rating", "new")
HEADER = ("Top", "Ids", "Title", "Genres", "Score", "Rating")  # of the table
SHOWN = ("rank", "movie_id", "title", "genres", "score", "rating")  # below it
PROFILE = ("gender", "age", "job")  # keys of json, null where unknown; others lie under attributes
USERS_AT_ONCE = 1_000  # whose rows are a group of a parquet file, or a file of a folder
WIDEST = 30  # characters of a movie's own column in the table
NARROWEST = 10  # characters to which a column of text is cut where the terminal is narrow


@dataclass(frozen=True)
class Output:
    """How many movies an answer has, how it is written and where."""

    k: int = option("How many movies.", "-k", default=5, min=1, max=MOST)
    format: str | None = option(
        "How the answer is written; by default as -o ends, else a table, of many users jsonl.",
        type=click.Choice(FORMATS, case_sensitive=False),
    )
    output: str | None = path(
        "A file instead of stdout; complete or not at all. Of many users also a folder/, where a "
        "run that was stopped goes on.",
        "-o",
    )
    exact: bool = option("Compare every movie of the model; no Milvus.", default=False)
    explain: bool = option("Say of each movie what carried it (table, json, jsonl).", default=False)

    @property
    def in_parts(self) -> bool:
        """Whether answers go into a folder, in files of USERS_AT_ONCE."""
        return (self.output or "").endswith("/")

    def format_of(self, many: bool) -> str:
        """The format of the answers, of `many` users or of one."""
        ending = os.path.splitext(self.output or "")[1][1:].lower()
        named = ending if ending in FORMATS[1:] else None
        format = self.format or named or ("jsonl" if many else "table")
        if named and named != format:
            raise click.UsageError(f"{self.output} is to be {named} by its name, not {format}")
        if self.in_parts and not many:
            raise click.UsageError(f"{self.output} is a folder, for --users: name a file")
        if many and format in ("json", "table"):
            raise click.UsageError(f"{format} is for one user; take jsonl, csv or parquet")
        if self.explain and format in ("csv", "parquet"):
            raise click.UsageError(f"--explain is not for {format}: take table, json or jsonl")
        if format == "parquet" and not self.output:
            raise click.UsageError("--format parquet needs -o FILE")
        return format

    def write(self, answers: "Iterable[Any]", format: str, count: int, model: "Model") -> None:
        """All answers as they come, to stdout or, complete or not at all, to a file."""
        answers = bar("recommending", count, "user", answers)
        if self.output:
            write_file(answers, format, self.output, model)
        else:
            write_text(answers, format, model, sys.stdout, terminal_width())

    def write_parts(
        self,
        answers: "Callable[[Sequence[UserQuery]], Iterable[Answer]]",
        queries: "Sequence[UserQuery]",
        first: int,
        question: str,
        format: str,
        model: "Model",
    ) -> None:
        """Answers to many queries into a folder, in files that are complete or not there.

        Files that are there already are not written again. A name is a digest of the question, so
        that answers to another in the folder are found out, and the number of its first query, of
        which those of this shard begin at `first`.
        """
        folder, digest = Path(self.output or ""), hashlib.sha256(question.encode()).hexdigest()[:8]
        writable_folder(folder / digest)
        if others := sorted(n for n in os.listdir(folder) if not n.startswith((digest, "."))):
            cause = f"{folder}: holds what is not of this question, model and list ({others[0]})"
            raise RecsysError(cause, "name another folder", "output")
        starts = range(0, len(queries), USERS_AT_ONCE)
        files = {n: folder / f"{digest}-{first + n:09}.{format}" for n in starts}
        left = {f: queries[n : n + USERS_AT_ONCE] for n, f in files.items() if not f.exists()}
        if len(left) < len(files):
            log(f"{folder}: {len(files) - len(left)} of {len(files)} files are there already")
        every = itertools.chain.from_iterable(map(answers, left.values()))
        shown = iter(bar("recommending", sum(map(len, left.values())), "user", every))
        for file, some in left.items():
            write_file(itertools.islice(shown, len(some)), format, file, model)
        next(shown, None)  # the bar, too, is at its end


class Answer(NamedTuple):
    """The movies found for one user, or near one movie."""

    found: "Sequence[Recommendation]"
    query: "UserQuery | None" = None  # the user; None for movies near to one
    movie: "tuple[Id, str] | None" = None  # that movie's id and title
    title: "Callable[[Id], str | None]" = lambda _: None  # of likes and dislikes

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
                **({"why": plain(each.why, 6)} if each.why else {}),
            }
            for each in self.found
        ]

    def rows(self) -> list[dict[str, Any]]:
        """A flat record a movie, for csv and parquet: COLUMNS, then the movie's own by name."""
        user = {"user_id": self.query.user_id if self.query else None}
        rows = ({**user, **each, **each.get("columns", {})} for each in self.records())
        return [
            {k: "|".join(v) if isinstance(v, list) else v for k, v in row.items()} for row in rows
        ]

    def json(self, model: str, indent: int | None = None) -> str:
        """One object: the query, the model, and what was found; what is not known is null."""
        answer: dict[str, Any] = {}
        if self.movie:
            answer["movie_id"], answer["title"] = self.movie
        if query := self.query:
            attributes = dict(query.attributes)
            profile = {name: attributes.pop(name, None) for name in PROFILE}
            if query.user_id is not None:
                answer["user_id"] = query.user_id
            answer["user"] = {
                "user_id": query.user_id,
                **profile,
                **({"attributes": attributes} if attributes else {}),
                "likes": query.likes,
                "dislikes": query.dislikes,
                "liked_titles": [*map(self.title, query.likes)],
                "disliked_titles": [*map(self.title, query.dislikes)],
            }
        answer["model"] = model
        answer["recommendations" if query else "similar"] = self.records()
        return as_json(answer, indent)

    def table(self, width: int | None = None) -> str:
        """The tutorial's table, with genres, score and rating, and a mark on new movies."""
        count = len(SHOWN) - (not self.query or any(each.rating is None for each in self.found))
        header, lines, why = [*HEADER[:count]], [], list[str]()
        for each, row in zip(self.found, self.rows(), strict=True):
            row["title"] += " [new]" * each.is_new
            texts = ["" if row[name] is None else str(row[name]) for name in each.columns]
            why = [in_words(each.why)] if each.why else []
            header = [*HEADER[:count], *each.columns, *["Why"][: len(why)]]
            cells = [*(row[name] for name in SHOWN[:count]), *(shortened(t, WIDEST) for t in texts)]
            lines.append([*cells, *why])
        widest = max(map(len, table(header, lines).split("\n")))
        if not why or not width or widest <= width:
            return table(header, lines, width)
        reasons = (f"{line[0]:>3}  {escaped(line[-1])}" for line in lines)  # below, not cut
        below = [styled("Top  Why", sys.stdout, bold=True)]
        below += [textwrap.fill(each, width, subsequent_indent=" " * 5) for each in reasons]
        return "\n".join([table(header[:-1], [line[:-1] for line in lines], width), *below])


def in_words(why: Any) -> str:
    """What carried a movie, a `Why`, or what two have in common, `Shared`, in a line."""
    if hasattr(why, "users"):
        genres, words, users = why
        return "; ".join(filter(None, [f"{users:,} like both", "|".join(genres), " ".join(words)]))
    carried = [
        f"{each.title}{'' if each.rating is None else f' ({each.rating:g})'} {each.share:+.3f}"
        for each in why.reasons
    ]
    if why.profile:
        carried.append(f"profile {why.profile:+.3f}")
    return "; ".join(carried) or "nothing of the user: what everybody likes"


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[Any]],
    width: int | None = None,
    below: bool = False,
) -> str:
    """A line for each row, numbers to the right; of a width at most, as far as texts can be cut.

    Or nothing is cut, and columns that do not fit come `below`, beside the first again.
    """
    cells = [[f"{v:.4f}" if isinstance(v, float) else escaped(str(v)) for v in row] for row in rows]
    cells.insert(0, [*map(escaped, header)])
    numeric = [isinstance(value, int | float) for value in next(iter(rows), header)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    whole, most = widths, max(widths)
    width = width or sys.maxsize
    while not below and sum(widths) + 2 * (len(widths) - 1) > width and most > NARROWEST:
        most -= 1
        widths = [n if right else min(n, most) for n, right in zip(whole, numeric, strict=True)]

    def shown(cell: str, size: int, right: bool) -> str:
        cut = cell if right or len(cell) <= size else cell[: size - 1].rstrip() + "…"
        return cut.rjust(size) if right else cut.ljust(size)

    blocks: list[list[int]] = [[0]]  # columns that are beside each other
    for n, size in enumerate(widths[1:], 1):
        fits = not below or sum(widths[m] + 2 for m in blocks[-1]) + size <= width
        blocks[-1:] = [[*blocks[-1], n]] if fits or len(blocks[-1]) == 1 else [blocks[-1], [0, n]]
    lines = [
        "  ".join(shown(row[n], widths[n], numeric[n]) for n in columns).rstrip()
        for columns in blocks
        for row in cells
    ]
    if width < sys.maxsize:  # of a terminal
        for n in range(0, len(lines), len(cells)):
            lines[n] = styled(lines[n], sys.stdout, bold=True)
    return "\n".join(lines)


def plain(value: Any, digits: int | None = None) -> Any:
    """Named tuples as objects of json, without what is of single users; numbers with few digits."""
    value = value._asdict() if hasattr(value, "_asdict") else value
    if isinstance(value, dict):
        return {name: plain(value[name], digits) for name in value if name != "per_user"}
    if isinstance(value, list | tuple):
        return [plain(each, digits) for each in value]
    return round(value, digits) if digits and isinstance(value, float) else value


def as_json(value: Any, indent: int | None = 2) -> str:
    """A value as json, letters as they are, bytes that are no text by their codes."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    if text.isascii():
        return text
    return re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)


def write_file(answers: Iterable[Any], format: str, path: Path | str, model: "Model") -> None:
    """Answers to a file, complete or not at all."""
    with replacing_file(path) as beside:
        if format == "parquet":
            write_parquet(answers, str(beside), model.vocabulary)
            return
        with open(beside, "w", encoding="utf-8") as file:
            write_text(answers, format, model, file)


def write_text(
    answers: "Iterable[Any]", format: str, model: "Model", file: TextIO, width: int | None = None
) -> None:
    """Answers to a file as they come, as csv, json or a table of lines of that width at most."""
    names = [*COLUMNS, *(each.name for each in model.vocabulary.movies)]
    rows = csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n")
    if format == "csv":
        rows.writeheader()
    for answer in answers:
        if format == "csv":
            rows.writerows(answer.rows())
        elif format == "table":
            file.write(answer.table(width) + "\n")
        else:
            file.write(answer.json(model.fingerprint, 2 if format == "json" else None) + "\n")
            file.flush()  # who asks by a pipe waits for it
    file.flush()


def write_parquet(answers: Iterable[Answer], path: str, vocabulary: "Vocabulary") -> None:
    """Answers as one parquet file, a row a movie: COLUMNS and the movies' own; types of theirs."""
    import pyarrow as pa
    from pyarrow import parquet

    from recsys.data.ids import is_text

    integer, number, text = pa.int64(), pa.float64(), pa.string()
    user, movie = (
        text if is_text(ids) else integer for ids in (vocabulary.user_ids, vocabulary.movie_ids)
    )
    own = {each.name: number if each.kind == "number" else text for each in vocabulary.movies}
    kinds = (user, integer, movie, text, text, integer, number, number, pa.bool_())
    types = dict(zip(COLUMNS, kinds, strict=True)) | own
    schema, left = pa.schema(list(types.items())), iter(answers)
    with parquet.ParquetWriter(path, schema) as writer:
        while some := list(itertools.islice(left, USERS_AT_ONCE)):
            rows = [row for answer in some for row in answer.rows()]
            writer.write_table(pa.Table.from_pylist(rows, schema))
