"""Who is recommended to: users, ages, genders, jobs, and what is refused."""

from command_line import SAMPLE

from recsys.data.movielens import AGE_NAMES, JOBS, age_of, gender_of, job_of

AGES = ("1,17,under 18", "18,24", "25,34,25-34", "35", "45", "50,55", "56,99,56+,56 and over")
GENDERS = {"F": "F,f,1,female", "M": "M,0,Male"}
OF_JOBS = {
    **{0: "0", 4: "college/grad student", 8: "farmer", 10: "K-12", 11: "lawy", 16: "self"},
    **{17: "engineer,technician/engineer", 20: "20,writer,Writer,wri"},
}


def test_what_is_known_of_a_user_is_written_in_many_ways():
    for number, texts in enumerate(AGES):
        assert {age_of(text) for text in texts.split(",")} == {AGE_NAMES[number]}
    for letter, texts in GENDERS.items():
        assert {gender_of(text) for text in texts.split(",")} == {letter}
    for code, texts in OF_JOBS.items():
        assert {job_of(text) for text in texts.split(",")} == {JOBS[code]}


WRONG = {
    "--age": (("0", "-3", "121", "abc", "25-35"), ", ".join(AGE_NAMES)),
    "--job": (("21", "-1", "wizard", ""), "is not one of 0 other, 1 academic/educator"),
    "-j": (
        ("student",),
        "may be 4 college/grad student, 10 K-12 student; name one of them: --job\n",
    ),
    "--gender": (("x",), "F, M"),
}


def test_wrong_values_list_the_right_ones(run):
    for option, (texts, known) in WRONG.items():
        for text in texts:
            assert known in run("recommend", option, text, "--exact", code=2).stderr


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
