"""The benchmark of labelled series: its metric is TSB-AD's, and causal peers are causal."""

import json
import sys

import numpy as np
import pytest

from benchmarks.detection import __main__ as command
from benchmarks.detection import _run
from benchmarks.detection._alarms import by_rate, joined, judged, peaks
from benchmarks.detection._labelled import Series, confirming, drawn, files_of, find_length
from benchmarks.detection._metrics import Figures, stretches, vus_pr
from benchmarks.detection.methods import CAUSAL, RETROSPECTIVE
from benchmarks.detection.methods._windows import averaged, centred, ended, minus_log_p
from benchmarks.detection.methods.clusters import kmeans_ad_of_lead
from benchmarks.detection.methods.neighbours import sub_lof_of_lead
from benchmarks.detection.methods.principal import sub_pca_of_lead, t_squared_of_lead
from benchmarks.detection.methods.simple import autoregression_of_lead
from tests.detect.support import pulses


def scored(seed, length=500):
    """Labels with stretches that touch both ends or each other's buffers, and a score with ties."""
    rng = np.random.default_rng(seed)
    y = np.zeros(length, bool)
    for start in (0, *rng.integers(0, length - 40, 3), length - 4):
        y[start : start + rng.integers(1, 40)] = True
    found = y & (rng.random(length) < 0.5)
    return y, np.round(rng.standard_normal(length) + 2 * found, seed % 3)


# From TSB-AD 1.5 (PyPI), `basic_metricor().RangeAUC_volume_opt(y, score, buffer)`, its last value.
TSB_AD = [
    (0, 40, 0.28335776636069715),
    (1, 7, 0.4965712241286689),
    (2, 60, 0.5873076408717193),
    (3, 25, 0.5003076255344552),
]


@pytest.mark.parametrize(("seed", "buffer", "value"), TSB_AD)
def test_vus_pr_is_what_tsb_ad_gives(seed, buffer, value):
    y, score = scored(seed)
    assert vus_pr(y, score, buffer, buffers=None) == pytest.approx(value, abs=1e-12)
    assert vus_pr(y, score, buffer) == pytest.approx(value, abs=5e-3)


def test_vus_pr_of_a_perfect_score_is_1_and_of_a_constant_one_the_share_of_labels():
    y = np.arange(1000) // 100 == 4
    assert vus_pr(y, y.astype(float), 0) == 1
    assert vus_pr(y, np.zeros(1000), 0) == pytest.approx(0.1)


def test_the_peak_counts_as_near_up_to_100_samples():
    y = np.arange(1000) == 400
    at = [Figures.of(y, np.eye(1000)[place], 10) for place in (300, 299)]
    assert [(f.off, f.near) for f in at] == [(100, True), (101, False)]


def test_stretches_are_first_and_last_samples():
    assert stretches(np.array([1, 1, 0, 1, 0, 1], bool)) == [(0, 1), (3, 3), (5, 5)]


def test_the_window_is_the_period_and_fits_what_is_learned():
    x = np.sin(2 * np.pi * np.arange(3000) / 47)
    assert find_length(x) == 47
    assert find_length(np.linspace(0, 1, 1000)) == 125
    y = np.zeros(3000, bool)
    assert Series("A", "a", x[:, None], y, 0).window == 47
    assert Series("A", "a", x[:, None], y, 100).window == 25


def test_windows_scores_become_those_of_samples():
    score = np.array([1.0, 2.0, 6.0])
    assert averaged(score, 5, 3).tolist() == [1, 1.5, 3, 4, 6]
    assert ended(score, 5, 3).tolist() == [1, 1, 1, 2, 6]
    assert centred(score, 5, 3).tolist() == [1, 1, 2, 6, 6]


def test_minus_log_p_keeps_the_order_and_has_no_highest_value():
    score = np.random.default_rng(0).exponential(size=5000)
    p = minus_log_p(np.r_[score, 50.0], train=5000)
    assert (np.diff(p[np.argsort(np.r_[score, 50.0])]) >= 0).all()
    # An exponential's own -log p is the value itself.
    assert p[-1] == pytest.approx(50, rel=0.15)


OF_LEAD = [
    t_squared_of_lead,
    sub_pca_of_lead,
    kmeans_ad_of_lead,
    sub_lof_of_lead,
    autoregression_of_lead,
]


