"""Real: the CT slice (a test file of pydicom). Not real: both sinograms, their noise, all phantoms.

    python -m examples.sparse_view_ct [--epochs 4] [--out out/sparse_view_ct]

30 views of a slice where some hundred are usual. Filtered backprojection, with the filter that does
best on the training phantoms, beside a learned primal-dual of three steps (Adler and Oktem, IEEE
Trans. Med. Imaging 37, 2018), which starts from it. It is trained on random ellipses alone, half
of them in a shell, and judged on Shepp-Logan and the CT slice. No sinogram is made by the network's
own operator, else it would have made its data: those of ellipses are closed forms, the CT slice is
turned and summed by SciPy on a grid twice as fine. Nothing here says anything about diagnosis.
"""

import argparse
import pathlib
import time

import keras
import matplotlib
import numpy as np
import pydicom.examples
import scipy.ndimage
from keras import layers, ops
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

import lamina

SIZE, BINS, VIEWS, STEPS, MEMORY = 128, 183, 30, 3, 4
ANGLES = np.linspace(0, np.pi, VIEWS, endpoint=False)
NOISE = 0.2  # of a sinogram, in pixels of the brightest material: about 0.4 % of its largest value
FILTERS = ("ramp", "shepp-logan", "cosine", "hamming", "hann")
# Density, half axes, centre, turn in degrees, in half images: Shepp and Logan's ten ellipses with
# the contrast of Toft.
SHEPP_LOGAN = np.array(
    [
        [1.0, 0.69, 0.92, 0.0, 0.0, 0.0],
        [-0.8, 0.6624, 0.874, 0.0, -0.0184, 0.0],
        [-0.2, 0.11, 0.31, 0.22, 0.0, -18.0],
        [-0.2, 0.16, 0.41, -0.22, 0.0, 18.0],
        [0.1, 0.21, 0.25, 0.0, 0.35, 0.0],
        [0.1, 0.046, 0.046, 0.0, 0.1, 0.0],
        [0.1, 0.046, 0.046, 0.0, -0.1, 0.0],
        [0.1, 0.046, 0.023, -0.08, -0.605, 0.0],
        [0.1, 0.023, 0.023, 0.0, -0.606, 0.0],
        [0.1, 0.023, 0.046, 0.06, -0.605, 0.0],
    ]
)


def random_ellipses(rng):
    """A body with organs in it, in the form of `SHEPP_LOGAN`."""
    axes, turn = rng.uniform(0.5, 0.9, 2), rng.uniform(0, 180)
    body = [[rng.uniform(0.2, 0.6), *axes, 0, 0, turn]]
    if rng.random() < 0.5:  # in a shell of bone
        body.append([rng.uniform(0.4, 0.8), *axes, 0, 0, turn])
        body.append([-body[-1][0], *(axes - rng.uniform(0.02, 0.06)), 0, 0, turn])
    organs = [
        [rng.uniform(-0.2, 0.4), *rng.exponential(0.12, 2) + 0.02, *rng.uniform(-0.5, 0.5, 2),
         rng.uniform(0, 180)]
        for _ in range(rng.integers(5, 25))
    ]  # fmt: skip
    return np.array(body + organs)


def image_of(ellipses, fine=3):
    """Each pixel by its share of each ellipse, `fine` x `fine` points; y upwards."""
    steps = (np.arange(SIZE * fine) + 0.5) / (SIZE * fine) * 2 - 1
    x, y = np.meshgrid(steps, -steps)
    image = np.zeros_like(x)
    for density, a, b, x0, y0, turn in ellipses:
        c, s = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
        u, v = (x - x0) * c + (y - y0) * s, (y - y0) * c - (x - x0) * s
        image += density * ((u / a) ** 2 + (v / b) ** 2 <= 1)
    return image.reshape(SIZE, fine, SIZE, fine).mean((1, 3))


