"""The series on which ours loses the most to the best peer."""

import pathlib

import numpy as np

from benchmarks.detection._labelled import Series
from benchmarks.detection._run import Record, kept_scores
from benchmarks.detection._tables import table
from benchmarks.detection.methods import CAUSAL, RETROSPECTIVE, method_of

WORST = 15


def worst(ours: dict[str, Record], peer: dict[str, Record]) -> list[str]:
    """Names, the greatest loss first."""
    loss = {name: peer[name]["vus_pr"] - ours[name]["vus_pr"] for name in ours}
    return sorted((name for name in loss if loss[name] > 0), key=lambda s: -loss[s])[:WORST]


def worst_table(names: list[str], ours: dict[str, Record], peer: dict[str, Record]) -> str:
    lines = [
        (name, ours[name]["vus_pr"], peer[name]["vus_pr"], ours[name]["off"]) for name in names
    ]
    return table(["series", "ours", "best peer", "ours: peak off by"], lines)


def draw(
    names: list[str],
    rows: tuple[str, str],
    data: pathlib.Path,
    cache: pathlib.Path,
    python: str,
    out: pathlib.Path,
) -> None:
    """Each series with its labels, and below it our score and the best peer's, by rank."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    columns = 3
    high = -(-len(names) // columns)
    figure, axes = plt.subplots(2 * high, columns, figsize=(18, 3.2 * high), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for i, name in enumerate(names):
        series = Series.load(data / f"{name}.npz")
        top, below = axes[2 * (i // columns) : 2 * (i // columns) + 2, i % columns]
        top.plot(series.x, linewidth=0.4)
        top.set_title(name[:60], fontsize=8)
        for row, colour in zip(rows, ("tab:red", "tab:gray"), strict=True):
            score = _score(row, series, cache, python)
            below.plot(score, linewidth=0.5, color=colour, label=row)
        for axis in (top, below):
            axis.set_axis_on()
            axis.set_xlim(series.train, len(series.x))
            axis.fill_between(
                np.arange(len(series.y)), 0, 1, where=series.y, color="tab:orange", alpha=0.4,
                transform=axis.get_xaxis_transform(),
            )  # fmt: skip
            axis.tick_params(labelsize=6)
        below.legend(fontsize=6, loc="upper left")
    figure.tight_layout()
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, dpi=80)
    plt.close(figure)


def _score(row: str, series: Series, cache: pathlib.Path, python: str) -> np.ndarray:
    """As ranks up to 1, equal ones alike: scores of two methods have nothing else in common."""
    name, _, causal = row.partition(" (")
    found, _ = kept_scores(cache / series.digest, method_of(name, python), series)
    score = found.scores[CAUSAL if causal else RETROSPECTIVE]
    values, rank = np.unique(score, return_inverse=True)
    return (rank + 1) / len(values)
