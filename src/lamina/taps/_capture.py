"""Recording values inside a model while it runs, and replacing them."""

import contextlib
import functools
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import ops

from lamina._common import Tree, received
from lamina.taps._interception import COMPILED, SHAPES, Surroundings, intact, watching
from lamina.taps._paths import check_model, resolve
from lamina.taps._tap import Tap, as_taps


class capture:
    """A scope that records the values at the taps of a model when it is called.

        with capture(model, ["encoder.3"]) as seen:
            y = model(x)
        seen["encoder.3"]

    One forward pass, in eager or in compiled code; for custom training steps. For `fit`, `predict`
    and saving, use `Tapped`.

    Args:
        model: Any Keras layer or model: Functional, Sequential, subclassed, nested.
        taps: A path, a `Tap`, a list of them, or `{alias: path or Tap}`. Calls are counted from
            the start of the scope.
        modify: Replacements of values: `{key: function of the value}`, or one function of
            `(key, value)` for every tap. A key that is not among the taps is a path. The result
            must have the value's shapes and dtypes. Taps record the result.

    Returns:
        By `with ... as`, a dict with the key of each tap, filled as the model is called: the value
        at the tap, in the shape and dtype that the layer gave it; a list of them for `call="all"`.

    Raises:
        TypeError: if `model` is not a Keras layer, or if taps or `modify` are of another kind.
        ValueError: if a path leads nowhere or to several layers (at the start); if a tapped layer
            is called inside a scan, cond, remat or the like, or a compiled function such as that
            of `predict`, whose values cannot leave; if `modify` changes a shape or dtype; if a tap
            or a modification never fired, or not often enough (at the end).

    Example:
        >>> model = keras.Sequential([keras.layers.Rescaling(2.0, name="a"), keras.layers.ReLU()])
        >>> with capture(model, "a") as seen:
        ...     y = model(np.array([[-1.0, 3.0]]))
        >>> seen["a"]
        [[-2., 6.]]
        >>> with capture(model, (), modify={"a": lambda value: -value}):
        ...     y = model(np.array([[-1.0, 3.0]]))
        >>> y
        [[2., 0.]]
    """

    def __init__(self, model: keras.layers.Layer, taps: Any, modify: Any = None) -> None:
        check_model(model)
        self._model = model
        self._taps = as_taps(taps)
        self._modify = _as_modify(modify, self._taps)

    def __enter__(self) -> dict[str, Tree]:
        self._layers, self._points = {}, {}
        only_modified = [key for key in self._modify if key not in self._taps]
        self._all = {**self._taps, **as_taps(only_modified)}
        for key, tap in self._all.items():
            layer, _ = resolve(self._model, tap.path)
            self._layers[key] = layer
            self._points.setdefault(id(layer), []).append((key, tap))
        self._calls, self._fired = Counter(), set()
        self._seen: dict[str, Tree] = {}
        self._refused: str | None = None
        self._outside: Surroundings | None = Surroundings(sys._getframe(1))
        self._watch = watching(self) if self._points else contextlib.nullcontext()
        self._watch.__enter__()
        return self._seen

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._outside = None  # it holds a frame
        try:
            if kind is None:
                self._check_all_fired()
        finally:
            self._watch.__exit__(kind, error, trace)
        if kind is None:
            for key in self._taps:  # in the order of the taps
                self._seen[key] = _still_alive(self._taps[key], self._seen.pop(key))

    def around(self, layer: keras.layers.Layer, call: Callable) -> Callable:
        """The call of `layer`, observed if it is tapped."""
        points = self._points.get(id(layer))
        if points is None:
            return call

        def observed(*args: Any, **kwargs: Any) -> Tree:
            control = self._outside.control((args, kwargs))
            if control == SHAPES:
                return call(*args, **kwargs)
            if control == COMPILED:
                # Not touched, since what is compiled would keep a modification after the scope;
                # refused at the end, since on JAX an error inside `fit` or `predict` loses the
                # weights.
                self._refused = _enclosed(points[0][1].path, layer, control)
                return call(*args, **kwargs)
            if control is not None:
                raise ValueError(_enclosed(points[0][1].path, layer, control))
            index = self._calls[id(layer)]
            self._calls[id(layer)] += 1
            args, kwargs = self._at_input(layer, points, index, args, kwargs)
            return self._at("output", points, index, call(*args, **kwargs))

        return observed

    def _at_input(
        self, layer: keras.layers.Layer, points: list, index: int, args: tuple, kwargs: dict
    ) -> tuple[tuple, dict]:
        if not any(tap.at == "input" for _, tap in points):
            return args, kwargs
        if args:
            return (self._at("input", points, index, args[0]), *args[1:]), kwargs
        first = next(iter(inspect.signature(layer.call).parameters))
        if first not in kwargs:
            return args, kwargs
        return args, {**kwargs, first: self._at("input", points, index, kwargs[first])}

    def _at(self, place: str, points: list, index: int, value: Tree) -> Tree:
        """Modify and record `value`; what the model goes on with."""
        here = [(k, t) for k, t in points if t.at == place and t.call in (index, -1, "all")]
        for key, tap in here:
            self._fired.add(key)
            if key in self._modify:
                value = _replaced(tap, value, self._modify[key])
        for key, tap in here:
            if key in self._taps:
                self._record(key, tap, value)
        return value

    def _record(self, key: str, tap: Tap, value: Tree) -> None:
        if tap.stop_gradient:
            value = keras.tree.map_structure(ops.stop_gradient, value)
        if tap.call == "all":
            self._seen.setdefault(key, []).append(value)
        else:
            self._seen[key] = value

    def _check_all_fired(self) -> None:
        if self._refused:
            raise ValueError(self._refused)
        for key, tap in self._all.items():
            if key not in self._fired:
                layer = self._layers[key]
                raise ValueError(_never_fired(tap, layer, self._calls[id(layer)]))


