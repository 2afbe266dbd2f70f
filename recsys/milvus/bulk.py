"""Movies into a Milvus server as files: Parquet, written where the server reads, and imported.

Each is imported while the next is written. A server takes paths as its own storage has them: of an
object store from the bucket on, on its own disk from the root on.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain, islice
from typing import Any

from pymilvus import MilvusClient

from recsys.errors import StoreError
from recsys.milvus.client import Milvus
from recsys.milvus.rows import BATCH, tables_of
from recsys.serving.catalogue import Catalogue

FILE = 1 << 29  # bytes of vectors in a file: a segment of a server
FAILED, COMPLETED = 1, 6  # states of an import, of pymilvus' BulkInsertState


class Bulk:
    """A folder that the server reads too: a path, or s3://bucket/folder as pyarrow.fs takes it."""

    def __init__(self, milvus: Milvus, place: str) -> None:
        from pyarrow import fs

        self.milvus, self.place = milvus, place
        if milvus.lite:
            raise StoreError(f"{milvus.uri}: Milvus Lite imports no files", "leave it out", "bulk")
        with self._errors():
            place = place if "://" in place else os.path.abspath(place)
            self.files, self.folder = fs.FileSystem.from_uri(place)

    def send(self, name: str, movies: Catalogue, progress: Callable[[int], None] | None) -> None:
        """Import the movies into a collection; of their files nothing stays."""
        from pyarrow.parquet import ParquetWriter

        folder, tasks, tables = f"{self.folder}/{name}", list[int](), tables_of(movies)
        size = max(1, FILE // (BATCH * movies.vectors[0].nbytes))  # tables in a file
        try:
            for table in tables:
                file = f"{folder}/{len(tasks)}.parquet"
                with self._errors():
                    self.files.create_dir(folder)
                    with ParquetWriter(
                        file, table.schema, filesystem=self.files, use_dictionary=False
                    ) as writer:
                        for each in chain([table], islice(tables, size - 1)):
                            writer.write_table(each)
                            if progress:
                                progress(len(each))
                path = file if self.files.type_name == "local" else file.partition("/")[2]
                tasks.append(self.milvus.call("importing movies", _begin, name, path))
            left = set(tasks)
            self.milvus.wait("importing movies", lambda: self._done(left), 600 + len(movies) / 100)
        finally:
            self.remove(name)

    def _done(self, left: set[int]) -> bool:
        """Whether all imports are complete; takes those that are out of what is left."""
        for task in [*left]:
            found = self.milvus.read("importing movies", _state, task)
            if found.state == COMPLETED:
                left.remove(task)
            elif found.state == FAILED:
                cause = f"{self.milvus.uri}: does not import ({found.failed_reason})"
                raise StoreError(cause, "name a folder that the server reads too", "bulk")
        return not left

    def remove(self, name: str) -> None:
        """Remove the files of a collection, if there are any."""
        with suppress(OSError):
            self.files.delete_dir(f"{self.folder}/{name}")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, NotImplementedError) as error:
            cause = f"{self.place}: cannot be written ({error})"
            raise StoreError(cause, "name a folder that the server reads too", "bulk") from error


def _begin(client: MilvusClient, collection: str, file: str, timeout: float) -> int:
    """The task that imports a file."""
    door, about = client._get_connection(), client._generate_call_context()
    return int(door.do_bulk_insert(collection, "", [file], timeout=timeout, context=about))


def _state(client: MilvusClient, task: int, timeout: float) -> Any:
    door, about = client._get_connection(), client._generate_call_context()
    return door.get_bulk_insert_state(task, timeout=timeout, context=about)
