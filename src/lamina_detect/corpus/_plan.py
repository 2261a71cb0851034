"""The plan: every recording once, in order, with its batch; and what the job is."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lamina_detect._common import BadInput
from lamina_detect.corpus._job import Batch, Job, Planned
from lamina_detect.corpus._store import Store

MANIFEST = "manifest.parquet"
# In the schema's metadata.
KEY = b"lamina_detect.corpus"
# A batch holds at most so many recordings, so that the cost of its files is little beside theirs,
# and at most so many bytes, so that a kill costs minutes.
MOST_RECORDINGS, MOST_BYTES = 32, 8 << 20
# The first batches hold one recording, the next ones two, and so on: the first results come early,
# and a small corpus still has batches for many workers.
GROW_EVERY = 4
# Rows that are written and read together.
ROWS = 4096


def batches_of(recordings: Iterable[Planned]) -> Iterator[Batch]:
    """Recordings in batches: by their order, number and sizes alone."""
    waiting: list[Planned] = []
    number, size = 0, 0
    for planned in recordings:
        most = min(MOST_RECORDINGS, 1 + number // GROW_EVERY)
        if waiting and (len(waiting) == most or size + planned.size > MOST_BYTES):
            yield _batch(waiting)
            waiting, size, number = [], 0, number + 1
        waiting.append(planned)
        size += planned.size
    if waiting:
        yield _batch(waiting)


def _batch(recordings: list[Planned]) -> Batch:
    ids = "\n".join(planned.id for planned in recordings)
    return Batch(
        hashlib.sha256(ids.encode("utf-8", "surrogateescape")).hexdigest()[:16], recordings
    )


def write_plan(store: Store, batches: Iterable[Batch], fingerprint: Mapping[str, Any]) -> None:
    """Write the manifest; what it holds of recordings at once does not grow with them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [("id", pa.string()), ("files", pa.list_(pa.string())), ("size", pa.int64())]
    schema = pa.schema([*fields, ("version", pa.string()), ("batch", pa.string())])
    schema = schema.with_metadata({KEY: json.dumps(fingerprint, sort_keys=True)})
    with store.new(MANIFEST) as path, pq.ParquetWriter(path, schema) as writer:
        rows: list[dict[str, Any]] = []
        for batch in batches:
            rows += [{**dataclasses.asdict(p), "batch": batch.name} for p in batch.recordings]
            if len(rows) >= ROWS:
                writer.write_table(pa.Table.from_pylist(rows, schema))
                rows = []
        writer.write_table(pa.Table.from_pylist(rows, schema))


class Plan:
    """The manifest of a folder of results, as it was written."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def exists(self) -> bool:
        """Was there a plan?"""
        return self.store.exists(MANIFEST)

    def fingerprint(self) -> dict[str, Any]:
        """What the job was when the plan was made."""
        with self.store.parquet(MANIFEST) as file:
            return json.loads((file.schema_arrow.metadata or {})[KEY])

    def job(self) -> Job:
        """The job, for who comes later with the results alone."""
        try:
            known = self.fingerprint()
        except FileNotFoundError:
            raise BadInput(f"{self.store.url}: holds no results of a corpus") from None
        return Job(
            known["source"],
            self.store.url,
            known["model from"] == "fit_each",
            known["settings"],
            known["reading"],
            known["false_alarms"],
            known["threshold"],
            known["scores"],
        )

    def size(self) -> tuple[int, int]:
        """Recordings, and their bytes."""
        with self.store.parquet(MANIFEST) as file:
            parts = file.iter_batches(ROWS, columns=["size"])
            return file.metadata.num_rows, sum(sum(p["size"].to_pylist()) for p in parts)

    def batches(self) -> Iterator[Batch]:
        """Batch by batch."""
        name, waiting = "", []
        with self.store.parquet(MANIFEST) as file:
            for part in file.iter_batches(ROWS):
                for row in part.to_pylist():
                    batch = row.pop("batch")
                    if waiting and batch != name:
                        yield Batch(name, waiting)
                        waiting = []
                    name = batch
                    waiting.append(Planned(**row))
        if waiting:
            yield Batch(name, waiting)

    def find(self, id: str) -> Planned:
        """One recording; BadInput if the plan has none of this id."""
        with self.store.parquet(MANIFEST) as file:
            for part in file.iter_batches(ROWS):
                ids = part["id"].to_pylist()
                if id in ids:
                    row = part.slice(ids.index(id), 1).to_pylist()[0]
                    row.pop("batch")
                    return Planned(**row)
        raise BadInput(f"{self.store.url}: has no recording {id!r}; an id is a path below its root")


def check_same(planned: Mapping[str, Any], asked: Mapping[str, Any], where: str) -> None:
    """BadInput that says what differs, where the folder holds another job's results."""
    keys = sorted(planned.keys() | asked.keys())
    different = [k for k in keys if planned.get(k) != asked.get(k)]
    if different:
        told = "; ".join(f"{k} was {planned.get(k)}, and is {asked.get(k)} now" for k in different)
        raise BadInput(
            f"{where}: holds the results of another job: {told}. Name another folder with --out, "
            "or give what was given then"
        )
