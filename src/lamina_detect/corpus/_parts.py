"""The parts of a batch: its events, its scores, and last its summary, which commits it."""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Sequence
from typing import Any

from lamina_detect.corpus._store import Store
from lamina_detect.results import Event

EVENTS, SCORES, SUMMARY = "events", "scores", "summary"
OK, FAILED, CRASHED = "ok", "failed", "crashed"
# Rows of scores that are written together.
ROWS = 65_536


def part(folder: str, batch: str) -> str:
    """The name of a batch's part."""
    return f"{folder}/part-{batch}.parquet"


def batch_of(name: str) -> str:
    """The batch of a part, by its name; empty where it is none."""
    is_part = name.startswith("part-") and name.endswith(".parquet")
    return name.removeprefix("part-").removesuffix(".parquet") if is_part else ""


def event_fields() -> dict[str, Any]:
    """Those of an `Event` that are columns, and their types; as in events.csv."""
    return {f.name: f.type for f in dataclasses.fields(Event) if f.name != "nearest"}


@functools.cache
def schemas() -> dict[str, Any]:
    """The columns of each folder, the same whatever the recordings are."""
    import pyarrow as pa

    text, whole, number = pa.string(), pa.int64(), pa.float64()
    types = {int: whole, float: number, str: text, bool: pa.bool_()}
    summary = {"id": text, "status": text, "reason": text, "samples": whole}
    summary |= {"leads": pa.list_(text), "rate": number, "threshold": number}
    summary |= {"events": whole, "alarms": whole, "seconds": number}
    events = {name: types[kind] for name, kind in event_fields().items()}
    events |= {"time": text, "shape": whole, "distance": number}
    scores = {"id": text, "sample": whole, "score": pa.float32(), "causal": pa.float32()}
    # A list, since the leads of one recording are not those of the next: columns of their own
    # would differ from part to part.
    scores |= {"lead_scores": pa.list_(pa.float32())}
    return {
        SUMMARY: pa.schema(list(summary.items())),
        EVENTS: pa.schema([("id", text), *events.items()]),
        SCORES: pa.schema(list(scores.items())),
    }


class Part:
    """One file that is written as its rows come."""

    def __init__(self, path: Any, schema: Any) -> None:
        import pyarrow.parquet as pq

        self.schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._waiting: list[Any] = []
        self._count = 0

    def add(self, table: Any) -> None:
        """More rows, a table of pyarrow."""
        self._waiting.append(table)
        self._count += len(table)
        if self._count >= ROWS:
            self._write()

    def _write(self) -> None:
        import pyarrow as pa

        # Also where there is no row: a file of a schema alone is read as an empty one.
        table = pa.concat_tables([self.schema.empty_table(), *self._waiting])
        self._writer.write_table(table, row_group_size=ROWS)
        self._waiting, self._count = [], 0

    def close(self) -> None:
        """Everything is in the file."""
        self._write()
        self._writer.close()


@contextlib.contextmanager
def writing(store: Store, folder: str, batch: str) -> Iterator[Part]:
    """The part of a batch in a folder; it is there when the block has ended well."""
    with store.new(part(folder, batch)) as path:
        new = Part(path, schemas()[folder])
        try:
            yield new
        finally:
            new.close()


def write_rows(store: Store, folder: str, batch: str, rows: Sequence[dict[str, Any]]) -> None:
    """A part of rows that are all there."""
    import pyarrow as pa

    with writing(store, folder, batch) as new:
        new.add(pa.Table.from_pylist(list(rows), schemas()[folder]))


def committed(store: Store) -> set[str]:
    """The batches that are done: those whose summary is there."""
    return {batch_of(name) for name in store.names(SUMMARY)} - {""}


def clean(store: Store) -> None:
    """Remove what killed workers left: hidden files, and parts without their summary."""
    done = committed(store)
    for folder in (EVENTS, SCORES, SUMMARY):
        for name in store.names(folder):
            if name.startswith(".") or (batch_of(name) and batch_of(name) not in done):
                store.remove(f"{folder}/{name}")
