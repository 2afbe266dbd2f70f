"""A recommender that stays up: it answers while models and movies come, change and go back."""

import copy
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from recsys.data.files import standing
from recsys.data.ids import Id
from recsys.errors import StoreError, check_types, listed_values
from recsys.infer import Answer, Recommendation, Recommender, UserQuery, catalogue
from recsys.serving.model_folder import DEFAULT, load_model

if TYPE_CHECKING:
    from recsys.milvus.address import MilvusAddress

LOOKS = 1.0  # seconds from one look at what is new to the next
PATIENCE = 10.0  # seconds, where that could not be taken
T = TypeVar("T")


class LiveRecommender(Recommender):
    """`recsys.open`: a `Recommender` for a service, which follows new models and movies.

    It checks once a second for another model in the folder, an update of it, and newly published
    movies, and switches to them once they answer; until then, and for queries under way, the
    previous ones stay in use. A call is answered by one of them. Threads may share it.

    Args:
        model: the folder that `load-movies --switch`, `update` or `train` change.
        address: where its movies are published; None to search those of the folder in memory.

    Attributes:
        problem: why the last change could not be used; None if it is in use.

    Raises:
        ModelError: there is no model. StoreError: its movies are not published there.

    >>> import recsys
    >>> with recsys.open("sample.model", "sample.db") as movies:
    ...     (answer,) = movies.recommend([recsys.UserQuery(42)], k=10)
    >>> len(answer)
    10
    """

    problem: Exception | None = None

    def __init__(
        self, model: Path | str = DEFAULT, address: "MilvusAddress | Path | str | None" = None
    ) -> None:
        check_types(model=(model, Path | str))
        self._folder, self._published = Path(model), None
        if address is not None:
            from recsys.milvus_store import MilvusStore

            self._published = MilvusStore(address, make=False)
        self._lock, self._looked = threading.Lock(), time.monotonic()
        self._seen: tuple[Any, ...] = ()  # the model's file, and what holds its movies
        try:
            self._now = self._newest()
        except BaseException:
            self.close()
            raise

    @property
    def now(self) -> Recommender:
        """The recommender that answers now, which does not change."""
        if time.monotonic() - self._looked >= (PATIENCE if self.problem else LOOKS):
            self._follow(wait=False)
        return self._now

    def recommend(self, queries: Iterable[UserQuery], k: int, **how: Any) -> Iterator[Answer]:
        """As `Recommender.recommend`."""
        asked = listed_values("queries", queries, "a list of recsys.UserQuery")
        return iter(self._answered(lambda now: list(now.recommend(asked, k, **how))))

    def similar(self, movie_id: Id, k: int, *args: Any, **how: Any) -> list[Recommendation]:
        """As `Recommender.similar`."""
        return self._answered(lambda now: now.similar(movie_id, k, *args, **how))

    def close(self) -> None:
        """Close the connection to Milvus."""
        if self._published is not None:
            self._published.close()

    def __enter__(self) -> "LiveRecommender":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _answered(self, ask: Callable[[Recommender], T]) -> T:
        """What is answered now; where its movies are published no longer, by what is newer."""
        now = self.now
        while True:
            try:
                return ask(now)
            except StoreError as error:
                if error.fix == "publish":
                    self._follow(wait=True)
                if self._now is now:
                    raise
                now = self._now

    def _follow(self, wait: bool) -> None:
        """Take what is new, if anything is; wait for a thread that is at it, or go on without."""
        called = time.monotonic()
        if self._lock.acquire(blocking=wait):
            try:
                if self._looked < called:
                    self._looked = time.monotonic()
                    self._now, self.problem = self._newest(), None
            except Exception as error:  # whatever it is, what was before answers
                self.problem = error
            finally:
                self._lock.release()

    def _newest(self) -> Recommender:
        """What there is now, which has answered; the same as before if nothing is new."""
        file = movies = None
        with suppress(OSError):  # `load_model` says what is wrong
            about = os.stat(standing(self._folder) / "config.json")
            file = about.st_ino, about.st_mtime_ns
        if self._published is not None:
            movies = self._published.current().collection
        if (file, movies) == self._seen:
            return self._now
        model = self._now.model if file and (file,) == self._seen[:1] else load_model(self._folder)
        store = catalogue(model) if self._published is None else copy.copy(self._published)
        newest = Recommender(model, store)
        newest.recommend([UserQuery()], 1)
        self.model, self.store, self._seen = model, store, (file, movies)
        return newest


open = LiveRecommender
