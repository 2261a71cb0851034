"""What `fit` takes from the recording that is to be scored, and what it does with several leads."""

import pathlib

import numpy as np
import pytest

from lamina_detect import BadInput, Detector
from tests.detect.support import pulses

GOLDEN = pathlib.Path(__file__).with_name("golden") / "format-2"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["experts", "rhythm"])
def test_what_the_second_format_saved_gives_its_scores(name):
    golden = np.load(GOLDEN / "scores.npz")
    detector = Detector.load(GOLDEN / f"{name}.keras")
    scores = detector.score(golden[name])
    for found, kept in ((scores.causal_values, "causal"), (scores.values, "values")):
        want = golden[f"{name}_{kept}"]
        near = dict(rtol=1e-3, atol=1e-4 * np.nanmax(want))
        np.testing.assert_allclose(found, want, **near)
    if name == "experts":
        assert detector.threshold == 4.5 and detector.settings["left_out"] == ["still"]


@pytest.mark.slow
def test_the_recording_to_score_shows_the_period_and_how_long_a_window_may_be():
    x = pulses(6000, period=90)
    short = x[:300]  # a window of its sixth, 50 samples, holds no period
    alone, told = Detector(shapes=4).fit(short), Detector(shapes=4).fit(short, x)
    assert alone.settings["window"] == 50
    assert told.settings["window"] == 300 // 4 and abs(told.settings["period"] - 90) <= 1
    with pytest.raises(BadInput, match="has 2 leads; the model was made for 1"):
        Detector().fit(x, np.stack([x, x], 1))


@pytest.mark.slow
def test_where_all_that_was_learned_is_constant_what_leaves_it_stands_out(rng):
    x = np.zeros(2000, "float32")
    x[1500:1520] = 0.5
    detector = Detector().fit(x[:800], x)
    scores = detector.score(x)
    assert 1490 <= scores.together.argmax() <= 1530
    usual = np.r_[scores.together[:1300], scores.together[1750:]]
    assert usual.max() == 0 and np.isfinite(scores.together).all()
    with pytest.raises(BadInput, match="is constant: 0 everywhere"):
        Detector().fit(x[:800])
    with pytest.raises(BadInput, match="is constant: 0 everywhere"):
        Detector().fit(x[:800], x[:1000])


def relations(length=6000, seed=0):
    """Two leads, one a quarter of a period after the other; from 4500 to 4620 it is in step."""
    rng = np.random.default_rng(seed)
    t = 2 * np.pi * np.arange(length) / 60 + 0.03 * np.cumsum(rng.standard_normal(length))
    late = np.full(length, np.pi / 2)
    late[4500:4620] = 0
    x = np.stack([np.sin(t), np.sin(t - late)], 1)
    return x + 0.05 * rng.standard_normal(x.shape)


@pytest.mark.slow
def test_a_relation_between_leads_that_breaks_is_seen():
    x = relations()
    detector = Detector().fit(x[:4000], x)
    scores = detector.score(x)
    for score in (scores.together, scores.causal):
        assert 4480 <= int(score.argmax()) <= 4700
    assert detector.explain(x, 4560)[0] == "relation"
    # Each lead by itself is as ever.
    single = Detector().fit(x[:4000, :1], x[:, :1]).score(x[:, :1]).together
    other = np.delete(single, np.s_[4400:4800])
    assert single[4530:4590].max() < other.max()


@pytest.mark.slow
def test_a_relation_is_no_score_where_a_lead_has_a_gap():
    x = relations()
    detector = Detector().fit(x[:4000], x)
    x[5000:5010, 0] = np.nan
    scores = detector.score(x)
    assert np.isfinite(scores.values[5030:5100, 1]).all()
    assert scores.values[5030:5100, 1].max() < scores.values[4500:4620, 1].max()


@pytest.mark.slow
def test_two_scores_of_several_leads_are_streamed_to_the_bit():
    x = relations(5000).astype("float32")
    detector = Detector(shapes=20).fit(x[:3000], x)
    offline, stream = detector.score(x), detector.stream()
    pushed = [stream.push(part[None]) for part in np.array_split(x, [7, 1000, 1001, 4500])]
    assert np.array_equal(np.concatenate([p.causal for p in pushed]), offline.causal_values)
    late = np.concatenate([*(p.retrospective for p in pushed), stream.finish()])
    assert np.array_equal(late, offline.values)
