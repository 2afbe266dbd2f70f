"""From files of any kind to a checked dataset, one after the other:

formats   a file to columns of cells, the row of each, and rows that are none
roles     which file is what, and which column: names first; `Columns`
values    cells to ids, ratings, times and texts, and which of them are bad
describe  columns that describe movies and users, and of what kind they are
read      all of it: files to a `Dataset`, and what was left out
"""
