"""Where movies are published. Nothing heavy is imported, so that the command line can name it."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from recsys.errors import StoreError

CONSISTENCY = ("Strong", "Session", "Bounded", "Eventually")
_COLLECTION = re.compile(r"[A-Za-z_]\w{0,199}", re.ASCII)  # what every backend takes
_CREDENTIALS = re.compile(r"(?<=//)\S*@")


@dataclass(frozen=True)
class MilvusAddress:
    """A Milvus, how to get in, and the name the movies have there.

    Raises:
        StoreError: a value that no Milvus could take.

    >>> MilvusAddress("http://localhost:19530", token="root:Milvus").is_lite
    False
    """

    uri: str = "recsys.db"  # a path ending in .db (Milvus Lite), or http(s)://host:port
    token: str = ""  # user:password or an API key
    db: str = ""  # a database of the server
    collection: str = "recsys_movies"  # the name movies are published under, an alias in Milvus
    ca: str = ""  # a file with the certificate of the authority that signed the server's
    consistency: str = "Bounded"  # of searches, one of CONSISTENCY; Milvus Lite is always Strong
    timeout: float = 20.0  # seconds the server may take for an answer

    def __post_init__(self) -> None:
        if not (self.uri.endswith(".db") if self.is_lite else _is_url(self.uri)):
            raise StoreError(
                f"{self.shown}: is neither a file ending in .db nor http(s)://host:port",
                "correct the address",
                "uri",
            )
        if not _COLLECTION.fullmatch(self.collection):
            raise StoreError(
                f"{self.collection!r}: is not a name Milvus takes",
                "use at most 200 letters, digits and _, not a digit first",
                "collection",
            )
        if self.consistency not in CONSISTENCY:
            raise StoreError(
                f"{self.consistency!r}: is not a consistency level",
                f"choose from {', '.join(CONSISTENCY)}",
                "consistency",
            )

    @property
    def is_lite(self) -> bool:
        """Whether the address is a file, which Milvus Lite serves."""
        return "://" not in self.uri

    @property
    def shown(self) -> str:
        """The uri without the user and password that may be written in it."""
        return without_credentials(self.uri)

    @property
    def secrets(self) -> list[str]:
        """What no message may repeat."""
        try:
            password = urlsplit(self.uri).password or ""
        except ValueError:
            password = ""
        parts = [self.token, *self.token.split(":")[1:], password]
        return [part for part in parts if len(part) > 3]


def without_credentials(uri: str) -> str:
    """An address without the user and password that may be written in it.

    >>> without_credentials("http://root:Milvus@localhost:19530")
    'http://localhost:19530'
    """
    return _CREDENTIALS.sub("", uri)


def _is_url(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none
        return False
