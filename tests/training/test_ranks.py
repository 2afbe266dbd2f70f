"""What several processes of a training share out, they put together again."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from test_step import PLAIN, batches_of, small

from recsys.errors import ModelError
from recsys.model import paddle
from recsys.training.ranks import Ranks

DROPPING = replace(PLAIN, drop_movie=0.3, drop_side=0.1, drop_user=0.3, cold_user_rate=0.2)


@dataclass(frozen=True)
class Threads(Ranks):
    """Processes that are threads, and put down in `sent` what they send."""

    sent: Any = None
    all_here: Any = None  # a barrier

    def add(self, tensors):
        self.sent[self.rank] = [each.numpy() for each in tensors]
        self.all_here.wait(60)
        sums = [sum(each) for each in zip(*(self.sent[n] for n in range(self.size)), strict=True)]
        self.all_here.wait(60)
        return [paddle.to_tensor(each) for each in sums]


@pytest.mark.parametrize("processes", [2, 5])
@pytest.mark.parametrize("candidates", [8, 1000])
def test_processes_together_make_the_step_of_one(processes, candidates):
    options = replace(DROPPING, candidates=candidates)
    alone, sampler = small(options)
    shared: Any = {}, threading.Barrier(processes)
    ranks = [Threads(n, processes, (), *shared) for n in range(processes)]
    steps = [small(options, ranks=each)[0] for each in ranks]
    with ThreadPoolExecutor(processes) as pool:
        for number, batch in enumerate(batches_of(sampler, 0)[:3]):
            rngs = [np.random.default_rng(number) for _ in range(processes + 1)]
            expected = alone(batch, rngs.pop())
            for found in pool.map(lambda step, rng, now=batch: step(now, rng), steps, rngs):
                np.testing.assert_allclose(found, expected, rtol=1e-5)
            for name, weight in alone.weights().items():
                for step in steps:
                    np.testing.assert_allclose(step.weights()[name], weight, atol=1e-6)


def test_more_processes_than_users_of_a_step_are_refused():
    with pytest.raises(ModelError, match="5 processes for 4 users"):
        Ranks(0, 5).slice(4)


def test_processes_meet_unless_one_has_ended():
    ends = socket.socketpair()
    first, second = (Ranks(n, 2, (end,)) for n, end in enumerate(ends))
    with ThreadPoolExecutor() as pool:
        for found in [pool.submit(first.meet), pool.submit(second.meet)]:
            found.result(60)
    ends[1].close()
    ended = pytest.raises(ModelError, match="process 0 of 2: another has ended")
    with ended, first.ending_together():
        first.meet()
