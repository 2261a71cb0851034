"""A small neural audio codec: a sound as packed codes, decoded in pieces as they arrive.

    python -m examples.audio_codec [--epochs 40] [--out out/audio]

Trains on the first three quarters of a piece of music that pygame-ce carries (11,025 samples a
second), twice. Both have causal convolutions and four codes of 6 bits for each 64 samples, 24 bits
a frame. The first searches in 8 features by direction, learns its details from a discriminator and
from the maps inside it (taps), and a fifth of its rows from fewer codes; the second is a plain
residual quantizer with a squared loss. On the last quarter: bits a second, the ratio of signal to
noise, the distance of log spectra, and the spectrograms in a picture. Then the decoder of the first
is run on packed bytes, three frames at a time, and exported to LiteRT.
"""

import argparse
import pathlib
import wave

import keras
import matplotlib
import numpy as np
import pygame

import lamina

matplotlib.use("Agg")
from matplotlib import pyplot

RATE, HOP, WIDTH, LENGTH = 11025, 64, 32, 2048
BITS, STAGES = 6, 4


def sound():
    """`(samples,)` from -1 to 1."""
    path = pathlib.Path(pygame.__file__).parent / "examples/data/house_lo.wav"
    with wave.open(str(path)) as file:
        data = np.frombuffer(file.readframes(file.getnframes()), "uint8")
    return (data.astype("float32") - 128) / 128


def pieces(signal, count, seed=0):
    """`(count, LENGTH, 1)` from random places."""
    starts = np.random.default_rng(seed).integers(0, len(signal) - LENGTH, count)
    return np.stack([signal[s : s + LENGTH, None] for s in starts])


def conv(filters, size=5, strides=1, **options):
    return keras.layers.Conv1D(filters, size, strides, "causal", **options)


