"""The fusion model: a user tower and a movie tower in Paddle, two heads on each.

Shapes: B users or movies, M movies, D numbers per head, L rated movies, G genres, T title words.
The last axis of every vector holds [retrieval | rating], D numbers each; each half has length 1.
`recsys.parts.heads` computes the user's from the folded tables; a test holds the two equal.
"""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.dataset import Vocabulary
from recsys.data.movielens import LIKED, NEUTRAL_RATING
from recsys.data.schema import MOVIELENS, PADDING, Attributes
from recsys.parts.heads import CHANNELS


def _has_avx2_unrecognised() -> bool:
    """Whether this is an AMD processor with AVX2, which Paddle's MKL does not make use of."""
    try:
        with open("/proc/cpuinfo") as file:
            about = file.read(4096)
    except OSError:
        return False
    return "AuthenticAMD" in about and "avx2" in about


if _has_avx2_unrecognised():
    os.environ.setdefault("MKL_DEBUG_CPU_TYPE", "5")  # makes it: twice as fast
os.environ.setdefault("GLOG_minloglevel", "2")  # Paddle warns of its own internals at export
warnings.filterwarnings("ignore", message="No ccache found")
_threads = os.environ.get("OMP_NUM_THREADS")
import paddle  # noqa: E402
from paddle import nn  # noqa: E402
from paddle.static import InputSpec  # noqa: E402

if _threads is None:  # then Paddle has set it to 1, for the processes started from this one too
    os.environ.pop("OMP_NUM_THREADS", None)


@dataclass(frozen=True)
class Config:
    """The sizes of a model; they travel with it."""

    users: int
    movies: int
    words: int
    genres: int
    dimension: int = 64  # D: 64 to 256 made no clear difference
    id_size: int = 256  # of user and movie embeddings, the tutorial's
    side_size: int = 32  # gender, age, job, genre and word embeddings
    filters: int = 64  # of the text CNN, each over three words
    user_attributes: Attributes = MOVIELENS
    movie_attributes: Attributes = ()

    @classmethod
    def of(cls, vocabulary: Vocabulary, **sizes: int) -> "Config":
        v = vocabulary
        rows = len(v.user_ids), len(v.movie_ids), len(v.words), len(v.genres)
        return cls(*rows, **sizes, user_attributes=v.users, movie_attributes=v.movies)


def parameter(*shape: int, spread: float) -> paddle.Tensor:
    initial = nn.initializer.Normal(0.0, spread) if spread else nn.initializer.Constant(0.0)
    return paddle.create_parameter(list(shape), "float32", default_initializer=initial)


def unit(vectors: paddle.Tensor) -> paddle.Tensor:
    """(..., D) brought to length 1; `F.normalize` takes nine times as long on a CPU."""
    return vectors * paddle.rsqrt(paddle.square(vectors).sum(-1, keepdim=True) + 1e-12)


def unit_heads(vectors: paddle.Tensor) -> tuple[paddle.Tensor, paddle.Tensor]:
    """(B, 2 D) to the unit vectors of the retrieval and the rating head, (B, D) each.

    Split, not sliced: the gradient of a slice takes far longer.
    """
    retrieval, rating = paddle.split(vectors, 2, axis=-1)
    return unit(retrieval), unit(rating)


class Embedded(nn.Layer):
    """An embedding and the fully connected layer behind it, to both heads at once."""

    def __init__(self, rows: int, size: int, dimension: int) -> None:
        super().__init__()
        self.embedding = parameter(rows + 1, size, spread=0.05)
        self.weight = parameter(size, 2 * dimension, spread=size**-0.5)

    def table(self) -> paddle.Tensor:
        """(rows + 1, 2 D): every row through its layer."""
        return self.embedding @ self.weight

    def forward(self, rows: paddle.Tensor) -> paddle.Tensor:
        """(B,) rows to (B, 2 D), or (B, W) rows, PADDING behind the last, to the mean of each."""
        if rows.ndim == 1:
            return paddle.gather(self.embedding, rows) @ self.weight
        there = paddle.cast(rows >= 0, "float32").unsqueeze(-1)  # (B, W, 1)
        each = nn.functional.embedding(paddle.clip(rows, min=0), self.embedding) * there
        return each.sum(1) / paddle.clip(there.sum(1), min=1) @ self.weight


