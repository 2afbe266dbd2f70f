"""Odd command lines: refused where they are parsed, in one short line, with exit code 2."""

import uuid

import click
import milvus_server
import pytest
from click.testing import CliRunner
from command_line import SAMPLE, recsys
from families import DAT, put

from recsys.cli.app import cli
from recsys.cli.prompt import variable_of

DIGITS = "9" * 5000
ODD = [
    *(("load-movies", "--index", f"HNSW:{p}") for p in (
        "M=1", "M=0", "M=2049", "M=99999999999999", "M=²", "M=٣", f"M={DIGITS}",
        "efConstruction=5000000000", "efConstruction=0", "ef=32769", "ef=0")),
    *(("load-movies", "--index", f"IVF_FLAT:{p}") for p in ("nlist=0", "nlist=65537", "nprobe=0")),
    ("load-movies", "--index", "X" * 5000),
    ("evaluate", "--seeds", "٣"),
    ("evaluate", "--seeds", DIGITS),
    ("train", "--seed", "1" + "0" * 30),
    ("train", "--dimension", "10000000"),
    ("train", "--validation", "nan"),
    ("recommend", "-k", "1000000000"),
    ("recommend", "-u", DIGITS),
    ("recommend", "--format", DIGITS),
    ("recommend", "--year", "3000000000"),
    ("recommend", "--year", "3000000000", "--exact"),
    ("recommend", "--like", DIGITS, "--exact"),
    ("recommend", "--like", "x" * 5000, "--exact"),
    ("recommend", "--genre", "x" * 5000, "--exact"),
    ("recommend", "--" + "x" * 5000),
    ("x" * 5000,),
    ("similar", DIGITS),
    ("predict", "-u", "1", "-m", DIGITS),
    ("predict", "-u", "1", "-m", "9999"),
    ("predict", "-u", "99999", "-m", "1"),
    ("recommend", "-u", "99999", "--exact"),
    ("recommend", "--like", "no such movie", "--exact"),
    ("recommend", "--like", "lord of the rings", "--exact"),
    ("train", "--device", "toaster"),
]  # fmt: skip


@pytest.mark.parametrize("line", ODD, ids=lambda line: " ".join(line)[:40])
def test_a_value_that_is_none_is_one_short_line_and_exit_code_2(run, line):
    more = ("--data", SAMPLE) if line[0] in ("train", "evaluate") else ()
    done = run(*line, *more, code=2)
    assert done.stdout == ""
    (said,) = done.stderr.splitlines()
    assert said.startswith("recsys: ")
    assert len(said) < 700
    assert "99" * 45 not in said
    assert "x" * 81 not in said


@pytest.mark.parametrize("name", DAT)
def test_a_long_line_of_a_file_is_not_repeated(run, tmp_path, name):
    put(tmp_path, DAT)
    for bad in (b"x" * 1_000_000, b"::".join([b"9" * 300_000] * 5)):
        (tmp_path / name).write_bytes(DAT[name] + bad + b"\n")
        done = run("train", "--data", tmp_path, "--model", tmp_path / "m", code=1)
        assert len(done.stderr) < 1000


@pytest.mark.parametrize("option", ["--users", "--pairs", "-o", "--data", "--model", "-f"])
def test_names_that_are_too_long(run, tmp_path, option):
    line = {
        "--users": ("recommend", "--exact"),
        "--pairs": ("predict",),
        "-o": ("recommend", "--exact"),
        "--data": ("train",),
        "--model": ("recommend",),
        "-f": ("load-movies", "--uri", tmp_path / "a.db"),
    }[option]
    done = run(*line, option, tmp_path / ("n" * 5000), code=1)
    (said,) = done.stderr.splitlines()
    assert len(said) < 500
    assert "Error:" not in said


SECRETS = ("hunter2secret", "another-secret")
NEEDED = {
    "download": ("ml-1m", "--from", "none.zip"),
    "inspect": ("none",),
    "train": ("--data", "none"),
    "preprocess": ("-f", "none"),
    "similar": ("Toy Story",),
    "predict": ("-u", "1", "-m", "1"),
    "evaluate": ("--data", "none"),
}


def ways(command: str) -> list[tuple[str, ...]]:
    """A command with each of its flags, and each of its formats; and wrong."""
    found: list[tuple[str, ...]] = [(), ("--no-such-option",), ("extra",)]
    for param in cli.commands[command].params:
        if getattr(param, "is_flag", False) and "help" not in (param.name or ""):
            found.append((param.opts[-1],))
        elif isinstance(param.type, click.Choice) and isinstance(param, click.Option):
            found += [(param.opts[-1], choice) for choice in param.type.choices]
    return [(command, *NEEDED.get(command, ()), *more) for more in found]


@pytest.mark.parametrize("command", sorted(cli.commands))
def test_no_command_prints_a_password(run, monkeypatch, command):
    """Of an address where nothing listens, and of one that is none."""
    monkeypatch.setenv("RECSYS_TOKEN", "me:another-secret")
    monkeypatch.setenv("RECSYS_TIMEOUT", "0.01")
    has_uri = any("--uri" in param.opts for param in cli.commands[command].params)
    for end in ("127.0.0.1:1", "127.0.0.1:99999"):
        uri = f"http://somebody:hunter2secret@{end}"
        monkeypatch.setenv("RECSYS_URI", uri)
        for line in ways(command):
            done = CliRunner().invoke(cli, [*line, *(("--uri", uri) if has_uri else ())])
            for secret in SECRETS:
                assert secret not in done.output + repr(done.exception), line


