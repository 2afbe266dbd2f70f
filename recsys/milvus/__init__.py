"""Milvus: the connection, the row of a movie, versions, publishing, updating, searching.

Outside this package `recsys.milvus_store.MilvusStore` is what is used; these may be imported too:

- `address.MilvusAddress`: where movies are published (imports nothing heavy).
- `errors.Missing`: nothing is published there.
- `index.choose_index`, `schema.check_catalogue`: what a publish checks before it sends anything.
- `versions.Published`, `update.Changes`: what publishing and updating return.
"""
