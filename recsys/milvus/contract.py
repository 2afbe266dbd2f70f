"""What recsys relies on in a Milvus, tried on one: behind `recsys doctor --contract`.

The trial publishes, asks, switches and rolls back as the commands do, and compares with what NumPy
gives. It does so under a name of its own, and drops at the end all that has it. What one that was
killed has left, the next one drops; so two at once under one name would disturb each other.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from recsys.data.ids import Id, id_array
from recsys.data.schema import Column
from recsys.errors import StoreError, shortened
from recsys.milvus.address import CONSISTENCY
from recsys.milvus.client import Denied, MilvusClient, Missing, Unreachable
from recsys.milvus.rows import KEY, VECTOR, expression, rows_of
from recsys.milvus.versions import UNFINISHED, Versions
from recsys.serving.catalogue import EVERYTHING, Catalogue, Filter, Hits
from recsys.serving.filters import DEEPEST, literal

if TYPE_CHECKING:
    from recsys.milvus_store import MilvusStore

MOVIES, DIMENSION = 3_000, 16  # a server compares fewer than 1,024 one by one, whatever the index
MODEL, OTHER = "contract0", "contract1"  # fingerprints
RECALL = 0.9  # of the best movies, at least, under an index that is not exact
ROUNDING = 1e-4  # of scores
SWITCHES = 10  # of the alias there and back, while readers ask
WORDS = ("Drama", 'a "quoted" one', "back\\slash", "x\n] or true", "Ünï 크기", "it's 100%", "a_b")


class Differs(StoreError):
    """A Milvus that does otherwise than recsys relies on."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause, "publish nothing there, and report it with this table")


def contract(store: "MilvusStore", look: Callable[[str], Any]) -> None:
    """Try one thing after the other; nothing of it stays, and nothing else is touched.

    Args:
        store: any of the Milvus; the name of the trial is its own with _contract behind.
        look: called with what is tried; within its context, which takes a StoreError, `found` and
            `seconds` are set in the dict that it gives.

    Raises:
        StoreError: the name is in use, or Milvus has gone away.
    """
    with type(store)(replace(store.address, collection=f"{store.alias}_contract")) as own:
        _sweep(own._versions)
        if there := own._versions.current_name() or "".join(own._versions.names()[:1]):
            cause = f"{own.uri}: {there} is published as {own.alias}, and no trial"
            raise StoreError(cause, "name another", "collection")
        try:
            _Trial(own, look).all()
        finally:
            _sweep(own._versions)


def _sweep(versions: Versions) -> None:
    """Drop all that trials have published, and nothing else."""
    begin = tuple(f"{versions.alias}_v{model}_" for model in (MODEL, OTHER))
    names = [each for end in ("", UNFINISHED) for each in versions.names(end)]
    ours = [name for name in names if name.startswith(begin)]
    if versions.current_name() in ours:  # newer Milvus keeps what has an alias
        versions.milvus.call("dropping the alias", MilvusClient.drop_alias, versions.alias)
    for name in ours:
        versions.drop(name)


