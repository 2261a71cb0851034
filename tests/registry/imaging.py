"""Rows of the imaging family."""

import numpy as np
import pydicom
import pydicom.pixels
import pywt
import scipy.ndimage
import skimage.restoration
import skimage.transform

import lamina
from tests.registry._row import Row

ANGLES = np.linspace(0, np.pi, 6, endpoint=False)
MASK = (np.arange(6) % 2 == 0) * np.ones((8, 1))


def complex_of(x):
    return x[..., 0] + 1j * x[..., 1].astype("complex128")


def pairs(z):
    return np.stack([z.real, z.imag], -1)


def centred_fft(z):
    axes = (-2, -1)
    return np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(z, axes), norm="ortho"), axes)


def fourier_matrix(height, width):
    """The centred transform as a dense matrix, column by column."""
    units = np.eye(height * width).reshape(-1, height, width)
    return centred_fft(units).reshape(height * width, -1).T


def sense_matrix(coils, mask):
    """M F S of one sample: coils (c, h, w), mask (h, w)."""
    rows = [mask.reshape(-1, 1) * fourier_matrix(*mask.shape) * c.reshape(1, -1) for c in coils]
    return np.concatenate(rows)


def sense(layer, inputs):
    image, coils = (complex_of(x) for x in inputs[:2])
    masks = inputs[2] if len(inputs) > 2 else [MASK] * len(image)
    found = [
        (sense_matrix(c, m) @ x.ravel()).reshape(c.shape)
        for x, c, m in zip(image, coils, masks, strict=True)
    ]
    return pairs(np.stack(found))


def sense_adjoint(layer, inputs):
    measured, coils = (complex_of(x) for x in inputs)
    found = [
        (sense_matrix(c, MASK).conj().T @ y.ravel()).reshape(y.shape[1:])
        for y, c in zip(measured, coils, strict=True)
    ]
    return pairs(np.stack(found))


def consistent(layer, inputs):
    """The dense solve."""
    z, y, coils = (complex_of(x) for x in inputs)
    found = []
    for estimate, measured, maps in zip(z, y, coils, strict=True):
        a = sense_matrix(maps, MASK[:4])
        normal = a.conj().T @ a + layer.weight_start * np.eye(a.shape[1])
        b = a.conj().T @ measured.ravel() + layer.weight_start * estimate.ravel()
        found.append(np.linalg.solve(normal, b).reshape(estimate.shape))
    return pairs(np.stack(found))


