"""A service that stays up: what a query costs it, and what it answers while models come and go."""

import sys
from pathlib import Path

from command_line import output

COST = """
import dataclasses, sys, time
import recsys

model = recsys.load_model(sys.argv[1])
movies = recsys.catalogue(model)
more = [dataclasses.replace(movies, ids=movies.ids + n * 10**6) for n in range(20)]
exact = recsys.Recommender(model, type(movies).joined(more))

def ask(users, **how):
    for user in users:
        list(exact.recommend([recsys.UserQuery(user)], 10, **how))

ids = model.vocabulary.user_ids.tolist()[:100]
for how in {}, {"rank_by": "rating"}, {"choice": recsys.Choice(diversity=0.5)}:
    ask(ids[:5], **how)
    time.sleep(0.3)  # threads that have worked spin for a while
    every, own = time.process_time(), time.thread_time()
    ask(ids, **how)
    print(time.process_time() - every, time.thread_time() - own)
"""


def test_an_exact_query_is_the_work_of_one_thread_however_many_blas_has(folder):
    printed = output(
        *("-c", COST, str(folder.path.resolve())),
        cwd=Path(sys.prefix),
        OPENBLAS_NUM_THREADS="2",
        OMP_NUM_THREADS="2",
    )
    for line in printed.splitlines():
        every, own = map(float, line.split())
        assert every < 1.1 * own + 0.005
