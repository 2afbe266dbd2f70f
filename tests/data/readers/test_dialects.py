"""Tables of every dialect become the one dataset, or fail with one clear line."""

import pytest
from dialects import BAD, GOOD, MOVIES, same
from families import put

from recsys.errors import DataError
from recsys.preprocess import read_dataset


@pytest.mark.parametrize("dialect", GOOD)
def test_a_dialect_is_read(tmp_path, dialect):
    name, data = GOOD[dialect]
    put(tmp_path, {name: data, "movies.csv": MOVIES.encode()})
    for path in (tmp_path, tmp_path / name):
        same(read_dataset(path, items=tmp_path / "movies.csv"))


@pytest.mark.parametrize("dialect", BAD)
@pytest.mark.parametrize("skip", [False, "all"])
def test_a_dialect_is_refused_in_one_line(tmp_path, dialect, skip):
    data, words = BAD[dialect]
    put(tmp_path, {"ratings.csv": data})
    with pytest.raises(DataError) as caught:
        read_dataset(tmp_path, skip_bad_lines=skip)
    message = str(caught.value)
    assert words in message
    assert message.startswith(f"{tmp_path / 'ratings.csv'}:")
    assert "\n" not in message
    assert len(message) < 400
    assert caught.value.remedy