def sinogram_of(ellipses):
    """Line integrals in closed form: Kak and Slaney, equation 3.4."""
    distance = (np.arange(BINS) - (BINS - 1) / 2) * 2 / SIZE
    found = np.zeros((VIEWS, BINS))
    for density, a, b, x0, y0, turn in ellipses:
        c, s = np.cos(ANGLES)[:, None], np.sin(ANGLES)[:, None]
        t = distance - x0 * c - y0 * s
        angle = ANGLES[:, None] - np.deg2rad(turn)
        r2 = (a * np.cos(angle)) ** 2 + (b * np.sin(angle)) ** 2
        found += density * 2 * a * b * np.sqrt(np.maximum(r2 - t**2, 0)) / r2
    return found * SIZE / 2


def turned_and_summed(image):
    """Line integrals of any image by SciPy, on a grid twice as fine; turned about the middle."""
    fine = np.kron(image, np.ones((2, 2)))
    fine = np.pad(fine, (2 * BINS - 2 * SIZE) // 2)
    turns = (
        scipy.ndimage.rotate(fine, -np.rad2deg(angle), reshape=False, order=1) for angle in ANGLES
    )
    return np.stack([turn.sum(0).reshape(BINS, 2).mean(1) / 2 for turn in turns])


def ct_slice():
    """The slice in units of water, 0 to about 2, as a fraction of the largest."""
    data = pydicom.examples.ct
    stored = data.pixel_array[None, ..., None]
    slope, intercept = ([[float(data[key].value)]] for key in ("RescaleSlope", "RescaleIntercept"))
    hounsfield = lamina.Rescale()([stored, np.array(slope), np.array(intercept)])
    image = np.maximum(ops.convert_to_numpy(hounsfield)[0, ..., 0] + 1000, 0)
    return image / image.max()


def with_noise(sinograms, rng):
    return (sinograms + NOISE * rng.standard_normal(sinograms.shape))[..., None].astype("float32")


def training(count, seed=1):
    """(sinograms, images) of random ellipses."""
    rng = np.random.default_rng(seed)
    phantoms = [random_ellipses(rng) for _ in range(count)]
    sinograms = np.stack([sinogram_of(phantom) for phantom in phantoms])
    images = np.stack([image_of(phantom) for phantom in phantoms])
    return with_noise(sinograms, rng), images[..., None].astype("float32")


def judging(seed=2):
    """`{name: (sinogram, image)}`, each a batch of one."""
    slice_ = ct_slice()
    rng = np.random.default_rng(seed)
    pairs = {
        "Shepp-Logan": (sinogram_of(SHEPP_LOGAN), image_of(SHEPP_LOGAN)),
        "CT slice": (turned_and_summed(slice_), slice_),
    }
    return {
        name: (with_noise(y[None], rng), x[None, ..., None].astype("float32"))
        for name, (y, x) in pairs.items()
    }


def backprojection(filter):
    y = keras.Input((VIEWS, BINS, 1))
    return keras.Model(y, lamina.FilteredBackprojection(ANGLES, SIZE, filter)(y), name="fbp")


def best_filter(sinograms, images):
    """The filter that does best on the training phantoms."""

    def error(filter):
        found = backprojection(filter).predict(sinograms, batch_size=8, verbose=0)
        return np.mean((found - images) ** 2)

    return min(FILTERS, key=error)


def norm_of(radon, steps=20):
    """The largest singular value of a projection, by the power method."""
    x = np.ones((1, SIZE, SIZE, 1), "float32")
    size = 1.0
    for _ in range(steps):
        x = ops.convert_to_numpy(radon.adjoint(radon(x)))
        size = np.linalg.norm(x)
        x = x / size
    return float(np.sqrt(size))


def correction(parts, name):
    """A small network of all its inputs, one for each step and side."""
    z = layers.Concatenate()(parts)
    for i in (0, 1):
        z = layers.Conv2D(24, 3, padding="same", activation="relu", name=f"{name}_{i}")(z)
    return layers.Conv2D(MEMORY, 3, padding="same", name=f"{name}_out")(z)


def learned_primal_dual(filter):
    """h += network(h, A x, y); x += network(x, A^H h); three times, from a backprojection."""
    y = keras.Input((VIEWS, BINS, 1))
    radon = lamina.Radon(ANGLES, BINS, name="radon")
    radon.build((None, SIZE, SIZE, 1))
    size = norm_of(radon)
    start = lamina.FilteredBackprojection(ANGLES, SIZE, filter)(y)
    x, h = ops.repeat(start, MEMORY, axis=-1), None
    for i in range(STEPS):
        seen = [radon(x[..., 1:2]) / size, y / size]
        change = correction(seen if h is None else [h, *seen], f"dual_{i}")
        h = change if h is None else h + change
        x = x + correction([x, radon.adjoint(h[..., :1]) / size], f"primal_{i}")
    return keras.Model(y, x[..., :1], name="primal_dual")


def train(model, sinograms, images, epochs):
    steps = epochs * len(images) // 4
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=1.0), "mse")
    model.fit(sinograms, images, epochs=epochs, batch_size=4, verbose=0)
    return model


