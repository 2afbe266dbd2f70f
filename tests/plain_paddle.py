"""The exported towers, loaded by Paddle alone."""

import subprocess
import sys
from pathlib import Path

import numpy as np

PLAIN = """
import json, sys
import numpy as np, paddle
inputs = dict(np.load(sys.argv[2], allow_pickle=False))
def vectors(tower, *names):
    loaded = paddle.jit.load(f"{sys.argv[1]}/{tower}")
    heads = loaded(*[paddle.to_tensor(inputs[name]) for name in names])
    return np.concatenate([head.numpy() for head in heads], 1)
config = json.load(open(f"{sys.argv[1]}/config.json"))  # says which inputs, in which order
towers = {tower: [name for name, *_ in inputs] for tower, inputs in config["inputs"].items()}
users = vectors("user_tower", *towers["user_tower"])
movies = vectors("movie_tower", *towers["movie_tower"])
assert not [name for name in sys.modules if name.split(".")[0] == "recsys"]
np.savez(sys.argv[3], users=users, movies=movies)
"""


def plain_paddle(model: Path, scratch: Path, **inputs: np.ndarray) -> dict[str, np.ndarray]:
    """What the exported towers answer, loaded by Paddle alone in a process of its own."""
    np.savez(scratch / "inputs.npz", **inputs)
    answer = scratch / "answer.npz"
    subprocess.run(
        [sys.executable, "-I", "-c", PLAIN, str(model), str(scratch / "inputs.npz"), str(answer)],
        check=True,
        timeout=120,
    )
    return dict(np.load(answer, allow_pickle=False))
