"""The contract of complex weights: Keras' optimizers do not train them on every backend."""

from typing import Any

import keras
import numpy as np
from keras import ops

from lamina._common import Array, to_numpy
from lamina.contracts._contract import Answer, broken, contract
from lamina.contracts.harness import Case, layer_code

RATE = 1e-3


@contract("grad.complex", rank=260)
def complex_weights_train(case: Case) -> Answer:
    """An optimizer's step moves a complex weight in another direction than downhill.

    Promise: complex weights go downhill.

    A layer that breaks it:

        self.w = self.add_weight(shape=(4,), dtype="complex64")

    Repair: keep real and imaginary part as two real weights.
    """
    layer = case.ready()
    complex_ = [v for v in layer.trainable_variables if _is_complex(v)]
    for variable in complex_:
        found = _steps(variable)
        if found:
            return broken(
                f"for {variable.path}, which is complex, {found}",
                "such a weight does not learn, or learns uphill, and the loss need not show it",
                "keep the real and the imaginary part as two real weights, or as a last axis of 2",
                weight=variable.path,
                dtype=keras.backend.standardize_dtype(variable.dtype),
            )


def _is_complex(variable: keras.Variable) -> bool:
    return keras.backend.standardize_dtype(variable.dtype).startswith("complex")


def _steps(variable: keras.Variable) -> str | None:
    """What is wrong with one step of SGD, or of Adam, on |w - target|^2 from 0."""
    dtype = keras.backend.standardize_dtype(variable.dtype)
    target = 1 + 2j
    for name, optimizer in (("SGD", keras.optimizers.SGD), ("Adam", keras.optimizers.Adam)):
        with layer_code(f"training a weight of {dtype} by {name}"):
            moved = _moved(dtype, target, optimizer(RATE))
        # Downhill is towards the target: a step on both axes, in its direction.
        if not (moved.real > 0.1 * RATE and moved.imag > 0.1 * RATE):
            way = f"{moved.real / RATE:+.2g}{moved.imag / RATE:+.2g}i"
            return f"a step of {name} towards {target.real:g}+{target.imag:g}i goes {way} rates"
    return None


def _moved(dtype: str, target: complex, optimizer: keras.optimizers.Optimizer) -> complex:
    """How far one training step of a weight, 0 at the start, goes."""

    class Weight(keras.layers.Layer):
        def build(self, input_shape: tuple[int, ...]) -> None:
            self.w = self.add_weight(shape=(1,), dtype=dtype, initializer=_zero)

        def call(self, x: Array) -> Array:
            weight: Array = ops.convert_to_tensor(self.w)
            gap = weight - ops.cast(target, dtype)
            return x * (ops.square(ops.real(gap)) + ops.square(ops.imag(gap)))

    layer = Weight()
    model = keras.Sequential([keras.Input((1,)), layer])
    settings: dict[str, Any] = dict(jit_compile=False)
    model.compile(optimizer, lambda _, y: ops.mean(y), **settings)
    one = np.ones((1, 1), "float32")
    model.train_on_batch(one, one)
    return complex(to_numpy(layer.w.value)[0])


def _zero(shape: tuple[int, ...], dtype: str) -> Array:
    return ops.cast(ops.zeros(shape), dtype)
