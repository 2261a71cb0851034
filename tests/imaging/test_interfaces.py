"""Every line of the interfaces beside a program that is not ours: sizes, batches, dtypes, masks."""

import warnings

import keras
import numpy as np
import pydicom
import pydicom.pixels
import pytest
import pywt
import scipy.ndimage
import sigpy
import skimage.transform
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

import lamina
from lamina._common import gradient
from tests.imaging.support import directional, dot_test, inner, norm, numpy64, tensors

pytestmark = pytest.mark.slow

SIZES = st.integers(1, 9)
BATCHES = st.integers(0, 2)
BOUND = {"float32": 2e-6, "float64": 1e-12}
few = settings(max_examples=12, deadline=None)
AXES = (-2, -1)


def drawn(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def complex_of(x):
    return x[..., 0] + 1j * x[..., 1]


def close(ours, theirs, dtype="float64", scale=1.0):
    ours, theirs = numpy64(ours), np.asarray(theirs, "float64")
    assert ours.shape == theirs.shape
    largest = np.abs(theirs).max(initial=1e-30)
    assert np.abs(ours - theirs).max(initial=0) <= BOUND[dtype] * scale * largest


def pairs(z):
    return np.stack([z.real, z.imag], -1)


@few
@given(BATCHES, SIZES, SIZES, st.booleans(), st.booleans(), st.sampled_from(sorted(BOUND)))
def test_fourier_of_any_size(batch, height, width, inverse, centred, dtype):
    x = drawn(0, batch, height, width, 2).astype(dtype)
    ours = lamina.Fourier2D(inverse, centred, dtype=dtype)(tensors(x, dtype))
    transform = np.fft.ifft2 if inverse else np.fft.fft2
    z = complex_of(x.astype("float64"))
    z = np.fft.ifftshift(z, AXES) if centred else z
    z = transform(z, norm="ortho")
    close(ours, pairs(np.fft.fftshift(z, AXES) if centred else z), dtype)


@few
@given(st.integers(0, 3), SIZES, SIZES, st.integers(1, 3), st.sampled_from(["none", "own", "each"]))
def test_coils_of_any_size_as_sigpy(batch, height, width, coils, kind):
    x, maps = drawn(1, batch, height, width, 2), drawn(2, batch, coils, height, width, 2)
    masks = (drawn(3, batch, height, width) > 0).astype("float64")
    own = masks[0] if batch else np.ones((height, width))
    layer = lamina.CoilSense(own if kind == "own" else None, dtype="float64")
    inputs = tensors([x, maps, masks] if kind == "each" else [x, maps], "float64")
    mask = {"none": np.ones_like(masks), "own": own, "each": masks}[kind]
    full = np.fft.fftn if batch == 0 else lambda z, axes: sigpy.fft(z, axes=axes)
    expected = np.broadcast_to(mask, masks.shape)[:, None] * full(
        complex_of(maps) * complex_of(x)[:, None], axes=AXES
    )
    close(layer(inputs), pairs(expected))
    if batch:
        assert dot_test(layer, x, [numpy64(i) for i in inputs[1:]], "float64", RNG) < 1e-13
    # What conjugate gradients run on: the operator and its adjoint at once.
    both = layer.adjoint([layer(inputs), *inputs[1:]])
    close(layer.apply_normal(inputs), numpy64(both))


RNG = np.random.default_rng(7)


@few
@given(st.integers(1, 9), st.integers(1, 14), st.integers(0, 2), st.integers(1, 2))
def test_backprojection_of_any_size_is_linear_interpolation(size, bins, batch, channels):
    """Without a filter, beside `np.interp`, as scikit-image does it."""
    angles = np.array([0.0, 0.4, np.pi / 2, 2.0, 3.0, -1.0, 7.0])
    y = drawn(4, batch, len(angles), bins, channels)
    layer = lamina.FilteredBackprojection(angles, size, filter=None, dtype="float64")
    place = np.arange(size) - (size - 1) / 2
    expected = np.zeros((batch, size, size, channels))
    beside = np.arange(-1, bins + 1) - (bins - 1) / 2
    for a, angle in enumerate(angles):
        distance = place * np.cos(angle) - place[:, None] * np.sin(angle)
        for b, channel in np.ndindex(batch, channels):
            values = np.pad(y[b, a, :, channel], 1)
            expected[b, ..., channel] += np.interp(distance, beside, values, left=0, right=0)
    close(layer(tensors(y, "float64")), expected * np.pi / (2 * len(angles)), scale=10)


@few
@given(
    st.integers(1, 9), st.integers(1, 14), st.floats(-7, 7), st.sampled_from(["middle", "pixel"])
)
def test_projections_have_their_adjoint_at_any_angle(size, bins, angle, centre):
    angles = [angle, angle + np.pi / 4, np.pi / 2 * round(angle)]
    layer = lamina.Radon(angles, bins, centre, dtype="float64")
    x = drawn(5, 2, size, size, 1)
    assert dot_test(layer, x, [], "float64", RNG) < 1e-13


@pytest.mark.parametrize("size", [16, 17])
@pytest.mark.parametrize("filter", ["ramp", "shepp-logan", "cosine", "hamming", "hann", None])
def test_filtered_backprojection_is_scikit_images(size, filter):
    views = 12
    degrees = np.linspace(0, 180, views, endpoint=False)
    y = drawn(6, 1, views, 2 * size, 1)
    layer = lamina.FilteredBackprojection(
        np.deg2rad(degrees), size, filter, centre="pixel", dtype="float64"
    )
    theirs = skimage.transform.iradon(
        y[0, ..., 0].T, degrees, output_size=size, filter_name=filter, circle=False
    )
    close(layer(tensors(y, "float64"))[0, ..., 0], theirs)


def test_the_gradient_of_backprojection_is_its_transpose(rng):
    layer = lamina.FilteredBackprojection([0.1, 1.0, 2.2], 6, centre="pixel", dtype="float64")
    y = tensors(rng.standard_normal((2, 3, 9, 1)), "float64")

    def energy(x):
        return ops.sum(ops.square(layer(x[0])))

    def slope(x):
        inside, _ = gradient(lambda z: (energy([z]), None), x[0])
        return ops.sum(ops.square(inside))

    for function in (energy, slope):
        ours, differences = directional(function, [y], 0, rng)
        assert abs(ours - differences) < 1e-6 * abs(differences)


@few
@given(
    BATCHES,
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from(
        ["haar", "db3", "db10", "sym5", "coif2", "bior1.3", "bior4.4", "rbio3.1", "dmey"]
    ),
    st.integers(1, 3),
)
def test_wavelets_of_any_size_as_pywavelets(batch, height, width, name, levels):
    """Filters longer than the image as well."""
    x = drawn(8, batch, height * 2**levels, width * 2**levels, 2)
    ours = lamina.Wavelet(name, levels, dtype="float64")(tensors(x, "float64"))
    back = lamina.Wavelet(name, levels, inverse=True, dtype="float64")(ours)
    assert back.shape == x.shape
    if not batch:
        return
    kind = dict(wavelet=name, mode="periodization", axes=(1, 2))
    with warnings.catch_warnings(action="ignore"):  # of filters longer than the image
        theirs = pywt.wavedec2(x, level=levels, **kind)
    for one, two in zip(keras.tree.flatten(ours), keras.tree.flatten(theirs), strict=True):
        assert np.abs(numpy64(one) - two).max() < 1e-11 * np.abs(x).max() * 4**levels
    # Some of PyWavelets' filters give back what they took to 1e-11, those of `dmey` to 1e-2.
    there = norm(pywt.waverec2(theirs, **kind) - x)
    assert norm(back - x) <= 1e-12 * norm(x) + 2 * there


@few
@given(
    BATCHES,
    st.integers(1, 6),
    st.integers(1, 6),
    st.sampled_from([0, 1]),
    st.sampled_from(["zeros", "nearest"]),
    st.sampled_from(sorted(BOUND)),
)
def test_sampling_at_any_place_as_scipy(batch, height, width, order, border, dtype):
    x = drawn(9, batch, height, width, 2)
    places = np.random.default_rng(10).uniform(-3, 9, (batch, 4, 5, 2))
    places[:, 0] = np.round(places[:, 0])  # on pixels, on the border and beyond
    layer = lamina.Resample(order, border, dtype=dtype)
    x, places = x.astype(dtype), places.astype(dtype)
    mode = {"zeros": "grid-constant", "nearest": "nearest"}[border]
    expected = np.zeros((batch, 4, 5, 2))
    for b, channel in np.ndindex(batch, 2):
        expected[b, ..., channel] = scipy.ndimage.map_coordinates(
            x[b, ..., channel].astype("float64"),
            np.moveaxis(places[b].astype("float64"), -1, 0),
            order=order,
            mode=mode,
        )
    close(layer(tensors([x, places], dtype)), expected, dtype, scale=4)


def test_the_gradient_to_the_coordinates_is_that_of_differences(rng):
    layer = lamina.Resample(dtype="float64")
    inputs = tensors(
        [rng.standard_normal((2, 5, 6, 2)), rng.uniform(0.1, 3.9, (2, 3, 4, 2))], "float64"
    )
    weights = ops.convert_to_tensor(rng.standard_normal((2, 3, 4, 2)), "float64")
    for index in (0, 1):
        ours, differences = directional(lambda x: ops.sum(layer(x) * weights), inputs, index, rng)
        assert abs(ours - differences) < 1e-6 * abs(differences)


@few
@given(
    st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    st.floats(-500, 3000),
    st.floats(1, 4000),
    st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0)]),
)
def test_windows_as_pydicom(function, centre, width, range_):
    image = np.random.default_rng(11).integers(0, 4096, (1, 5, 4, 1)).astype("int16")
    data = pydicom.Dataset()
    data.BitsStored, data.BitsAllocated, data.PixelRepresentation = 12, 16, 0
    data.PhotometricInterpretation = "MONOCHROME2"
    data.WindowCenter, data.WindowWidth = centre, width
    data.VOILUTFunction = function
    low, high = range_
    # The element is a string of decimals: what was stored, not what was meant.
    stored = float(data.WindowCenter), float(data.WindowWidth)
    with np.errstate(over="ignore"):  # of pydicom's exponential: the result is 0, as it should be
        expected = pydicom.pixels.apply_windowing(image, data) * (high - low) / 4095 + low
    ours = lamina.DicomWindow(function, low, high, dtype="float64")(
        [image, *(np.array([[value]]) for value in stored)]
    )
    assert np.abs(numpy64(ours) - expected).max() < 1e-6 * (high - low)


