"""A users file to columns of ids and of the codes of gender, age and job."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Users
from recsys.data.movielens import AGES, GENDERS, JOBS, MAX_AGE, OCCUPATIONS
from recsys.data.readers.described import Described, described
from recsys.data.readers.fields import one_of, shown, whole_number
from recsys.data.readers.layouts import Layout
from recsys.data.readers.problems import BadLine, Problems
from recsys.data.readers.records import records
from recsys.data.schema import MOVIELENS, Column

UNKNOWN = -1  # the code of what a user's file leaves out
_AGE_CODES = [str(age) for age in AGES]
_JOB_CODES = [str(job) for job in range(len(JOBS))]


def read_user_file(
    path: Path, layout: Layout, problems: Problems, kinds: Mapping[str, str] = MappingProxyType({})
) -> tuple[Users, Described]:
    """The users of any family of files, each with what the file says of them."""
    may_lack = layout.header > 0

    def user(row: dict[str, str]) -> tuple[int, tuple[tuple[int, int, int], dict[str, str]]]:
        return whole_number(row["user_id"], "a user id"), (user_codes(row, may_lack), row)

    found = records(path, layout, problems, "user", user)
    codes = np.array([each for each, _ in found.values()], np.int32).reshape(len(found), 3)
    has = [{"gender", "age", "job"} & {column.removesuffix("_code")} for column in layout.columns]
    own = described(layout.fields([each for _, each in found.values()]), kinds, several=False)
    ids = np.array(list(found), np.int64)
    return users_of(ids, codes, set().union(*has), own.columns), own


def users_of(
    ids: NDArray[np.int64],
    codes: NDArray[np.int32],
    known: Collection[str],
    columns: Mapping[str, Column],
) -> Users:
    """Users by (U, 3) codes of gender, age and job, as far as they are `known`, and columns."""
    built_in = [n for n, each in enumerate(MOVIELENS) if each.name in known]
    own = Users.of(ids, columns)
    rows = np.concatenate([codes[:, built_in] + 1, own.rows], 1).astype(np.int32)
    return Users(own.ids, rows, (*(MOVIELENS[n] for n in built_in), *own.attributes))


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
    return JOBS.index(OCCUPATIONS[text.strip()])
