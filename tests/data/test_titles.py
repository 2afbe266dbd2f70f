"""Movies by what is typed."""

import re

import pytest
from command_line import SAMPLE, refused
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.data.titles import Titles, UnknownMovie
from recsys.errors import DataError
from recsys.preprocess import read_movies

MOVIES = read_movies(SAMPLE / "movies.dat")
IDS = MOVIES.ids.tolist()
SAMPLED = Titles(IDS, MOVIES.titles)
LINES = """
10 Hamlet (1996)
20 Hamlet (1990)
30 300 (2006)
40 2001: A Space Odyssey (1968)
50 Blade Runner (1982)
60 Blade (1998)
70 Alien (1979)
80 Aliens (1986)
90 Batman & Robin (1997)
100 American in Paris, An (1951)
120 Die Hard: With a Vengeance (1995)
1995 Seven (a.k.a. Se7en) (1995)
300 1917 (2019)
1917 Intolerance (1916)
400 E.T. the Extra-Terrestrial (1982)
410 Ma vie en rose (My Life in Pink) (1997)
420 Jules et Jim (1962)
430 Twelve Monkeys (1995)
440 12 Angry Men (1957)
450 Secrets & Lies (1996)
460 Schindler's List (1993)
470 Godfather, The (1972)
480 Godfather: Part II, The (1974)
490 One Flew Over the Cuckoo's Nest (1975)
500 Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb (1963)
510 Star Wars (1977)
520 Heat (1995)
530 Apollo 13 (1995)
540 Die Hard (1988)
"""
CELLS = [line.split(" ", 1) for line in LINES.strip().splitlines()]
HAND_MADE = {int(movie_id): title for movie_id, title in CELLS}


def in_sample(text):
    return MOVIES.titles[IDS.index(SAMPLED.find(text))]


def in_hand_made(text):
    return Titles([*HAND_MADE], [*HAND_MADE.values()]).find(text)


@pytest.mark.parametrize(
    ("title", "typed"),
    [
        ("Toy Story (1995)", ["Toy Story (1995)", "toy story"]),
        ("Misérables, Les (1995)", ["les miserables", "miserables"]),
        ("Nightmare Before Christmas, The (1993)", ["nightmare before christmas"]),
        ("Spirited Away (Sen to Chihiro no kamikakushi) (2001)", ["sen to chihiro no kamikakushi"]),
        ("Fifth Element, The (Cinquième élément, Le) (1997)", ["le cinquieme element"]),
        ("Shawshank Redemption, The (1994)", ["shawshank"]),
        ("Pan's Labyrinth (Laberinto del fauno, El) (2006)", ["Pan’s Labyrinth"]),
    ],
)
def test_titles_as_they_are_typed(title, typed):
    assert {in_sample(text) for text in typed} == {title}


@pytest.mark.parametrize(
    ("movie_id", "typed"),
    [
        (10, ["10", "hamlet 1996"]),  # 10 is an id, where there is such a movie
        (20, ["hamlet (1990)"]),
        (30, ["30", "300 (2006)"]),
        *((300, ["ID:300"]), (1917, ["id:1917"]), (1995, ["seven", "se7en"])),
        *((60, ["blade"]), (70, ["alien"])),  # a full name goes before the beginning of another
        *((90, ["batman and robin"]), (100, ["an american in paris"]), (430, ["12 monkeys"])),
        *((450, ["secrets and lies"]), (460, ["schindlers list"]), (490, ["one flew over"])),
        *((470, ["godfather", "godfather, the"]), (500, ["doctor strangelove"])),
        *((510, ["starwars"]), (520, ["heat 1995"]), (540, ["die hard"])),
    ],
)
def test_ids_and_titles(movie_id, typed):
    assert {in_hand_made(text) for text in typed} == {movie_id}


def test_what_is_no_movie_is_refused_in_one_line():
    others = "id:301", "the heat", "hamlet 2000", "hamlet (2000)", "la vie en rose"
    for typed in (*others, "   ", "(1990)", "!!!"):
        with refused(UnknownMovie):
            in_hand_made(typed)


def test_an_ambiguous_title_lists_the_movies_with_their_ids_the_most_rated_first():
    rated = {movie_id: 40 if movie_id == 20 else 3 for movie_id in HAND_MADE}
    with pytest.raises(DataError, match=r"Hamlet \(1990\) = 20, Hamlet \(1996\) = 10"):
        Titles([*HAND_MADE], [*HAND_MADE.values()], lambda: rated).find("hamlet")
    titles = [f"Police Academy {n} (19{80 + n})" for n in range(14)]
    with pytest.raises(DataError, match=r"and 4 more; give title and year, or the id as id:100"):
        Titles(range(100, 114), titles).find("police academy")


@pytest.mark.parametrize(
    ("typed", "listed"),
    [
        ("hamlet", "may be Hamlet (1996) = 10, Hamlet (1990) = 20; give title and year, or the id"),
        ("300", "may be 300 (2006) = 30, 1917 (2019) = 300"),  # a title, and an id
        ("ET", "may be E.T. the Extra-Terrestrial (1982) = 400, Jules et Jim (1962) = 420"),
        ("12", "may be Twelve Monkeys (1995) = 430, 12 Angry Men (1957) = 440"),
        ("godfather 2", "may be Godfather: Part II, The (1974) = 480"),
        ("cuckoos nest", "may be One Flew Over the Cuckoo's Nest (1975) = 490"),
        ("vengeance", "may be Die Hard: With a Vengeance (1995) = 120"),
        ("apollo", "may be Apollo 13 (1995) = 530"),
        ("hard", "may be Die Hard: With a Vengeance (1995) = 120, Die Hard (1988) = 540"),
        ("star warz", "is called 'star warz', near are Star Wars (1977) = 510"),
        ("Aliens (1996)", "is called 'Aliens (1996)', near are Aliens (1986) = 80"),
        ("godfathr", "is called 'godfathr', near are Godfather, The (1972)"),
    ],
)
def test_what_may_be_another_movie_is_a_question_and_near_misses_are_named(typed, listed):
    with pytest.raises(DataError, match=re.escape(listed)):
        in_hand_made(typed)


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=30))
def test_whatever_is_typed_is_a_movie_or_our_error(text):
    try:
        assert in_hand_made(text) in HAND_MADE
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017
