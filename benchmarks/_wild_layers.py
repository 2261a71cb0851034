"""Public layers of keras-hub and keras-rs, with arguments, and what a person made of each verdict.

`LAYERS` maps (library, layer) to (arguments, inputs, traits); `READ` a (library, layer, contract)
to (`"true"`, `"false"` or `"arguable"`, why). A break that is not in `READ` has not been read.
"""

from typing import Any

import numpy as np

# The versions that the verdicts were read at.
PINNED = {"keras_hub": "0.32.0", "keras_rs": "0.4.0"}
RNG = np.random.default_rng(0)


def f(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype("float32")


def ids(*shape: int, high: int = 5) -> np.ndarray:
    return RNG.integers(0, high, shape).astype("int32")


HUB, RS = "keras_hub", "keras_rs"
ID = {"int_range": (0, 5)}
SEQ, SHORT = f(3, 6, 8), f(3, 6, 4)

LAYERS: dict[tuple[str, str], tuple[dict[str, Any], Any, dict[str, Any]]] = {
    (HUB, "AlibiBias"): ({}, f(2, 2, 5, 5), {}),
    (HUB, "CachedMultiHeadAttention"): ({"num_heads": 2, "key_dim": 4}, [SEQ, SEQ], {}),
    (HUB, "FNetEncoder"): ({"intermediate_dim": 8}, SEQ, {}),
    (HUB, "MaskedLMHead"): (
        {"vocabulary_size": 7},
        {"inputs": SEQ, "mask_positions": ids(3, 2)},
        ID,
    ),
    (HUB, "PositionEmbedding"): (
        {"sequence_length": 9},
        SHORT,
        {"variable_axes": (1,), "max_length": 9, "unused_inputs": (0,)},
    ),
    (HUB, "ReversibleEmbedding"): ({"input_dim": 5, "output_dim": 4}, ids(3, 6), ID),
    (HUB, "RMSNormalization"): ({"input_dim": 8}, SEQ, {}),
    (HUB, "RotaryEmbedding"): ({}, f(2, 6, 2, 8), {"variable_axes": (1,)}),
    (HUB, "SinePositionEncoding"): (
        {},
        SEQ,
        {"variable_axes": (1,), "unused_inputs": (0,)},
    ),
    (HUB, "TokenAndPositionEmbedding"): (
        {"vocabulary_size": 5, "sequence_length": 9, "embedding_dim": 4},
        ids(3, 6),
        {**ID, "variable_axes": (1,), "max_length": 9},
    ),
    (HUB, "TransformerDecoder"): (
        {"intermediate_dim": 8, "num_heads": 2},
        SEQ,
        {"variable_axes": (1,), "causal": True},
    ),
    (HUB, "TransformerEncoder"): (
        {"intermediate_dim": 8, "num_heads": 2},
        SEQ,
        {"variable_axes": (1,), "mask": "propagate"},
    ),
    (HUB, "BoxMatcher"): (
        {"thresholds": [0.3, 0.5], "match_values": [-1, -2, 1]},
        np.abs(f(2, 4, 3)),
        {"differentiable": False},
    ),
    (HUB, "NonMaxSuppression"): (
        {"bounding_box_format": "xyxy", "from_logits": False},
        [np.abs(f(2, 6, 4)), np.abs(f(2, 6, 3))],
        {"differentiable": False, "jit": False},
    ),
    (RS, "DotInteraction"): ({}, [f(3, 4), f(3, 4), f(3, 4)], {}),
    (RS, "FeatureCross"): ({"projection_dim": 2}, SHORT[:, 0], {}),
    (RS, "EmbedReduce"): ({"input_dim": 5, "output_dim": 4}, ids(3, 6), ID),
    (RS, "BruteForceRetrieval"): (
        {"candidate_embeddings": f(7, 4), "k": 3},
        f(3, 4),
        {},
    ),
    (RS, "HardNegativeMining"): (
        {"num_hard_negatives": 2},
        [f(3, 6), np.eye(6, dtype="float32")[:3]],
        {"unordered_axes": (1,)},
    ),
    (RS, "RemoveAccidentalHits"): (
        {},
        [f(3, 4), np.eye(4, dtype="float32")[:3], ids(4)],
        {},
    ),
    (RS, "SamplingProbabilityCorrection"): ({}, [f(3, 4), np.abs(f(4)) + 0.1], {}),
}

READ: dict[tuple[str, str, str], tuple[str, str]] = {
    (HUB, "RMSNormalization", "config.roundtrip"): (
        "true",
        "its constructor takes no name, so from_config fails",
    ),
    (HUB, "BoxMatcher", "config.constructor_pure"): (
        "true",
        "inserts infinities into the caller's own list of thresholds",
    ),
    (HUB, "BoxMatcher", "config.base"): ("true", "the name is lost"),
    (RS, "FeatureCross", "build.complete"): (
        "true",
        "build makes no weight of its Dense layers: load_weights loses all of them",
    ),
    (RS, "BruteForceRetrieval", "config.roundtrip"): ("true", "a saved model does not load"),
    (RS, "RemoveAccidentalHits", "input.used"): (
        "true",
        "adds the smallest float, 1e-40, to the hits: nothing",
    ),
    (RS, "RemoveAccidentalHits", "dtype.policy"): ("true", "returns float32 under bfloat16"),
    (HUB, "NonMaxSuppression", "shape.none_batch"): ("true", "an unknown batch fails"),
}
