"""Statistics of every layer's output in one forward pass."""

from dataclasses import dataclass, field

import keras
import numpy as np

from lamina._common import Array, Tree
from lamina.taps._inputs import inputs_for
from lamina.taps._paths import check_model
from lamina.taps._recorder import Recorder, reachable
from lamina.taps._state import isolated


@dataclass
class TapLine:
    """What one layer returned in a forward pass, all its calls together.

    Attributes:
        path: The path of the layer, as `Tap` takes it.
        layer: The name of its class.
        calls: How often it was called.
        shapes: Of the tensors that its first call returned.
        dtypes: Theirs.
        values: How many numbers all calls returned.
        zeros: How many of them are 0.
        nans: How many of them are NaN.
        total: Sum of those that are not.
        squares: Sum of their squares.
    """

    path: str
    layer: str
    calls: int = 0
    shapes: list[tuple[int, ...]] = field(default_factory=list)
    dtypes: list[str] = field(default_factory=list)
    values: int = 0
    zeros: int = 0
    nans: int = 0
    total: float = 0.0
    squares: float = 0.0

    @property
    def mean(self) -> float:
        """Over what is not NaN; NaN if there is nothing."""
        return self.total / (self.values - self.nans) if self.values > self.nans else np.nan

    @property
    def scale(self) -> float:
        """The standard deviation."""
        if self.values == self.nans:
            return np.nan
        return np.sqrt(max(self.squares / (self.values - self.nans) - self.mean**2, 0.0))

    @property
    def zero_share(self) -> float:
        """Zeros over all values; NaN if there is nothing."""
        return self.zeros / self.values if self.values else np.nan

    def add(self, output: Tree) -> None:
        """Include one more call."""
        tensors = [x for x in keras.tree.flatten(output) if keras.ops.is_tensor(x)]
        self.calls += 1
        self.shapes = self.shapes or [tuple(x.shape) for x in tensors]
        self.dtypes = self.dtypes or [keras.backend.standardize_dtype(x.dtype) for x in tensors]
        for x in tensors:
            x = _as_float(x)
            bad = np.isnan(x)
            good = x[~bad]
            self.values += x.size
            self.zeros += int((good == 0).sum())
            self.nans += int(bad.sum())
            self.total += float(good.sum())
            self.squares += float(np.square(good).sum())


@dataclass
class TapSummary:
    """What `tap_summary` returns; `str` of it is the table.

    Attributes:
        model: Name and class of the model.
        lines: One for each layer that a tap can reach, in the order of the model's tree.
        first_nan: The path of the layer that gives NaN first; see `tap_summary`.
        verdict: A sentence on where NaN appears first; empty if there is none.
    """

    model: str
    lines: list[TapLine]
    first_nan: str | None
    verdict: str = ""

    def __str__(self) -> str:
        head = ("layer", "shape", "dtype", "calls", "zero", "mean", "scale", "NaN")
        rows = [head, *(_row(line, self.lines) for line in self.lines)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        lines = [self.model]
        for row in rows:
            cells = (
                cell.ljust(w) if i < 3 else cell.rjust(w)
                for i, (cell, w) in enumerate(zip(row, widths, strict=True))
            )
            lines.append("  ".join(cells).rstrip())
        return "\n".join([*lines, self.verdict] if self.verdict else lines)


def tap_summary(model: keras.layers.Layer, inputs: Tree, training: bool = False) -> TapSummary:
    """Print what every layer of a model returns, as a tree, and where NaN first appears.

    One forward pass in eager mode. For each layer that a tap can reach: shape and dtype (of its
    first call), number of calls, share of zeros, mean, scale (standard deviation) and count of NaN
    over all its outputs and calls. A layer that ran in a loop of its own (a scan) or not at all has
    0 calls. Nothing is kept beyond these numbers, and what layers update is dropped.

    Args:
        model: Any Keras layer or model.
        inputs: What it takes, with values.
        training: Passed to the model.

    Returns:
        A `TapSummary`, whose `lines` (with `path`, `calls`, `shapes`, `dtypes`, `zero_share`,
        `mean`, `scale`, `nans`) and `first_nan` hold the same. `first_nan` is the path of the layer
        whose output has NaN and whose input has none; the model's name if that is the model itself,
        between its layers; None if there is no NaN, or if the inputs have it already.

    Raises:
        TypeError: if `model` is not a Keras layer.
        ValueError: as the model does on such inputs.

    Example:
        >>> double, relu = keras.layers.Rescaling(2.0, name="a"), keras.layers.ReLU(name="b")
        >>> model = keras.Sequential([double, relu])
        >>> found = tap_summary(model, np.array([[-1.0, 3.0]]))
        >>> [(line.path, line.zero_share, line.mean) for line in found.lines]
        [('a', 0.0, 2.0), ('b', 0.5, 3.0)]
    """
    check_model(model)
    inputs = keras.tree.map_structure(keras.ops.convert_to_tensor, inputs)
    if not model.built:
        with inputs_for(model, inputs):
            model(inputs, training=training)
    lines = {path: TapLine(path, type(layer).__name__) for path, layer in reachable(model).items()}
    sources = []

    def note(path: str, layer: keras.layers.Layer, arguments: Tree, output: Tree) -> None:
        nans = lines[path].nans
        lines[path].add(output)
        # Calls end from the inside out: the first is the deepest.
        if lines[path].nans > nans and not _has_nan(arguments):
            sources.append(path)

    with isolated(), Recorder(model, note), inputs_for(model, inputs):
        output = model(inputs, training=training)
    anywhere = _has_nan(output) or any(line.nans for line in lines.values())
    if anywhere and not sources and not _has_nan(inputs):
        sources.append(model.name)
    first = sources[0] if sources else None
    name = f"{model.name} ({type(model).__name__})"
    found = TapSummary(name, list(lines.values()), first, _verdict(first, model, inputs))
    print(found)
    return found


def _verdict(first: str | None, model: keras.layers.Layer, inputs: Tree) -> str:
    """The last line: where NaN comes from."""
    if first == model.name:
        return f"NaN appears first in `{first}` itself, between its layers: none of them makes it."
    if first:
        return f"NaN appears first in the output of `{first}`: its input has none."
    return "The inputs have NaN already." if _has_nan(inputs) else ""


def _row(line: TapLine, lines: list[TapLine]) -> tuple[str, ...]:
    owners = [other.path for other in lines if line.path.startswith(f"{other.path}.")]
    name = line.path[len(max(owners, key=len)) + 1 :] if owners else line.path
    label = f"{'  ' * len(owners)}{name} ({line.layer})"
    if line.calls == 0:
        return (label, "-", "-", "0", "-", "-", "-", "-")
    return (
        label,
        " ".join(str(shape).replace(" ", "") for shape in line.shapes),
        " ".join(dict.fromkeys(line.dtypes)),
        str(line.calls),
        f"{line.zero_share:.0%}",
        f"{line.mean:.3g}",
        f"{line.scale:.3g}",
        str(line.nans),
    )


def _as_float(x: Array) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(x, "float32")), "float64")


def _has_nan(tree: Tree) -> bool:
    tensors = (x for x in keras.tree.flatten(tree) if keras.ops.is_tensor(x))
    return any(np.isnan(_as_float(x)).any() for x in tensors)
