"""The MovieLens datasets, fetched, verified and unpacked: all of one or nothing."""

import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from recsys.data.files import replacing_folder
from recsys.data.movielens import SOURCES, Source
from recsys.errors import DataError, QueryError

TIMEOUT = 10  # seconds for a connection and for each piece to come
PIP_TIMEOUT = 120  # seconds for pip as a whole
_RATINGS = ("ratings.dat", "u.data", "*.inter", "ratings.csv")

_FAILURES = (OSError, http.client.HTTPException, subprocess.SubprocessError, ValueError)

Log = Callable[[str], None]


class Choice(NamedTuple):
    """A dataset's folder, and in a sentence which one it is and why."""

    folder: Path
    why: str


def any_dataset(folder: Path, *, progress: bool = False, log: Log = lambda line: None) -> Choice:
    """A dataset to train on: what is there, else ml-1m from its sources, else ml-100k.

    Args:
        folder: where datasets live, each in a folder of its name.
        progress: draw a bar on stderr.
        log: gets a line on each source that is tried.

    Raises:
        DataError: neither can be had.
    """
    for name, more in (("ml-1m", ""), ("ml-100k", "; ml-1m, which is larger, can be downloaded")):
        if has_ratings(folder / name):
            return Choice(folder / name, f"{name}, which is in {folder}{more}")
    failed = []
    for name, more in (("ml-1m", ""), ("ml-100k", ", as ml-1m could not be had")):
        try:
            got = download(name, folder, progress=progress, log=log)
            return Choice(got, f"{name}, downloaded to {folder}{more}")
        except DataError as error:
            failed.append(error.cause)
    remedy = "name a folder of ratings, or unpack an archive that you have"
    raise DataError("; ".join(failed), remedy, "data")


def download(
    name: str,
    folder: Path,
    *,
    archive: Path | None = None,
    progress: bool = False,
    log: Log = lambda line: None,
    sources: Sequence[Source] | None = None,
) -> Path:
    """Fetch a dataset into `folder / name` unless it is there, and return that folder.

    The archive's checksum is verified before anything is unpacked; one that has none published, as
    it changes now and then, is taken only over https, which is logged. The folder appears by one
    rename when all of it is there.

    Args:
        name: one of movielens.SOURCES.
        folder: where datasets live.
        archive: the archive itself, where one has it already; nothing is fetched then.
        progress: draw a bar on stderr.
        log: gets a line on each source that is tried.
        sources: where to look, in order; movielens.SOURCES[name] by default.

    Raises:
        DataError: no source delivered (each is named with its reason), or the archive is not the
            one published.
        RecsysError: nothing can be written there.
    """
    if sources is None:
        if name not in SOURCES:
            raise QueryError(f"unknown dataset {name!r}", f"choose {' or '.join(SOURCES)}")
        sources = SOURCES[name]
    target = folder / name
    if has_ratings(target):
        return target
    if os.path.lexists(target):
        raise DataError(f"{target}: is there but holds no ratings", "move it away", "output")
    known = None if archive is None else (_matching(archive, sources, log), archive)
    with replacing_folder(target) as beside:
        work = beside / ".fetched"
        work.mkdir()
        source, file = known or _first_that_delivers(name, sources, work, progress, log)
        with zipfile.ZipFile(file) as zipped:  # which leaves out what leads out of a folder
            inside = [each for each in zipped.namelist() if each.startswith(source.inside)]
            zipped.extractall(work / "unpacked", inside)
        for each in (work / "unpacked" / source.inside).glob("*"):
            each.rename(beside / each.name)
        shutil.rmtree(work)
        if not has_ratings(beside):
            raise DataError(f"{source.address}: no ratings in {source.inside}", "report this")
    return target


def has_ratings(folder: Path) -> bool:
    """Whether a folder holds a ratings file of a known family."""
    return any(path.is_file() for pattern in _RATINGS for path in folder.glob(pattern))


