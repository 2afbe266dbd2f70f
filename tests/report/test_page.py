"""The page of a report as text: complete, exact, harmless. What a browser makes of it is apart."""

import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import made_up
import pytest
from test_facts import EVALUATED

from recsys.report.page import page
from recsys.report.tables import markdown

pytest.importorskip("vl_convert", reason="needs recsys[report]")
StrictUndefined = pytest.importorskip("jinja2").StrictUndefined


class Seen(HTMLParser):
    """What a reader gets of a page: texts, numbers, and the tags."""

    def __init__(self, html):
        super().__init__()
        self.texts, self.numbers, self.tags, self.ids = "", [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        self.ids += [found["id"]] if "id" in found else []
        self.numbers += [float(found["value"])] if tag == "data" else []

    def handle_data(self, data):
        self.texts += data if self.cdata_elem is None else ""


def measured(found):
    """Every number within facts that is not a count."""
    if isinstance(found, dict | list):
        values = found.values() if isinstance(found, dict) else found
        return {number for each in values for number in measured(each)}
    return {found} if isinstance(found, float) and not found.is_integer() else set()


@pytest.fixture(scope="module")
def films():
    facts = made_up.compared()
    return facts, page(facts)


def test_every_number_that_was_measured_is_in_it_with_all_its_digits(films):
    facts, html = films
    for tail in facts["data"]["long_tail"].values():
        tail.pop("gini", None)  # the curve says it
    shown = set(Seen(html).numbers)
    for name in ("summary", "data", "training", "quality", "compare"):
        assert measured(facts[name]) - shown == set(), name
    counts = (facts["summary"][each] for each in ("ratings", "users", "items"))
    assert set(counts) <= shown


def test_the_command_writes_the_numbers_of_config_json_and_of_evaluate(run, folder, tmp_path):
    (tmp_path / "random.json").write_text(json.dumps(EVALUATED))
    run("report", "--evaluation", tmp_path / "random.json", "-o", tmp_path / "report.html")
    seen = Seen((tmp_path / "report.html").read_text("utf-8"))
    shown, made = set(seen.numbers), f"--model {folder.path.name}"
    assert (
        f"recsys train --data sample {made} --seed 0 --epochs 3 --set dimension=16\n" in seen.texts
    )
    line = "recsys evaluate --data sample --protocol random --seeds 0 --format json > random.json\n"
    assert f"{line}recsys report {made} --evaluation random.json\n" in seen.texts
    config = folder.config
    assert {*config["validation"].values(), *config["seconds"].values()} <= shown
    plain = [row["metrics"] for row in EVALUATED if row["by"] == ""]
    assert {each["ndcg@10"][end] for each in plain for end in ("value", "low", "high")} <= shown


def test_sections_come_in_order_and_only_those_of_which_something_is_known(films):
    _, html = films
    every = ["summary", "compare", "data", "training", "quality", "map", "users", "card"]
    assert re.findall(r'<section id="(\w+)"', html) == every
    bare = page(made_up.things())
    assert re.findall(r'<section id="(\w+)"', bare) == [
        e for e in every if e not in ("compare", "quality")
    ]
    seen = Seen(bare).texts
    for word in ("movie", "genre", "decade", "rated", "rmse", "star", "{{", "None", "Undefined"):
        assert not re.search(rf"\b{word}", seen), word
    assert "25% of the users have fewer than 5 events" in " ".join(seen.split())
    assert "12,345 events of 60 items" in " ".join(seen.split())


def test_words_of_tables_axes_and_tooltips_follow_the_data():
    facts = made_up.films()
    facts["words"] = made_up.things()["words"]  # events with genres and times
    html = page(facts)
    names = re.findall(r'aria-label="(.*?)"', html)
    names += re.findall(r"<th.*?>(.*?)</th>", html)
    assert "events: 902; genre: Drama" in names
    names += [each.strip() for each in markdown(facts).split("|")]
    wrong = re.compile(r"\bratings?: \d|'ratings?'|^ratings?$")
    assert [name for name in names if wrong.search(name)] == []


def test_the_page_asks_for_no_key_that_facts_do_not_have(monkeypatch):
    monkeypatch.setattr("vl_convert.vegalite_to_svg", lambda spec: "<svg></svg>")
    monkeypatch.setattr("jinja2.ChainableUndefined", StrictUndefined)  # raises where it is used
    assert "because of" in page(made_up.compared())


def test_titles_are_text_and_nothing_in_them_ends_or_begins_markup(films):
    _, html = films
    seen = Seen(html)
    assert [tag for tag, _ in seen.tags if tag == "script"] == ["script"] * 2
    assert not [tag for tag, _ in seen.tags if tag in ("img", "link", "iframe", "object", "base")]
    assert not [a for _, found in seen.tags for a in found if a.startswith("on") or a == "style"]
    assert "\x1b" not in html
    assert "<!--" not in html


def test_it_names_no_address_and_forbids_to_load_any(films):
    _, html = films
    addresses = set(re.findall(r"https?://[^\"' )]+", html))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}  # names
    (policy,) = [f["content"] for _, f in Seen(html).tags if "http-equiv" in f]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy


def test_headings_captions_and_names_are_what_a_screen_reader_needs(films):
    _, html = films
    seen = Seen(html)
    levels = [int(tag[1]) for tag, _ in seen.tags if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    tags = [tag for tag, _ in seen.tags]
    assert tags.count("table") == tags.count("caption") > 10
    assert all("scope" in found for tag, found in seen.tags if tag == "th")
    assert len(seen.ids) == len(set(seen.ids))
    named = [found for _, found in seen.tags if found.get("role") in ("img", "application")]
    assert all(found.get("aria-label") for found in named)
    links = [found["href"][1:] for tag, found in seen.tags if tag == "a"]
    assert set(links) <= set(seen.ids)


def test_ten_thousand_movies_fit_in_six_megabytes():
    facts = made_up.films()
    facts["map"] = made_up.of_map(10_000, films=True)
    assert len(page(facts).encode()) < 6_000_000


KNOWN = {  # of every report; what else there is nothing of is absent
    "summary": {"data", "ratings", "users", "items", "model", "fingerprint"},
    "map": {"id", "title", "x", "y", "count", "nearest", "cosine", "shown", "of", "about"},
    "compare": {"a", "b"},
    "users": {"ratings"},
}


@pytest.mark.slow  # a page for every key
def test_whatever_there_is_nothing_of_is_left_out(monkeypatch):
    monkeypatch.setattr("vl_convert.vegalite_to_svg", lambda spec: "<svg></svg>")
    whole = made_up.compared()
    parts = [(name, each) for name, each in whole.items() if name not in ("words", "users")]
    parts += [("users", user) for user in whole["users"]]
    parts += [("quality", each) for each in whole["quality"]["protocols"]]
    for name, part in parts:
        for key in set(part) - KNOWN.get(name, set()) - {"rows", "metrics", "protocol", "about"}:
            value = part.pop(key)
            assert "Undefined" not in page(whole), (name, key)
            part[key] = value
    for name in set(whole) - {"words", "summary"}:
        value = whole.pop(name)
        assert f'<section id="{name}"' not in page(whole)
        whole[name] = value
