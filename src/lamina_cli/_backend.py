"""Which backend Keras is to use: chosen before it is imported."""

import importlib.util
import os
from typing import Annotated

import typer

BACKENDS = ("tensorflow", "jax", "torch")
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
