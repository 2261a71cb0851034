"""What cannot be tapped is refused with the path, the reason, the nearest names and the repair."""

import keras
import numpy as np
import pytest
from keras import ops

from lamina import Tap, Tapped, capture
from tests.taps.models import Block, Net, net, same


def errors(model, x, taps):
    with pytest.raises(ValueError) as caught:
        with capture(model, taps):
            model(x)
    return str(caught.value)


def test_a_path_that_leads_nowhere_names_the_nearest(rng):
    model, x = net(rng)
    for wrong, right in {
        "blocks.1.frist": "blocks.1.first",
        "heads.c": "heads.a",
        "insid": "inside",
        "norms": "norm",
        "blocks.7": "blocks.0",
    }.items():
        message = errors(model, x, wrong)
        assert f"no layer `{wrong}`" in message and f"`{right}`" in message, message
        assert "tap_names" in message


def test_nearest_names_also_before_the_model_is_built():
    with pytest.raises(ValueError, match="no layer `norms`"), capture(Net(), "norms"):
        pass


def test_an_ambiguous_name_lists_the_paths():
    class Twins(keras.Model):
        def __init__(self):
            super().__init__()
            self.left = keras.layers.Dense(2, name="twin")
            self.right = keras.layers.Dense(2, name="twin")

        def call(self, x):
            return self.left(x) + self.right(x)

    message = errors(Twins(), np.ones((2, 3)), "twin")
    assert "the name of 2 layers" in message and "`left`, `right`" in message


def test_a_missing_call_says_how_many_there_were(rng):
    model, x = net(rng)
    message = errors(model, x, Tap("blocks.0.shared", call=5))
    assert "`blocks.0.shared`" in message and "was called 2 times" in message
    assert "was called once" in errors(model, x, Tap("norm", call=1))


def test_a_tap_that_never_fired(rng):
    model, x = net(rng)
    message = errors(model, x, "spare")
    assert "`spare` (ReLU) never fired" in message and "tap_names" in message


def test_raw_operations_and_inputs_say_what_to_do(rng):
    inputs = keras.Input((3,), name="start")
    model = keras.Model(inputs, keras.layers.ReLU()(ops.sin(inputs)))
    raw = next(op.name for op in model.operations if not isinstance(op, keras.layers.Layer))
    x = rng.standard_normal((2, 3)).astype("float32")
    assert "keras.layers.Identity" in errors(model, x, raw)
    assert 'at="input"' in errors(model, x, "start")


def test_a_call_of_its_own_is_refused():
    class Own(keras.layers.Dense):
        def __call__(self, x):
            return super().__call__(x) + 1

    model = keras.Sequential([Own(2, name="own")])
    assert "a `__call__` of its own" in errors(model, np.ones((1, 2)), "own")


class InLoop(keras.layers.Layer):
    """Calls a layer inside control flow of Keras or of the backend."""

    def __init__(self, kind, **kwargs):
        super().__init__(**kwargs)
        self.kind = kind
        self.dense = keras.layers.Dense(3, name="inner")

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, x):
        if self.kind == "scan":
            return ops.scan(lambda carry, _: (self.dense(carry), carry), x, length=2)[0]
        if self.kind == "while_loop":
            return ops.while_loop(lambda v: ops.sum(v) < -1e9, lambda v: (self.dense(v),), (x,))[0]
        if self.kind == "cond":
            return ops.cond(ops.any(x > -9), lambda: self.dense(x), lambda: x)
        if self.kind == "vectorized_map":
            return ops.vectorized_map(lambda row: self.dense(row[None])[0], x)
        return keras.remat(self.dense)(x)


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("kind", ["scan", "cond", "vectorized_map", "remat"])
def test_control_flow_is_refused_by_name_in_eager_and_compiled_code(kind, compiled):
    x = np.ones((2, 3), "float32")
    layer = InLoop(kind)
    model = keras.Sequential([keras.Input((3,)), layer])
    tapped = Tapped(model, "inner")
    with pytest.raises(ValueError) as caught:
        tapped.predict(x, verbose=0) if compiled else tapped(x)
    assert "`inner`" in str(caught.value) and kind in str(caught.value)


def of_the_backend():
    """Control flow that a layer may take from the backend itself: {name: function(dense, x)}."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return {
            "tf.cond": lambda f, x: tf.cond(tf.reduce_any(x > -9), lambda: f(x), lambda: x),
            "tf.map_fn": lambda f, x: tf.map_fn(lambda row: f(row[None])[0], x),
            "tf.while_loop": lambda f, x: tf.while_loop(
                lambda i, v: i < 2, lambda i, v: (i + 1, f(v)), (0, x)
            )[1],
            "tf.vectorized_map": lambda f, x: tf.vectorized_map(lambda row: f(row[None])[0], x),
            "remat": lambda f, x: tf.recompute_grad(f)(x),
            "compiled": lambda f, x: tf.function(f)(x),
        }
    if keras.backend.backend() == "jax":
        import jax

        return {
            "jax.lax.cond": lambda f, x: jax.lax.cond((x > -9).any(), f, lambda x: x, x),
            "jax.lax.scan": lambda f, x: jax.lax.scan(lambda v, _: (f(v), v), x, length=2)[0],
            "compiled": lambda f, x: jax.vmap(lambda row: f(row[None])[0])(x),
            "remat": lambda f, x: jax.checkpoint(f)(x),
        }
    import torch.utils.checkpoint

    return {
        "torch.vmap": lambda f, x: torch.vmap(lambda row: f(row[None])[0])(x),
        "remat": lambda f, x: torch.utils.checkpoint.checkpoint(f, x, use_reentrant=False),
    }


def test_control_flow_of_the_backend_is_refused_by_name():
    for name, run in of_the_backend().items():

        class Own(InLoop):
            def call(self, x, run=run):
                return run(self.dense, x)

        layer = Own(name)
        layer.build((None, 3))
        with pytest.raises(ValueError, match=rf"`dense`[\s\S]*inside [\s\S]*{name}"):
            with capture(layer, "dense"):
                layer.call(ops.ones((2, 3)))


def test_control_flow_around_the_whole_scope_is_no_obstacle():
    dense = keras.layers.Dense(3)
    model = keras.Sequential([keras.Input((3,)), dense])
    x = ops.ones((2, 3))

    def run(row):
        with capture(model, dense.name) as seen:
            model(row[None])
        return seen[dense.name][0]

    same(ops.vectorized_map(run, x), dense(x))


def test_a_block_under_remat_is_refused():
    with keras.RematScope(mode="full"):
        block = Block(3, name="block")
    model = keras.Sequential([keras.Input((3,)), block])
    tapped = Tapped(model, "block.first")
    with pytest.raises(ValueError, match=r"`block\.first`[\s\S]*remat"):
        tapped(np.ones((2, 3), "float32"))


def test_time_distributed_and_recurrent_cells_name_the_way_out():
    series = np.ones((2, 4, 3), "float32")
    dense = keras.layers.Dense(2, name="inner")
    model = keras.Sequential([keras.layers.TimeDistributed(dense, name="td")])
    model(series)
    assert "inside td (TimeDistributed)" in errors(model, series, "td.layer")
    model = keras.Sequential([keras.layers.LSTM(2, name="lstm")])
    model(series)
    assert "lamina.TapCell" in errors(model, series, "lstm.cell")
