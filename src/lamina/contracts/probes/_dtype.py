"""Contracts of the dtype policy: obeyed, and safe in half precision."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from lamina.contracts._contract import Answer, advice, broken, contract, skipped
from lamina.contracts.harness import (
    Case,
    LayerFailed,
    copied,
    copy_weights,
    is_float,
    keeps_float64,
    layer_code,
    leaves,
    map_leaves,
    not_finite,
    points,
    random_draws,
    sub_layers,
    tensors,
)


def _under(case, policy):
    """A fresh layer made under a global dtype policy, which stays set for its calls."""
    keras.config.set_dtype_policy(policy)
    return case.fresh()


def _dtypes(tree):
    return [
        keras.backend.standardize_dtype(x.dtype) for x in keras.tree.flatten(tree) if x is not None
    ]


@contract("dtype.policy", excused_by="output_dtype")
def the_policy_decides_the_dtype(case: Case) -> Answer:
    """Under another dtype policy it fails, or returns another dtype than the policy's.

    Promise: every floating output has the compute dtype, in training too.

    A layer that breaks it:

        def call(self, x):
            return x * np.ones((4,), "float32")

    Repair: cast constants: ops.cast(c, self.compute_dtype).
    Trait: `output_dtype` says that it is by design.
    """
    floats = any(is_float(x) for x in keras.tree.flatten(case.inputs))
    own = None
    for policy in ("bfloat16", "float64", "mixed_bfloat16"):
        if policy == "float64" and not keeps_float64():
            continue
        layer = _under(case, policy)
        for given, training in _given(case, layer):
            mode = " in training" if training else ""
            with layer_code(f"calling it under the policy {policy}{mode}"):
                found = _dtypes(case.apply(layer, given, training))
            if problem := _wrong(case, layer, found, floats):
                want, has = problem
                return broken(
                    f"under the policy {policy} it returns {has}, not {want}{mode}",
                    "mixed precision ends here, or the next operation fails on two dtypes",
                    "cast constants and inner float32 work: ops.cast(x, self.compute_dtype)",
                    declare=found[0] if len(found) == 1 else tuple(found),
                    policy=policy,
                    wanted=want,
                    returned=has,
                )
        own = own or _weights_of_own_dtype(layer)
    if own:
        path, dtype, policy = own
        return advice(
            f"under the policy {policy} its weight {path} is {dtype}",
            "right for running means and the like; elsewhere the memory that half precision "
            "promises is lost",
            "make weights with add_weight without a dtype of their own",
            policy=policy,
        )


def _given(case, layer):
    """The sample as it is, and as a layer before it under the same policy would hand it on.

    Each with a value of `training`, None for a call that does not say.
    """
    yield case.tensors(), None
    yield tensors(case.inputs, layer.compute_dtype), None
    if True in case.modes:
        yield case.tensors(), True


def _wrong(case, layer, found, floats):
    declared = case.traits.output_dtype
    if "output_dtype" in case.traits:
        wanted = declared if isinstance(declared, tuple) else (declared,) * len(found)
        pairs = zip(wanted, found, strict=False)
        pairs = [(layer.compute_dtype if w is None else w, f) for w, f in pairs]
        known = [(w, f) for w, f in pairs if isinstance(w, str) and w not in (f, "input")]
        return known[0] if known else None
    for has in found:
        if keras.backend.is_float_dtype(has) and has != layer.compute_dtype:
            return layer.compute_dtype, has
    if floats and found and not any(keras.backend.is_float_dtype(has) for has in found):
        if _announced(case, layer) == found:
            return None
        kinds = ("complex64", "complex128")
        return (layer.compute_dtype, found[0]) if found[0] not in kinds else None
    return None


def _announced(case, layer):
    """The dtypes that the author's own compute_output_spec announces, if there is one."""
    if type(layer).compute_output_spec is keras.layers.Layer.compute_output_spec:
        return None
    with layer_code("compute_output_spec"):
        return [keras.backend.standardize_dtype(y.dtype) for y in case.symbolic(layer, case.batch)]


