"""The engine of a cluster, on a real Ray of this machine."""

import pathlib
import subprocess
import time

import pytest

from tests.detect.corpus_support import (
    command,
    contents,
    detect,
    environment,
    hidden,
    kill,
    make_corpus,
    make_model,
    parts,
    rows,
    wait_for,
)

pytest.importorskip("ray")

pytestmark = pytest.mark.tensorflow  # The engine knows no backend: once is enough.


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("model") / "model.keras")


def actors():
    """The processes of Ray that run our worker."""
    found = []
    for line in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"ray::MapWorker" in line.read_bytes():
                found.append(int(line.parent.name))
        except OSError:  # it ended
            continue
    return found


def run_with_a_kill(source, out, model, count):
    """One actor is killed when some batches are done; the job goes on by itself."""
    others = set(actors())
    more = ["--model", model, "--engine", "ray", "--workers", 2]
    driver = subprocess.Popen(
        command(source, out, *more),
        env=environment(RAY_worker_niceness="0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_for(lambda: parts(out) >= 2, seconds=500)
        mine = set(actors()) - others
        assert mine and kill(min(mine))
        said, _ = driver.communicate(timeout=900)
    finally:
        kill(driver.pid)
    assert driver.returncode == 0, said
    ids = [row["id"] for row in rows(out)]
    assert len(ids) == len(set(ids)) == count and not hidden(out)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_six_recordings_one_actor_killed(tmp_path, model):
    source = make_corpus(tmp_path / "from", 6)
    run_with_a_kill(source, tmp_path / "out", model, 6)
    assert detect(source, tmp_path / "plain", "--model", model)[0] == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "plain")
    began = time.monotonic()
    again = ["--model", model, "--engine", "ray"]
    # Nothing is left to do: no Ray is started.
    assert detect(source, tmp_path / "out", *again)[0] == 0 and time.monotonic() - began < 60


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_forty_recordings_one_actor_killed(tmp_path, model):
    source = make_corpus(tmp_path / "from", 40)
    run_with_a_kill(source, tmp_path / "out", model, 40)
    assert detect(source, tmp_path / "plain", "--model", model)[0] == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "plain")
