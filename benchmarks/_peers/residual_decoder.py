"""Our `ResidualDecoder` on one thread of TensorFlow. Arguments: vectors, stages, entries, width."""

import sys

import numpy as np
import tensorflow as tf

import lamina
from benchmarks._remote import serve


def main() -> None:
    vectors, stages, entries, width = map(int, sys.argv[1:])
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    rng = np.random.default_rng(0)
    layer = lamina.ResidualDecoder(rng.standard_normal((stages, entries, width)).astype("float32"))
    codes = tf.constant(rng.integers(0, entries, (vectors, stages)).astype("int32"))
    graph = tf.function(layer, autograph=False)
    serve({"decode": lambda: graph(codes)}, [])


if __name__ == "__main__":
    main()
