"""What the detector promises, on recordings made up for it."""

import pathlib

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lamina
from lamina_detect import BadInput, Detector, Recording, Watch, find_events, find_threshold, read
from lamina_detect.model import ShapeDensity, Shapes
from lamina_detect.results import area_under_roc, average_precision
from tests.detect.support import pulses, write_record

ODD = 47


@pytest.fixture(scope="module")
def fitted():
    x = pulses(odd=(ODD,))
    return Detector(shapes=40).fit(x), x


def test_highest_score_is_at_the_odd_beat(fitted):
    detector, x = fitted
    top = int(np.nanargmax(detector.score(x).together))
    assert ODD * 90 <= top < (ODD + 1) * 90 + detector.settings["window"]


def test_causal_score_depends_on_the_past_only_the_other_on_a_window_more(fitted):
    detector, x = fitted
    changed = x.copy()
    changed[4000:] = 5 * changed[4000:] + 1
    before, after = detector.score(x), detector.score(changed)
    assert np.array_equal(before.causal_values[:4000], after.causal_values[:4000])
    known = 4000 - detector.delay
    assert np.array_equal(before.values[:known], after.values[:known])


def test_streamed_scores_are_the_offline_scores(fitted):
    detector, x = fitted
    offline, stream = detector.score(x), detector.stream()
    assert stream.delay == detector.delay == detector.settings["window"] - 1

    @given(st.lists(st.integers(0, len(x)), max_size=8))
    @settings(max_examples=10, deadline=None)
    def check(cuts):
        stream.reset()
        cut = np.split(x.astype("float32"), sorted(cuts))
        pushed = [stream.push(block[None, :, None]) for block in cut]
        # To the bit, whatever the rounding: both run the same canonical blocks.
        assert np.array_equal(np.concatenate([p.causal for p in pushed]), offline.causal_values)
        known = np.concatenate([p.retrospective for p in pushed])
        assert len(known) == len(x) - stream.delay
        assert np.array_equal(np.concatenate([known, stream.finish()]), offline.values)

    check()


def test_a_stream_goes_on_from_its_state_within_a_block(fitted):
    detector, x = fitted
    x = x.astype("float32")[None, :, None]
    offline = detector.score(x[0])
    stream = detector.stream()
    stream.push(x[:, :5000])
    state = stream.state
    stream.push(x[:, 5000:5100])
    other = detector.stream()
    other.load_state(state)
    pushed = other.push(x[:, 5000:])
    assert np.array_equal(pushed.causal, offline.causal_values[5000:])
    assert np.array_equal(pushed.retrospective, offline.values[5000 - stream.delay : -stream.delay])
    stream.reset()
    assert np.array_equal(stream.push(x).causal, offline.causal_values)


def test_a_stream_refuses_what_does_not_fit(fitted):
    detector, _ = fitted
    with pytest.raises(ValueError, match=r"shape \(1, n, 1\)\. Received: \(1, 5, 2\)"):
        detector.stream().push(np.zeros((1, 5, 2)))
    for state in (detector.stream(block=64).state, {}):
        with pytest.raises(ValueError, match=r"with a block of 4096\. Received: block="):
            detector.stream().load_state(state)
    with pytest.raises(BadInput, match="`block` must be at least 1"):
        detector.stream(block=0)


@pytest.mark.slow
def test_same_seed_same_model_and_other_seed_another():
    x = pulses(2000)
    one, same, other = (Detector(shapes=20, seed=seed).fit(x) for seed in (3, 3, 4))
    density = [d.scorer.get_layer("density").get_weights() for d in (one, same, other)]
    assert all(np.array_equal(a, b) for a, b in zip(*density[:2], strict=True))
    assert not np.array_equal(density[0][0], density[2][0])


def test_saved_detector_gives_the_same_scores(fitted, tmp_path):
    detector, x = fitted
    detector.save(tmp_path / "model.keras")
    loaded = Detector.load(tmp_path / "model.keras")
    assert loaded.settings == detector.settings
    assert np.array_equal(loaded.score(x).values, detector.score(x).values)


