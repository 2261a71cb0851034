"""The other decoders against libraries that are not ours, and round trips."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lamina
from lamina.codec import from_faiss, from_nanopq, from_vector_quantize_pytorch
from tests.codec.support import compiled, slow
from tests.registry.codec import PRODUCT, RAGGED, linear


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def one_thread_faiss():
    """faiss, or a skip; its threads wait in a loop, which takes minutes on a busy machine."""
    faiss = pytest.importorskip("faiss")
    faiss.omp_set_num_threads(1)
    return faiss


@given(st.data())
def test_bits_packed_and_unpacked_are_the_same(data):
    bits, count = data.draw(st.integers(1, 24)), data.draw(st.integers(1, 11))
    order = data.draw(st.sampled_from(["little", "big"]))
    signed = data.draw(st.sampled_from([False, True, "offset"]))
    layer = lamina.BitUnpack(bits, count, order, signed)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    low = -(2 ** (bits - 1)) if signed else 0
    codes = rng.integers(low, low + 2**bits, (3, count))
    packed = layer.encode(codes)
    flags = np.unpackbits(packed, axis=-1, bitorder=order)[:, : bits * count]
    weights = 2 ** np.arange(bits)
    weights = weights if order == "little" else weights[::-1]
    raw = flags.reshape(3, count, bits) @ weights
    if signed is True:
        raw = np.where(raw >= 2 ** (bits - 1), raw - 2**bits, raw)
    raw = raw + (low if signed == "offset" else 0)
    assert np.array_equal(raw, codes)
    assert np.array_equal(numpy(layer(packed)), codes)


@pytest.mark.parametrize("law", ["mu", "a"])
def test_companding_equals_audioop_both_ways(law):
    import warnings

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
        import audioop
    layer = lamina.CompandingDecoder(law)
    every = np.arange(256, dtype="uint8")
    assert np.array_equal(compiled(layer, every), linear(every, law))
    samples = np.arange(-32768, 32768, dtype="int16")
    encode = {"mu": audioop.lin2ulaw, "a": audioop.lin2alaw}[law]
    assert layer.encode(samples).tobytes() == encode(samples.tobytes(), 2)


def at_once_and_in_blocks(layer, differences, split):
    """What a delta decoder gives for all at once, and block by block with its state."""
    at_once = numpy(layer(differences))
    state, pieces = layer.initial_state(len(differences)), []
    for block in np.split(differences, np.cumsum(split)[:-1], axis=1):
        y, state = layer.step(keras.ops.convert_to_tensor(block), state)
        pieces.append(numpy(y))
    return at_once, np.concatenate(pieces, 1)


@pytest.mark.parametrize(
    ("order", "modulus", "split"),
    [(1, None, [0, 5, 1]), (2, None, [7]), (2, 1000, [1023, 2]), (1, 256, [5]), (1, 2**31, [4, 3])],
)
def test_delta_undoes_differences(order, modulus, split, rng):
    x = rng.integers(0, modulus or 9999, (2, sum(split), 1))
    layer = lamina.DeltaDecoder(order, modulus)
    at_once, blocks = at_once_and_in_blocks(layer, layer.encode(x), split)
    assert np.array_equal(at_once, x)
    assert np.array_equal(blocks, x)


@pytest.mark.slow
@given(
    order=st.sampled_from([1, 2]),
    modulus=st.sampled_from([None, 256, 1000, 32768, 2**31]),
    split=st.lists(st.integers(0, 1500), min_size=1, max_size=3),
)
def test_delta_undoes_differences_for_any_split(order, modulus, split):
    rng = np.random.default_rng(len(split))
    x = rng.integers(0, modulus or 9999, (2, sum(split), 1))
    layer = lamina.DeltaDecoder(order, modulus)
    at_once, blocks = at_once_and_in_blocks(layer, layer.encode(x), split)
    assert np.array_equal(at_once, x)
    assert np.array_equal(blocks, x)


def varint(data, at):
    """`(value, next place)` of an unsigned LEB128 number."""
    value = shift = 0
    while True:
        value |= (data[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if data[at - 1] < 128:
            return value, at


def zigzag(data, at):
    value, at = varint(data, at)
    return (value >> 1) ^ -(value & 1), at


def test_the_bytes_that_arrow_packed_are_decoded(tmp_path, rng):
    """Parquet's DELTA_BINARY_PACKED: blocks of 128 differences in 4 groups, each of one width."""
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    x = rng.integers(-1000, 1000, 257).cumsum().astype("int32")
    field, path = pa.field("x", pa.int32(), nullable=False), tmp_path / "x.parquet"
    how = dict(use_dictionary=False, compression="none")
    encoding = {"x": "DELTA_BINARY_PACKED"}
    pq.write_table(pa.table({"x": x}, pa.schema([field])), path, column_encoding=encoding, **how)
    data = path.read_bytes()
    at = data.index(b"\x80\x01\x04\x81\x02") + 5  # 128, 4 and 257.
    first, at = zigzag(data, at)
    differences = [[first]]
    for _ in range(2):
        least, at = zigzag(data, at)
        widths, at = data[at : at + 4], at + 4
        for width in widths:
            packed = np.frombuffer(data[at : at + 4 * width], "uint8")[None]
            differences.append(numpy(lamina.BitUnpack(width, 32)(packed))[0] + least)
            at += 4 * width
    decoded = numpy(lamina.DeltaDecoder()(np.concatenate(differences)[None].astype("int32")))
    assert np.array_equal(decoded[0], pq.read_table(path)["x"].to_numpy())


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm"])
def test_a_real_image_of_pydicom_is_decoded_in_the_graph(name):
    pydicom = pytest.importorskip("pydicom")
    from pydicom.data import get_testdata_file

    image = pydicom.dcmread(get_testdata_file(name))
    signed = image.PixelRepresentation == 1
    layer = lamina.BitUnpack(16, image.Columns, signed=signed)
    rows = np.frombuffer(image.PixelData, "uint8").reshape(1, image.Rows, -1)
    assert np.array_equal(compiled(layer, rows)[0], image.pixel_array)


