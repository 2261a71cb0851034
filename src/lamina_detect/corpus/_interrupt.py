"""Ctrl-C once: no further batch is begun. Twice: those that run are abandoned."""

import os
import signal
import threading
from types import FrameType
from typing import Any

# In one call: a handler may interrupt anything.
TOLD = b"\nThe batches that run are finished first; Ctrl-C again abandons them.\n"


class Interrupt:
    """`stopped()` after the first Ctrl-C; the second raises KeyboardInterrupt, as ever."""

    def __init__(self) -> None:
        self._stopped = False
        self._before: Any = None

    def __enter__(self) -> "Interrupt":
        # Only the main thread may say what a signal does; in another, Ctrl-C is not ours.
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._before = signal.signal(signal.SIGINT, self._stop)
        return self

    def __exit__(self, *_: object) -> None:
        if self._main:
            signal.signal(signal.SIGINT, self._before)

    def stopped(self) -> bool:
        """Was it asked for?"""
        return self._stopped

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if self._stopped:
            raise KeyboardInterrupt
        self._stopped = True
        if os.isatty(2):
            os.write(2, TOLD)
