"""report.html: one self-contained file for people."""

import dataclasses
import html
import io
import re
from collections.abc import Callable

import numpy as np

from lamina_detect import _output
from lamina_detect._recording import Recording
from lamina_detect._survey import Survey

INK, SIGNAL, ALARM, SCORE = "#1b2733", "#2563a8", "#c8372d", "#7a5195"
ZOOMS = 10
SHAPES_SHOWN = 12
COLUMNS = 1200


@dataclasses.dataclass(frozen=True)
class View:
    """What pictures are drawn from; `samples` and `values` are `(start, stop) -> (n, ...)`."""

    recording: Recording
    survey: Survey
    samples: Callable
    values: Callable


def write_report(folder, view, events, detector, run):
    """Write report.html to `folder`."""
    import jinja2

    recording = view.recording
    anomalies = [e for e in events if e.kind == "anomaly"]
    shown = [e for e in anomalies if e.alarm][:ZOOMS] or anomalies[:3]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lamina_detect", "."), autoescape=True
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
            {"lead": lead, "picture": _safe(shape_table(book, run["settings"]))}
            for lead, book in zip(run["leads"], detector.codebooks or [], strict=False)
        ],
        conditions=[
            {"event": e, "from": when(recording, e.start), "length": length(recording, e)}
            for e in events
            if e.kind != "anomaly"
        ],
        verdict=run["against_annotations"],
    )
    with _output.whole(folder / "report.html") as path:
        path.write_text(page, encoding="utf-8")


def when(recording, sample):
    """The time of a sample for people."""
    if recording.times is not None:
        return _output.time_of(recording, sample)[:19]
    if not recording.rate:
        return f"sample {sample}"
    seconds = sample / recording.rate
    return f"{int(seconds // 60)}:{seconds % 60:05.2f}"


def length(recording, event):
    """How long an event is, for people."""
    samples = event.end - event.start
    return f"{samples / recording.rate:.2f} s" if recording.rate else f"{samples} samples"


def overview(view, anomalies, threshold):
    """The whole recording as one picture."""
    figure = draw_overview(view, anomalies, threshold)
    return _svg(figure, "The whole recording with its score; triangles mark the alarms")


def draw_overview(view, anomalies, threshold):
    """Every lead's range and the score's maximum over the whole recording."""
    recording, survey = view.recording, view.survey
    leads = len(survey.leads)
    figure, axes = _figure(leads + 1, (10, 1.5 * leads + 1.8), [1.0] * leads + [0.8])
    marks = [e.peak for e in anomalies if e.alarm]
    place, low, high = survey.signal.place, survey.signal.low, survey.signal.high
    for lead, axis in enumerate(axes[:-1]):
        axis.fill_between(place, low[:, lead], high[:, lead], color=SIGNAL, linewidth=0.6)
        top = np.nanmax(high[:, lead])
        axis.plot(marks, [top] * len(marks), "v", color=ALARM, markersize=4, clip_on=False)
        axis.set_ylabel(_label(recording, lead), fontsize=8)
    axes[-1].fill_between(place, 0, survey.score.high[:, 0], color=SCORE, linewidth=0.4)
    axes[-1].axhline(threshold, color=ALARM, linewidth=0.8, linestyle="--")
    axes[-1].set_ylabel("score", fontsize=8)
    _time_axis(axes[-1], recording, recording.length)
    return figure


def zoom(view, event, run):
    """The signal around an event, and its score."""
    recording, window = view.recording, run["settings"]["window"]
    start = max(0, event.peak - 5 * window)
    stop = min(recording.length, event.peak + 3 * window)
    inside = slice(max(start, event.start - window), min(stop, event.end))
    figure, axes = _figure(2, (5, 2.4), [1.0, 0.6])
    lead = view.survey.leads.index(event.lead)
    step = max(1, (stop - start) // COLUMNS)
    place = np.arange(start, stop, step)
    axes[0].plot(place, view.samples(start, stop)[::step, lead], color=SIGNAL, linewidth=0.9)
    axes[0].axvspan(inside.start, inside.stop, color=ALARM, alpha=0.12, linewidth=0)
    axes[0].set_ylabel(_label(recording, lead), fontsize=8)
    axes[1].fill_between(place, 0, view.values(start, stop)[::step, -1], color=SCORE, linewidth=0)
    axes[1].axhline(run["threshold"], color=ALARM, linewidth=0.8, linestyle="--")
    axes[1].set_ylabel("score", fontsize=8)
    _time_axis(axes[1], recording, stop - start)
    return _svg(figure, f"{event.lead} around sample {event.peak}")


def shape_table(book, settings):
    """The shapes that stand for most windows, and those that stand for fewest."""
    order = np.argsort(-book.share, kind="stable")
    half = SHAPES_SHOWN // 2
    shown = [*order[:half], *order[-half:]] if len(order) > SHAPES_SHOWN else list(order)
    pictures = book.pictures()
    across = 6
    figure, axes = _figure(-(-len(shown) // across), (10, 1.35 * -(-len(shown) // across)), across)
    reach = np.abs(pictures[shown]).max() * 1.05
    for axis, k in zip(axes, shown, strict=False):
        axis.plot(pictures[k], color=SIGNAL if book.share[k] > 0.005 else ALARM, linewidth=1.2)
        axis.set_title(f"{100 * book.share[k]:.2g} %", fontsize=8, pad=2, color=INK)
        axis.set_ylim(-reach, reach)
    for axis in axes:
        axis.set_axis_off()
    return _svg(figure, "Learned shapes and how often each occurs")


def _figure(rows, size, layout):
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


def _time_axis(axis, recording, span):
    from matplotlib.ticker import FuncFormatter

    def text(sample, _):
        if recording.times is not None and not 0 <= round(sample) < recording.length:
            return ""
        shown = when(recording, max(0, round(sample)))
        return shown.removeprefix("sample ")[: 16 if recording.times is not None else None]

    axis.xaxis.set_major_formatter(FuncFormatter(text))
    axis.xaxis.set_major_locator(_locator(recording, span))
    unit = "time" if recording.rate or recording.times is not None else "sample"
    axis.set_xlabel(unit, fontsize=8)


def _locator(recording, span):
    from matplotlib.ticker import MaxNLocator, MultipleLocator

    if recording.times is not None or not recording.rate:
        return MaxNLocator(5)
    seconds = span / recording.rate
    steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400]
    step = next((s for s in steps if seconds / s <= 8), seconds / 5)
    return MultipleLocator(step * recording.rate)


def _label(recording, lead):
    unit = recording.units[lead]
    return f"{recording.leads[lead]} ({unit})" if unit else recording.leads[lead]


def _svg(figure, title):
    """The figure as an SVG element that scales with the page."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    label = f' role="img" aria-label="{html.escape(title)}"'
    return re.sub(r"(?s)<metadata>.*?</metadata>", "", text.replace("<svg", "<svg" + label, 1))


def _safe(svg):
    import markupsafe

    return markupsafe.Markup(svg)