def test_a_real_palette_image_has_the_colours_of_pydicom():
    pydicom = pytest.importorskip("pydicom")
    from pydicom.data import get_testdata_file
    from pydicom.pixels import apply_color_lut

    image = pydicom.dcmread(get_testdata_file("examples_palette.dcm"))
    layer = lamina.PaletteDecoder.from_dicom(image, dtype="int32")
    want = apply_color_lut(image.pixel_array, image)
    assert np.array_equal(compiled(layer, image.pixel_array[None])[0], want)


@pytest.mark.parametrize(("first", "bits"), [(0, 8), (7, 8), (-3, 16), (100, 16)])
def test_a_dicom_palette_of_any_start_and_width(first, bits, rng):
    pydicom = pytest.importorskip("pydicom")
    from pydicom.pixels import apply_color_lut

    dataset = pydicom.Dataset()
    dataset.PixelRepresentation = int(first < 0)
    for colour in ("Red", "Green", "Blue"):
        entries = rng.integers(0, 1 << bits, 20).astype("<u2" if bits == 16 else "u1")
        name = f"{colour}PaletteColorLookupTable"
        setattr(dataset, f"{name}Descriptor", [20, first, bits])
        setattr(dataset, f"{name}Data", entries.tobytes())
    pixels = np.arange(first - 5, first + 30).astype("int16" if first < 0 else "int32")[None]
    pixels = pixels if first else np.maximum(pixels, 0)
    layer = lamina.PaletteDecoder.from_dicom(dataset, dtype="int32")
    assert np.array_equal(numpy(layer(pixels))[0], apply_color_lut(pixels, dataset)[0])


@pytest.mark.parametrize("bits", [4, 6, 8, *slow(3, 5, 7, 10)])
def test_product_codes_of_faiss(bits, rng):
    faiss = one_thread_faiss()
    quantizer = faiss.ProductQuantizer(12, 3, bits)
    quantizer.train(rng.standard_normal((1100, 12)).astype("float32"))
    codes = quantizer.compute_codes(rng.standard_normal((20, 12)).astype("float32"))
    assert np.array_equal(numpy(from_faiss(quantizer)(codes)), quantizer.decode(codes))


def test_rotated_product_codes_of_faiss_and_nanopq(rng):
    faiss = one_thread_faiss()
    nanopq = pytest.importorskip("nanopq")
    x = rng.standard_normal((700, 12)).astype("float32")
    index = faiss.IndexPreTransform(faiss.OPQMatrix(12, 3), faiss.IndexPQ(12, 3, 4))
    index.train(x)
    codes = index.sa_encode(x[:9])
    want = index.sa_decode(codes)
    np.testing.assert_allclose(numpy(from_faiss(index)(codes)), want, atol=1e-6)
    opq = nanopq.OPQ(M=3, Ks=16, verbose=False)
    opq.fit(x, pq_iter=2, rotation_iter=2)
    codes = opq.encode(x[:9])
    np.testing.assert_allclose(numpy(from_nanopq(opq)(codes)), opq.decode(codes), atol=1e-6)
    plain = nanopq.PQ(M=3, Ks=16, verbose=False).fit(x)
    codes = plain.encode(x[:9])
    assert np.array_equal(numpy(from_nanopq(plain)(codes)), plain.decode(codes))


