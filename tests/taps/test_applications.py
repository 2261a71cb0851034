"""Every tap of the networks of `keras.applications`, random weights, bit for bit (slow)."""

import keras
import numpy as np
import pytest
from keras import ops

from lamina import Tapped

NETWORKS = {
    "MobileNetV2": 32,
    "ResNet50V2": 32,
    "EfficientNetV2B0": 32,
    "DenseNet121": 32,
    "ConvNeXtTiny": 32,
}


def by_submodel(model, layers, x):
    """Functional sub-model: what Keras offers for Functional models."""
    return keras.Model(model.inputs, [layer.output for layer in layers])(x, training=False)


def by_torch_hooks(model, layers, x):
    """PyTorch's own forward hooks."""
    seen = {}
    handles = [
        layer.register_forward_hook(
            lambda module, args, output, name=layer.name: seen.setdefault(name, output)
        )
        for layer in layers
    ]
    try:
        model(x, training=False)
    finally:
        for handle in handles:
            handle.remove()
    return [seen[layer.name] for layer in layers]


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_every_tap_is_bit_equal(name, rng):
    size = NETWORKS[name]
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=5)
    layers = [la for la in model.layers if not isinstance(la, keras.layers.InputLayer)]
    x = ops.convert_to_tensor(rng.random((2, size, size, 3)).astype("float32"))
    wanted = (by_torch_hooks if keras.backend.backend() == "torch" else by_submodel)(
        model, layers, x
    )
    seen = Tapped(model, [layer.name for layer in layers])(x, training=False)
    unequal = [
        layer.name
        for layer, value in zip(layers, wanted, strict=True)
        if not np.array_equal(ops.convert_to_numpy(seen[layer.name]), ops.convert_to_numpy(value))
    ]
    assert len(layers) > 60
    assert not unequal