@pytest.mark.parametrize("score", OF_LEAD, ids=lambda score: score.__name__)
def test_a_causal_score_needs_nothing_after_the_sample(score):
    x = pulses(length=1500, period=40)
    changed = np.r_[x[:1000], 3 + x[1000:]]
    before, after = (score(x[:800], new, 40)[CAUSAL][:1000] for new in (x, changed))
    # Up to the first window's score, which fills what is before it with the lowest of all.
    assert np.allclose(before[40:], after[40:], rtol=0, atol=1e-9)


@pytest.mark.parametrize("score", OF_LEAD, ids=lambda score: score.__name__)
def test_a_peer_finds_the_odd_beat(score):
    x = pulses(length=2400, period=40, odd=(40,))
    found = score(x[:1200], x, 40)
    assert abs(int(np.argmax(found.get(RETROSPECTIVE, found[CAUSAL]))) - 1620) < 60


@pytest.mark.slow
def test_kmeans_ad_is_aeons_where_it_learns_from_as_much():
    aeon = pytest.importorskip("aeon.anomaly_detection.series.distance_based")
    x = pulses(length=1500, period=40, odd=(30,))
    peer = aeon.KMeansAD(n_clusters=20, window_size=40, stride=1, random_state=0)
    ours = kmeans_ad_of_lead(x, x, 40, starts=10, passes=300)[RETROSPECTIVE]
    assert np.allclose(ours, peer.fit_predict(x), rtol=1e-5)


def test_peaks_are_a_window_apart_and_near_ones_are_one_alarm():
    score = np.zeros(1000)
    score[[100, 105, 130, 700]] = 9, 8, 7, 10
    found = peaks(score, 20, 5)
    assert found == [100, 130, 700]
    assert joined(score, found, 20, 5) == [(100, 130), (700, 700)]


def test_a_threshold_by_rate_is_above_the_baseline_and_below_the_event():
    score = np.random.default_rng(0).exponential(size=20_000)
    score[12_000] = 40
    assert (12_000, 12_000) in by_rate(score, 50, 0)
    assert len(by_rate(score, 50, 0)) < 12  # 4 are stated for 400 windows


def test_alarms_are_right_within_half_a_window():
    y = np.zeros(1000, bool)
    y[500:520] = True
    count = judged([(490, 490), (300, 300), (531, 531)], y, 20)
    assert (count.alarms, count.false, count.found, count.events) == (3, 2, 1, 1)
    assert count.windows == 49


@pytest.fixture
def data(tmp_path):
    """Two kinds of four short series."""
    for i in range(8):
        folder = tmp_path / "data" / ("ABC-one" if i < 4 else "DEF")
        folder.mkdir(parents=True, exist_ok=True)
        x, y = pulses(length=1200, period=40, odd=(20 + i,), seed=i), np.zeros(1200, bool)
        y[(20 + i) * 40 : (21 + i) * 40] = True
        np.savez(folder / f"{i}.npz", x=x[:, None].astype("float32"), y=y, train=400 * (i % 2))
    return tmp_path / "data"


def test_every_third_series_of_a_kind_confirms_and_a_sample_has_each_kind(data):
    files = files_of(data)
    assert {p.parent.name for p in confirming(files)} == {"ABC-one", "DEF"}
    assert len(confirming(files)) == 2
    assert {p.parent.name for p in drawn(files, 2)} == {"ABC-one", "DEF"}


def test_the_command_prints_tables_and_a_second_run_scores_nothing(
    data, tmp_path, monkeypatch, capsys
):
    given = [str(data), "--methods", "T2", "median", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["benchmarks.detection", *given])
    command.main()
    shown = capsys.readouterr().out
    for part in ("### ABC (4 series)", "### All (8 series)", "| T2 (causal) |", "2 that confirm"):
        assert part in shown
    found = json.loads((tmp_path / "out" / "detection.json").read_text())
    assert len(found["rows"]) == 8 * 3 and found["commit"]

    monkeypatch.setattr(_run, "kept_scores", lambda *_: pytest.fail("scored again"))
    command.main()
    tables = [text.partition("Written to")[0] for text in (shown, capsys.readouterr().out)]
    assert tables[0] == tables[1]


def test_a_method_that_fails_is_named_and_the_others_stay(data, tmp_path, monkeypatch, capsys):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nread line; echo \"No module named 'stumpy'\" >&2; exit 1\n")
    python.chmod(0o755)
    given = [str(data), "--methods", "T2", "matrix-profile", "--sample", "2"]
    given += ["--peers", str(python), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["benchmarks.detection", *given])
    command.main()
    shown = capsys.readouterr().out
    assert "| T2 |" in shown
    assert "ModuleNotFoundError: stumpy is not installed" in shown
