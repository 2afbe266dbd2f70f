"""What a report says is what the model, config.json and evaluate's JSON say."""

import json
import re
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest
from command_line import ROOT, SAMPLE, here

from recsys.errors import DataError
from recsys.evaluation import PROTOCOLS
from recsys.evaluation.compare import Row
from recsys.infer import Recommender, UserQuery, catalogue
from recsys.parts import PARTS
from recsys.report.evaluations import rows_of
from recsys.report.facts import SECTIONS, facts
from recsys.report.shapes import gini, tail
from recsys.report.tables import markdown
from recsys.serving.model_folder import Model, load_model

HOSTILE = "<script>alert(1)</script> \"'&|`*_#@me \x1b[31m"


def interval(value):
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def row(name, ndcg, rmse=None, **more):
    """One of evaluate's JSON."""
    metrics = {"ndcg@10": interval(ndcg)} | ({"rmse": interval(rmse)} if rmse else {})
    about = dict.fromkeys(each for each in Row._fields if each != "per_user")
    about |= {"protocol": "random", "seed": 0, "name": name, "chosen": "", "metrics": metrics}
    return about | {"users": 50, "left_out": 2, "by": "", "group": "", "calibration": {}} | more


TENTHS = {"1": {"predicted": 2.0, "rated": 2.5, "count": 9}}
EVALUATED = [
    row("recsys", 0.3, 0.9, chosen="epoch 2", coverage=0.5, calibration=TENTHS),
    row("recsys by rating", 0.1),
    row("old.model", 0.28, 0.91, behind=interval(0.02), rmse_behind=interval(0.01)),
    row("recsys", 0.29, chosen="diversity 0.3"),
    row("popularity", 0.2, behind=interval(0.1)),
    row("recsys in Milvus", 0.3, chosen="FLAT"),
    row("recsys, gender F", 0.25, 1.0, by="gender", group="F", users=20),
    row("popularity, gender F", 0.15, by="gender", group="F", users=20),
    row("recsys, gender F", 0.2, chosen="diversity 0.3", by="gender", group="F"),
]


@pytest.fixture(scope="module")
def said(folder):
    return facts(folder, evaluations=[EVALUATED])


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    """A model of events of a shop: text for ids, no ratings, titles, genres, years or times."""
    place, rng = tmp_path_factory.mktemp("events"), np.random.default_rng(0)
    pairs = [f"u{u},i{i}" for u in range(60) for i in rng.permutation(25)[:8]]
    (place / "bought.csv").write_text("\n".join(["user_id,item_id", *pairs]))
    options = ("--epochs", 1, "--set", "dimension=4", "--model", place / "model")
    here("train", "--data", place / "bought.csv", *options)
    return load_model(place / "model")


def test_the_summary_and_the_training_are_those_of_the_folder(said, folder):
    config, summary, training = folder.config, said["summary"], said["training"]
    for name in ("created", "epoch", "seed", "validation"):
        assert summary[name] == config[name]
    assert summary["data"] == "sample"
    assert summary["fingerprint"] == folder.fingerprint
    assert (summary["users"], summary["items"]) == (308, 338)
    lines = (folder.path / "training_log.jsonl").read_text().splitlines()
    for found, line in zip(training["epochs"], map(json.loads, lines), strict=True):
        assert found == {name: each for name, each in line.items() if name != "weights"}
    assert training["seconds"] == config["seconds"]
    assert training["weights"] == config["weights"]
    for known, about in config["choice"].items():
        rows = {each["part"]: each for each in training["choice"] if each["known"] == known}
        whole, weights = rows.pop("the sum")["ndcg@10"], config["weights"]["relevance"][known]
        assert {name: each["ndcg@10"] for name, each in rows.items()} == about["alone"]
        assert [each["weight"] for each in rows.values()] == [weights.get(name) for name in rows]
        assert whole == about["ndcg@10"] >= max(about["alone"].values()) - 1e-9
    assert {each["name"]: each["size"] for each in training["slices"]} == config["layout"]
    assert sum(each["share"] for each in training["slices"]) == pytest.approx(1)
    assert {"dimension", "epochs"} <= {each["name"] for each in training["options"]}