class UserTower(nn.Layer):
    """User id, attributes and what was rated before, each through its layer, added."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        d = config.dimension
        self.attributes = config.user_attributes
        self.user = Embedded(config.users, config.id_size, d)
        self.sides = nn.LayerList([Embedded(a.size, config.side_size, d) for a in self.attributes])
        for name in CHANNELS:
            self.add_parameter(name, parameter(config.movies + 1, 2 * d, spread=0.01))
        self.bias = parameter(2 * d, spread=0.05)

    def profile(self, user: paddle.Tensor, sides: Sequence[paddle.Tensor]) -> paddle.Tensor:
        """(B, 2 D) not yet of unit length, history not yet added; row 0 is unknown."""
        known = [self.sides[n](sides[n]) for n in range(len(self.attributes))]
        total = self.user(user)
        return (total + sum(known[1:], known[0]) if known else total) + self.bias

    def forward(
        self,
        user: paddle.Tensor,
        sides: Sequence[paddle.Tensor],
        history: paddle.Tensor,
        ratings: paddle.Tensor,
        recency: paddle.Tensor,
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Unit vectors (B, D) of the retrieval and the rating head.

        Args:
            user: (B,) int64 rows.
            sides: of each attribute (B,) int64 rows, or (B, W) of several categories.
            history: (B, L) int64 rows of rated movies, 0 behind the last.
            ratings: (B, L) float32 how they were rated.
            recency: (B, L) float32 what each weighs, see `recsys.data.interactions`.
        """
        total = self.profile(user, sides)
        recent = channel_sums(self, history, ratings, recency)
        alike = channel_sums(self, history, ratings, paddle.cast(history >= 0, "float32"))
        halves = paddle.split(recent, 2, axis=-1)[0], paddle.split(alike, 2, axis=-1)[1]
        return unit_heads(total + paddle.concat(halves, -1))


def channel_sums(
    tables: nn.Layer, history: paddle.Tensor, ratings: paddle.Tensor, recency: paddle.Tensor
) -> paddle.Tensor:
    """(B, V) what the history says, by the layer's (M + 1, V) table of each channel."""
    seen = paddle.cast(history > 0, "float32") * recency  # (B, L)
    liked = seen * paddle.cast(ratings >= LIKED, "float32")
    total = channel_sum(tables.liked, history, liked)
    total = total + channel_sum(tables.seen, history, seen)
    return total + channel_sum(tables.rated, history, seen * (ratings - NEUTRAL_RATING))


def channel_sum(
    table: paddle.Tensor, history: paddle.Tensor, weights: paddle.Tensor
) -> paddle.Tensor:
    """(B, V) the (B, L) movies' rows of an (M + 1, V) table, weighted by (B, L) and scaled."""
    count = paddle.abs(weights).sum(1, keepdim=True)
    rows = nn.functional.embedding(history, table)  # (B, L, V)
    return (weights.unsqueeze(-1) * rows).sum(1) * paddle.rsqrt(count + 1)


class Windows:
    """The windows of three words of every title, or other text, ragged: only words that are there.

    Titles are short and of unequal length; padding them costs the text CNN five times as much.
    """

    def __init__(self, rows: NDArray[np.int64]) -> None:
        """Args: rows: (C, T) int64 of words, PADDING behind the last."""
        around = np.pad(rows, ((0, 0), (1, 1)), constant_values=PADDING)
        text, place = np.nonzero(rows != PADDING)
        window = np.stack([around[text, place + step] for step in range(3)], 1)  # (N, 3)
        self.rows = np.maximum(window, 0).ravel()  # (3 N,)
        self.texts = len(rows)
        self.text = paddle.to_tensor(text)
        self.counts = paddle.to_tensor((rows != PADDING).sum(1, keepdims=True).astype(np.float32))
        self.has_word = paddle.to_tensor((window != PADDING).astype(np.float32).reshape(-1, 1))


class TextCNN(nn.Layer):
    """Words, three at a time, through a CNN, and the layer behind it, to both heads at once.

    What the windows say is summed of a title; of other texts, which may be long, it is the mean.
    """

    def __init__(self, words: int, config: Config, mean: bool = False) -> None:
        super().__init__()
        size, filters = config.side_size, config.filters
        self.word = parameter(words + 1, size, spread=0.05)
        self.window = parameter(3 * size, filters, spread=(3 * size) ** -0.5)
        self.bias = parameter(filters, spread=0.0)
        self.weight = parameter(filters, 2 * config.dimension, spread=filters**-0.5)
        self.mean = mean

    def forward(self, rows: paddle.Tensor) -> paddle.Tensor:
        """(B, T) rows of words, -1 behind the last, to (B, 2 D)."""
        has_word = paddle.cast(rows >= 0, "float32").unsqueeze(-1)  # (B, T, 1)
        words = nn.functional.embedding(paddle.clip(rows, min=0), self.word) * has_word
        around = nn.functional.pad(words, [0, 0, 1, 1, 0, 0], pad_from_left_axis=True)
        window = paddle.concat([around[:, :-2], words, around[:, 2:]], -1)  # (B, T, 3 size)
        filtered = paddle.tanh(window @ self.window + self.bias) * has_word
        return self._scaled(filtered.sum(1), has_word.sum(1)) @ self.weight

    def ragged(self, windows: Windows, shown: NDArray[np.bool_] | int = 1) -> paddle.Tensor:
        """`forward` in the form that is cheap to train: (C, 2 D).

        Args:
            shown: for every word of every window, False to take it for an unknown one.
        """
        rows = paddle.to_tensor(windows.rows * shown)
        words = paddle.index_select(self.word, rows) * windows.has_word  # (3 N, size)
        window = words.reshape([-1, self.window.shape[0]])
        filtered = paddle.tanh(window @ self.window + self.bias)
        total = paddle.zeros([windows.texts, filtered.shape[1]])
        total = paddle.index_add(total, windows.text, 0, filtered)
        return self._scaled(total, windows.counts) @ self.weight

    def _scaled(self, total: paddle.Tensor, counts: paddle.Tensor) -> paddle.Tensor:
        return total / paddle.clip(counts, min=1) if self.mean else total


