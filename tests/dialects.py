"""One set of ratings in every dialect of a table, and tables that must be refused."""

import bz2
import gzip
import io
import json

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from recsys.data.dataset import Dataset

ROWS = [(1, 10, 4.0, 964982703), (1, 30, 3.5, 964981247), (7, 10, 0.5, 1064981247), (7, 999, 5, 9)]
NAMES = ("userId", "movieId", "rating", "timestamp")
MOVIES = (
    "movieId,title,genres\n"
    "10,Toy Story (1995),Adventure|Comedy\n"
    '30,"American President, The ""x"" (1995)",(no genres listed)\n'
    "999,Cosmos,Drama\n"
)


def csv(names=NAMES, rows=ROWS, delimiter=",", quote="") -> bytes:
    lines = [names, *rows]
    return "".join(
        delimiter.join(f"{quote}{v}{quote}" for v in line) + "\n" for line in lines
    ).encode()


def jsonl(names=NAMES, rows=ROWS) -> bytes:
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows).encode()


def same(read: Dataset) -> None:
    """The ratings are ROWS, as they stand in the file."""
    r = read.ratings
    assert list(zip(r.user_ids, r.movie_ids, r.values, r.times, strict=True)) == ROWS
    dtypes = [column.dtype for column in vars(r).values()]
    assert dtypes == [np.int32, np.int32, np.float32, np.int64]


def other(**changed) -> bytes:
    """CSV with fields of the columns changed row by row."""
    columns = dict(zip(NAMES, zip(*ROWS, strict=True), strict=True)) | changed
    return csv(tuple(columns), list(zip(*columns.values(), strict=True)))


def headless(rows=ROWS, **how) -> bytes:
    return b"".join(csv(rows=rows, **how).splitlines(True)[1:])


def parquet_of(columns: dict[str, list], **how) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file, **how)
    return file.getvalue()


