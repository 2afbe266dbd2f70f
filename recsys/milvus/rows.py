"""The row of a movie in Milvus: its schema, and writing, reading and filtering it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pymilvus import CollectionSchema, DataType, MilvusClient

from recsys.data.ids import MAX_TEXT, Id, id_array, is_text
from recsys.data.schema import Column, Kind
from recsys.errors import StoreError
from recsys.serving.catalogue import FIELDS, Catalogue, Field, Filter, fields_of
from recsys.serving.filters import MAX_VALUE, UNKNOWN_NUMBER, And, Type, cut, literal, written

if TYPE_CHECKING:
    import pyarrow

FORMAT = "2"  # of the row and of a collection's properties; another is refused
KEY, VECTOR = "movie_id", "vector"
MAX_VALUES = 256  # genres of a movie, or values of a column of several
BATCH = 2_000  # movies sent at a time
_TYPES: dict[Type, tuple[DataType, type]] = {  # in Milvus, and in NumPy
    "text": (DataType.VARCHAR, object),
    "texts": (DataType.ARRAY, object),
    "number": (DataType.DOUBLE, np.float64),
    "whole": (DataType.INT32, np.int32),
    "flag": (DataType.BOOL, np.bool_),
}


def collection_schema(movies: Catalogue) -> CollectionSchema:
    """The schema of a collection for the movies."""
    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    if is_text(movies.ids):
        schema.add_field(KEY, DataType.VARCHAR, is_primary=True, max_length=MAX_TEXT)
    else:
        schema.add_field(KEY, DataType.INT64, is_primary=True)
    several = {"element_type": DataType.VARCHAR, "max_capacity": MAX_VALUES}
    for name, type, limit in fields_of(movies.kinds):
        sizes = {"text": {"max_length": limit}, "texts": {**several, "max_length": MAX_VALUE}}
        schema.add_field(name, _TYPES[type][0], **sizes.get(type, {}))
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=movies.vectors.shape[1])
    return schema


def check_catalogue(catalogue: Catalogue) -> None:
    """Refuse movies that would be searched wrongly; the StoreError names the first."""
    if not len(catalogue):
        raise StoreError("there is no movie to publish", "give movies, or train again", "train")
    again = np.ones(len(catalogue), np.bool_)
    again[np.unique(catalogue.ids, return_index=True)[1]] = False
    if is_text(catalogue.ids):
        unfit = np.array([not 0 < len(each.encode()) <= MAX_TEXT for each in catalogue.ids])
    else:
        unfit = catalogue.ids < 0
    with np.errstate(invalid="ignore", over="ignore"):
        norms = np.linalg.norm(catalogue.vectors, axis=1)
    faults = {
        "is there twice": again,
        "has a negative id, or an empty or too long one": unfit,
        "has a vector that is not of unit length": ~(np.abs(norms - 1) <= 1e-3),
    }
    for name in (each.name for each in fields_of(catalogue.kinds) if each.type == "texts"):
        several = np.array([len(cell) for cell in catalogue.cells(name)])
        faults[f"has more than {MAX_VALUES} {name}"] = several > MAX_VALUES
    for what, wrong in faults.items():
        if wrong.any():
            cause = f"movie {catalogue.ids[wrong.argmax()]} {what}: nothing was published"
            raise StoreError(cause, "correct the movies or train again", "train")


def rows_of(movies: Catalogue) -> Iterator[list[dict[str, Any]]]:
    """Movies as rows of Milvus, BATCH at a time, with texts cut to what it takes."""
    for cells in _columns_of(movies):
        yield [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]


def tables_of(movies: Catalogue) -> "Iterator[pyarrow.Table]":
    """The same as tables of Arrow, of the types that Milvus imports."""
    import pyarrow as pa

    kinds = {"text": pa.string(), "texts": pa.list_(pa.string()), "number": pa.float64()}
    kinds |= {"whole": pa.int32(), "flag": pa.bool_()}
    schema = [(KEY, pa.string() if is_text(movies.ids) else pa.int64())]
    schema += [(VECTOR, pa.list_(pa.float32()))]
    schema += [(name, kinds[type]) for name, type, _ in fields_of(movies.kinds)]
    for cells in _columns_of(movies):
        yield pa.table({**cells, VECTOR: [*cells[VECTOR]]}, pa.schema(schema))


def _columns_of(movies: Catalogue) -> Iterator[dict[str, Any]]:
    """The values of all fields as Milvus takes them, of BATCH movies at a time."""
    fields = fields_of(movies.kinds)
    for start in range(0, len(movies), BATCH):
        some = movies[np.arange(start, min(start + BATCH, len(movies)))]
        cells = {each.name: _sent(some.cells(each.name), each) for each in fields}
        yield {KEY: some.ids.tolist(), VECTOR: some.vectors, **cells}


def catalogue_of(
    rows: Sequence[Mapping[str, Any]], dimension: int, kinds: Mapping[str, Kind], model: str
) -> Catalogue:
    """Rows of Milvus as movies, in the order of the rows."""
    cells = {
        name: _received([row[name] for row in rows], type) for name, type, _ in fields_of(kinds)
    }
    return Catalogue(
        ids=id_array(row[KEY] for row in rows),
        vectors=np.array([row[VECTOR] for row in rows], np.float32).reshape(len(rows), dimension),
        **{attribute: cells[field.name] for attribute, field in FIELDS.items()},
        columns={name: Column(kind, cells[name]) for name, kind in kinds.items()},
        model=model,
    )


def _sent(values: Any, field: Field) -> list[Any]:
    """A field's values as Milvus takes them; there is something for unknown ones too."""
    if field.type == "text":
        return [cut(each, field.limit) for each in values]
    if field.type == "texts":
        return [list(map(cut, each)) for each in values]
    if field.type == "number":
        values = np.where(np.isfinite(values), values, UNKNOWN_NUMBER) + 0.0  # no -0
    return list(values.tolist())


def _received(values: list[Any], type: Type) -> Any:
    """What `_sent` made of a field."""
    if type in ("text", "texts"):
        return [tuple(each) for each in values] if type == "texts" else values
    array: NDArray = np.array(values, _TYPES[type][1])
    return np.where(array > UNKNOWN_NUMBER, array, np.nan) if type == "number" else array


def expression(filter: Filter, excluded: NDArray | Sequence[Id] = ()) -> str:
    """A filter and excluded ids as Milvus' expression, "" where all fit."""
    parts = [written(filter.condition)] if filter.condition != And(()) else []
    if len(excluded):
        parts.append(f"{KEY} not in {literal(id_array(excluded).tolist())}")
    return " and ".join(f"({part})" for part in parts)
