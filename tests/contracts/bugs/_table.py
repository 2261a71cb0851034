"""The table of the bugs, and what they share."""

import numpy as np
from keras import layers

BUGS = {}


def rnd(*shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def bug(*contracts, x, traits=None, **kwargs):
    def register(cls):
        BUGS[cls.__name__] = (cls, kwargs, x, traits or {}, contracts)
        return cls

    return register


class Plain(layers.Layer):
    """A layer that keeps its shape."""

    def compute_output_shape(self, s):
        return s
