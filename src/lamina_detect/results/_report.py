"""report.html: one self-contained file for people."""

import dataclasses
import html
import io
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina_detect._common import atomic_write
from lamina_detect.recordings import Read, Recording
from lamina_detect.results._events import Event
from lamina_detect.results._files import time_of
from lamina_detect.results._summary import COLUMNS, Summary

if TYPE_CHECKING:
    import matplotlib.figure

INK, SIGNAL, ALARM, SCORE = "#1b2733", "#2563a8", "#c8372d", "#7a5195"
# Alarms that are drawn; where there is none, the highest events.
MAX_ZOOMS, ZOOMS_WITHOUT_ALARM = 10, 3
# Windows that a zoom shows before the peak and after it.
ZOOM_BEFORE, ZOOM_AFTER = 5, 3
# Half of them the commonest, half the rarest, in rows of six; a share below RARE is drawn in red.
MAX_SHAPES, SHAPES_PER_ROW, RARE = 12, 6, 0.005


@dataclasses.dataclass(frozen=True)
class View:
    """What pictures are drawn from; `values(start, stop)` gives the scores of a stretch."""

    recording: Recording
    summary: Summary
    values: Read


@dataclasses.dataclass(frozen=True)
class LearnedShapes:
    """A lead's shapes as windows `(shapes, window)`, and each one's share of all windows."""

    windows: np.ndarray
    share: np.ndarray


def write_report(
    folder: pathlib.Path,
    view: View,
    events: Sequence[Event],
    shapes: Sequence[LearnedShapes],
    run: Mapping[str, Any],
) -> None:
    """Write report.html to `folder`; `shapes` are those of each lead, if they are known."""
    import jinja2

    recording = view.recording
    anomalies = [e for e in events if e.kind == "anomaly"]
    alarms = [e for e in anomalies if e.alarm]
    shown = alarms[:MAX_ZOOMS] or anomalies[:ZOOMS_WITHOUT_ALARM]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lamina_detect.results", "."), autoescape=True
    )
    page = environment.get_template("report.html.j2").render(
        run=run,
        settings=run["settings"],
        minutes=recording.length / recording.rate / 60 if recording.rate else None,
        overview=_safe(overview(view, anomalies, run["threshold"])),
        zooms=[
            {
                "event": event,
                "time": when(recording, event.peak),
                "picture": _safe(zoom(view, event, run)),
            }
            for event in shown
        ],
        shapes=[
            {"lead": lead, "picture": _safe(shape_table(learned))}
            for lead, learned in zip(view.summary.leads, shapes, strict=False)
        ],
        conditions=[
            {"event": e, "from": when(recording, e.start), "length": length(recording, e)}
            for e in events
            if e.kind != "anomaly"
        ],
        metrics=run["against_annotations"],
    )
    with atomic_write(folder / "report.html") as path:
        path.write_text(page, encoding="utf-8")


def when(recording: Recording, sample: int) -> str:
    """The time of a sample for people."""
    if recording.times is not None:
        return time_of(recording, sample)[:19]
    if not recording.rate:
        return f"sample {sample}"
    seconds = sample / recording.rate
    return f"{int(seconds // 60)}:{seconds % 60:05.2f}"


def length(recording: Recording, event: Event) -> str:
    """How long an event is, for people."""
    samples = event.end - event.start
    return f"{samples / recording.rate:.2f} s" if recording.rate else f"{samples} samples"


def overview(view: View, anomalies: Sequence[Event], threshold: float | None) -> str:
    """The whole recording as one picture."""
    figure = draw_overview(view, anomalies, threshold)
    return _svg(figure, "The whole recording with its score; triangles mark the alarms")


def draw_overview(
    view: View, anomalies: Sequence[Event], threshold: float | None
) -> "matplotlib.figure.Figure":
    """Every lead's range and the score's maximum over the whole recording."""
    recording, summary = view.recording, view.summary
    leads = len(summary.leads)
    figure, axes = _figure(leads + 1, (10, 1.5 * leads + 1.8), [1.0] * leads + [0.8])
    marks = [e.peak for e in anomalies if e.alarm]
    place, low, high = summary.signal.place, summary.signal.low, summary.signal.high
    for lead, axis in enumerate(axes[:-1]):
        axis.fill_between(place, low[:, lead], high[:, lead], color=SIGNAL, linewidth=0.6)
        top = np.nanmax(high[:, lead])
        axis.plot(marks, [top] * len(marks), "v", color=ALARM, markersize=4, clip_on=False)
        axis.set_ylabel(_label(recording, summary.leads[lead]), fontsize=8)
    axes[-1].fill_between(place, 0, summary.score.high[:, 0], color=SCORE, linewidth=0.4)
    if threshold is not None:
        axes[-1].axhline(threshold, color=ALARM, linewidth=0.8, linestyle="--")
    axes[-1].set_ylabel("score", fontsize=8)
    _time_axis(axes[-1], recording, recording.length)
    return figure


