"""The command line. Commands only read options and print; heavy imports happen inside them."""

import os

import click

from recsys import __version__, cli_ask, cli_check, cli_make
from recsys.cli_options import Commands

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # stderr is ours; errors reach us all the same


@click.group(
    cls=Commands,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "RECSYS",
        "max_content_width": 100,
    },
)
@click.version_option(__version__, prog_name="recsys")
def cli() -> None:
    """Ratings in, recommendations out of Milvus.

    \b
    recsys train                                  learn from ratings (fetched if missing)
    recsys preprocess -f data/ml-1m/movies.dat    encode films as movies_data.txt
    recsys load-movies                            publish their vectors to Milvus
    recsys recommend --age 1 --gender F --job 10  ask
    """


for command in (
    cli_make.download,
    cli_make.train,
    cli_make.preprocess,
    cli_make.load_movies,
    cli_ask.recommend,
    cli_ask.similar,
    cli_ask.predict,
    cli_check.evaluate,
    cli_check.status,
    cli_check.doctor,
):
    cli.add_command(command)


def main() -> None:
    cli.main(prog_name="recsys")