def _weights_of_own_dtype(layer):
    for variable in layer.trainable_variables:
        if keras.backend.is_float_dtype(variable.dtype) and variable.dtype != layer.variable_dtype:
            return variable.path, variable.dtype, layer.dtype_policy.name
    return None


@contract("dtype.children", advice=True)
def children_have_the_policy(case: Case) -> Answer:
    """A sub-layer computes in another dtype than the layer was given.

    Promise: sub-layers have its policy.

    A layer that breaks it:

        self.inner = keras.layers.Dense(3, dtype="float32")

    Repair: make them with dtype=self.dtype_policy.
    """
    if case.target.kwargs is None:
        return skipped("its constructor's arguments are not known")
    # Copies: a layer among the arguments must not be built here for the checks after this.
    config = {n: copied(v, case.target.scope) for n, v in case.target.kwargs.items()}
    if "dtype" in config:
        return skipped("it was given a dtype of its own")
    try:
        layer = case.target.cls(**config, dtype="bfloat16")
        case.call(layer)
    except Exception:
        return skipped("its constructor takes no dtype: see config.base")
    for child in sub_layers(layer):
        if child.compute_dtype != layer.compute_dtype:
            return advice(
                f"given dtype='bfloat16', its sub-layer {child.name} computes in "
                f"{child.compute_dtype}",
                "the policy stops at the outer layer",
                "make sub-layers with dtype=self.dtype_policy",
                child=child.name,
            )


def _call_under(case, layer, inputs, training=False, **more):
    with layer_code("calling it in half precision"):
        return leaves(case.apply(layer, tensors(inputs), training, **more))


def _masks(case, layer) -> Iterator[dict[str, Any]]:
    """Without a mask and, where call takes one, with the end of each row masked."""
    yield {}
    if "mask" in getattr(layer, "call_signature_parameters", ()) and not isinstance(
        case.inputs, dict
    ):
        flat = keras.tree.flatten(case.inputs)
        if len(flat) == 1 and flat[0].ndim >= 2 and flat[0].shape[1] > 1:
            mask = np.ones(flat[0].shape[:2], "bool")
            mask[:, -1] = False
            yield {"mask": keras.ops.convert_to_tensor(mask)}


@contract("dtype.finite_in_half", follows=("forward.finite", "dtype.policy"))
def finite_in_half_precision(case: Case) -> Answer:
    """Finite in float32, it is NaN or infinite in half precision.

    Promise: what is finite in float32 is finite in float16.

    A layer that breaks it:

        def call(self, x):
            return x / (ops.norm(x, axis=-1, keepdims=True) + 1e-8)

    Repair: 1e-8 is 0 in float16, -1e9 is -inf: 1e-4 and -3e4, or compute that in float32.
    """
    plain = case.ready()
    layer = _under(case, "mixed_float16")
    for name, inputs in points(case.inputs, case.traits):
        # The mask's own constants show on any numbers: on the sample's.
        for more in _masks(case, plain) if inputs is case.inputs else [{}]:
            for training in case.modes:
                try:
                    wide = case.call(plain, inputs, training, **more)
                except LayerFailed:
                    continue
                if not_finite(wide) or _too_large(wide):
                    continue
                found = _call_under(case, layer, inputs, training, **more)
                if bad := not_finite(found):
                    number, place, value = bad
                    return broken(
                        f"in float16 the output is {value} for {name}, in float32 it is finite",
                        "under mixed precision the loss becomes NaN",
                        "a constant like 1e-8 is 0 in float16 and -1e9 is -inf: use 1e-4 and "
                        "-3e4, or compute that part in float32",
                        point=name,
                        at=f"output {number} {list(place)}",
                        value=str(value),
                    )


def _too_large(arrays):
    """Beyond what float16 holds, 65504, or nearly so."""
    return any(y.dtype.kind == "f" and y.size and np.abs(y).max() > 6e4 for y in arrays)