def test_residual_codes_of_faiss(rng):
    faiss = one_thread_faiss()
    x = rng.standard_normal((700, 8)).astype("float32")
    quantizer = faiss.ResidualQuantizer(8, 3, 4)
    quantizer.train(x)
    codes = quantizer.compute_codes(x[:9])
    unpacked = lamina.BitUnpack(4, 3)(codes)
    want = quantizer.decode(codes)
    np.testing.assert_allclose(numpy(from_faiss(quantizer)(unpacked)), want, atol=1e-6)


def test_modules_of_vector_quantize_pytorch(rng):
    vqp = pytest.importorskip("vector_quantize_pytorch")
    import torch

    module = vqp.ResidualVQ(dim=6, num_quantizers=3, codebook_size=8).eval()
    codes = torch.tensor(rng.integers(-1, 8, (2, 5, 3)))
    with torch.no_grad():
        want = module.get_output_from_indices(codes).numpy()
    ours = numpy(from_vector_quantize_pytorch(module)(codes.numpy().astype("int32")))
    np.testing.assert_allclose(ours, want, atol=1e-6)
    fsq = vqp.FSQ([8, 5, 5]).eval()
    codes = torch.arange(200)
    want = fsq.indices_to_codes(codes[None])[0].numpy()
    assert np.array_equal(numpy(from_vector_quantize_pytorch(fsq)(codes.numpy())), want)


@pytest.mark.parametrize("policy", ["nan", "clip", "zero", "raise"])
def test_range_policies_of_stages(policy):
    codes = np.array([[0, 2, 1], [6, 5, 0], [0, -2, 0], [-1, -1, -1]], "int32")
    layer = lamina.ResidualDecoder(RAGGED, out_of_range=policy)
    tables = [t.astype("float32") for t in RAGGED]
    want = np.zeros((4, 4), "float32")
    for n, row in enumerate(codes):
        for table, code in zip(tables, row, strict=True):
            if code == -1:
                continue
            inside = 0 <= code < len(table)
            if not inside and policy == "zero":
                continue
            value = table[np.clip(code, 0, len(table) - 1)]
            want[n] += value if inside or policy == "clip" else np.nan
    assert np.array_equal(compiled(layer, codes), want, equal_nan=True)
    if policy == "raise":
        with pytest.raises(ValueError, match="must lie in"):
            layer(codes)


def test_fewer_stages_and_wide_codes():
    layer = lamina.ResidualDecoder(RAGGED)
    assert np.array_equal(
        numpy(layer(np.array([[2, 1]]))),
        (RAGGED[0][[2]].astype("float32") + RAGGED[1][[1]].astype("float32")),
    )
    with pytest.raises(ValueError, match="1 to 3 stages"):
        layer(np.zeros((1, 4), "int32"))
    with pytest.raises(ValueError, match="must lie in"):
        layer(np.array([[-5, 0, 0]], "int64"))


@given(st.integers(0, 199))
def test_encoders_undo_decoders(seed):
    rng = np.random.default_rng(seed)
    fsq = lamina.FSQDecoder([8, 5, 5])
    codes = rng.integers(0, 200, (2, 3))
    assert np.array_equal(fsq.encode(numpy(fsq(codes))), codes)
    product = lamina.ProductDecoder(PRODUCT, packed_bits=4)
    codes = rng.integers(0, 256, (2, 3, 2), "uint8")
    assert np.array_equal(product.encode(numpy(product(codes))), codes)
    palette = lamina.PaletteDecoder(np.arange(30).reshape(10, 3) ** 2, first=-4)
    codes = rng.integers(-4, 6, (2, 3))
    assert np.array_equal(palette.encode(numpy(palette(codes))), codes)


@pytest.mark.parametrize("bits", [0, 25, 2.5])
def test_bits_that_cannot_be_are_errors(bits):
    with pytest.raises(ValueError, match="`bits` must be"):
        lamina.BitUnpack(bits, 2)
    with pytest.raises(ValueError, match=r"must be \(..., 3\)"):
        lamina.BitUnpack(12, 2)(np.zeros((1, 4), "uint8"))


@pytest.mark.slow
def test_random_bytes_in_every_format_do_no_harm():
    rng = np.random.default_rng(0)
    packed = [lamina.PackedSampleDecoder(f, 1) for f in (8, 16, 24, 32, 61, 80, 160, 212, 310, 311)]
    for _ in range(100):
        data = rng.integers(0, 256, (100, 12), "uint8")
        for layer in packed:
            size = layer.bytes_per_frame
            frames = data.reshape(100, -1, size)
            y = numpy(layer(frames))
            assert y.shape == (100, frames.shape[1] * layer.samples_per_frame, 1)
