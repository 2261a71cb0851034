# ruff: noqa: E501 - lines of a script are long, so that they are few
"""What a stand-alone script does to fail as a layer does: a few lines a contract.

A script has `make(**more)`, a fresh layer; `x`, the sample; `called(layer, x, **how)`, the output
arrays; `perturbed(layer, x)`, built and its weights moved; `same(one, other)`, an assertion;
`other(x, seed)`, other numbers of the sample's range; `MODE`, the value of `training`.
"""

from lamina.contracts._object_scripts import OF_OBJECTS

FINITE = "assert all(np.isfinite(y).all() for y in {}), {}"
GRADIENT = """
import tensorflow as tf

layer = make()
called(layer, x)
for point in (x, tree(lambda a: a * 0, x), tree(lambda a: np.full_like(a, a.max()), x)):
    given = tree(tf.convert_to_tensor, point)
    with tf.GradientTape() as tape:
        tape.watch(given)
        y = layer(*arguments(given), training=True)
        loss = sum(tf.reduce_sum(a * a) for a in keras.tree.flatten(y)) + sum(layer.losses)
    for g in tape.gradient(loss, [v.value for v in layer.trainable_weights] + tf.nest.flatten(given)):
        {}
"""
GRAPH = """
import tensorflow as tf

layer = perturbed(make(), x)
run = tf.function(lambda x: layer(*arguments(x), training=MODE), jit_compile={jit})
compiled = arrays(run(tree(ops.convert_to_tensor, x)))
same(called(layer, x, training=MODE), compiled)
"""
UNKNOWN = """
import tensorflow as tf

layer = perturbed(make(), x)
keras.Model(inputs := {symbols}, layer(*arguments(inputs)))
spec = tree(lambda a: tf.TensorSpec([{sizes}], a.dtype), x)
run = tf.function(lambda x: layer(*arguments(x), training=MODE), input_signature=[spec])
for given in {samples}:
    same(called(layer, given, training=MODE), arrays(run(tree(ops.convert_to_tensor, given))))
"""
SYMBOLS = "tree(lambda a: keras.Input(batch_shape=({}), dtype=a.dtype.name), x)"
FIXED = SYMBOLS.format("*a.shape,")
ROWS = """
for keep in range(rows):
    for seed in range(4):
        changed = tree(lambda a: np.where(row(a) == keep, a, other(a, seed)), x)
        one, two = called(layer, x, training=MODE), called(layer, changed, training=MODE)
        same([y[keep] for y in one], [y[keep] for y in two])
alone = tree(lambda a: a[:1], x)
same([y[:1] for y in called(layer, x)], called(layer, alone))
"""
MASKED = """
class Masks(keras.layers.Layer):
    def compute_mask(self, inputs, mask=None):
        return ops.convert_to_tensor(keep)

def masked(layer, x):
    return called(layer, tree(lambda a: Masks()(ops.convert_to_tensor(a)), x), training=MODE)

steps = keras.tree.flatten(x)[0].shape[:2]
keep = np.arange(steps[1])[None] < np.maximum(1, steps[1] - 1 - np.arange(steps[0]))[:, None]
layer = perturbed(make(), x)
"""
FILLED = """
for keep in (keep, keep[:, ::-1]):
    where = lambda a: keep.reshape(keep.shape + (1,) * (a.ndim - 2))
    filled = tree(lambda a: np.where(where(a), a, {}).astype(a.dtype), x)
    shown = lambda y: np.where(where(y), y, 0) if y.shape[:2] == keep.shape else y
    same([shown(y) for y in masked(layer, x)], [shown(y) for y in masked(layer, filled)])
"""
SCRIPTS = OF_OBJECTS | {
    "shape.spec_matches_call": """
layer = make()
returned = [(y.shape, y.dtype.name) for y in called(layer, x, training=MODE)]
symbols = keras.tree.flatten(layer(*arguments(SYMBOLS), training=MODE))
announced = [(tuple(s.shape), s.dtype) for s in symbols]
assert len(announced) == len(returned), (announced, returned)
assert all(a[0] == r[0] for a, r in zip(announced, returned)), (announced, returned)
assert all(a[1] == r[1] for a, r in zip(announced, returned)), (announced, returned)
""",
    "shape.batch_axis": """
for n in (rows, 5):
    given = tree(lambda a: a[np.arange(n) % rows], x)
    found = [y.shape for y in called(make(), given, training=MODE)]
    assert all(shape[:1] == (n,) for shape in found), (n, found)
""",
    "shape.any_batch": """
layer = make()
usual = [y.shape[1:] for y in called(layer, x, training=MODE)]
for n in (5, 3, 1):
    found = called(layer, tree(lambda a: a[np.arange(n) % rows], x), training=MODE)
    assert [y.shape[1:] for y in found] == usual, (n, [y.shape for y in found], usual)
    assert all(len(y) == n for y in found if y.ndim), (n, [y.shape for y in found])
""",
    "shape.none_batch": UNKNOWN.format(
        symbols=SYMBOLS.format("None, *a.shape[1:]"),
        sizes="None, *a.shape[1:]",
        samples="(x, tree(lambda a: a[np.arange(5) % rows], x))",
    ),
    "shape.none_axes": UNKNOWN.format(
        symbols=SYMBOLS.format("unknown(a)"),
        sizes="*unknown(a)",
        samples="(x, longer(x, 1), longer(x, 3))",
    ),
    "batch.independent": "\nlayer = perturbed(make(), x)\n" + ROWS.lstrip("\n"),
    "forward.finite": """
layer = make()
for point in (x, tree(lambda a: a * 0, x), tree(lambda a: np.full_like(a, a.max()), x)):
    found = called(layer, point, training=MODE)
    """
    + FINITE.format("found", "found")
    + "\n",
    "input.unchanged": """
layer, kept = make(), str(x)
for training in (False, True):
    layer(*arguments(x), training=training)
    assert str(x) == kept, (x, kept)
""",
    "input.used": """
layer = perturbed(make(), x)
flat, before = keras.tree.flatten(x), called(layer, x, training=MODE)
for n, a in enumerate(flat):
    for seed in range(4):
        given = [other(b, seed) if m == n else b for m, b in enumerate(flat)]
        after = called(layer, keras.tree.pack_sequence_as(x, given), training=MODE)
        if any((p != q).any() for p, q in zip(before, after)):
            break
    else:
        raise AssertionError(f"input {n} of {len(flat)} moves nothing")
""",
    "loss.no_growth": """
layer, totals = make(), []
for _ in range(3):
    called(layer, x, training=True)
    totals.append([float(v) for v in layer.losses])
assert totals[0] == totals[2] or len(totals[0]) == len(totals[2]) and sum(totals[0]) * 2 > sum(
    totals[2]), totals
""",
    "loss.no_double": """
layer = perturbed(make(), x)
called(layer, x, training=True)
losses = [float(v) for v in layer.losses]
assert len({f"{v:.5g}" for v in losses}) == len(losses), losses
assert len(losses) < 3 or all(abs(sum(losses) - 2 * v) > 1e-5 * abs(v) for v in losses), losses
""",
    "infer.deterministic": """
layer = make()
called(layer, x)
first = called(layer, x, training=False)
for _ in range(4):
    same(first, called(layer, x, training=False), exact=True)
same(called(layer, x, training=False), called(layer, x), exact=True)
""",
    "infer.pure": """
layer = make()
called(layer, x)
before = [np.array(v) for v in layer.get_weights()]
called(layer, x, training=False)
same(before, layer.get_weights(), exact=True)
""",
    "mode.state_advances": """
layer = make()
called(layer, x)
before = [np.array(ops.convert_to_numpy(v)) for v in layer.non_trainable_variables]
for seed in range(3):
    called(layer, tree(lambda a: other(a, seed), x), training=True)
after = [np.array(ops.convert_to_numpy(v)) for v in layer.non_trainable_variables]
assert any((a != b).any() for a, b in zip(before, after)), "no variable moved in training"
""",
    "mode.eager_equals_graph": GRAPH.format(jit=False),
    "compile.jit": GRAPH.format(jit=True),
    "random.fresh": """
layer = make()
outputs = [called(layer, x, training=True) for _ in range(8)]
assert any((a != b).any() for out in outputs[1:] for a, b in zip(outputs[0], out)), outputs[0]
""",
    "random.per_row": """
layer = make()
equal = tree(lambda a: np.repeat(a[np.abs(a.reshape(rows, -1)).sum(1).argmax()][None], 4, 0), x)
for _ in range(12):
    if any((y != y[:1]).any() for y in called(layer, equal, training=True)):
        break
else:
    raise AssertionError("four equal rows came out equal twelve times")
""",
    "random.fresh_when_compiled": """
import tensorflow as tf
layer = make()
called(layer, x)
run = tf.function(lambda x: layer(*arguments(x), training=True))
outputs = [arrays(run(tree(ops.convert_to_tensor, x))) for _ in range(9)]
assert any((a != b).any() for out in outputs[1:] for a, b in zip(outputs[0], out)), outputs[0]
""",
    "random.no_global_rng": """
layer = make()
called(layer, x, training=True)
kept = [np.array(ops.convert_to_numpy(v)) for v in layer.variables]
def drawn():
    for v, value in zip(layer.variables, kept):
        v.assign(value)
    return called(layer, x, training=True) + called(layer, x, training=False)
for _ in range(4):
    same(drawn(), drawn(), exact=True)
import random; before = (random.getstate(), str(np.random.get_state())); drawn()
assert before == (random.getstate(), str(np.random.get_state())), "a global generator was used"
""",
    "grad.exists": GRADIENT.replace(
        "(x, tree(lambda a: a * 0, x), tree(lambda a: np.full_like(a, a.max()), x))", "(x,)"
    ).format("assert g is not None and np.any(np.asarray(tf.convert_to_tensor(g))), 'no gradient'"),
    "grad.finite": GRADIENT.format(
        "assert g is None or np.isfinite(np.asarray(tf.convert_to_tensor(g))).all(), g"
    ),
    "grad.numeric": """
import tensorflow as tf
keras.config.set_dtype_policy("float64")
layer = make()
x = tree(lambda a: (a + 0.01).astype("float64") if a.dtype.kind == "f" else a, x)
called(layer, x)
weigh = lambda y: sum(tf.reduce_sum(tf.cast(a, "float64") * np.cos(np.arange(np.prod(a.shape))).reshape(a.shape)) for a in keras.tree.flatten(y))
for n in range(8):
    step = tree(lambda a: np.sin(n + np.arange(a.size)).reshape(a.shape) if a.dtype.kind == "f" else a * 0, x)
    at = lambda e: weigh(layer(*arguments(tree(lambda a, s: a + e * s, x, step))))
    given = tree(tf.convert_to_tensor, x)
    with tf.GradientTape() as tape:
        tape.watch(given)
        y = weigh(layer(*arguments(given)))
    pairs = zip(tf.nest.flatten(tape.gradient(y, given, unconnected_gradients="zero")), keras.tree.flatten(step))
    slope = float(sum(tf.reduce_sum(tf.cast(g, "float64") * s) for g, s in pairs))
    moved = float(at(1e-6) - at(-1e-6)) / 2e-6
    assert abs(slope - moved) <= 1e-4 * max(abs(slope), abs(moved), 1e-6), (slope, moved)
""",
    "train.frozen": """
layer = make()
called(layer, x)
weights = list(layer.trainable_variables)
layer.trainable = False
assert not layer.trainable_variables, [v.path for v in layer.trainable_variables]
before = [np.array(ops.convert_to_numpy(v)) for v in weights]
for _ in range(2):
    called(layer, x, training=True)
same(before, [ops.convert_to_numpy(v) for v in weights], exact=True)
""",
    "dtype.policy": """
for policy in ("bfloat16", "float64", "mixed_bfloat16"):
    keras.config.set_dtype_policy(policy)
    layer = make()
    for given in (x, tree(lambda a: ops.cast(a, layer.compute_dtype) if a.dtype.kind == "f" else a, x)):
        for how in ({}, {"training": True}):
            found = [keras.backend.standardize_dtype(y.dtype) for y in
                     keras.tree.flatten(layer(*arguments(given), **how))]
            wrong = [f for f in found if f != layer.compute_dtype]
            assert not wrong, (policy, found)
""",
    "dtype.finite_in_half": """
wide = make()
called(wide, x)
keras.config.set_dtype_policy("mixed_float16")
half = make()
for point in (x, tree(lambda a: a * 0, x), tree(lambda a: np.full_like(a, a.max()), x)):
    for training in (False, True):
        if all(np.isfinite(y).all() for y in called(wide, point, training=training)):
            found = called(half, point, training=training)
            """
    + FINITE.format("found", "found")
    + "\n",
    "dtype.close_to_float32": """
wide = perturbed(make(), x)
for policy in ("bfloat16", "mixed_float16"):
    keras.config.set_dtype_policy(policy)
    half = make()
    called(half, x)
    half.set_weights(wide.get_weights())
    for a, b in zip(called(wide, x, training=MODE), called(half, x, training=MODE)):
        far = np.linalg.norm(a - b) / np.linalg.norm(a)
        assert far < 0.06, f"under {policy} it is off by {far:.0%}"
""",
    "dtype.integers": """
layer = perturbed(make(), x)
wide = tree(lambda a: a.astype("int32") if a.dtype.itemsize < 4 and a.dtype.kind in "iu" else a, x)
same(called(layer, wide, training=MODE), called(layer, x, training=MODE))
""",
    "mask.flow": MASKED
    + """
y = layer(*arguments(tree(lambda a: Masks()(ops.convert_to_tensor(a)), x)))
arrived = [getattr(a, "_keras_mask", None) for a in keras.tree.flatten(y)]
assert any(m is not None and np.array_equal(ops.convert_to_numpy(m), keep) for m in arrived), arrived
""",
    "mask.invariance": MASKED + FILLED.format("50 * other(a, 1)"),
    "mask.all_masked": MASKED
    + """
keep[0] = False
found = masked(layer, x)
"""
    + FINITE.format("found", "found")
    + "\n",
    "trait.causal": """
layer = perturbed(make(), x)
steps = keras.tree.flatten(x)[0].shape[1]
for now in range(steps - 1):
    later = tree(lambda a: np.concatenate([a[:, : now + 1], other(a, 1)[:, now + 1 :]], 1), x)
    one, two = called(layer, x, training=MODE), called(layer, later, training=MODE)
    same([y[:, : now + 1] for y in one], [y[:, : now + 1] for y in two])
""",
    "trait.equivariant": """
layer = perturbed(make(), x)
for seed in range(8):
    order = np.random.default_rng(seed).permutation(keras.tree.flatten(x)[0].shape[{axis}])
    mixed = tree(lambda a: np.take(a, order, {axis}), x)
    same([np.take(y, order, {axis}) for y in called(layer, x)], called(layer, mixed))
""",
    "trait.linear": """
layer = perturbed(make(), x)
a, b = other(x, 1), other(x, 2)
pairs = zip(called(layer, a), called(layer, b))
same([p + q for p, q in pairs], called(layer, a + b))
""",
    "portable.backends": """
layer = make()
called(layer, x)
layer.call(*arguments(SYMBOLS))
""",
}