@pytest.mark.milvus_server
def test_no_command_prints_the_password_of_a_server_that_answers(run, monkeypatch):
    monkeypatch.setenv("RECSYS_TOKEN", "root:another-secret")  # which asks for none
    where = milvus_server.shared().uri.replace("//", "//root:hunter2secret@")
    monkeypatch.setenv("RECSYS_URI", where)
    monkeypatch.setenv("RECSYS_COLLECTION", f"password_{uuid.uuid4().hex[:8]}")
    run("load-movies")
    loads = ("--dry-run", "--keep=2", "--rollback", "--replicas=9", "--db=none")
    for line in [
        *(("doctor", *more) for more in ((), ("--json",), ("-v",), ("--db", "none"))),
        *(("recommend", *more) for more in ((), ("--format", "json"), ("--debug",), ("-k", "1"))),
        *(("similar", "heat"), ("similar", "none"), ("similar", "heat", "--where", "x == 1")),
        *(("load-movies", each) for each in loads),
    ]:
        done = CliRunner().invoke(cli, list(line))
        for secret in SECRETS:
            assert secret not in done.output + repr(done.exception), line


def test_every_option_has_its_name_in_the_environment(monkeypatch):
    for name, command in cli.commands.items():
        context = command.make_context(
            name, [], parent=cli.make_context("recsys", [name]), resilient_parsing=True
        )
        for option in command.params:
            longest = max(option.opts, key=len)
            if not longest.startswith("-"):
                continue
            own = longest.lstrip("-").replace("-", "_").upper()
            variable = variable_of(option, name)
            command_part = name.replace("-", "_").upper()
            assert variable in (f"RECSYS_{own}", f"RECSYS_{command_part}_{own}"), option.opts
            value = "1" if getattr(option, "is_flag", False) else "x y; z"
            monkeypatch.setenv(variable, value)
            several = ["x y", "z"] if option.multiple else value
            assert option.value_from_envvar(context) == several, option.opts
            monkeypatch.delenv(variable)


def test_variables_are_taken_and_unknown_ones_are_named(run, monkeypatch):
    monkeypatch.setenv("RECSYS_RECOMMEND_FORMAT", "jsonl")
    monkeypatch.setenv("RECSYS_RECOMMEND_USER", "7")
    assert run("recommend", "--exact").stdout.startswith('{"user_id": 7')
    monkeypatch.setenv("RECSYS_RECOMEND_K", "1")
    monkeypatch.setenv("RECSYS_FORMAT", "csv")
    said = run("recommend", "--exact").stderr.splitlines()
    assert [line.partition(":")[0] for line in said[:2]] == ["RECSYS_FORMAT", "RECSYS_RECOMEND_K"]
    monkeypatch.setenv("RECSYS_QUIET", "1")
    assert run("recommend", "--exact").stderr == ""
    monkeypatch.setenv("RECSYS_RECOMMEND_K", "x")
    said = run("recommend", "--exact", code=2).stderr
    assert said == (
        "recsys: Invalid value for '-k': 'x' is not a whole number. (from RECSYS_RECOMMEND_K)\n"
    )


def test_load_has_the_variables_of_load_movies(run, monkeypatch, tmp_path):
    monkeypatch.setenv("RECSYS_LOAD_MOVIES_INDEX", "HNSW:M=5")
    for name in ("load", "load-movies"):
        done = run(name, "--dry-run", "--uri", tmp_path / "a.db")
        assert "HNSW:M=5" in done.stdout
        assert "no option" not in done.stderr


def test_a_variable_has_several_values(run, monkeypatch):
    for name, value in (("LIKE", "toy story; heat"), ("GENRE", "Drama; Film-Noir"), ("EXACT", "1")):
        monkeypatch.setenv(f"RECSYS_RECOMMEND_{name}", value)
    by_variable = run("recommend")
    likes, genres = ("--like", "toy story", "--like", "heat"), ("--genre", "Drama")
    for name in ("LIKE", "GENRE"):
        monkeypatch.delenv(f"RECSYS_RECOMMEND_{name}")
    typed = run("recommend", *likes, *genres, "--genre", "film-noir")
    assert (by_variable.stdout, by_variable.stderr) == (typed.stdout, typed.stderr)
    assert "likes Toy Story (1995), Heat (1995)" in typed.stderr


def test_two_processes_and_one_database(trained, tmp_path):
    """The second says who is there, after it has waited for it."""
    from recsys.milvus_store import MilvusStore

    with MilvusStore(str(trained.place / "recsys.db")):
        done = recsys("recommend", "--timeout", "1", cwd=trained.place)
    assert done.returncode == 1
    assert "another process has this database open" in done.stderr
    assert recsys("recommend", cwd=trained.place).returncode == 0