@few
@given(BATCHES, SIZES, SIZES)
def test_a_field_of_zeros_or_shifts_leads_where_it_says(batch, height, width):
    u = np.ones((batch, height, width, 2)) * [0.5, -1.25]
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    expected = np.stack([rows, columns], -1) + u
    for squarings in (0, 1, 5):  # the flow of a constant field is that field
        ours = lamina.DisplacementField(squarings, dtype="float64")(tensors(u, "float64"))
        close(ours, expected)


@few
@given(st.floats(0, 3), st.booleans())
def test_soft_thresholds_as_pywavelets(threshold, complex_pairs):
    x = drawn(12, 2, 3, 4, 2)
    ours = lamina.SoftThreshold(threshold, complex_pairs, dtype="float64")(tensors(x, "float64"))
    value = complex_of(x) if complex_pairs else x
    theirs = pywt.threshold(value, threshold, "soft")
    close(ours, pairs(theirs) if complex_pairs else theirs)


# What runs in half precision, and under the mixed policies: near what float32 gives.
IN_HALF = {
    "fourier": (lambda d: lamina.Fourier2D(dtype=d), [(2, 6, 5, 2)]),
    "coils": (lambda d: lamina.CoilSense(dtype=d), [(2, 6, 5, 2), (2, 3, 6, 5, 2)]),
    "consistency": (
        lambda d: lamina.DataConsistency(lamina.CoilSense(dtype=d), 4, weight=1.0, dtype=d),
        [(2, 6, 5, 2), (2, 3, 6, 5, 2), (2, 3, 6, 5, 2)],
    ),
    "radon": (lambda d: lamina.Radon([0.0, 0.7], 9, dtype=d), [(2, 6, 6, 1)]),
    "backprojection": (
        lambda d: lamina.FilteredBackprojection([0.0, 0.7], 6, dtype=d),
        [(2, 2, 9, 1)],
    ),
    "wavelet": (lambda d: lamina.Wavelet("db2", dtype=d), [(2, 4, 6, 1)]),
    "nufft": (lambda d: lamina.NUFFT([[0.1, -0.3], [0.2, 0.4]], dtype=d), [(2, 6, 5, 2)]),
    "resample": (lambda d: lamina.Resample(dtype=d), [(2, 6, 5, 1), (2, 3, 4, 2)]),
    "field": (lambda d: lamina.DisplacementField(2, dtype=d), [(2, 6, 5, 2)]),
    "variation": (lambda d: lamina.TotalVariation(iterations=3, dtype=d), [(2, 6, 5, 1)]),
    "threshold": (lambda d: lamina.SoftThreshold(0.5, dtype=d), [(2, 6, 5, 1)]),
}


