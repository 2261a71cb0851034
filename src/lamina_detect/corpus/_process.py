"""A worker in a process of its own on this machine, and what is done when it dies.

Each has its own pipe: nothing is shared, so a process that is killed at any moment takes no lock
with it, and leaves the others as they were (docs/decisions.md).
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from typing import Any

from lamina_detect.corpus._job import Job
from lamina_detect.corpus._threads import one_thread

# TensorFlow and JAX do not survive a fork.
CONTEXT = multiprocessing.get_context("spawn")


class Died(Exception):
    """The process ended without an answer; `str()` says how."""


class Process:
    """A `Worker` in a process; started by the first call, and again after it died."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._process: Any = None
        self._pipe: Any = None

    def send(self, method: str, *arguments: Any) -> None:
        """Ask for a method of `Worker`; its answer is `receive`d."""
        if self._process is None or not self._process.is_alive():
            self._start()
        # What died meanwhile is found by `receive`.
        with contextlib.suppress(OSError):
            self._pipe.send((method, arguments))

    def _start(self) -> None:
        self._pipe, other = CONTEXT.Pipe()
        self._process = CONTEXT.Process(target=serve, args=(other, self.job), daemon=True)
        with _surroundings(one_thread()):
            self._process.start()
        other.close()

    def receive(self) -> Any:
        """The answer; raises what the method raised, or `Died`."""
        try:
            ok, answer = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            self._process = None
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            raise Died(f"the worker process died ({how})") from None
        if ok:
            return answer
        raise answer

    def call(self, method: str, *arguments: Any) -> Any:
        """Ask, and wait for the answer."""
        self.send(method, *arguments)
        return self.receive()

    def stop(self) -> None:
        """The process is gone, whatever it was doing."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None


def answered(processes: list[Process]) -> list[Process]:
    """Those of which an answer, or a death, is there; waits for the first, and not for long."""
    pipes = {process._pipe: process for process in processes}
    return [pipes[pipe] for pipe in wait(list(pipes), timeout=1.0)]  # type: ignore[index]


@contextlib.contextmanager
def _surroundings(environment: dict[str, str]) -> Iterator[None]:
    """What a process that is started here inherits: variables, and that Ctrl-C is not its own."""
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    try:
        yield
    finally:
        if main:
            signal.signal(signal.SIGINT, handler)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def serve(pipe: Connection, job: Job) -> None:
    """The process: answers until its driver is gone."""
    threading.Thread(target=_end_with_driver, daemon=True).start()
    if os.isatty(2):
        # What libraries print as they load would go through the progress bar.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    worker = None
    while True:
        try:
            method, arguments = pipe.recv()
        except EOFError:
            return
        try:
            if worker is None:
                from lamina_detect.corpus._worker import Worker

                worker = Worker(job)
            answer = True, getattr(worker, method)(*arguments)
        except Exception as error:
            answer = False, error
        pipe.send(answer)


def _end_with_driver() -> None:
    """Also in the middle of a batch: nobody would read its answer."""
    driver = multiprocessing.parent_process()
    if driver is not None:
        wait([driver.sentinel])
        os._exit(1)
