"""From files of any kind to a checked dataset, one module after the other.

`sources` says which file is what, `text` makes text of bytes, `formats` `cells` in columns of that;
`roles` says which column is what, `values` makes numbers of cells, `describe` reads files of movies
and of users with all their columns, and `read` puts all together.
"""
