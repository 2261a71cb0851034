"""Seeing every call that a tap could see."""

import contextlib
import sys

from lamina.taps._interception import Surroundings, watching
from lamina.taps._paths import refuse_unreachable, walk


class Recorder:
    """A scope that tells `note(path, layer, inputs, output)` of each call below `model`."""

    def __init__(self, model, note):
        self._note = note
        self._model = model

    def __enter__(self):
        self._paths = {id(layer): path for path, layer in reachable(self._model).items()}
        self._outside = Surroundings(sys._getframe(1))
        self._watch = watching(self)
        self._watch.__enter__()

    def __exit__(self, *error):
        self._outside = None  # it holds a frame
        self._watch.__exit__(*error)

    def around(self, layer, call):
        path = self._paths.get(id(layer))
        if path is None:
            return call

        def observed(*args, **kwargs):
            output = call(*args, **kwargs)
            if self._outside.control((args, kwargs)) is None:
                self._note(path, layer, (args, kwargs), output)
            return output

        return observed


def reachable(model):
    """`{path: layer}` of all that a tap can reach."""
    found = {}
    for path, (layer, owners) in walk(model).items():
        with contextlib.suppress(ValueError):
            refuse_unreachable(path, layer, owners)
            found[path] = layer
    return found
