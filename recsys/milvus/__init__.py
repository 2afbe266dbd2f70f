"""Milvus, behind `recsys.milvus_store.MilvusStore`: address, connection, rows, versions."""
