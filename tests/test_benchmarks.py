"""The benchmarks run, and their ratios mean what they say."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from benchmarks._pairs import Row, Spread, alone, compared, in_turn, quantity
from benchmarks._report import Report

ROOT = pathlib.Path(__file__).resolve().parents[1]
SCRIPTS = sorted(p.stem for p in (ROOT / "benchmarks").glob("[!_]*.py"))


def times_of(*seconds):
    """A timer that gives these seconds, one after the other."""
    return iter(seconds).__next__


def test_a_ratio_above_one_means_that_ours_is_faster():
    row = compared("work", lambda: 1.0, "peer", lambda: 3.0, pairs=3)
    assert row.ratio == Spread(3.0, 3.0, 3.0)


def test_pairs_are_taken_in_turn_and_who_goes_first_alternates():
    calls = []
    ours, peer = (lambda: calls.append("ours") or 1.0), (lambda: calls.append("peer") or 2.0)
    found = in_turn(ours, peer, pairs=2)
    assert found == [(1.0, 2.0), (1.0, 2.0)]
    assert calls[-4:] == ["ours", "peer", "peer", "ours"]


def test_the_ratio_is_of_each_pair_and_not_of_the_medians():
    # Two calls of each warm up; the machine slows down tenfold in the last pair.
    ours, peer = times_of(9, 9, 1, 1, 10), times_of(9, 9, 2, 2, 20)
    row = compared("work", ours, "peer", peer, pairs=3)
    assert row.ratio == Spread(2.0, 2.0, 2.0) and row.ours == Spread(1, 1, 10)


def test_a_limit_is_held_against_the_median():
    row = compared("work", lambda: 1.0, "peer", lambda: 3.0, pairs=1, at_least=4)
    assert row.met is False and row.cells()[-1] == "ratio at least 4: missed"
    assert alone("work", lambda: 1.0, 3, at_most=2.0).met is True


def test_a_peer_that_is_not_installed_is_named_with_the_reason():
    row = Row("work", None, "faiss", note="not installed (No module named 'faiss')", at_least=2)
    assert row.met is None
    assert row.cells()[2] == "faiss: not installed (No module named 'faiss')"


@pytest.mark.parametrize(
    ("seconds", "shown"), [(83.2, "83.2 s"), (0.0123, "12.3 ms"), (4e-6, "4.00 us"), (250, "250 s")]
)
def test_seconds_are_shown_with_three_digits(seconds, shown):
    assert quantity(seconds, "s") == shown


def test_the_table_is_markdown_and_the_json_names_versions_machine_and_commit(tmp_path, capsys):
    report = Report("made-up", ["work", "ours"], tmp_path)
    report.add(["sum", "1 ms"], {"work": "sum", "ours": 1e-3})
    report.write({"scipy": "1.0"}, quick=True)
    assert capsys.readouterr().out.startswith("| work | ours |\n|---|---|\n| sum | 1 ms |\n")
    check_file(tmp_path / "made-up.json")


def check_file(path):
    found = json.loads(path.read_text())
    assert found["rows"] and found["quick"] is True
    assert {"python", "keras", "backend", "numpy", "peers"} <= set(found["versions"])
    assert {"cpu", "cores", "memory_gib"} <= set(found["machine"])
    assert found["commit"] and found["date"]
    return found


@pytest.mark.slow
@pytest.mark.tensorflow
@pytest.mark.parametrize("script", SCRIPTS)
def test_the_smoke_run_of_each_script_gives_a_table(script, tmp_path):
    command = [sys.executable, "-m", f"benchmarks.{script}", "--quick", "--out", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert done.returncode == 0, done.stderr
    assert "| work | ours | peer | ratio | limit |" in done.stdout
    found = check_file(tmp_path / f"{script}-quick.json")
    assert all(set(row) == set(found["rows"][0]) for row in found["rows"])
