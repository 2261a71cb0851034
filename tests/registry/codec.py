"""Rows of the codec family."""

import warnings

import numpy as np
from wfdb.io._signal import INVALID_SAMPLE_VALUE, _blocks_to_samples

import lamina
from tests.registry._row import Row

CODEBOOK = np.random.default_rng(5).standard_normal((17, 4))
RAGGED = [np.random.default_rng(n).standard_normal((n, 4)) for n in (7, 5, 6)]
PROJECTIONS = [
    (np.random.default_rng(n).standard_normal((4, 6)), np.random.default_rng(n).random(6))
    for n in range(3)
]
PRODUCT = np.random.default_rng(6).standard_normal((4, 16, 3)).astype("float32")


def wfdb_samples(data, format, channels):
    """Frames by the Python package of WFDB; what marks a missing sample as NaN."""
    flat = data.reshape(-1)
    per_group = {"212": (3, 2), "310": (4, 3), "311": (4, 3), "24": (3, 1)}[format]
    samples = _blocks_to_samples(flat, flat.size // per_group[0] * per_group[1], format)
    samples = samples.astype("float32")
    samples[samples == samples.dtype.type(INVALID_SAMPLE_VALUE[format])] = np.nan
    return samples.reshape(len(data), -1, channels)


def residual_sum(codes, tables):
    """Row by row and stage by stage, in the order of the stages; -1 adds nothing."""
    total = np.zeros((*codes.shape[:-1], tables[0].shape[1]), tables[0].dtype)
    for place in np.ndindex(*codes.shape[:-1]):
        for table, code in zip(tables, codes[place], strict=True):
            total[place] += table[code] if code >= 0 else 0
    return total


def faiss_decode(codes, nbits):
    """Packed codes by faiss."""
    import faiss

    quantizer = faiss.ProductQuantizer(PRODUCT.shape[0] * PRODUCT.shape[2], PRODUCT.shape[0], nbits)
    centroids = np.zeros((PRODUCT.shape[0], 2**nbits, PRODUCT.shape[2]), "float32")
    centroids[:, : PRODUCT.shape[1]] = PRODUCT
    faiss.copy_array_to_vector(centroids.ravel(), quantizer.centroids)
    flat = np.ascontiguousarray(codes.reshape(-1, codes.shape[-1]))
    return quantizer.decode(flat).reshape(*codes.shape[:-1], -1)


def numpy_bits(data, bits, count):
    """Two's complement, least significant bit first, by NumPy's own unpacking."""
    flags = np.unpackbits(data, axis=-1, bitorder="little")[..., : bits * count]
    weights = 2 ** np.arange(bits)
    weights[-1] *= -1
    return flags.reshape(*data.shape[:-1], count, bits) @ weights


def linear(data, law):
    """16-bit samples by audioop: in Python up to 3.12, after that the package audioop-lts."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
        import audioop

    decode = {"mu": audioop.ulaw2lin, "a": audioop.alaw2lin}[law]
    return np.frombuffer(decode(data.tobytes(), 2), "int16").reshape(data.shape)


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
    Row(
        "ResidualDecoder",
        make=lambda: lamina.ResidualDecoder(RAGGED),
        inputs=lambda rng: rng.integers(-1, 5, (3, 7, 3), "int32"),
        traits=dict(
            causal=True, streaming=True, mask="propagate", variable_axes=(1,), int_range=(-1, 5)
        ),
        oracle=lambda layer, codes: residual_sum(codes, [c.astype("float32") for c in RAGGED]),
        tolerance=0,
    ),
    Row(
        "ResidualDecoder[projected]",
        make=lambda: lamina.ResidualDecoder(RAGGED, projections=PROJECTIONS, codebook_axis=1),
        inputs=lambda rng: rng.integers(-1, 5, (3, 3, 7), "int32"),
        # A mask is of (batch, time), which here are not the first two axes: no trait says so.
        traits=dict(variable_axes=(2,), int_range=(-1, 5)),
        oracle=lambda layer, codes: residual_sum(
            np.moveaxis(codes, 1, -1),
            [c @ w + b for c, (w, b) in zip(RAGGED, PROJECTIONS, strict=True)],
        ),
    ),
    Row(
        "FSQDecoder",
        make=lambda: lamina.FSQDecoder([8, 5, 5]),
        inputs=lambda rng: rng.integers(0, 200, (3, 11), "int32"),
        traits=dict(
            causal=True, streaming=True, mask="propagate", variable_axes=(1,), int_range=(0, 200)
        ),
        oracle=lambda layer, codes: np.stack(
            [
                (digit - levels // 2).astype("float32") / np.float32(levels // 2)
                for digit, levels in zip(
                    np.unravel_index(codes, (8, 5, 5), order="F"), (8, 5, 5), strict=True
                )
            ],
            axis=-1,
        ),
        tolerance=0,
    ),
    Row(
        "ProductDecoder",
        make=lambda: lamina.ProductDecoder(PRODUCT),
        inputs=lambda rng: rng.integers(0, 16, (3, 11, 4), "uint8"),
        traits=dict(
            causal=True, streaming=True, mask="propagate", variable_axes=(1,), int_range=(0, 16)
        ),
        oracle=lambda layer, codes: faiss_decode(codes, nbits=8),
        tolerance=0,
    ),
    Row(
        "ProductDecoder[packed]",
        make=lambda: lamina.ProductDecoder(PRODUCT, packed_bits=4),
        inputs=lambda rng: rng.integers(0, 256, (3, 11, 2), "uint8"),
        traits=dict(
            causal=True, streaming=True, mask="propagate", variable_axes=(1,), int_range=(0, 256)
        ),
        oracle=lambda layer, codes: faiss_decode(codes, nbits=4),
        tolerance=0,
    ),
    Row(
        "BitUnpack",
        make=lambda: lamina.BitUnpack(12, 5, signed=True),
        inputs=lambda rng: rng.integers(0, 256, (3, 11, 8), "uint8"),
        traits=dict(
            causal=True, streaming=True, mask="propagate", variable_axes=(1,), int_range=(0, 256)
        ),
        oracle=lambda layer, data: numpy_bits(data, 12, 5),
        tolerance=0,
    ),
    Row(
        "CompandingDecoder",
        make=lambda: lamina.CompandingDecoder("mu"),
        inputs=lambda rng: rng.integers(0, 256, (3, 50), "uint8"),
        traits=dict(
            causal=True, streaming=True, mask="propagate", variable_axes=(1,), int_range=(0, 256)
        ),
        oracle=lambda layer, data: linear(data, "mu"),
        tolerance=0,
    ),
    Row(
        "DeltaDecoder",
        make=lambda: lamina.DeltaDecoder(order=2),
        inputs=lambda rng: rng.integers(-9, 9, (3, 11, 2), "int32"),
        traits=dict(
            causal=True, streaming=True, mask="propagate", variable_axes=(1,), int_range=(-9, 9)
        ),
        oracle=lambda layer, x: np.cumsum(np.cumsum(x, axis=1), axis=1),
        tolerance=0,
    ),
    Row(
        "PaletteDecoder",
        make=lambda: lamina.PaletteDecoder(np.arange(21).reshape(7, 3), first=2),
        inputs=lambda rng: rng.integers(-3, 20, (3, 5, 4), "int32"),
        traits=dict(mask="propagate", variable_axes=(1, 2), int_range=(-3, 20)),
        oracle=lambda layer, x: np.arange(21).reshape(7, 3)[np.clip(x - 2, 0, 6)],
        exports=frozenset({"savedmodel", "onnx"}),
        tolerance=0,
    ),
    Row(
        "CodebookDense",
        make=lambda: lamina.CodebookDense(6, lamina.ProductDecoder(PRODUCT), activation="tanh"),
        inputs=lambda rng: rng.integers(0, 16, (3, 11, 4), "uint8"),
        traits=dict(
            causal=True, streaming=True, mask="propagate", variable_axes=(1,), int_range=(0, 16)
        ),
        oracle=lambda layer, codes: np.tanh(
            faiss_decode(codes, nbits=8) @ layer.get_weights()[0] + layer.get_weights()[1]
        ),
    ),
]
