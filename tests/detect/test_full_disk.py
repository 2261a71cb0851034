"""A disk that is full: one clear line, and what was there before is still complete."""

import pathlib

import numpy as np
import pytest
from typer.testing import CliRunner

from lamina_cli._app import app
from lamina_detect import BadInput, Detector, Watch
from lamina_detect._common import atomic_write
from tests.detect.support import pulses

SMALL = 4096


@pytest.fixture(scope="module")
def detector():
    return Detector(shapes=20).fit(pulses(3000))


@pytest.fixture
def full_disk(monkeypatch):
    """No file grows beyond SMALL bytes: the system's own error, as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_result_appears_complete_or_not_at_all(tmp_path, full_disk):
    np.save(tmp_path / "x.npy", pulses(400))
    result = CliRunner().invoke(
        app, ["detect", str(tmp_path / "x.npy"), "--out", str(tmp_path / "out"), "--shapes", "20"]
    )
    assert result.exit_code == 2
    assert "cannot be written" in result.output and "Traceback" not in result.output
    assert [p for p in (tmp_path / "out").iterdir() if p.stat().st_size >= SMALL] == []
    assert not list((tmp_path / "out").glob(".*"))


def test_a_saved_model_stays_when_the_next_does_not_fit(tmp_path, detector, full_disk):
    path = pathlib.Path(tmp_path / "model.keras")
    path.write_bytes(b"the one before")
    with pytest.raises(BadInput, match=r"model\.keras: cannot"), atomic_write(path) as temporary:
        detector.save(temporary)
    assert path.read_bytes() == b"the one before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_state_stays_when_the_next_does_not_fit(tmp_path, detector, full_disk):
    path = tmp_path / "state"
    path.write_bytes(b"the one before")
    with pytest.raises(BadInput, match="state: cannot be written"):
        Watch(detector, 64).save(path)
    assert path.read_bytes() == b"the one before"
    assert list(tmp_path.iterdir()) == [path]
