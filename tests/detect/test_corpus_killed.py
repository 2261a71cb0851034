"""A corpus job as a user runs it, and what happens to it in a night."""

import json
import pathlib
import random
import signal
import subprocess
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.detect.corpus_support import (
    children,
    command,
    contents,
    detect,
    environment,
    hidden,
    is_alive,
    kill,
    make_corpus,
    make_model,
    parts,
    rows,
    wait_for,
    workers_of,
)
from tests.detect.support import pulses

# What dies and starts again is the engine, which knows no backend.
once = pytest.mark.tensorflow

READER = """
import os, pathlib, signal
def read(path, options):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model") / "model.keras")


@pytest.fixture
def start():
    """Start the command in the background; whatever is left of it at the end is killed."""
    begun = []

    def run(source, out, *more, **variables):
        begun.append(
            subprocess.Popen(
                command(source, out, *more),
                env=environment(**variables),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        )
        return begun[-1]

    yield run
    for process in begun:
        kill(process.pid)
        process.wait()
        process.stdout.close()


def run_with_kills(start, arguments, out, kills, seed):
    """Kill the driver or a worker at random moments, so often; then let it end."""
    rng, done = random.Random(seed), 0
    driver = start(*arguments)
    while done < kills:
        if driver.poll() is not None:
            driver = start(*arguments)
        before, wanted = parts(out), rng.choice([0, 0, 1, 2])
        wait_for(lambda: parts(out) >= before + wanted or driver.poll() is not None)  # noqa: B023
        time.sleep(rng.choice([0.0, 0.02, 0.3, 3.0]) * rng.random())
        victims = [driver.pid, *workers_of(driver.pid)]
        if driver.poll() is None and kill(rng.choice(victims)):
            done += 1
            time.sleep(0.1)
    if driver.wait() == -signal.SIGKILL:
        driver = start(*arguments)
    return driver.wait()


def check_kills(tmp_path, start, model, count, kills):
    source = make_corpus(tmp_path / "from", count)
    out, plain = tmp_path / "out", tmp_path / "plain"
    more = ["--model", model, "--workers"]
    assert run_with_kills(start, (source, out, *more, 2), out, kills, seed=kills) == 0
    assert detect(source, plain, *more, 1)[0] == 0
    ids = [row["id"] for row in rows(out)]
    assert len(ids) == len(set(ids)) == count
    assert contents(out) == contents(plain) and not hidden(out)


@once
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_three_times_and_no_row_differs(tmp_path, start, model):
    check_kills(tmp_path, start, model, count=24, kills=3)


@once
@pytest.mark.long
@pytest.mark.timeout(7200)
def test_killed_fifty_times_and_no_row_differs(tmp_path, start, model):
    check_kills(tmp_path, start, model, count=200, kills=50)


@once
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_one_that_kills_its_worker_is_crashed_and_the_others_go_on(tmp_path, model):
    source = make_corpus(tmp_path / "from", 3)
    (source / "bad.kill").write_text("x")
    package = tmp_path / "package"
    (package / "killer-1.dist-info").mkdir(parents=True)
    (package / "killer.py").write_text(READER)
    (package / "killer-1.dist-info/METADATA").write_text("Name: killer\nVersion: 1\n")
    (package / "killer-1.dist-info/entry_points.txt").write_text(
        "[lamina_detect.readers]\nkill = killer:read\n"
    )
    arguments = (source, tmp_path / "out", "--model", model, "--workers", 2)
    code, said = detect(*arguments, paths=[package])
    assert code == 3 and "1 crashed" in said
    found = {row["id"]: row for row in rows(tmp_path / "out")}
    assert len(found) == 4 and found["bad.kill"]["status"] == "crashed"
    assert "killed its worker twice" in found["bad.kill"]["reason"]
    assert [row["status"] for row in found.values()].count("ok") == 3
    began = time.monotonic()
    code, said = detect(*arguments, paths=[package])
    # Nothing is left to do, and it still says that one is missing; no worker is started.
    assert code == 3 and "1 crashed" in said
    assert time.monotonic() - began < 60
    (source / "bad.kill").unlink()
    code, said = detect(*arguments, "--retry-failed", paths=[package])
    assert code == 3 and "is gone" in next(
        row["reason"] for row in rows(tmp_path / "out") if row["id"] == "bad.kill"
    )


@once
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_what_failed_is_tried_again_as_it_is_now(tmp_path, model):
    source = make_corpus(tmp_path / "from", 4)
    broken = source / "ward0/r000.npy"
    good = broken.read_bytes()
    broken.write_bytes(b"abc")
    arguments = (source, tmp_path / "out", "--model", model, "--workers", 1, "--no-scores")
    assert detect(*arguments)[0] == 3
    page = (tmp_path / "out/index.html").read_text()
    assert "not a NumPy array" in page or "damaged" in page
    broken.write_bytes(good)
    code, said = detect(*arguments)
    assert code == 3 and "1 failed" in said  # not without being asked
    code, said = detect(*arguments, "--retry-failed")
    assert code == 0 and {row["status"] for row in rows(tmp_path / "out")} == {"ok"}
    assert not (tmp_path / "out/scores").exists()
    code, said = detect(*arguments[:-1])
    assert code == 2 and "scores was False, and is True now" in said
    code, said = detect(*arguments, "--false-alarms", "0.05")
    assert code == 2 and ", and is 0.05 now" in said


@once
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_control_c_says_where_it_stands_and_the_same_command_goes_on(tmp_path, start, model):
    source, out = make_corpus(tmp_path / "from", 400), tmp_path / "out"
    driver = start(source, out, "--model", model, "--workers", 2)
    wait_for(lambda: (out / "manifest.parquet").exists())
    code, said = detect(source, out, "--model", model)
    assert code == 2 and f"process {driver.pid} on " in said and "is working there" in said
    wait_for(lambda: parts(out) >= 2)
    for process in (driver.pid, *children(driver.pid)):  # as a terminal does, to all of them
        subprocess.run(["kill", "-INT", str(process)], check=False)
    said, _ = driver.communicate(timeout=120)
    assert driver.returncode == 130 and "of 400 recordings" in said
    assert "To go on, the same command: lamina detect --from" in said and "Traceback" not in said
    assert not hidden(out)
    code, said = detect(source, out, "--model", model, "--json")
    assert (
        code == 0 and json.loads(said[said.index("{") : said.rindex("}") + 1])["recordings"] == 400
    )


@once
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_workers_end_when_their_driver_is_gone(tmp_path, start, model):
    source, out = make_corpus(tmp_path / "from", 40), tmp_path / "out"
    driver = start(source, out, "--model", model, "--workers", 2)
    wait_for(lambda: parts(out) >= 1)
    workers = workers_of(driver.pid)
    assert len(workers) == 2
    kill(driver.pid)
    wait_for(lambda: not any(map(is_alive, workers)), seconds=30)


@once
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_full_disk_is_one_sentence_and_nothing_is_lost(tmp_path, model):
    """No file grows beyond some bytes: the system's own error, as on a full disk."""
    source, out = make_corpus(tmp_path / "from", 3, length=1500), tmp_path / "out"
    # Its scores are more than all else that is written.
    np.save(source / "z.npy", pulses(120_000, odd=(9,)).astype("float32"))
    arguments = command(source, out, "--model", model, "--workers", 1)
    limit = "import resource, sys, os; resource.setrlimit(resource.RLIMIT_FSIZE, (600_000,) * 2);"
    full = [arguments[0], "-c", f"{limit} os.execv(sys.argv[1], sys.argv[1:])", *arguments]
    done = subprocess.run(full, capture_output=True, text=True, env=environment())
    said = done.stdout + done.stderr
    assert done.returncode == 2 and "cannot be written" in said and "Traceback" not in said
    assert not hidden(out) and len(rows(out)) == 3
    assert detect(source, out, "--model", model)[0] == 0 and len(rows(out)) == 4


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    "how",
    ["--fit", pytest.param("--fit-each", marks=once), pytest.param("--fit-corpus", marks=once)],
)
def test_fitted_on_one_on_each_and_by_two_workers(tmp_path, how):
    source = make_corpus(tmp_path / "from", 3)
    usual = tmp_path / "usual.npy"
    np.save(usual, pulses(3000).astype("float32"))
    found = []
    for workers in (1, 2):
        out = tmp_path / f"out{workers}"
        options = [how, *([usual] if how == "--fit" else []), "--shapes", 20]
        code, said = detect(source, out, *options, "--workers", workers)
        assert code == 0, said
        found.append(contents(out))
    assert found[0] == found[1]
    assert (tmp_path / "out1/model.keras").exists() == (how != "--fit-each")


def queries():
    """The blocks of docs/corpus.md that ask RESULTS something."""
    from tests.test_docstrings import FENCE

    text = (pathlib.Path(__file__).parents[2] / "docs/corpus.md").read_text()
    return [code for _, code in FENCE.findall(text) if "RESULTS" in code]


@once
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_queries_of_the_docs_run(tmp_path, monkeypatch, model):
    pytest.importorskip("duckdb")
    code, said = detect(make_corpus(tmp_path / "from", 3), tmp_path / "RESULTS", "--model", model)
    assert code == 0, said
    monkeypatch.chdir(tmp_path)
    found = queries()
    assert (
        len(found) >= 2 and any("duckdb" in c for c in found) and any("pandas" in c for c in found)
    )
    for block in found:
        scope = {}
        exec(compile(block, "docs/corpus.md", "exec"), scope)
        assert len(scope["table"]) > 0
    schema = pq.read_schema(next((tmp_path / "RESULTS/scores").glob("*.parquet")))
    assert schema.names == ["id", "sample", "score", "causal", "lead_scores"]
