"""The picture of the demonstration: `python -m benchmarks.detect_picture docs/images/demo.png`."""

import sys

import lamina_detect
from lamina_detect._job import demo_path
from lamina_detect._report import draw_overview

learned, scored = (lamina_detect.read(demo_path(part)) for part in ("TRAIN", "TEST"))
detector = lamina_detect.Detector().fit(learned)
scores = detector.score(scored)
window = detector.settings["window"]
threshold = lamina_detect.find_threshold(scores.together, window)
events = lamina_detect.find_events(scores, window, threshold)
alarms = [e for e in events if e.alarm]
draw_overview(scored, scores, alarms, threshold).savefig(sys.argv[1], dpi=110)