def test_settings_are_read_only_and_the_threshold_is_saved_with_the_model(tmp_path):
    detector = Detector(shapes=4).fit(pulses(1000))
    with pytest.raises(TypeError):
        detector.settings["threshold"] = 3.0
    assert detector.threshold is None
    detector.threshold = 3
    detector.save(tmp_path / "model.keras")
    assert Detector.load(tmp_path / "model.keras").threshold == 3.0
    with pytest.raises(BadInput, match="has learned nothing yet"):
        Detector().threshold = 3.0


@pytest.mark.slow
def test_parts_of_a_period_are_arguments():
    x = pulses(4000)
    x[500:530] = 8.0
    usual = Detector(shapes=4).fit(x)
    other = Detector(shapes=4, window_of_period=0.3, gate_clipped=False).fit(x)
    period = other.settings["period"]
    assert other.settings["density_window"] == round(0.3 * period)
    assert other.settings["window"] == usual.settings["window"] == period
    assert np.nanmin(usual.score(x).together[510:520]) == 0
    assert np.nanmin(other.score(x).together[510:520]) > 0
    with pytest.raises(BadInput, match="`cutoff_of_period` must be above 0"):
        Detector(cutoff_of_period=0.0)


@pytest.fixture(scope="module")
def rhythm():
    x = pulses(24_000, period=20, odd=(700,))
    return Detector(shapes=20).fit(x), x


def test_the_density_alone_judges_a_rhythm_of_a_thousand_periods(rhythm):
    detector, x = rhythm
    assert detector.settings["experts"] == ["density"]
    assert detector.settings["window"] == 13
    # The pole of the high-pass: nearer to 1 where the cutoff is lower.
    other = Detector(shapes=4, cutoff_of_period=0.1).fit(x)
    sections = [d.scorer.get_layer("highpass").sos[0][4] for d in (detector, other)]
    assert sections[1] < sections[0] < 0
    scores = detector.score(x)
    for score in (scores.together, scores.causal):
        assert 14_000 <= int(np.nanargmax(score)) < 14_040
    # The mean over the windows that hold a sample.
    later = scores.causal.astype("float64")[5000:5013].mean()
    assert scores.together[5000] == pytest.approx(later, rel=1e-5)


def test_the_density_alone_streams_to_the_bit_and_is_saved(rhythm, tmp_path):
    detector, x = rhythm
    detector.save(tmp_path / "model.keras")
    loaded, offline = Detector.load(tmp_path / "model.keras"), detector.score(x)
    stream = loaded.stream()
    pushed = [stream.push(part[None, :, None].astype("float32")) for part in (x[:5000], x[5000:])]
    assert np.array_equal(np.concatenate([p.causal for p in pushed]), offline.causal_values)
    late = np.concatenate([*(p.retrospective for p in pushed), stream.finish()])
    assert np.array_equal(late, offline.values)


def test_a_constant_lead_is_left_out_by_name():
    x = np.stack([np.full(3000, 2.0), pulses(3000)], 1)
    recording = Recording.from_array(x, leads=("still", "beat"))
    detector = Detector(shapes=10).fit(recording)
    assert detector.settings["left_out"] == ["still"] and detector.settings["leads"] == ["beat"]
    scores = detector.score(recording)
    assert scores.leads == ("beat",) and scores.values.shape == (3000, 2)
    assert np.array_equal(scores.samples[:, 0], x[:, 1].astype("float32"))
    with pytest.raises(BadInput, match="lead0 is constant: 2 everywhere"):
        Detector().fit(x[:, :1])


def test_a_score_is_explained(fitted):
    detector, x = fitted
    peak = int(np.nanargmax(detector.score(x).together))
    expert, lead = detector.explain(x, peak)
    assert expert in detector.settings["experts"] and lead == "lead0"
    for sample in (0, len(x) - 1):
        assert detector.explain(x, sample)[0] in detector.settings["experts"]


def test_usual_windows_score_low(fitted):
    detector, x = fitted
    scores = detector.score(x)
    # A probability of a half.
    assert np.median(scores.together) < 1 and scores.together.min() >= 0


GOLDEN = pathlib.Path(__file__).with_name("golden") / "0.1"


