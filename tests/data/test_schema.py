"""What describes users and movies: values to rows and rows to words."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from command_line import refused

from recsys.data.movielens import AGE_NAMES, AGES, GENDERS, JOBS
from recsys.data.schema import AGE, GENDER, JOB, MOVIELENS, Attribute, Column
from recsys.errors import QueryError

HOBBY = Attribute.of("hobby", Column("categories", [("golf", "chess"), ("golf",), ()]))
INCOME = Attribute.of("income", Column("number", np.arange(100.0)))


def test_ages_are_years_and_movielens_codes_of_ages_are_years_too():
    assert [each.size for each in MOVIELENS] == [len(GENDERS), len(AGES), len(JOBS)]
    assert [AGE.value(row) for row in range(8)] == ["", *AGE_NAMES]
    years = Column("number", np.array([1, 17, 18, 24, 25, 34, 35, 44, 45, 49, 50, 55, 56, np.nan]))
    assert AGE.rows(years)[:, 0].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 0]
    assert AGE.rows(Column("number", np.array(AGES)))[:, 0].tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_other_words_for_a_value_have_its_row():
    for attribute, texts, rows in (
        (GENDER, ["M", "female", "f", "Male", "", "x"], [1, 2, 2, 1, 0, 0]),
        (JOB, ["other", "educator", "none", "Salesman", "pope"], [1, 2, 20, 15, 0]),
    ):
        assert attribute.rows(Column("category", texts))[:, 0].tolist() == rows


@pytest.mark.parametrize(
    ("attribute", "text", "rows"),
    [
        *((AGE, "25-34", [3]), (AGE, "UNDER 18", [1]), (AGE, " 30 ", [3]), (AGE, 25.0, [3])),
        *((AGE, 120, [7]), (AGE, "56+", [7]), (GENDER, 1, [2]), (GENDER, "Female", [2])),
        *((JOB, 20, [21]), (JOB, "educator", [2]), (JOB, "none", [20]), (JOB, "health", [7])),
        *((JOB, "student", [5]), (JOB, "WRI", [21]), (JOB, "k-12", [11])),
        *((INCOME, 1e9, [10]), (INCOME, INCOME.value(4), [4]), (INCOME, "1e9", [10])),
        (HOBBY, "Chess|golf", [2, 1]),
    ],
)
def test_a_query_names_values_bins_numbers_and_codes(attribute, text, rows):
    assert attribute.rows_of(text) == rows


@pytest.mark.parametrize(
    ("attribute", "text", "words"),
    [
        (AGE, "old", "age: no user is 'old', there are under 18, .* or a number from 1 to 120"),
        (AGE, 121, "age: no user is '121', there are under 18, .*, 56 and over"),
        (INCOME, "nan", "income: no user is 'nan', there are under 10"),
        (INCOME, "much", "income: no user is 'much', there are under 10, 10 to 20, .* or a number"),
        (HOBBY, "ches", "hobby: no user is 'ches', near are chess"),
        (HOBBY, "|", "hobby: no user is '', there are golf, chess"),
        (HOBBY, "golf|chess|golf", "'golf|chess|golf' is 3 values, no user has more than 2"),
        (JOB, "pope", "job: no user is 'pope', there are other, .*, writer; name one of them"),
        (JOB, "stu", "job: no user is 'stu', near are college/grad student, K-12 student"),
        (HOBBY, "", "hobby: no user is '', there are golf, chess"),
    ],
)
def test_what_training_did_not_know_is_refused(attribute, text, words):
    fix = attribute.name if attribute in MOVIELENS else "user_attribute"
    with refused(QueryError, words.replace("|", r"\|"), fix=fix):
        attribute.rows_of(text)


def test_attributes_come_back_from_json():
    for each in (*MOVIELENS, HOBBY, INCOME):
        assert Attribute.from_json(json.loads(json.dumps(asdict(each)))) == each
