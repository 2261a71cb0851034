"""What an author may declare about a layer: the traits."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from lamina._common import received

MASKS = ("create", "propagate", "consume", "resample")
WHEN = ("train", "always")
BACKENDS = ("tensorflow", "jax", "torch")


@dataclass(frozen=True)
class Traits:
    """What a layer's author declares. Nothing declared: an ordinary layer.

    Enabling (each switches on contracts that do not apply to every layer):

    Attributes:
        mask: `"create"`, `"propagate"`, `"consume"` or `"resample"`: what becomes of the mask.
        variable_axes: Axes, the batch counted as 0, whose length may be unknown, e.g. `(1,)`.
        causal: True: no output depends on later time steps (axis 1).
        streaming: True: follows the streaming protocol, `initial_state` and `step`.
        equivariant_axes: Axes along which reordering the input reorders the output.
        linear: True: linear in the first input, the others fixed; `"all"`: in all together.
        adjoint: The name of the attribute that holds the layer's adjoint, itself a layer.
        stochastic: Excusing, as all below. `"train"`: random in training; `"always"`: in both.
        stateful: `"train"` or `"always"`: a call changes the layer's own variables.
        batch_coupled: `"train"` or `"always"`: a row's output depends on the other rows.
        batch_axes_out: Where the batch is in the output, if not axis 0: an axis, or one an
            output (None: nowhere).
        fixed_batch: True: works at the batch size of its sample only.
        int_range: `(low, high)`, high excluded: the integers that it takes.
        domain: `(low, high)`: the numbers that it takes, None where open; or words.
        differentiable: False: has no gradient, by design.
        surrogate_gradient: True: its gradient is not the derivative, by design.
        output_dtype: The dtype of its output whatever the policy; `"input"`: as it comes in;
            a tuple: one an output, None for the policy's.
        python_state: Names of attributes that a call may change; True for any.
        jit: False: cannot be compiled.
        unused_inputs: Names or indices of inputs that move nothing, by design.
        inert_arguments: Names of constructor arguments that move nothing, by design.
        integers: `"wrap"`: integers below 32 bits overflow as those of C do, by design.
        draws: `"batch"`: one random draw for the whole batch, by design.
        backends: Names of the backends that it is written for.
        max_length: The most steps, on its variable axes, that it takes.
        unordered_axes: Axes of its outputs along which the order is left open.
    """

    mask: str | None = None
    variable_axes: tuple[int, ...] = ()
    causal: bool = False
    streaming: bool = False
    equivariant_axes: tuple[int, ...] = ()
    linear: Any = False
    adjoint: str | None = None
    stochastic: str | None = None
    stateful: str | None = None
    batch_coupled: str | None = None
    batch_axes_out: Any = 0
    fixed_batch: bool = False
    int_range: tuple[int, int] | None = None
    domain: Any = None
    differentiable: bool = True
    surrogate_gradient: bool = False
    output_dtype: Any = None
    python_state: Any = ()
    jit: bool = True
    unused_inputs: tuple[str | int, ...] = ()
    inert_arguments: tuple[str, ...] = ()
    integers: str | None = None
    draws: str | None = None
    backends: tuple[str, ...] = ()
    max_length: int | None = None
    unordered_axes: tuple[int, ...] = ()

    @classmethod
    def of(cls, declared: "Mapping[str, Any] | Traits | None") -> "Traits":
        """Traits from a mapping, every key and value checked."""
        if isinstance(declared, Traits):
            return declared
        declared = dict(declared or {})
        known = [f.name for f in fields(cls)]
        for key in declared:
            if key not in known:
                raise ValueError(
                    f"`traits` must have keys among {', '.join(known)}. {received('key', key)}"
                )
        return cls(**{key: _checked(key, value) for key, value in declared.items()})

    def declared(self) -> dict[str, Any]:
        """What differs from an ordinary layer."""
        pairs = {f.name: (getattr(self, f.name), f.default) for f in fields(self)}
        return {name: value for name, (value, default) in pairs.items() if value != default}

    def __contains__(self, name: str) -> bool:
        return name in self.declared()


def _checked(key: str, value: Any) -> Any:
    if key == "mask":
        return _one_of(key, value, (None, *MASKS))
    if key in ("stochastic", "stateful", "batch_coupled"):
        value = {False: None, True: "always"}.get(value, value)
        return _one_of(key, value, (None, *WHEN))
    if key in ("variable_axes", "equivariant_axes", "unordered_axes"):
        return _axes(key, value)
    if key in ("integers", "draws"):
        return _one_of(key, value, (None, {"integers": "wrap", "draws": "batch"}[key]))
    if key in ("unused_inputs", "inert_arguments"):
        return (value,) if isinstance(value, str | int) else tuple(value or ())
    if key == "backends":
        return tuple(_one_of(key, b, BACKENDS) for b in _several(value))
    if key == "max_length":
        return _max_length(value)
    if key in ("causal", "streaming", "fixed_batch", "differentiable", "surrogate_gradient", "jit"):
        return bool(value)
    if key == "int_range":
        return _int_range(value)
    if key == "linear":
        return _one_of(key, value, (False, True, "all"))
    if key == "python_state" and isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _one_of(key, value, choices):
    if value not in choices:
        wanted = ", ".join(repr(c) for c in choices)
        raise ValueError(f"trait `{key}` must be one of {wanted}. {received(key, value)}")
    return value


def _several(value):
    return (value,) if isinstance(value, str) else tuple(value or ())


def _max_length(value):
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
        raise ValueError(
            "trait `max_length` must be a number of steps, at least 1. "
            f"{received('max_length', value)}"
        )
    return value


def _axes(key, value):
    axes = (value,) if isinstance(value, int) else tuple(value or ())
    if not all(isinstance(a, int) and not isinstance(a, bool) and a >= 1 for a in axes):
        raise ValueError(
            f"trait `{key}` must be a tuple of axes of at least 1 (0 is the batch), such as (1,). "
            f"{received(key, value)}"
        )
    return axes


def _int_range(value):
    pair = (0, value) if isinstance(value, int) else value
    if pair is not None and (len(pair) != 2 or not pair[0] < pair[1]):
        raise ValueError(
            "trait `int_range` must be (low, high) with low < high, high excluded. "
            f"{received('int_range', value)}"
        )
    return None if pair is None else (int(pair[0]), int(pair[1]))
