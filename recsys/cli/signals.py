"""SIGTERM, as a container or a service manager sends it, treated as Ctrl-C."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from recsys.cli.prompt import log

TERMINATED = 143  # the exit code of a process that SIGTERM ends, as shells count


@contextmanager
def terminated_as_interrupted() -> Iterator[Callable[[], bool]]:
    """Within, SIGTERM raises KeyboardInterrupt; yields whether it came.

    One that nothing within catches ends the command with `TERMINATED` and a line in the log.
    Handlers are the main thread's: in another one nothing is changed.
    """
    came: list[int] = []

    def raise_interrupt(number: int, _: Any) -> None:
        came.append(number)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGTERM, raise_interrupt)
    try:
        yield lambda: bool(came)
    except KeyboardInterrupt:
        if not came:
            raise
        log("stopped by SIGTERM before there was anything to keep")
        raise click.exceptions.Exit(TERMINATED) from None
    finally:
        signal.signal(signal.SIGTERM, before if before is not None else signal.SIG_DFL)
