"""What the tables of a model folder mean changes with the number of its format, or not at all."""

import json

from pinned_model import ANSWERS, answers, differences, unpacked

from recsys.serving.model_folder import FORMAT

REMEDY = "raise FORMAT of recsys/serving/model_folder.py, then run: python tests/pinned_model.py"


def test_a_model_of_this_format_answers_as_when_the_format_was_made(tmp_path):
    stored = json.loads(ANSWERS.read_text())
    assert stored["format"] == FORMAT, REMEDY
    model = unpacked(tmp_path / "model")
    model.verify()
    changed = differences(stored["answers"], answers(model))
    assert changed == [], f"{changed}: the tables mean something else now: {REMEDY}"
