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
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from urllib.parse import urlsplit

from tqdm import tqdm

from recsys.data.files import replacing_folder
from recsys.data.movielens import SOURCES, Source
from recsys.errors import DataError, QueryError

TIMEOUT = 10  # seconds for a connection and for each piece to come
PIP_TIMEOUT = 120  # seconds for pip as a whole
_CHUNK = 2**16
_RATINGS = ("ratings.dat", "u.data", "*.inter", "ratings.csv")

Log = Callable[[str], None]


class Found(NamedTuple):
    """A dataset's folder, and in a sentence which one it is and why."""

    folder: Path
    why: str


class _Failed(Exception):
    """A source that did not deliver; the next one is tried."""


def any_dataset(folder: Path, *, progress: bool = False, log: Log = lambda line: None) -> Found:
    """A dataset to train on: what is there, else ml-1m from its sources, else ml-100k.

    Args:
        folder: where datasets live, each in a folder of its name.
        progress: draw a bar on stderr.
        log: gets a line on each source that is tried.

    Raises:
        DataError: neither can be had.
    """
    large, small = "ml-1m", "ml-100k"
    if has_ratings(folder / large):
        return Found(folder / large, f"{large}, which is in {folder}")
    if has_ratings(folder / small):
        why = f"{small}, which is in {folder}; {large}, which is larger, can be downloaded"
        return Found(folder / small, why)
    try:
        got = download(large, folder, progress=progress, log=log)
        return Found(got, f"{large}, downloaded to {folder}")
    except DataError as missing:
        try:
            got = download(small, folder, progress=progress, log=log)
        except DataError as error:
            raise DataError(
                f"{missing.cause}; {error.cause}",
                "name a folder of ratings, or unpack an archive that you have",
                "data",
            ) from error
        return Found(got, f"{small}, downloaded to {folder}, as {large} could not be had")


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
    given = None if archive is None else (_matching(archive, sources, log), archive)
    with replacing_folder(target) as beside:
        into = beside / ".fetched"
        source, fetched = given or _first_that_delivers(name, sources, into, progress, log)
        _unpack(fetched, source, beside)
        shutil.rmtree(beside / ".fetched", ignore_errors=True)
    return target


def has_ratings(folder: Path) -> bool:
    """Whether a folder holds a ratings file of a known family."""
    return any(path.is_file() for pattern in _RATINGS for path in folder.glob(pattern))


def _first_that_delivers(
    name: str, sources: Sequence[Source], into: Path, progress: bool, log: Log
) -> tuple[Source, Path]:
    into.mkdir()
    tried = []
    for source in sources:
        log(f"{name}: trying {source.address}")
        try:
            return source, _fetch(source, into, progress, log)
        except _Failed as reason:
            log(f"{name}: {source.address} failed: {reason}")
            tried.append(f"{source.address} ({reason})")
    raise DataError(
        f"{name} could not be downloaded from {', '.join(tried)}",
        "if you have its archive from elsewhere, give that",
        "archive",
    )


def _fetch(source: Source, into: Path, progress: bool, log: Log) -> Path:
    """The archive of a source, verified."""
    if not source.checksum:
        if not source.address.startswith("https://"):
            raise _Failed("it has no checksum, so that only https is taken")
        log(f"{source.address}: has no fixed checksum, trusting https")
    if source.address.startswith("pip:"):
        fetched = _fetch_by_pip(source.address.removeprefix("pip:"), into / "wheels")
    else:
        fetched = _fetch_url(source, into / "archive", progress)
    if not source.checksum:
        if not zipfile.is_zipfile(fetched):
            raise _Failed(f"not a zip archive: {fetched.stat().st_size} bytes")
        return fetched
    found = _checksum(fetched, source.checksum)
    if found != source.checksum:
        size = fetched.stat().st_size
        raise _Failed(f"not the published file: {size} bytes, {found}, expected {source.checksum}")
    return fetched


def _fetch_url(source: Source, to: Path, progress: bool) -> Path:
    address = source.address
    label = PurePosixPath(urlsplit(address).path).name
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT) as answer, to.open("wb") as file:
            if not source.checksum and not answer.geturl().startswith("https://"):
                raise _Failed(f"led away from https to {answer.geturl()}")
            total = int(answer.headers.get("Content-Length") or 0) or None
            with tqdm(
                total=total, desc=label, unit="B", unit_scale=True, disable=not progress
            ) as bar:
                while chunk := answer.read(_CHUNK):
                    file.write(chunk)
                    bar.update(len(chunk))
    except urllib.error.HTTPError as error:
        raise _Failed(f"HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _Failed(getattr(error.reason, "strerror", None) or str(error.reason)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _Failed(str(error) or type(error).__name__) from error
    return to


def _fetch_by_pip(package: str, into: Path) -> Path:
    """A package's wheel through pip, as the user has configured it (index, proxy, certificates)."""
    options = ["--no-deps", "--only-binary", ":all:", "--no-input", "--timeout", str(TIMEOUT)]
    options += ["--retries", "1", "--disable-pip-version-check", "--dest", str(into)]
    command = [sys.executable, "-m", "pip", "download", *options, package]
    try:
        ran = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PIP_TIMEOUT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _Failed(f"pip: {error}") from error
    found = list(into.glob("*.whl"))
    if ran.returncode or len(found) != 1:
        lines = [line for line in ran.stderr.splitlines() if line.strip()] or ["no wheel came"]
        errors = [line for line in lines if line.startswith("ERROR")] or lines
        raise _Failed(f"pip: {errors[-1].strip()[:200]}")
    return found[0]


def _matching(archive: Path, sources: Sequence[Source], log: Log) -> Source:
    """The source whose archive this is."""
    if not sources[0].checksum:
        if not zipfile.is_zipfile(archive):
            raise DataError(f"{archive}: no zip archive", "name the archive itself", "archive")
        log(f"{archive}: not verified, {sources[0].address} has no fixed checksum")
        return sources[0]
    checksums = list(dict.fromkeys(source.checksum for source in sources))
    found = [_checksum(archive, each) for each in checksums]
    for source in sources:
        if source.checksum in found:
            return source
    raise DataError(
        f"{archive}: not the published archive: {' '.join(dict.fromkeys(found))}, "
        f"expected {' or '.join(checksums)}",
        "download it again",
        "archive",
    )


def _checksum(path: Path, like: str) -> str:
    """A file's checksum of the kind of another: `kind:hexadecimal`."""
    kind = like.split(":")[0]
    digest = hashlib.new(kind, usedforsecurity=False)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        reason = error.strerror or error
        raise DataError(
            f"{path}: cannot be read ({reason})", "name the archive itself", "archive"
        ) from error
    return f"{kind}:{digest.hexdigest()}"


def _unpack(archive: Path, source: Source, into: Path) -> None:
    """Unpack the source's folder of an archive."""
    with zipfile.ZipFile(archive) as zipped:
        for name in zipped.namelist():
            if ".." in PurePosixPath(name).parts:
                raise DataError(f"{archive}: leads out of its folder: {name[:80]}", "report this")
            if name.startswith(source.inside) and not name.endswith("/"):
                path = into / name.removeprefix(source.inside)
                path.parent.mkdir(parents=True, exist_ok=True)
                with zipped.open(name) as packed, path.open("wb") as file:
                    shutil.copyfileobj(packed, file)
    if not has_ratings(into):
        raise DataError(f"{source.address}: holds no ratings in {source.inside}", "report this")
