"""The exported towers, loaded by Paddle alone."""

import subprocess
import sys
from pathlib import Path

import numpy as np

PLAIN = """
import sys
import numpy as np, paddle
asked = dict(np.load(sys.argv[2], allow_pickle=False))
def vectors(name, *inputs):
    tower = paddle.jit.load(f"{sys.argv[1]}/{name}")
    heads = tower(*[paddle.to_tensor(asked[each]) for each in inputs])
    return np.concatenate([head.numpy() for head in heads], 1)
users = vectors("user_tower", "user", "gender", "age", "job", "history", "rating")
movies = vectors("movie_tower", "movie", "genres", "title")
assert not [name for name in sys.modules if name.split(".")[0] == "recsys"]
np.savez(sys.argv[3], users=users, movies=movies)
"""


def plain_paddle(model: Path, scratch: Path, **asked: np.ndarray) -> dict[str, np.ndarray]:
    """What the exported towers answer, loaded by Paddle alone in a process of its own."""
    np.savez(scratch / "asked.npz", **asked)
    answer = scratch / "answer.npz"
    subprocess.run(
        [sys.executable, "-I", "-c", PLAIN, str(model), str(scratch / "asked.npz"), str(answer)],
        check=True,
        timeout=120,
    )
    return dict(np.load(answer, allow_pickle=False))
