"""The fusion model: a user tower and a movie tower in Paddle, two heads on each.

Shapes: B users or movies, M movies, D numbers per head, L rated movies, G genres, T title words.
The last axis of every vector holds [retrieval | rating], D numbers each; each half has length 1.
Of events there is the retrieval head alone: W heads, 2 or 1.
`recsys.parts.heads` computes the user's from the folded tables; a test holds the two equal.
"""

import os
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Vocabulary
from recsys.data.files import interrupts_wait
from recsys.data.ids import PADDING
from recsys.data.scale import LIKED, NEUTRAL_RATING
from recsys.options import Options
from recsys.parts.heads import EVENT, channels_of, heads

with suppress(OSError):  # Paddle's MKL does not make use of AVX2 on AMD's processors: twice as fast
    about = Path("/proc/cpuinfo").read_text()
    if "AuthenticAMD" in about and "avx2" in about:
        os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")
os.environ.setdefault("KMP_BLOCKTIME", "1")  # ms that threads spin: the usual 200 take a third more
os.environ.setdefault("GLOG_minloglevel", "2")  # Paddle warns of its own internals at export
warnings.filterwarnings("ignore", message="No ccache found")
_threads = os.environ.get("OMP_NUM_THREADS")
with interrupts_wait(last=False):  # Paddle makes errors of its own of them
    import paddle
    from paddle import nn
    from paddle.static import InputSpec

if _threads is None:  # then Paddle has set it to 1, for the processes started from this one too
    os.environ.pop("OMP_NUM_THREADS", None)


MOST = 1 << 26  # numbers of an embedding, which training holds five times

Tensor = paddle.Tensor
Vectors = tuple[Tensor, ...]  # of the retrieval and the rating head


def parameter(*shape: int, spread: float) -> Tensor:
    initial = nn.initializer.Normal(0.0, spread) if spread else nn.initializer.Constant(0.0)
    return paddle.create_parameter(list(shape), "float32", default_initializer=initial)


def unit(vectors: Tensor) -> Tensor:
    """(..., D) brought to length 1; `F.normalize` takes nine times as long on a CPU."""
    return vectors * paddle.rsqrt(paddle.square(vectors).sum(-1, keepdim=True) + 1e-12)


def unit_heads(vectors: Tensor, heads: int) -> Vectors:
    """(B, W D) to the unit vectors (B, D) of the heads."""
    every = paddle.split(vectors, heads, axis=-1)  # the gradient of slices takes longer
    return tuple(map(unit, every))


def each(rows: Tensor, bias: Tensor) -> Tensor:
    """(B, K) a bias (K,) for each of (B,) rows; as a product its gradient takes a third as long."""
    return paddle.cast(rows >= 0, "float32").unsqueeze(1) @ bias.unsqueeze(0)


