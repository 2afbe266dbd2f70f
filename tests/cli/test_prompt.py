"""Errors at the prompt: exit codes, and the library's remedies as options and commands."""

import ast
import fcntl
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
from contextlib import suppress

import pytest
from command_line import ROOT, environment

from recsys import errors
from recsys.__main__ import cli
from recsys.cli.output import table
from recsys.cli.prompt import FIXES, KNOBS, failure, with_remedy
from recsys.errors import RecsysError
from recsys.serving import DEFAULT as MODEL


def context_of(*line):
    group = cli.make_context("recsys", list(line))
    command = cli.get_command(group, line[0])
    return command.make_context(line[0], list(line[1:]), parent=group)


def words(fix, *line, remedy="do it"):
    """An error's words in the command that was given."""
    return with_remedy(RecsysError("it failed", remedy, fix), context_of(*line))


@pytest.mark.parametrize(
    ("fix", "line", "expected"),
    [
        ("uri", "recommend", "it failed; do it: --uri or RECSYS_URI"),
        ("index", "load-movies", "it failed; do it: --index"),
        ("archive", "download", "it failed; do it: --from"),
        ("output", "download", "it failed; do it: --to"),
        ("user", "recommend", "it failed; do it: --like, --age, --gender or --job"),
        ("learning_rate", "train", "it failed; do it: --set learning_rate=VALUE"),
        ("index", "recommend", "it failed; do it"),  # which has no such option
        ("", "recommend", "it failed; do it"),
        ("train", "recommend", "it failed; do it: recsys train"),
        ("train", "recommend --model m3 --uri x.db", "it failed; do it: recsys train --model m3"),
        ("data", "evaluate", "it failed; do it: --data or RECSYS_DATA or recsys download"),
        (
            "publish",
            "recommend --uri x.db --model 'my model' -k 3 --collection other",
            "it failed; do it: recsys load-movies --model 'my model' --uri x.db --collection other",
        ),
        ("replace", "load", "it failed; do it: --replace"),
        ("replace", "recommend", "it failed; do it: recsys load-movies --replace"),
    ],
)
def test_a_fix_is_worded(fix, line, expected):
    assert words(fix, *shlex.split(line)) == expected


def test_a_password_or_what_the_environment_has_is_never_repeated(monkeypatch):
    secrets = ("--uri", "http://me:secret@host:1", "--token", "me:secret")
    shown = words("publish", "recommend", *secrets)
    assert shown.endswith("--uri http://host:1 --token USER:PASSWORD")
    monkeypatch.setenv("RECSYS_URI", "there.db")
    assert words("publish", "recommend").endswith("recsys load-movies")
    assert words("", "recommend", remedy="") == "it failed"


def test_the_class_of_an_error_decides_the_exit_code():
    codes = {errors.QueryError: 2, errors.DataError: 1, errors.ModelError: 1, errors.StoreError: 1}
    for kind, code in codes.items():
        error = kind("it failed", "do it", "model")
        assert failure(error, context_of("recommend")).exit_code == code


def kinds(kind=RecsysError):
    """The names of an error's class and of all below it."""
    return {kind.__name__}.union(*map(kinds, kind.__subclasses__()))


def raised():
    """Where a fix is named, and which; what an f-string fills in is `*`."""
    errors = kinds()
    for file in sorted((ROOT / "recsys").rglob("*.py")):
        text = file.read_text("utf-8")
        table = text if file.name == "client.py" else ""
        for fix in re.findall(r"[^=] \[([a-z_]+)\]$", table, re.M):
            yield str(file), fix  # of the table of Milvus' errors
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Call):
                continue
            given = node.args[2:3] if getattr(node.func, "id", "") in errors else []
            for value in [*given, *(each.value for each in node.keywords if each.arg == "fix")]:
                parts = [getattr(each, "value", "*") for each in getattr(value, "values", [value])]
                if isinstance(value, ast.Constant | ast.JoinedStr):
                    texts = [each if isinstance(each, str) else "*" for each in parts]
                    yield f"{file}:{node.lineno}", "".join(texts)