def judged(name, model, unseen):
    """A row of the table, and the images."""
    row, found = {}, {}
    seconds = []
    for subject, (sinogram, image) in unseen.items():
        model.predict(sinogram, verbose=0)  # compiles
        start = time.perf_counter()
        guess = model.predict(sinogram, verbose=0)
        seconds.append(time.perf_counter() - start)
        pair = image[0, ..., 0], guess[0, ..., 0]
        row[f"{subject} PSNR"] = float(peak_signal_noise_ratio(*pair, data_range=1))
        row[f"{subject} SSIM"] = float(structural_similarity(*pair, data_range=1))
        found[subject] = pair[1]
    row |= {"seconds": float(np.mean(seconds)), "weights": _trained(model)}
    scores = " | ".join(
        f"{row[f'{subject} PSNR']:.2f} dB | {row[f'{subject} SSIM']:.3f}" for subject in unseen
    )
    print(f"| {name} | {scores} | {1e3 * row['seconds']:.0f} ms | {row['weights']:,} |", flush=True)
    return row, found


def _trained(model):
    return int(sum(np.prod(v.shape) for v in model.trainable_variables))


def draw(rows, path):
    """One row of images for each subject, through a window that shows soft tissue."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    count = len(next(iter(rows.values())))
    figure, axes = pyplot.subplots(len(rows), count, figsize=(2.6 * count, 2.8 * len(rows)))
    for line, (subject, images) in zip(axes, rows.items(), strict=True):
        low, high = np.percentile(images["the slice"], (1, 99.5))
        window = np.array([[(low + high) / 2]]), np.array([[high - low]])
        for axis, (name, image) in zip(line, images.items(), strict=True):
            grey = lamina.DicomWindow("LINEAR_EXACT")([image[None, ..., None], *window])
            axis.imshow(ops.convert_to_numpy(grey)[0, ..., 0], cmap="gray", vmin=0, vmax=1)
            axis.set_title(f"{subject}: {name}", fontsize=8)
            axis.axis("off")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def main(epochs=4, count=240, out="out/sparse_view_ct"):
    """The rows of the table, the trained model and what it was judged on."""
    print(__doc__.splitlines()[0])
    keras.utils.set_random_seed(0)
    sinograms, images = training(count)
    unseen = judging()
    filter = best_filter(sinograms[:32], images[:32])
    models = {
        f"FBP, {filter}": backprojection(filter),
        "learned primal-dual": train(learned_primal_dual(filter), sinograms, images, epochs),
    }
    print(f"{count} phantoms of ellipses for training; {VIEWS} views of {BINS} bins")
    head = "".join(f" {subject} PSNR | SSIM |" for subject in unseen)
    print(f"| |{head} time | weights |\n|---|---|---|---|---|---|---|")
    rows = {}
    shown = {subject: {"the slice": image[0, ..., 0]} for subject, (_, image) in unseen.items()}
    for name, model in models.items():
        rows[name], found = judged(name, model, unseen)
        for subject, image in found.items():
            shown[subject][f"{name}, {rows[name][f'{subject} PSNR']:.1f} dB"] = image
    folder = pathlib.Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    draw(shown, folder / "sparse_view_ct.png")
    model = models["learned primal-dual"]
    model.save(folder / "sparse_view_ct.keras")
    print(f"picture and model: {folder}")
    return rows, model, unseen


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--out", default="out/sparse_view_ct")
    arguments = parser.parse_args()
    main(arguments.epochs, out=arguments.out)
