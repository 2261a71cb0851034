"""One trained table: its weights, and the layer that owns them."""

from typing import Any

import keras
from keras import ops

from lamina._common import Array, Shape, State
from lamina.quantize._learning import Rules, learned, looked_up, rows_of


class Codebook(keras.layers.Layer):
    """A table of `codes` rows. The public layers own one or several.

    Weights (none is averaged between replicas: all compute the same, see `_replicas`):
        codebook: The rows. Under `update="gradient"` the part that a start or a revival sets.
        shift: Under `update="gradient"` only: what the optimiser adds to the rows. It cannot be
            assigned in a compiled JAX step, as `codebook` can.
        counts: Exponential moving average of the vectors a batch gives to each row.
        hits: Vectors given to each row since the last reset.
        seen: Under a k-means start only: vectors that the start has used.
    """

    def __init__(
        self,
        codes: int,
        metric: str,
        update: str,
        decay: float,
        start: Any,
        revive_below: float,
        seed: int | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.codes = codes
        starting = isinstance(start, str) and start == "kmeans"
        self.rules = Rules(metric, update, decay, starting, revive_below)
        self.start = start
        self.seed = seed
        self.random = keras.random.SeedGenerator(seed)

    def build(self, input_shape: Shape) -> None:
        def state(
            name: str, shape: Shape, initializer: Any = "zeros", dtype: str | None = None
        ) -> Any:
            return self.add_weight(
                name=name,
                shape=shape,
                initializer=initializer,
                dtype=dtype,
                trainable=False,
                autocast=False,
                aggregation="only_first_replica",
            )

        shape = (self.codes, input_shape[-1])
        self.codebook = state("codebook", shape, self._first_rows())
        self.counts = state("counts", (self.codes,))
        self.hits = state("hits", (self.codes,), dtype="int32")
        if self.rules.starting:
            self.seen = state("seen", (), dtype="int32")
        if self.rules.update == "gradient":
            self.shift = self.add_weight(
                name="shift", shape=shape, initializer="zeros", autocast=False
            )
        self.built = True

    def _first_rows(self) -> Any:
        if isinstance(self.start, str):
            return keras.initializers.RandomUniform(-1 / self.codes, 1 / self.codes, self.random)
        rows = self.start
        return lambda shape, dtype: ops.convert_to_tensor(rows, dtype)

    def rows(self) -> Array:
        """The table as it is used."""
        if not self.built:
            raise ValueError(
                "A quantizer has no table before it is built: call it on data, or `build` it with "
                "the shape of its inputs, before its table or its `decoder()` is used."
            )
        return rows_of(self._state())

    def look_up(self, vectors: Array, keep: Array | None) -> tuple[Array, Array]:
        """(values, codes) of the nearest rows; code -1 where a vector is left out or not finite."""
        return looked_up(self.rows(), vectors, keep, self.rules.metric)

    def learn(self, vectors: Array, keep: Array | None) -> tuple[Array, Array]:
        """`look_up`, and the table takes one step."""
        if vectors.shape[0] == 0:
            return self.look_up(vectors, keep)
        vectors = ops.stop_gradient(vectors)
        draw = keras.random.uniform(ops.shape(vectors)[:1], dtype=vectors.dtype, seed=self.random)
        values, codes, after = learned(self._state(), vectors, keep, draw, self.rules)
        for name, value in after.items():
            getattr(self, name).assign(value)
        return values, codes

    def _state(self) -> State:
        names = ("codebook", "shift", "counts", "hits", "seen")
        return {name: getattr(self, name).value for name in names if hasattr(self, name)}

    def get_config(self) -> dict[str, Any]:
        """For inspection only; the owner makes its tables itself, from its own config."""
        start = self.start if isinstance(self.start, str) else {"shape": list(self.start.shape)}
        return {
            **super().get_config(),
            "codes": self.codes,
            "metric": self.rules.metric,
            "update": self.rules.update,
            "decay": self.rules.decay,
            "start": start,
            "revive_below": self.rules.revive_below,
            "seed": self.seed,
        }
