"""The report as people see it: opened in a browser, wide and narrow."""

import shutil
import subprocess

import numpy as np
import pytest

from lamina_detect import Recording, detect
from lamina_detect.results import time_of
from tests.detect.support import pulses, write_record

pytestmark = pytest.mark.tensorflow  # The page does not depend on the backend.

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
QUIET += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("report")
    digital = np.round(400 * np.stack([pulses(odd=(47,)), pulses(seed=1)], 1)).astype(int)
    digital[3000:3020, 0] = -2048
    detect(write_record(path, digital), path / "out", shapes=20)
    return path


def browse(folder, width, height, *more):
    page = (folder / "out" / "report.html").as_uri()
    command = [BROWSER, *QUIET, f"--user-data-dir={folder / 'profile'}", "--hide-scrollbars"]
    command += [f"--window-size={width},{height}", *more, page]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
@pytest.mark.parametrize("width", [1280, 500], ids=["laptop", "phone"])
def test_it_opens_in_a_browser(folder, width):
    from matplotlib.image import imread

    picture = folder / f"{width}.png"
    browse(folder, width, 2400, f"--screenshot={picture}")
    pixels = imread(picture)
    assert pixels.shape[1] == width
    # Pictures were drawn: the signal's blue and the alarm's red, over a good part of the page.
    rows = [np.abs(pixels[..., :3] - np.array(c) / 255).max(-1) < 0.1 for c in COLOURS]
    assert all(found.any() for found in rows)
    assert rows[0].any(1).mean() > 0.1


COLOURS = [(0x25, 0x63, 0xA8), (0xC8, 0x37, 0x2D)]


@pytest.mark.skipif(BROWSER is None, reason="no Chromium on this machine")
def test_it_says_what_was_found(folder):
    text = browse(folder, 1280, 800, "--dump-dom")
    for words in ("The whole recording", "The most unusual events", "gap", "What was run"):
        assert words in text


def test_it_is_one_small_file_without_network(folder):
    page = (folder / "out" / "report.html").read_text()
    assert len(page) < 5_000_000
    assert "<script" not in page and "<link" not in page and "@import" not in page
    assert "src=" not in page.replace('src="data:', "")


@pytest.mark.parametrize(
    ("times", "text"), [(np.array([0.0, 4196.0]), "4196"), (np.array([0.0, 0.125]), "0.125")]
)
def test_times_that_are_numbers_stand_as_numbers(times, text):
    assert time_of(Recording.from_array(np.zeros(2), times=times), 1) == text
