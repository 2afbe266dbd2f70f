"""What several processes of a training share out, they put together again."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from test_step import PLAIN, batches_of, small

from recsys.errors import ModelError
from recsys.training.ranks import Ranks

DROPPING = replace(PLAIN, drop_movie=0.3, drop_side=0.1, drop_user=0.3, cold_user_rate=0.2)


@dataclass(frozen=True)
class OneByOne(Ranks):
    """Processes that take turns: the last to add has everybody's numbers."""

    sent: list = field(default_factory=list)

    def add(self, tensors):
        self.sent.append([each.clone() for each in tensors])
        return [sum(each[1:], each[0]) for each in zip(*self.sent, strict=True)]


@pytest.mark.parametrize("processes", [2, 5])
@pytest.mark.parametrize("candidates", [8, 1000])
def test_processes_together_make_the_step_of_one(processes, candidates):
    options = replace(DROPPING, candidates=candidates)
    alone, sampler = small(options)
    kept: Any = None
    for number, batch in enumerate(batches_of(sampler, 0)[:3]):
        sent: list = []
        expected = alone(batch, np.random.default_rng(number))
        for rank in range(processes):
            step, _ = small(options, ranks=OneByOne(rank, processes, sent=sent))
            if kept:
                step.set_weights(kept[0])
                step.set_optimizer_state(*kept[1:])
            found = step(batch, np.random.default_rng(number))
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        for name, weight in alone.weights().items():
            np.testing.assert_allclose(step.weights()[name], weight, atol=1e-6, err_msg=name)
        kept = alone.weights(), alone.optimizer_state(), alone.number


def test_more_processes_than_users_of_a_step_are_refused():
    with pytest.raises(ModelError, match="5 processes for 4 users"):
        Ranks(0, 5).slice(4)
