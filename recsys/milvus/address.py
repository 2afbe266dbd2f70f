"""Where movies are published. Nothing heavy is imported, so that the command line can name it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MilvusAddress:
    """A Milvus, how to get in, and the name the movies have there.

    >>> MilvusAddress("http://localhost:19530", token="root:Milvus").is_lite
    False
    """

    uri: str = "recsys.db"  # a path ending in .db (Milvus Lite), or http(s)://host:port
    token: str = ""  # user:password or an API key
    db: str = ""  # a database of the server
    collection: str = "recsys_movies"  # the name movies are published under, an alias in Milvus
    ca: str = ""  # a file with the certificate of the authority that signed the server's
    consistency: str = "Bounded"  # of searches: Strong, Session, Bounded or Eventually
    timeout: float = 20.0  # seconds the server may take for an answer

    @property
    def is_lite(self) -> bool:
        """Whether the address is a file, which Milvus Lite serves."""
        return "://" not in self.uri
