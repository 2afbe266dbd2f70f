"""Where movies are published, and under which index. The command line imports it: nothing heavy."""

import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from recsys.errors import AddressError, check_fields, described, quoted, without_credentials

CONSISTENCY = ("Strong", "Session", "Bounded", "Eventually")
_COLLECTION = re.compile(r"[A-Za-z_]\w{0,199}", re.ASCII)  # what every backend takes

EXACT_UP_TO = 100_000  # movies compared one by one without an index; see benchmarks/store.py
MAX_EF = 32_768  # Milvus' own bound
_SEARCHED = ("nprobe", "ef")  # parameters of a search, the others are those of building
# Of parameters the default (0: by the number of movies), the least and the most: Milvus' own
# bounds, which Milvus Lite does not check: outside them it crashes. efConstruction has none.
_INDEXES = {
    "FLAT": {},
    "IVF_FLAT": {"nlist": (0, 1, 65_536), "nprobe": (0, 1, 65_536)},
    "HNSW": {"M": (16, 2, 2_048), "efConstruction": (200, 1, 65_536), "ef": (256, 1, MAX_EF)},
    "AUTOINDEX": {"ef": (256, 1, MAX_EF)},
}


def _part(default: Any, help: str, **more: Any) -> Any:
    """A field of `MilvusAddress`, of which the command line makes an option."""
    return field(default=default, metadata={"help": help, **more})


@dataclass(frozen=True, repr=False)
class MilvusAddress:
    """The address of a Milvus, credentials, and the name under which movies are published.

    Raises:
        AddressError: a value that no Milvus could take.

    >>> MilvusAddress("http://localhost:19530", token="root:Milvus").is_lite
    False
    """

    uri: str = _part(
        "recsys.db", "A file ending in .db (Milvus Lite) or a server's http(s)://host:port."
    )
    token: str = _part("", "user:password or an API key of the server.")
    db: str = _part("", "A database of the server.")
    collection: str = _part("recsys_movies", "The name the movies are published under, an alias.")
    ca: str = _part("", "Certificate (a file) of the authority that signed the server's.")
    consistency: str = _part(
        "Bounded", "Of searches; Milvus Lite is always Strong.", choices=CONSISTENCY
    )
    timeout: float = _part(20.0, "Seconds the server may take for an answer.", min=1e-3, max=1e6)

    def __post_init__(self) -> None:
        check_fields(self, AddressError)
        if not (self.uri.endswith(".db") if self.is_lite else is_url(self.uri)):
            cause = f"{self.shown}: is neither a file ending in .db nor http(s)://host:port"
            raise AddressError(cause, "correct the address", "uri")
        if not _COLLECTION.fullmatch(self.collection):
            cause = f"{self.collection!r}: is not a name Milvus takes"
            remedy = "use at most 200 letters, digits and _, not a digit first"
            raise AddressError(cause, remedy, "collection")
        names = self.db + urlsplit(self.uri).path * (not self.is_lite)  # sent as a header's text
        if not (names.isascii() and names.isprintable()):
            cause = f"{quoted(self.db or self.shown)}: no database has such a name"
            raise AddressError(cause, "use letters, digits and _", "db")

    def __repr__(self) -> str:
        return f"<MilvusAddress {self.shown}, {self.collection}>"

    @property
    def is_lite(self) -> bool:
        """Whether the address is a file, which Milvus Lite serves."""
        return "://" not in self.uri

    @property
    def is_missing(self) -> bool:
        """Whether it is a file that nobody has made yet, in a folder that is there."""
        file = Path(self.uri).expanduser()
        return self.is_lite and file.parent.is_dir() and not file.exists()

    @property
    def is_local(self) -> bool:
        """Whether it is on this machine, where no proxy leads."""
        host, own = urlsplit(self.uri).hostname or "", platform.node().lower()
        here = re.fullmatch(r"localhost|127\.[0-9.]+|::1", host)
        return self.is_lite or bool(here) or host in (own, own.split(".")[0])

    @property
    def shown(self) -> str:
        """The uri without what may be a secret in it: user, password, what follows ? or #."""
        scheme, mark, rest = unquote(self.uri).partition("://")
        user, _, host = (rest if mark else self.uri).rpartition("@")
        if not mark:
            return host if ":" in user else without_credentials(self.uri)
        host = "***" if re.search("[?#]", user) else re.split("[?#]", host)[0]
        host = re.sub(r"^([^:/\[]*|\[.*?\]):(?![0-9]{1,5}(/|$)).*", r"\1:***", host)  # no port
        return f"{scheme.rpartition('@')[2]}://{host}"

    @property
    def secrets(self) -> list[str]:
        """What no message may repeat."""
        parts = [self.token, *self.token.split(":")[1:], urlsplit(self.uri).password or ""]
        return [part for part in parts if len(part) > 3]


MilvusAddress.__doc__ = f"{MilvusAddress.__doc__}\n{described(MilvusAddress)}"


def is_url(uri: str) -> bool:
    """Whether pymilvus takes an address of a server."""
    try:
        parts = urlsplit(uri)
        port = 1 if parts.port is None else parts.port
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and 0 < port < 65_535
    except ValueError:  # a port that is none
        return False


class Index(NamedTuple):
    """An index by its name, what it is built with and what it is searched with."""

    name: str
    build: Mapping[str, int]
    search: Mapping[str, int]

    @property
    def exact(self) -> bool:
        """Whether no movie is ever missed."""
        return self.name == "FLAT"

    def search_params(self, limit: int, thorough: bool = False) -> dict[str, Any]:
        """What `search` is given; thorough looks (almost) everywhere."""
        params = dict(self.search)
        if "nprobe" in params and thorough:
            params["nprobe"] = self.build["nlist"]
        if "ef" in params:
            params["ef"] = min(MAX_EF, max(params["ef"], 8 * limit if thorough else 2 * limit))
        return {"metric_type": "IP", "params": params}

    def __str__(self) -> str:
        values = {**self.build, **self.search}
        return f"{self.name}:{','.join(f'{n}={v}' for n, v in values.items())}".rstrip(":")


def choose_index(asked: str | None, movies: int) -> Index:
    """The index asked for, as NAME or NAME:parameter=value,..., or the one that fits the size."""
    name, _, rest = (asked or ("FLAT" if movies <= EXACT_UP_TO else "HNSW")).partition(":")
    if (bounds := _INDEXES.get(name := name.upper())) is None:
        cause = f"index {quoted(name)}: unknown"
        raise AddressError(cause, f"choose from {', '.join(_INDEXES)}", "index")
    values = {each: default for each, (default, _, _) in bounds.items()}
    for pair in filter(None, rest.split(",")):
        key, _, value = pair.partition("=")
        _, least, most = bounds.get(key, (0, 0, -1))
        number = int(value) if re.fullmatch("[0-9]{1,18}", value) else -1
        if not least <= number <= most:
            known = ", ".join(f"{each} from {a} to {b}" for each, (_, a, b) in bounds.items())
            cause = f"index {name}: {quoted(pair)} is not a parameter with a value in its range"
            raise AddressError(cause, f"{name} takes {known or 'none'}", "index")
        values[key] = number
    search = {each: values.pop(each) for each in _SEARCHED if each in values}
    if "nlist" in values:
        values["nlist"] = min(65_536, values["nlist"] or max(1, int(4 * movies**0.5)))
        # Half of the cells: a query by rating is zero in two of a vector's parts, and cells
        # are by all of them, so that few cells miss many of its movies (benchmarks/store.py).
        search["nprobe"] = min(values["nlist"], search["nprobe"] or max(16, values["nlist"] // 2))
    return Index(name, values, search)
