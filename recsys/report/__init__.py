"""What `recsys report` says of a model: `facts` has the numbers, `page` and `markdown` write them."""
