"""Codebook usage in the logs of `fit`, in a picture and in TensorBoard."""

import os
import pathlib
import warnings
from typing import Any

import keras
import numpy as np

from lamina._common import to_numpy
from lamina.quantize._trained import TrainedQuantizer

# A codebook is looked at after so many steps, once; with fewer than this share in use it is warned
# of.
WARN_AFTER, WARN_BELOW = 500, 0.1
# Rows whose distances are taken: of a larger table every n-th.
ROWS = 1024
QUANTITIES = ("usage", "perplexity", "distance", "revived")


class CodebookMonitor(keras.callbacks.Callback):
    """Adds `<layer>_usage`, `_perplexity`, `_distance` and `_revived` to the logs of every epoch.

    So for each quantizer with trained tables in the model; over all codes that training chose in
    the epoch, means over the tables of a layer: the share of codes in use; the perplexity;
    the mean distance of a row from the nearest other one; the number of rows replaced. They are in
    the progress bar, in the history, and may be watched by `EarlyStopping`. After 500 steps
    it warns once of a layer of whose codes fewer than a tenth are in use. A layer cannot report
    metrics itself on all backends: what its call gives to a metric is lost in a JAX step.

    Args:
        picture: File to draw the four quantities into after each epoch, such as "codes.png". Needs
            matplotlib.
        log_dir: Folder for TensorBoard. Needs TensorFlow or tensorboard.

    Raises:
        ImportError: where what `picture` or `log_dir` needs is not installed.

    Example:
        >>> layer = lamina.VectorQuantizer(4, name="vq")
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), layer])
        >>> model.compile("adam", "mse")
        >>> x = np.random.default_rng(0).standard_normal((64, 2))
        >>> history = model.fit(x, x, verbose=0, callbacks=[CodebookMonitor()]).history
        >>> history["vq_usage"]
        [1.0]
    """

    def __init__(
        self, picture: str | os.PathLike | None = None, log_dir: str | os.PathLike | None = None
    ) -> None:
        super().__init__()
        self.picture = None if picture is None else pathlib.Path(picture)
        if self.picture is not None:
            _figure()
        self.writer = None if log_dir is None else _writer(str(log_dir))
        self.history: dict[str, dict[str, list[float]]] = {}
        self.steps = 0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        for layer in self._quantizers():
            layer.reset_usage()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        self.steps += 1
        if self.steps == WARN_AFTER:
            self._warn()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        for layer in self._quantizers():
            values = _quantities(layer)
            kept = self.history.setdefault(layer.name, {name: [] for name in QUANTITIES})
            for name, value in values.items():
                kept[name].append(value)
                if logs is not None:
                    logs[f"{layer.name}_{name}"] = value
                if self.writer is not None:
                    self.writer(f"{layer.name}/{name}", value, epoch)
        if self.picture is not None and self.history:
            self._draw(self.picture)

    def _warn(self) -> None:
        # JAX keeps the weights to itself within an epoch.
        sync = getattr(self.model, "jax_state_sync", None)
        if sync is not None:
            sync()
        for layer in self._quantizers():
            usage = float(layer.usage().mean())
            if usage < WARN_BELOW:
                warnings.warn(
                    f"After {WARN_AFTER} steps {usage:.1%} of the codes of {layer.name!r} are in "
                    "use. Start from data (`start='kmeans'`), revive unused rows "
                    "(`revive_below=0.03`), search in fewer features (`codebook_dim=8, "
                    "metric='cosine'`), or ask for fewer codes.",
                    stacklevel=2,
                )

    def _draw(self, path: pathlib.Path) -> None:
        """One panel a quantity, one line a layer; written under another name and renamed."""
        figure = _figure()
        panels = figure.subplots(1, len(QUANTITIES))
        for panel, name in zip(panels, QUANTITIES, strict=True):
            for layer, values in self.history.items():
                panel.plot(np.arange(1, len(values[name]) + 1), values[name], "o-", label=layer)
            panel.set(title=name, xlabel="epoch")
            panel.set_ylim(bottom=0)
        panels[0].legend()
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}")
        figure.savefig(part, format=path.suffix.lstrip(".") or "png")
        part.replace(path)

    def _quantizers(self) -> list[TrainedQuantizer]:
        return [x for x in self.model._flatten_layers() if isinstance(x, TrainedQuantizer)]


def _quantities(layer: TrainedQuantizer) -> dict[str, float]:
    distances = [_nearest_other(to_numpy(table.rows())) for table in layer.tables]
    return {
        "usage": float(layer.usage().mean()),
        "perplexity": float(layer.perplexity().mean()),
        "distance": float(np.mean(distances)),
        "revived": float(layer.revived().sum()),
    }


def _nearest_other(rows: np.ndarray) -> float:
    """Mean distance of a row from the nearest other one."""
    rows = rows[:: -(-len(rows) // ROWS)].astype("float64")
    if len(rows) < 2:
        return 0.0
    lengths = (rows**2).sum(-1)
    square = lengths[:, None] + lengths - 2 * rows @ rows.T
    np.fill_diagonal(square, np.inf)
    return float(np.sqrt(np.maximum(square.min(-1), 0)).mean())


def _figure() -> Any:
    """A figure that needs no screen and leaves the program's own settings alone."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError("`picture` needs matplotlib: pip install matplotlib") from None
    return Figure(figsize=(14, 3), layout="constrained")


def _writer(folder: str) -> Any:
    """`write(name, value, step)` for TensorBoard."""
    try:
        import tensorflow as tf

        writer = tf.summary.create_file_writer(folder)

        def write(name: str, value: float, step: int) -> None:
            with writer.as_default():
                tf.summary.scalar(name, value, step)
            writer.flush()

        return write
    except ImportError:
        pass
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ImportError(
            "`log_dir` needs TensorFlow, or PyTorch and tensorboard: pip install tensorboard"
        ) from None
    return SummaryWriter(folder).add_scalar