def test_the_data_are_those_that_inspect_counts(said, run):
    data = said["data"]
    found = json.loads(run("inspect", SAMPLE, "--json").stdout)
    assert data["summary"] == {name: found[name] for name in data["summary"]}
    assert data["histogram"] == found["histogram"]
    count = found["ratings"]
    assert sum(data["over_time"]["ratings"]) == count
    assert sum(data["over_time"]["new_users"]) == found["users_who_rated"]
    both = data["genre_decade"]
    for genre in data["genres"]:
        of = [
            n
            for name, n in zip(both["genre"], both["items"], strict=True)
            if name == genre["genre"]
        ]
        assert sum(of) == genre["items"]
    assert sum(each["ratings"] for each in data["decades"]) == count
    first = data["genres"][0]
    assert first["density"] == pytest.approx(first["ratings"] / first["items"] / 308)
    assert 1 <= first["mean"] <= 5
    assert data["long_tail"]["items"]["share"][-1] == pytest.approx(1)


def test_what_was_left_out_is_said_where_the_data_are_there(folder, run):
    found = json.loads(run("inspect", SAMPLE, "--json").stdout)
    found |= {"bad_lines": 3, "duplicates": 0, "unused": {"notes.txt": "no table"}}
    rows = facts(folder, found, only=("data",))["data"]["left_out"]
    held = folder.config["held_out"]["ratings"]
    assert [(each["what"], each["count"]) for each in rows] == [
        *(("bad lines", 3), ("held out", held), ("notes.txt", 0))
    ]


def test_the_quality_is_that_of_the_evaluation(said):
    (one,) = said["quality"]["protocols"]
    assert (one["protocol"], one["seeds"], one["users"], one["left_out"]) == ("random", [0], 50, 2)
    assert one["metrics"] == ["ndcg@10", "rmse"]
    by_name = {each["name"]: each for each in one["rows"]}
    assert [*by_name] == ["recsys", "recsys by rating", "old.model", "popularity"]
    assert by_name["recsys"]["metrics"] == EVALUATED[0]["metrics"]
    assert by_name["recsys"]["coverage"] == 0.5
    assert by_name["popularity"]["lead"] == {"ndcg@10": interval(0.1)}
    ours, others = one["groups"]
    about = {"by": "gender", "group": "F", "users": 20, "name": "recsys"}
    assert ours == {**about, "metrics": EVALUATED[6]["metrics"]}
    assert others["name"] == "popularity"
    assert one["calibration"] == [TENTHS["1"]]
    (diverse,), (index,) = one["diversity"], one["indexes"]
    assert (diverse["chosen"], diverse["metrics"]) == ("diversity 0.3", EVALUATED[3]["metrics"])
    assert (index["chosen"], index["metrics"]) == ("FLAT", EVALUATED[5]["metrics"])


def test_of_several_seeds_the_mean_is_said(folder):
    rows = [*EVALUATED, row("recsys", 0.5, seed=1), row("recsys", 0.4, seed=-1)]
    (one,) = facts(folder, evaluations=[rows], only=("quality",))["quality"]["protocols"]
    assert one["seeds"] == [0, 1]
    assert [each["metrics"]["ndcg@10"] for each in one["rows"]] == [interval(0.4)]
    assert one["calibration"][0]["count"] == 9


def test_the_map_has_all_movies_and_the_nearest_by_cosine(said, folder):
    found, movies = said["map"], catalogue(folder)
    assert found["id"] == movies.ids.tolist()
    assert found["title"] == movies.titles
    assert found["count"] == np.bincount(folder.history.indices, minlength=339)[1:].tolist()
    assert np.abs([found["x"], found["y"]]).max() == 1
    cosines = movies.vectors @ movies.vectors.T
    np.fill_diagonal(cosines, -1)
    for place in (0, 100, 337):
        best = np.sort(cosines[place])[::-1][:10]
        np.testing.assert_allclose(found["cosine"][place], best, atol=1e-3)
        np.testing.assert_allclose(cosines[place, found["nearest"][place]], best, atol=1e-5)
    again = facts(folder, only=("map",))["map"]
    assert again == found


