"""A corpus job, part by part, in this process."""

import json
import os

import numpy as np
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from lamina_cli._app import app
from lamina_detect import BadInput, Detector, find_events, read
from lamina_detect.corpus._attempts import Attempts, forget_attempts
from lamina_detect.corpus._job import Batch, Job, Planned
from lamina_detect.corpus._lock import only_driver
from lamina_detect.corpus._page import Findings, general, spread
from lamina_detect.corpus._parts import clean, schemas, write_rows
from lamina_detect.corpus._plan import (
    MOST_BYTES,
    MOST_RECORDINGS,
    Plan,
    batches_of,
    check_same,
    write_plan,
)
from lamina_detect.corpus._source import Source
from lamina_detect.corpus._store import Store
from lamina_detect.corpus._totals import standing
from lamina_detect.corpus._worker import MODEL, Worker
from tests.detect.corpus_support import hidden, make_corpus, make_model, rows
from tests.detect.support import pulses, write_record
from tests.test_house import modules_loaded_by


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model") / MODEL)


@pytest.fixture
def worker(tmp_path, model):
    """A worker on a corpus of six recordings, with its plan."""
    source = make_corpus(tmp_path / "from", 6)
    store = Store(str(tmp_path / "out"))
    with store.new(MODEL) as path:
        path.write_bytes(model.read_bytes())
    worker = Worker(Job(str(source), store.url, False, {}, {}, "0.01", None, True))
    write_plan(store, batches_of(worker.source.planned(None)), {"source": str(source)})
    return worker


def ids(source, **how):
    return [planned.id for planned in Source(str(source)).planned(how.pop("glob", None), **how)]


@pytest.mark.parametrize("package", ["lamina_detect", "lamina_cli._app"])
def test_the_driver_loads_neither_keras_nor_a_reader(package):
    loaded = modules_loaded_by(f"import {package}; from lamina_detect import detect_corpus")
    assert not loaded & {"keras", "tensorflow", "jax", "torch", "lamina", "pyarrow", "pandas"}


