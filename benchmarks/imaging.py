"""How fast the layers of images are, beside the field's own programs.

    python -m benchmarks.imaging [fourier] [sense] [radon] [wavelet] [resample] [nufft]

On TensorFlow and JAX; a layer runs compiled, as in a model's `predict`.
"""

from collections.abc import Callable
from typing import Any

import finufft
import keras
import numpy as np
import pywt
import sigpy
import sigpy.mri
import sigpy.mri.app
import skimage.transform
from keras import ops

import lamina
from benchmarks._bench import Bench, parser_of, run
from benchmarks._pairs import timer
from lamina._common import Array
from lamina.imaging._complex import fourier_weighted, join, native, pair, split

RNG = np.random.default_rng(0)
Call = Callable[[], object]


def compiled(function: Callable, *inputs: np.ndarray) -> Call:
    """`function` of these tensors as one graph, ready to be called without arguments."""
    tensors = [ops.convert_to_tensor(x) for x in inputs]
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        graph = tf.function(function, autograph=False)
        return lambda: graph(*tensors)
    if backend == "jax":
        import jax

        jitted = jax.jit(function)
        return lambda: jax.block_until_ready(jitted(*tensors))
    return lambda: function(*tensors)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype("float32")


def fourier(bench: Bench) -> None:
    """The fast transform beside the matrices that are exported, and beside NumPy's."""
    size = 32 if bench.quick else 320
    x = normal(8, size, size, 2)
    z = (x[..., 0] + 1j * x[..., 1]).astype("complex64")
    layer = lamina.Fourier2D()
    ours = compiled(lambda x: layer(x), x)
    axes = (-2, -1)
    bench.compare(
        f"Fourier2D, 8 images of {size}^2",
        timer(ours, 3),
        "numpy.fft",
        timer(lambda: np.fft.fftshift(np.fft.fft2(np.fft.ifftshift(z, axes), norm="ortho"), axes)),
    )
    matrix = ops.convert_to_tensor(np.fft.fft(np.eye(size), norm="ortho").astype("complex64"))
    by_matrix = compiled(lambda z: ops.matmul(ops.matmul(matrix, z), matrix), z)
    bench.compare("the same", timer(ours, 3), "two matrix products", timer(by_matrix, 3))


def sense(bench: Bench) -> None:
    """CG-SENSE: eight coils, one line in four, 30 iterations."""
    size = 32 if bench.quick else 256
    coils = np.asarray(sigpy.mri.birdcage_maps((8, size, size)), "complex64")
    image = np.asarray(sigpy.shepp_logan((size, size)), "complex64")
    mask = np.ones((size, 1)) * lamina.Undersample(acceleration=4, centre=20 * size // 256).mask(
        size
    )
    measured = (mask * sigpy.fft(coils * image, axes=(-2, -1))).astype("complex64")
    iterations = 30

    operator = lamina.CoilSense(mask)
    layer = lamina.DataConsistency(operator, iterations, weight=0.01)
    pair = [np.stack([np.real(z), np.imag(z)], -1)[None] for z in (0 * image, measured, coils)]
    layer.build([x.shape for x in pair])
    options: Any = {"lamda": 0.01, "weights": mask.astype("float32"), "max_iter": iterations}

    def peer() -> object:
        return sigpy.mri.app.SenseRecon(measured, coils, show_pbar=False, **options).run()

    least = {"tensorflow": 1.0, "jax": 1 / 1.5}.get(keras.backend.backend())
    bench.compare(
        f"DataConsistency, {size}^2, 8 coils, {iterations} iterations",
        timer(compiled(lambda *x: layer(list(x)), *pair)),
        "sigpy SenseRecon",
        timer(peer),
        least,
    )


def radon(bench: Bench) -> None:
    """Shepp-Logan: the sinogram of 180 views, and the image back from it."""
    size, views = (32, 20) if bench.quick else (256, 180)
    degrees = np.linspace(0, 180, views, endpoint=False)
    image = np.abs(sigpy.shepp_logan((size, size))).astype("float32")
    bins = int(np.ceil(np.sqrt(2) * size))
    project = lamina.Radon(np.deg2rad(degrees), bins, centre="pixel")
    for batch in (1, 8):
        x = np.repeat(image[None, ..., None], batch, 0)
        bench.compare(
            f"Radon, {batch} x {size}^2, {views} views",
            timer(compiled(lambda x: project(x), x)),
            "skimage.transform.radon",
            timer(
                lambda n=batch: [
                    skimage.transform.radon(image, degrees, circle=False) for _ in range(n)
                ]
            ),
            2.0 if batch == 1 else None,
        )
    y = np.asarray(ops.convert_to_numpy(project(image[None, ..., None])))
    back = lamina.FilteredBackprojection(np.deg2rad(degrees), size, centre="pixel")
    sinogram = y[0, ..., 0].T
    bench.compare(
        f"FilteredBackprojection, {size}^2, {views} views",
        timer(compiled(lambda y: back(y), y)),
        "skimage.transform.iradon",
        timer(lambda: skimage.transform.iradon(sinogram, degrees, output_size=size, circle=False)),
        1.0,
    )


