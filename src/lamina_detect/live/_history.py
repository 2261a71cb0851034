"""What watchers of a page may still ask for."""

import collections
import threading
from collections.abc import Callable

# Of messages that are kept: at 1,000 samples a second of one lead a quarter of an hour.
MOST_BYTES = 16 << 20


class History:
    """Numbered messages, the last ones of them; one thread adds, others read.

    Each watcher reads at its own pace from here, so that none of them costs memory of its own, and
    one that was away goes on where it was. What was too long ago is gone, and `since` says so.

    Args:
        most: Bytes that are kept.
        changed: Called after each change, by the thread that adds.
    """

    def __init__(self, changed: Callable[[], object], most: int = MOST_BYTES) -> None:
        self.most, self.changed = most, changed
        self.ended = False
        self._kept: collections.deque[tuple[int, str]] = collections.deque()
        self._bytes, self._count = 0, 0
        self._lock = threading.Lock()

    def add(self, message: str) -> None:
        """The next message."""
        with self._lock:
            self._kept.append((self._count, message))
            self._count += 1
            self._bytes += len(message)
            while self._bytes > self.most and len(self._kept) > 1:
                self._bytes -= len(self._kept.popleft()[1])
        self.changed()

    def end(self) -> None:
        """No more will come."""
        self.ended = True
        self.changed()

    def since(self, number: int) -> tuple[list[tuple[int, str]], int]:
        """The messages from `number` on, and how many of them are gone."""
        with self._lock:
            first = self._kept[0][0] if self._kept else self._count
            begin = max(0, number - first)
            kept = [self._kept[i] for i in range(begin, len(self._kept))]
            return kept, max(0, first - number)
