"""What `recsys report` says of a model: `facts`, and what writes them, `page` and `markdown`."""
