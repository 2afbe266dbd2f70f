"""Writing beside and renaming: a reader finds the old file or folder, or the new one, whole."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recsys.errors import RecsysError


@contextmanager
def replacing_file(path: Path) -> Iterator[Path]:
    beside = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    try:
        yield beside
        os.replace(beside, path)
    except OSError as error:
        raise RecsysError(
            f"{path}: cannot be written ({error.strerror or error})",
            "free space or name another place",
            "output",
        ) from error
    finally:
        with suppress(OSError):
            beside.unlink()


def standing(path: Path) -> Path:
    previous = path.with_name(path.name + ".previous")
    return path if path.exists() or not previous.exists() else previous


def check_writable(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    beside = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    previous = path.with_name(path.name + ".previous")
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(parents=True)
        yield beside
        shutil.rmtree(previous, ignore_errors=True)
        if path.exists():
            os.rename(path, previous)
        os.rename(beside, path)
        shutil.rmtree(previous, ignore_errors=True)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
