"""Rows of the codec family."""

import numpy as np

import lamina
from tests.registry._row import Row

CODEBOOK = np.random.default_rng(5).standard_normal((17, 4))

ROWS: list[Row] = [
    Row(
        "CodebookDecoder",
        make=lambda: lamina.CodebookDecoder(CODEBOOK),
        inputs=lambda rng: rng.integers(0, 17, (3, 11), "int32"),
        traits=dict(
            causal=True, streaming=True, mask="propagate", variable_axes=(1,), int_range=(0, 17)
        ),
        oracle=lambda layer, codes: CODEBOOK.astype("float32")[codes],
        tolerance=0,
    ),
    Row(
        "CodebookDecoder[padded]",
        make=lambda: lamina.CodebookDecoder(CODEBOOK, out_of_range="nan", pad_value=-1),
        inputs=lambda rng: rng.integers(-1, 17, (3, 11), "int32"),
        traits=dict(
            causal=True, streaming=True, mask="create", variable_axes=(1,), int_range=(-1, 17)
        ),
        oracle=lambda layer, codes: np.where(
            codes[..., None] < 0, 0, CODEBOOK.astype("float32")[codes]
        ),
        tolerance=0,
    ),
]
