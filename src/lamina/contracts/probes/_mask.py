"""Contracts of the mask, for layers that declare what becomes of it."""

import keras
import numpy as np

from lamina._common import Array
from lamina.contracts._contract import Answer, broken, contract, skipped
from lamina.contracts.harness import (
    Case,
    difference,
    is_float,
    layer_code,
    leaves,
    map_leaves,
    not_finite,
    restore,
    seed_host,
    state_of,
    varied,
)

# Why a mask contract cannot be checked.
NO_STEPS = "no input has a time axis"


class _Source(keras.layers.Layer):
    """Gives its input a mask."""

    def __init__(self, mask: Array) -> None:
        super().__init__(dtype="float32")
        self.autocast = False
        self.mask = mask
        self.supports_masking = True

    def call(self, x: Array) -> Array:
        return x

    def compute_mask(self, inputs: Array, previous_mask: Array = None) -> Array:
        return keras.ops.convert_to_tensor(self.mask)


class _Sink(keras.layers.Layer):
    """Takes note of the mask that arrives."""

    def __init__(self) -> None:
        super().__init__(dtype="float32")
        self.autocast = False
        self.supports_masking = True
        self.arrived = None

    def call(self, x: Array, mask: Array = None) -> Array:
        self.arrived = mask
        return x


def _takes_mask(x):
    """Arrays that are sequences: floats (batch, time, ...), integers (batch, time)."""
    return x.ndim >= 3 or (x.ndim == 2 and not is_float(x))


def _masked_arrays(inputs):
    """Which arrays get a mask: the sequences, else whatever has an axis 1."""
    flat = keras.tree.flatten(inputs)
    return (
        [_takes_mask(x) for x in flat]
        if any(map(_takes_mask, flat))
        else [x.ndim > 1 for x in flat]
    )


