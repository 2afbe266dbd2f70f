"""The command line: `app.main`. Only here are options and commands known by name.

`ask`, `build`, `check` and `inspection` hold the commands; `options` and `values` what they take,
made of the library's dataclasses where there is one; `queries` and `tables` read and write;
`prompt` has errors and the log; `remedies` words the library's remedies as options and commands.
"""
