"""What is gathered block by block is what the whole recording shows."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina_detect import Beats, Recording
from lamina_detect.results import ScoresFile, Summary, evaluate

SAMPLES = st.lists(st.sampled_from([0.0, 0.0, 1.0, 2.0, np.nan]), min_size=1, max_size=60)


def summary(x, score, cuts, window=4):
    """A summary of one lead, fed in pieces."""
    gathered = Summary(["x"], len(x), window)
    edges = [0, *sorted(min(c, len(x)) for c in cuts), len(x)]
    for start, stop in itertools.pairwise(edges):
        gathered.add(x[start:stop, None], np.stack([score[start:stop]] * 2, 1))
    return gathered.close()


def equal_runs(x, wanted, shortest):
    """`(start, end)` of runs of one value, sample by sample."""
    found, start = [], 0
    for i in range(1, len(x) + 1):
        if i == len(x) or not wanted(x[i], x[start]):
            if wanted(x[start], x[start]) and i - start >= shortest:
                found.append((start, i))
            start = i
    return found


@given(SAMPLES, st.lists(st.integers(0, 60), max_size=4))
def test_gaps_and_constant_stretches_are_those_of_the_whole(values, cuts):
    x = np.array(values)
    score = np.random.default_rng(len(x)).random(len(x))
    seen = summary(x, score, cuts)
    assert seen.gaps[0].found == equal_runs(x, lambda a, b: np.isnan(a) and np.isnan(b), 1)
    constant = equal_runs(x, lambda a, b: a == b, 5)
    assert [(run.start, run.end) for run in seen.constant[0].found] == constant
    for run in seen.constant[0].found:
        assert run.value == x[run.start] and not run.gated
        assert run.place == run.start + score[run.start : run.end].argmax()
        assert run.height == score[run.place]


@given(SAMPLES, st.lists(st.integers(0, 60), max_size=4))
def test_highest_scores_are_those_of_each_window(values, cuts):
    score = np.array(values)
    seen = summary(score, score, cuts).maxima
    for number, height in enumerate(seen.heights):
        part = np.nan_to_num(score[4 * number : 4 * number + 4])
        assert height == max(part.max(), 0)
        assert height == 0 or part[seen.places[number] - 4 * number] == height


@pytest.mark.parametrize("length", [1, 1199, 1200, 1201, 5003])
def test_envelope_holds_every_sample(length, rng):
    x = rng.standard_normal(length)
    x[length // 2] = np.inf
    seen = summary(x, x, [7, 2000, 2001]).signal
    width = seen.width
    for place, low, high in zip(seen.place, seen.low[:, 0], seen.high[:, 0], strict=True):
        part = x[place : place + width][np.isfinite(x[place : place + width])]
        want = (part.min(), part.max()) if len(part) else (np.nan, np.nan)
        np.testing.assert_equal((low, high), want)
    assert seen.place[-1] < length <= seen.place[-1] + width


def test_a_flat_stretch_inside_a_gap_of_the_score_is_given_without_a_height():
    x = np.r_[np.arange(10.0), np.full(10, 3.0), np.arange(5.0)]
    run, *_ = summary(x, np.full(25, np.nan), []).constant[0].found
    assert (run.start, run.end, run.place, run.gated) == (10, 20, -1, False)
    assert np.isnan(run.height)


def test_scores_are_read_back_from_their_file(tmp_path, rng):
    values = rng.random((1234, 3)).astype("float32")
    recording = Recording.from_array(np.zeros((1234, 2)), leads=["a", "b"])
    file = ScoresFile(tmp_path / "scores.parquet", recording, ["a", "b"], rows=100)
    for part in np.split(values, [0, 1, 150, 151, 900]):
        file.add(part, part[:, 0])
    file.close()
    for start, stop in [(0, 1234), (99, 101), (100, 200), (1233, 1234), (7, 650)]:
        assert np.array_equal(file.read(start, stop), values[start:stop])


def test_beats_are_judged_by_the_highest_score_around_them(rng):
    from sklearn.metrics import roc_auc_score

    score, places = rng.random(20_000), np.sort(rng.choice(20_000, 150, replace=False))
    marked = rng.random(150) < 0.3
    recording = Recording.from_array(np.zeros(20_000), rate=100.0, beats=Beats(places, marked))
    highest = [score[max(0, p - 25) : p + 40].max() for p in places]
    metrics = evaluate(score, recording)
    assert metrics["area_under_roc"] == pytest.approx(roc_auc_score(marked, highest))
    assert metrics["highest_score_at"] == score.argmax()