def direct_sum(layer, x):
    rows, columns = (np.arange(n) - n // 2 for n in x.shape[1:3])
    by_row = np.exp(-2j * np.pi * layer.trajectory[:, :1] * rows)
    by_column = np.exp(-2j * np.pi * layer.trajectory[:, 1:] * columns)
    y = np.einsum("mi,mj,bij->bm", by_row, by_column, complex_of(x))
    return pairs(y) / np.sqrt(len(rows) * len(columns))


def joseph(layer, x):
    """Ray by ray, by linear interpolation in each row or column that it crosses."""
    size, bins = x.shape[1], layer.bins
    y = np.zeros((len(x), len(layer.angles), bins, x.shape[-1]))
    centre = (size - 1) / 2
    steps = np.arange(size) - centre
    for a, angle in enumerate(layer.angles):
        c, s = np.cos(angle), -np.sin(angle)
        for k in range(bins):
            distance = k - (bins - 1) / 2
            for j, step in enumerate(steps):
                if abs(c) >= abs(s):  # a row: where does the ray cross it?
                    line, place = x[:, j], (distance - step * s) / c + centre
                else:
                    line, place = x[:, :, j], (distance - step * c) / s + centre
                low = int(np.floor(place))
                for i in (low, low + 1):
                    if 0 <= i < size:
                        y[:, a, k] += line[:, i] * (1 - abs(place - i)) / max(abs(c), abs(s))
    return y


def iradon(layer, y):
    """scikit-image's, away from the detector's ends, where it jumps to 0."""
    degrees = np.rad2deg(layer.angles)
    found = [
        skimage.transform.iradon(
            sinogram[..., 0].T, degrees, output_size=layer.size, filter_name="ramp", circle=False
        )
        for sinogram in y.astype("float64")
    ]
    return np.stack(found)[..., None]


def wavelet(layer, x):
    return pywt.wavedec2(x, layer.wavelet, "periodization", layer.levels, axes=(1, 2))


def inverse_wavelet(layer, coefficients):
    found = pywt.waverec2(coefficients, layer.wavelet, "periodization", axes=(1, 2))
    return found


def sampled(layer, inputs):
    image, coordinates = (x.astype("float64") for x in inputs)
    mode = {"zeros": "grid-constant", "nearest": "nearest"}[layer.border]
    found = np.zeros((*coordinates.shape[:-1], image.shape[-1]))
    for b, channel in np.ndindex(len(image), image.shape[-1]):
        places = np.moveaxis(coordinates[b], -1, 0)
        found[b, ..., channel] = scipy.ndimage.map_coordinates(
            image[b, ..., channel], places, order=layer.order, mode=mode
        )
    return found


def integrated(layer, v):
    """The flow of the velocity field over one unit of time, in eight Euler steps."""
    rows, columns = np.meshgrid(np.arange(v.shape[1]), np.arange(v.shape[2]), indexing="ij")
    start = np.stack([rows, columns], -1).astype("float64")
    found = []
    for field in v.astype("float64"):
        place = start.copy()
        for _ in range(8):
            where = np.moveaxis(place, -1, 0)
            moved = [
                scipy.ndimage.map_coordinates(field[..., i], where, order=1, mode="nearest")
                for i in (0, 1)
            ]
            place = place + np.stack(moved, -1) / 8
        found.append(place)
    return np.stack(found)


def window(layer, inputs):
    found = []
    for image, centre, width in zip(*inputs, strict=True):
        data = pydicom.Dataset()
        data.BitsStored, data.BitsAllocated, data.PixelRepresentation = 12, 16, 0
        data.PhotometricInterpretation = "MONOCHROME2"
        data.WindowCenter, data.WindowWidth = float(centre[0]), float(width[0])
        data.VOILUTFunction = layer.function
        found.append(pydicom.pixels.apply_windowing(image, data))
    return np.stack(found) * (layer.high - layer.low) / 4095 + layer.low


def rescaled(layer, inputs):
    found = []
    for image, slope, intercept in zip(*inputs, strict=True):
        data = pydicom.Dataset()
        data.RescaleSlope, data.RescaleIntercept = float(slope[0]), float(intercept[0])
        found.append(pydicom.pixels.apply_modality_lut(image, data))
    return np.stack(found)


def denoised(layer, x):
    found = np.zeros(x.shape)
    for b, channel in np.ndindex(len(x), x.shape[-1]):
        found[b, ..., channel] = skimage.restoration.denoise_tv_chambolle(
            x[b, ..., channel].astype("float64"),
            weight=layer.weight,
            eps=0,
            max_num_iter=layer.iterations,
        )
    return found


def k_space(rng):
    return rng.standard_normal((3, 8, 6, 2), "float32")


def with_coils(rng):
    return [k_space(rng), rng.standard_normal((3, 2, 8, 6, 2), "float32")]


def built(layer, *shapes):
    layer.build(list(shapes) if len(shapes) > 1 else shapes[0])
    return layer


def stored_image(rng):
    return [
        rng.integers(0, 4096, (3, 4, 5, 1)).astype("int16"),
        rng.uniform(500, 2000, (3, 1)).astype("float32"),
        rng.uniform(300, 3000, (3, 1)).astype("float32"),
    ]


def smooth_field(rng):
    return scipy.ndimage.gaussian_filter(
        rng.standard_normal((3, 9, 9, 2)) * 3, (0, 2, 2, 0)
    ).astype("float32")


MEASURES = dict(linear=True, adjoint="adjoint")
TOGETHER = dict(linear="all", adjoint="adjoint")

ROWS = [
    Row(
        "Fourier2D",
        make=lambda: lamina.Fourier2D(),
        inputs=k_space,
        oracle=lambda layer, x: pairs(centred_fft(complex_of(x))),
        tolerance=2e-6,
        traits=MEASURES,
    ),
    Row(
        "Fourier2D[inverse]",
        make=lambda: lamina.Fourier2D(inverse=True, centred=False),
        inputs=k_space,
        oracle=lambda layer, x: pairs(np.fft.ifft2(complex_of(x), norm="ortho")),
        tolerance=2e-6,
        traits=MEASURES,
    ),
    Row(
        "Undersample",
        make=lambda: lamina.Undersample("random", acceleration=2, centre=1, seed=3),
        inputs=k_space,
        # The mask itself is held by tests/imaging.
        oracle=lambda layer, x: x * layer.mask(x.shape[-2])[:, None],
        traits=MEASURES,
    ),
    Row(
        "CoilSense",
        make=lambda: lamina.CoilSense(MASK),
        inputs=with_coils,
        oracle=sense,
        traits=MEASURES,
    ),
    Row(
        "CoilSense[mask of each sample]",
        make=lambda: lamina.CoilSense(),
        inputs=lambda rng: [*with_coils(rng), (rng.random((3, 8, 6)) < 0.5).astype("float32")],
        oracle=sense,
        traits=MEASURES,
    ),
    Row(
        "Adjoint",
        make=lambda: built(lamina.CoilSense(MASK), (None, 8, 6, 2), (None, 2, 8, 6, 2)).adjoint,
        inputs=lambda rng: [
            rng.standard_normal((3, 2, 8, 6, 2), "float32"),
            rng.standard_normal((3, 2, 8, 6, 2), "float32"),
        ],
        oracle=sense_adjoint,
        traits=MEASURES,
    ),
    Row(
        "DataConsistency",
        make=lambda: lamina.DataConsistency(lamina.CoilSense(MASK[:4]), 12, weight=1.0),
        inputs=lambda rng: [
            rng.standard_normal((3, 4, 6, 2), "float32"),
            rng.standard_normal((3, 2, 4, 6, 2), "float32"),
            rng.uniform(-0.7, 0.7, (3, 2, 4, 6, 2)).astype("float32"),
        ],
        oracle=consistent,
        exports=frozenset({"savedmodel"}),
        tolerance=5e-6,
    ),
    Row(
        "NUFFT",
        make=lambda: lamina.NUFFT(np.random.default_rng(5).uniform(-0.5, 0.5, (9, 2))),
        inputs=k_space,
        oracle=direct_sum,
        exports=frozenset({"savedmodel"}),
        tolerance=2e-5,
        traits=MEASURES,
    ),
    Row(
        "Radon",
        make=lambda: lamina.Radon(ANGLES, bins=9),
        inputs=lambda rng: rng.standard_normal((3, 6, 6, 1), "float32"),
        oracle=joseph,
        exports=frozenset({"savedmodel"}),
        tolerance=2e-6,
        traits=MEASURES,
    ),
    Row(
        "FilteredBackprojection",
        make=lambda: lamina.FilteredBackprojection(ANGLES, size=8, centre="pixel"),
        inputs=lambda rng: rng.standard_normal((3, 6, 15, 1), "float32"),
        oracle=iradon,
        exports=frozenset({"savedmodel"}),
        tolerance=2e-6,
    ),
    Row(
        "Wavelet",
        make=lambda: lamina.Wavelet("db2", levels=2),
        inputs=lambda rng: rng.standard_normal((3, 16, 16, 2), "float32"),
        oracle=wavelet,
        tolerance=2e-6,
        traits=MEASURES,
    ),
    Row(
        "Wavelet[inverse]",
        make=lambda: lamina.Wavelet("bior2.2", levels=1, inverse=True),
        inputs=lambda rng: [
            rng.standard_normal((3, 4, 6, 1), "float32"),
            tuple(rng.standard_normal((3, 4, 6, 1), "float32") for _ in range(3)),
        ],
        oracle=inverse_wavelet,
        tolerance=2e-6,
        traits=TOGETHER,
    ),
    Row(
        "Resample",
        make=lambda: lamina.Resample(),
        inputs=lambda rng: [
            rng.standard_normal((3, 7, 6, 2), "float32"),
            rng.uniform(-2, 8, (3, 4, 5, 2)).astype("float32"),
        ],
        oracle=sampled,
        tolerance=2e-6,
        traits=MEASURES,
        exports=frozenset({"savedmodel", "onnx"}),
    ),
    Row(
        "DisplacementField",
        make=lambda: lamina.DisplacementField(squarings=3),
        inputs=smooth_field,
        oracle=integrated,
        # Both are Euler steps of 1/8; the layer's are composed, the oracle's are not.
        tolerance=5e-3,
    ),
    Row(
        "Rescale",
        make=lambda: lamina.Rescale(),
        inputs=stored_image,
        oracle=rescaled,
    ),
    Row(
        "DicomWindow",
        make=lambda: lamina.DicomWindow("LINEAR", 0, 1),
        inputs=stored_image,
        oracle=window,
        traits=dict(domain="a width of at least 1, as the standard asks"),
    ),
    Row(
        "SoftThreshold",
        make=lambda: lamina.SoftThreshold(0.5),
        inputs=lambda rng: rng.standard_normal((3, 5, 4, 2), "float32"),
        oracle=lambda layer, x: pywt.threshold(x, layer.threshold, "soft"),
    ),
    Row(
        "TotalVariation",
        make=lambda: lamina.TotalVariation(0.3, iterations=8),
        inputs=lambda rng: rng.standard_normal((3, 7, 6, 2), "float32"),
        oracle=denoised,
        tolerance=2e-6,
    ),
]