def test_users_are_told_what_recommend_tells_them(said, folder):
    users = {each["kind"]: each for each in said["users"]}
    assert [*users] == ["active", "typical", "unusual", "cold"]
    assert users["active"]["ratings"] == folder.history.counts.max()
    ratings = [each["rating"] for each in users["active"]["history"]]
    assert ratings == sorted(ratings, reverse=True)
    for each in users.values():
        query = UserQuery(each.get("user_id"), each["attributes"])
        answers = Recommender(folder, catalogue(folder)).recommend([query], 10, explain=True)
        for found, movie in zip(each["recommendations"], *answers, strict=True):
            assert (found["movie_id"], found["title"]) == (movie.movie_id, movie.title)
            assert found["score"] == pytest.approx(movie.score, abs=1e-5)
            reasons = [reason.movie_id for reason in movie.why.reasons]
            assert [reason["movie_id"] for reason in found["why"].get("reasons", [])] == reasons
    assert users["cold"]["ratings"] == 0
    assert "history" not in users["cold"]


def test_texts_are_complete(said):
    assert said["card"]["licence"].startswith("invented data")
    assert "{" not in said["card"]["licence"] + said["words"]["about"]


def test_what_is_not_there_is_not_said(events):
    found = facts(events)
    assert found["words"] == {
        **{"item": "item", "items": "items", "rating": "event", "ratings": "events"},
        "rated": False,
        "about": "relevant are items taken among those held out",
    }
    assert {*found} == {*SECTIONS, "words"} - {"compare"}
    ids, near = found["map"]["id"], found["map"]["nearest"]
    movies = Recommender(events, catalogue(events)).store
    best = movies.search(movies.take(ids[:1]).vectors, 3, exclude=[np.array(ids[:1])])
    assert [ids[each] for each in near[0][:3]] == best.movie_ids[0].tolist()
    assert facts(events, other=events, only=["compare"])["compare"]["overlap"]["mean"] == 1
    data = found["data"]
    assert data.keys().isdisjoint(("histogram", "genres", "decades", "genre_decade", "over_time"))
    assert found["map"].keys().isdisjoint(("genres", "year"))
    assert {"users", "popularity"} <= {*found["quality"]["bias"]}
    assert found["quality"].keys() == {"bias"}
    assert "rating" not in found["users"][0]["history"][0]
    assert "rating" not in found["users"][0]["recommendations"][0]
    assert "movie" not in re.sub(r'"[^"]*movie[^"]*":', "", json.dumps(found))  # but as a key
    json.dumps(found, allow_nan=False)


def test_two_models_stand_side_by_side(folder, another_model, trained_shop, tmp_path):
    same = facts(folder, other=folder, only=("compare",))["compare"]
    assert same["overlap"] == {"users": 308, "k": 10, "mean": 1.0, "histogram": [0] * 10 + [308]}
    assert same["a"] == same["b"]
    assert "options" not in same
    for row in (*same["about"], *same["weights"]["history"]):
        assert row["A"] == row["B"], row
    other = load_model(trained_shop[0] / folder.path.name)
    rows = [
        {**each, "name": each["name"].replace("old.model", folder.path.name)} for each in EVALUATED
    ]
    found = facts(folder, evaluations=[rows], other=other, only=("compare",))["compare"]
    assert {"name": "dimension", "A": 16, "B": 8} in found["options"]
    assert found["b"]["items"] == 60
    assert [each["metric"] for each in found["difference"]] == ["ndcg@10", "rmse"]
    assert found["difference"][0]["a"] == interval(0.3)
    assert found["difference"][0]["b"] == interval(0.28)
    assert found["difference"][0]["lead"] == interval(0.02)


