"""Contracts of shape: declared, symbolic and actual shapes agree, for any batch and length."""

import keras

from lamina.contracts._contract import Answer, broken, contract, skipped
from lamina.contracts.harness import (
    BACKEND,
    REORDERED,
    Case,
    LayerFailed,
    difference,
    graph_of,
    layer_code,
    rows,
    same_shapes,
    shapes,
    tensors,
    with_length,
)

# The larger of the two lengths that Keras on PyTorch tries where one is unknown.
STAND_IN = 89


def _agrees(symbolic, actual):
    """Does a shape with unknown axes allow an actual one?"""
    return len(symbolic) == len(actual) and all(
        s is None or s == a for s, a in zip(symbolic, actual, strict=True)
    )


def _in_training(training):
    return " in training" if training else ""


def _actual(case, layer, inputs=None, training=False):
    """Shapes and dtypes of the output of an eager call."""
    with layer_code(f"calling it{_in_training(training)}"):
        out = case.apply(layer, case.tensors(inputs), training)
        return [x for x in keras.tree.flatten(out) if x is not None]


@contract("shape.spec_matches_call", rank=200, follows=("shape.batch_axis",))
def symbolic_outputs_are_the_actual_ones(case: Case) -> Answer:
    """What the layer says about its output is not what it returns.

    Promise: the shape and dtype that it announces are those it returns, in training too.

    A layer that breaks it:

        def compute_output_shape(self, shape):
            return shape  # call() halves the time axis

    Repair: correct compute_output_shape, or leave it out.
    """
    layer = case.ready()
    for training in case.modes:
        found = _actual(case, layer, None, training)
        with layer_code(f"calling it on symbolic inputs{_in_training(training)}"):
            symbols = case.symbolic(layer, case.batch, training)
        if wrong := _misannounced(case, layer, symbols, found, _in_training(training)):
            return wrong


def _misannounced(case, layer, symbols, found, mode):
    if len(found) != len(symbols):
        return broken(f"it announces {len(symbols)} outputs and returns {len(found)}{mode}")
    announced = [tuple(s.shape) for s in symbols]
    returned = [tuple(x.shape) for x in found]
    if not all(_agrees(s, a) for s, a in zip(announced, returned, strict=True)):
        return broken(
            f"it announces the shape {announced} and returns {returned}{mode}",
            "Functional models are built on a false shape and fail in a later layer, or do not",
            "correct compute_output_shape, or leave it out: Keras then finds the shape itself; "
            "the shape must be the same in training",
            announced=announced,
            returned=returned,
        )
    if not _claims_dtype(layer) or "output_dtype" in case.traits:
        return None
    for s, x in zip(symbols, found, strict=True):
        has = keras.backend.standardize_dtype(x.dtype)
        if has != s.dtype:
            return broken(
                f"it announces {s.dtype} and returns {has}{mode}",
                "the next layer of a Functional model is built for another dtype",
                "correct the dtype in compute_output_spec",
                trait="output_dtype",
                declare=has,
            )


def _claims_dtype(layer):
    """Does the dtype come from the author, or from Keras' own tracing?

    With `compute_output_shape` alone Keras assumes the compute dtype: the author claims nothing.
    """
    cls = type(layer)
    own_spec = cls.compute_output_spec is not keras.layers.Layer.compute_output_spec
    return own_spec or cls.compute_output_shape is keras.layers.Layer.compute_output_shape


@contract("shape.batch_axis", rank=30, excused_by="batch_axes_out")
def axis_0_is_the_batch(case: Case) -> Answer:
    """An output has not as many rows as the input: samples are merged, split or lost.

    Promise: each row in gives one row out, on axis 0.

    A layer that breaks it:

        def call(self, x):
            return ops.reshape(x, (-1, 4))

    Repair: name the batch first: (ops.shape(x)[0], -1, 4).
    Trait: `batch_axes_out` says that it is by design.
    """
    if "batch_axes_out" in case.traits:
        return _declared_batch_axes(case)
    layer = case.fresh()
    for training in case.modes:
        for inputs in (case.inputs, *_other_batches(case)[:1]):
            try:
                found = _actual(case, layer, inputs, training)
            except LayerFailed:
                layer = case.fresh()
                continue  # shape.any_batch reports it.
            count = case.with_inputs(inputs).batch
            for x in found[: None if case.target.kind == "layer" else 1]:
                if not len(x.shape) or x.shape[0] != count:
                    return broken(
                        f"{count} rows in, output shape {tuple(x.shape)}{_in_training(training)}",
                        "samples are mixed up with one another; labels no longer fit their rows",
                        "reshape with the batch as the first size and -1 elsewhere: "
                        "(batch, -1, ...)",
                        inputs=shapes(inputs),
                        outputs=[tuple(x.shape) for x in found],
                    )


