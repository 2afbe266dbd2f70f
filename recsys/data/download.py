"""The MovieLens datasets, fetched, verified and unpacked: all of one or nothing."""

import hashlib
import http.client
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple
from urllib.parse import urlsplit

from tqdm import tqdm

from recsys.data.movielens import SOURCES, Source
from recsys.errors import DataError

TIMEOUT = 10  # seconds for a connection and for each piece to come
PIP_TIMEOUT = 120  # seconds for pip as a whole
MOST_FETCHED = 64 * 2**20  # bytes; the archives known have 2 to 6 MB
MOST_UNPACKED = 512 * 2**20
STALE = 3600  # seconds after which an unfinished download is taken for a killed one
_CHUNK = 2**16
_RATINGS = ("ratings.dat", "u.data", "*.inter")


class Found(NamedTuple):
    """A dataset's folder, and in a sentence which one it is and why."""

    folder: Path
    why: str


class _Failed(Exception):
    """A source that did not deliver; the next one is tried."""


def any_dataset(
    folder: Path, *, progress: bool = False, say: Callable[[str], None] = lambda line: None
) -> Found:
    """A dataset to train on: what is there, else ml-1m from its sources, else ml-100k.

    Args:
        folder: where datasets live, each in a folder of its name.
        progress: draw a bar on stderr.
        say: is told in lines what is being tried.

    Raises:
        DataError: neither can be had.
    """
    large, small = "ml-1m", "ml-100k"
    if has_ratings(folder / large):
        return Found(folder / large, f"{large}, which is in {folder}")
    if has_ratings(folder / small):
        why = f"{small}, which is in {folder}; recsys download {large} would fetch the larger one"
        return Found(folder / small, why)
    try:
        got = download(large, folder, progress=progress, say=say)
        return Found(got, f"{large}, downloaded to {folder}")
    except DataError as missing:
        try:
            got = download(small, folder, progress=progress, say=say)
        except DataError as error:
            raise DataError(f"{missing}; {error}") from error
        return Found(got, f"{small}, downloaded to {folder}, as {large} could not be had")


def download(
    name: str,
    folder: Path,
    *,
    archive: Path | None = None,
    progress: bool = False,
    say: Callable[[str], None] = lambda line: None,
    sources: Sequence[Source] | None = None,
) -> Path:
    """Fetch a dataset into `folder / name` unless it is there, and return that folder.

    The archive's checksum is verified before anything is unpacked. The folder appears by one
    rename when all of it is there; a killed download leaves hidden rubbish, swept by a later one.

    Args:
        name: "ml-1m" or "ml-100k".
        folder: where datasets live.
        archive: the archive itself, where one has it already; nothing is fetched then.
        progress: draw a bar on stderr.
        say: is told in lines what is being tried.
        sources: where to look, in order; movielens.SOURCES[name] by default.

    Raises:
        DataError: no source delivered (each is named with its reason), or the archive is not the
            one published, or nothing can be written.
    """
    if sources is None:
        if name not in SOURCES:
            raise DataError(f"unknown dataset {name!r}, expected {' or '.join(SOURCES)}")
        sources = SOURCES[name]
    target = folder / name
    if has_ratings(target):
        return target
    if os.path.lexists(target):
        raise DataError(f"{target}: is there but holds no ratings; move it away and try again")
    with _workplace(name, folder) as beside:
        if archive is not None:
            source, fetched = _matching(archive, sources), archive
        else:
            source, fetched = _first_that_delivers(name, sources, beside, progress, say)
        unpack(fetched, source.inside, beside / name)
        if not has_ratings(beside / name):
            raise DataError(f"{source.address}: holds no ratings in {source.inside}; report this")
        try:
            (beside / name).rename(target)
        except OSError as error:
            if not has_ratings(target):  # else another download was faster
                raise DataError(f"{target}: cannot be written ({error.strerror})") from error
    return target


def has_ratings(folder: Path) -> bool:
    """Whether a folder holds a ratings file of a known family."""
    return any(path.is_file() for pattern in _RATINGS for path in folder.glob(pattern))


