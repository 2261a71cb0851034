"""The pictures of the report that stand still: without JavaScript, on paper, in the documents."""

import html
import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lamina_detect.recordings import Recording
from lamina_detect.results._events import Event
from lamina_detect.results._view import LearnedShapes, View
from lamina_detect.results._words import short, time_text

if TYPE_CHECKING:
    import matplotlib.figure

# Each also as a colour of the page (base.css), which follows its light or dark scheme.
INK, SIGNAL, ALARM, SCORE = "#1b2733", "#2563a8", "#c8372d", "#7a5195"
PAGE_COLOURS = {INK: "--ink", SIGNAL: "--signal", ALARM: "--alarm", SCORE: "--score"}
# Points of the overview across, for all leads together: their text is what the page pays for.
COLUMNS, ALL_COLUMNS = 600, 4800
MOST_LEADS = 12
# Half of them the commonest, half the rarest, in rows of six; a share below RARE is drawn in red.
MAX_SHAPES, SHAPES_PER_ROW, RARE = 12, 6, 0.005
# Windows around its peak, and points across, that the small picture of an event shows.
THUMB_WINDOWS, THUMB_POINTS, THUMB_WIDTH, THUMB_HEIGHT = 1.5, 120, 160, 44


def overview(view: View, events: Sequence[Event], threshold: float | None) -> str:
    """The whole recording as an SVG element: every lead's range, and the score's maximum."""
    figure = draw_overview(view, events, threshold)
    return _svg(figure, "The whole recording with its score; triangles mark the alarms")