def zoom(view: View, event: Event, run: Mapping[str, Any]) -> str:
    """The signal around an event, and its score."""
    recording, window = view.recording, run["settings"]["window"]
    start = max(0, event.peak - ZOOM_BEFORE * window)
    stop = min(recording.length, event.peak + ZOOM_AFTER * window)
    inside = slice(max(start, event.start - window), min(stop, event.end))
    figure, axes = _figure(2, (5, 2.4), [1.0, 0.6])
    lead = list(recording.leads).index(event.lead)
    step = max(1, (stop - start) // COLUMNS)
    place = np.arange(start, stop, step)
    axes[0].plot(place, recording.read(start, stop)[::step, lead], color=SIGNAL, linewidth=0.9)
    axes[0].axvspan(inside.start, inside.stop, color=ALARM, alpha=0.12, linewidth=0)
    axes[0].set_ylabel(_label(recording, event.lead), fontsize=8)
    axes[1].fill_between(place, 0, view.values(start, stop)[::step, -1], color=SCORE, linewidth=0)
    if run["threshold"] is not None:
        axes[1].axhline(run["threshold"], color=ALARM, linewidth=0.8, linestyle="--")
    axes[1].set_ylabel("score", fontsize=8)
    _time_axis(axes[1], recording, stop - start)
    return _svg(figure, f"{event.lead} around sample {event.peak}")


def shape_table(learned: LearnedShapes) -> str:
    """The shapes that stand for most windows, and those that stand for fewest."""
    order = np.argsort(-learned.share, kind="stable")
    half = MAX_SHAPES // 2
    shown = [*order[:half], *order[-half:]] if len(order) > MAX_SHAPES else list(order)
    rows = -(-len(shown) // SHAPES_PER_ROW)
    figure, axes = _figure(rows, (10, 1.35 * rows), SHAPES_PER_ROW)
    highest = np.abs(learned.windows[shown]).max() * 1.05
    for axis, k in zip(axes, shown, strict=False):
        share = learned.share[k]
        axis.plot(learned.windows[k], color=SIGNAL if share > RARE else ALARM, linewidth=1.2)
        axis.set_title(f"{100 * share:.2g} %", fontsize=8, pad=2, color=INK)
        axis.set_ylim(-highest, highest)
    for axis in axes:
        axis.set_axis_off()
    return _svg(figure, "Learned shapes and how often each occurs")


def _figure(
    rows: int, size: tuple[float, float], layout: int | list[float]
) -> tuple["matplotlib.figure.Figure", list[Any]]:
    """A figure of its own (no global state): stacked with a shared axis, or a grid."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    if isinstance(layout, int):
        return figure, list(figure.subplots(rows, layout, squeeze=False).flat)
    axes = figure.subplots(rows, 1, sharex=True, height_ratios=layout, squeeze=False)[:, 0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=7, colors=INK)
        axis.margins(x=0)
    return figure, list(axes)


def _time_axis(axis: Any, recording: Recording, span: int) -> None:
    from matplotlib.ticker import FuncFormatter

    def text(sample: float, _: int | None) -> str:
        if recording.times is not None and not 0 <= round(sample) < recording.length:
            return ""
        shown = when(recording, max(0, round(sample)))
        return shown.removeprefix("sample ")[: 16 if recording.times is not None else None]

    axis.xaxis.set_major_formatter(FuncFormatter(text))
    axis.xaxis.set_major_locator(_locator(recording, span))
    unit = "time" if recording.rate or recording.times is not None else "sample"
    axis.set_xlabel(unit, fontsize=8)


def _locator(recording: Recording, span: int) -> Any:
    from matplotlib.ticker import MaxNLocator, MultipleLocator

    if recording.times is not None or not recording.rate:
        return MaxNLocator(5)
    seconds = span / recording.rate
    steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400]
    step = next((s for s in steps if seconds / s <= 8), seconds / 5)
    return MultipleLocator(step * recording.rate)


def _label(recording: Recording, lead: str) -> str:
    unit = recording.units[list(recording.leads).index(lead)]
    return f"{lead} ({unit})" if unit else lead


def _svg(figure: "matplotlib.figure.Figure", title: str) -> str:
    """The figure as an SVG element that scales with the page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    label = f' role="img" aria-label="{html.escape(title)}"'
    return re.sub(r"(?s)<metadata>.*?</metadata>", "", text.replace("<svg", "<svg" + label, 1))


def _safe(svg: str) -> str:
    import markupsafe

    return markupsafe.Markup(svg)
