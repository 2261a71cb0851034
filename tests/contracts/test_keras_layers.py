"""Keras' own layers: no false alarm, and no defect that the docs do not list."""

import keras
import pytest

from lamina import check
from tests.contracts.keras_layers import DEFECTS, LAYERS

# On JAX by hand: ten minutes of compilation, for what only a new version of Keras changes.
TIER = pytest.mark.long if keras.backend.backend() == "jax" else pytest.mark.slow


@TIER
@pytest.mark.parametrize("name", LAYERS)
def test_breaks_only_what_is_a_known_defect(name):
    make, inputs, traits = LAYERS[name]
    report = check(make, inputs, traits=traits)
    assert set(report.broken) == DEFECTS.get(name, set()), str(report)