def _as_modify(modify: Any, taps: dict[str, Tap]) -> dict[str, Callable]:
    """`{key: function of the value}`."""
    if modify is None:
        return {}
    if callable(modify):
        modify = {key: functools.partial(modify, key) for key in taps}
    elif not isinstance(modify, Mapping) or not all(map(callable, modify.values())):
        raise TypeError(
            "`modify` must be a dict {key or path: function of the value}, or one function "
            f"(key, value). {received('modify', modify)}"
        )
    for key in modify:
        if key in taps and taps[key].call == -1:
            raise ValueError(
                f"`modify` cannot act on the last call of `{key}`: which is last is known only "
                'afterwards. Give the call its number, or use call="all".'
            )
    return dict(modify)


def _replaced(tap: Tap, value: Tree, function: Callable) -> Tree:
    """`function(value)`, if it has the form of `value`."""
    result = function(value)
    wanted, got = (keras.tree.map_structure(_form, tree) for tree in (value, result))
    if wanted != got:
        raise ValueError(
            f"`modify` must keep the shapes and dtypes at `{tap.path}` ({tap.at}): {wanted}. "
            f"It returned {got}. Use `keras.ops.cast` or `keras.ops.reshape` in it."
        )
    return result


def _form(x: Any) -> str:
    if x is None or not hasattr(x, "shape"):
        return type(x).__name__
    return f"{keras.backend.standardize_dtype(x.dtype)}{[*x.shape]}"


def _still_alive(tap: Tap, value: Tree) -> Tree:
    """`value`, if it can be used here: one of an inner trace that ended cannot."""
    for x in keras.tree.flatten(value):
        try:
            # Any operation raises then; compilers drop a result that nothing uses.
            if keras.ops.is_tensor(x) and _is_symbol(x):
                ops.expand_dims(x, 0)
        except Exception as error:
            raise ValueError(_enclosed(tap.path, None, COMPILED)) from error
    return value


def _is_symbol(x: Any) -> bool:
    """Is it a tensor of a trace, without a value yet?"""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return not hasattr(x, "numpy")
    if backend == "jax":
        from jax.core import Tracer

        return isinstance(x, Tracer)
    return False


def _enclosed(path: str, layer: keras.layers.Layer | None, control: str) -> str:
    what = f" ({type(layer).__name__})" if layer is not None else ""
    why = f"`{path}`{what} is called inside {control}, and a value made there cannot leave. "
    if control == COMPILED:
        return why + (
            "Open the scope inside that function. Around `fit` or `predict`, use `lamina.Tapped`, "
            "whose output holds the taps; to modify values there, open the scope in a `call`."
        )
    return why + (
        "Tap the layer that contains it, or return the value from there as an output and pass it "
        "through `keras.layers.Identity`."
    )


def _never_fired(tap: Tap, layer: keras.layers.Layer, calls: int) -> str:
    what = f"`{tap.path}` ({type(layer).__name__})"
    if calls == 0:
        lost = "" if intact() else " Another patch of `Layer.__call__` has removed lamina's."
        return (
            f"the tap at {what} never fired: its layer was not called.{lost} Is it in a branch that"
            " was not taken, or used only through its weights or its `call`? Tap a layer that runs;"
            " `lamina.tap_names(model, inputs)` lists them with their calls. Was it called by a"
            " function compiled before, such as `predict`? Use `lamina.Tapped`."
        )
    if tap.call != "all" and tap.call >= calls:
        times = "once" if calls == 1 else f"{calls} times"
        return (
            f"{what} was called {times}, so there is no call {tap.call}. Use "
            f'{"0" if calls == 1 else f"0 to {calls - 1}"}, -1 for the last, or "all".'
        )
    return f"the tap at the input of {what} got no argument: the layer takes none."
