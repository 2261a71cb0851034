"""`Detector`: learns what is usual in a recording, and scores what is not."""

import dataclasses

import keras
import numpy as np

import lamina
from lamina_detect import _fit
from lamina_detect._errors import BadInput
from lamina_detect._model import build_front, build_scorer, build_whole
from lamina_detect._recording import Recording
from lamina_detect._samples import samples_of
from lamina_detect._score_stream import ScoreStream

FORMAT = 1
BLOCK = 4096


@dataclasses.dataclass(frozen=True)
class Scores:
    """What `Detector.score` gives.

    `values` `(length, leads + 1)`: each lead's score, then the score together. High: unusual; 0 at
    the start and where the recording is clipped; NaN in a gap. `samples` `(length, leads)`.
    """

    values: np.ndarray
    samples: np.ndarray
    leads: tuple

    @property
    def together(self):
        """The score of all leads together."""
        return self.values[:, -1]


class Detector:
    """Unsupervised, causal detection of unusual shapes in a recording.

    Args:
        window: Samples that are looked at together; about half a period by default, found from
            the data.
        shapes: The most shapes that a lead's codebook holds.
        components: Coordinates of a window.
        seed: Of everything random. The same seed and recording give the same model.
    """

    def __init__(self, window=None, shapes=200, components=8, seed=0):
        asked = dict(shapes=shapes, components=components)
        for name, value in (
            asked.items() if window is None else [*asked.items(), ("window", window)]
        ):
            if not isinstance(value, int) or value < 1:
                raise BadInput(f"`{name}` must be a positive whole number. Received: {value!r}")
        if window is not None and window <= components:
            raise BadInput(
                f"`window` must be longer than the {components} components. Received: {window}"
            )
        self.window = window
        self.shapes = shapes
        self.components = components
        self.seed = seed
        self.settings = None
        self.codebooks = None
        self.scorer = None
        self.whole = None

    def fit(self, recording):
        """Learn from a `Recording` (or an array) what is usual. Returns the detector."""
        recording = _as_recording(recording)
        pieces = _fit.fitting_pieces(recording, samples_of(recording))
        _fit.check_samples(recording, pieces)
        window, period, level = _fit.find_scale(recording, pieces, self.window)
        components = min(self.components, window - 2)
        self.settings = {
            "format": FORMAT,
            "leads": list(recording.leads),
            "units": list(recording.units),
            "rate": recording.rate,
            "window": int(window),
            "period": float(period),
            "level": bool(level),
            "settle": 0 if level else round(_fit.SETTLE_OF_PERIOD * period),
            "components": components,
            "shapes": self.shapes,
            "seed": self.seed,
        }
        front = build_front(len(recording.leads), period, level)
        scorer = build_scorer(front, self.settings)
        centre, scale = _fit.centre_and_scale(pieces)
        front.get_layer("standardise").centre.assign(centre)
        front.get_layer("standardise").scale.assign(scale)
        scorer.get_layer("steady").rails.assign(_fit.rails_of(pieces, period))
        self.codebooks = self._codebooks(recording, front, scorer, pieces)
        _take_over(scorer, self.codebooks, level)
        self.scorer = scorer
        self.whole = build_whole(recording.packing, scorer)
        return self

    def _codebooks(self, recording, front, scorer, pieces):
        def run(model):
            return [keras.ops.convert_to_numpy(model(p[None].astype("float32")))[0] for p in pieces]

        judge = keras.Model(scorer.input, scorer.get_layer("steady").output)
        rng = np.random.default_rng(self.seed)
        return _fit.learn(recording, run(front), run(judge), self.settings, rng)

    def score(self, recording, progress=None, block=BLOCK):
        """A score for each sample of a `Recording` (or an array): `Scores`.

        Samples are run `block` at a time; another block size rounds differently.
        """
        recording = _as_recording(recording)
        samples, values = zip(*self.score_blocks(recording, progress, block), strict=True)
        return Scores(np.concatenate(values), np.concatenate(samples), tuple(recording.leads))

    def score_blocks(self, recording, progress=None, block=BLOCK):
        """As `score`, piece by piece: yields `(samples, values)`. For recordings of any length."""
        recording = _as_recording(recording)
        self._check_fits(recording)
        stream, read = self.stream(block), samples_of(recording)
        for start in range(0, recording.length, block):
            x = read(start, min(start + block, recording.length))
            yield x, stream.push(x[None])[0]
            if progress:
                progress(start + len(x), recording.length)

    def stream(self, block=BLOCK):
        """Scores as samples come: `push((1, n, leads)) -> (1, n, leads + 1)`, a `ScoreStream`.

        To the bit those of `score`, however the samples are cut.
        """
        self._check_fitted()
        return ScoreStream(self.scorer, block)

    def export(self, path, format="litert"):
        """Write the scoring of one sample as one file for `lamina_edge`, which needs no Keras.

        See `lamina.Stream.export`.
        """
        self._check_fitted()
        lamina.Stream(self.scorer).export(path, format)

    def save(self, path):
        """Write the whole model, from stored bytes (or samples) to scores, as a `.keras` file."""
        self._check_fitted()
        self.scorer.get_layer("scores").settings = dict(self.settings)
        self.whole.save(path)

    @classmethod
    def load(cls, path):
        """A saved detector. Runs no code from the file."""
        try:
            whole = keras.saving.load_model(path, compile=False, safe_mode=True)
            scorer = whole if "scorer" == whole.name else whole.get_layer("scorer")
            settings = scorer.get_layer("scores").settings
        except Exception as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise BadInput(f"{path}: not a saved detector: {reason}") from None
        if settings.get("format") != FORMAT:
            raise BadInput(
                f"{path}: a model of version {settings.get('format')}; this one reads {FORMAT}"
            )
        new = cls(settings["window"], settings["shapes"], settings["components"], settings["seed"])
        new.settings, new.scorer, new.whole = settings, scorer, whole
        return new

    def _check_fitted(self):
        if self.scorer is None:
            raise BadInput("The detector has learned nothing yet: call `fit` or `Detector.load`.")

    def _check_fits(self, recording):
        self._check_fitted()
        if len(recording.leads) != len(self.settings["leads"]):
            raise BadInput(
                f"{recording.name} has {len(recording.leads)} leads; the model was made for "
                f"{len(self.settings['leads'])}: {', '.join(self.settings['leads'])}"
            )
        known = self.settings
        if known["rate"] and recording.rate and known["rate"] != recording.rate:
            raise BadInput(
                f"{recording.name} has {recording.rate:g} samples a second; the model was made for "
                f"{known['rate']:g}"
            )
        units = list(recording.units)
        if any(known["units"]) and any(units) and known["units"] != units:
            raise BadInput(
                f"{recording.name} is in {', '.join(units)}; the model was made for "
                f"{', '.join(known['units'])}"
            )
        if recording.length < self.settings["window"]:
            raise BadInput(
                f"{recording.name}: {recording.length} samples are fewer than one window of "
                f"{self.settings['window']}"
            )


def _take_over(scorer, codebooks, level):
    """The codebooks as weights of the lag layers and of the density."""
    leads, (window, components) = len(codebooks), codebooks[0].directions.shape
    coordinates = np.zeros((window, leads, leads, components + 1), "float32")
    energy = np.zeros((window, leads, leads), "float32")
    for lead, book in enumerate(codebooks):
        # Lag 0 is the newest sample: the last of a window.
        coordinates[:, lead, lead, :-1] = book.directions[::-1]
        # The mean is left out of the energy where the level does not count.
        coordinates[:, lead, lead, -1] = 0 if level else window**-0.5
        energy[:, lead, lead] = 1
    scorer.get_layer("coordinates").kernel.assign(coordinates.reshape(window, leads, -1))
    scorer.get_layer("energy").kernel.assign(energy)
    scorer.get_layer("density").learn(codebooks)


def _as_recording(recording):
    if isinstance(recording, Recording):
        return recording
    return Recording.from_array(recording)
