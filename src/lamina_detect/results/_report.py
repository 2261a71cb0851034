"""report.html: one self-contained file for people."""

import base64
import hashlib
import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from lamina_detect._common import atomic_write
from lamina_detect.results._events import Event
from lamina_detect.results._files import plain
from lamina_detect.results._page_data import page_data
from lamina_detect.results._pictures import overview, shape_table, thumb
from lamina_detect.results._view import Command, LearnedShapes, View
from lamina_detect.results._words import (
    length_text,
    one_in_text,
    rate_text,
    short,
    span_text,
    time_text,
)

ASSETS = pathlib.Path(__file__).parent / "assets"
# In the order in which they are joined: each uses what stands before it.
SCRIPTS = (
    "words", "clock", "data", "rule", "marks", "view", "plots", "drawn", "overview", "threshold",
    "table", "pointer", "main",
)  # fmt: skip
# Events that have a small picture in the table, and those that stand in it without JavaScript.
MAX_THUMBS, MAX_ROWS = 100, 200
MAX_CONDITIONS = 200
# So much above a tenth (`quality_of`) is said to people.
NOT_ALIKE = 0.3


def write_report(
    folder: pathlib.Path,
    view: View,
    events: Sequence[Event],
    shapes: Sequence[LearnedShapes],
    run: Mapping[str, Any],
    command: Command,
) -> None:
    """Write report.html to `folder`.

    Args:
        folder: Where.
        view: What is drawn.
        events: As in events.csv.
        shapes: Those of each lead, if they are known.
        run: What run.json holds.
        command: That gives this result again.
    """
    import jinja2
    import markupsafe

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lamina_detect.results", "assets"), autoescape=True
    )
    environment.filters["short"] = short
    library = asset("uplot/uPlot.iife.min.js")
    script = joined_script()
    page = environment.get_template("report.html.j2").render(
        _context(view, events, shapes, run),
        data=markupsafe.Markup(json_for_script(page_data(view, events, run, command))),
        style=markupsafe.Markup(
            asset("uplot/uPlot.min.css") + asset("base.css") + asset("report.css")
        ),
        library=markupsafe.Markup(library),
        licence=asset("uplot/LICENSE"),
        script=markupsafe.Markup(script),
        hashes=" ".join(script_hash(text) for text in (library, script)),
    )
    with atomic_write(folder / "report.html") as path:
        path.write_text(page, encoding="utf-8")


def asset(name: str) -> str:
    """A file of this package's assets, as text."""
    return (ASSETS / name).read_text(encoding="utf-8")


def joined_script() -> str:
    """The page's own script: its files, in one scope."""
    parts = "\n".join(asset(f"report/{name}.js") for name in SCRIPTS)
    return f'(() => {{\n"use strict";\n{parts}\n}})();\n'


def script_hash(text: str) -> str:
    """By which the page's policy allows this script, and no other."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def json_for_script(value: Any) -> str:
    """Strict JSON that no text in it can end the script element of."""
    text = json.dumps(plain(value), allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _context(
    view: View, events: Sequence[Event], shapes: Sequence[LearnedShapes], run: Mapping[str, Any]
) -> dict[str, Any]:
    import markupsafe

    recording = view.recording
    anomalies = [e for e in events if e.kind == "anomaly"]
    conditions = [e for e in events if e.kind != "anomaly"]
    return {
        "run": run,
        "facts": _facts(view),
        "settings": _shown_settings(run["settings"]),
        "rows": [_row(view, number, event) for number, event in enumerate(anomalies[:MAX_ROWS], 1)],
        "more": max(0, len(anomalies) - MAX_ROWS),
        "overview": markupsafe.Markup(overview(view, anomalies, run["threshold"])),
        "shapes": [
            {"lead": lead, "picture": markupsafe.Markup(shape_table(learned))}
            for lead, learned in zip(view.summary.leads, shapes, strict=False)
        ],
        "conditions": [
            {
                "event": e,
                "from": time_text(recording, e.start),
                "length": length_text(recording, e.end - e.start),
            }
            for e in conditions[:MAX_CONDITIONS]
        ],
        "condition_count": len(conditions),
        "quality": _quality(view, run),
        "metrics": run["against_annotations"],
    }


def _facts(view: View) -> list[str]:
    """What the recording is, in a few words each."""
    recording = view.recording
    leads = len(view.summary.leads)
    named = ", ".join(short(name, 20) for name in view.summary.leads[:4])
    found = [f"{leads} leads: {named}{', …' if leads > 4 else ''}" if leads > 1 else named]
    if recording.rate:
        found += [span_text(recording.length / recording.rate), rate_text(recording.rate)]
    return [*found, f"{recording.length:,} samples"]


def _row(view: View, number: int, event: Event) -> dict[str, Any]:
    return {
        "number": number,
        "event": event,
        "time": time_text(view.recording, event.peak),
        "length": length_text(view.recording, event.end - event.start),
        "one_in": one_in_text(event.one_in),
        "thumb": thumb(view, event) if number <= MAX_THUMBS else None,
    }


def _quality(view: View, run: Mapping[str, Any]) -> dict[str, Any] | None:
    quality = run.get("quality")
    if quality is None:
        return None
    missing = [
        (lead, part)
        for lead, part in zip(view.summary.leads, quality["missing"], strict=True)
        if part > 0
    ]
    above = quality["above"]
    return {
        **quality,
        "missing_leads": missing,
        "learned_length": length_text(view.recording, quality["learned_samples"]),
        "worst": max(above, default=0.0),
        "alike": max(above, default=0.0) < NOT_ALIKE,
    }


def _shown_settings(settings: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        for name, value in settings.items()
    }
