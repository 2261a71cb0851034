"""Why a layer cannot stream, and what to use instead."""

import keras
from keras import layers

PROTOCOL = "write a layer with `initial_state` and `step` (docs/streaming.md)"


class Refused(Exception):
    """Raised by a rule; the plan adds the path and raises it as a ValueError."""

    def __init__(self, reason: str, repair: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.repair = repair

    def at(self, path: str, op: object) -> ValueError:
        """The error that the user sees."""
        return ValueError(
            f"`Stream` cannot run {path} ({type(op).__name__}): {self.reason}.\n{self.repair}"
        )


def refuse_known(layer: keras.layers.Layer) -> None:
    """Refuse a layer of which it is known what to use instead."""
    name = keras.saving.get_registered_name(type(layer))
    if found := REFUSALS.get(type(layer), REFUSALS.get(name)):
        raise Refused(*found)


_ALL_STEPS = "it needs the whole sequence"
_CAUSAL_MEAN = (
    "Use a causal average (ZeroPadding1D((window - 1, 0)) and AveragePooling1D(window, strides=1)) "
    "or take the output before it."
)
_ATTENTION = ("it attends to every step", "Use a causal convolution or a recurrent layer.")
REFUSALS = {
    layers.Bidirectional: (
        "it reads the sequence from both ends",
        "Use its forward layer alone, with return_sequences=True.",
    ),
    layers.GlobalAveragePooling1D: (_ALL_STEPS, _CAUSAL_MEAN),
    layers.GlobalMaxPooling1D: (
        _ALL_STEPS,
        "Use a causal maximum (ZeroPadding1D((window - 1, 0)) and MaxPooling1D(window, strides=1)) "
        "or take the output before it.",
    ),
    layers.Attention: _ATTENTION,
    layers.AdditiveAttention: _ATTENTION,
    layers.MultiHeadAttention: _ATTENTION,
    layers.GroupQueryAttention: _ATTENTION,
    layers.GroupNormalization: (
        "it normalises over time",
        "Use LayerNormalization, which normalises each step.",
    ),
    layers.Flatten: (
        "it joins time and features",
        "Use Reshape((-1, features)) to flatten the features of each step.",
    ),
    layers.Dot: (
        "it multiplies every step with every other",
        "Use Multiply, and a sum over the features.",
    ),
    # By its registered name, since the families do not import each other. That it is registered is
    # tested.
    "lamina>IntermediateOutput": (
        "the layer inside it is not a call of the model",
        "Make both outputs of the model: keras.Model(inputs, [inner(x), x]), with the layer inside "
        "(`.layer`) as `inner`.",
    ),
    layers.Lambda: ("its function is not known to stream", f"Use keras.ops, or {PROTOCOL}."),
}
