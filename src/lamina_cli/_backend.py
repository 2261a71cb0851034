"""Which backend Keras is to use: chosen before it is imported."""

import importlib.util
import os


def choose_backend(asked=None):
    """Set KERAS_BACKEND: what was asked for, else what is set, else the first one installed."""
    if asked:
        os.environ["KERAS_BACKEND"] = asked
    elif "KERAS_BACKEND" not in os.environ:
        for name in ("tensorflow", "jax", "torch"):
            if importlib.util.find_spec(name):
                os.environ["KERAS_BACKEND"] = name
                break
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
