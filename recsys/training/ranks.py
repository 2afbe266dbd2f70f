"""Training on several processes: which of them this one is, and what they tell each other.

`python -m paddle.distributed.launch` starts the processes, on one machine or many, and Paddle's
own engine carries the numbers. Each reads all of the data and draws the same batches; of a batch's
users each takes a share, gradients are added up, and so all have the same towers after every step.
"""

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from recsys.errors import ModelError

if TYPE_CHECKING:
    from recsys.model import Tensor

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """The processes of a training; alone, every method gives back what it is given."""

    rank: int = 0  # the first validates, reports and writes
    size: int = 1
    wires: tuple[socket.socket, ...] = ()  # of the first to all others, of each of these to it

    @classmethod
    def launched(cls) -> "Ranks":
        """Those that `paddle.distributed.launch` started, connected; else this one alone.

        Raises:
            ModelError: the others cannot be reached.
        """
        size = int(os.environ.get("PADDLE_TRAINERS_NUM", 1))
        if size == 1:
            return ALONE
        import paddle

        found = cls(int(os.environ["PADDLE_TRAINER_ID"]), size)
        with found.ending_together():
            paddle.distributed.init_parallel_env()
            with socket.create_server(("", 0)) as server:
                port = paddle.to_tensor([server.getsockname()[1]])
                paddle.distributed.broadcast(port, 0)
                first = os.environ["PADDLE_MASTER"].rpartition(":")[0], int(port.numpy()[0])
                if found.rank:
                    return replace(found, wires=(socket.create_connection(first),))
                return replace(found, wires=tuple(server.accept()[0] for _ in range(1, size)))

    @contextmanager
    def ending_together(self) -> Iterator[None]:
        """Within, errors of the system, and an interruption, say that another process has ended.

        So the launcher interrupts all others when one has; Ctrl-C reaches all of them.
        """
        try:
            yield
        except (RuntimeError, OSError, KeyboardInterrupt) as error:  # two are what Paddle raises
            if self.size == 1:
                raise
            cause = f"process {self.rank} of {self.size}: another has ended, or all were stopped"
            remedy = "the model that was there still stands; start all again, to go on"
            raise ModelError(cause, remedy, "resume") from error

    def slice(self, length: int) -> slice:
        """This process's part of the users or movies of a batch.

        Raises:
            ModelError: there are fewer of them than processes.
        """
        if length < self.size:
            cause = f"{self.size} processes for {length} users or movies a step"
            raise ModelError(cause, "start fewer")
        return slice(*(length * each // self.size for each in (self.rank, self.rank + 1)))

    def add(self, tensors: Sequence["Tensor"]) -> Sequence["Tensor"]:
        """The sums over all processes, sent as one."""
        if self.size == 1:
            return tensors
        import paddle

        flat = paddle.concat([each.flatten() for each in tensors])
        paddle.distributed.all_reduce(flat)
        pieces = paddle.split(flat, [int(each.size) for each in tensors])
        return [p.reshape(each.shape) for p, each in zip(pieces, tensors, strict=True)]

    def total(self, array: NDArray) -> NDArray:
        """The sum over all processes."""
        if self.size == 1:
            return array
        import paddle

        self.meet()
        return self.add([paddle.to_tensor(array)])[0].numpy()

    def once(self, work: Callable[[], T]) -> T:
        """What the first process finds out, a value as json has it, told to all."""
        if self.size == 1:
            return work()
        said = self.arrays(lambda: {"said": np.array(json.dumps(work()))})
        return json.loads(str(said["said"]))

    def arrays(
        self, work: Callable[[], Mapping[str, NDArray]], source: int = 0
    ) -> dict[str, NDArray]:
        """The arrays that a process computes, sent to all."""
        if self.size == 1:
            return dict(work())
        import paddle

        packed = BytesIO()
        if self.rank == source:
            np.savez(packed, allow_pickle=False, **work())
        self.meet()
        size = paddle.to_tensor([packed.tell()])
        paddle.distributed.broadcast(size, source)
        data = paddle.to_tensor(np.frombuffer(packed.getbuffer(), np.uint8))
        if self.rank != source:
            data = paddle.zeros([int(size.numpy()[0])], "uint8")
        paddle.distributed.broadcast(data, source)
        with np.load(BytesIO(data.numpy().tobytes()), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}

    def gathered(self, arrays: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """The arrays of all processes, each of which has some."""
        found: dict[str, NDArray] = {}
        for source in range(self.size):
            found |= self.arrays(lambda: arrays, source)
        return found

    def check_same(self, digest: Callable[[], str]) -> None:
        """Raise a ModelError in a process that is to learn from other data than the first."""
        if self.size > 1 and self.once(digest) != digest():
            cause = f"process {self.rank} of {self.size}: other ratings or options than the first's"
            raise ModelError(cause, "give all processes the same", "data")

    def meet(self) -> None:
        """Wait until all have come here: what Paddle exchanges on a CPU waits for 30 s only."""
        for turn in (self.rank > 0, self.rank == 0):  # all tell the first, then it tells all
            for wire in self.wires:
                if turn:
                    wire.sendall(b".")
                elif not wire.recv(1):
                    raise ConnectionResetError


ALONE = Ranks()
