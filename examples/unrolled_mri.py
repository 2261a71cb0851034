"""Real: the brain (MNI152, an average of 152). Not real: coils, phase, noise and so all of k-space.

    python -m examples.unrolled_mri [--epochs 8] [--out out/unrolled_mri]

Slices of a T1-weighted volume are measured by eight synthesised receive coils, one line of k-space
in four, with other lines for every slice. The simulation multiplies by a smooth phase, adds noise,
and has other coil maps than the reconstruction is given: otherwise the network's own operator would
have made its data. Slices of the lower half of the brain's axis train, those of the upper half
judge. Five unrolled steps of a small network and `DataConsistency` stand beside the zero-filled
image, CG-SENSE and a U-Net that is not held to the measurement. Nothing here says anything about
diagnosis.
"""

import argparse
import pathlib
import time

import keras
import matplotlib
import nibabel
import nilearn
import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import lamina

SIZE, COILS, STEPS = 112, 8, 5
NOISE = 0.01  # of the brightest pixel, in each part of k-space


def volume():
    """The MNI152 T1 volume that nilearn carries, every second pixel of a slice, from 0 to 1."""
    folder = pathlib.Path(nilearn.__file__).parent / "datasets" / "data"
    (path,) = folder.glob("mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz")
    data = np.asarray(nibabel.load(path).dataobj, "float32")
    return data[::2, ::2] / data.max()


def slices():
    """(training, judging): axial slices, cropped or padded to a square."""
    data = volume()
    used = [z for z in range(data.shape[2]) if (data[..., z] > 0.1).mean() > 0.15]
    square = np.stack([_square(data[..., z].T[::-1]) for z in used])
    half = len(square) // 2
    # Neighbours on the two sides of the border look alike: leave a gap.
    return square[: half - 4 : 2], square[half + 4 :: 4]


def _square(image):
    """The middle of an image, or the image in the middle of zeros."""
    result = np.zeros((SIZE, SIZE), "float32")
    take = [min(n, SIZE) for n in image.shape]
    there = tuple(slice((SIZE - n) // 2, (SIZE - n) // 2 + n) for n in take)
    here = tuple(
        slice((m - n) // 2, (m - n) // 2 + n) for m, n in zip(image.shape, take, strict=True)
    )
    result[there] = image[here]
    return result


def coil_maps(rng, spread=0.0):
    """Eight coils in a circle, each a smooth bump with a phase; `spread` moves and turns them."""
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    maps = []
    for coil in range(COILS):
        angle = 2 * np.pi * (coil + spread * rng.standard_normal()) / COILS
        radius = 1.3 * (1 + spread * rng.standard_normal())
        far = (x - radius * np.cos(angle)) ** 2 + (y - radius * np.sin(angle)) ** 2
        phase = angle + (1 + spread * rng.standard_normal()) * (
            x * np.sin(angle) - y * np.cos(angle)
        )
        maps.append(np.exp(-far / 1.5) * np.exp(1j * phase))
    maps = np.stack(maps)
    return maps / np.sqrt((np.abs(maps) ** 2).sum(0))


def pairs(z):
    return np.stack([z.real, z.imag], -1).astype("float32")


def measured(images, seed):
    """(k-space, coil maps of the reconstruction, masks) and the images as complex pairs."""
    rng = np.random.default_rng(seed)
    sampling = lamina.Undersample("equispaced", acceleration=4, centre=0.08)
    nominal = coil_maps(rng)
    y, x = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    truth, k, masks = [], [], []
    for i, image in enumerate(images):
        a, b, c, d = rng.normal(0, 0.7, 4)
        z = image * np.exp(1j * (a + b * x + c * y + d * x * y))
        at_coils = coil_maps(rng, spread=0.02) * z
        full = np.fft.fftshift(
            np.fft.fft2(np.fft.ifftshift(at_coils, (-2, -1)), norm="ortho"), (-2, -1)
        )
        noise = rng.standard_normal((2, *full.shape)) * NOISE
        mask = np.ones((SIZE, 1)) * sampling.mask(SIZE, seed=1000 * seed + i)
        truth.append(z)
        k.append(mask * (full + noise[0] + 1j * noise[1]))
        masks.append(mask)
    maps = np.broadcast_to(pairs(nominal), (len(images), COILS, SIZE, SIZE, 2)).copy()
    return [pairs(np.stack(k)), maps, np.stack(masks).astype("float32")], pairs(np.stack(truth))


def inputs():
    k, coils = (keras.Input((COILS, SIZE, SIZE, 2), name=name) for name in ("k", "coils"))
    return k, coils, keras.Input((SIZE, SIZE), name="mask")


def operator(k, coils, mask):
    """A layer that measures, built for these inputs."""
    layer = lamina.CoilSense(name="sense")
    layer.build([(None, SIZE, SIZE, 2), coils.shape, mask.shape])
    return layer


def zero_filled():
    k, coils, mask = given = inputs()
    return keras.Model(given, operator(*given).adjoint([k, coils, mask]), name="zero_filled")


def cg_sense(weight):
    k, coils, mask = given = inputs()
    sense = operator(*given)
    start = 0 * sense.adjoint([k, coils, mask])
    solve = lamina.DataConsistency(sense, iterations=15, weight=weight, trainable_weight=False)
    return keras.Model(given, solve([start, k, coils, mask]), name="cg_sense")


def best_cg_sense(data, truth):
    """With the weight that does best on the training slices."""

    def error(model):
        return np.mean((model.predict(data, batch_size=4, verbose=0) - truth) ** 2)

    return min((cg_sense(weight) for weight in (0.01, 0.03, 0.1, 0.3)), key=error)


def small_network(index):
    conv = keras.layers.Conv2D
    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 2)),
            conv(24, 3, padding="same", activation="relu"),
            conv(24, 3, padding="same", activation="relu"),
            conv(2, 3, padding="same", kernel_initializer="zeros"),
        ],
        name=f"denoiser_{index}",
    )


