"""Ratings in, recommendations out of Milvus."""

__version__ = "0.1.0"
