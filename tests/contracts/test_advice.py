"""What is worth a look and never a failure; and the one contract whose bug only an export shows."""

import numpy as np
import pytest
from keras import layers, ops

from lamina import check

X = np.random.default_rng(0).standard_normal((3, 4)).astype("float32")


class SameNames(layers.Layer):
    """Two weights by one name."""

    def build(self, shape):
        self.first = self.add_weight(shape=(4,), name="scale")
        self.second = self.add_weight(shape=(4,), name="scale")

    def call(self, x):
        return x * self.first + self.second


class SummedLoss(layers.Layer):
    """Its loss is a sum over the batch."""

    def call(self, x):
        self.add_loss(ops.sum(ops.square(x)))
        return x


class KeepsTheMode(layers.Layer):
    """Its dropout never learns that this is training."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.drop = layers.Dropout(0.5, seed=0)

    def call(self, x, training=False):
        return self.drop(x, training=False)


class KeepsTheDtype(layers.Layer):
    """Its inner layer is always float32."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.inner = layers.Dense(2, dtype="float32")

    def call(self, x):
        return self.inner(x)


@pytest.mark.parametrize(
    ("contract", "layer"),
    [
        ("weights.unique_paths", SameNames),
        ("loss.batch_scale", SummedLoss),
        ("mode.training_reaches_children", KeepsTheMode),
        ("dtype.children", KeepsTheDtype),
    ],
)
def test_is_advice_and_not_a_failure(contract, layer):
    report = check(layer, X, kwargs={}, contracts=[contract])
    assert report[contract].status == "advice", str(report)
    assert report.ok


class CannotBeServed(layers.Layer):
    """It looks at the values, which a graph does not have."""

    def call(self, x):
        return x * float(ops.convert_to_numpy(x).std())


@pytest.mark.tensorflow
def test_what_cannot_be_served_breaks_the_export():
    report = check(CannotBeServed, X, kwargs={}, contracts=["export.savedmodel"])
    assert report.broken == ["export.savedmodel"], str(report)