def _first_that_delivers(
    name: str, sources: Sequence[Source], into: Path, progress: bool, log: Log
) -> tuple[Source, Path]:
    """The first source whose archive can be had and is the one published, and that archive."""
    tried = []
    for source in sources:
        log(f"{name}: trying {source.address}")
        try:
            return source, _fetched(source, into, progress, log)
        except _FAILURES as error:
            reason = str(error) or type(error).__name__
            if isinstance(error, urllib.error.HTTPError):
                reason = f"HTTP {error.code} {error.reason}"
            elif isinstance(error, urllib.error.URLError):
                reason = getattr(error.reason, "strerror", None) or str(error.reason)
            log(f"{name}: {source.address} failed: {reason}")
            tried.append(f"{source.address} ({reason})")
    raise DataError(
        f"{name} could not be downloaded from {', '.join(tried)}",
        "if you have its archive from elsewhere, give that",
        "archive",
    )


def _fetched(source: Source, into: Path, progress: bool, log: Log) -> Path:
    """The archive of a source, verified; raises ValueError where it is not the one published."""
    if not source.checksum:
        if not source.address.startswith("https://"):
            raise ValueError("it has no checksum, so that only https is taken")
        log(f"{source.address}: has no fixed checksum, trusting https")
    if source.address.startswith("pip:"):
        file = _wheel(source.address.removeprefix("pip:"), into / "wheels")
    else:
        file = into / "archive"
        with urllib.request.urlopen(source.address, timeout=TIMEOUT) as answer:
            if not source.checksum and not answer.geturl().startswith("https://"):
                raise ValueError(f"led away from https to {answer.geturl()}")
            total, label = int(answer.headers.get("Content-Length") or 0), Path(source.address).name
            bar = partial(tqdm.wrapattr, total=total or None, desc=label, disable=not progress)
            with bar(answer, "read") as read, file.open("wb") as written:
                shutil.copyfileobj(read, written)
    _verify(file, source)
    return file


def _verify(file: Path, source: Source) -> None:
    """Raises ValueError where a file is not the archive that a source has published."""
    size, kind = f"{file.stat().st_size} bytes", source.checksum.split(":")[0]
    if not kind:
        if not zipfile.is_zipfile(file):
            raise ValueError(f"not a zip archive: {size}")
        return
    digest = hashlib.new(kind, usedforsecurity=False)
    with file.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    checksum = f"{kind}:{digest.hexdigest()}"
    if checksum != source.checksum:
        raise ValueError(f"not the published file: {size}, {checksum}, expected {source.checksum}")


def _wheel(package: str, into: Path) -> Path:
    """A package's wheel through pip, as the user has configured it (index, proxy, certificates)."""
    options = ["--no-deps", "--only-binary", ":all:", "--no-input", "--timeout", str(TIMEOUT)]
    options += ["--retries", "1", "--disable-pip-version-check", "--dest", str(into), package]
    command = [sys.executable, "-m", "pip", "download", *options]
    nothing = subprocess.DEVNULL
    ran = subprocess.run(command, stdin=nothing, capture_output=True, timeout=PIP_TIMEOUT)
    wheels = list(into.glob("*.whl"))
    if ran.returncode or len(wheels) != 1:
        lines = ["no wheel came", *ran.stderr.decode(errors="replace").strip().splitlines()]
        errors = [line for line in lines if line.startswith("ERROR")] or lines
        raise ValueError(f"pip: {errors[-1].strip()[:200]}")
    return wheels[0]


def _matching(archive: Path, sources: Sequence[Source], log: Log) -> Source:
    """The source whose archive this is."""
    wrong: dict[str, None] = {}
    for source in sources:
        try:
            _verify(archive, source)
        except OSError as error:
            cause = f"{archive}: cannot be read ({error.strerror or error})"
            raise DataError(cause, "name the archive itself", "archive") from error
        except ValueError as error:
            wrong[str(error)] = None
            continue
        if not source.checksum:
            log(f"{archive}: not verified, {source.address} has no fixed checksum")
        return source
    raise DataError(f"{archive}: {', '.join(wrong)}", "download it again", "archive")
