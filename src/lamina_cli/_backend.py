"""Which backend Keras is to use: chosen before it is imported."""

import importlib.util
import os
import sys
from typing import Annotated

import typer

BACKENDS = ("tensorflow", "jax", "torch")
# What Keras, or its backend, imports where it is installed, though nothing here uses it: TensorFlow
# JAX, Keras on JAX TensorFlow, and Keras scikit-learn. 150 to 450 MB, and seconds.
UNUSED = (*BACKENDS, "sklearn")
BackendOption = Annotated[
    str | None,
    typer.Option(help="tensorflow, jax or torch.", autocompletion=lambda: list(BACKENDS)),
]


def choose_backend(wanted: str | None = None) -> None:
    """Set KERAS_BACKEND: the one wanted, else what is set, else the first one installed."""
    if wanted:
        os.environ["KERAS_BACKEND"] = wanted
    elif "KERAS_BACKEND" not in os.environ:
        for name in BACKENDS:
            if importlib.util.find_spec(name):
                os.environ["KERAS_BACKEND"] = name
                break
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def import_keras() -> None:
    """Import keras with its backend alone; afterwards the others can be imported as before."""
    if "keras" in sys.modules:
        return
    backend = os.environ.get("KERAS_BACKEND")
    hidden = [name for name in UNUSED if name != backend and name not in sys.modules]
    try:
        # Importing what is None here fails as if it were not installed.
        sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
        import keras
        import numpy as np

        # Keras looks for TensorFlow when it first serialises; from then on it knows.
        keras.saving.serialize_keras_object(np.zeros(1))
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
