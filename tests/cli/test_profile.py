"""Who is recommended to: users, ages, genders, jobs, and what is refused."""

import pytest
from command_line import SAMPLE

from recsys.data.movielens import AGE_NAMES, JOBS

AGES = ("1,17,under 18", "18,24", "25,34,25-34", "35", "45", "50,55", "56,99,56+,56 and over")
GENDERS = {"F": "F,f,1,female", "M": "M,0,Male"}
OF_JOBS = {
    **{0: "0", 4: "college/grad student", 8: "farmer", 10: "K-12", 11: "lawy", 16: "self"},
    **{17: "engineer,technician/engineer", 20: "20,writer,Writer,wri"},
}
VALUES = [
    *(("age", AGE_NAMES[n], texts) for n, texts in enumerate(AGES)),
    *(("gender", letter, texts) for letter, texts in GENDERS.items()),
    *(("job", JOBS[n], texts) for n, texts in OF_JOBS.items()),
]
KNOWN = [(name, text, value) for name, value, texts in VALUES for text in texts.split(",")]


@pytest.mark.parametrize(("name", "given", "value"), KNOWN)
def test_what_is_known_of_a_user_is_said_in_many_ways(run, name, given, value):
    done = run("recommend", f"--{name}", given, "--exact", "-k", 1)
    assert done.stderr == f"for {name} {value}\n"


@pytest.mark.parametrize(
    ("name", "wrong", "why"),
    [
        *(("age", each, ", ".join(AGE_NAMES)) for each in ("0", "-3", "121", "abc", "25-35", "")),
        *(("job", each, f"{each!r} is not one of 0 other, 1 academic/educator")
          for each in ("21", "-1", "wizard", "")),
        ("job", "21", "20 writer"),
        ("job", "student", "may be 4 college/grad student, 10 K-12 student.\n"),
        ("gender", "x", "F, M"),
    ],
)  # fmt: skip
def test_wrong_values_list_the_right_ones(run, name, wrong, why):
    assert why in run("recommend", f"--{name}={wrong}", "--exact", code=2).stderr


def test_who_is_recommended_to_is_logged_in_words(run):
    done = run("recommend")
    assert done.stderr == "for a cold-start user without profile\n"
    assert len(done.stdout.splitlines()) == 6
    lines = (SAMPLE / "users.dat").read_text("latin-1").splitlines()
    user_id, gender, _, job, _ = lines[41].split("::")
    done = run("recommend", "-u", user_id, "--exact")
    assert done.stderr.startswith(f"for user {user_id}; gender {gender}; age ")
    assert f"job {JOBS[int(job)]}" in done.stderr


def test_an_unknown_user_is_an_error(run):
    for user_id in (309, 0):
        done = run("recommend", "-u", user_id, "--exact", code=2)
        assert "is not one of the 308 the model was trained on" in done.stderr
    huge = str(10**30)
    assert "is not a user id" in run("recommend", "-u", huge, "--exact", code=2).stderr
    assert "-:1: found" in run("predict", input=f"{huge},1\n", code=1).stderr
    done = run("recommend", "--users", "-", "--exact", input=f"{huge}\n", code=1)
    assert "-:1: found" in done.stderr
