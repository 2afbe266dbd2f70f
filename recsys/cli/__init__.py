"""The command line: `app.main`. Only here are options and commands known by name.

`ask`, `build` and `check` hold the commands; `options` what they take, made of dataclasses;
`output` what they print; `prompt` errors, remedies as options and commands, and the log.
"""
