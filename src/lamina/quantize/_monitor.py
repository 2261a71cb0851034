"""Codebook usage in the logs of `fit`."""

from typing import Any

import keras

from lamina.quantize._trained import TrainedQuantizer


class CodebookMonitor(keras.callbacks.Callback):
    """Adds `<layer>_usage` and `<layer>_perplexity` to the logs of every epoch.

    One pair for each `VectorQuantizer` and `ResidualVectorQuantizer` of the model, over all codes
    that training chose in the epoch; means over the stages of a residual quantizer. They are in
    the progress bar, in the history, and may be watched by `EarlyStopping`. A layer cannot report
    metrics itself on all backends: what its call gives to a metric is lost in a JAX step.

    Example:
        >>> layer = lamina.VectorQuantizer(4, name="vq")
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2), layer])
        >>> model.compile("adam", "mse")
        >>> x = np.random.default_rng(0).standard_normal((64, 2))
        >>> history = model.fit(x, x, verbose=0, callbacks=[CodebookMonitor()]).history
        >>> history["vq_usage"]
        [1.0]
    """

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        for layer in self._quantizers():
            layer.reset_usage()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is None:
            return
        for layer in self._quantizers():
            logs[f"{layer.name}_usage"] = float(layer.usage().mean())
            logs[f"{layer.name}_perplexity"] = float(layer.perplexity().mean())

    def _quantizers(self) -> list[TrainedQuantizer]:
        return [x for x in self.model._flatten_layers() if isinstance(x, TrainedQuantizer)]
