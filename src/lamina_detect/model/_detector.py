"""`Detector`: learns what is usual in a recording, and scores what is not."""

import os
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np

import lamina
from lamina_detect._common import BadInput, Scores, first_line
from lamina_detect.model._build import EXPERTS, build_model, scorer_of, with_parts
from lamina_detect.model._experts import Learned
from lamina_detect.model._learning import FORMAT, FORMATS, Options, learn_scorer
from lamina_detect.model._pool import pooled
from lamina_detect.model._score_stream import BLOCK, ScoreStream
from lamina_detect.model._shapes import Shapes
from lamina_detect.recordings import Recording

Progress = Callable[[int, int], object]


class Detector:
    """Unsupervised detection of what is unusual in a recording.

    Several experts look at a period of it, each in its own way: is there a shape like this one, do
    its details vary as usual, is it as lively. Each score becomes the probability of a score so
    high, by what was learned; their mean is the score. See docs/detection.md.

    Args:
        window: Samples that are looked at together: a period, found from the data, by default.
        shapes: The most shapes that a lead's codebook holds.
        components: Coordinates of a window of the density.
        seed: Of everything random. The same seed and recording give the same model.
        window_of_period: The density's window, in periods.
        cutoff_of_period: Of a rhythm of at least a thousand periods, which the density alone
            judges: what is slower is wander, not shape. In cycles per period.
        gate_clipped: Whether clipped stretches are given no score.
    """

    def __init__(
        self,
        window: int | None = None,
        shapes: int = 200,
        components: int = 8,
        seed: int = 0,
        window_of_period: float = 0.65,
        cutoff_of_period: float = 0.6,  # 0.7 Hz at 70 beats per minute
        gate_clipped: bool = True,
    ) -> None:
        wanted = {"shapes": shapes, "components": components}
        for name, value in (wanted if window is None else {**wanted, "window": window}).items():
            if not isinstance(value, int) or value < 1:
                raise BadInput(f"`{name}` must be a positive whole number. Received: {value!r}")
        if window is not None and window <= components:
            raise BadInput(
                f"`window` must be longer than the {components} components. Received: {window}"
            )
        for name, part in dict(window=window_of_period, cutoff=cutoff_of_period).items():
            if not part > 0:
                raise BadInput(f"`{name}_of_period` must be above 0. Received: {part!r}")
        self.seed = seed
        self._options = Options(
            window, shapes, components, seed, window_of_period, cutoff_of_period, gate_clipped
        )
        self.codebooks: list[Shapes] | None = None
        self.experts: list[Learned] | None = None
        self.scorer: keras.Model | None = None
        self.model: keras.Model | None = None
        self._compiled: dict[int, lamina.Stream] = {}

    @property
    def settings(self) -> Mapping[str, Any]:
        """What the model was made with; read only."""
        self._check_fitted()
        return types.MappingProxyType(self.scorer.get_layer("scores").settings)

    @property
    def threshold(self) -> float | None:
        """The score from which on a window is an alarm; saved with the model. None if not set."""
        return self.settings.get("threshold")

    @threshold.setter
    def threshold(self, value: float) -> None:
        self._check_fitted()
        self.scorer.get_layer("scores").keep(threshold=float(value))

    @property
    def tail(self) -> tuple[float, float, int] | None:
        """How high usual causal scores are, as `results.Tail`; saved with the model."""
        known = self.settings.get("tail")
        return known and tuple(known)

    @tail.setter
    def tail(self, value: Sequence[float]) -> None:
        self._check_fitted()
        self.scorer.get_layer("scores").keep(tail=list(value))

    @property
    def delay(self) -> int:
        """Samples after which the retrospective score of a sample is known."""
        known = self.settings
        return 0 if known["format"] == 1 else known["window"] - 1

    def fit(
        self,
        recording: Recording | np.ndarray | Iterable[Recording | np.ndarray],
        to_score: Recording | np.ndarray | None = None,
    ) -> "Detector":
        """Learn from a `Recording` (or an array) what is usual. Returns the detector.

        From several recordings of the same leads and rate it learns one model for all: from some
        stretches of each, drawn by the hash of its name, so that their order does not matter.

        Leads that are constant in it are left out: `settings["left_out"]`; if all are, those stay
        that change in `to_score`.

        Args:
            recording: What to learn from; or an iterable of recordings or arrays.
            to_score: What is then to be scored, if that is another recording. It shows the period,
                which a short training part need not, and how long a window may be. And no anomaly
                is expected in `recording` then: what came once in it is usual.
        """
        if not isinstance(recording, Recording | np.ndarray):
            recording = pooled(map(_as_recording, _iterated(recording)))
        recording = _as_recording(recording)
        if to_score is not None:
            to_score = _as_recording(to_score)
            _check_leads(to_score, recording.leads)
        learned = learn_scorer(recording, self._options, to_score)
        self.scorer, self.codebooks, self.experts = (
            learned.scorer,
            learned.codebooks,
            learned.experts,
        )
        self.model = build_model(recording.packing, self.scorer, self.settings["used"])
        self._compiled = {BLOCK: learned.stream} if learned.stream else {}
        return self

    def score(
        self,
        recording: Recording | np.ndarray,
        progress: Progress | None = None,
        block: int = BLOCK,
    ) -> Scores:
        """A score for each sample of a `Recording` (or an array): `Scores`.

        Samples are run `block` at a time; another block size rounds differently.
        """
        recording = _as_recording(recording)
        samples, causal, late = zip(*self.score_blocks(recording, progress, block), strict=True)
        return Scores(
            np.concatenate(late),
            np.concatenate(samples),
            tuple(self.settings["leads"]),
            np.concatenate(causal),
        )

    def score_blocks(
        self,
        recording: Recording | np.ndarray,
        progress: Progress | None = None,
        block: int = BLOCK,
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """As `score`, piece by piece: yields `(samples, causal, retrospective)`, of the same
        samples. For recordings of any length."""
        recording = _as_recording(recording)
        self._check_fits(recording)
        stream = self.stream(block)
        # What waits for its retrospective score.
        samples = np.zeros((0, len(stream.used)), "float32")
        causal = np.zeros((0, len(stream.used) + 1), "float32")
        for start in range(0, recording.length, block):
            x = recording.read(start, min(start + block, recording.length))
            new, late = stream.push(x[None])
            if start + len(x) == recording.length:
                late = np.concatenate([late, stream.finish()])
            samples = np.concatenate([samples, x[:, stream.used]])
            causal = np.concatenate([causal, new])
            count = len(late)
            yield samples[:count], causal[:count], late
            samples, causal = samples[count:], causal[count:]
            if progress:
                progress(start + len(x), recording.length)

    def stream(self, block: int = BLOCK) -> ScoreStream:
        """Both scores as samples come: a `ScoreStream`.

        To the bit those of `score`, however the samples are cut.
        """
        self._check_fitted()
        if block not in self._compiled:
            # With what `explain` needs, so that one compiled function does all.
            self._compiled[block] = lamina.Stream(with_parts(self.scorer), jit_compile=True)
        known = self.settings
        used = known.get("used", list(range(len(known["leads"]))))
        leads = len(used) + len(known.get("left_out", ()))
        return ScoreStream(self._compiled[block], block, self.delay, (used, leads))

    def explain(self, recording: Recording | np.ndarray, sample: int) -> tuple[str, str]:
        """`(expert, lead)`: which expert found a sample most unusual, and in which lead."""
        recording, known = _as_recording(recording), self.settings
        window = known["window"]
        start, stop = max(0, sample - window - 1), min(recording.length, sample + window)
        x = recording.read(start, stop)
        stream = self.stream(BLOCK)
        if known["format"] == 1 or len(known["experts"]) == 1:
            values = stream.push(x[None]).causal[sample - start, :-1]
            expert, lead = "density", int(np.nan_to_num(values).argmax())
        else:
            gap = np.full((stream.delay, stream.leads), np.nan, "float32")
            late = np.concatenate([stream.parts(part)[3] for part in (x, gap)])
            experts, leads = known["experts"], len(known["leads"])
            each = np.nan_to_num(late[sample - start]).reshape(len(experts), leads)
            each = each * np.array([[EXPERTS[name]] for name in experts])
            best = int(each.max(1).argmax())
            # The relation is that of all leads: the one that stands out most by itself is named.
            own = each[[name != "relation" for name in experts]].sum(0)
            expert = experts[best]
            lead = int((own if expert == "relation" else each[best]).argmax())
        return expert, known["leads"][lead]

    def export(self, path: str | os.PathLike[str], format: str = "litert") -> None:
        """Write the causal score as one file for `lamina_edge`, which needs no Keras.

        See `lamina.Stream.export`.
        """
        self._check_fitted()
        scores = self.scorer.get_layer("scores").output
        lamina.Stream(keras.Model(self.scorer.inputs, scores)).export(path, format)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model, from stored bytes (or samples) to scores, as a `.keras` file."""
        self._check_fitted()
        self.model.save(path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Detector":
        """A saved detector. Runs no code from the file."""
        try:
            model: Any = keras.saving.load_model(path, compile=False, safe_mode=True)
            scorer = scorer_of(model)
            settings = scorer.get_layer("scores").settings
        except Exception as error:
            raise BadInput(f"{path}: not a saved detector: {first_line(error)}") from None
        if settings.get("format") not in FORMATS:
            raise BadInput(
                f"{path}: a model of version {settings.get('format')}; this one reads 1 to {FORMAT}"
            )
        new = cls(settings["window"], settings["shapes"], settings["components"], settings["seed"])
        new.scorer, new.model = scorer, model
        return new

    def _check_fitted(self) -> None:
        if self.scorer is None:
            raise BadInput("The detector has learned nothing yet: call `fit` or `Detector.load`.")

    def _check_fits(self, recording: Recording) -> None:
        known = self.settings
        _check_leads(recording, [*known["leads"], *known.get("left_out", ())])
        if known["rate"] and recording.rate and known["rate"] != recording.rate:
            raise BadInput(
                f"{recording.name} has {recording.rate:g} samples per second; the model was made "
                f"for {known['rate']:g}"
            )
        units = list(recording.units)
        if any(known["units"]) and any(units) and known["units"] != units:
            raise BadInput(
                f"{recording.name} is in {', '.join(units)}; the model was made for "
                f"{', '.join(known['units'])}"
            )
        if recording.length < known["window"]:
            raise BadInput(
                f"{recording.name}: {recording.length} samples are fewer than one window of "
                f"{known['window']}"
            )


def _check_leads(recording: Recording, expected: Sequence[str]) -> None:
    if len(recording.leads) != len(expected):
        raise BadInput(
            f"{recording.name} has {len(recording.leads)} leads; the model was made for "
            f"{len(expected)}: {', '.join(expected)}"
        )


def _as_recording(recording: Recording | np.ndarray) -> Recording:
    if isinstance(recording, Recording):
        return recording
    if np.ndim(recording) not in (1, 2):
        raise BadInput(_WANTED.format(_shown(recording)))
    return Recording.from_array(recording)


def _iterated(recordings: Iterable[Recording | np.ndarray]) -> Iterable[Recording | np.ndarray]:
    if not isinstance(recordings, Iterable):
        raise BadInput(_WANTED.format(_shown(recordings)))
    return recordings


_WANTED = (
    "`recording` must be a Recording, or an array (length,) or (length, leads), or for `fit` "
    "several of them. Received: {}"
)


def _shown(value: object) -> str:
    shape = getattr(value, "shape", None)
    return repr(value)[:60] if shape is None else f"{type(value).__name__} of shape {shape}"
