"""`lamina detect` from the command line."""

import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import lamina
from lamina_cli._app import app
from tests.detect.support import pulses

FILES = ["events.csv", "model.keras", "report.html", "run.json", "scores.parquet"]


def run(*arguments):
    result = CliRunner().invoke(app, ["detect", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    path = tmp_path_factory.mktemp("series") / "series.csv"
    path.write_text("value\n" + "\n".join(f"{v:.4f}" for v in pulses(3000, odd=(20,))) + "\n")
    return path


def test_writes_what_it_says(series, tmp_path):
    import pandas as pd

    result = run(series, "--out", tmp_path, "--shapes", 20, "--json")
    shown = json.loads(result.stdout)
    assert sorted(p.name for p in tmp_path.iterdir()) == FILES
    assert shown == json.loads((tmp_path / "run.json").read_text())
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    assert (
        list(scores.columns) == ["time", "score_value", "score", "causal"] and len(scores) == 3000
    )
    events = pd.read_csv(tmp_path / "events.csv")
    assert list(events.columns[:5]) == ["start", "end", "peak", "score", "lead"]
    assert events.score.iloc[0] == pytest.approx(scores.score.max(), rel=1e-4)
    assert 20 * 90 <= events.peak.iloc[0] < 22 * 90
    page = (tmp_path / "report.html").read_text()
    assert '<tr id="event-1"' in page and len(page) < 3_000_000
    assert result.stderr == ""


def test_how_the_file_was_read_stands_in_the_results(tmp_path):
    import pandas as pd

    times = pd.date_range("2024-01-05", periods=3000, freq="1min", tz="Europe/Berlin")
    rows = [f"{t.isoformat()};{v:.4f}" for t, v in zip(times, pulses(3000, odd=(20,)), strict=True)]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["Zeit;Druck", *rows[:700], *rows[760:]]).replace(".", ","))
    result = run(path, "--out", tmp_path / "out", "--shapes", 20, "--decimal", ",", "--json")
    shown, gap = json.loads(result.stdout), "60 rows are missing: a gap of 1 h"
    assert gap in shown["notes"] and shown["rate"] == pytest.approx(1 / 60)
    assert gap in (tmp_path / "out" / "report.html").read_text()
    assert shown["highest"][0]["time"].endswith("+01:00")
    events = pd.read_csv(tmp_path / "out" / "events.csv")
    assert events.time.str.endswith("+01:00").all()


def test_version_needs_no_backend():
    code = (
        "import sys; from typer.testing import CliRunner; from lamina_cli._app import app\n"
        "print(CliRunner().invoke(app, ['--version']).output.strip())\n"
        "print({'keras', 'lamina'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"lamina {lamina.__version__}", "set()"]


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("lamina det", "detect"), ("lamina detect --sha", "--shapes")],
)
def test_the_shell_completes_commands_and_options(typed, completed):
    line = {"_LAMINA_COMPLETE": "complete_bash", "COMP_WORDS": typed}
    line["COMP_CWORD"] = str(typed.count(" "))
    result = CliRunner().invoke(app, [], prog_name="lamina", env=line)
    assert result.output.split() == [completed]


@pytest.mark.slow
def test_two_runs_with_one_seed_are_equal(series, tmp_path):
    for name in ("a", "b"):
        run(series, "--out", tmp_path / name, "--shapes", 20, "--seed", 5)
    same = ["scores.parquet", "events.csv"]
    assert all((tmp_path / "a" / n).read_bytes() == (tmp_path / "b" / n).read_bytes() for n in same)


def test_demo_finds_the_labelled_event(tmp_path):
    run("--out", tmp_path)
    metrics = json.loads((tmp_path / "run.json").read_text())["against_annotations"]
    assert metrics["distance_of_highest_to_nearest_event"] <= 100


@pytest.mark.slow
def test_mean_area_under_roc_on_four_records(recordings, tmp_path):
    areas, precisions = [], []
    for record in ("106", "114", "116", "119"):
        result = json.loads(run(recordings / "mitdb" / record, "--out", tmp_path, "--json").stdout)
        areas.append(result["against_annotations"]["area_under_roc"])
        precisions.append(result["against_annotations"]["average_precision"])
    assert np.mean(areas) >= 0.99 and min(areas) >= 0.97
    assert np.mean(precisions) >= 0.95


@pytest.mark.slow
def test_the_one_ventricular_beat_of_record_100_is_among_the_ten_highest(recordings, tmp_path):
    result = json.loads(run(recordings / "mitdb" / "100", "--out", tmp_path, "--json").stdout)
    peaks = [event["peak"] for event in result["highest"][:10]]
    assert any(-90 <= peak - 546_792 <= 250 for peak in peaks)
