"""Lines as they come, for a program that has something else to do meanwhile."""

import queue
import threading
from collections.abc import Iterable, Iterator

# Bytes that are taken at once, if so many have come: a pipe of Linux holds as many.
CHUNK = 1 << 16
# Of a longer line no more is kept: it is no sample, and what never ends must not fill the memory.
LONGEST = 1 << 16
# Chunks that may wait: enough to keep the scoring busy; then the writer has to wait.
AHEAD = 8


class LineReader:
    """The lines of a file or an iterable, read ahead a little by a thread of its own."""

    def __init__(self, lines: Iterable[str]) -> None:
        self.chunks: queue.Queue[list[str] | Exception | None] = queue.Queue(AHEAD)
        self.ended = False
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()

    def take(self, seconds: float | None = None) -> list[str] | None:
        """The next lines, at least one; `[]` if none comes in time; None at the end."""
        if self.ended:
            return None
        try:
            chunk = self.chunks.get(timeout=seconds)
        except queue.Empty:
            return []
        if isinstance(chunk, Exception):
            raise chunk
        self.ended = chunk is None
        return chunk

    def _read(self, lines: Iterable[str]) -> None:
        try:
            for chunk in _chunks(lines):
                self.chunks.put(chunk)
        except Exception as error:
            self.chunks.put(error)
        self.chunks.put(None)


def _chunks(lines: Iterable[str]) -> Iterator[list[str]]:
    """Lists of lines: of a text file, as many as have come; else one by one."""
    buffer = getattr(lines, "buffer", None)
    if buffer is None:
        yield from ([line] for line in lines)
        return
    rest = b""
    while data := buffer.read1(CHUNK):
        *complete, rest = (rest + data).split(b"\n")
        rest = rest[:LONGEST]
        if complete:
            yield [line.decode("utf-8", "replace") for line in complete]
    if rest:
        yield [rest.decode("utf-8", "replace")]
