"""The labelled series of a folder, and how they are divided: `KIND-PART/NAME.npz`.

Each file holds `x` `(n, leads)`, `y` `(n,)` (anomalous), and `train`: samples of the official
training part; 0: a detector learns from the series itself. What comes after `train` is judged.
"""

import dataclasses
import hashlib
import itertools
import pathlib
from collections.abc import Iterable, Sequence

import numpy as np

# TSB-AD's rule of the window: what it gives where the autocorrelation has no peak, and the longest
# series and lag that it looks at.
NO_PERIOD, LONGEST_PERIOD, LOOKED_AT, LAGS = 125, 300, 20_000, 400
SHORTEST_WINDOW = 8


@dataclasses.dataclass(frozen=True)
class Series:
    """One labelled series.

    Attributes:
        x: Samples `(n, leads)`, float64.
        y: Which of them are anomalous, `(n,)`.
        train: So many first samples are to be learned from and are not judged; 0: there are none.
        digest: Of the file, for the cache.
    """

    folder: str
    name: str
    x: np.ndarray
    y: np.ndarray
    train: int
    digest: str = ""

    @classmethod
    def load(cls, path: pathlib.Path) -> "Series":
        data = np.load(path)
        x, y, train = data["x"].astype("float64"), data["y"].astype(bool), int(data["train"])
        digest = hashlib.sha1(path.read_bytes()).hexdigest()
        return cls(path.parent.name, path.stem, x, y, train, digest)

    @property
    def learned(self) -> np.ndarray:
        """What a detector may learn from."""
        return self.x[: self.train] if self.train else self.x

    @property
    def buffer(self) -> int:
        """The longest buffer of VUS-PR: the median of the leads' periods by TSB-AD's rule."""
        return int(np.median([find_length(lead) for lead in self.x.T]))

    @property
    def window(self) -> int:
        """The peers' window: that period, short enough to learn from and to score."""
        most = min(self.buffer, len(self.learned) // 4, len(self.x) // 6)
        return max(SHORTEST_WINDOW, most)


def find_length(x: np.ndarray) -> int:
    """TSB-AD's `find_length_rank` of rank 1: the highest peak of the autocorrelation."""
    found = autocorrelation(x[:LOOKED_AT], LAGS)[3:]
    peaks = np.flatnonzero((found[1:-1] > found[:-2]) & (found[1:-1] > found[2:])) + 1
    if not len(peaks):
        return NO_PERIOD
    highest = int(peaks[np.argsort(found[peaks])[::-1][0]])
    return NO_PERIOD if highest < 3 or highest > LONGEST_PERIOD else highest + 3


def autocorrelation(x: np.ndarray, lags: int) -> np.ndarray:
    """At lags 0 to `lags`."""
    x = x - x.mean()
    size = 1 << (2 * len(x) - 1).bit_length()  # no wrapping round
    found = np.fft.irfft(np.abs(np.fft.rfft(x, size)) ** 2, size)[: min(lags + 1, len(x))]
    return found / max(found[0], 1e-12)


def kind_of(path: pathlib.Path) -> str:
    """`NAB` of `NAB-Tweets/...`."""
    return path.parent.name.partition("-")[0]


def files_of(data: pathlib.Path) -> list[pathlib.Path]:
    return sorted(data.glob("*/*.npz"))


def of_kinds(paths: Iterable[pathlib.Path], kinds: Sequence[str]) -> list[pathlib.Path]:
    """Those of the kinds, or folders, that are asked for; all without any."""
    return [p for p in paths if not kinds or kind_of(p) in kinds or p.parent.name in kinds]


def confirming(paths: Iterable[pathlib.Path]) -> set[pathlib.Path]:
    """What is not used to choose anything: every third series of a kind, in the order of SHA-1."""
    return {path for group in by_kind(paths).values() for path in group[2::3]}


def drawn(paths: Iterable[pathlib.Path], count: int) -> list[pathlib.Path]:
    """`count` series, the same ones each time, from each kind in turn."""
    turns = itertools.zip_longest(*by_kind(paths).values())
    return [path for turn in turns for path in turn if path is not None][:count]


def by_kind(paths: Iterable[pathlib.Path]) -> dict[str, list[pathlib.Path]]:
    """Each kind's series in the order of the SHA-1 of `FOLDER/NAME`."""
    groups: dict[str, list[pathlib.Path]] = {}
    for path in sorted(paths, key=_place):
        groups.setdefault(kind_of(path), []).append(path)
    return dict(sorted(groups.items()))


def _place(path: pathlib.Path) -> str:
    return hashlib.sha1(f"{path.parent.name}/{path.stem}".encode()).hexdigest()
