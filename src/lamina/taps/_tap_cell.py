"""The states of a recurrent cell, step by step."""

from typing import Any

import keras
from keras import ops

from lamina._common import Array, Shape, Tree, received, register

# A base of the public cells that is not public itself; `keras.layers.RNN` makes and clears the
# dropout masks through it.
_Dropout: Any = next(c for c in keras.layers.LSTMCell.__mro__ if c.__name__ == "DropoutRNNCell")


@register
class TapCell(keras.layers.Layer, _Dropout):
    """A recurrent cell whose output carries its new states, for every time step.

        output_t = concat(output of cell, state 1, state 2, ...)    along the last axis

    Values inside the time loop of an RNN cannot be tapped from outside; this cell returns them as
    part of its output. `split_taps` splits the result again.

    Args:
        cell: A Keras RNN cell: `LSTMCell`, `GRUCell`, `SimpleRNNCell`, `StackedRNNCells` without
            dropout, or your own (a layer with `state_size` and `call(inputs, states)`).

    Input shape:
        That of `cell`: `(batch, features)` and its states; without states, the initial ones. Use
        it in `keras.layers.RNN`.

    Output shape:
        `(batch, output size + the sum of the state sizes)`, and the states as `cell` has them.

    Masking:
        By `keras.layers.RNN`: at a masked step it repeats the last output, so also the last states.
        On JAX, Keras takes the first state for the last output, which does not fit here: give the
        RNN `zero_output_for_mask=True` there.

    Raises:
        TypeError: if `cell` is not a layer with a `state_size`.
        ValueError: for `StackedRNNCells` with dropout, whose masks it cannot manage.

    Example:
        >>> cell = keras.layers.SimpleRNNCell(2)
        >>> rnn = keras.layers.RNN(TapCell(cell), return_sequences=True)
        >>> parts = split_taps(rnn(np.ones((1, 3, 4))), cell)
        >>> sorted(parts)
        ['output', 'state_0']
        >>> tuple(parts["state_0"].shape)
        (1, 3, 2)
    """

    def __init__(self, cell: keras.layers.Layer, **kwargs: Any) -> None:
        if not isinstance(cell, keras.layers.Layer) or not hasattr(cell, "state_size"):
            raise TypeError(
                "`cell` must be a Keras layer with a `state_size`, such as `keras.layers.LSTMCell`."
                f" {received('cell', cell)}"
            )
        if _has_dropout(cell) and not isinstance(cell, _Dropout):
            raise ValueError(
                "`TapCell` cannot manage the dropout masks of stacked cells. Use one "
                "`keras.layers.RNN(TapCell(cell), return_sequences=True)` per cell instead. "
                + received("cell", cell)
            )
        super().__init__(**kwargs)
        self.cell = cell

    @property
    def state_size(self) -> Any:
        """The cell's own."""
        return self.cell.state_size

    @property
    def output_size(self) -> int:
        """Features of output and states together."""
        return sum(_sizes(self.cell))

    def build(self, input_shape: Shape) -> None:
        if not self.cell.built:
            self.cell.build(input_shape)

    def call(
        self, inputs: Array, states: Tree = None, training: bool | None = None
    ) -> tuple[Array, Tree]:
        if states is None:
            states = self.get_initial_state(ops.shape(inputs)[0])
        output, states = self.cell(inputs, states, training=training)
        return ops.concatenate([output, *keras.tree.flatten(states)], axis=-1), states

    def get_initial_state(self, batch_size: int | None = None) -> Tree:
        return self.cell.get_initial_state(batch_size=batch_size)

    def get_dropout_mask(self, step_input: Array) -> Array | None:
        return self.cell.get_dropout_mask(step_input) if _has_dropout(self.cell) else None

    def get_recurrent_dropout_mask(self, step_input: Array) -> Array | None:
        return self.cell.get_recurrent_dropout_mask(step_input) if _has_dropout(self.cell) else None

    def reset_dropout_mask(self) -> None:
        if _has_dropout(self.cell):
            self.cell.reset_dropout_mask()

    def reset_recurrent_dropout_mask(self) -> None:
        if _has_dropout(self.cell):
            self.cell.reset_recurrent_dropout_mask()

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "cell": keras.saving.serialize_keras_object(self.cell)}

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> "TapCell":
        cell = keras.saving.deserialize_keras_object(config["cell"], custom_objects)
        return cls(**{**config, "cell": cell})


def split_taps(outputs: Array, cell: keras.layers.Layer) -> dict[str, Array]:
    """Output and states from the output of `TapCell(cell)`: the inverse of its concatenation.

        outputs[..., :n] = "output", outputs[..., n : n + m] = "state_0", ...

    Args:
        outputs: The output of `keras.layers.RNN(TapCell(cell))`, with or without the time axis.
        cell: The same cell, or its `TapCell`.

    Returns:
        A dict of tensors, the states in the order of the flattened `cell.state_size`. For an LSTM:
        `state_0` is h, `state_1` is c.

    Raises:
        ValueError: if the last axis is not as long as output and states together.

    Example:
        >>> cell = keras.layers.LSTMCell(2)
        >>> rnn = keras.layers.RNN(TapCell(cell), return_sequences=True)
        >>> parts = split_taps(rnn(np.ones((1, 3, 4))), cell)
        >>> {name: tuple(part.shape) for name, part in parts.items()}
        {'output': (1, 3, 2), 'state_0': (1, 3, 2), 'state_1': (1, 3, 2)}
    """
    cell = cell.cell if isinstance(cell, TapCell) else cell
    sizes = _sizes(cell)
    if outputs.shape[-1] != sum(sizes):
        raise ValueError(
            f"`outputs` must have {sum(sizes)} features, those of output and states {sizes}. Pass "
            f"what `RNN(TapCell(cell))` returned. {received('shape', tuple(outputs.shape))}"
        )
    names = ["output", *(f"state_{i}" for i in range(len(sizes) - 1))]
    ends = [sum(sizes[: i + 1]) for i in range(len(sizes) - 1)]
    return dict(zip(names, _split(outputs, ends), strict=True))


def _split(x: Array, ends: list[int]) -> Array:
    return ops.split(x, ends, axis=-1)


def _sizes(cell: Any) -> list[int]:
    """Features of the output and of each state."""
    states = [_features(size) for size in keras.tree.flatten(cell.state_size)]
    output = getattr(cell, "output_size", None)
    return [_features(output) if output is not None else states[0], *states]


def _features(size: Any) -> int:
    return int(size[-1]) if hasattr(size, "__getitem__") else int(size)


def _has_dropout(cell: Any) -> bool:
    parts = cell.cells if isinstance(cell, keras.layers.StackedRNNCells) else [cell]
    return any(getattr(c, "dropout", 0) or getattr(c, "recurrent_dropout", 0) for c in parts)
