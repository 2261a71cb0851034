import keras
import pytest

CALL = keras.layers.Layer.__call__


@pytest.fixture(autouse=True)
def the_method_is_given_back():
    yield
    assert keras.layers.Layer.__call__ is CALL