def test_what_the_first_version_saved_gives_its_scores(tmp_path):
    golden = np.load(GOLDEN / "detector.npz")
    detector = Detector.load(GOLDEN / "detector.keras")
    assert detector.threshold == 12.0
    recording = read(write_record(tmp_path, golden["digital"]))
    scored, want = detector.score(recording), golden["scores"]
    scores = scored.causal_values
    assert detector.delay == 0 and np.array_equal(scored.values, scores)
    np.testing.assert_allclose(scores, want, rtol=0, atol=1e-5 * np.nanmax(want))
    watch = Watch(detector, 64)
    watch.load(GOLDEN / "watch.state")
    assert watch.done == 500
    rest = watch.push(recording.read(500, recording.length))
    np.testing.assert_allclose(rest, want[500:], rtol=0, atol=1e-5 * np.nanmax(want))


def test_one_model_from_stored_bytes_to_scores(tmp_path):
    digital = np.round(400 * np.stack([pulses(odd=(ODD,)), pulses(seed=1)], 1)).astype(int)
    recording = read(write_record(tmp_path, digital))
    detector = Detector(shapes=20).fit(recording)
    detector.save(tmp_path / "model.keras")
    model = keras.saving.load_model(tmp_path / "model.keras")
    names = [layer.name for layer in model.layers]
    assert "decode" in names and model.inputs[0].dtype == "uint8"
    raw = recording.frames(0, recording.length)[None]
    given = model([raw, *recording.packing.calibration()])
    causal, late = (keras.ops.convert_to_numpy(y)[0] for y in given)
    scores = detector.score(recording)
    assert scores.values.shape == (6000, 3)
    # Another block, another rounding.
    near = dict(rtol=0, atol=2e-3 * np.abs(scores.causal_values).max())
    np.testing.assert_allclose(causal, scores.causal_values, **near)
    np.testing.assert_allclose(late[detector.delay :], scores.values[: -detector.delay], **near)


def test_a_gap_is_scored_as_a_gap(fitted):
    detector, x = fitted
    holed = x.copy()
    holed[3000:3040] = np.nan
    holed[3050] = np.inf
    scores, before = detector.score(holed), detector.score(x)
    # Causally, a window and a step more must pass after it; else only the gap itself is none.
    missing = np.isnan(scores.causal)
    assert np.flatnonzero(missing)[[0, -1]].tolist() == [3000, 3050 + detector.settings["window"]]
    assert missing.all(where=(np.arange(6000) >= 3000) & (np.arange(6000) <= 3050))
    assert np.flatnonzero(np.isnan(scores.together)).tolist() == [*range(3000, 3040), 3050]
    assert np.array_equal(scores.causal[:3000], before.causal[:3000])
    assert np.array_equal(
        scores.values[: 3000 - detector.delay], before.values[: 3000 - detector.delay]
    )


@pytest.mark.slow
def test_a_gap_in_one_lead_leaves_the_other():
    x = np.stack([pulses(3000), pulses(3000, seed=1)], 1)
    detector = Detector(shapes=20).fit(x)
    holed = x.copy()
    holed[2000:2010, 0] = np.nan
    values = detector.score(holed).values
    assert np.isnan(values[2005, 0]) and np.isfinite(values[2005, 1])
    assert values[2005, 2] == values[2005, 1]


def test_clipped_stretches_are_reported_and_not_scored():
    x = pulses(9000)
    x[5000:5030] = 8.0
    detector = Detector(shapes=30).fit(x)
    scores = detector.score(x)
    events = find_events(scores, detector.settings["window"], 1e9)
    clipped = [(e.start, e.end) for e in events if e.kind == "clipped"]
    assert clipped == [(5000, 5030)]
    assert (scores.together[5000:5030] == 0).all()


def test_flat_stretches_are_reported_and_scored(fitted):
    detector, x = fitted
    flat = x.copy()
    flat[3000:3200] = flat[3000]
    scores = detector.score(flat)
    events = find_events(scores, detector.settings["window"], 1e9)
    assert [(e.start, e.end) for e in events if e.kind == "flat"] == [(3000, 3200)]
    assert (scores.together[3000:3200] > 0).all()


