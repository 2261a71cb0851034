"""The picture of the demonstration.

python -m benchmarks.detection.picture docs/images/demo.png
"""

import pathlib
import sys
import tempfile

import lamina_detect
from lamina_detect import _job
from lamina_detect.recordings import demo_path
from lamina_detect.results import draw_overview, events_of, threshold_of


def draw(picture: str) -> None:
    """The overview of the demonstration's report, with its alarms, as an image file."""
    learned, scored = (lamina_detect.read(demo_path(part)) for part in ("TRAIN", "TEST"))
    detector = lamina_detect.Detector().fit(learned)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "scores.parquet"
        view, _ = _job._score(detector, scored, path, lambda done, of: None)
        threshold = threshold_of(view.summary.maxima)
        alarms = [e for e in events_of(view.summary, view.values, threshold) if e.alarm]
        draw_overview(view, alarms, threshold).savefig(picture, dpi=110)


if __name__ == "__main__":
    draw(sys.argv[1])
