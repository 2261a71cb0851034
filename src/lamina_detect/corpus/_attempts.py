"""Who killed the worker? Notes beside the results, which outlive a worker.

A batch whose worker died twice is run one recording at a time: each is named before it is begun, so
that the one that was running is known. One that was running at two deaths is `crashed`. The notes
lie with the results since every engine starts its workers anew in its own way; they count for one
run of the driver, for a driver that was killed is no recording's fault.
"""

import json
from typing import Any

from lamina_detect.corpus._job import Batch
from lamina_detect.corpus._store import Store

FOLDER = ".attempts"
# Deaths of a batch until it is run one at a time; deaths of a recording until it is given up.
MOST = 2


class Attempts:
    """The notes on one batch, read and written by the worker that runs it."""

    def __init__(self, store: Store, batch: Batch) -> None:
        self._store, self._name = store, f"{FOLDER}/{batch.name}.json"
        self._alone = len(batch.recordings) == 1
        self._notes: dict[str, Any] = {"deaths": -1, "running": None, "killed": {}}

    def begin(self) -> None:
        """Another attempt: where one was begun and not ended, its worker died."""
        if self._store.exists(self._name):
            self._notes = json.loads(self._store.read(self._name))
        self._notes["deaths"] += 1
        if running := self._notes["running"]:
            self._notes["killed"][running] = self._notes["killed"].get(running, 0) + 1
        if not self._alone:  # else it is noted with its recording
            self._note(None)

    def begin_recording(self, id: str) -> None:
        """`id` is next; noted where it is run by itself."""
        if self._alone or self._notes["deaths"] >= MOST:
            self._note(id)

    def has_crashed(self, id: str) -> bool:
        """Has it killed its worker as often as it may?"""
        return self._notes["killed"].get(id, 0) >= MOST

    def end(self) -> None:
        """The batch is done."""
        self._store.remove(self._name)

    def _note(self, running: str | None) -> None:
        self._notes["running"] = running
        with self._store.new(self._name) as path:
            path.write_text(json.dumps(self._notes))


def forget_attempts(store: Store) -> None:
    """A driver starts: no batch has failed yet."""
    for name in store.names(FOLDER):
        store.remove(f"{FOLDER}/{name}")
