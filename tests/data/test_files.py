"""All of a file or folder is there, or the one before it."""

import fcntl
import os
import subprocess
import sys

import pytest
from command_line import refused

from recsys.data.files import (
    MARK,
    leftovers,
    replacing_file,
    replacing_folder,
    standing,
    writable_folder,
)
from recsys.errors import RecsysError


def names(folder):
    return sorted(each.name for each in folder.iterdir())


def test_all_of_a_file_appears_or_the_old_one_stays_and_devices_are_written_directly(tmp_path):
    path = tmp_path / "out.csv"
    for text in ("first", "second"):
        with replacing_file(path) as beside:
            beside.write_text(text)
            assert not path.exists() or path.read_text() == "first"
    with pytest.raises(KeyError), replacing_file(path) as beside:
        raise KeyError(beside.write_text("half"))
    assert path.read_text() == "second"
    assert names(tmp_path) == ["out.csv"]
    for device in ("/dev/null", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        with replacing_file(device) as beside:
            assert str(beside) == device


def test_what_cannot_be_written_is_known_before_the_work(tmp_path):
    file, long = tmp_path / "file", tmp_path / ("n" * 300)
    file.touch()
    for path, remedy in (
        (tmp_path / "none" / "out", "make its folder or name another file"),
        *((file / "out", "name another file"), (long, "name another file")),
        (tmp_path, "name a file"),
    ):
        denied = refused(RecsysError, f"^{path}: .*cannot be written.*; {remedy}$")
        with denied, replacing_file(path):
            pytest.fail("entered")
    for path in (file, file / "in" / "out", long, long / "in" / "out"):
        with refused(RecsysError, f"^{path}: ", fix="model"), replacing_folder(path, "model"):
            pytest.fail("entered")
    assert names(tmp_path) == ["file"]


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (OSError(28, "No space left on device"), RecsysError, "free space or name another"),
        (OSError(27, "File too large"), RecsysError, "limit of a file's size"),
        (FileNotFoundError(2, "No such file", "input"), FileNotFoundError, "input"),
        (BrokenPipeError(32, "Broken pipe"), BrokenPipeError, "pipe"),
    ],
)
def test_a_full_disk_is_one_line_and_errors_of_other_files_pass(tmp_path, error, kind, says):
    with pytest.raises(kind, match=says), replacing_file(tmp_path / "out"):
        raise error
    assert names(tmp_path) == []


def test_a_folder_appears_complete_and_replaces_another_or_a_killed_ones(tmp_path):
    path, previous = tmp_path / "in" / "model", tmp_path / "in" / "model.previous"
    for name in ("a", "b"):
        with replacing_folder(path) as beside:
            (beside / name).touch()
            assert standing(path) == path or name == "a"
        assert names(path) == [name]
    with pytest.raises(KeyError), replacing_folder(path) as beside:
        raise KeyError((beside / "c").touch())
    assert (names(path), names(path.parent)) == (["b"], ["model"])
    path.rename(previous)  # as a kill between the renames leaves it
    assert standing(path) == previous
    with replacing_folder(path):
        pass
    assert standing(path) == path
    assert names(path.parent) == ["model", "model.previous"]


def test_leftovers_of_killed_processes_go_and_nobody_elses(tmp_path):
    for path in (tmp_path / "m", tmp_path / "out.csv"):
        ends = ("00000001", "00000002", "00000003", "x", "00000004", "00000005")
        dead, busy, mine, other, file, link = (
            path.with_name(f"{path.name}.tmp-{end}") for end in ends
        )
        for each in (dead, busy, mine, other):
            each.mkdir()
            (each / ("keep.txt" if each is mine else MARK)).touch()
        file.touch()
        link.symlink_to(dead)
        with open(busy / MARK, "w") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX)
            assert leftovers(path) == [dead]
            with replacing_folder(path) if path.name == "m" else replacing_file(path):
                assert leftovers(path) == []
        left = sorted(each.name for each in (path, busy, mine, other, file, link))
        assert [name for name in names(tmp_path) if name.startswith(path.name)] == left