def genre_sums(table: paddle.Tensor, genres: paddle.Tensor) -> paddle.Tensor:
    """(B, V) the sum of each movie's rows of a (genres + 1, V) table."""
    has_genre = paddle.cast(genres >= 0, "float32").unsqueeze(-1)
    return (nn.functional.embedding(paddle.clip(genres, min=0), table) * has_genre).sum(1)


class MovieTower(nn.Layer):
    """Movie id, genres summed, texts through a text CNN, attributes' means: each by its layer."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        d, size = config.dimension, config.side_size
        self.movie = Embedded(config.movies, config.id_size, d)
        self.genre = Embedded(config.genres, size, d)
        self.title = TextCNN(config.words, config)
        self.bias = parameter(2 * d, spread=0.0)
        self.attributes = config.movie_attributes
        self.sides = nn.LayerList(
            [
                TextCNN(a.size, config, mean=True)
                if a.kind == "text"
                else Embedded(a.size, size, d)
                for a in self.attributes
            ]
        )

    def known(
        self, movie: paddle.Tensor, sides: Sequence[paddle.Tensor | Windows]
    ) -> paddle.Tensor:
        """(B, 2 D) of ids and attributes."""
        total = self.movie(movie) + self.bias
        for n in range(len(self.attributes)):
            layer, side = self.sides[n], sides[n]
            total = total + (layer.ragged(side) if isinstance(side, Windows) else layer(side))
        return total

    def forward(
        self,
        movie: paddle.Tensor,
        genres: paddle.Tensor,
        title: paddle.Tensor,
        sides: Sequence[paddle.Tensor] = (),
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        """Unit vectors (B, D) of the retrieval and the rating head.

        Args:
            movie: (B,) int64 rows.
            genres: (B, G) int64 rows, -1 behind the last.
            title: (B, T) int64 rows of words, -1 behind the last.
            sides: of each attribute (B, W) int64 rows, -1 behind the last.
        """
        total = self.known(movie, sides)
        total = total + genre_sums(self.genre.table(), genres)
        return unit_heads(total + self.title(title))

    def catalogue(
        self,
        movie: paddle.Tensor,
        genres: paddle.Tensor,
        windows: Windows,
        shown: NDArray[np.bool_],
        sides: Sequence[paddle.Tensor | Windows] = (),
    ) -> tuple[paddle.Tensor, paddle.Tensor]:
        """`forward` for many movies at once, in the form that is cheap to train.

        Args:
            movie: (C,) int64 rows.
            genres: (C, G + 1) float32, ones.
            windows: of the C titles.
            shown: of their words, see `TextCNN.ragged`.
            sides: as `forward` has them, or windows of texts.
        """
        total = self.known(movie, sides) + genres @ self.genre.table()
        return unit_heads(total + self.title.ragged(windows, shown))


def folded(users: UserTower) -> dict[str, NDArray[np.float32]]:
    """The user tower as the tables that `recsys.parts.heads` reads."""
    with paddle.no_grad():
        tables = {"user": users.user.table(), "bias": users.bias}
        sides = zip(users.attributes, users.sides, strict=True)
        tables |= {f"user_{attribute.name}": layer.table() for attribute, layer in sides}
        tables |= {name: getattr(users, name) for name in CHANNELS}
        return {name: np.ascontiguousarray(table.numpy()) for name, table in tables.items()}


def export(users: UserTower, movies: MovieTower, folder: Path) -> dict[str, list[list[Any]]]:
    """Writes both towers so that `paddle.jit.load` and Paddle Inference run them without us.

    Returns:
        by tower its inputs in their order: name, type, and shape (-1 for any size).
    """

    def rows(name: str) -> InputSpec:
        return InputSpec([None], "int64", name)

    def lists(name: str) -> InputSpec:
        return InputSpec([None, None], "int64", name)

    numbers = [InputSpec([None, None], "float32", name) for name in ("ratings", "recency")]
    sides = [(rows if a.width == 1 else lists)(a.name) for a in users.attributes]
    user_inputs = [rows("user"), sides, lists("history"), *numbers]
    movie_inputs: list[Any] = [rows("movie"), lists("genres"), lists("title")]
    if movies.attributes:
        movie_inputs.append([lists(a.name) for a in movies.attributes])
    for name, tower, inputs in (
        ("user_tower", users, user_inputs),
        ("movie_tower", movies, movie_inputs),
    ):
        tower.eval()
        paddle.jit.save(tower, str(folder / name), input_spec=inputs)
        tower.train()
    return {"user_tower": _described(user_inputs), "movie_tower": _described(movie_inputs)}


def _described(inputs: Sequence[Any]) -> list[list[Any]]:
    """Name, type and shape of every input, those in lists too."""
    flat = [each for one in inputs for each in (one if isinstance(one, list) else [one])]
    return [[each.name, str(each.dtype).split(".")[-1].lower(), list(each.shape)] for each in flat]
