"""Which of the best movies are taken: candidates, diversity, novelty, so many of a kind."""

from collections import Counter

import numpy as np
import pytest
from command_line import here, inside
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.errors import QueryError
from recsys.infer import UserQuery, catalogue
from recsys.serving.choice import Choice

FEW = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
USERS = [UserQuery(each) for each in (1, 7, 42)]


def asked(recommender, k=10, queries=USERS, **choice):
    return list(recommender.recommend(queries, k, choice=Choice(**choice)))


def by_hand(folder, answer, k, diversity, novelty):
    """The movies that are taken of the best 100, computed as it is told; all have genres."""
    movies = catalogue(folder).take([each.movie_id for each in answer])

    def cosine(one, other):
        a, b = {*answer[one].genres}, {*answer[other].genres}
        return len(a & b) / (len(a) * len(b)) ** 0.5

    ratings = Counter(folder.history.indices.tolist())
    counts = np.log([1 + ratings[row] for row in folder.vocabulary.movie_rows(movies.ids)])
    counts /= np.log(1 + max(ratings.values()))
    scores = np.array([each.score for each in answer])
    worth = (1 - novelty) * (scores - scores.min()) / np.ptp(scores) + novelty * (1 - counts)
    taken = []
    while len(taken) < k:
        near = [sum(cosine(n, t) for t in taken) / max(1, len(taken)) for n in range(len(answer))]
        value = (1 - diversity) * worth - diversity * np.array(near)
        value = value.round(5)  # of equal ones the best by score
        taken.append(max(set(range(len(answer))) - {*taken}, key=lambda n: (value[n], -n)))
    return [answer[each].movie_id for each in sorted(taken, key=lambda n: -worth[n])]


@given(st.sampled_from([0.1, 0.3, 0.7, 1.0]), st.sampled_from([0.0, 0.2, 1.0]))
@FEW
def test_movies_are_taken_as_the_formula_says(folder, exact, diversity, novelty):
    for query in USERS:
        (pool,) = exact.recommend([query], 100)
        (found,) = asked(exact, 8, [query], diversity=diversity, novelty=novelty)
        expected = by_hand(folder, pool, 8, diversity, novelty)
        assert [each.movie_id for each in found] == expected
        scores = {each.movie_id: each.score for each in pool}
        assert all(each.score == pytest.approx(scores[each.movie_id], abs=1e-6) for each in found)


def test_no_choice_is_bit_for_bit_the_plain_answer(exact):
    plain = list(exact.recommend(USERS, 10))
    assert asked(exact, diversity=0, novelty=0, max_per=()) == plain


@given(st.data())
@FEW
def test_only_candidates_are_ranked_and_excluded_movies_never_come(folder, exact, data):
    movies = st.lists(st.sampled_from(folder.movies.ids.tolist()), unique=True, max_size=30)
    only, exclude = data.draw(movies.filter(len)), data.draw(movies)
    every = [{m.movie_id: m for m in answer} for answer in exact.recommend(USERS, 1000)]
    for answer, ranked in zip(asked(exact, only=only, exclude=exclude), every, strict=True):
        fit = [each for each in ranked if each in {*only} - {*exclude}][:10]
        assert [each.movie_id for each in answer] == fit


@given(st.integers(1, 3), st.sampled_from(["genre", "year"]))
@FEW
def test_of_a_kind_come_at_most_so_many_and_the_list_is_full(exact, most, name):
    for answer in asked(exact, max_per=[(name, most)], diversity=0.1):
        kinds = Counter(
            value for each in answer for value in (each.genres if name == "genre" else [each.year])
        )
        assert max(kinds.values()) <= most
        assert len(answer) == 10 or (name == "genre" and most < 3)


def test_what_movies_do_not_have_and_numbers_out_of_range_are_refused(exact):
    for wrong, says in (
        *(({"diversity": each}, "diversity") for each in (1.5, "much")),
        *(({"novelty": each}, "novelty") for each in (-1, float("nan"))),
        ({"max_per": [("colour", 1)]}, "movies have no 'colour'"),
        ({"only": [987654]}, "movie 987654 is not published"),
    ):
        with pytest.raises(QueryError, match=says):
            asked(exact, **wrong)


def test_choices_at_the_prompt(trained, tmp_path):
    (tmp_path / "ids").write_text("movie_id\n1\n2\n3\n186\n")
    with inside(trained.place):
        line = ("recommend", "-u", 42, "--format", "csv", "-k", 3)
        only = here(*line, "--only", tmp_path / "ids").stdout
        assert {row.split(",")[2] for row in only.splitlines()[1:]} <= {"1", "2", "3", "186"}
        first = here(*line).stdout.splitlines()[1].split(",")[2]
        left = here(*line, "--exclude", first, "--exclude", "5,6").stdout
        assert f",{first}," not in left
        for given in ("left.txt", "1,left.txt"):
            refused = here(*line, "--exclude", given, code=1).stderr
            assert f"'{given}' is no file, and 'left.txt' no movie id" in refused
        done = here(*line, "--only", "1,2,999999", code=3)
        assert "movie 999999 is not one" in done.stderr
        assert "1 of 3 left out" in done.stderr
        assert "genre, year" in here(*line, "--max-per", "colour=1", code=2).stderr
        here(*line, "--max-per", "genre", code=2)
        many = here("recommend", "--users", "all", "-k", 3, "--diversity", 0.5, "--exact").stdout
        assert len(many.splitlines()) == 308
