"""The engine of a cluster: the same worker as an actor of Ray Data.

Ray hands out the batches and starts actors again; what is done is what the files say, as with the
other engine, so that nothing depends on what Ray remembers.
"""

import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

from lamina_detect._common import BadInput
from lamina_detect.corpus._errors import CannotWrite
from lamina_detect.corpus._job import Batch, Job, Outcome
from lamina_detect.corpus._threads import one_thread
from lamina_detect.corpus._worker import Worker

# Each block is a task of its own, and a table of Ray's memory store.
MOST_BLOCKS = 2000


class Actor:
    """A `Worker` as `map_batches` calls it: a column of batches in, one of outcomes out."""

    def __init__(self, job: Job) -> None:
        self.worker = Worker(job)

    def __call__(self, table: dict[str, Any]) -> dict[str, Any]:
        import json

        import numpy as np

        answers = []
        for text in table["batch"]:
            try:
                outcome = self.worker.run(Batch.from_dict(json.loads(text)))
                answers.append({"outcome": vars(outcome)})
            except BadInput as error:
                # As data: Ray would try what was raised again.
                answers.append({"error": str(error)})
        return {"answer": np.array([json.dumps(answer) for answer in answers], object)}


def run_ray(
    job: Job,
    batches: Iterator[Batch],
    workers: int,
    address: str | None,
    stopped: Callable[[], bool],
) -> Iterator[Outcome]:
    """As `run_local`, by `workers` actors of the cluster at `address`; of this machine without."""
    import json

    items = [{"batch": json.dumps(batch.to_dict())} for batch in batches]
    if not items:
        return
    ray = _ray()
    own = not ray.is_initialized()
    if own:
        _start(ray, workers, address)
    try:
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        ray.data.DataContext.get_current().enable_progress_bars = False
        data = ray.data.from_items(items, override_num_blocks=min(len(items), MOST_BLOCKS))
        answers = data.map_batches(
            Actor,
            fn_constructor_args=(job,),
            batch_size=1,
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(size=workers),
        )
        for row in answers.iter_rows():
            answer = json.loads(row["answer"])
            if "error" in answer:
                raise CannotWrite(answer["error"])
            yield Outcome(**answer["outcome"])
            if stopped():
                return
    finally:
        if own:
            ray.shutdown()


def _ray() -> Any:
    # Before it is imported: nothing is told to anybody about this run.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Its own account of what it does is in its logs; here one line says where the job stands.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
    except ModuleNotFoundError:
        raise BadInput("engine 'ray' needs Ray: pip install 'lamina[ray]'") from None
    return ray


def _start(ray: Any, workers: int, address: str | None) -> None:
    variables = one_thread()
    more: dict[str, Any] = {"address": address}
    if address is None:
        # What this process imports from, its workers do too.
        more = {"num_cpus": workers, "include_dashboard": False}
        if path := os.environ.get("PYTHONPATH"):
            variables["PYTHONPATH"] = path
    try:
        ray.init(
            **more,
            runtime_env={"env_vars": variables},
            log_to_driver=False,
            logging_level="ERROR",
        )
    except Exception as error:
        raise BadInput(
            f"engine 'ray': no cluster at {address or 'this machine'}: {error}"
        ) from None