@keras.saving.register_keras_serializable("examples")
class Spread(lamina.streaming.Stateless):
    """`(batch, time, factor * features)` to `(batch, time * factor, features)`: each step becomes
    `factor` of them. Upsampling that streams.
    """

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    @property
    def output_ratio(self):
        return self.factor

    def call(self, inputs, mask=None):
        batch, time = keras.ops.shape(inputs)[:2]
        shape = (batch, time * self.factor, inputs.shape[-1] // self.factor)
        return keras.ops.reshape(inputs, shape)

    def compute_output_shape(self, input_shape):
        batch, time, features = input_shape
        return batch, None if time is None else time * self.factor, features // self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


def encoder():
    """64 samples become one frame of WIDTH numbers."""
    layers = [conv(n, 8, strides=4, activation="elu") for n in (16, 32, 64)]
    return keras.Sequential([keras.Input((None, 1)), *layers, conv(WIDTH, 3)], name="encoder")


def decoder():
    """One frame becomes 64 samples."""
    layers = []
    for filters in (64, 32, 16):
        layers += [conv(4 * filters, 3, activation="elu"), Spread(4)]
    last = conv(1, 7, activation="tanh")
    return keras.Sequential([keras.Input((None, WIDTH)), *layers, last], name="decoder")


def discriminator():
    layers = [conv(24, 9, strides=2, activation="leaky_relu", name=f"conv{i}") for i in range(4)]
    return keras.Sequential([keras.Input((LENGTH, 1)), *layers, conv(1, 5, name="scores")])


def codec(**options):
    """(the codec as one model, its quantizer)."""
    sizes = [2**BITS] * STAGES
    quantizer = lamina.ResidualVectorQuantizer(sizes, seed=0, name="quantizer", **options)
    return keras.Sequential([keras.Input((None, 1)), encoder(), quantizer, decoder()]), quantizer


def trained(x, epochs, full):
    """(codec, quantizer) after `fit`; `full` with everything that the plain one leaves out."""
    keras.utils.set_random_seed(0)
    options = dict(codebook_dim=8, metric="cosine", stage_dropout=0.2) if full else {}
    model, quantizer = codec(**options)
    trainee = model
    if full:
        trainee = lamina.Adversarial(
            model,
            discriminator(),
            "hinge",
            taps=[f"conv{i}" for i in range(4)],
            feature_matching=lamina.FeatureMatchingLoss("melgan", weight=0.02),
            learning_rate_ratio=0.5,
        )
    trainee.compile(keras.optimizers.Adam(2e-3), loss=squared_error, jit_compile=False)
    if full:
        trainee.fit(x, x, batch_size=16, epochs=epochs, verbose=2)
    else:
        monitor = lamina.CodebookMonitor()
        trainee.fit(x, x, batch_size=16, epochs=epochs, verbose=2, callbacks=[monitor])
    return model, quantizer


def squared_error(real, made):
    """In thousandths of the full scale, so that it outweighs the discriminator's scores."""
    return 1000 * keras.ops.mean(keras.ops.square(real - made), axis=-1)


def spectrogram(signal, size=512, step=128):
    """Log magnitudes `(time, frequency)`."""
    windows = np.lib.stride_tricks.sliding_window_view(signal, size)[::step] * np.hanning(size)
    return np.log10(np.abs(np.fft.rfft(windows)) + 1e-2)


def measured(model, signal):
    """(rebuilt, signal-to-noise ratio in dB, distance of log spectra in dB)."""
    rebuilt = model.predict(signal[None, :, None], verbose=0)[0, :, 0]
    ratio = 10 * np.log10(np.sum(signal**2) / np.sum((signal - rebuilt) ** 2))
    distance = 20 * np.mean(np.abs(spectrogram(signal) - spectrogram(rebuilt)))
    return rebuilt, float(ratio), float(distance)


def packed(model, quantizer, signal):
    """`(frames, 3)` bytes: the codes of each frame without gaps."""
    frames = model.get_layer("encoder").predict(signal[None, :, None], verbose=0)
    codes = keras.ops.convert_to_numpy(quantizer.encode(frames))[0]
    bits = codes[..., None] >> np.arange(BITS) & 1
    rows = bits.reshape(len(codes), -1).astype("uint8")
    return np.packbits(rows, axis=-1, bitorder="little")


def receiver(model, quantizer):
    """Packed bytes to samples: what a player needs, without the encoder."""
    inputs = keras.Input((None, BITS * STAGES // 8), dtype="uint8")
    frames = quantizer.decoder(out_of_range="clip")(lamina.BitUnpack(BITS, STAGES)(inputs))
    return keras.Model(inputs, model.get_layer("decoder")(frames))


def streamed(player, data, frames=3):
    """The samples, from a few frames of bytes at a time."""
    stream = lamina.Stream(player, batch_size=1)
    parts = [stream.push(data[None, i : i + frames]) for i in range(0, len(data), frames)]
    parts = [keras.ops.convert_to_numpy(part)[0, :, 0] for part in parts]
    return np.concatenate(parts), stream


def draw(signal, results, path):
    figure, panels = pyplot.subplots(3, 1, figsize=(9, 8), sharex=True, layout="constrained")
    shown = {"the sound": signal, **{name: rebuilt for name, (rebuilt, *_) in results.items()}}
    for panel, (name, values) in zip(panels, shown.items(), strict=True):
        extent = (0, len(signal) / RATE, 0, RATE / 2000)
        panel.imshow(
            spectrogram(values).T, origin="lower", aspect="auto", extent=extent, vmin=-2, vmax=2
        )
        panel.set(title=name, ylabel="kHz")
    panels[-1].set_xlabel("seconds")
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def main(epochs=40, count=800, out="out/audio"):
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    signal = sound()
    cut = len(signal) * 3 // 4
    unseen = signal[cut : cut + (len(signal) - cut) // HOP * HOP]
    x = pieces(signal[:cut], count)
    rate = RATE / HOP * BITS * STAGES
    results = {}
    for name, full in (("plain", False), ("projected, with taps", True)):
        model, quantizer = trained(x, epochs, full)
        results[name] = measured(model, unseen)
        _, ratio, distance = results[name]
        print(f"{name}: {rate:.0f} bits/s, SNR {ratio:.1f} dB, log spectra {distance:.1f} dB apart")
    data = packed(model, quantizer, unseen)
    player = receiver(model, quantizer)
    samples, stream = streamed(player, data)
    whole = results["projected, with taps"][0]
    print(f"streamed from {data.nbytes} bytes: {np.abs(samples - whole).max():.1e} from the whole")
    stream.export(out / "player.tflite", format="litert")
    draw(unseen, results, out / "audio_codec.png")
    print(f"picture and exported decoder: {out}")
    return results, float(np.abs(samples - whole).max())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--count", type=int, default=800)
    parser.add_argument("--out", default="out/audio")
    main(**vars(parser.parse_args()))
