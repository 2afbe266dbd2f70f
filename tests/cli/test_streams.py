"""Standard streams that are closed, full or of another encoding: one line, and the exit code."""

import subprocess
import sys

import pytest
from command_line import ROOT, SAMPLE, environment, output

FULL = "recsys: stdout: cannot be written (No space left on device)"
NO_STDIN = "recsys: stdin: Bad file descriptor"
CLOSED = "recsys: stdout: cannot be written (Bad file descriptor)"


def shell(apart, line, **more):
    """A line for a shell, of which RECSYS is the command and SAMPLE the data."""
    line = line.replace("RECSYS", f"{sys.executable} -m recsys").replace("SAMPLE", str(SAMPLE))
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        cwd=apart,
        env=environment(**more),
        capture_output=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "code", "last"),
    [
        ("RECSYS recommend -q --exact >/dev/full", 1, FULL),
        ("echo 1,50 | RECSYS predict >/dev/full", 1, FULL),
        ("RECSYS --help >/dev/full", 1, FULL),
        ("RECSYS recommend -q --exact >&-", 1, CLOSED),
        ("RECSYS predict <&-", 1, f"{NO_STDIN}; name another, with a line for each"),
        ("RECSYS predict -u 1 -m 1 2>/dev/full", 0, ""),
        ("RECSYS predict -u 1 -m 1 <&- 2>&-", 0, ""),
        ("RECSYS nonsense >&- 2>/dev/full", 2, ""),
        ("RECSYS recommend -q --exact -o /dev/null <&- >&-", 0, ""),
    ],
)
def test_a_stream_that_is_full_or_closed(apart, line, code, last):
    done = shell(apart, line)
    assert done.returncode == code
    assert done.stderr.decode().splitlines() == ([last] if last else [])


@pytest.mark.parametrize(
    "line", ["recommend -q --exact --format jsonl -k 300", "inspect -q SAMPLE", "recommend -h"]
)
def test_a_reader_that_is_gone_is_no_error(apart, line):
    done = shell(apart, f"RECSYS {line} 2>err | head -c 1; cat err >&2; exit ${{PIPESTATUS[0]}}")
    assert done.returncode in (0, 1)  # as it was soon enough to be noticed
    assert not done.stderr


def test_what_is_printed_is_utf_8_whatever_the_encoding(apart):
    line = "RECSYS recommend --exact --format csv -k 300"
    done = [shell(apart, line, PYTHONIOENCODING=encoding) for encoding in ("ascii", "utf-16")]
    assert [each.returncode for each in done] == [0, 0]
    assert done[0].stdout == done[1].stdout
    assert "é" in done[0].stdout.decode()


CTRL_C = """
import sys
*_, wanted = sys.argv
class Interrupting:
    def find_spec(self, name, *_):
        if name == wanted:
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting())
from recsys.__main__ import main
sys.argv[1:] = ["inspect", "data/sample"]
main()"""


@pytest.mark.parametrize("module", ["click", "recsys.cli.ask", "recsys.preprocess", "pyarrow"])
def test_ctrl_c_is_a_line_also_while_modules_are_loaded(module):
    done = subprocess.run(
        [sys.executable, "-c", CTRL_C, module],
        cwd=ROOT, env=environment(), capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (130, b"")
    assert done.stderr.splitlines() == [b"recsys: interrupted"]


def test_the_end_does_not_wait_for_a_thread():
    """As one in which Milvus Lite works for a call that Ctrl-C has cut off."""
    code = """
import sys, threading, time
threading.Thread(target=time.sleep, args=(300,)).start()
sys.argv = ["recsys", "--version"]
from recsys.__main__ import main
main()"""
    assert output("-c", code).startswith("recsys, version")