def wavelet(bench: Bench) -> None:
    """Three levels there, and back."""
    size = 64 if bench.quick else 512
    x = normal(8, size, size, 1)
    there = lamina.Wavelet("db4", 3)
    back = lamina.Wavelet("db4", 3, inverse=True)
    parts = pywt.wavedec2(x, "db4", "periodization", 3, axes=(1, 2))
    name = f"8 images of {size}^2, db4, 3 levels"
    bench.compare(
        f"Wavelet, {name}",
        timer(compiled(lambda x: there(x), x)),
        "pywt.wavedec2",
        timer(lambda: pywt.wavedec2(x, "db4", "periodization", 3, axes=(1, 2))),
    )
    flat = keras.tree.flatten(parts)
    bench.compare(
        f"Wavelet(inverse=True), {name}",
        timer(compiled(lambda *c: back(keras.tree.pack_sequence_as(parts, list(c))), *flat)),
        "pywt.waverec2",
        timer(lambda: pywt.waverec2(parts, "db4", "periodization", axes=(1, 2))),
    )


def resample(bench: Bench) -> None:
    """Eight images with fields of their own, beside Keras' operation image by image."""
    size = 32 if bench.quick else 256
    x = normal(8, size, size, 1)
    places = RNG.uniform(0, size - 1, (8, size, size, 2)).astype("float32")
    layer = lamina.Resample()

    def loop(x: Array, places: Array) -> Array:
        found = [
            ops.image.map_coordinates(x[i, ..., 0], ops.moveaxis(places[i], -1, 0), order=1)
            for i in range(8)
        ]
        return ops.stack(found)

    bench.compare(
        f"Resample, 8 images of {size}^2",
        timer(compiled(lambda x, p: layer([x, p]), x, places)),
        "ops.image.map_coordinates in a loop",
        timer(compiled(loop, x, places)),
        1.0,
    )


def nufft(bench: Bench) -> None:
    """201 radial spokes, there, back and both, beside finufft and the Toeplitz embedding."""
    size, spokes = (32, 20) if bench.quick else (256, 201)
    angle = np.arange(spokes)[:, None] * np.pi / spokes
    radius = (np.arange(size) - size // 2) / size
    points = np.stack([np.sin(angle) * radius, np.cos(angle) * radius], -1).reshape(-1, 2)
    layer = lamina.NUFFT(np.clip(points, -0.5, np.nextafter(0.5, 0)), width=6)
    x = normal(1, size, size, 2)
    y = np.asarray(ops.convert_to_numpy(layer(x)))
    rows, columns = np.ascontiguousarray(2 * np.pi * points.T).astype("float32")
    image, values = (np.ascontiguousarray(z).view("complex64")[0, ..., 0] for z in (x, y))
    name = f"{size}^2, {len(points)} points, J = 6"
    bench.compare(
        f"NUFFT, {name}",
        timer(compiled(lambda x: layer(x), x)),
        "finufft, eps 1e-5",
        timer(lambda: finufft.nufft2d2(rows, columns, image, eps=1e-5, isign=-1)),
        1 / 3,
    )
    bench.compare(
        f"NUFFT's adjoint, {name}",
        timer(compiled(lambda y: layer.adjoint(y), y)),
        "finufft, eps 1e-5",
        timer(lambda: finufft.nufft2d1(rows, columns, values, (size, size), eps=1e-5, isign=1)),
        1 / 3,
    )
    # Its cost alone: two transforms of twice the size and a product, whatever the weights are.
    weights = normal(2 * size, 2 * size)

    def embedded(x: Array, weights: Array) -> Array:
        half = size // 2
        x = ops.pad(x, ((0, 0), (half, half), (half, half), (0, 0)))
        z = fourier_weighted(native(split(x)), weights)
        return join(pair(z, "float32"))[:, half:-half, half:-half]

    bench.compare(
        f"NUFFT, A^H A, {name}",
        timer(compiled(lambda x: layer.adjoint(layer(x)), x)),
        "Toeplitz embedding",
        timer(compiled(embedded, x, weights)),
    )


SECTIONS = {
    "fourier": fourier,
    "sense": sense,
    "radon": radon,
    "wavelet": wavelet,
    "resample": resample,
    "nufft": nufft,
}

if __name__ == "__main__":
    run("imaging", SECTIONS, parser_of(__doc__ or "", SECTIONS, pairs=5).parse_args())
