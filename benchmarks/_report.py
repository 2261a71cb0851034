"""A Markdown table on the screen as it grows, and the same as JSON with versions and machine."""

import datetime
import importlib
import json
import os
import pathlib
import platform
import subprocess
from collections.abc import Sequence

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
OUT = ROOT / "out" / "bench"


class Report:
    """Prints each row when it comes; `write` puts all of them into `folder/name.json`."""

    def __init__(self, name: str, columns: Sequence[str], folder: pathlib.Path = OUT) -> None:
        self.name = name
        self.path = folder / f"{name}.json"
        self.records: list[dict] = []
        print(f"{_line(columns)}\n{'|---' * len(columns)}|", flush=True)

    def add(self, cells: Sequence[object], record: dict) -> None:
        """A row, as it is shown and as it is kept."""
        self.records.append(record)
        print(_line(cells), flush=True)

    def write(self, peers: dict[str, str] | None = None, **more: object) -> None:
        """`peers`: the versions of what was measured beside ours."""
        found = {
            "name": self.name,
            **more,
            "versions": {**versions(), "peers": peers or {}},
            "machine": machine(),
            "commit": commit(),
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "rows": self.records,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps(found, indent=1, default=_plain, allow_nan=False) + "\n")
        print(f"\nWritten to {self.path}")


def _plain(value: object) -> object:
    """NumPy's numbers are Python's to a reader of JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} has no place in JSON: {value!r}")


def _line(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def versions() -> dict[str, str]:
    """Of Python, Keras, the backend and NumPy."""
    import keras  # late: a script that only waits for other processes need not load a backend

    backend = keras.backend.backend()
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "backend": backend,
        backend: importlib.import_module(backend).__version__,
        "numpy": np.__version__,
    }


def machine() -> dict[str, object]:
    """The processor's model, the cores that this process may use, and the memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
    }


def _cpu_model() -> str:
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def commit() -> str:
    """The commit that is measured, with `+changes` where files differ from it."""
    asked = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+changes"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