def unrolled():
    """z = x + network(x), x = argmin |A x - y|^2 + weight |x - z|^2, five times."""
    k, coils, mask = given = inputs()
    sense = operator(*given)
    x = sense.adjoint([k, coils, mask])
    for i in range(STEPS):
        z = x + small_network(i)(x)
        solve = lamina.DataConsistency(sense, iterations=4, weight=0.05, name=f"consistency_{i}")
        x = solve([z, k, coils, mask])
    return keras.Model(given, x, name="unrolled")


def u_net():
    """The same size of network on the zero-filled image alone."""
    k, coils, mask = given = inputs()
    x = start = operator(*given).adjoint([k, coils, mask])

    def block(x, width):
        for _ in range(2):
            x = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(x)
        return x

    skips = []
    for width in (16, 32):
        x = block(x, width)
        skips.append(x)
        x = keras.layers.AveragePooling2D(2)(x)
    x = block(x, 32)
    for width in (32, 16):
        x = keras.layers.UpSampling2D()(x)
        x = block(keras.layers.Concatenate()([x, skips.pop()]), width)
    x = keras.layers.Conv2D(2, 3, padding="same", kernel_initializer="zeros")(x)
    return keras.Model(given, start + x, name="u_net")


def train(model, data, truth, epochs):
    model.compile(keras.optimizers.Adam(1e-3), "mse", jit_compile="auto")
    model.fit(data, truth, epochs=epochs, batch_size=2, verbose=0)
    return model


def magnitude(x):
    return np.sqrt((np.asarray(x) ** 2).sum(-1))


def judged(name, model, data, truth):
    """A row of the table, and the magnitudes."""
    model.predict(data, batch_size=4, verbose=0)  # compiles
    start = time.perf_counter()
    found = magnitude(model.predict(data, batch_size=4, verbose=0))
    seconds = (time.perf_counter() - start) / len(found)
    right = magnitude(truth)
    psnr = [peak_signal_noise_ratio(a, b, data_range=1) for a, b in zip(right, found, strict=True)]
    ssim = [structural_similarity(a, b, data_range=1) for a, b in zip(right, found, strict=True)]
    row = dict(psnr=np.mean(psnr), ssim=np.mean(ssim), seconds=seconds)
    row = {key: float(value) for key, value in row.items()} | {"weights": model.count_params()}
    print(
        f"| {name} | {row['psnr']:.2f} dB | {row['ssim']:.3f} | {1e3 * seconds:.0f} ms | "
        f"{row['weights']:,} |",
        flush=True,
    )
    return row, found


def draw(images, path):
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, len(images), figsize=(2.2 * len(images), 4.6))
    truth = images["the slice"]
    for (above, below), (name, image) in zip(axes.T, images.items(), strict=True):
        above.imshow(image, cmap="gray", vmin=0, vmax=1)
        above.set_title(name, fontsize=9)
        below.imshow(np.abs(image - truth), cmap="magma", vmin=0, vmax=0.15)
        above.axis("off")
        below.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main(epochs=8, count=None, out="out/unrolled_mri"):
    """The rows of the table, the trained unrolled model, and what it was judged on."""
    print(__doc__.splitlines()[0])
    keras.utils.set_random_seed(0)
    training, judging = slices()
    training, judging = training[:count], judging[:count]
    data, truth = measured(training, seed=1)
    unseen, right = measured(judging, seed=2)
    print(f"{len(training)} slices for training, {len(judging)} for judging")
    print("| | PSNR | SSIM | time a slice | weights |\n|---|---|---|---|---|")
    rows, shown = {}, {"the slice": magnitude(right)[len(judging) // 3]}
    models = {
        "zero-filled": zero_filled(),
        "CG-SENSE": best_cg_sense(data, truth),
        "U-Net": train(u_net(), data, truth, epochs),
        "unrolled": train(unrolled(), data, truth, epochs),
    }
    model = models["unrolled"]
    for name, each in models.items():
        rows[name], found = judged(name, each, unseen, right)
        shown[f"{name}, {rows[name]['psnr']:.1f} dB"] = found[len(judging) // 3]
    folder = pathlib.Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    draw(shown, folder / "unrolled_mri.png")
    model.save(folder / "unrolled_mri.keras")
    print(f"picture and model: {folder}")
    return rows, model, unseen


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--out", default="out/unrolled_mri")
    arguments = parser.parse_args()
    main(arguments.epochs, out=arguments.out)
