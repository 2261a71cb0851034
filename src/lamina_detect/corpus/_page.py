"""index.html: what the whole corpus shows, on one page for people."""

import bisect
import datetime
import html
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from lamina_detect.corpus._parts import EVENTS, OK, SUMMARY, committed
from lamina_detect.corpus._pictures import Picture
from lamina_detect.corpus._plan import Plan
from lamina_detect.corpus._process import Died, Process
from lamina_detect.corpus._store import Store
from lamina_detect.corpus._totals import outcome_of, parts_of

INDEX, REPORTS = "index.html", "reports"
# Rows that are shown of what may be many.
HIGHEST, MOST_RECORDINGS, MOST_REASONS, MOST_DAYS = 12, 15, 12, 31
# A time that begins as tables with dates give it.
DAY = re.compile(r"\d{4}-\d\d-\d\d")
EVENT_COLUMNS = "id start end peak score lead kind alarm one_in expert time".split()


class Findings:
    """What the page shows, gathered part by part: its size does not grow with the corpus."""

    def __init__(self) -> None:
        self.highest: list[tuple[float, str, int, dict[str, Any]]] = []
        self.busiest: list[tuple[float, str, float]] = []
        self.counts: Counter[int] = Counter()
        self.reasons: Counter[str] = Counter()
        self.examples: dict[str, str] = {}
        self.days: Counter[str] = Counter()

    def add_events(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Rows of events/."""
        for row in rows:
            if not row["alarm"]:
                continue
            if DAY.match(row["time"]):
                self.days[row["time"][:10]] += 1
            _keep(self.highest, (-row["score"], row["id"], row["peak"], dict(row)), HIGHEST)

    def add_recordings(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Rows of summary/."""
        for row in rows:
            if row["status"] == OK:
                self.counts[row["alarms"]] += 1
                if row["alarms"]:
                    seconds = row["samples"] / row["rate"] if row["rate"] else 0.0
                    _keep(self.busiest, (-row["alarms"], row["id"], seconds), MOST_RECORDINGS)
            else:
                reason = general(row["reason"])
                self.reasons[reason] += 1
                self.examples.setdefault(reason, row["reason"])


def _keep(entries: list, entry: tuple, most: int) -> None:
    """The first `most` entries in their order, the highest being the first."""
    if len(entries) < most or entry < entries[-1]:
        bisect.insort(entries, entry)
        del entries[most:]


def general(reason: str) -> str:
    """A reason without places and numbers: those of one kind become equal."""
    text = re.sub(r"^\S*[/.]\S*:\s*", "", reason)
    return re.sub(r"\d+(\.\d+)?", "N", text)


def gathered(store: Store) -> tuple[Findings, Any]:
    """The findings, and the sums."""
    findings, batches = Findings(), sorted(committed(store))
    total = outcome_of([])
    for _, table in parts_of(store, SUMMARY, batches):
        rows = table.to_pylist()
        total.add(outcome_of(rows))
        findings.add_recordings(rows)
    for _, table in parts_of(store, EVENTS, batches, EVENT_COLUMNS):
        findings.add_events(table.to_pylist())
    return findings, total


def write_page(store: Store, process: Process, planned: int) -> None:
    """Write index.html, and a word where reports will be that it links to."""
    import jinja2

    findings, total = gathered(store)
    events = [entry[3] for entry in findings.highest]
    for id in {event["id"] for event in events} | {id for _, id, _ in findings.busiest}:
        _promise(store, id)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lamina_detect.corpus", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("index.html.j2").render(
        where=store.url,
        source=Plan(store).fingerprint()["source"],
        made=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        planned=planned,
        total=total,
        ok=total.recordings - total.failed - total.crashed,
        length=duration(total.seconds),
        reasons=[
            (findings.examples[reason], count)
            for reason, count in findings.reasons.most_common(MOST_REASONS)
        ],
        more_reasons=max(0, len(findings.reasons) - MOST_REASONS),
        busiest=[
            (id, int(-alarms), duration(seconds), report_of(id))
            for alarms, id, seconds in findings.busiest
        ],
        counts=spread(findings.counts),
        days=sorted(findings.days.most_common(MOST_DAYS)),
        most_days=max(findings.days.values(), default=1),
        more_days=max(0, len(findings.days) - MOST_DAYS),
        events=[
            (event, picture, report_of(event["id"]), shown_time(event))
            for event, picture in zip(events, _pictures(store, process, events), strict=True)
        ],
    )
    with store.new(INDEX) as path:
        path.write_text(page, encoding="utf-8")


def _pictures(
    store: Store, process: Process, events: Sequence[Mapping[str, Any]]
) -> list[Picture | None]:
    """By a worker: reading some formats needs keras."""
    if not events:
        return []
    plan = Plan(store)
    try:
        return process.call("pictures", [(plan.find(e["id"]), dict(e)) for e in events])
    except Died:  # the page is complete without them
        return [None] * len(events)


def spread(counts: Mapping[int, int]) -> list[tuple[str, int, float]]:
    """How many recordings have how many alarms: (alarms, recordings, their part of the most)."""
    rows: Counter[tuple[int, str]] = Counter()
    for alarms, recordings in counts.items():
        # Up to three by themselves, then doubling.
        low = alarms if alarms < 4 else 1 << (alarms.bit_length() - 1)
        text = str(low) if low < 4 else f"{low:,} to {2 * low - 1:,}"
        rows[low, text] += recordings
    most = max(rows.values(), default=1)
    return [(text, n, n / most) for (_, text), n in sorted(rows.items())]


def report_of(id: str) -> str:
    """Where the report of a recording is, seen from the page."""
    return f"{REPORTS}/{quote(id)}/report.html"


def _promise(store: Store, id: str) -> None:
    """A page where the report will be, so that no link leads nowhere."""
    name = f"{REPORTS}/{id}/report.html"
    if store.exists(name):
        return
    command = html.escape(f"lamina report {store.url} {id}")
    with store.new(name) as path:
        path.write_text(
            "<!doctype html><html lang='en'><meta charset='utf-8'>"
            "<meta name='viewport' content='width=device-width'><meta name='color-scheme' "
            f"content='light dark'><title>{html.escape(id)}</title>"
            "<body style='font:16px system-ui;margin:2rem;overflow-wrap:anywhere'>"
            f"<p>This report is made on demand:</p><p><code>{command}</code></p>"
            "<p>Then load this page again.</p></body></html>\n",
            encoding="utf-8",
        )


def duration(seconds: float) -> str:
    """A length for people."""
    if not seconds:
        return ""
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:,.1f} {name}"
    return f"{seconds:.1f} s"


def shown_time(event: Mapping[str, Any]) -> str:
    """When an event was: its date, or how long after the beginning; the sample says the rest."""
    try:
        seconds = float(event["time"])
    except ValueError:
        return event["time"][:19]
    if seconds == event["peak"]:  # no rate is known
        return ""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02}:{seconds:05.2f}" if hours else f"{minutes}:{seconds:05.2f}"
