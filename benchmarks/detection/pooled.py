"""Fitted on each recording, on all of a kind together, and on all but the one that is scored.

    python -m benchmarks.detection.pooled DATA [--most 3] [--samples 60000] [--kinds KIND ...]

DATA holds `mitdb/` (WFDB records with beats) and `series/KIND/NAME.npz`. Of each kind its first
series, of each record its first samples. Series: VUS-PR of the retrospective score, after the
training part where there is one. Records: area under ROC a beat, of the causal score.
"""

import argparse
import dataclasses
import pathlib
from collections.abc import Callable, Sequence

import numpy as np

from benchmarks.detection._labelled import Series
from benchmarks.detection._metrics import vus_pr
from lamina_detect import BadInput, Detector, Recording, read
from lamina_detect.results import evaluate

RECORDS = ("106", "114", "116", "119")


@dataclasses.dataclass(frozen=True)
class Case:
    """What is learned from, and how well a detector does on the whole."""

    learned: Recording
    judge: Callable[[Detector], float]


def record_case(path: pathlib.Path, samples: int) -> Case:
    whole = read(path)
    short = dataclasses.replace(whole, length=min(samples, whole.length), packing=None)

    def judge(detector: Detector) -> float:
        found = evaluate(detector.score(short).causal, short)
        return float(found["area_under_roc"]) if found else float("nan")

    return Case(short, judge)


def series_case(series: Series) -> Case:
    def recording(x: np.ndarray) -> Recording:
        return Recording.from_array(x.astype("float32"), name=series.name)

    def judge(detector: Detector) -> float:
        score = np.nan_to_num(detector.score(recording(series.x)).together)
        return vus_pr(series.y[series.train :], score[series.train :], series.buffer)

    return Case(recording(series.learned), judge)


def cases(data: pathlib.Path, most: int, samples: int, kinds: Sequence[str]) -> dict:
    """`{kind: its cases}`, those kinds that have several."""
    found = {"ECG records": [record_case(data / "mitdb" / r, samples) for r in RECORDS]}
    for folder in sorted(p for p in (data / "series").iterdir() if p.is_dir()):
        if not kinds or folder.name in kinds:
            paths = sorted(folder.glob("*.npz"))[:most]
            found[folder.name] = [series_case(Series.load(path)) for path in paths]
    return {kind: own for kind, own in found.items() if len(own) > 1}


def figure(case: Case, learned: Recording | Sequence[Recording]) -> float:
    """NaN where nothing could be learned or scored."""
    try:
        return case.judge(Detector().fit(learned))
    except BadInput as error:
        print(f"  {case.learned.name}: {error}", flush=True)
        return float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--most", type=int, default=3, help="series of a kind (%(default)s)")
    parser.add_argument("--samples", type=int, default=60_000, help="of a record (%(default)s)")
    parser.add_argument("--kinds", nargs="*", default=())
    options = parser.parse_args()
    print("| kind | series | each | all | all but it |\n|---|---|---|---|---|", flush=True)
    for kind, own in cases(options.data, options.most, options.samples, options.kinds).items():
        each = [figure(case, case.learned) for case in own]
        together = Detector()
        everything = [case.learned for case in own]
        try:
            together.fit(everything)
            both = [case.judge(together) for case in own]
        except BadInput as error:
            print(f"  {kind}: {error}", flush=True)
            both = [float("nan")]
        rest = [figure(case, [o.learned for o in own if o is not case]) for case in own]
        row = [f"{np.nanmean(values):.3f}" for values in (each, both, rest)]
        print(f"| {kind} | {len(own)} | " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