def test_every_fix_that_the_library_names_is_an_option_or_a_command():
    options = {param.name for command in cli.commands.values() for param in command.params}
    found = [(where, fix) for where, fix in raised() if fix]
    assert len(found) > 50
    for where, fix in found:
        for each in FIXES.get(fix, (fix,)):
            if each.startswith("recsys "):
                context_of(*shlex.split(each)[1:])  # can be parsed
                continue
            pattern = re.escape(each).replace(r"\*", "[a-z_]+")
            there = [name for name in (*options, *KNOBS) if re.fullmatch(pattern, name)]
            assert there, f"{where}: the fix {fix!r} is no option's name, no knob and not in FIXES"
    files = [file for file in (ROOT / "recsys").rglob("*.py") if file.name != "prompt.py"]
    sources = "".join(file.read_text("utf-8") for file in files)
    assert [fix for fix in FIXES if f'"{fix}"' not in sources and f"[{fix}]" not in sources] == []


def on_a_terminal(*line, cwd, columns=60, **more):
    """What a command writes to a terminal, to stdout and stderr; its lines, each as it was last."""
    reader, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
    command = [sys.executable, "-m", "recsys", *map(str, line)]
    how = {"stdin": subprocess.DEVNULL, "stdout": terminal, "stderr": terminal}
    written = b""
    with subprocess.Popen(command, cwd=cwd, env=environment(TERM="xterm", **more), **how):
        os.close(terminal)
        with suppress(OSError):  # its end
            while some := os.read(reader, 65536):
                written += some
    os.close(reader)
    *lines, last = written.decode().split("\r\n")
    assert last == ""
    return [re.split("\r(?=.)", each)[-1].rstrip("\r") for each in lines]


def plain(lines):
    return [re.sub(r"\x1b\[[0-9;]*m", "", each) for each in lines]


@pytest.mark.slow  # five processes
def test_long_commands_show_stage_bar_rate_and_time_left(trained, tmp_path):
    def bars(*line):
        lines = on_a_terminal(*line, "--model", trained.place / MODEL, cwd=tmp_path)
        took = f"{line[0]}: done in "  # on a slow machine
        return [each for each in lines if not each.startswith(took)]

    bar = r"{}: 100%\|█+\| {n}/{n} \[\d\d:\d\d<00:00, +[\d.]+ {}/s\]"
    (shown,) = bars("recommend", "--users", "all", "--exact", "-o", "all.csv")
    assert re.fullmatch(bar.format("recommending", "user", n=308), shown)
    (shown,) = bars("recommend", "--users", "all", "--exact", "-o", "all/")
    assert re.fullmatch(bar.format("recommending", "user", n=308), shown)
    shown, told = bars("export", "--users", "all", "-o", "users.npy")
    assert re.fullmatch(bar.format("exporting", "user", n=308), shown)
    assert told.startswith("users.npy\t308 users")
    _, shown, told = bars("load-movies", "--uri", "movies.db")
    assert re.fullmatch(bar.format("publishing", "movie", n=338), shown)
    assert told.startswith("recsys_movies\t")
    assert bars("recommend", "-q", "--users", "all", "--exact", "-o", "all.csv") == []


def test_a_terminal_gets_tables_of_its_width_and_colours_only_beside_words(trained):
    line = ("recommend", "-u", 42, "-k", 2, "--explain", "--exact")
    lines = on_a_terminal(*line, cwd=trained.place)
    assert max(map(len, plain(lines))) <= 60
    assert lines[1].startswith("\x1b[1mTop  Ids  Title")
    assert "\x1b[1mTop  Why\x1b[0m" in lines
    assert plain(lines) == on_a_terminal(*line, cwd=trained.place, NO_COLOR="1")
    (refused,) = on_a_terminal("similar", "Heat", "--model", "none", cwd=trained.place)
    assert refused.startswith("\x1b[31m\x1b[1mrecsys:\x1b[0m none: ")


def test_a_table_of_many_columns_goes_on_below():
    header, rows = ("", "first", "second"), [("ours", "1.0", "2.0"), ("theirs", "1.5", "2.5")]
    whole = ["        first  second", "ours    1.0    2.0", "theirs  1.5    2.5"]
    assert table(header, rows, below=True).split("\n") == whole
    parts = [*(each[:13].rstrip() for each in whole)]
    parts += ["        second", "ours    2.0", "theirs  2.5"]
    assert table(header, rows, 20, below=True).split("\n") == parts