def test_every_recording_once_in_the_order_of_its_path(tmp_path):
    for name in ("b.csv", "a/z.npy", "a.npy", "a-b.wav", "a/.hidden.csv", ".out/c.csv", "note.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    write_record(tmp_path / "a", np.zeros((10, 1), int), "rec")
    (tmp_path / "a/rec.atr").write_bytes(b"")
    found = ids(tmp_path)
    assert found == sorted(found) == ["a-b.wav", "a.npy", "a/rec.hea", "a/z.npy", "b.csv"]
    assert ids(tmp_path, glob="**/*.npy") == ["a.npy", "a/z.npy"]
    assert ids(tmp_path, glob="*.npy") == ["a.npy"]
    assert ids(tmp_path, without=str(tmp_path / "a")) == ["a-b.wav", "a.npy", "b.csv"]
    (record,) = Source(str(tmp_path)).planned("**/*.hea")
    assert record.files == ["rec.hea", "rec.atr", "rec.dat"] and record.size > 0


def test_a_link_to_a_folder_is_not_followed(tmp_path):
    (tmp_path / "a.npy").write_bytes(b"x")
    (tmp_path / "again").symlink_to(tmp_path)
    assert ids(tmp_path) == ["a.npy"]


def test_results_of_another_job_are_no_recordings(tmp_path):
    for name in ("a.npy", "out/manifest.parquet", "out/summary/part-x.parquet"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert ids(tmp_path) == ["a.npy"]


def test_a_link_that_leads_nowhere_is_planned_and_is_gone(tmp_path):
    (tmp_path / "a.npy").symlink_to(tmp_path / "nothing")
    source = Source(str(tmp_path))
    (planned,) = source.planned(None)
    assert planned == Planned("a.npy", ["a.npy"], 0, "")
    with pytest.raises(BadInput, match="is gone"), source.fetched(planned):
        pass


def test_a_name_that_is_no_text_is_said(tmp_path):
    (tmp_path / os.fsdecode(b"\xff.npy")).write_bytes(b"x")
    with pytest.raises(BadInput, match="not UTF-8"):
        ids(tmp_path)


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(BadInput, match="there is no such folder"):
        ids(tmp_path / "nothing")


@given(st.lists(st.integers(0, 2 * MOST_BYTES), max_size=300))
def test_batches_hold_every_recording_in_order(sizes):
    recordings = [Planned(f"{n:04}", [f"{n:04}"], size, "") for n, size in enumerate(sizes)]
    batches = list(batches_of(recordings))
    assert [p for batch in batches for p in batch.recordings] == recordings
    assert len({batch.name for batch in batches}) == len(batches)
    for batch in batches:
        assert 1 <= len(batch.recordings) <= MOST_RECORDINGS
        assert len(batch.recordings) == 1 or sum(p.size for p in batch.recordings) <= MOST_BYTES


def test_the_plan_is_read_as_it_was_written(tmp_path):
    recordings = [Planned(f"ä/{n:05}.hea", ["a.hea", "a.dat"], n, "1,2") for n in range(9000)]
    store, batches = Store(str(tmp_path)), list(batches_of(recordings))
    write_plan(store, batches, {"source": "x", "scores": True})
    plan = Plan(store)
    assert list(plan.batches()) == batches
    assert plan.size() == (9000, sum(range(9000)))
    assert plan.fingerprint() == {"source": "x", "scores": True}
    assert plan.find("ä/08999.hea") == recordings[-1]
    with pytest.raises(BadInput, match="no recording 'b'"):
        plan.find("b")


def test_another_job_on_the_same_folder_is_told_what_differs():
    with pytest.raises(BadInput, match=r"false_alarms was 0\.01, and is 0\.02 now"):
        check_same({"false_alarms": 0.01, "x": 1}, {"false_alarms": 0.02, "x": 1}, "out")
    check_same({"x": [1]}, {"x": [1]}, "out")


@pytest.mark.slow
def test_a_batch_gives_what_the_detector_gives(worker):
    for batch in Plan(worker.store).batches():
        worker.run(batch)
    detector = worker.detector
    for row in rows(worker.store.url):
        recording = read(f"{worker.source.url}/{row['id']}")
        scores = detector.score(recording)
        found = [r for r in rows(worker.store.url, "scores") if r["id"] == row["id"]]
        assert [r["sample"] for r in found] == list(range(recording.length))
        together = np.array([r["score"] for r in found], "float32")
        np.testing.assert_array_equal(together, scores.together)
        np.testing.assert_array_equal([r["lead_scores"][0] for r in found], scores.values[:, 0])
        np.testing.assert_array_equal([r["causal"] for r in found], scores.causal)
        window, threshold = detector.settings["window"], row["threshold"]
        expected = find_events(scores, window, threshold or np.inf)
        events = [r for r in rows(worker.store.url, "events") if r["id"] == row["id"]]
        assert [(e["start"], e["end"], e["peak"]) for e in events] == [
            (e.start, e.end, e.peak) for e in expected
        ]
        assert row["status"] == "ok" and row["leads"] == ["lead0"] and row["samples"] == 1500
        assert row["events"] == len(events) and row["alarms"] == sum(e["alarm"] for e in events)
    assert not hidden(worker.store.url)


@pytest.mark.slow
def test_a_batch_that_is_there_is_not_run_again(worker):
    batch = next(Plan(worker.store).batches())
    first = worker.run(batch)
    (worker.store.fs).rm(f"{worker.source.url}/{batch.recordings[0].id}")
    assert worker.run(batch) == first


@pytest.mark.slow
def test_what_cannot_be_read_is_a_row_and_an_empty_part_has_every_column(worker):
    broken = Planned("ward0/r000.npy", ["r000.npy"], 3, "")
    path = worker.source.root + "/ward0/r000.npy"
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(b"abc")
    outcome = worker.run(Batch("b", [worker.source.again(broken)]))
    assert (outcome.recordings, outcome.failed) == (1, 1)
    (row,) = rows(worker.store.url)
    assert row["status"] == "failed" and path in row["reason"] and row["samples"] == 0
    for folder in ("events", "scores"):
        part = pq.read_table(f"{worker.store.url}/{folder}/part-b.parquet")
        assert len(part) == 0 and part.schema == schemas()[folder]


@pytest.mark.slow
def test_a_recording_that_changed_since_the_plan_is_a_row_that_says_so(worker):
    batch = next(Plan(worker.store).batches())
    np.save(f"{worker.source.url}/{batch.recordings[0].id}", pulses(1600).astype("float32"))
    worker.run(batch)
    (row,) = rows(worker.store.url)
    assert row["status"] == "failed"
    assert "changed since the plan was made" in row["reason"] and "--retry-failed" in row["reason"]


@pytest.mark.slow
def test_one_that_is_gone_is_a_row_too(worker):
    batch = next(Plan(worker.store).batches())
    worker.store.fs.rm(f"{worker.source.url}/{batch.recordings[0].id}")
    worker.run(batch)
    assert "is gone" in rows(worker.store.url)[0]["reason"]


@pytest.mark.slow
def test_a_model_that_cannot_be_loaded_is_no_recordings_fault(worker):
    with worker.store.new(MODEL) as path:
        path.write_bytes(b"nothing")
    with pytest.raises(BadInput, match="not a saved detector"):
        worker.run(next(Plan(worker.store).batches()))
    assert not rows(worker.store.url)


@pytest.mark.slow
def test_a_lead_has_the_recordings_own_name(worker, tmp_path):
    table = "\n".join(["pressure", *(f"{v:.5f}" for v in pulses(1500, odd=(6,)))])
    (tmp_path / "from" / "a.csv").write_text(table)
    (planned,) = worker.source.planned("*.csv")
    worker.run(Batch("b", [planned]))
    assert rows(worker.store.url)[0]["leads"] == ["pressure"]
    assert {e["lead"] for e in rows(worker.store.url, "events")} == {"pressure"}
    assert all(worker.pictures([(planned, e) for e in rows(worker.store.url, "events")]))


def test_a_batch_is_run_one_at_a_time_after_two_deaths(tmp_path):
    store = Store(str(tmp_path))
    batch = Batch("b", [Planned(id, [id], 1, "") for id in ("good", "bad")])
    seen = []
    for _ in range(6):
        attempts = Attempts(store, batch)
        attempts.begin()
        for id in ("good", "bad"):
            if not attempts.has_crashed(id):
                attempts.begin_recording(id)
                if id == "bad":  # the worker is dead: nothing more is noted
                    break
        else:
            attempts.end()
            break
        seen.append(attempts)
    assert attempts.has_crashed("bad") and not attempts.has_crashed("good")
    assert len(seen) == 4 and not store.names(".attempts")
    Attempts(store, batch).begin()
    forget_attempts(store)
    assert not store.names(".attempts")


def test_what_killed_workers_left_is_removed(tmp_path):
    store = Store(str(tmp_path))
    for name in ("done", "half"):
        write_rows(store, "events", name, [])
    write_rows(store, "summary", "done", [])
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / ".part-x.17.parquet").write_bytes(b"PAR1")
    clean(store)
    assert store.names("events") == ["part-done.parquet"] and not store.names("scores")


def test_a_reader_of_parquet_does_not_see_half_a_part(tmp_path):
    store = Store(str(tmp_path))
    write_rows(store, "events", "done", [])
    (tmp_path / "events" / ".part-x.17.parquet").write_bytes(b"PAR1")
    assert pyarrow.dataset.dataset(tmp_path / "events").count_rows() == 0


def test_a_part_that_is_damaged_is_named(tmp_path):
    store = Store(str(tmp_path))
    (tmp_path / "summary").mkdir()
    (tmp_path / "summary" / "part-x.parquet").write_bytes(b"")
    with pytest.raises(BadInput, match=r"summary/part-x\.parquet: damaged: .* is run again"):
        standing(store)


def test_one_driver_at_a_time(tmp_path):
    store = Store(str(tmp_path))
    with only_driver(store):
        with pytest.raises(BadInput, match=f"process {os.getpid()} on .* is working there"):
            with only_driver(store):
                pass
    with only_driver(store):
        pass


def test_a_driver_on_an_object_store_says_that_it_lives(monkeypatch):
    store = Store("memory://results")
    store.fs.pipe_file(store.path(".driver.json"), b'{"host": "other", "pid": 1, "time": 0}')
    with only_driver(store):  # that one has long been dead
        assert json.loads(store.read(".driver.json"))["pid"] == os.getpid()
        with pytest.raises(BadInput, match="is working there"), only_driver(store):
            pass
    assert not store.exists(".driver.json")


def test_reasons_of_one_kind_count_together():
    assert general("/x/a1.dat: 3 bytes, not 40") == general("s3://y/b.dat: 7 bytes, not 9.5")
    assert general("a.npy: damaged") != general("a.npy: is gone")
    assert spread({0: 3, 1: 6, 4: 1, 7: 1}) == [("0", 3, 0.5), ("1", 6, 1.0), ("4 to 7", 2, 1 / 3)]


@given(st.permutations(range(40)))
def test_the_page_shows_the_highest_whatever_the_order(order):
    findings = Findings()
    event = {"alarm": True, "peak": 0, "time": "2024-01-05T00:00"}
    findings.add_events(event | {"id": f"{n:02}", "score": float(n // 2)} for n in order)
    assert [e[1] for e in findings.highest[:4]] == ["38", "39", "36", "37"]
    assert findings.days == {"2024-01-05": 40}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--from", "."], "say where the model comes from"),
        (["--from", ".", "--fit-each", "--model", "m"], "Received: model, fit_each"),
        (["--from", ".", "--fit-each", "--engine", "spark"], "must be one of local, ray"),
        (["--from", ".", "--fit-each", "--workers", "-1"], "`workers` must be a positive"),
        (["--from", ".", "--model", "none.keras"], "none.keras: cannot be read"),
        (["a.csv", "--from", "."], "a recording or --from, not both"),
        (["a.csv", "--fit-each"], "--fit-each needs --from"),
        (["a.csv", "--model", "m", "--fit", "b"], "give it or --fit, not both"),
        (["--from", "nowhere", "--fit-each"], "there is no such folder"),
        (["--from", "nosuch://a/b", "--fit-each"], "nosuch"),
    ],
)
def test_wrong_options_are_one_sentence(options, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["detect", "--out", "out", *options])
    assert result.exit_code == 2 and said in result.output
    assert "Traceback" not in result.output and result.output.count("\n") == 1


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out"
    result = CliRunner().invoke(
        app, ["detect", "--from", str(tmp_path), "--out", str(out), "--fit-each"]
    )
    assert result.exit_code == 2 and "cannot be written" in result.output


def test_nothing_to_do_is_a_job_that_is_done(tmp_path):
    (tmp_path / "from").mkdir()
    arguments = ["detect", "--from", str(tmp_path / "from"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*arguments, "--fit-each", "--json"])
    assert result.exit_code == 0 and json.loads(result.stdout)["planned"] == 0
    assert "0 recordings" in (tmp_path / "out" / "index.html").read_text()


@pytest.mark.slow
def test_report_of_a_recording(worker):
    from lamina_detect import report_recording

    plan = Plan(worker.store)
    known = {"model from": "model", "settings": {}, "reading": {}, "threshold": None}
    write_plan(
        worker.store,
        plan.batches(),
        known | {"source": worker.source.url, "scores": True, "false_alarms": "0.01"},
    )
    place = report_recording(worker.store.url, "ward0/r000.npy")
    assert place.endswith("reports/ward0/r000.npy/report.html")
    run = json.loads(worker.store.read("reports/ward0/r000.npy/run.json"))
    worker.run(next(plan.batches()))
    assert run["threshold"] == rows(worker.store.url)[0]["threshold"]
    with pytest.raises(BadInput, match="holds no results of a corpus"):
        report_recording(worker.source.url, "x")


@pytest.mark.slow
def test_a_saved_detector_scores_one_recording(model, tmp_path):
    np.save(tmp_path / "x.npy", pulses(1500, odd=(6,)))
    arguments = ["detect", str(tmp_path / "x.npy"), "--model", str(model), "--json"]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    window = json.loads(result.stdout)["settings"]["window"]
    assert window == Detector.load(model).settings["window"]
