"""Milvus, behind `recsys.milvus_store.MilvusStore`: address, connection, rows, versions."""

import os
import re

_uri = os.environ.get("MILVUS_URI") or os.environ.get("MILVUS_DEFAULT_CONNECTION", "")
if not re.match(r"https?://[\w.:@-]+(/|$)", _uri):  # what is no address fails pymilvus's import
    os.environ["MILVUS_URI"] = ""
