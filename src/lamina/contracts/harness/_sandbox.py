"""Leaves the process as it was: policy, seeds, random states, printed text, warnings."""

import contextlib
import io
import logging
import os
import random
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from lamina._common import Array, Shape
from lamina.contracts.harness._backends import BACKEND, quick_compilation
from lamina.contracts.harness._spies import patched


@contextlib.contextmanager
def sandbox() -> Iterator[None]:
    """What layers and contracts do to global state inside is undone at the end."""
    keep = _settings()
    folder = os.getcwd()  # noqa: PTH109
    level = logging.root.manager.disable
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
        stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        stack.enter_context(quick_compilation())
        stack.enter_context(_own_generators())
        stack.enter_context(_quiet_tensorflow_seed())
        stack.enter_context(_half_precision_weights_drawn_in_float32())
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(level)
            os.chdir(folder)
            _restore(keep)


def _settings():
    keep = {
        "policy": keras.config.dtype_policy(),
        "floatx": keras.config.floatx(),
        "epsilon": keras.config.epsilon(),
        "image": keras.config.image_data_format(),
        "numpy": np.random.get_state(),  # noqa: NPY002
        "python": random.getstate(),
        "environ": dict(os.environ),
    }
    if BACKEND == "torch":
        import torch

        keep["torch"] = torch.get_rng_state()
        keep["grad"] = torch.is_grad_enabled()
    return keep


def _restore(keep):
    keras.config.set_floatx(keep["floatx"])
    keras.config.set_epsilon(keep["epsilon"])
    keras.config.set_image_data_format(keep["image"])
    keras.config.set_dtype_policy(keep["policy"])
    np.random.set_state(keep["numpy"])  # noqa: NPY002
    random.setstate(keep["python"])
    if dict(os.environ) != keep["environ"]:
        os.environ.clear()
        os.environ.update(keep["environ"])
    if BACKEND == "torch":
        import torch

        torch.set_rng_state(keep["torch"])
        torch.set_grad_enabled(keep["grad"])


@contextlib.contextmanager
def _own_generators():
    """A seed generator that was there before, such as Keras' global one, gets its state back."""
    before = {}

    def made(original: Callable[..., Any]) -> Callable[..., Any]:
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            ours.append(self)

        return init

    def drawn(original: Callable[..., Any]) -> Callable[..., Any]:
        def next_seed(self: Any, *args: Any, **kwargs: Any) -> Array:
            if id(self) not in before and not any(self is g for g in ours):
                with contextlib.suppress(Exception):
                    before[id(self)] = (self, np.array(keras.ops.convert_to_numpy(self.state)))
            return original(self, *args, **kwargs)

        return next_seed

    ours = []
    generator = keras.random.SeedGenerator
    with patched(generator, "__init__", made), patched(generator, "next", drawn):
        yield
    for seeds, state in before.values():
        seeds.state.assign(state)


@contextlib.contextmanager
def _quiet_tensorflow_seed():
    """`tf.random.set_seed` cannot be undone, so a layer's call of it does nothing."""
    if BACKEND != "tensorflow":
        yield
        return
    import tensorflow as tf

    with patched(tf.random, "set_seed", lambda original: lambda seed: None):
        yield


def _half_precision_weights_drawn_in_float32():
    """Initial values in half precision are rounded from float32.

    Not every initializer can draw in half precision (there is no bfloat16 QR decomposition). That
    is for `initializer.honoured` to find, not for every layer that uses such an initializer.
    """

    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def init(self: Any, initializer: Any, *args: Any, **kwargs: Any) -> None:
            if callable(initializer):
                initializer = _drawn_in_float32(initializer)
            original(self, initializer, *args, **kwargs)

        return init

    return patched(keras.Variable, "__init__", wrap)


def _drawn_in_float32(initializer):
    def draw(shape: Shape, dtype: str | None = None) -> Array:
        if dtype not in ("float16", "bfloat16"):
            return initializer(shape, dtype=dtype)
        return keras.ops.cast(initializer(shape, dtype="float32"), dtype)

    return draw
