"""A residual-quantized autoencoder on arterial blood pressure: more codes, less error, one model.

    python -m examples.rvq_signal [--epochs 15] [--out out/rvq]

Trains on a real recording with internal bleeding, which aeon carries (UCR 135), twice: with
k-means start, revival and stage dropout, and naively (rows from a random start, moved by the
optimiser, no revival). Prints the error on the part that was not trained on for each number of
stages, and the share of the codes in use, and draws both.
"""

import argparse
import pathlib

import aeon.datasets
import keras
import matplotlib
import numpy as np

import lamina

WINDOW, STRIDE, WIDTH = 256, 8, 8
SIZES = [64] * 4
NAIVE = dict(update="gradient", start="uniform", revive_below=0.0)


def recording():
    """The pressure in mmHg."""
    folder = pathlib.Path(aeon.datasets.__file__).parent / "data" / "KDD-TSAD_135"
    return np.loadtxt(next(folder.glob("*TEST.csv")), delimiter=",", skiprows=1, usecols=1)


def windows(series, count, rng):
    """`count` windows `(256, 1)` at random places."""
    starts = rng.integers(0, len(series) - WINDOW, count)
    return np.stack([series[s : s + WINDOW, None] for s in starts]).astype("float32")


def autoencoder(quantizer):
    """A window of pressure -> four codes for every eight samples -> the window."""

    def conv(filters, size, strides=1, activation="relu"):
        return keras.layers.Conv1D(filters, size, strides, "same", activation=activation)

    inputs = keras.Input((WINDOW, 1))
    x = inputs
    for filters in (16, 32, 64):
        x = conv(filters, 4, strides=2)(x)
    x = quantizer(conv(WIDTH, 3, activation=None)(x))
    x = conv(64, 3)(x)
    for filters in (32, 16, 16):
        x = keras.layers.Conv1DTranspose(filters, 4, 2, "same", activation="relu")(x)
    return keras.Model(inputs, conv(1, 3, activation=None)(x))


def train(x, epochs, seed=1, **options):
    """The autoencoder after `fit`."""
    quantizer = lamina.ResidualVectorQuantizer(SIZES, seed=seed, name="rvq", **options)
    model = autoencoder(quantizer)
    model.compile(keras.optimizers.Adam(2e-3), "mse")
    model.fit(x, x, batch_size=32, epochs=epochs, callbacks=[lamina.CodebookMonitor()], verbose=2)
    return model


def measured(model, x):
    """For each number of stages the rebuilt windows; and how often each code occurs."""
    layer = model.get_layer("rvq")
    index = model.layers.index(layer)
    encoder = keras.Model(model.input, layer.input)
    codes = keras.ops.convert_to_numpy(layer.encode(encoder.predict(x, verbose=0)))
    decoder = keras.Sequential(model.layers[index + 1 :])
    values = layer.decoder()
    rebuilt = [decoder.predict(values(codes[..., :n]), verbose=0) for n in range(1, len(SIZES) + 1)]
    hits = [np.bincount(c.ravel(), minlength=n) for c, n in zip(codes.T, SIZES, strict=True)]
    return rebuilt, np.array(hits)


def draw(x, results, path):
    """One window with one and with four stages; the error by stages; the use of the codes."""
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(3, 1, figsize=(9, 9), height_ratios=(3, 2, 2))
    rebuilt = results["lamina"]["rebuilt"]
    axes[0].plot(x[0], color="black", label="recorded", linewidth=1.5)
    for stages, color in ((1, "tab:green"), (len(SIZES), "tab:blue")):
        label = f"{stages} code{'s' * (stages > 1)} for {STRIDE} samples"
        axes[0].plot(rebuilt[stages - 1][0], color=color, label=label, linewidth=1)
    axes[0].set(title="A window that was not trained on", xlabel="sample", ylabel="mmHg")
    for (name, result), color in zip(results.items(), ("tab:blue", "tab:orange"), strict=True):
        axes[1].plot(range(1, len(SIZES) + 1), result["errors"], "o-", label=name, color=color)
        hits = np.sort(result["hits"], axis=1)[:, ::-1].ravel() / result["hits"][0].sum()
        label = f"{name}: {result['usage']:.0%} of the codes in use"
        axes[2].bar(np.arange(len(hits)), hits, width=1, label=label, color=color, alpha=0.6)
    bits = np.log2(SIZES[0]) / STRIDE
    axes[1].set(xlabel=f"stages ({bits:g} bit a sample each)", ylabel="RMSE in mmHg", ylim=(0, 0.6))
    axes[1].set_xticks(range(1, len(SIZES) + 1))
    axes[2].set(
        xlabel="codes of the four stages, most frequent first", ylabel="share", yscale="log"
    )
    axes[2].set_ylim(None, 10)
    for axis in axes:
        axis.legend(frameon=False)
        axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def data(count):
    """Windows of the first half, of the second, and the (mean, scale) that they were freed of."""
    pressure, rng = recording(), np.random.default_rng(0)
    half = len(pressure) // 2
    mean, scale = pressure[:half].mean(), pressure[:half].std()
    x = windows((pressure[:half] - mean) / scale, count, rng)
    return x, windows((pressure[half:] - mean) / scale, 400, rng), (mean, scale)


def main(epochs=15, count=2000, out="out/rvq"):
    keras.utils.set_random_seed(0)
    x, unseen, (mean, scale) = data(count)
    results = {}
    for name, options in (("lamina", dict(stage_dropout=0.5)), ("naive", NAIVE)):
        rebuilt, hits = measured(train(x, epochs, **options), unseen)
        errors = [scale * float(np.sqrt(np.mean((y - unseen) ** 2))) for y in rebuilt]
        usage = float(np.mean(hits > 0))
        rebuilt = [y * scale + mean for y in rebuilt]
        results[name] = dict(rebuilt=rebuilt, hits=hits, errors=errors, usage=usage)
        shown = ", ".join(f"{e:.2f}" for e in errors)
        print(f"{name}: RMSE by stages {shown} mmHg (unseen part), {usage:.1%} of codes in use")
    pathlib.Path(out).mkdir(parents=True, exist_ok=True)
    draw(unseen * scale + mean, results, pathlib.Path(out) / "rvq_signal.png")
    return {name: (result["errors"], result["usage"]) for name, result in results.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--out", default="out/rvq")
    arguments = parser.parse_args()
    main(arguments.epochs, out=arguments.out)
