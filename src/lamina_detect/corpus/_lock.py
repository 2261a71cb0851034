"""One driver at a time on a folder of results."""

import contextlib
import json
import os
import pathlib
import platform
import threading
import time
from collections.abc import Iterator
from typing import Any

from lamina_detect._common import BadInput
from lamina_detect.corpus._store import Store

LOCK, DRIVER = ".lock", ".driver.json"
# An object store has no locks: the driver there says that it lives, so often, and one that has not
# said so for so long is dead. In seconds.
EVERY, DEAD_AFTER = 20, 90


@contextlib.contextmanager
def only_driver(store: Store) -> Iterator[None]:
    """BadInput if another driver, which lives, has these results."""
    with _locked_here(store) if store.local else _leased(store):
        yield


@contextlib.contextmanager
def _locked_here(store: Store) -> Iterator[None]:
    """The system's lock: it is gone with the process that holds it, however that ended."""
    import filelock

    lock = filelock.FileLock(store.path(LOCK))
    try:
        lock.acquire(blocking=False)
    except filelock.Timeout:
        raise BadInput(_held(store, _driver(store))) from None
    try:
        _sign(store)
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def _leased(store: Store) -> Iterator[None]:
    other = _driver(store)
    if other and _lives(other):
        raise BadInput(_held(store, other))
    _sign(store)
    ended = threading.Event()

    def go_on() -> None:
        while not ended.wait(EVERY):
            # A store that does not answer for a while is the workers' to report.
            with contextlib.suppress(BadInput):
                _sign(store)

    threading.Thread(target=go_on, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        store.remove(DRIVER)


def _sign(store: Store) -> None:
    known = {"host": platform.node(), "pid": os.getpid(), "time": time.time()}
    with store.new(DRIVER) as path:
        path.write_text(json.dumps(known))


def _driver(store: Store) -> dict[str, Any]:
    return json.loads(store.read(DRIVER)) if store.exists(DRIVER) else {}


def _lives(other: dict[str, Any]) -> bool:
    if other["host"] == platform.node() and pathlib.Path("/proc/self").exists():
        return pathlib.Path(f"/proc/{other['pid']}").exists()
    return time.time() - other["time"] < DEAD_AFTER


def _held(store: Store, other: dict[str, Any]) -> str:
    who = f"process {other['pid']} on {other['host']}" if other else "another process"
    return f"{store.url}: {who} is working there; wait for it to end, or stop it"
