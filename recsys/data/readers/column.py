"""One column of a table that was read, as an array of numbers."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from recsys.data.ids import Id
from recsys.data.readers.fields import shown
from recsys.data.readers.problems import BadLine
from recsys.data.readers.tabular import Read, Table
from recsys.data.readers.text import decoded
from recsys.errors import DataError

T = TypeVar("T", int, float)


class Numbers(NamedTuple):
    """A column as numbers, which are good, and of bad ones what was expected and found."""

    values: NDArray
    good: NDArray[np.bool_] | None  # None: all of them
    words: Callable[[int], str]
    unit: str = ""
    names: NDArray | None = None  # of ids that are text: values are their places here

    def is_good(self, i: int) -> bool:
        return self.good is None or bool(self.good[i])

    @property
    def most_are_good(self) -> bool:
        return self.good is None or 2 * int(self.good.sum()) >= len(self.good)

    def id(self, i: int) -> Id:
        """Id i itself, where it is good."""
        value = int(self.values[i])
        return value if self.names is None else str(self.names[value])


class Column(NamedTuple):
    """One column of a table that was read."""

    table: Table
    read: Read
    name: str

    @property
    def data(self) -> Any:
        return self.read.columns[self.name]

    def refuse(self, words: str, remedy: str, fix: str = "") -> DataError:
        return DataError(f"{self.table.path}: {self.name}: {words}", remedy, fix)

    @property
    def is_numeric(self) -> bool:
        import pyarrow as pa

        return pa.types.is_integer(self.data.type) or pa.types.is_floating(self.data.type)

    def span(self) -> tuple[float, float]:
        """The least and the greatest of a column of numbers; 0 and 0 where there are none."""
        import pyarrow.compute as pc

        found = pc.min_max(self.data).as_py()
        return (found["min"], found["max"]) if found["min"] is not None else (0, 0)

    def filled(self, kind: DTypeLike | None = None) -> NDArray:
        """(N,) numbers or booleans of a type, by default their own; 0 in empty fields."""
        data = self.data
        values = np.empty(len(data), kind or data.type.to_pandas_dtype())
        start = 0
        for chunk in data.chunks:
            empty = False if chunk.type == "bool" else 0
            whole = chunk.fill_null(empty) if chunk.null_count else chunk
            values[start : start + len(chunk)] = whole.to_numpy(zero_copy_only=False)
            start += len(chunk)
        return values

    def valid(self) -> NDArray[np.bool_] | None:
        """(N,) which fields are not empty, None where all are."""
        return self.data.is_valid().to_numpy() if self.data.null_count else None

    def distinct(self) -> tuple[NDArray[np.int32], list[str]]:
        """(N,) places of the fields among the different ones, -1 for an empty one; and those."""
        import pyarrow as pa

        data = self.data
        if not pa.types.is_dictionary(data.type):
            plain = pa.types.is_binary(data.type) or pa.types.is_string(data.type)
            try:
                data = (data if plain else data.cast(pa.string())).dictionary_encode()
            except pa.ArrowException as error:
                what = f"a column of {str(data.type)[:60]}, expected numbers or text"
                raise self.refuse(what, "name another", "file") from error
        whole = data.unify_dictionaries()
        parts = [chunk.indices.fill_null(-1).to_numpy() for chunk in whole.chunks]
        fields = whole.chunk(0).dictionary.to_pylist() if parts else []
        codes = np.concatenate(parts) if parts else np.zeros(0, np.int32)
        return codes, [decoded(each) for each in fields]

    def parsed(self, parse: Callable[[str], T], what: str, kind: type) -> Numbers:
        """Field by different field; `parse` raises BadLine."""
        codes, fields = self.distinct()
        values: NDArray = np.zeros(len(fields) + 1, kind)
        problems: dict[int, str] = {-1: f"expected {what}, found an empty field"}
        for place, field in enumerate(fields):
            try:
                values[place] = parse(field)
            except (BadLine, OverflowError) as problem:
                problems[place] = str(problem)
        good = np.ones(len(values), np.bool_)
        good[list(problems)] = False
        return Numbers(values[codes], good[codes], lambda i: problems.get(int(codes[i]), ""))

    def got(self, i: int) -> str:
        """Field i, as an error shows it."""
        field = self.data[i].as_py()
        text = field.decode("latin-1") if isinstance(field, bytes) else str(field)
        return "found an empty field" if field is None else f"got {shown(text)}"

    def example(self, numbers: Numbers) -> str:
        """The first bad field, as an error shows it."""
        good = numbers.good if numbers.good is not None else np.zeros(1, np.bool_)
        return self.got(int(np.flatnonzero(~good)[0])).removeprefix("got ")
