"""evaluate on ratings of one's own, of models already trained, by groups and user by user."""

import json

import numpy as np
import pytest
from command_line import SAMPLE
from pyarrow import parquet

QUICK = ("--no-index", "--baselines", "popularity")


@pytest.fixture(scope="module")
def unseen(folder, tmp_path_factory):
    """Ratings of movies that users had not rated in training, and two that they had."""
    rng, known = np.random.default_rng(0), folder.vocabulary
    lines = ["user_id,movie_id,rating,timestamp"]
    for row in range(1, 61):
        rated = folder.history.of(row)[0]
        for movie in rng.choice(np.setdiff1d(np.arange(1, 339), rated), 4, replace=False):
            ids = known.user_ids[row - 1], known.movie_ids[movie - 1]
            lines.append(f"{ids[0]},{ids[1]},{rng.integers(1, 6)},978300000")
    lines += [f"1,{known.movie_ids[each - 1]},5,978300000" for each in folder.history.of(1)[0][:2]]
    lines.append("9999,1,5,978300000")  # a user whom the model does not know
    path = tmp_path_factory.mktemp("unseen") / "test.csv"
    path.write_text("\n".join(lines))
    return path


def test_trained_models_are_judged_by_groups_and_user_by_user(run, trained, unseen, tmp_path):
    line = ("--model", trained.model, "--compare", trained.model, "--test", unseen, *QUICK)
    groups = ("--by", "gender", "--by", "popularity", "--diversity", "0,0.9")
    done = run("evaluate", *line, *groups, "--format", "json", "-o", tmp_path / "u.parquet")
    assert "test: 2 ratings are among those trained on: left out" in done.stderr
    rows = json.loads(done.stdout)
    ours, other = rows[0], rows[3]
    assert (ours["name"], other["name"]) == ("recsys", trained.model.name)
    assert ours["metrics"] == other["metrics"]
    assert other["behind"] == other["rmse_behind"] == {"value": 0, "low": 0, "high": 0}
    by_name = {row["name"]: row for row in rows}
    parts = [f"gender {each}" for each in ("M", "F", "unknown")]
    parts += [f"popularity {each}" for each in ("high", "middle", "low")]
    assert [name[8:] for name in by_name if name[8:] in parts] == parts
    assert sum(by_name[f"recsys, {each}"]["users"] for each in parts[:3]) == ours["users"]
    assert by_name["recsys, gender unknown"]["users"] == 1
    plain, diverse = (
        row for row in rows if row["name"] == "recsys" and row["chosen"].startswith("diversity")
    )
    assert plain["metrics"]["ndcg@10"] == ours["metrics"]["ndcg@10"]
    assert diverse["metrics"]["distance@10"]["value"] > ours["metrics"]["distance@10"]["value"]
    users = parquet.read_table(tmp_path / "u.parquet").to_pylist()
    first = [each for each in users if [each["name"], each["chosen"]] == ["recsys", ours["chosen"]]]
    assert len(first) == 61
    ndcg = [each["ndcg@10"] for each in first if each["ndcg@10"] is not None]
    assert len(ndcg) == ours["users"]
    assert np.mean(ndcg) == pytest.approx(ours["metrics"]["ndcg@10"]["value"])
    table = run("evaluate", *line[:2], *line[4:]).stdout.splitlines()
    assert table[0].startswith("test, random, seed 0: ")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("--compare", "m"), "--compare goes with --model"),
        (("--model", "m"), "--model with --test"),
        (("--test", "t", "--protocol", "few-likes"), "--test takes --protocol random, user-time"),
        (("--model", "m", "--test", "t", "--epochs", 1), "--model goes without --epochs"),
        (("--diversity", "2"), "not in the range 0<=x<=1"),
    ],
)
def test_options_that_do_not_go_together_are_refused(run, line, said):
    assert said in run("evaluate", *line, code=2).stderr


def test_groups_that_nobody_is_in_and_ratings_that_are_known_are_refused(run, trained, unseen):
    line = ("evaluate", "--model", trained.model, *QUICK, "--test")
    said = run(*line, unseen, "--by", "city", code=2).stderr
    assert "no groups by 'city': users have no such attribute; name one of popularity" in said
    said = run(*line, unseen, "-o", "none/here.parquet", code=1)
    assert "none/here.parquet" in said.stderr
    assert "popularity" not in said.stderr  # before the work
    said = run(*line, SAMPLE, code=1).stderr
    assert "sample: all of its ratings are among those trained on" in said