@contract("dtype.close_to_float32", slow=True, follows=("dtype.finite_in_half", "dtype.policy"))
def bfloat16_is_close_to_float32(case: Case) -> Answer:
    """In half precision the output is far from the one in float32.

    Promise: half precision gives nearly what float32 gives.

    A layer that breaks it:

        def call(self, x):
            return ops.mean(x**2) - ops.mean(x) ** 2

    Repair: compute means and differences of large numbers in float32.
    """
    rounded = map_leaves(_rounded, case.inputs)
    plain = case.ready(rounded, perturb=True)
    _round_weights(plain)
    half, usual = {}, keras.config.dtype_policy()
    for policy in ("bfloat16", "mixed_float16"):
        half[policy] = _under(case, policy)
        _call_under(case, half[policy], rounded)
        if len(half[policy].variables) != len(plain.variables):
            return skipped("it has other weights in half precision")
    for training in case.modes:
        keras.config.set_dtype_policy(usual)
        with random_draws() as draws:
            wide = case.call(plain, rounded, training)
        if draws.any or case.varies(plain, training, draws=1):
            continue
        sensitive = _sensitivity(case, plain, rounded, wide, training)
        for policy, layer in half.items():
            copy_weights(plain, layer)
            keras.config.set_dtype_policy(policy)
            found = case.call(layer, rounded, training)
            if answer := _far(policy, wide, found, sensitive, training):
                return answer


def _far(policy, wide, found, sensitive, training):
    for number, (a, b) in enumerate(zip(wide, found, strict=True)):
        size = _relative(a, b) if a.shape == b.shape else np.inf
        # Some eight roundings of 2**-7 in a row, or four times what rounded inputs do.
        if size > max(0.06, 4 * sensitive[number]) and not _too_large([a]):
            return broken(
                f"under {policy} the output differs from float32 by {size:.0%} of its norm"
                f"{' in training' if training else ''}",
                "under mixed precision it computes something else",
                "compute means, sums, differences of large numbers and exponentials in float32",
                output=number,
                difference=f"{size:.3g}",
            )
    return None


def _rounded(x):
    """The nearest values that bfloat16 can hold."""
    if not is_float(x):
        return x
    # bfloat16 is the upper half of a float32's bits: half of the last one that stays is added.
    bits = np.ascontiguousarray(x, "float32").view("uint32")
    kept = ((bits + 0x8000) & np.uint32(0xFFFF0000)).astype("uint32")
    return kept.view("float32").reshape(x.shape)


def _round_weights(layer):
    for variable in layer.variables:
        if variable.dtype == "float32":
            variable.assign(_rounded(np.asarray(keras.ops.convert_to_numpy(variable.value))))


def _sensitivity(case, layer, inputs, wide, training):
    """How far float32 outputs move when inputs and weights move by a bfloat16's rounding."""
    worst = [0.0] * len(wide)
    kept = [np.array(keras.ops.convert_to_numpy(v.value)) for v in layer.variables]
    for seed in range(4):
        rng = np.random.default_rng(seed)

        def nudge(x: np.ndarray, rng: np.random.Generator = rng) -> np.ndarray:
            # 2**-7 is the spacing of bfloat16.
            return (x * (1 + rng.uniform(-1, 1, x.shape) / 128)).astype("float32")

        for variable, value in zip(layer.variables, kept, strict=True):
            if variable.dtype == "float32":
                variable.assign(nudge(value))
        try:
            nudged = map_leaves(lambda x: nudge(x) if is_float(x) else x, inputs)
            near = case.call(layer, nudged, training)
        except LayerFailed:
            continue
        worst = [max(w, _relative(a, b)) for w, a, b in zip(worst, wide, near, strict=True)]
    for variable, value in zip(layer.variables, kept, strict=True):
        variable.assign(value)
    return worst


def _relative(a, b):
    if a.shape != b.shape or a.dtype.kind not in "fciub" or not a.size:
        return 0.0
    a, b = np.asarray(a, "complex128").ravel(), np.asarray(b, "complex128").ravel()
    finite = np.isfinite(a) & np.isfinite(b)
    return float(np.linalg.norm((a - b)[finite]) / max(np.linalg.norm(a[finite]), 1e-6))