class Embedded(nn.Layer):
    """An embedding and the fully connected layer behind it, to all heads at once."""

    def __init__(self, rows: int, size: int, width: int) -> None:
        super().__init__()
        size = max(1, min(size, MOST // max(1, rows)))
        self.embedding = parameter(rows + 1, size, spread=0.05)
        self.weight = parameter(size, width, spread=size**-0.5)

    def table(self) -> Tensor:
        """(rows + 1, W D): every row through its layer."""
        return self.embedding @ self.weight

    def forward(self, rows: Tensor) -> Tensor:
        """(B,) rows to (B, W D), or (B, R) rows, PADDING behind the last, to the mean of each."""
        if rows.ndim == 1 and rows.shape[0] + 1 < self.embedding.shape[0]:
            return paddle.gather(self.embedding, rows) @ self.weight
        if rows.ndim == 1:  # as many rows as there are: of a table half as wide
            return paddle.gather(self.table(), rows)
        there = paddle.cast(rows >= 0, "float32").unsqueeze(-1)  # (B, R, 1)
        each = nn.functional.embedding(paddle.clip(rows, min=0), self.embedding) * there
        return each.sum(1) / paddle.clip(there.sum(1), min=1) @ self.weight


class UserTower(nn.Layer):
    """User id, attributes and what was rated before, each through its layer, added."""

    def __init__(self, vocabulary: Vocabulary, options: Options, rated: bool = True) -> None:
        super().__init__()
        self.channels, self.attributes = channels_of(rated), vocabulary.users
        self.heads, size = heads(self.channels), options.side_size
        width, movies = self.heads * options.dimension, len(vocabulary.movie_ids)
        self.user = Embedded(len(vocabulary.user_ids), options.id_size, width)
        self.sides = nn.LayerList([Embedded(a.size, size, width) for a in self.attributes])
        for name in self.channels:
            setattr(self, name, parameter(movies + 1, width, spread=0.01))
        self.bias = parameter(width, spread=0.05)

    def profile(self, user: Tensor, sides: Sequence[Tensor]) -> Tensor:
        """(B, W D) not yet of unit length, history not yet added; row 0 is unknown."""
        known = [layer(side) for layer, side in zip(self.sides, sides, strict=True)]
        return self.user(user) + sum(known) + self.bias

    @paddle.jit.not_to_static  # no branch needs to be in the graph
    def forward(
        self,
        user: Tensor,
        sides: Sequence[Tensor],
        history: Tensor,
        recency: Tensor,
        ratings: Tensor | None = None,
    ) -> Vectors:
        """Unit vectors (B, D) of the retrieval and the rating head.

        Args:
            user: (B,) int64 rows.
            sides: of each attribute (B,) int64 rows, or (B, R) of several categories.
            history: (B, L) int64 rows of rated movies, 0 behind the last.
            recency: (B, L) float32 what each weighs, see `recsys.data.interactions`.
            ratings: (B, L) float32 how they were rated; of events there are none.
        """
        found = paddle.split(self.profile(user, sides), self.heads, axis=-1)
        seen, kinds = paddle.cast(history > 0, "float32"), [paddle.full([], EVENT)]
        if ratings is not None:
            liked = paddle.cast(ratings >= LIKED, "float32")
            kinds = [liked, paddle.ones([]), ratings - NEUTRAL_RATING]  # of CHANNELS
        for head, shown in enumerate((seen * recency, seen)[: self.heads]):
            for name, kind in zip(self.channels, kinds, strict=True):
                table = paddle.split(getattr(self, name), self.heads, axis=-1)[head]
                rows, weights = nn.functional.embedding(history, table), shown * kind  # (B, L, D)
                count = paddle.abs(weights).sum(1, keepdim=True)
                total = (weights.unsqueeze(-1) * rows).sum(1) * paddle.rsqrt(count + 1)
                found[head] = found[head] + total
        return tuple(map(unit, found))


class Windows(NamedTuple):
    """The windows of three words of C titles, or other texts, ragged: only words that are there.

    Titles are short and of unequal length; padding them costs the text CNN five times as much.
    """

    rows: Tensor  # (3 N,) int64 of words, from 1; 1 is an unknown one, 0 beside the ends
    texts: Tensor  # (N,) int64 the text of each window
    counts: Tensor  # (C, 1) float32 words of each text

    @classmethod
    def of(cls, rows: Tensor) -> "Windows":
        """Args: rows: (C, T) int64 of words, PADDING behind the last."""
        words = paddle.cast(rows >= 0, "float32")
        text, column = paddle.unbind(paddle.nonzero(words), 1)  # (N,) each
        beside = 0 * rows[:, :1] + PADDING
        around = paddle.concat([beside, rows, beside], 1)
        places = [paddle.stack([text, column + n], 1) for n in range(3)]
        window = paddle.stack([paddle.gather_nd(around, each) for each in places], 1).flatten()
        return cls(window - PADDING, text, words.sum(1, keepdim=True))

    def of_texts(self, some: slice) -> "Windows":
        """Of a run of the texts."""
        first, last = np.searchsorted(self.texts.numpy(), (some.start, some.stop)).tolist()
        texts = self.texts[first:last] - some.start
        return Windows(self.rows[3 * first : 3 * last], texts, self.counts[some])


class TextCNN(nn.Layer):
    """Words, three at a time, through a CNN, and the layer behind it, to all heads at once.

    What the windows say is summed of a title; of other texts, which may be long, it is the mean.
    """

    def __init__(self, words: int, options: Options, width: int, mean: bool = False) -> None:
        super().__init__()
        size, filters = options.side_size, options.filters
        self.word = parameter(words + 1, size, spread=0.05)
        self.window = parameter(3 * size, filters, spread=(3 * size) ** -0.5)
        self.bias = parameter(filters, spread=0.0)
        self.weight = parameter(filters, width, spread=filters**-0.5)
        self.mean = mean

    def forward(self, windows: Windows) -> Tensor:
        """(C, W D) of C texts."""
        table = paddle.concat([paddle.zeros([1, self.word.shape[1]]), self.word])
        words = nn.functional.embedding(windows.rows, table)  # (3 N, size)
        filtered = words.reshape([-1, self.window.shape[0]]) @ self.window
        filtered = filtered + each(windows.texts, self.bias)
        total = windows.counts * paddle.zeros([1, self.bias.shape[0]])
        total = paddle.index_add(total, windows.texts, 0, paddle.tanh(filtered))
        if self.mean:
            total = total / paddle.clip(windows.counts, min=1)
        return total @ self.weight


class MovieTower(nn.Layer):
    """Movie id, genres summed, texts through a text CNN, attributes' means: each by its layer."""

    def __init__(self, vocabulary: Vocabulary, options: Options, rated: bool = True) -> None:
        super().__init__()
        self.heads, size = heads(channels_of(rated)), options.side_size
        width = self.heads * options.dimension
        self.movie = Embedded(len(vocabulary.movie_ids), options.id_size, width)
        self.genre = Embedded(len(vocabulary.genres), size, width)
        self.title = TextCNN(len(vocabulary.words), options, width)
        self.bias = parameter(width, spread=0.0)
        self.attributes = vocabulary.movies
        self.sides = nn.LayerList()
        for each in vocabulary.movies:
            text = each.kind == "text"
            layer = TextCNN(each.size, options, width, True) if text else None
            self.sides.append(layer or Embedded(each.size, size, width))

    @paddle.jit.not_to_static  # no branch needs to be in the graph
    def forward(
        self, movie: Tensor, genres: Tensor, title: Tensor, sides: Sequence[Tensor] = ()
    ) -> Vectors:
        """Unit vectors (B, D) of the retrieval and the rating head.

        Args:
            movie: (B,) int64 rows.
            genres: (B, G) int64 rows, -1 behind the last.
            title: (B, T) int64 rows of words, -1 behind the last.
            sides: of each attribute (B, R) int64 rows, -1 behind the last.
        """
        has_genre = paddle.cast(genres >= 0, "float32").unsqueeze(-1)
        each = nn.functional.one_hot(paddle.clip(genres, min=0), self.genre.embedding.shape[0])
        return self.catalogue(movie, (each * has_genre).sum(1), Windows.of(title), sides)

    def catalogue(
        self, movie: Tensor, genres: Tensor, title: Windows, sides: Sequence[Tensor] = ()
    ) -> Vectors:
        """`forward` as training has it: genres as (B, genres + 1) ones, titles as windows."""
        total = self.movie(movie) + each(movie, self.bias)
        for layer, side in zip(self.sides, sides, strict=True):
            total = total + layer(Windows.of(side) if isinstance(layer, TextCNN) else side)
        total = total + genres @ self.genre.table()
        return unit_heads(total + self.title(title), self.heads)


def folded(users: UserTower) -> dict[str, NDArray[np.float32]]:
    """The user tower as the tables that `recsys.parts.heads` reads."""
    with paddle.no_grad():
        tables = {"user": users.user.table()}
        sides = zip(users.attributes, users.sides, strict=True)
        tables |= {f"user_{attribute.name}": layer.table() for attribute, layer in sides}
        tables |= {name: getattr(users, name) for name in ("bias", *users.channels)}
        return {name: np.ascontiguousarray(table.numpy()) for name, table in tables.items()}


def export(users: UserTower, movies: MovieTower, folder: Path) -> dict[str, list[list[Any]]]:
    """Writes both towers so that `paddle.jit.load` and Paddle Inference run them without us.

    Returns:
        by tower its inputs in their order: name, type, and shape (-1 for any size).
    """

    def rows(name: str, axes: int = 2, dtype: Any = "int64") -> InputSpec:
        return InputSpec([None] * axes, dtype, name)

    sides = [rows(a.name, 1 if a.width == 1 else 2) for a in users.attributes]
    numbers = [rows(name, dtype="float32") for name in ("recency", "ratings")[: users.heads]]
    of_users = [rows("user", 1), sides, rows("history"), *numbers]
    columns = [[rows(a.name) for a in movies.attributes]] if movies.attributes else []
    of_movies = [rows("movie", 1), rows("genres"), rows("title"), *columns]
    described = {}
    for name, tower, inputs in (("user", users, of_users), ("movie", movies, of_movies)):
        paddle.jit.save(tower, str(folder / f"{name}_tower"), input_spec=inputs)
        specs: Sequence[Any] = paddle.utils.flatten(inputs)
        described[f"{name}_tower"] = [
            [each.name, str(each.dtype).split(".")[-1].lower(), list(each.shape)] for each in specs
        ]
    return described
