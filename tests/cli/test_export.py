"""Vectors for other tools: the score is an inner product of two of them."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from recsys.errors import QueryError
from recsys.infer import UserQuery, catalogue, item_vectors, user_vectors


@given(
    st.lists(st.integers(1, 308) | st.none(), min_size=1, max_size=4),
    st.sampled_from(["relevance", "rating", "tutorial"]),
)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_best_by_inner_product_are_the_recommended_ones(folder, exact, users, rank_by):
    queries, movies = [*map(UserQuery, users)], item_vectors(folder)
    found = user_vectors(folder, queries, rank_by)
    assert found.ids.tolist() == users
    assert found.names == movies.names
    assert len(found.names) == movies.vectors.shape[1]
    scores = found.vectors @ movies.vectors.T
    answers = exact.recommend(queries, 10, rank_by=rank_by, include_seen=True)
    for answer, row in zip(answers, scores, strict=True):
        best = np.sort(row)[::-1][:10]
        known = dict(zip(movies.ids.tolist(), row.tolist(), strict=True))
        np.testing.assert_allclose([known[each.movie_id] for each in answer], best, atol=1e-5)


def test_vectors_of_movies_are_those_published(folder):
    np.testing.assert_array_equal(item_vectors(folder).vectors, catalogue(folder).vectors)
    assert user_vectors(folder).ids.tolist() == folder.vocabulary.user_ids.tolist()
    with pytest.raises(QueryError, match="rank_by"):
        user_vectors(folder, rank_by="hope")


@pytest.mark.parametrize("ending", ["parquet", "npy"])
def test_export_for_other_tools(run, folder, tmp_path, ending):
    def read(path, key):
        if ending == "npy":
            records = np.load(path, allow_pickle=False)
            return records[key].tolist(), records["vector"]
        table = parquet.read_table(path)
        about = {name.decode(): text.decode() for name, text in table.schema.metadata.items()}
        assert about["model"] == folder.fingerprint
        assert json.loads(about["names"]) == folder.layout.names
        return table[key].to_pylist(), np.array(table["vector"].to_pylist(), np.float32)

    place = tmp_path / f"v.{ending}"
    done = run("export", "-o", place)
    assert done.stdout.startswith(f"{place}\t338 movies\t{folder.layout.size} numbers: ")
    ids, vectors = read(place, "movie_id")
    assert ids == folder.vocabulary.movie_ids.tolist()
    np.testing.assert_array_equal(vectors, item_vectors(folder).vectors)
    run("export", "-o", place, "--users", "all", "--rank-by", "rating")
    ids, vectors = read(place, "user_id")
    assert ids == folder.vocabulary.user_ids.tolist()
    np.testing.assert_allclose(vectors, user_vectors(folder, rank_by="rating").vectors, atol=1e-5)
    done = run("export", "-o", place, "--users", "-", input="7\n999\n3\n", code=3)
    assert "999" in done.stderr
    assert read(place, "user_id")[0] == [7, 3]
    assert "expected a name in .parquet or .npy" in run("export", "-o", "v.csv", code=2).stderr
    run("export", code=2)
    line = ("export", "-o", tmp_path / "w.npy", "--rank-by", "taste")
    assert "goes without --rank-by" in run(*line, code=2).stderr
    assert not (tmp_path / "w.npy").exists()