def test_threshold_is_exceeded_about_as_often_as_it_says(fitted):
    detector, _ = fitted
    window = detector.settings["window"]
    known = detector.score(pulses(60_000, seed=5)).together
    fresh = detector.score(pulses(60_000, seed=6)).together
    threshold = find_threshold(known, window, 0.01)
    blocks = fresh[: len(fresh) // window * window].reshape(-1, window).max(1)
    assert (blocks > threshold).mean() < 0.03
    assert (blocks > find_threshold(known, window, 0.3)).mean() > 0.1


def test_threshold_is_not_lifted_by_many_anomalies(rng):
    heights = 8 + rng.exponential(1, 2000)
    usual = find_threshold(heights, 1, 1e-3)
    heights[rng.random(2000) < 0.25] += 25
    found = find_threshold(heights, 1, 1e-3)
    assert usual == pytest.approx(8 + np.log(1000), rel=0.1)
    assert found == pytest.approx(usual, rel=0.1)


def test_a_level_that_was_never_there_is_seen(rng):
    x = 20 + 0.3 * rng.standard_normal(6000)
    x[4000:4300] += 2
    together = Detector().fit(x[:3500]).score(x).together
    usual = np.delete(together, np.s_[3950:4350])
    assert together[4050:4250].min() > usual.max()


def test_a_recording_that_does_not_fit_is_refused(fitted):
    detector, x = fitted
    with pytest.raises(BadInput, match="has 2 leads; the model was made for 1"):
        detector.score(np.stack([x, x], 1))
    first = Recording.from_array(x, rate=360.0, units=("mV",))
    detector = Detector(shapes=10).fit(first)
    with pytest.raises(BadInput, match="128 samples per second; the model was made for 360"):
        detector.score(Recording.from_array(x, rate=128.0, units=("mV",)))
    with pytest.raises(BadInput, match="is in uV; the model was made for mV"):
        detector.score(Recording.from_array(x, rate=360.0, units=("uV",)))


def test_what_is_no_detector_is_refused(tmp_path):
    (tmp_path / "x.keras").write_bytes(b"nothing")
    with pytest.raises(BadInput, match="not a saved detector"):
        Detector.load(tmp_path / "x.keras")


def test_areas_equal_scikit_learn(rng):
    from sklearn.metrics import average_precision_score, roc_auc_score

    positive = rng.random(500) < 0.2
    score = np.round(rng.random(500) + 0.3 * positive, 1)
    assert area_under_roc(positive, score) == pytest.approx(roc_auc_score(positive, score))
    assert average_precision(positive, score) == pytest.approx(
        average_precision_score(positive, score)
    )


def test_density_is_its_equation(rng):
    # Narrow shapes far from 0: where expanded squares would cancel.
    z, c = (7 + 0.01 * rng.standard_normal((n, 3)).astype("float32") for n in (50, 4))
    width, rest, share = (rng.uniform(*r, 4) for r in ((1e-4, 2e-4), (0.5, 1), (0.1, 0.4)))
    layer = ShapeDensity(3, 6)
    coordinates = np.concatenate([z, np.full((50, 1), 2, "float32")], 1)[None]
    energy = ((coordinates**2).sum(-1, keepdims=True) + 0.5).astype("float32")
    layer.build([coordinates.shape, energy.shape])
    layer.assign([Shapes(None, c, share, width, rest)])
    got = keras.ops.convert_to_numpy(layer([coordinates, energy]))[0, :, 0]
    z, c = z.astype("float64"), c.astype("float64")
    distance = ((z[:, None] - c) ** 2).sum(-1)
    left = energy[0].astype("float64") - (coordinates[0].astype("float64") ** 2).sum(1)[:, None]
    usual = share * (width.min() / width) ** 1.5
    want = -np.log((usual * np.exp(-distance / 2 / width - left / 4 / rest)).sum(1))
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


def test_only_public_lamina_layers_look_back(fitted):
    detector, _ = fitted
    kinds = {type(layer) for layer in detector.scorer.layers}
    assert {lamina.LagDense, lamina.Delay} <= kinds


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")  # tf2onnx
@pytest.mark.parametrize("format", ["litert", pytest.param("onnx", marks=pytest.mark.slow)])
def test_exported_step_gives_the_scores_without_keras(fitted, tmp_path, format):
    import lamina_edge

    detector, x = fitted
    path = tmp_path / f"step.{format}"
    detector.export(path, format)
    stream = lamina_edge.load(str(path), batch_size=1)
    block = x[:600].astype("float32")[None, :, None]
    got, want = np.asarray(stream.push(block))[0], detector.score(x).causal_values[:600]
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-3 * np.abs(want).max())
