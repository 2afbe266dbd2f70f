"""Who is recommended to: users, ages, genders, jobs, and what is refused."""

import pytest
from command_line import SAMPLE

from recsys.data.movielens import AGE_NAMES, JOBS


@pytest.mark.parametrize(
    ("given", "bracket"),
    [
        *(("1", 0), ("17", 0), ("18", 1), ("24", 1), ("25", 2), ("34", 2), ("35", 3), ("45", 4)),
        *(("50", 5), ("55", 5), ("56", 6), ("99", 6), ("under 18", 0), ("25-34", 2), ("56+", 6)),
        ("56 and over", 6),
    ],
)
def test_ages_in_years_and_brackets(run, given, bracket):
    done = run("recommend", "--age", given, "--exact", "-k", 1)
    assert done.stderr == f"for age {AGE_NAMES[bracket]}\n"


@pytest.mark.parametrize("wrong", ["0", "-3", "121", "abc", "25-35", ""])
def test_wrong_ages_list_the_right_ones(run, wrong):
    done = run("recommend", f"--age={wrong}", "--exact", code=2)
    assert all(name in done.stderr for name in AGE_NAMES)


@pytest.mark.parametrize(
    ("given", "job"),
    [
        *(("0", 0), ("20", 20), ("writer", 20), ("Writer", 20), ("wri", 20), ("farmer", 8)),
        *(("engineer", 17), ("technician/engineer", 17), ("self", 16), ("K-12", 10), ("lawy", 11)),
        ("college/grad student", 4),
    ],
)
def test_jobs_by_number_name_and_beginning(run, given, job):
    done = run("recommend", "--job", given, "--exact", "-k", 1)
    assert done.stderr == f"for job {JOBS[job]}\n"


@pytest.mark.parametrize(
    ("wrong", "why"),
    [("21", "is not one"), ("-1", "is not one"), ("wizard", "is not one"), ("", "is not one"),
],
)  # fmt: skip
def test_wrong_jobs_list_the_right_ones(run, wrong, why):
    done = run("recommend", f"--job={wrong}", "--exact", code=2)
    assert f"{wrong!r} {why} of 0 other, 1 academic/educator" in done.stderr
    assert "20 writer" in done.stderr


def test_a_job_that_may_be_two_lists_the_two(run):
    done = run("recommend", "--job", "student", "--exact", code=2)
    assert done.stderr.rstrip().endswith("may be 4 college/grad student, 10 K-12 student.")


@pytest.mark.parametrize(
    ("given", "letter"),
    [("F", "F"), ("f", "F"), ("1", "F"), ("female", "F"), ("M", "M"), ("0", "M"), ("Male", "M")],
)
def test_gender(run, given, letter):
    assert run("recommend", "-g", given, "--exact").stderr == f"for gender {letter}\n"
    assert "F, M" in run("recommend", "-g", "x", "--exact", code=2).stderr


def test_a_cold_start_user_without_profile_is_answered(run):
    done = run("recommend")
    assert done.stderr == "for a cold-start user without profile\n"
    assert len(done.stdout.splitlines()) == 6


def test_a_known_user_is_echoed_in_words(run):
    lines = (SAMPLE / "users.dat").read_text("latin-1").splitlines()
    user_id, gender, _, job, _ = lines[41].split("::")
    done = run("recommend", "-u", user_id, "--exact")
    assert done.stderr.startswith(f"for user {user_id}; gender {gender}; age ")
    assert f"job {JOBS[int(job)]}" in done.stderr


def test_an_unknown_user_is_an_error(run):
    for user_id in (309, 0):
        done = run("recommend", "-u", user_id, "--exact", code=2)
        assert "is not one of the 308 the model was trained on" in done.stderr
    done = run("recommend", "--users", "-", "--exact", input="309\n", code=1)
    assert done.stderr == "recsys: user 309 is not one the model was trained on\n"


def test_numbers_beyond_all_ids_are_refused(run):
    huge = str(10**30)
    assert "is not a user id" in run("recommend", "-u", huge, "--exact", code=2).stderr
    assert "-:1: found" in run("predict", input=f"{huge},1\n", code=1).stderr
    asked = run("recommend", "--users", "-", "--exact", input=f"{huge}\n", code=1)
    assert "-:1: found" in asked.stderr
