"""`TapCell`: what happens in the time loop."""

import keras
import numpy as np
import pytest
from keras import ops

from lamina import TapCell, split_taps


def by_loop(cell, x):
    """Outputs and states of every step, by calling the cell step by step."""
    states = cell.get_initial_state(batch_size=len(x))
    steps = []
    for t in range(x.shape[1]):
        y, states = cell(x[:, t], states)
        steps.append([y, *keras.tree.flatten(states)])
    return [ops.convert_to_numpy(ops.stack(parts, 1)) for parts in zip(*steps, strict=True)]


CELLS = {
    "lstm": lambda: keras.layers.LSTMCell(3),
    "gru": lambda: keras.layers.GRUCell(3),
    "simple": lambda: keras.layers.SimpleRNNCell(3),
    "stacked": lambda: keras.layers.StackedRNNCells(
        [keras.layers.LSTMCell(3), keras.layers.GRUCell(2)]
    ),
}


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("unroll", [False, True])
def test_shows_the_states_of_every_step(name, unroll, rng):
    x = rng.standard_normal((2, 5, 4)).astype("float32")
    cell = CELLS[name]()
    rnn = keras.layers.RNN(TapCell(cell), return_sequences=True, unroll=unroll)
    parts = split_taps(rnn(x), cell)
    wanted = by_loop(cell, x)
    assert [*parts] == ["output", *(f"state_{i}" for i in range(len(wanted) - 1))]
    for ours, theirs in zip(parts.values(), wanted, strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(ours), theirs, atol=1e-6)


def test_with_a_mask(rng):
    """On JAX, Keras takes the first state for the last output, unless it gives zeros instead."""
    x = rng.standard_normal((2, 5, 4)).astype("float32")
    mask = np.array([[1, 1, 1, 0, 0], [0, 1, 1, 1, 1]], bool)
    cell = keras.layers.GRUCell(3)
    for zero in {True, keras.backend.backend() == "jax"}:
        options = {"return_sequences": True, "zero_output_for_mask": zero}
        parts = split_taps(keras.layers.RNN(TapCell(cell), **options)(x, mask=mask), cell)
        wanted = ops.convert_to_numpy(keras.layers.RNN(cell, **options)(x, mask=mask))
        for part in parts.values():
            np.testing.assert_allclose(ops.convert_to_numpy(part), wanted, atol=1e-6)


def test_fits_with_dropout_saves_and_loads(rng, tmp_path):
    x = rng.standard_normal((8, 5, 4)).astype("float32")
    cell = keras.layers.LSTMCell(3, dropout=0.3, recurrent_dropout=0.2, seed=1)
    inputs = keras.Input((5, 4))
    parts = split_taps(keras.layers.RNN(TapCell(cell), return_sequences=True)(inputs), cell)
    model = keras.Model(inputs, [parts["output"], parts["state_1"]])
    model.compile(keras.optimizers.Adam(0.05), ["mse", "mse"], jit_compile=False)
    losses = model.fit(x, [x[..., :3]] * 2, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    for ours, theirs in zip(loaded(x), model(x), strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs))


def test_refuses_what_it_cannot_do():
    with pytest.raises(TypeError, match="`state_size`"):
        TapCell(keras.layers.Dense(2))
    stacked = keras.layers.StackedRNNCells([keras.layers.GRUCell(2, dropout=0.5)])
    with pytest.raises(ValueError, match="masks of stacked cells"):
        TapCell(stacked)
    with pytest.raises(ValueError, match="must have 9 features"):
        split_taps(np.zeros((1, 2, 8)), keras.layers.LSTMCell(3))