TABLE = dict(zip(NAMES, map(list, zip(*ROWS, strict=True)), strict=True))
SHUFFLED = [(t, r, m, u) for u, m, r, t in ROWS]
GOOD = {
    "plain": ("ratings.csv", csv()),
    "tabs": ("ratings.tsv", csv(delimiter="\t")),
    "semicolons": ("ratings.csv", csv(delimiter=";")),
    "bars": ("ratings.csv", csv(delimiter="|")),
    "decimal commas": ("ratings.csv", csv(delimiter=";").replace(b".", b",")),
    "quoted": ("ratings.csv", csv(quote='"')),
    "BOM": ("ratings.csv", b"\xef\xbb\xbf" + csv()),
    "CRLF": ("ratings.csv", csv().replace(b"\n", b"\r\n")),
    "no newline at the end": ("ratings.csv", csv().rstrip(b"\n")),
    "blank lines": ("ratings.csv", csv().replace(b"\n7,", b"\n\n7,") + b"\n"),
    "UTF-16": ("ratings.csv", csv().decode().encode("utf-16")),
    "JSON lines, UTF-16": ("ratings.jsonl", jsonl().decode().encode("utf-16")),
    "gzip": ("ratings.csv.gz", gzip.compress(csv())),
    "bzip2": ("ratings.csv.bz2", bz2.compress(csv())),
    "zstd": ("ratings.csv.zst", pa.compress(csv(), "zstd", asbytes=True)),
    "shuffled": ("ratings.csv", csv(NAMES[::-1], SHUFFLED)),
    "capitals": ("ratings.csv", csv(("USER ID", "Item-Id", "Rating", "Date"))),
    "typed names": ("ratings.csv", csv(("user_id:token", "item_id:token", "rating:float", "ts"))),
    "an index": ("ratings.csv", csv(("", *NAMES), [(i, *row) for i, row in enumerate(ROWS)])),
    "a latin-1 column": ("ratings.csv", csv((*NAMES, "note"), [(*r, "é") for r in ROWS])
                         .decode().encode("latin-1")),
    "a latin-1 name": ("ratings.csv", csv((*NAMES, "böse"), [(*r, 1) for r in ROWS])
                       .decode().encode("latin-1")),
    "ids as 1.0": ("ratings.csv", other(userId=[f"{row[0]}.0" for row in ROWS])),
    "milliseconds": ("ratings.csv", other(timestamp=[964982703123, 964981247123, 1064981247123,
                                                     9123])),
    "ISO 8601": ("ratings.csv", other(timestamp=["2000-07-30T18:45:03", "2000-07-30T18:20:47",
                                                 "2003-10-01T04:07:27", "1970-01-01T00:00:09"])),
    "ISO 8601 with zones": ("ratings.csv", other(timestamp=[
        "2000-07-30T18:45:03Z", "2000-07-30T20:20:47+02:00", "2003-10-01T04:07:27Z",
        "1970-01-01T00:00:09.5Z"])),
    "JSON lines": ("ratings.jsonl", jsonl()),
    "JSON lines, gzip": ("ratings.jsonl.gz", gzip.compress(jsonl())),
    "JSON lines of several types": ("ratings.jsonl", jsonl(rows=[
        (str(u), m, str(r), t) for u, m, r, t in ROWS[:2]] + ROWS[2:])),
    "JSON lines, blank ones between": ("ratings.jsonl", jsonl().replace(b"\n", b"\n\n")),
    "by content": ("ratings.csv", csv(("user", "b", "rating", "d"))),
    "double colons": ("ratings.csv", csv(delimiter="::")),
    "spaces": ("ratings.txt", csv(delimiter=" ")),
    "quotes, delimiters, line ends": ("ratings.csv", csv((*NAMES, "text"), [
        (*row, '"so ""good"", \n really"') for row in ROWS])),
    "decimal commas in quotes": ("ratings.csv", other(rating=['"4,0"', '"3,5"', '"0,5"', '"5,0"'])),
    "no names": ("ratings.csv", headless()),
    "no names, any suffix": ("ratings.data", headless(delimiter="\t")),
    "no names, no suffix": ("ratings", headless(delimiter="\t")),
    "no names, as ratings.dat": ("ratings.txt", headless(delimiter="::")),
    "no names, time first": ("ratings.csv", headless([(t, u, m, r) for u, m, r, t in ROWS])),
    "no names, an index": ("ratings.csv", headless([(i, *r) for i, r in enumerate(ROWS)])),
    "no names, BOM, CRLF": ("ratings.csv", b"\xef\xbb\xbf" + headless().replace(b"\n", b"\r\n")),
    "Parquet": ("ratings.parquet", parquet_of(TABLE)),
    "Parquet, gzip": ("ratings.parquet.gz", gzip.compress(parquet_of(TABLE))),
    "Parquet, zstd": (
        "ratings.parquet.zst",
        pa.compress(parquet_of(TABLE), "zstd", asbytes=True),
    ),
    "Parquet, several row groups": ("ratings.pq", parquet_of(TABLE, row_group_size=2)),
    "Parquet, other types": ("ratings.parquet", parquet_of({
        "userId": pa.array(["1", "1", "7", "7"]), "movieId": pa.array([10.0, 30, 10, 999]),
        "rating": pa.array([4, 3.5, 0.5, 5], pa.float32()),
        "timestamp": pa.array(TABLE["timestamp"], pa.timestamp("s"))})),
}  # fmt: skip
# What inspect is told besides, for those that need it.
TOLD = {
    "items first": ("ratings.csv", headless([(m, u, r, t) for u, m, r, t in ROWS]),
                    ("--user-column", "2", "--item-column", "1")),
    "named by numbers": ("ratings.csv", csv(("a", "b", "c", "d")),
                         ("--user-column", "1", "--item-column", "2", "--rating-column", "3",
                          "--time-column", "4")),
}  # fmt: skip


BAD = {
    "words": (other(rating=["good", "bad", "good", "bad"]), "ratings such as 'good' are neither"),
    "two users": (csv(("userId", "user_id", "rating", "item")), "may be the user: 'userId', "),
    "no user": (csv(("a", "movieId", "rating", "b"), [(1, 2, 3, 4), (2, 3, 3, 5)]),
                "the user: 'a'"),
    "one name twice": (csv(("userId", "rating", "rating", "movieId")), "two columns are called"),
    "one column": (b"userId\n1\n", "expected columns separated by"),
    "odd times": (other(timestamp=["May 3"] * 4), "times such as 'May 3' are neither"),
    "a null byte": (csv().replace(b"7", b"\0"), "byte 0"),
    "empty": (b"", "empty"),
    "no names, three ids": (headless([(1, 20, 300, t) for *_, t in ROWS]),
                            "'column 1', 'column 2', 'column 3'; give the numbers"),
    "no names, two times": (headless([(*row, row[3]) for row in ROWS]),
                            "may be the time: 'column 4', 'column 5'; give its number"),
    "no text": (bytes(range(1, 256)) * 3, "ratings.csv"),
    "a BOM only": (b"\xef\xbb\xbf", "empty"),
    "names only": (csv(rows=[]), "no usable line is left"),
}  # fmt: skip