def draw_overview(
    view: View, events: Sequence[Event], threshold: float | None
) -> "matplotlib.figure.Figure":
    """Every lead's range and the score's maximum over the whole recording."""
    recording, summary = view.recording, view.summary
    leads = min(len(summary.leads), MOST_LEADS)
    columns = min(COLUMNS, ALL_COLUMNS // leads)
    heights = [1.0] * leads + [0.9]
    figure, axes = _stack(leads + 1, (10, 1.2 * leads + 1.6), heights)
    marks = [e.peak for e in events if e.alarm]
    signal, score = summary.signal.coarser(columns), summary.score.coarser(columns)
    for lead, axis in enumerate(axes[:-1]):
        low, high = signal.low[:, lead], signal.high[:, lead]
        axis.fill_between(signal.place, low, high, color=SIGNAL, linewidth=0.6)
        # Not where there is none: an empty line that is not clipped collapses the whole figure.
        if marks:
            top = [np.nan_to_num(np.fmax.reduce(high))] * len(marks)
            axis.plot(marks, top, "v", color=ALARM, markersize=4, clip_on=False)
        axis.set_ylabel(_label(recording, summary.leads[lead]), fontsize=8, color=INK)
    highest = np.nan_to_num(score.high[:, 0])
    axes[-1].fill_between(score.place, 0, highest, color=SCORE, linewidth=0.4)
    if threshold is not None:
        axes[-1].axhline(threshold, color=ALARM, linewidth=0.8, linestyle="--")
    axes[-1].set_ylabel("score", fontsize=8, color=INK)
    axes[-1].set_ylim(0, 1.1 * max(highest.max(initial=0), threshold or 0, 1e-6))
    _time_axis(axes[-1], recording)
    return figure


def shape_table(learned: LearnedShapes) -> str:
    """The shapes that stand for most windows, and those that stand for fewest."""
    from matplotlib.figure import Figure

    order = np.argsort(-learned.share, kind="stable")
    half = MAX_SHAPES // 2
    shown = [*order[:half], *order[-half:]] if len(order) > MAX_SHAPES else list(order)
    rows = -(-len(shown) // SHAPES_PER_ROW)
    figure = Figure(figsize=(10, 1.35 * rows), layout="constrained")
    axes = list(figure.subplots(rows, SHAPES_PER_ROW, squeeze=False).flat)
    highest = np.abs(learned.windows[shown]).max() * 1.05
    for axis, k in zip(axes, shown, strict=False):
        share = learned.share[k]
        axis.plot(learned.windows[k], color=SIGNAL if share > RARE else ALARM, linewidth=1.2)
        axis.set_title(f"{100 * share:.2g} %", fontsize=8, pad=2, color=INK)
        axis.set_ylim(-highest, highest)
    for axis in axes:
        axis.set_axis_off()
    return _svg(figure, "Learned shapes and how often each occurs")


def thumb(view: View, event: Event) -> dict[str, Any]:
    """The event's lead around its peak as lines of an SVG element, and the nearest usual shape."""
    window = view.summary.window
    around = int(THUMB_WINDOWS * window)
    start = max(0, event.peak - around)
    stop = min(view.recording.length, event.peak + around)
    lead = list(view.recording.leads).index(event.lead)
    signal = view.recording.read(start, stop)[:, lead].astype("float64")
    place = np.arange(start, stop)
    lines = [(place, signal)]
    nearest = event.nearest
    shape = nearest and nearest.of(event.lead)
    if nearest and shape:
        usual = np.asarray(shape.usual, "float64")
        lines.insert(0, (nearest.start + nearest.every * np.arange(len(usual)), usual))
    every = np.concatenate([values for _, values in lines])
    low, high = np.nanmin(every, initial=np.inf), np.nanmax(every, initial=-np.inf)
    tall = max(high - low, 1e-12)
    drawn = []
    for where, values in lines:
        keep = np.unique(np.linspace(0, len(values) - 1, THUMB_POINTS).round().astype(int))
        keep = keep[np.isfinite(values[keep])]
        x = (where[keep] - start) / max(stop - start, 1) * THUMB_WIDTH
        y = (high - values[keep]) / tall * (THUMB_HEIGHT - 4) + 2
        drawn.append(" ".join(f"{a:.4g},{b:.3g}" for a, b in zip(x, y, strict=True)))
    inside = [(max(start, p) - start) / max(stop - start, 1) for p in (event.start, event.end)]
    inside = [min(1.0, part) * THUMB_WIDTH for part in inside]
    return {
        "signal": drawn[-1],
        "usual": drawn[0] if len(drawn) > 1 else "",
        "from": round(inside[0], 1),
        "wide": round(max(inside[1] - inside[0], 1.0), 1),
    }


def _stack(
    rows: int, size: tuple[float, float], heights: list[float]
) -> tuple["matplotlib.figure.Figure", list[Any]]:
    """A figure of its own (no global state): stacked, with a shared axis."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set_color(INK)
        axis.tick_params(labelsize=7, colors=INK)
        axis.margins(x=0)
        axis.patch.set_visible(False)
    figure.patch.set_visible(False)
    return figure, list(axes)


def _time_axis(axis: Any, recording: Recording) -> None:
    from matplotlib.ticker import FuncFormatter

    def text(sample: float, _: int | None) -> str:
        if recording.times is not None and not 0 <= round(sample) < recording.length:
            return ""
        shown = time_text(recording, max(0, round(sample)))
        return shown.removeprefix("sample ")[: 16 if recording.times is not None else None]

    axis.xaxis.set_major_formatter(FuncFormatter(text))
    axis.xaxis.set_major_locator(_locator(recording))
    unit = "time" if recording.rate or recording.times is not None else "sample"
    axis.set_xlabel(unit, fontsize=8, color=INK)


def _locator(recording: Recording) -> Any:
    from matplotlib.ticker import MaxNLocator, MultipleLocator

    if recording.times is not None or not recording.rate:
        return MaxNLocator(5)
    seconds = recording.length / recording.rate
    steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400]
    step = next((s for s in steps if seconds / s <= 8), seconds / 5)
    return MultipleLocator(step * recording.rate)


def _label(recording: Recording, lead: str) -> str:
    unit = recording.units[list(recording.leads).index(lead)]
    name = short(lead, 16)
    return (f"{name} ({short(unit, 10)})" if unit else name).replace("$", r"\$")


def _svg(figure: "matplotlib.figure.Figure", title: str) -> str:
    """The figure as an SVG element that scales with the page, in the page's colours."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r' (width|height)="[\d.]+pt"', "", text, count=2)
    for colour, name in PAGE_COLOURS.items():
        text = text.replace(colour, f"var({name}, {colour})")
    label = f' role="img" aria-label="{html.escape(title)}"'
    return re.sub(r"(?s)<metadata>.*?</metadata>", "", text.replace("<svg", "<svg" + label, 1))
