"""A users file to columns of ids and of the codes of gender, age and job."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from recsys.data.dataset import UNKNOWN, Users
from recsys.data.movielens import AGES, GENDERS, JOBS, OCCUPATIONS
from recsys.data.readers.fields import one_of, shown, whole_number
from recsys.data.readers.layouts import Layout
from recsys.data.readers.problems import BadLine, Problems
from recsys.data.readers.records import records

MAX_AGE = 120

_AGE_CODES = [str(age) for age in AGES]
_JOB_CODES = [str(job) for job in range(len(JOBS))]


def read_user_file(path: Path, layout: Layout, problems: Problems) -> Users:
    """The users of any family of files, each with what the file says of them."""
    may_lack = layout.header > 0

    def user(row: dict[str, str]) -> tuple[int, tuple[int, int, int]]:
        return whole_number(row["user_id"], "a user id"), user_codes(row, may_lack)

    found = records(path, layout, problems, "user", user)
    codes = np.array(list(found.values()), np.int8).reshape(len(found), 3)
    return Users.movielens(np.array(list(found), np.int64), *codes.T)


def age_bracket(text: str) -> int:
    """An age in years as a position in AGES."""
    age = whole_number(text, "an age in years", MAX_AGE)
    if age < AGES[0]:
        raise BadLine(f"expected an age in years from {AGES[0]} to {MAX_AGE}, got {shown(text)}")
    return sum(age >= lowest for lowest in AGES) - 1


def user_codes(row: dict[str, str], may_lack: bool) -> tuple[int, int, int]:
    """Gender, age bracket and job of a user, UNKNOWN for what the file leaves out.

    A column that is not there is unknown. An empty field is unknown where `may_lack`, as in
    atomic files, and a bad line elsewhere.
    """
    readers: dict[str, Callable[[str], int]] = {
        "gender": lambda text: one_of(text, GENDERS, "gender"),
        "age": age_bracket,
        "age_code": lambda text: one_of(text, _AGE_CODES, "age code"),
        "job_code": lambda text: one_of(text, _JOB_CODES, "job code"),
        "job": lambda text: _job(text, row.get("age", "")),
    }
    codes = {
        column: readers[column](text)
        for column, text in row.items()
        if column in readers and (text.strip() or not may_lack)
    }
    age = codes.get("age", codes.get("age_code", UNKNOWN))
    return codes.get("gender", UNKNOWN), age, codes.get("job", codes.get("job_code", UNKNOWN))


def _job(text: str, age: str) -> int:
    """An occupation by ML-100K's name or by ML-1M's number."""
    if text.strip().isdigit():
        return one_of(text, _JOB_CODES, "job code")
    one_of(text, tuple(OCCUPATIONS), "occupation")
    if text.strip() == "student" and age.strip() and age_bracket(age) == 0:
        return JOBS.index("K-12 student")
    return OCCUPATIONS[text.strip()]
