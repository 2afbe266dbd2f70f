"""From a path to typed columns: one module for each kind of thing that a file holds.

A file's way: `layouts.files_of` says how it is written, `text` decodes its lines, `records`
splits them into fields, `fields` makes numbers and codes of those, and `movies`, `users` and
`ratings` put them into columns. A line that cannot be used is put down in `problems` and left out.

A table's way: `table_files` says which it is, `tabular` opens it (`dialect`: how CSV is written),
`inferred` tells its columns, pyarrow reads them (`csv_table`, `json_lines`), `column` and
`table_columns` make numbers of them, `rating_table` and `tables` put them together; `described`
says of what kind other columns are. Both ways end in `reading`.
"""