def _declared_batch_axes(case):
    declared = case.traits.batch_axes_out
    found = _actual(case, case.fresh())
    axes = declared if isinstance(declared, tuple) else (declared,) * len(found)
    for x, axis in zip(found, axes, strict=False):
        if isinstance(axis, int) and not isinstance(axis, bool):
            size = x.shape[axis] if -len(x.shape) <= axis < len(x.shape) else 0
            if size == 0 or size % case.batch:
                return broken(
                    f"the trait says that the batch is axis {axis} of the output, whose shape is "
                    f"{tuple(x.shape)} for {case.batch} rows",
                    repair="correct the trait `batch_axes_out`",
                )


def _other_batches(case):
    if case.traits.fixed_batch:
        return []
    return [rows(case.inputs, range(n)) for n in (5, 3, 1) if n != case.batch]


@contract("shape.any_batch", rank=40, excused_by="fixed_batch", follows=("shape.batch_axis",))
def any_number_of_rows(case: Case) -> Answer:
    """It works for some numbers of rows only.

    Promise: it works for any number of rows, in training too.

    A layer that breaks it:

        def call(self, x):
            return ops.squeeze(x)  # one row: the batch goes as well

    Repair: squeeze named axes only; take the batch from ops.shape(x)[0].
    Trait: `fixed_batch` says that it is by design.
    """
    if case.traits.fixed_batch:
        return skipped("the trait `fixed_batch` is declared")
    return case.once("any batch", lambda: _every_batch(case))


def _every_batch(case):
    layer = case.fresh()
    for training in case.modes:
        usual = [tuple(x.shape) for x in _actual(case, layer, None, training)]
        for inputs in _other_batches(case):
            count = case.with_inputs(inputs).batch
            with layer_code(f"calling it on a batch of {count}{_in_training(training)}"):
                found = [tuple(x.shape) for x in _actual(case, layer, inputs, training)]
            for one, other in zip(usual, found, strict=True):
                if not _fits(case, one, other, count):
                    return broken(
                        f"{case.batch} rows give the shape {one}, {count} rows {other}"
                        f"{_in_training(training)}",
                        "the last, smaller batch of an epoch or a single prediction fails",
                        "take the batch from ops.shape(x)[0]; squeeze named axes only",
                        rows=count,
                    )


def _fits(case, one, other, count):
    """Does the shape for `count` rows go with the one for the sample's rows?"""
    if len(one) != len(other):
        return False
    # An axis as long as the batch may grow with it: a matrix of all pairs.
    grows = [a == b or (a, b) == (case.batch, count) for a, b in zip(one, other, strict=True)]
    if "batch_axes_out" in case.traits:
        return all(
            g or a * count == b * case.batch for g, a, b in zip(grows, one, other, strict=True)
        )
    return all(grows[1:]) and (not one or (one[0] == case.batch) == (other[0] == count))


def _few_batches(case):
    try:
        return any_number_of_rows.ask(case) is not None
    except LayerFailed:
        return True


@contract(
    "shape.none_batch",
    rank=220,
    follows=(
        "shape.any_batch",
        "shape.spec_matches_call",
        "compile.jit",
        "mode.eager_equals_graph",
        "state.no_python_mutation",
        "random.no_global_rng",
    ),
)
def works_with_an_unknown_batch(case: Case) -> Answer:
    """A model with an unknown batch cannot be made of it, or then gives something else.

    Promise: it works where the batch is unknown, as in fit(), in training too.

    A layer that breaks it:

        def call(self, x, training=False):
            return x * keras.random.uniform((x.shape[0], 1))

    Repair: ops.shape(x)[0] instead of x.shape[0].
    """
    if case.traits.fixed_batch:
        return skipped("the trait `fixed_batch` is declared")
    if _few_batches(case):
        return skipped("it works for some batch sizes only: see shape.any_batch")
    samples = [case.inputs, *_other_batches(case)[:1]]
    for training in case.modes:
        layer = case.fresh()
        what = f"calling it on a symbolic input of unknown batch{_in_training(training)}"
        with layer_code(what):
            symbols = case.symbolic(layer, None, True) if training else _outputs(case, layer)
        if found := _with_unknown(case, layer, (0,), samples, symbols, training):
            return found


