"""The usual shape that is nearest to an event."""

import csv
import json

import numpy as np
import pytest

import lamina_detect
from lamina_detect import Detector, Recording
from lamina_detect.model import nearest_usual
from tests.detect.support import pulses

ODD = 20


def beats(length=4000):
    """Two leads in their own units, and one that is constant between them."""
    x = pulses(length, odd=(ODD,))
    y = pulses(length, odd=(ODD,), seed=1)
    return np.stack([x, np.zeros(length), 250 + 40 * y], 1)


def usual_at(start, lead, length):
    """What there would be without the odd beat, and without noise."""
    x = pulses(start + length, noise=0)[start:]
    return x if lead == 0 else 250 + 40 * x


@pytest.fixture(scope="module")
def recording():
    return Recording.from_array(beats(), leads=("x", "off", "y"))


@pytest.fixture(scope="module")
def detector(recording):
    return Detector(shapes=100).fit(recording)


@pytest.mark.parametrize("expert", ["shape", "shape without level"])
def test_beside_an_odd_beat_stands_what_is_usual_there(detector, recording, expert):
    peak = ODD * 90 + 40
    found = nearest_usual(detector, recording, peak, expert)
    window = detector.settings["window"]
    assert found.every == 1 and found.start == peak - window // 2
    assert [n.lead for n in found.leads] == ["x", "y"]
    for own, channel in zip(found.leads, (0, 2), strict=True):
        seen = recording.read(found.start, found.start + window)[:, channel]
        assert np.allclose(own.window, seen, rtol=1e-5)
        # No shape of the odd beat: it came once.
        difference = np.abs(np.array(own.usual) - seen)
        assert difference.max() > 0.25 * np.ptp(seen)
        assert own is found.of(own.lead)
    assert found.of("off") is None


def test_beside_a_usual_beat_stands_itself(detector, recording):
    peak = 10 * 90 + 45
    found = nearest_usual(detector, recording, peak)
    odd = nearest_usual(detector, recording, ODD * 90 + 40)
    for own, strange, channel in zip(found.leads, odd.leads, (0, 2), strict=True):
        expected = usual_at(found.start, channel, len(own.usual))
        spread = np.ptp(expected)
        assert np.abs(np.array(own.usual) - expected).max() < 0.12 * spread
        assert own.distance < strange.distance / 3


def test_the_nearest_is_the_nearest_of_all(detector, recording):
    """By all of the learned shapes, which the model holds as weights."""
    found = nearest_usual(detector, recording, 1000)
    own = found.leads[0]
    scale = detector.scorer.get_layer("standardise").get_weights()
    centre, spread = (np.asarray(w)[0] for w in scale)
    shapes = detector.experts[0].raw
    x = (np.array(own.window) - centre) / spread
    distance = np.sqrt(((shapes - x) ** 2).mean(1))
    assert own.shape == distance.argmin()
    assert own.distance == pytest.approx(distance.min(), rel=1e-4)
    assert np.allclose((np.array(own.usual) - centre) / spread, shapes[own.shape], atol=1e-4)


def test_a_lead_with_a_gap_is_left_out(detector):
    x = beats()
    x[ODD * 90 + 30, 0] = np.nan
    found = nearest_usual(detector, Recording.from_array(x), ODD * 90 + 40)
    assert [n.lead for n in found.leads] == ["y"]
    x[ODD * 90 + 30] = np.nan
    assert nearest_usual(detector, Recording.from_array(x), ODD * 90 + 40) is None


@pytest.mark.parametrize("peak", [0, 3, 3999])
def test_at_the_ends_the_window_stays_inside(detector, recording, peak):
    found = nearest_usual(detector, recording, peak)
    assert 0 <= found.start <= 4000 - detector.settings["window"]


@pytest.mark.slow
def test_of_a_long_rhythm_the_shape_lies_on_the_wander():
    length = 40_000
    wander = 0.8 * np.sin(np.arange(length) * 2 * np.pi / 9000)
    x = pulses(length, period=30, odd=(500,)) + wander
    detector = Detector(shapes=40).fit(x)
    assert detector.settings["experts"] == ["density"]
    recording = Recording.from_array(x)
    found = nearest_usual(detector, recording, 700 * 30 + 15)
    own = found.leads[0]
    assert np.abs(np.array(own.usual) - own.window).max() < 0.2
    odd = nearest_usual(detector, recording, 500 * 30 + 15)
    assert odd.leads[0].distance > 3 * own.distance


@pytest.mark.slow
def test_a_saved_detector_gives_the_same(detector, recording, tmp_path):
    detector.save(tmp_path / "model.keras")
    again = Detector.load(tmp_path / "model.keras")
    assert nearest_usual(again, recording, 1800) == nearest_usual(detector, recording, 1800)


@pytest.mark.slow
def test_the_results_hold_it(tmp_path):
    np.save(tmp_path / "x.npy", beats())
    run = lamina_detect.detect(tmp_path / "x.npy", tmp_path / "out")
    top = run["highest"][0]
    assert top["nearest"]["leads"][0].keys() == {"lead", "shape", "distance"}
    with (tmp_path / "out" / "events.csv").open() as file:
        rows = list(csv.DictReader(file))
    near = {n["lead"]: n for n in top["nearest"]["leads"]}[rows[0]["lead"]]
    assert int(rows[0]["shape"]) == near["shape"]
    assert float(rows[0]["distance"]) == pytest.approx(near["distance"], rel=1e-3)
    assert json.loads((tmp_path / "out" / "run.json").read_text())["highest"][0] == top
