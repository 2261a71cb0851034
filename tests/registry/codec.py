"""Rows of the codec family."""

import numpy as np
from wfdb.io._signal import INVALID_SAMPLE_VALUE, _blocks_to_samples

import lamina
from tests.registry._row import Row

CODEBOOK = np.random.default_rng(5).standard_normal((17, 4))


def wfdb_samples(data, format, channels):
    """Frames by the Python package of WFDB; what marks a missing sample as NaN."""
    flat = data.reshape(-1)
    per_group = {"212": (3, 2), "310": (4, 3), "311": (4, 3), "24": (3, 1)}[format]
    samples = _blocks_to_samples(flat, flat.size // per_group[0] * per_group[1], format)
    samples = samples.astype("float32")
    samples[samples == samples.dtype.type(INVALID_SAMPLE_VALUE[format])] = np.nan
    return samples.reshape(len(data), -1, channels)


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
    Row(
        "PackedSampleDecoder",
        make=lambda: lamina.PackedSampleDecoder(212, channels=2),
        inputs=lambda rng: rng.integers(0, 256, (3, 11, 3), "uint8"),
        traits=dict(
            causal=True, streaming=True, mask="propagate", variable_axes=(1,), int_range=(0, 256)
        ),
        oracle=lambda layer, data: wfdb_samples(data, "212", 2),
        tolerance=0,
    ),
    Row(
        "PackedSampleDecoder[three in four bytes]",
        make=lambda: lamina.PackedSampleDecoder(310, channels=2, invalid="mask"),
        inputs=lambda rng: rng.integers(0, 256, (3, 5, 8), "uint8"),
        traits=dict(causal=True, mask="resample", variable_axes=(1,), int_range=(0, 256)),
        oracle=lambda layer, data: np.nan_to_num(wfdb_samples(data, "310", 2)),
        tolerance=0,
    ),
]