def _masks(case):
    """Masks by name: the ends of rows masked, their beginnings, holes."""
    flat = keras.tree.flatten(case.inputs)
    steps = next(x.shape[1] for x, m in zip(flat, _masked_arrays(case.inputs), strict=True) if m)
    lengths = np.maximum(1, steps - np.arange(case.batch) % steps)
    if case.batch == 1:
        lengths = np.array([max(1, steps // 2)])
    right = np.arange(steps)[None] < lengths[:, None]
    holes = np.random.default_rng(2).random(right.shape) < 0.6
    holes[:, 0] |= ~holes.any(1)
    return {"its end": right, "its beginning": right[:, ::-1].copy(), "holes": holes}


def _flow(case, layer, mask, inputs=None, training=False):
    """Output arrays, and the masks that arrive after the layer, one an output."""
    inputs = case.inputs if inputs is None else inputs
    flat, which = keras.tree.flatten(inputs), _masked_arrays(inputs)
    with layer_code("calling it on a masked input"):
        given = [
            _Source(mask)(keras.ops.convert_to_tensor(x))
            if m and mask is not None
            else keras.ops.convert_to_tensor(x)
            for x, m in zip(flat, which, strict=True)
        ]
        before = state_of(layer) if layer.built else []
        seed_host()
        out = case.apply(layer, keras.tree.pack_sequence_as(inputs, given), training)
        arrived = []
        for y in keras.tree.flatten(out):
            sink = _Sink()
            sink(y)
            arrived.append(None if sink.arrived is None else leaves(sink.arrived)[0])
        found = case.leaves(out)
        restore(before)
    return found, arrived


def _has_steps(case):
    return any(x.ndim > 1 for x in keras.tree.flatten(case.inputs)) and case.target.kind == "layer"


@contract("mask.flow", needs="mask")
def the_mask_goes_where_it_is_declared_to(case: Case) -> Answer:
    """The mask after the layer is not what it declares.

    Promise: the mask after it is the one it declares.

    A layer that breaks it:

        def __init__(self, **kwargs):
            super().__init__(**kwargs)  # supports_masking stays False

    Repair: set supports_masking, or define compute_mask.
    Trait: `mask` switches it on.
    """
    if not _has_steps(case):
        return skipped(NO_STEPS)
    kind, layer = case.traits.mask, case.ready()
    mask = _masks(case)["its end"]
    outputs, arrived = _flow(case, layer, None if kind == "create" else mask)
    got = [m for m in arrived if m is not None]
    lost = "later layers count padding as data"
    if kind == "consume":
        if got and got[0].shape[:2] == mask.shape and not _uses_steps(outputs, mask):
            return broken(
                "it is said to consume the mask, but hands it on to an output without those steps",
                "a later layer fails on a mask of another shape",
                "return None from compute_mask",
            )
        return None
    if not got:
        return broken(
            f"it is said to {kind} a mask, but none arrives after it",
            lost,
            "set self.supports_masking = True in __init__; compute_mask says what becomes of it"
            if kind != "create"
            else "define compute_mask(self, inputs, mask=None)",
            mask_in=None if kind == "create" else mask.shape,
            mask_out=None,
        )
    if kind == "propagate" and not any(np.array_equal(m, mask) for m in got):
        return broken(
            f"the mask that arrives differs from the one that went in: {got[0].shape} "
            f"for {mask.shape}",
            lost,
            "compute_mask must return the mask as it came",
            mask_in=mask.astype(int).tolist()[:2],
            mask_out=got[0].astype(int).tolist()[:2],
        )
    for y, m in zip(outputs, arrived, strict=True):
        if m is not None and (m.dtype.kind != "b" or m.shape != y.shape[: m.ndim]):
            return broken(
                f"its mask is {m.dtype.name}{m.shape} beside an output of {y.shape}",
                "later layers fail on it, or mask the wrong steps",
                "compute_mask must return booleans of the output's (batch, time)",
                mask_out=m.shape,
                output=y.shape,
            )


def _uses_steps(outputs, mask):
    return any(y.shape[:2] == mask.shape for y in outputs)


@contract("mask.invariance", needs="mask")
def masked_steps_do_not_matter(case: Case) -> Answer:
    """What stands at masked steps changes the output elsewhere.

    Promise: other finite numbers at masked steps change nothing that is seen, in training too.

    A layer that breaks it:

        def call(self, x, mask=None):
            return ops.mean(x, axis=1)

    Repair: ops.where(mask, x, 0), and divide by the number of steps kept.
    Trait: `mask` switches it on.
    """
    if not _has_steps(case):
        return skipped(NO_STEPS)
    if case.traits.mask == "create":
        return skipped("it makes the mask from those values")
    return case.once("padding", lambda: _padded(case))["other numbers"]


@contract("mask.nan_padding", needs="mask", advice=True, follows=("mask.invariance",))
def nan_in_padding_does_not_matter(case: Case) -> Answer:
    """NaN at masked steps reaches the output: 0 * NaN is NaN.

    Promise: even NaN at masked steps changes nothing.

    A layer that breaks it:

        def call(self, x, mask=None):
            return ops.sum(x * ops.cast(mask, x.dtype)[..., None], 1)

    Repair: ops.where(mask, x, 0): 0 * NaN is NaN. Advice: padding is seldom NaN.
    Trait: `mask` switches it on.
    """
    if not _has_steps(case):
        return skipped(NO_STEPS)
    if case.traits.mask == "create":
        return skipped("it makes the mask from those values")
    return case.once("padding", lambda: _padded(case))["NaN"]


def _padded(case):
    """The answers where masked steps hold other numbers, and where they hold NaN."""
    layer = case.ready(perturb=True)
    rng = np.random.default_rng(4)
    found: dict[str, Answer] = {"other numbers": None, "NaN": None}
    fills = {"other numbers": _large, "NaN": _nan}
    for training in case.modes:
        for place, mask in _masks(case).items():
            if mask.all():
                continue
            before, arrived = _flow(case, layer, mask, None, training)
            for what, fill in fills.items():
                if found[what] or (training and what == "NaN"):
                    continue
                inputs = _filled(case, mask, lambda x, fill=fill: fill(x, rng, case.traits))
                after, _ = _flow(case, layer, mask, inputs, training)
                shown = arrived if case.traits.mask != "propagate" else [mask] * len(arrived)
                worst = difference(_visible(before, shown), _visible(after, shown))
                if worst and not (training and not case.repeats(layer, training)):
                    found[what] = _seen(what, place, worst, training)
    return found


def _seen(what, place, worst, training):
    return broken(
        f"{what} at masked steps ({place}) change the output{' in training' if training else ''}",
        "a row's prediction depends on how far it was padded, and with what",
        "ops.where(mask, x, 0) before sums, products and statistics, in training too "
        "(0 * NaN is NaN)",
        filled_with=what,
        masked=place,
        **worst.values(),
    )


def _large(x, rng, traits):
    """Other numbers of the sample's range, half of them fifty times as large.

    Beyond any ordinary padding, and what an additive mask of -1e9 in a softmax still hides.
    """
    y = varied(x, rng, traits)
    if not is_float(x) or traits.domain:
        return y
    return (y * rng.choice([1, 50], x.shape)).astype(x.dtype)


def _nan(x, rng, traits):
    return np.full_like(x, np.nan) if is_float(x) else varied(x, rng, traits)


def _filled(case, mask, fill):
    which = iter(_masked_arrays(case.inputs))

    def change(x: np.ndarray) -> np.ndarray:
        if not next(which):
            return x
        where = mask.reshape(mask.shape + (1,) * (x.ndim - 2))
        return np.where(where, x, fill(x)).astype(x.dtype)

    return map_leaves(change, case.inputs)


def _visible(outputs, arrived):
    """The outputs with their masked steps taken to 0."""
    found = []
    for y, m in zip(outputs, arrived, strict=True):
        if m is None or m.shape != y.shape[: m.ndim]:
            found.append(y)
            continue
        where = m.reshape(m.shape + (1,) * (y.ndim - m.ndim))
        found.append(np.where(where, y, 0).astype(y.dtype))
    return found


@contract("mask.all_masked", needs="mask")
def a_fully_masked_row_is_harmless(case: Case) -> Answer:
    """A row of nothing but padding makes the output NaN.

    Promise: a row of nothing but padding stays finite.

    A layer that breaks it:

        return ops.sum(x * m, 1) / ops.sum(m, 1)

    Repair: divide by ops.maximum(count, 1).
    Trait: `mask` switches it on.
    """
    if not _has_steps(case):
        return skipped(NO_STEPS)
    if case.traits.mask == "create":
        return skipped("it makes the mask itself")
    layer = case.ready()
    mask = _masks(case)["its end"].copy()
    mask[0] = False
    for training in case.modes:
        outputs, _ = _flow(case, layer, mask, None, training)
        if bad := not_finite(outputs):
            number, place, value = bad
            return broken(
                f"with row 0 fully masked the output is {value}"
                f"{' in training' if training else ''}",
                "one empty row makes the loss, and then every weight, NaN",
                "divide by ops.maximum(count, 1); before softmax use -3e4, not -inf",
                row=0,
                at=f"output {number} {list(place)}",
                value=str(value),
            )