def test_a_link_planted_where_is_written_is_not_followed(tmp_path, monkeypatch):
    path, theirs, file = tmp_path / "out", tmp_path / "theirs", tmp_path / "file"
    theirs.mkdir()
    file.write_text("theirs")
    for follow, text in ((True, "ours"), (False, "theirs")):
        with replacing_file(path, follow=follow) as beside:
            beside.write_text("ours")
            path.symlink_to(file)  # since it was looked at
        assert (path.read_text(), path.is_symlink()) == ("ours", False)
        path.unlink()
        path.symlink_to(file)
        with replacing_file(path, follow=follow) as beside:
            beside.write_text("ours")
        assert (file.read_text(), path.is_symlink()) == (text, follow)
        path.unlink()
        file.write_text("theirs")
    monkeypatch.setattr("secrets.token_hex", lambda size: "00000000")
    (tmp_path / "out.tmp-00000000").symlink_to("theirs")
    with pytest.raises(RecsysError, match="File exists"), replacing_file(path):
        pytest.fail("entered")
    assert names(theirs) == []


KILLED = """
import os, sys
from recsys.data.files import replacing_folder
rename, left = os.rename, [int(sys.argv[1])]
def renamed(*args):
    if not left[0]:
        os._exit(9)
    left[0] -= 1
    rename(*args)
os.rename = renamed
with replacing_folder("m", keep=sys.argv[2] == "keep") as beside:
    (beside / "c").touch()
"""


@pytest.mark.parametrize("keep", [True, False])
def test_a_kill_between_renames_loses_neither_the_folder_nor_the_one_before(tmp_path, keep):
    path, previous, step, code = tmp_path / "m", tmp_path / "m.previous", 1, 9
    for folder, name in ((path, "b"), (previous, "a")):
        folder.mkdir()
        (folder / name).touch()
    while code:
        command = [sys.executable, "-c", KILLED, str(step), "keep" * keep]
        code = subprocess.run(command, cwd=tmp_path, check=False).returncode
        assert names(standing(path)) in (["b"], ["c"])
        if names(standing(path)) == ["c"]:
            path.joinpath("c").rename(path / "b")
        assert len(leftovers(path)) == bool(code)
        writable_folder(path)
        assert names(tmp_path) == ["m", "m.previous"]
        assert names(path) == ["b"]
        assert names(previous) == (["b"] if keep and not code else ["a"])
        step += 1
    assert step > 4


def test_what_was_kept_stays_when_an_error_undoes_all(tmp_path, monkeypatch):
    path, previous, rename = tmp_path / "m", tmp_path / "m.previous", os.rename
    for name, keep, before in (("a", True, None), ("b", True, "a"), ("c", False, "a")):
        with replacing_folder(path, keep=keep) as beside:
            (beside / name).touch()
        assert names(path) == [name]
        assert not before or names(previous) == [before]

    def refused(source, target):
        if os.path.basename(source) == "new":
            raise OSError(28, "No space left on device", str(source))
        rename(source, target)

    monkeypatch.setattr("os.rename", refused)
    for keep in (True, False):
        with pytest.raises(RecsysError, match="No space"), replacing_folder(path, keep=keep):
            pass
        assert (names(path), names(previous)) == (["c"], ["a"])
    assert names(tmp_path) == ["m", "m.previous"]


def test_a_read_only_folder_is_refused_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "m" / "in").mkdir(parents=True)
    writable_folder(tmp_path / "m")
    monkeypatch.setattr("os.access", lambda each, how: not str(each).endswith("in"))  # not as root
    with pytest.raises(
        RecsysError, match=r"m: cannot be written .Permission denied.; name another"
    ):
        writable_folder(tmp_path / "m", "switch")
