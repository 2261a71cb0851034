"""Seeing every call that a tap could see."""

import contextlib
import sys

from lamina.taps._interception import enclosing_control, watching
from lamina.taps._paths import refuse_unreachable, walk


class Recorder:
    """A scope that tells `note(path, layer, inputs, output)` of each call below `model`."""

    def __init__(self, model, note):
        self._note = note
        self._model = model

    def __enter__(self):
        self._paths = {}
        for path, (layer, owners) in walk(self._model).items():
            with contextlib.suppress(ValueError):
                refuse_unreachable(path, layer, owners)
                self._paths[id(layer)] = path
        self._frame = sys._getframe(1)
        self._watch = watching(self)
        self._watch.__enter__()

    def __exit__(self, *error):
        self._frame = None
        self._watch.__exit__(*error)

    def around(self, layer, call):
        path = self._paths.get(id(layer))
        if path is None:
            return call

        def observed(*args, **kwargs):
            output = call(*args, **kwargs)
            if enclosing_control(self._frame, (args, kwargs)) is None:
                self._note(path, layer, (args, kwargs), output)
            return output

        return observed