def _movies(seed: int, text_ids: bool) -> Catalogue:
    """Invented movies, with all that is hard to keep, to escape and to compare."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(MOVIES, DIMENSION)).astype(np.float32)
    some = [tuple(w for w in WORDS if random.random() < 0.25) for _ in range(2 * MOVIES)]
    ids = random.permutation(3 * MOVIES)[:MOVIES]
    ids[0] = 2**63 - 2  # the largest a server of 2.3 reads
    titles = [f"{random.choice(WORDS)} ({n})" for n in ids.tolist()]
    titles[0] = "é" * 512  # as many bytes as it may have
    columns = {
        "brand": Column("category", random.choice([*WORDS, ""], MOVIES).tolist()),
        "price": Column("number", random.choice([-2.5, 0, 1, 3.5, 7, np.nan], MOVIES)),
        "tags": Column("categories", some[MOVIES:]),
    }
    return Catalogue(
        id_array(f"{WORDS[n % len(WORDS)]} {n}" for n in ids.tolist()) if text_ids else ids,
        titles,
        some[:MOVIES],
        random.choice([0, 1931, 1979, 1995, 2001], MOVIES).astype(np.int32),
        random.random(MOVIES) < 0.3,
        vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        columns,
    )


def _filters() -> list[Filter]:
    """One of every kind, and every word that would end its text were it not escaped."""
    each, half = [literal(word) for word in WORDS], DEEPEST // 2 - 1
    wheres = [
        *(f"brand == {word} or title in [{word}]" for word in each),
        f"brand != {each[0]} and brand not in [{each[1]}, {each[2]}]",
        'title like "Ünï%" or brand like "x%"',
        'title like "%slash (1%"',
        "1 <= price < 7 or price is null",
        "not (price > 0) and year in [1931, 2001] or is_new",
        "array_length(tags) == 2",
        "array_length(tags) > 3",
        f"array_contains_all(tags, [{each[3]}, {each[4]}])",
        f"{'(price > 1 and (year > 1950 or ' * half}is_new{'))' * half}",
    ]
    genres = [Filter(word) for word in (*WORDS, "no such genre")]
    genres.append(Filter((), WORDS[:2], WORDS[3], (1931, 1995)))
    return [EVERYTHING, *genres, *(Filter(where=text) for text in wheres)]


def _same(what: str, found: Any, wanted: Any) -> None:
    if found != wanted:
        raise Differs(f"{what}: expected {wanted}, found {found}")


def _same_movies(found: Catalogue, wanted: Catalogue) -> None:
    """Refuse movies whose values are others than were sent."""
    rows = ([each for some in rows_of(movies) for each in some] for movies in (found, wanted))
    for one, other in zip(*rows, strict=True):
        for name, value in other.items():
            if np.any(one[name] != value):
                sent, back = (shortened(str(each)) for each in (value, one[name]))
                raise Differs(f"{name} of movie {other[KEY]}: sent {sent}, came back {back}")


def _by_id(hits: Hits) -> Iterator[dict[Id, float]]:
    """For each query the scores by movie id, best first."""
    for ids, scores, there in zip(hits.movie_ids, hits.scores, hits.mask, strict=True):
        yield dict(zip(ids[there].tolist(), scores[there].tolist(), strict=True))


class _Trial:
    """What is asked of one store."""

    def __init__(self, store: "MilvusStore", look: Callable[[str], Any]) -> None:
        self.store, self.look = store, look
        self.milvus, self.versions = store._milvus, store._versions
        self.movies = {MODEL: _movies(0, text_ids=False), OTHER: _movies(1, text_ids=True)}
        self.queries = np.random.default_rng(2).normal(size=(6, DIMENSION)).astype(np.float32)

    @contextmanager
    def _tried(self, name: str, found: str) -> Iterator[dict[str, Any]]:
        """Whatever an answer of another form leads to says that Milvus differs; one that does not
        answer ends it all.
        """
        started, away = time.perf_counter(), None
        with self.look(name) as facts:
            facts["found"] = found
            try:
                yield facts
            except (Differs, Denied):
                raise
            except Unreachable as error:
                away = error
                raise
            except Exception as error:
                raise Differs(getattr(error, "cause", "") or repr(error)) from error
            finally:
                facts["seconds"] = round(time.perf_counter() - started, 3)
        if away:
            raise away

    def all(self) -> None:
        """Everything, or nothing where movies cannot be published."""
        with self._tried("create", f"{MOVIES:,} movies are published under FLAT") as facts:
            new = self.store.publish(self.movies[MODEL], MODEL)
            _same("what the alias stands for", self.store.open(None), new)
        if facts["well"]:
            self._ask(new.collection, self.movies[MODEL])
            self._change(new.collection)
            self._index()
        with self._tried("drop", "nothing is left"):
            names = [self.store.alias, *(one.collection for one in self.store.versions())]
            _sweep(self.versions)
            for name in names:
                with suppress(Missing):
                    self.milvus.read("looking", MilvusClient.describe_collection, name)
                    raise Differs(f"{name} is still there")

    def _ask(self, name: str, movies: Catalogue) -> None:
        """What the movies published first answer."""
        ids, every = movies.ids, range(len(self.queries))
        with self._tried("insert", "every value of every field comes back as it was sent"):
            _same_movies(self.store.read_all(), movies.take(np.sort(ids)))
            _same_movies(self.store.take(some := ids[[5, 3, 5, -1, 0]]), movies.take(some))
        with self._tried("search", "movies and scores equal those of an exact search"):
            for k, rows in [(1, every), (20, every), (20, [3]), (MOVIES + 5, [5])]:
                self._compare(k, rows=rows)
            asked = {"data": [*self.queries], "limit": 20, "search_params": {"metric_type": "IP"}}
            for hits in self.milvus.read("searching", MilvusClient.search, name, **asked):
                _same("hits, best first", hits.distances, sorted(hits.distances, reverse=True))
        with self._tried("filters", "all find the right movies, escaped texts too") as facts:
            for filter in (each.parsed(movies.kinds) for each in _filters()):
                try:
                    self.milvus.check_condition(filter.condition)
                except StoreError:  # which is known, and said to who asks so
                    facts["found"] = "all find the right movies, except those this version lacks"
                    continue
                self._compare(20, filter)
                self._compare(MOVIES, filter, rows=[0])
        with self._tried("exclusions", "excluded movies never come, others take their place"):
            sizes, random = (0, 1, 20, MOVIES // 6, MOVIES - 5, MOVIES), np.random.default_rng(3)
            exclude = [random.choice(ids, size, replace=False) for size in sizes]
            for filter in (EVERYTHING, Filter(WORDS[1])):
                for rows in (every, *([row] for row in every)):
                    self._compare(10, filter, [exclude[row] for row in rows], rows)
        with self._tried("consistency", "counts and answers are complete at every level"):
            for level in CONSISTENCY:
                with type(self.store)(replace(self.store.address, consistency=level)) as reader:
                    self.versions.check_count(reader.open(MODEL), level)
                    self._compare(MOVIES, rows=[0], store=reader)
        with self._tried("load", "a released collection is loaded again by a query"):
            self.milvus.call("releasing", MilvusClient.release_collection, name)
            self._compare(20)

    def _change(self, name: str) -> None:
        """What stands for the name, and what the collection first published holds, is changed."""
        stop = threading.Event()

        def answers() -> int:
            count = 0
            while not stop.is_set():
                with type(self.store)(self.store.address) as reader:
                    self._compare(20, store=reader)
                count += 1
            return count

        with self._tried("alias", "") as facts, ThreadPoolExecutor(2) as pool:
            new = self.store.publish(self.movies[OTHER], OTHER).collection
            readers = [pool.submit(answers) for _ in range(2)]
            try:
                for wanted in ((name, MODEL), (new, OTHER)) * SWITCHES:
                    self.versions.move(wanted[0])
                    found = self.versions.current_name(), self.store.open(None).model
                    _same("what the alias stands for", found, wanted)
                    time.sleep(0.05)
            finally:
                stop.set()
            count = sum(each.result() for each in readers)
            facts["found"] = f"in {2 * SWITCHES} switches {count} answers, of one version each"
        with self._tried("rollback", "the version before is back, the other answers its own model"):
            _same("the version before", self.store.rollback().collection, name)
            for asked, model in ((OTHER, OTHER), (None, MODEL)):
                _same("the model that answers", self.store.open(asked).model, model)
                self._compare(20)
        with self._tried("upsert", "movies are replaced and added, and Strong sees it at once"):
            more = replace(self.movies[MODEL][np.arange(2)], titles=["New", "Too"])
            more.ids[1] = 3 * MOVIES  # the other is there
            for sent in rows_of(more):
                self.milvus.call("changing movies", MilvusClient.upsert, name, sent)
            changed = replace(self.store.current(), count=MOVIES + 1)
            self.versions.check_count(changed)
            condition = f"{KEY} in {literal(more.ids.tolist())}"
            rows = self.store._read(changed, condition, ["title"], "Strong")
            _same("titles", sorted(row["title"] for row in rows), more.titles)

    def _index(self) -> None:
        """Indexes that are not exact, over movies of either kind of id."""
        for name, model in (("HNSW", OTHER), ("IVF_FLAT", MODEL), ("AUTOINDEX", OTHER)):
            index = name + ":nlist=64" * (name == "IVF_FLAT")  # faiss wants 39 movies a cell
            with self._tried(name, "") as facts:
                new = self.store.publish(self.movies[model], model, index=index).collection
                about = self.milvus.read("looking", MilvusClient.describe_index, new, VECTOR)
                _same("the index", (about["index_type"], about["metric_type"]), (name, "IP"))
                _same("how many versions are kept", len(self.store.versions()), 2)
                self.store.open(None)
                recall = min(self._compare(10), self._compare(10, Filter(WORDS[0])))
                facts["found"] = f"{recall:.1%} of the ten best movies are found"

    def _compare(
        self,
        k: int,
        filter: Filter = EVERYTHING,
        exclude: Sequence[NDArray] | None = None,
        rows: Sequence[int] = range(6),
        store: "MilvusStore | None" = None,
    ) -> float:
        """Ask, and compare with NumPy; returns the share of the best movies that were found."""
        store, queries, hit, best = store or self.store, self.queries[[*rows]], 0, 0
        opened = store._opened or store.open(None)
        movies, asked = self.movies[opened.model], expression(filter) or "no filter"
        found = store.search(queries, k, filter, exclude, with_movies=k <= 20)
        right = movies.search(queries, MOVIES, filter, exclude)
        for got, may in zip(_by_id(found), _by_id(right), strict=True):
            if any(abs(got[each] - may.get(each, np.inf)) > ROUNDING for each in got):
                raise Differs(f"what must not come, or has another score, comes for {asked}")
            hit += len(got.keys() & [*may][:k])
            best += len([*may][:k])
        if found.movies is not None:
            _same_movies(found.movies, movies.take(found.distinct()))
        if hit < best * (1 if opened.index.exact else RECALL):
            raise Differs(f"only {hit} of the {best} best movies come for {asked}")
        return hit / max(best, 1)
