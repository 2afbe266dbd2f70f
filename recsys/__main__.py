"""The command line. Commands read options and print; heavy imports happen inside them."""

import os
import sys

try:
    import click

    from recsys import __version__
    from recsys.cli import ask, build, check, every_day
    from recsys.cli.prompt import Command, Commands, standard_streams
except KeyboardInterrupt:  # as `standard_streams` has it, which is not there yet
    print("recsys: interrupted", file=sys.stderr)
    sys.exit(130)

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # stderr is ours; errors reach us all the same


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="recsys")
def cli() -> None:
    """Ratings in, recommendations out of Milvus.

    \b
    recsys train                                  learn from ratings (fetched if missing)
    recsys preprocess -f data/ml-1m/movies.dat    encode movies as movies_data.txt
    recsys load-movies                            publish their vectors to Milvus
    recsys recommend --age 1 --gender F --job 10  ask
    """


for module in (build, every_day, ask, check):
    for each in vars(module).values():
        if isinstance(each, Command):
            cli.add_command(each)


def main() -> None:
    with standard_streams():
        cli.main(prog_name="recsys")


if __name__ == "__main__":
    main()
