"""Milvus, behind `recsys.milvus_store.MilvusStore`: address, connection, rows, versions."""

import os

from recsys.milvus.address import is_url

if not is_url(os.environ.get("MILVUS_URI") or os.environ.get("MILVUS_DEFAULT_CONNECTION", "")):
    os.environ["MILVUS_URI"] = ""  # what is no address fails pymilvus's import
