"""Milvus: the connection, the row of a movie, versions, publishing, searching.

Outside this package `recsys.milvus_store.MilvusStore` is what is used; these may be imported too:

- `address`: `MilvusAddress`, where movies are published; `Index`, `choose_index` (nothing heavy).
- `client`: `Missing`, nothing is published there; `Unreachable`, asking again may help.
- `rows.check_catalogue`: what a publish checks before it sends anything.
- `versions.Published`: what publishing returns.
"""
