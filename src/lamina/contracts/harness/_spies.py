"""Spies on what a layer does while it runs: variables made, random numbers drawn."""

import contextlib
import importlib
import random
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from lamina._common import Array
from lamina.contracts.harness._backends import BACKEND
from lamina.contracts.harness._layer import has_mode


@contextlib.contextmanager
def patched(owner: Any, name: str, wrap: Callable[[Any], Any]) -> Iterator[None]:
    """`owner.name` replaced by `wrap(original)` inside the scope."""
    own = name in vars(owner) if isinstance(owner, type) else True
    original = getattr(owner, name)
    setattr(owner, name, wrap(original))
    try:
        yield
    finally:
        if own:
            setattr(owner, name, original)
        else:
            delattr(owner, name)


@contextlib.contextmanager
def variables_made() -> Iterator[list[tuple[weakref.ref, str]]]:
    """Weak references to the Keras variables made inside the scope, by this thread."""
    made: list[tuple[weakref.ref, str]] = []
    thread = threading.get_ident()

    def wrap(original: Any) -> Any:
        def init(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            if threading.get_ident() == thread:
                made.append((weakref.ref(self), self.path))

        return init

    with patched(keras.Variable, "__init__", wrap):
        yield made


@contextlib.contextmanager
def modes_heard() -> Iterator[list[keras.layers.Layer]]:
    """The layers called inside the scope that listen to `training`."""
    heard: list[keras.layers.Layer] = []

    def wrap(original: Any) -> Any:
        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            if has_mode(self):
                heard.append(self)
            return original(self, *args, **kwargs)

        return call

    with patched(keras.layers.Layer, "__call__", wrap):
        yield heard


class Draws:
    """Random draws seen in a scope.

    Attributes:
        seeds: (function, seed) of each draw whose seed could be seen; equal seeds, equal numbers.
        generators: The Keras seed generators that gave a seed.
        host: NumPy or Python generators made with a fixed seed while the layer ran.
    """

    def __init__(self) -> None:
        self.seeds: list[tuple[str, tuple[int, ...]]] = []
        self.generators: list[keras.random.SeedGenerator] = []
        self.host: list[tuple[str, int]] = []

    @property
    def any(self) -> bool:
        """Was anything drawn?"""
        return bool(self.seeds or self.generators or self.host)


@contextlib.contextmanager
def integer_draws() -> Iterator[list[Any]]:
    """Collects the dtypes of `keras.random.randint` inside the scope."""
    drawn: list[Any] = []

    def wrap(original: Any) -> Any:
        def randint(*args: Any, **kwargs: Any) -> Array:
            drawn.append(kwargs.get("dtype"))
            return original(*args, **kwargs)

        return randint

    with patched(keras.random, "randint", wrap):
        yield drawn


@contextlib.contextmanager
def random_draws() -> Iterator[Draws]:
    """Sees every draw through the backend's own functions, whatever way the layer came there."""
    draws = Draws()
    with contextlib.ExitStack() as stack:
        stack.enter_context(patched(keras.random.SeedGenerator, "next", _seed_given(draws)))
        for owner in (np.random, random):
            for name in ("default_rng", "RandomState", "Random"):
                if hasattr(owner, name):
                    stack.enter_context(patched(owner, name, _made(draws, name)))
        if BACKEND == "torch":
            torch = importlib.import_module("torch")
            stack.enter_context(patched(torch, "Generator", _seeded(draws)))
            functions = importlib.import_module("torch.nn.functional")
            stack.enter_context(patched(functions, "dropout", _dropout(draws, torch)))
        for owner, name, place in _backend_draws():
            stack.enter_context(patched(owner, name, _drawn(draws, name, place)))
        yield draws


def _seed_given(draws):
    def wrap(original: Any) -> Any:
        def next_seed(self: Any, *args: Any, **kwargs: Any) -> Array:
            draws.generators.append(self)
            return original(self, *args, **kwargs)

        return next_seed

    return wrap


def _made(draws, name):
    def wrap(original: Any) -> Any:
        if isinstance(original, type):
            # A subclass, so that isinstance() still holds for what libraries make.
            def init(self: Any, *args: Any, **kwargs: Any) -> None:
                _note(draws, name, args, kwargs)
                original.__init__(self, *args, **kwargs)

            return type(name, (original,), {"__init__": init})

        def make(*args: Any, **kwargs: Any) -> Any:
            _note(draws, name, args, kwargs)
            return original(*args, **kwargs)

        return make

    return wrap


def _note(draws, name, args, kwargs):
    seed = args[0] if args else kwargs.get("seed")
    if isinstance(seed, int):
        draws.host.append((name, seed))


def _drawn(draws, name, place):
    def wrap(original: Any) -> Any:
        def draw(*args: Any, **kwargs: Any) -> Array:
            seed = kwargs.get(place) if isinstance(place, str) else None
            if seed is None and args:
                seed = args[0]
            value = _concrete(seed)
            if value is not None:
                draws.seeds.append((name, value))
            return original(*args, **kwargs)

        return draw

    return wrap


def _seeded(draws):
    def wrap(original: Any) -> Any:
        class Generator(original):
            """Keras seeds one for each draw."""

            def manual_seed(self, seed: int) -> Any:
                draws.seeds.append(("a generator", (int(seed),)))
                return super().manual_seed(seed)

        return Generator

    return wrap


def _dropout(draws, torch):
    """Keras' dropout on PyTorch takes no seed from an unseeded generator: it counts as if it did.

    No layer can help it that PyTorch's own generator moves then, so that is restored.
    """

    def wrap(original: Any) -> Any:
        def dropout(*args: Any, **kwargs: Any) -> Array:
            generator = sys._getframe(1).f_locals.get("seed")
            if not isinstance(generator, keras.random.SeedGenerator):
                return original(*args, **kwargs)
            draws.generators.append(generator)
            with torch.random.fork_rng(devices=[]):
                return original(*args, **kwargs)

        return dropout

    return wrap


@contextlib.contextmanager
def stopped_gradients(kept: list[Array] | None = None) -> Iterator[list[Array]]:
    """What stop_gradient returned and variables were given inside the scope.

    Given `kept`, those are returned instead, in their order. That makes a function whose true
    derivative is the gradient that its author wrote; none flows through a variable's new value.
    """
    seen = []

    def held(value: Array) -> Array:
        if not _has_values(value):
            return value
        seen.append(keras.ops.copy(value))
        again = kept[len(seen) - 1] if kept is not None and len(seen) <= len(kept) else value
        return again if again.shape == value.shape else value

    def wrap(original: Any) -> Any:
        return lambda x, *args, **kwargs: held(original(x, *args, **kwargs))

    def assigned(original: Any) -> Any:
        return lambda self, value: original(self, held(keras.ops.convert_to_tensor(value)))

    owner, name = {
        "tensorflow": ("tensorflow", "stop_gradient"),
        "jax": ("jax.lax", "stop_gradient"),
        "torch": ("torch", "detach"),
    }[BACKEND]
    owner = importlib.import_module(owner)
    with patched(owner.Tensor if BACKEND == "torch" else owner, name, wrap):
        with patched(keras.Variable, "assign", assigned):
            yield seen


def _has_values(x):
    """A tensor of eager code, not one that is traced."""
    if BACKEND == "jax":
        jax = importlib.import_module("jax")
        return isinstance(x, jax.Array) and not isinstance(x, jax.core.Tracer)
    return keras.ops.is_tensor(x) and (BACKEND == "torch" or hasattr(x, "numpy"))


def _concrete(seed):
    """The seed's numbers, or None where it is symbolic or absent."""
    try:
        if BACKEND == "jax" and not isinstance(seed, int):
            jax = importlib.import_module("jax")
            if jax.numpy.issubdtype(seed.dtype, jax.dtypes.prng_key):
                seed = jax.random.key_data(seed)
        return tuple(np.asarray(seed).astype("int64").ravel().tolist())
    except Exception:
        return None


def _backend_draws():
    if BACKEND == "tensorflow":
        tf = importlib.import_module("tensorflow")
        for name in dir(tf.random):
            if name.startswith("stateless_"):
                yield tf.random, name, "seed"
        yield tf.nn.experimental, "stateless_dropout", "seed"
        yield tf.random.experimental, "stateless_shuffle", "seed"
    elif BACKEND == "jax":
        jax = importlib.import_module("jax")
        for name in (
            "normal",
            "uniform",
            "bernoulli",
            "truncated_normal",
            "categorical",
            "randint",
        ):
            yield jax.random, name, "key"
        for name in ("gamma", "beta", "permutation", "gumbel", "choice", "exponential"):
            yield jax.random, name, "key"
