"""Bugs that only TensorFlow code can have."""

import numpy as np
import tensorflow as tf
from keras import layers

from tests.contracts.bugs._table import Plain, bug, rnd


@bug("portable.backends", x=rnd(2, 4))
class TfOp(Plain):
    def call(self, x):
        return tf.nn.relu(x)


@bug("compile.jit", x=rnd(4, 3))
class PyFunc(Plain):
    def call(self, x):
        y = tf.py_function(lambda a: a * 2, [x], x.dtype)
        y.set_shape(x.shape)
        return y


@bug("compile.jit", "shape.batch_axis", x=rnd(4, 6))
class BooleanMask(layers.Layer):
    def call(self, x):
        return tf.boolean_mask(x, x[:, 0] > 0.0)


@bug("random.no_global_rng", x=rnd(4, 8))
class TfRandom(Plain):
    def call(self, x, training=False):
        return x + tf.random.normal(tf.shape(x), dtype=x.dtype) if training else x


@bug("weights.tracked", x=rnd(2, 4))
class TfVarDict(Plain):
    def build(self, s):
        self.p = {"w": tf.Variable(np.ones(4, "float32"))}

    def call(self, x):
        return x * tf.cast(self.p["w"], x.dtype)


@bug("mode.eager_equals_graph", "state.no_python_mutation", "compile.jit", x=rnd(2, 4))
class NumpyCall(Plain):
    def call(self, x):
        return x * float(x.numpy().std())


@bug("random.fresh", x=rnd(4, 8))
class TfStateless(Plain):
    def call(self, x, training=False):
        return (
            x + tf.random.stateless_normal(tf.shape(x), seed=[1, 2], dtype=x.dtype)
            if training
            else x
        )
