"""Who is recommended to: users, ages, genders, jobs, and what is refused."""

from command_line import SAMPLE

from recsys.data.movielens import JOBS


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


def test_codes_of_the_tutorial_are_answered_with_what_they_are_here(run):
    done = run("recommend", "-a", 0, "--exact", code=2)
    assert "code 0 of the tutorial is age 1 (under 18)" in done.stderr
    for code, meant in (("1", "18 (18-24)"), ("3", "35 (35-44)"), ("6", "56 (56 and over)")):
        first, second = run("recommend", "-a", code, "--exact").stderr.splitlines()
        assert first == f"age {code} is in years; code {code} of the tutorial is age {meant}"
        assert second == "for age under 18"
    assert (
        run("recommend", "-a", "7", "-g", "1", "--exact").stderr == "for gender F; age under 18\n"
    )
