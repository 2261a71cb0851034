"""What the summaries say, all together."""

import concurrent.futures
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lamina_detect.corpus._job import Outcome
from lamina_detect.corpus._parts import CRASHED, FAILED, OK, SUMMARY, committed, part
from lamina_detect.corpus._store import Store

COLUMNS = ("status", "samples", "rate", "events", "alarms")
# Files that are read side by side: an object store answers in tens of milliseconds.
SIDE_BY_SIDE = 8


def outcome_of(rows: Any) -> Outcome:
    """Of rows of summary/, as a table or as they were before they were one."""
    plain: Sequence[Mapping[str, Any]] = rows if isinstance(rows, list) else rows.to_pylist()
    status = [row["status"] for row in plain]
    return Outcome(
        recordings=len(plain),
        failed=status.count(FAILED),
        crashed=status.count(CRASHED),
        events=sum(row["events"] for row in plain),
        alarms=sum(row["alarms"] for row in plain),
        samples=sum(row["samples"] for row in plain),
        seconds=sum(row["samples"] / row["rate"] for row in plain if row["rate"]),
    )


def parts_of(
    store: Store, folder: str, batches: Sequence[str], columns: Sequence[str] | None = None
) -> Iterator[tuple[str, Any]]:
    """(batch, its table) of the parts of a folder, one after the other; some are read ahead."""
    with concurrent.futures.ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        for start in range(0, len(batches), SIDE_BY_SIDE):
            some = batches[start : start + SIDE_BY_SIDE]
            names = [part(folder, batch) for batch in some]
            yield from zip(some, pool.map(lambda n: store.table(n, columns), names), strict=True)


def standing(store: Store) -> tuple[Outcome, set[str], set[str]]:
    """Of all that is done: the sums, the batches, and those batches that hold a failure."""
    total, done, failing = Outcome(), committed(store), set()
    for batch, table in parts_of(store, SUMMARY, sorted(done), COLUMNS):
        own = outcome_of(table)
        total.add(own)
        if own.failed or own.crashed:
            failing.add(batch)
    return total, done, failing


def failed_ids(store: Store, batches: Sequence[str]) -> set[str]:
    """The recordings of these batches that failed or crashed."""
    return {
        row["id"]
        for _, table in parts_of(store, SUMMARY, batches, ("id", "status"))
        for row in table.to_pylist()
        if row["status"] != OK
    }
