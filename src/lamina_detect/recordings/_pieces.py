"""A recording that is read from its file piece by piece."""

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina_detect._common import BadInput, first_line
from lamina_detect.recordings._options import ReadOptions
from lamina_detect.recordings._recording import Recording


def guarded(path: pathlib.Path, kind: str, action: Callable[[], Any]) -> Any:
    """What `action` gives; whatever another library raises on a damaged file is `BadInput`."""
    try:
        return action()
    except (BadInput, ModuleNotFoundError):
        raise
    except OSError as error:
        if error.errno:
            raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
        raise BadInput(f"{path}: not {kind}, or damaged: {first_line(error)}") from None
    except Exception as error:  # of many kinds
        text = f"{type(error).__name__}: {first_line(error)}"
        raise BadInput(f"{path}: not {kind}, or damaged: {text}") from None


def chosen(path: pathlib.Path, names: Sequence[str], options: ReadOptions) -> list[int]:
    """The places of the leads that the user named; of all by default."""
    wanted = [part for name in options.columns or () for part in _parts(name, names)]
    for name in wanted:
        if name not in names:
            raise BadInput(f"{path}: no lead {name!r}; it has {', '.join(names[:20])}")
    return [list(names).index(name) for name in wanted] or list(range(len(names)))


def _parts(name: str, names: Sequence[str]) -> list[str]:
    return [name] if name in names else [part.strip() for part in name.split(",")]


def unique(names: Sequence[str]) -> tuple[str, ...]:
    """Lead names, numbered where two are alike."""
    known = [n.strip() or f"lead{i}" for i, n in enumerate(names)]
    return tuple(n if known.count(n) == 1 else f"{n}_{i}" for i, n in enumerate(known))


def in_pieces(
    path: pathlib.Path,
    kind: str,
    read: Callable[[int, int], np.ndarray],
    length: int,
    rate: float | None,
    leads: Sequence[str],
    units: Sequence[str],
    **more: Any,
) -> Recording:
    """A recording whose samples `read(start, stop)` gives, `(n, leads)`."""
    if length < 2:
        raise BadInput(f"{path}: holds {length} samples; a recording has at least two")

    def piece(start: int, stop: int) -> np.ndarray:
        start, stop, _ = slice(start, stop).indices(length)
        return guarded(path, kind, lambda: np.asarray(read(start, stop), "float32"))

    piece(0, 1)  # A file that cannot be read is refused here, not on the way.
    return Recording(
        more.pop("name", path.stem), tuple(leads), tuple(units), length, rate, piece, **more
    )
