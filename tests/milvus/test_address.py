"""An address is refused when no Milvus could be there."""

import platform

import pytest
from command_line import refused

from recsys.errors import StoreError
from recsys.milvus.address import MilvusAddress

OWN = platform.node()


@pytest.mark.parametrize(
    "uri",
    [
        "movies.txt",
        "ftp://host:1",
        "http://",
        "http://host:99999",
        "http://host:port",
        "http://host:65535",
        "http://root:hunter2:x@host:99999",
        "http://root:hun/ter2@host:port",
    ],
)
def test_an_address_that_is_none(uri):
    words = r"nor http\(s\)://host:port.*correct the address"
    with refused(StoreError, words) as caught:
        MilvusAddress(uri, "root:hunter2")
    assert "ter2" not in str(caught.value)


@pytest.mark.parametrize("name", ["1movies", "f-bad name", "ünï", "a" * 201, "a.b", "x;drop", ""])
def test_a_name_milvus_does_not_take(name):
    with refused(StoreError, "is not a name Milvus takes", fix="collection"):
        MilvusAddress(collection=name)
    with pytest.raises(StoreError, match="no 'Weak'; choose from Strong"):
        MilvusAddress(consistency="Weak")


@pytest.mark.parametrize("name", ["é", "\u202edesrever", "a\nb", "\ud83d"])
def test_a_database_whose_name_cannot_be_sent(name):
    """The name is text of a header: gRPC refuses it, and pymilvus tries again for minutes."""
    for address in ({"db": name}, {"uri": f"http://127.0.0.1:1/é{name}"}):
        with pytest.raises(StoreError, match="no database has such a name") as caught:
            MilvusAddress(**address)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "uri", ["x.db", "http://localhost:1", "http://127.0.0.1:1", "https://[::1]", f"http://{OWN}:1"]
)
def test_no_proxy_leads_to_this_machine(uri):
    assert MilvusAddress(uri).is_local
    assert not MilvusAddress("http://127.example.org").is_local


def test_what_is_shown_and_what_is_secret():
    address = MilvusAddress("http://root:hunter2@host:19530", token="root:hunter3")
    assert address.shown == "http://host:19530"
    assert repr(address) == "<MilvusAddress http://host:19530, recsys_movies>"
    for uri, shown in (
        ("https://h:1?token=hunter2", "https://h:1"),
        ("http://h:1/db?token=hunter2#hunter2", "http://h:1/db"),
        ("http://h:1?token=hun@ter2", "http://***"),
        ("http://root%3Ahunter2%40127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://[::1]:1/?x=http://hunter2", "http://[::1]:1/"),
        ("root:hunter2@x/a.db", "x/a.db"),
    ):
        assert MilvusAddress(uri).shown == shown
    with pytest.raises(StoreError, match=r"^http://root:\*\*\*: is neither"):  # the host forgotten
        MilvusAddress("http://root:hunter2")
    assert set(address.secrets) == {"root:hunter3", "hunter3", "hunter2"}
    assert not address.is_lite
    assert MilvusAddress().is_lite