@pytest.mark.parametrize("policy", ["float16", "bfloat16", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("name", IN_HALF)
def test_half_precision_is_near_single_precision(name, policy):
    make, shapes = IN_HALF[name]
    x = [drawn(i, *shape).astype("float32") for i, shape in enumerate(shapes)]
    x = x[0] if len(x) == 1 else x
    half = make(policy)
    found = keras.tree.flatten(half(x))
    assert {keras.backend.standardize_dtype(y.dtype) for y in found} == {half.compute_dtype}
    bound = 3e-2 if half.compute_dtype == "float16" else 0.15
    for ours, exact in zip(found, keras.tree.flatten(make("float32")(x)), strict=True):
        assert np.abs(numpy64(ours) - numpy64(exact)).max() < bound * np.abs(numpy64(exact)).max()


@pytest.mark.parametrize("policy", ["float16", "mixed_bfloat16"])
def test_places_are_not_rounded_to_half_precision(policy):
    """At 300 a bfloat16 is two pixels off."""
    ramp = (np.arange(400) % 2.0)[None, None, :, None].astype("float32")
    places = np.array([[[[0.0, 301.0], [0.0, 302.0], [0.0, 302.75]]]], "float32")
    layer = lamina.Resample(dtype=policy)
    values = numpy64(layer([ramp, places]))[0, 0, :, 0]
    np.testing.assert_allclose(values, [1.0, 0.0, 0.75], atol=1e-2)
    back = numpy64(layer.adjoint([np.ones((1, 1, 3, 1), "float32"), places]))[0, 0, :, 0]
    np.testing.assert_allclose(back[301:304], [1.0, 1.25, 0.75], atol=1e-2)
    dot = np.zeros((1, 301, 301, 1), "float32")
    dot[0, 10, 290] = 1.0
    for y, exact in (
        (lamina.Radon([0.3], 430, dtype=d)(dot) for d in (policy, "float32")),
        (
            lamina.FilteredBackprojection([0.3], 301, None, dtype=d)(_one_bin())
            for d in (policy, "float32")
        ),
    ):
        assert np.abs(numpy64(y) - numpy64(exact)).max() < 0.02


def _one_bin():
    y = np.zeros((1, 1, 430, 1), "float32")
    y[0, 0, 280] = 1.0
    return y


class Doubled(lamina.CoilSense):
    """A stranger's operator, made of one of ours."""

    def call(self, inputs):
        return 2 * super().call(inputs)

    def apply_adjoint(self, inputs):
        return 2 * super().apply_adjoint(inputs)


def test_a_subclass_does_not_inherit_a_shortcut_that_is_wrong_for_it(rng):
    shapes = ((1, 4, 5, 2), (1, 2, 4, 5, 2), (1, 2, 4, 5, 2))
    z, y, coils = tensors([rng.standard_normal(shape) for shape in shapes], "float64")
    operator = Doubled(dtype="float64")
    x = lamina.DataConsistency(operator, 60, weight=0.5, dtype="float64")([z, y, coils])
    residual = operator.adjoint([operator([x, coils]) - y, coils]) + 0.5 * (x - z)
    assert norm(residual) < 1e-10 * norm(x)
    assert inner(x, x) > 0
