"""Bugs of layers that say that they are linear, or what their adjoint is; complex weights."""

import numpy as np
from keras import layers, ops

from tests.contracts.bugs._table import bug, rnd

MEASURES = dict(linear=True, adjoint="adjoint")


class Product(layers.Layer):
    """A complex product by a fixed image of pairs."""

    def build(self, s):
        angle = np.linspace(0, 3, int(np.prod(s[1:-1]))).reshape(s[1:-1])
        self.table = self.add_weight(
            shape=(*s[1:-1], 2),
            initializer=lambda shape, dtype: ops.convert_to_tensor(
                np.stack([np.cos(angle), np.sin(angle)], -1), dtype
            ),
            trainable=False,
        )

    def call(self, x):
        return product(x, self.table)


def product(a, b):
    real = a[..., 0] * b[..., 0] - a[..., 1] * b[..., 1]
    return ops.stack([real, a[..., 0] * b[..., 1] + a[..., 1] * b[..., 0]], -1)


@bug("trait.adjoint", x=rnd(2, 4, 3, 2), traits=MEASURES)
class WithoutTheConjugate(Product):
    def adjoint(self, y):
        return product(y, self.table)


@bug("trait.adjoint", x=rnd(2, 8, 3), traits=MEASURES)
class ScaledBack(layers.Layer):
    """The mean of pairs; back by repeating, which is twice the adjoint."""

    def call(self, x):
        return (x[:, 0::2] + x[:, 1::2]) / 2

    def adjoint(self, y):
        return ops.repeat(y, 2, axis=1)


@bug("trait.linear", x=rnd(2, 8, 3), traits=dict(linear=True))
class WithABias(layers.Layer):
    def call(self, x):
        return 2 * x + 0.1


@bug("trait.linear", x=[rnd(2, 8, 3), rnd(2, 8, 3)], traits=dict(linear=True))
class Rectified(layers.Layer):
    def call(self, inputs):
        return ops.relu(inputs[0]) * inputs[1]


@bug("grad.complex", x=rnd(2, 4))
class ComplexWeight(layers.Layer):
    def build(self, s):
        self.w = self.add_weight(shape=(s[-1],), dtype="complex64", initializer=ones)

    def call(self, x):
        z = ops.cast(x, "complex64") * ops.convert_to_tensor(self.w)
        return ops.real(z) + ops.imag(z)


def ones(shape, dtype):
    return ops.cast(ops.ones(shape), dtype)
