"""The engine of one machine: processes that each run one batch after the other."""

from collections import deque
from collections.abc import Callable, Iterator

from lamina_detect._common import BadInput
from lamina_detect.corpus._attempts import MOST
from lamina_detect.corpus._job import Batch, Outcome
from lamina_detect.corpus._process import Died, Process, answered


def run_local(
    workers: list[Process], batches: Iterator[Batch], stopped: Callable[[], bool]
) -> Iterator[Outcome]:
    """What became of each batch, as they are done.

    The batch of a worker that died is run again; it finds out itself which recording is to blame.
    When `stopped()` no further batch is begun.
    """
    idle, running, again = list(workers), {}, deque()
    deaths: dict[str, int] = {}
    while True:
        while idle and not stopped():
            batch = again.popleft() if again else next(batches, None)
            if batch is None:
                break
            worker = idle.pop()
            worker.send("run", batch)
            running[worker] = batch
        if not running:
            return
        for worker in answered(list(running)):
            batch = running.pop(worker)
            idle.append(worker)
            try:
                yield worker.receive()
            except Died as death:
                deaths[batch.name] = deaths.get(batch.name, 0) + 1
                if deaths[batch.name] > _most_deaths(batch):
                    raise BadInput(
                        f"{death} {deaths[batch.name]} times with the batch of "
                        f"{batch.recordings[0].id}, and no recording is to blame: is there memory "
                        "enough for so many workers?"
                    ) from None
                again.append(batch)


def _most_deaths(batch: Batch) -> int:
    """More than all its recordings together can cause, each by itself."""
    return 2 * MOST + MOST * len(batch.recordings)
