"""Writing beside and renaming: a reader finds all of the old file or folder, or of the new one.

Both forms write into a sibling folder `NAME.tmp-XXXXXXXX`, which nobody else can enter, and move
what was written out of it at the end. If the block raises, the sibling is removed and the old one
stays. A kill leaves it behind; the next writer of that name undoes what it left and removes it.
"""

import errno
import glob
import os
import secrets
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from recsys.errors import RecsysError

# A file in each of ours, locked while it is written; a folder without it is somebody else's
MARK = "unfinished by recsys"


@contextmanager
def replacing_file(path: Path | str, fix: str = "output", follow: bool = True) -> Iterator[Path]:
    """A path to write to; what was written takes the place of `path` when the block ends.

    Of a symbolic link the target is replaced. Anything there that is not a regular file (a pipe,
    `/dev/stdout`, `/dev/null`) is written to directly.

    Args:
        fix: what the error names as the thing to change.
        follow: else whatever is there, a link too, is itself replaced.

    Raises:
        RecsysError: the place, whose folder must exist, cannot be written: found before the block
            is entered where that is possible, so that no work is lost.
    """
    path = Path(path)
    parent, there = os.path.realpath(path.parent), os.path.exists(path)
    stream = there and not (os.path.isfile(path) or os.path.isdir(path))
    # What is in /dev or /proc may lead to a regular file, and is a stream all the same.
    if follow and (stream or parent == "/dev" or parent.startswith("/proc/")):
        with _system_errors(path, path, fix, "file"):
            yield path
        return
    with _sibling(path, fix, "file", follow) as (target, folder):
        beside = folder / target.name
        beside.touch()
        if target.is_file():
            shutil.copymode(target, beside)
        yield beside
        os.replace(beside, target)


@contextmanager
def replacing_folder(
    path: Path | str,
    fix: str = "output",
    keep: bool = False,
    check: Callable[[Path], None] = lambda old: None,
) -> Iterator[Path]:
    """An empty folder beside `path` that takes its place when the block ends.

    Two renames do it, for which the old folder waits as `NAME.previous`; `standing` finds it there
    if a kill falls between them, and the next writer puts it back.

    Args:
        keep: let the old folder stay there; else what was there before comes back.
        check: called with the old folder when it has been moved; if it raises, the folder is back.

    Raises:
        RecsysError: the place cannot be written, or a file is there.
    """
    with _sibling(Path(path), fix, "folder") as (target, folder):
        beside, new, previous = folder / target.name, folder / "new", previous_of(target)
        beside.mkdir()
        yield beside
        os.rename(beside, new)
        try:
            there = target.exists()
            if there and previous.exists():
                os.rename(previous, folder / ("dropped" if keep else "kept"))
            if there:
                os.rename(target, previous)
                check(previous)
            os.rename(new, target)
            if there and not keep:
                os.rename(previous, folder / "replaced")
        finally:
            _settle(target, folder)


def _settle(target: Path, folder: Path) -> None:
    """Undo renames of `replacing_folder` that a failure or a kill left half done."""
    previous, kept, dropped = previous_of(target), folder / "kept", folder / "dropped"
    if (folder / "new").exists() and previous.exists() and not target.exists():
        os.rename(previous, target)
    if kept.exists() and previous.exists():
        os.rename(previous, folder / "replaced")
    for before in (kept, dropped):
        if before.exists() and not previous.exists():
            os.rename(before, previous)


def writable_folder(path: Path | str, fix: str = "output") -> None:
    """Make the folder that `path` is to lie in; RecsysError if none can be put there."""
    with _sibling(Path(path), fix, "folder") as (target, _):
        for folder in (target, previous_of(target)):
            for each, _, _ in os.walk(folder):
                if not os.access(each, os.W_OK):  # so that it could neither be moved nor removed
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), each)


@contextmanager
def interrupts_wait(last: bool = True) -> Iterator[None]:
    """Ctrl-C and SIGTERM wait for the end of the block: for seconds, and nothing is left half done.

    Then a KeyboardInterrupt has nothing left to stop, if the block is the last of the work; a
    handler that is not Python's ends the process.
    """
    if threading.current_thread() is not threading.main_thread():  # which alone receives signals
        yield
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, frame: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for each in came:
        with suppress(*[KeyboardInterrupt] * last):
            signal.raise_signal(each)


def standing(path: Path | str) -> Path:
    """`path`, or the folder it was about to replace when a kill fell between the two renames."""
    previous = previous_of(path)
    return Path(path) if os.path.exists(path) or not previous.exists() else previous


def previous_of(path: Path | str) -> Path:
    """Where the folder that was at `path` before waits, or is kept."""
    target = Path(os.path.realpath(path))
    return target.with_name(f"{target.name}.previous")


def leftovers(path: Path | str) -> list[Path]:
    """What killed processes of ours left beside `path`: it has our mark, which nobody locks."""
    target, found = Path(os.path.realpath(path)), []
    for each in target.parent.glob(f"{glob.escape(target.name)}.tmp-{'[0-9a-f]' * 8}"):
        if not each.is_symlink() and (each / MARK).is_file():
            with suppress(OSError), open(each / MARK, "r+") as mark:
                found += [each] * _locked(mark)
    return found


def _locked(mark: TextIO) -> bool:
    """Whether a file is locked now, by us, until it is closed; never where there are no locks."""
    try:
        import fcntl

        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


@contextmanager
def _sibling(path: Path, fix: str, kind: str, follow: bool = True) -> Iterator[tuple[Path, Path]]:
    """Where a path really leads, and a new folder beside it to write in, which goes at the end."""
    target = Path(os.path.realpath(path) if follow else path)
    with _system_errors(path, target, fix, kind):
        if target.exists() and target.is_dir() != (kind == "folder"):
            other = "file" if kind == "folder" else "folder"
            cause = f"{path}: cannot be written (it is a {other})"
            raise RecsysError(cause, f"name a {kind}", fix)
        if follow and target.is_symlink():  # what is left of links that lead in a circle
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(target))
        if kind == "folder":
            target.parent.mkdir(parents=True, exist_ok=True)
        for left in leftovers(target):
            with suppress(OSError):  # another writer was faster
                _settle(target, left)
                shutil.rmtree(left, ignore_errors=True)
        beside = target.with_name(f"{target.name}.tmp-{secrets.token_hex(4)}")
        beside.mkdir(0o700)  # fails at anything that is there, so that no planted link is followed
        try:
            with open(beside / "mark", "w") as mark:
                _locked(mark)
                os.rename(mark.name, beside / MARK)
                yield target, beside
        finally:
            shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def _system_errors(path: Path, target: Path, fix: str, kind: str) -> Iterator[None]:
    """Turns what the system says about the written place into one line; other errors pass."""
    try:
        yield
    except OSError as error:
        file, ours = str(error.filename or target), str(target)
        about = file.startswith(ours) or ours.startswith(file)  # beside, or a folder above
        if not about or isinstance(error, ConnectionError):  # such as a reader that is gone
            raise
        reason = os.strerror(error.errno) if error.errno else str(error)
        help = {errno.ENOENT: "make its folder or ", errno.ENOSPC: "free space or "}
        remedy = f"{help.get(error.errno or 0, '')}name another {kind}"
        if error.errno == errno.EFBIG:
            remedy, fix = "raise the limit of a file's size (ulimit -f)", ""
        raise RecsysError(f"{path}: cannot be written ({reason})", remedy, fix) from error
