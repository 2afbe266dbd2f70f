"""The MovieLens datasets, fetched, verified and unpacked: all of one or nothing."""

import hashlib
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from recsys.data.files import replacing_folder
from recsys.data.movielens import SOURCES, Source
from recsys.errors import DataError, QueryError, quoted

TIMEOUT = 10  # seconds for a connection and for each piece to come
PIP_TIMEOUT = 120  # seconds for pip as a whole
_RATINGS = ("ratings.dat", "u.data", "*.inter", "ratings.csv")

Log = Callable[[str], None]


def any_dataset(folder: Path, *, progress: bool = False, log: Log = lambda line: None) -> Path:
    """A dataset to train on, which is logged: one that is in `folder`, else ml-1m, else ml-100k.

    Raises:
        DataError: neither can be had, or this is one of several processes that would fetch it.
    """
    names = ("ml-1m", "ml-100k")
    if there := [name for name in names if has_ratings(folder / name)]:
        log(f"data: {there[0]}, which is in {folder}")
        return folder / there[0]
    if int(os.environ.get("PADDLE_TRAINERS_NUM", 1)) > 1:  # those of Paddle's launcher
        cause = f"no dataset in {folder}, and each process of this training would download one"
        raise DataError(cause, "download it before, or name a folder of ratings", "data")
    failed: list[str] = []
    for name in names:
        try:
            got = download(name, folder, progress=progress, log=log)
        except DataError as error:
            failed.append(error.cause)
        else:
            more = ", as ml-1m could not be had" if failed else ""
            log(f"data: {name}, downloaded to {folder}{more}")
            return got
    remedy = "name a folder of ratings, or unpack an archive that you have"
    raise DataError("; ".join(failed), remedy, "data")


def download(
    name: str,
    folder: Path,
    *,
    archive: Path | None = None,
    progress: bool = False,
    log: Log = lambda line: None,
) -> Path:
    """Fetch a dataset into `folder / name` unless it is there, and return that folder.

    It appears by one rename when all of it is there and its checksum, if it has one, is verified.

    Args:
        archive: the archive itself, where one has it already; nothing is fetched then.
        log: gets a line on each source that is tried.

    Raises:
        DataError: no source delivered, or the archive is not the one published; says why not.
        RecsysError: nothing can be written there.
    """
    if name not in SOURCES:
        raise QueryError(f"unknown dataset {name!r}", f"choose {' or '.join(SOURCES)}")
    sources = SOURCES[name]
    if archive:
        if not archive.is_file():
            raise DataError(f"{archive}: is no file", "name an archive that you have", "archive")
        sources = tuple(dict.fromkeys(each._replace(address=str(archive)) for each in sources))
    target = folder / name
    if has_ratings(target):
        return target
    if os.path.lexists(target):
        raise DataError(f"{target}: is there but holds no ratings", "move it away", "output")
    failed = []
    with replacing_folder(target) as beside:
        work = beside / ".fetched"
        work.mkdir()
        for source in sources:
            unverified = "" if source.checksum else ", whose archive has no fixed checksum"
            log(f"{name}: trying {source.address}{unverified}")
            try:
                unpacked = _unpacked(archive or _fetched(source, work, progress), source, work)
                break
            except Exception as error:  # of sockets, HTTP, pip, and of zipfile anything
                inner = error.reason if type(error) is urllib.error.URLError else error
                reason = getattr(inner, "strerror", None) or str(inner) or type(inner).__name__
                failed.append(f"{source.address} ({reason})")
                if not archive:
                    log(f"{name}: {source.address} failed: {reason}")
        else:
            cause = f"{name} could not be had from {', '.join(failed)}"
            remedy = "if you have its archive from elsewhere, give that"
            raise DataError(cause, "download it again" if archive else remedy, "archive")
        for each in unpacked.iterdir():
            each.rename(beside / each.name)
        shutil.rmtree(work)
    return target


def has_ratings(folder: Path) -> bool:
    """Whether a folder holds a ratings file of a known family."""
    return any(path.is_file() for pattern in _RATINGS for path in folder.glob(pattern))


def _fetched(source: Source, into: Path, progress: bool) -> Path:
    """The archive of a source; a wheel through pip as the user has configured it."""
    if source.address.startswith("pip:"):
        options = ["--no-deps", "--only-binary", ":all:", "--no-input", "--timeout", str(TIMEOUT)]
        options += ["--retries", "1", "--disable-pip-version-check", "--dest", str(into)]
        command = [sys.executable, "-m", "pip", "download", *options, source.address[4:]]
        nothing = subprocess.DEVNULL
        ran = subprocess.run(command, stdin=nothing, capture_output=True, timeout=PIP_TIMEOUT)
        if ran.returncode:
            said = ran.stderr.decode(errors="replace").strip().splitlines() or ["no wheel came"]
            raise ValueError(f"pip: {said[-1].strip()[:200]}")
        return next(into.glob("*.whl"))
    file, label = into / "archive", f"downloading {Path(source.address).name}"
    with urllib.request.urlopen(source.address, timeout=TIMEOUT) as answer, file.open("wb") as to:
        total = int(answer.headers.get("Content-Length") or 0) or None
        with tqdm.wrapattr(answer, "read", total=total, desc=label, disable=not progress) as read:
            shutil.copyfileobj(read, to)
    return file


def _unpacked(file: Path, source: Source, into: Path) -> Path:
    """A folder of what is kept of an archive; ValueError where it is not the one published."""
    if source.checksum:
        kind = source.checksum.split(":")[0]
        data = file.read_bytes()
        checksum = f"{kind}:{hashlib.new(kind, data, usedforsecurity=False).hexdigest()}"
        if checksum != source.checksum:
            wrong = f"{len(data)} bytes, {checksum}, expected {source.checksum}"
            raise ValueError(f"not the published file: {wrong}")
    with zipfile.ZipFile(file) as zipped:
        inside = [each for each in zipped.namelist() if each.startswith(source.inside)]
        for name in inside:
            if name.removeprefix(source.inside).startswith("/") or ".." in name.split("/"):
                raise ValueError(f"{quoted(name)} leads out of its folder")
        zipped.extractall(into / "unpacked", inside)
    folder = into / "unpacked" / source.inside
    if not has_ratings(folder):
        raise ValueError(f"no ratings in {source.inside}")
    return folder
