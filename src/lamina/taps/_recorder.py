"""Observing every call that a tap could observe."""

import contextlib
import sys
from collections.abc import Callable
from typing import Any

import keras

from lamina._common import Tree
from lamina.taps._interception import Surroundings, watching
from lamina.taps._paths import refuse_unreachable, walk


class Recorder:
    """A scope that calls `note(path, layer, inputs, output)` after each call below `model`."""

    def __init__(
        self,
        model: keras.layers.Layer,
        note: Callable[[str, keras.layers.Layer, Tree, Tree], Any],
    ) -> None:
        self._note = note
        self._model = model

    def __enter__(self) -> None:
        self._paths = {id(layer): path for path, layer in reachable(self._model).items()}
        self._outside: Surroundings | None = Surroundings(sys._getframe(1))
        self._watch = watching(self)
        self._watch.__enter__()

    def __exit__(self, *error: Any) -> None:
        self._outside = None  # it holds a frame
        self._watch.__exit__(*error)

    def around(self, layer: keras.layers.Layer, call: Callable) -> Callable:
        path = self._paths.get(id(layer))
        if path is None:
            return call

        def observed(*args: Any, **kwargs: Any) -> Tree:
            output = call(*args, **kwargs)
            if self._outside.control((args, kwargs)) is None:
                self._note(path, layer, (args, kwargs), output)
            return output

        return observed


def reachable(model: keras.layers.Layer) -> dict[str, keras.layers.Layer]:
    """`{path: layer}` of all that a tap can reach."""
    found = {}
    for path, (layer, owners) in walk(model).items():
        with contextlib.suppress(ValueError):
            refuse_unreachable(path, layer, owners)
            found[path] = layer
    return found
