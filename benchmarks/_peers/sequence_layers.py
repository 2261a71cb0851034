"""google/sequence-layers: three lags as a convolution, its step under `jax.jit`."""

from collections.abc import Callable

import jax
import numpy as np
import sequence_layers.jax as sl

from benchmarks._remote import serve


def step(batch: int) -> Callable[[], object]:
    """One sample of `batch` streams."""
    config = sl.Conv1D.Config(
        filters=64, kernel_size=3, padding="causal_valid", activation=jax.nn.relu
    )
    layer = config.make()
    x = sl.Sequence.from_values(np.zeros((batch, 1, 8), "float32"))
    spec = sl.ShapeDType((8,), np.dtype("float32"))
    weights = layer.init(jax.random.key(0), x, training=False, method=layer.layer)
    start = layer.get_initial_state
    state = layer.apply(weights, batch, spec, training=False, method=start)
    jitted = jax.jit(lambda w, x, s: layer.apply(w, x, s, training=False, method=layer.step))

    def one() -> object:
        nonlocal state
        y, state = jitted(weights, x, state)
        return y.values.block_until_ready()

    return one


if __name__ == "__main__":
    serve({"1": step(1), "256": step(256)}, ["jax", "sequence-layers"])
