"""From a recording to its samples, through the layers of the model."""

import keras

from lamina_detect._model import build_decoder


def samples_of(recording):
    """`read(start, stop)` giving physical samples `(n, leads)`, NaN where there is none."""
    if recording.packing is None:
        return recording.read
    decoder, packing = build_decoder(recording.packing), recording.packing
    each = packing.samples_per_frame

    def read(start, stop):
        frames = recording.read(start // each, -(-stop // each))
        samples = keras.ops.convert_to_numpy(decoder([frames[None], *packing.calibration()]))[0]
        return samples[start % each :][: stop - start]

    return read
