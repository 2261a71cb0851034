"""The picture of the demonstration.

python -m benchmarks.detection.picture docs/images/demo.png
"""

import pathlib
import sys
import tempfile

import lamina_detect
from lamina_detect import _job
from lamina_detect._events import events_of, threshold_of
from lamina_detect._report import View, draw_overview
from lamina_detect._samples import samples_of


def draw(picture: str) -> None:
    """The overview of the demonstration's report, with its alarms, as an image file."""
    learned, scored = (lamina_detect.read(_job.demo_path(part)) for part in ("TRAIN", "TEST"))
    detector = lamina_detect.Detector().fit(learned)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "scores.parquet"
        survey, values, _ = _job._score(detector, scored, path, None)
        threshold = threshold_of(survey.highest)
        view = View(scored, survey, samples_of(scored), values)
        alarms = [e for e in events_of(survey, values, threshold) if e.alarm]
        draw_overview(view, alarms, threshold).savefig(picture, dpi=110)


if __name__ == "__main__":
    draw(sys.argv[1])
