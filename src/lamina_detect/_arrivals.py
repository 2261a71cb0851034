"""Lines as they come, for a program that has something else to do meanwhile."""

import queue
import threading

CHUNK = 1 << 16
AHEAD = 8


class Arrivals:
    """The lines of a file or an iterable, read ahead a little by a thread of its own."""

    def __init__(self, lines):
        self.chunks = queue.Queue(AHEAD)
        self.ended = False
        threading.Thread(target=self._read, args=(lines,), daemon=True).start()

    def take(self, seconds=None):
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

    def _read(self, lines):
        try:
            for chunk in _chunks(lines):
                self.chunks.put(chunk)
        except Exception as error:
            self.chunks.put(error)
        self.chunks.put(None)


def _chunks(lines):
    """Lists of lines: of a text file, as many as have come; else one by one."""
    buffer = getattr(lines, "buffer", None)
    if buffer is None:
        yield from ([line] for line in lines)
        return
    rest = b""
    while data := buffer.read1(CHUNK):
        *whole, rest = (rest + data).split(b"\n")
        if whole:
            yield [line.decode("utf-8", "replace") for line in whole]
    if rest:
        yield [rest.decode("utf-8", "replace")]
