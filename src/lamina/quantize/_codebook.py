"""One trained table: its weights, the look-up, and how training changes it."""

import keras
from keras import ops

from lamina._common import from_first_replica, sum_over_replicas
from lamina.quantize._nearest import misfit, nearest
from lamina.quantize._statistics import kmeans, moved, reseeded, tally

# The k-means start goes on until this many vectors a row were seen.
ENOUGH = 16


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

    def __init__(self, codes, metric, update, decay, start, revive_below, seed, **kwargs):
        super().__init__(**kwargs)
        self.codes = codes
        self.metric = metric
        self.update = update
        self.decay = decay
        self.starting = isinstance(start, str) and start == "kmeans"
        self.start = start
        self.revive_below = revive_below
        self.seed = seed
        self.random = keras.random.SeedGenerator(seed)

    def build(self, features):
        def state(name, shape, initializer="zeros", dtype=None):
            return self.add_weight(
                name=name,
                shape=shape,
                initializer=initializer,
                dtype=dtype,
                trainable=False,
                autocast=False,
                aggregation="only_first_replica",
            )

        shape = (self.codes, features)
        self.codebook = state("codebook", shape, self._first_rows())
        self.counts = state("counts", (self.codes,))
        self.hits = state("hits", (self.codes,), dtype="int32")
        if self.starting:
            self.seen = state("seen", (), dtype="int32")
        if self.update == "gradient":
            self.shift = self.add_weight(
                name="shift", shape=shape, initializer="zeros", autocast=False
            )
        self.built = True

    def _first_rows(self):
        if isinstance(self.start, str):
            return keras.initializers.RandomUniform(-1 / self.codes, 1 / self.codes, self.random)
        rows = self.start
        return lambda shape, dtype: ops.convert_to_tensor(rows, dtype)

    def rows(self):
        """The table as it is used."""
        if not self.built:
            raise ValueError(
                "A quantizer has no table before it is built: call it on data, or `build` it with "
                "the shape of its inputs, then ask for its table or its `decoder()`."
            )
        return (
            self.codebook.value + self.shift.value
            if self.update == "gradient"
            else self.codebook.value
        )

    def look_up(self, vectors, keep):
        """(values, codes) of the nearest rows; code -1 where a vector is left out or not finite."""
        return self._look_up(vectors, self._usable(vectors, keep), self.rows())

    def learn(self, vectors, keep):
        """`look_up`, and the table takes one step."""
        vectors = ops.stop_gradient(vectors)
        usable = self._usable(vectors, keep)
        draw = keras.random.uniform(ops.shape(usable), dtype=vectors.dtype, seed=self.random)
        table = self.rows()
        if self.starting:
            table = self._started(table, vectors, usable, draw)
        values, codes = self._look_up(vectors, usable, table)
        self._take_step(ops.stop_gradient(table), vectors, codes, draw)
        return values, codes

    def _usable(self, vectors, keep):
        finite = ops.isfinite(ops.sum(vectors, axis=-1))
        return finite if keep is None else ops.logical_and(finite, keep)

    def _look_up(self, vectors, usable, table):
        frozen = ops.stop_gradient(table)
        codes = ops.where(usable, nearest(ops.stop_gradient(vectors), frozen, self.metric), -1)
        return ops.take(table, ops.maximum(codes, 0), axis=0), codes

    def _started(self, table, vectors, usable, draw):
        """The table, as the k-means start leaves it on the first batches."""

        def start():
            counts = self.counts.value
            return kmeans(frozen, counts, vectors, usable, draw, self.metric, self.decay)

        frozen = ops.stop_gradient(table)
        waiting = ops.logical_and(self.seen.value < ENOUGH * self.codes, ops.any(usable))
        rows = from_first_replica(ops.cond(waiting, start, lambda: frozen))
        # The gradient still reaches the rows through `table`.
        return table + ops.stop_gradient(rows - table) if self.update == "gradient" else rows

    def _take_step(self, table, vectors, codes, draw):
        number, total = tally(vectors, codes, self.codes)
        number, total = sum_over_replicas(number), sum_over_replicas(total)
        self.hits.assign_add(ops.cast(number, "int32"))
        rows, counts = moved(table, self._prior_counts(number), number, total, self.decay)
        if self.update == "gradient":
            rows = table
        rows, counts = self._revived(rows, counts, vectors, codes, draw)
        self.counts.assign(counts)
        self.codebook.assign(self._without_shift(rows))
        if self.starting:
            limit = ENOUGH * self.codes
            seen = self.seen.value + ops.cast(ops.sum(number), "int32")
            self.seen.assign(ops.minimum(seen, limit))

    def _without_shift(self, rows):
        """What `codebook` becomes; unmoved numbers keep their bits."""
        if self.update == "ema":
            return rows
        return ops.where(rows == self.rows(), self.codebook.value, rows - self.shift.value)

    def _prior_counts(self, number):
        """A table that came from elsewhere weighs as much as the first batch does."""
        if self.starting:
            return self.counts.value
        fresh = ops.all(self.counts.value == 0)
        return ops.where(fresh, ops.mean(number), self.counts.value)

    def _revived(self, rows, counts, vectors, codes, draw):
        if not self.revive_below:
            return rows, counts
        share = ops.mean(counts)
        dead = counts < self.revive_below * share

        def revive():
            weight = misfit(vectors, ops.take(rows, ops.maximum(codes, 0), axis=0), self.metric)
            table, replaced = reseeded(rows, dead, vectors, codes >= 0, draw, weight)
            return table, ops.where(replaced, share, counts)

        alive = ops.cond(ops.any(dead), revive, lambda: (rows, counts))
        return alive[0], alive[1]

    def get_config(self):
        """For those who look inside; the owner makes its tables itself, from its own config."""
        given = not isinstance(self.start, str)
        return {
            **super().get_config(),
            "codes": self.codes,
            "metric": self.metric,
            "update": self.update,
            "decay": self.decay,
            "start": {"shape": list(self.start.shape)} if given else self.start,
            "revive_below": self.revive_below,
            "seed": self.seed,
        }