def _outputs(case, layer, batch=None, axes=()):
    """The outputs of a Functional model of it."""
    return keras.tree.flatten(case.functional(layer, batch, axes).outputs)


def _with_unknown(case, layer, axes, samples, symbols, training):
    """What it announces for unknown `axes`, and its own call in a graph of them.

    Its compute_output_shape may hide the latter; so it runs under fit() on a dataset whose last
    batch is shorter, or whose rows differ in length.
    """
    announced = [tuple(s.shape) for s in symbols]
    graph = _graph(case, axes, training)
    layer = graph.layer if graph else layer
    call = _caller(case, layer, training, compiled=axes != (0,) and not graph)
    for inputs in samples:
        with layer_code(f"calling it with {shapes(inputs)}{_in_training(training)}"):
            expected = call(inputs)
        returned = [y.shape for y in expected]
        if len(announced) != len(returned) or not all(map(_agrees, announced, returned)):
            return broken(
                f"with unknown axes {axes} it announces {announced}, and returns "
                f"{returned}{_in_training(training)}",
                "a model built on it takes one size only",
                "use ops.shape(x)[0] for the batch, or -1 in a reshape; compute_output_shape must "
                "give None where a length is unknown",
                announced=announced,
            )
        if graph:
            found = graph.outputs(case, inputs)[0]
            worst = same_shapes(expected, found) and difference(expected, found, *REORDERED)
            wrong = worst or not same_shapes(expected, found)
            if wrong and case.repeats(layer, training):
                return broken(
                    f"in a graph where axes {axes} have no fixed length it gives something else"
                    f"{_in_training(training)}",
                    "fit() on batches of differing sizes trains another model than the one tried",
                    "take lengths from ops.shape(x), never from x.shape, where they may be None",
                    expected=returned,
                    returned=[y.shape for y in found],
                    **(worst.values() if worst else {}),
                )
    return None


def _graph(case, axes, training):
    """The call traced with unknown axes; None where the backend traces nothing."""
    if BACKEND != "tensorflow":
        return None
    graph = graph_of(case, training, axes)
    if graph.problem:
        raise graph.problem
    return graph


def _caller(case, layer, training, compiled):
    """`case.call`, on JAX compiled where many lengths follow."""
    if compiled and not training:
        return case.quick(layer)
    return lambda inputs: case.call(layer, inputs, training)


@contract("shape.none_axes", rank=210, needs="variable_axes")
def works_with_unknown_lengths(case: Case) -> Answer:
    """It needs to know the length of an axis that is declared variable.

    Promise: it works where the length of an axis is unknown.

    A layer that breaks it:

        def call(self, x):
            return ops.reshape(x, (-1, x.shape[1] // 2, 2 * x.shape[2]))

    Repair: take lengths from ops.shape(x). A longest length is the trait `max_length`.
    Trait: `variable_axes` switches it on. `max_length` bounds what is tried.
    """
    axes = case.traits.variable_axes
    batch = case.batch if case.traits.fixed_batch else None
    unknown = axes if case.traits.fixed_batch else (0, *axes)
    for training in case.modes:
        layer = case.fresh()
        try:
            with layer_code(f"calling it on a symbolic input with axes {axes} unknown"):
                model = None if training else case.functional(layer, batch, axes)
                symbols = case.symbolic(layer, batch, True, axes) if training else model.outputs
        except LayerFailed:
            if BACKEND != "tensorflow" and (case.traits.max_length or STAND_IN) < STAND_IN:
                # JAX keeps a length that it does not know; PyTorch is given another one.
                return skipped("an unknown length may be above the trait `max_length` here")
            raise
        lengths = _lengths(case, axes)
        samples = [with_length(case.inputs, axes, n) for n in lengths]
        symbols = keras.tree.flatten(symbols)
        if found := _with_unknown(case, layer, unknown, samples, symbols, training):
            return found
        if model:
            with layer_code("running a model of unknown lengths"):
                model(tensors(case.model_inputs(samples[1])))


def _lengths(case, axes):
    """The sample's length, and others: as many as the trait `max_length` allows."""
    usual = max(x.shape[a] for x in keras.tree.flatten(case.inputs) for a in axes if a < x.ndim)
    most = case.traits.max_length or 2 * usual + 1
    longer = [n for n in (usual + 1, 2 * usual + 1) if n <= most]
    return [usual, *(longer or [max(1, usual - 1)])]