def test_hostile_texts_are_data_here_and_harmless_in_tables(shipped_once):
    hostile = replace(shipped_once.movies, titles=[HOSTILE, "b (1999)", "c"])
    config = {**shipped_once.config, "data": {"name": HOSTILE}}
    model = Model(config, shipped_once.vocabulary, hostile, shipped_once.arrays)
    found = facts(model, evaluations=[[row("recsys", 0.1, coverage=0.5), row(HOSTILE, 0.2)]])
    assert found["map"]["title"][0] == found["summary"]["data"] == HOSTILE
    text = markdown(found)
    assert "\x1b" not in text
    assert "<script" not in text
    assert "\\@me" in text
    assert "| &lt;script" in text
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        bars = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(bars) == 1, table


def test_tables_have_the_numbers_of_the_facts(said):
    text = markdown(said)
    for of in ("0.3000 [0.2900, 0.3100]", "gender", "**On validation**", "| movies | 338 |"):
        assert of in text
    for value in said["summary"]["validation"].values():
        assert f"{value:.4f}" in text
    for each in said["training"]["choice"]:
        assert f"{each['ndcg@10']:.4f}" in text
    assert "Toy Story" not in text


@pytest.mark.parametrize("text", ["", "{}", "[]", "[1]", '[{"name": "recsys"}]', "[" * 9999])
def test_what_is_no_evaluation_is_refused(text):
    with pytest.raises(DataError, match=r"e\.json: is not what recsys evaluate"):
        rows_of(text, "e.json")
    assert rows_of(json.dumps(EVALUATED), "e.json") == EVALUATED


def test_all_protocols_and_slices_have_words_and_all_keys_are_documented(said):
    words = json.loads(files("recsys.report").joinpath("words.json").read_text("utf-8"))
    assert [*words["protocols"]] == [*PROTOCOLS]
    assert {*words["slices"]} == {name for part in PARTS for name in part.slices}
    page = (ROOT / "docs" / "report.md").read_text("utf-8")
    for section, values in said.items():
        names = values if isinstance(values, dict) else values[0]
        assert [name for name in (section, *names) if name not in page] == []


def test_shapes_by_hand():
    found = tail(np.array([1, 0, 1, 2, 4]))
    assert found["share"][24::25] == pytest.approx([0.5, 0.75, 0.875, 1.0])
    assert len(found["rank"]) == len(found["share"]) == 100
    assert tail(np.zeros(3, int)) == {}
    assert gini(np.array([0, 0, 3])) == pytest.approx(2 / 3)


def test_the_command_prints_tables(run, folder, tmp_path, trained):
    (tmp_path / "e.json").write_text(json.dumps(EVALUATED))
    line = ("report", "--format", "md", "--evaluation", tmp_path / "e.json", "--data", SAMPLE)
    done = run(*line, "--compare", trained.model)
    assert done.stdout.startswith(f"## {folder.path.name.replace('_', chr(92) + '_')}, ")
    assert "0.3000 [0.2900, 0.3100]" in done.stdout
    assert "the other" not in done.stderr
    run("report", "-o", tmp_path / "r.md")
    assert (tmp_path / "r.md").read_text().startswith("## ")


@pytest.mark.parametrize(
    ("line", "said", "code"),
    [
        (("--model", "none"), "none: no config.json there; train first", 1),
        (("--compare", "none"), "none: no config.json there", 1),
        (("--evaluation", "none.json"), "none.json: No such file", 1),
        (("--evaluation", str(SAMPLE / "movies.dat")), "is not what recsys evaluate", 1),
        (("--data", "none"), "none", 1),
        (("-o", "none/r.md"), "none/r.md", 1),
        (("--set", "epochs=1"), "No such option '--set'", 2),
    ],
)
def test_what_is_wrong_is_said_in_a_line(run, line, said, code):
    done = run("report", "--format", "md", *line, code=code)
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_what_the_page_needs_and_the_tables_do_not_is_named(run, monkeypatch):
    monkeypatch.setattr("recsys.cli.check.find_spec", lambda name: None if name == "sklearn" else 1)
    said = run("report", "-o", "-", code=1).stderr
    assert "needs scikit-learn: not installed; pip install 'recsys[report]'" in said
    assert run("report", "-o", "-", "--format", "md").stdout.startswith("## ")