@contextmanager
def _workplace(name: str, folder: Path) -> Iterator[Path]:
    """A hidden folder beside the target, gone afterwards; those of killed downloads go first."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f".{name}-*.part"):
            if time.time() - left.stat().st_mtime > STALE:
                shutil.rmtree(left, ignore_errors=True)
        beside = Path(tempfile.mkdtemp(".part", f".{name}-", folder))
    except OSError as error:
        reason = error.strerror or error
        raise DataError(f"{folder}: cannot be written ({reason}); name another folder") from error
    try:
        yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _first_that_delivers(
    name: str, sources: Sequence[Source], beside: Path, progress: bool, say: Callable[[str], None]
) -> tuple[Source, Path]:
    tried = []
    for source in sources:
        say(f"{name}: trying {source.address}")
        try:
            return source, _fetch(source, beside, progress)
        except _Failed as reason:
            say(f"{name}: {source.address} failed: {reason}")
            tried.append(f"{source.address} ({reason})")
    raise DataError(
        f"{name} could not be downloaded from {', '.join(tried)}; if you have its zip from "
        f"elsewhere: recsys download {name} --from FILE"
    )


def _fetch(source: Source, beside: Path, progress: bool) -> Path:
    """The archive of a source, verified."""
    if source.address.startswith("pip:"):
        fetched = _fetch_by_pip(source.address.removeprefix("pip:"), beside)
    else:
        fetched = _fetch_url(source.address, beside / "archive", progress)
    found = _checksum(fetched, source.checksum)
    if found != source.checksum:
        size = fetched.stat().st_size
        raise _Failed(f"not the published file: {size} bytes, {found}, expected {source.checksum}")
    return fetched


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Follows a redirect within a host; another host was not asked for."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        if urlsplit(newurl).hostname != urlsplit(req.full_url).hostname:
            raise _Failed(f"it redirects to another host, {urlsplit(newurl).hostname}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch_url(address: str, to: Path, progress: bool) -> Path:
    opener = urllib.request.build_opener(_SameHost)
    try:
        with opener.open(address, timeout=TIMEOUT) as answer, to.open("wb") as file:
            total = int(answer.headers.get("Content-Length") or 0)
            label = PurePosixPath(urlsplit(address).path).name
            with tqdm(
                total=total or None, desc=label, unit="B", unit_scale=True, disable=not progress
            ) as bar:
                _copy(answer, file, bar)
    except urllib.error.HTTPError as error:
        raise _Failed(f"HTTP {error.code} {error.reason}") from error
    except urllib.error.URLError as error:
        raise _Failed(getattr(error.reason, "strerror", None) or str(error.reason)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _Failed(str(error) or type(error).__name__) from error
    return to


def _copy(answer: IO[bytes], file: IO[bytes], bar: tqdm) -> None:
    size = 0
    while chunk := answer.read(_CHUNK):
        size += len(chunk)
        if size > MOST_FETCHED:
            raise _Failed(f"more than {MOST_FETCHED} bytes came")
        file.write(chunk)
        bar.update(len(chunk))


def _fetch_by_pip(package: str, beside: Path) -> Path:
    """A package's wheel through pip, as the user has configured it (index, proxy, certificates)."""
    wheels = beside / "wheels"
    options = ["--no-deps", "--only-binary", ":all:", "--no-input", "--timeout", str(TIMEOUT)]
    options += ["--retries", "1", "--disable-pip-version-check", "--dest", str(wheels)]
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
    found = list(wheels.glob("*.whl"))
    if ran.returncode or len(found) != 1:
        told = [line for line in ran.stderr.splitlines() if line.strip()] or ["no wheel came"]
        errors = [line for line in told if line.startswith("ERROR")] or told
        raise _Failed(f"pip: {errors[-1].strip()[:200]}")
    return found[0]


def _matching(archive: Path, sources: Sequence[Source]) -> Source:
    """The source whose archive this is."""
    checksums = list(dict.fromkeys(source.checksum for source in sources))
    found = {_checksum(archive, each): each for each in checksums}
    for source in sources:
        if source.checksum in found:
            return source
    raise DataError(
        f"{archive}: not the published archive: {' '.join(found)}, expected "
        f"{' or '.join(checksums)}; download it again"
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
        raise DataError(f"{path}: cannot be read ({reason}); name the archive itself") from error
    return f"{kind}:{digest.hexdigest()}"


def unpack(archive: Path, inside: str, into: Path) -> None:
    """Unpack one folder of a zip into a new folder; nothing can land outside that.

    Raises:
        DataError: the zip is damaged or holds a path that escapes, a link, or far too much.
    """
    try:
        with zipfile.ZipFile(archive) as zipped:
            wanted = [info for info in zipped.infolist() if _is_safe(info, archive)]
            wanted = [each for each in wanted if each.filename.startswith(inside)]
            if sum(info.file_size for info in wanted) > MOST_UNPACKED:
                raise DataError(f"{archive}: unpacks to more than {MOST_UNPACKED} bytes; refused")
            into.mkdir()
            for info in wanted:
                path = into / info.filename.removeprefix(inside)
                path.parent.mkdir(parents=True, exist_ok=True)
                with zipped.open(info) as packed, path.open("xb") as file:
                    shutil.copyfileobj(packed, file)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
        raise DataError(f"{archive}: cannot be unpacked ({error}); download it again") from error


def _is_safe(info: zipfile.ZipInfo, archive: Path) -> bool:
    """Whether this is a file to unpack (a folder is not); DataError when it is a trick."""
    path = PurePosixPath(info.filename)
    kind = stat.S_IFMT(info.external_attr >> 16)
    odd = path.is_absolute() or ".." in path.parts or "\\" in info.filename or ":" in info.filename
    if odd or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DataError(
            f"{archive}: holds {info.filename!r}, which could land outside its folder; refused, "
            "download it again"
        )
    return not info.is_dir()
