"""One trained table: its weights, and the layer that owns them."""

import functools
from typing import Any

import keras
from keras import ops

from lamina._common import Array, ReplicaRows, Shape, State, from_first_replica
from lamina._common._fast import jit_compiled
from lamina.quantize._learning import USED, Rules, advanced, looked_up, rows_of, started

_compiled_rows = jit_compiled(rows_of)


class Codebook(keras.layers.Layer):
    """A table of `codes` rows. The public layers own one or several.

    Weights (none is averaged between replicas: all compute the same, see `_replicas`):
        codebook: The rows. Under `update="gradient"` the part that a start or a revival sets;
            under "linear" what `kernel` makes rows of.
        shift: Under `update="gradient"` only: what the optimiser adds to the rows. It cannot be
            assigned in a compiled JAX step, as `codebook` can.
        kernel: Under `update="linear"` only, `(features, features)`: trained by the optimiser.
        counts: Exponential moving average of the vectors a batch gives to each row.
        hits: Vectors given to each row since the last reset.
        seen: Under a k-means start only: vectors that the start has used.
        revived: Rows that were replaced since the last reset.
        number, total, waited: Where the table moves at each n-th step only: the number and sum
            of the vectors of each row since the last move, and the steps.
    """

    def __init__(
        self, codes: int, rules: Rules, start: Any, seed: int | None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.codes = codes
        self.rules = rules
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

        features: Any = input_shape[-1]
        shape = (self.codes, features)
        self.codebook = state("codebook", shape, self._first_rows(features))
        self.counts = state("counts", (self.codes,))
        self.hits = state("hits", (self.codes,), dtype="int32")
        if self.rules.starting:
            self.seen = state("seen", (), dtype="int32")
        if self.rules.accumulation > 1:
            self.number = state("number", (self.codes,))
            self.total = state("total", shape)
            self.waited = state("waited", (), dtype="int32")
        if self.rules.update == "gradient":
            self.shift = self.add_weight(
                name="shift", shape=shape, initializer="zeros", autocast=False
            )
        if self.rules.update == "linear":
            self.kernel = self.add_weight(
                name="kernel", shape=(features, features), initializer="identity", autocast=False
            )
        self.revived = state("revived", (), dtype="int32")
        names = ("codebook", "shift", "kernel", "counts", "hits", "seen")
        names = (*names, "number", "total", "waited", "revived")
        found = {name: getattr(self, name, None) for name in names}
        self._named = {name: weight for name, weight in found.items() if weight is not None}
        self.built = True

    def _first_rows(self, features: int) -> Any:
        if isinstance(self.start, str) and self.start == "normal":
            return keras.initializers.RandomNormal(0.0, features**-0.5, self.random)
        if isinstance(self.start, str):
            return keras.initializers.RandomUniform(-1 / self.codes, 1 / self.codes, self.random)
        rows = self.start
        return lambda shape, dtype: ops.convert_to_tensor(rows, dtype)

    def load_own_variables(self, store: Any) -> None:
        """Models that were saved before there was `revived` have all the others."""
        if str(len(self._trainable_variables) + len(self._non_trainable_variables) - 1) in store:
            super().load_own_variables(store)
            return
        weights = [*self._trainable_variables, *self._non_trainable_variables]
        for place, weight in enumerate(weights[:-1]):
            weight.assign(store[str(place)])

    def rows(self) -> Array:
        """The table as it is used."""
        if not self.built:
            raise ValueError(
                "A quantizer has no table before it is built: call it on data, or `build` it with "
                "the shape of its inputs, before its table or its `decoder()` is used."
            )
        return _compiled_rows(self.state())

    def look_up(self, vectors: Array, kinds: Array) -> tuple[Array, Array]:
        """(values, codes) of the nearest rows; code -1 where a vector is not USED."""
        return looked_up(self.rows(), vectors, kinds == USED, self.rules.metric)

    def state(self) -> State:
        """The values of the weights, by name."""
        return {name: weight.value for name, weight in self._named.items()}


class TrainingStep:
    """One training step of a table, that one or several looks at it make up.

    `look_up` for each, then `finish`. The first one's vectors are those a k-means start takes.
    """

    def __init__(self, table: Codebook, rows: ReplicaRows, looks: int) -> None:
        self.table = table
        self.state = table.state()
        self.among: Any = rows
        self.now: Array = None
        self.seen: list[tuple[Array, Array, Array]] = []
        self.draw: Any = None
        if table.rules.drawing:
            self.draw = self._drawing(looks * rows.total)

    def look_up(self, vectors: Array, kinds: Array) -> tuple[Array, Array]:
        """As `Codebook.look_up`, of the table as the step found or started it."""
        rules, fixed = self.table.rules, ops.stop_gradient(vectors)
        everything, all_kinds = self.among.gather(fixed), self.among.gather(kinds)
        if self.now is None:
            if rules.starting and vectors.shape[0] != 0:
                draw = self.draw if callable(self.draw) else self.draw[: self.among.total]
                self.now = started(self.state, everything, all_kinds, draw, rules)
            else:
                self.now = _compiled_rows(self.state)
        values, codes = looked_up(self.now, vectors, kinds == USED, rules.metric, self._noise())
        self.seen.append((everything, all_kinds, self.among.gather(codes)))
        return values, codes

    def rows(self) -> Array:
        """The table that the step looks up in."""
        return self.now

    def finish(self) -> None:
        """The table takes its step."""
        several = len(self.seen) > 1
        vectors, kinds, codes = (
            ops.concatenate(parts, axis=0) if several else parts[0]
            for parts in zip(*self.seen, strict=True)
        )
        rules = self.table.rules
        after = advanced(self.now, self.state, vectors, kinds, codes, self.draw, rules)
        for name, value in after.items():
            self.table._named[name].assign(value)

    def _drawing(self, count: Any) -> Any:
        """Uniform numbers; where each operation runs at once, a function that draws them."""
        if keras.backend.backend() == "torch":
            return functools.cache(lambda: self._uniform((count,)))
        return self._uniform((count,))

    def _noise(self) -> Array | None:
        """Gumbel's, for half a squared distance: argmax of the sum draws by a softmax."""
        temperature = self.table.rules.temperature
        if not temperature:
            return None
        draw = self._uniform((self.among.total, self.table.codes))
        draw = ops.clip(self.among.own(draw), 1e-7, 1 - 1e-7)
        return -ops.log(-ops.log(draw)) * (temperature / 2)

    def _uniform(self, shape: tuple[Any, ...]) -> Array:
        draw = keras.random.uniform(shape, dtype=self.table.dtype, seed=self.table.random)
        return from_first_replica(draw) if self.among.several else draw
