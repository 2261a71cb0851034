"""Markdown tables of the records: by kind, over all, in pairs, and of the alarms."""

from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks.detection._run import Record, row_of
from benchmarks.detection.methods import CAUSAL, OURS

TIE = 0.01  # of VUS-PR: what seeds and sampled buffers move
COLUMNS = ("VUS-PR", "ROC", "AP", "near")


def table(columns: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(_shown, line))} |" for line in lines) + "\n"


def _shown(cell: object) -> str:
    return f"{cell:.3f}" if isinstance(cell, float) else str(cell)


def rows_of(records: Iterable[Record]) -> dict[str, dict[str, Record]]:
    """`{row: {series: record}}`, of the series that all rows have."""
    found: dict[str, dict[str, Record]] = {}
    for record in records:
        if "error" not in record:
            found.setdefault(row_of(record), {})[record["series"]] = record
    common = set.intersection(*(set(r) for r in found.values())) if found else set()
    return {row: {s: r[s] for s in sorted(common)} for row, r in sorted(found.items())}


def kinds_of(rows: dict[str, dict[str, Record]]) -> list[str]:
    return sorted({record["kind"] for records in rows.values() for record in records.values()})


def by_kind(rows: dict[str, dict[str, Record]]) -> str:
    """One table a kind, and one over all."""
    parts = []
    for kind in [*kinds_of(rows), None]:
        chosen = {row: _of_kind(records, kind) for row, records in rows.items()}
        count = len(next(iter(chosen.values())))
        head = f"### {kind or 'All'} ({count} series)\n\n"
        order = sorted(chosen, key=lambda row: -_mean(chosen[row], "vus_pr"))
        lines = [
            (row, *(_mean(chosen[row], key) for key in ("vus_pr", "roc", "ap")),
             f"{sum(r['near'] for r in chosen[row])} of {count}")
            for row in order
        ]  # fmt: skip
        parts.append(head + table(["method", *COLUMNS[:-1], "peak within 100"], lines))
    return "\n".join(parts)


def overview(rows: dict[str, dict[str, Record]]) -> str:
    """Mean VUS-PR: a column a kind, the mean over series and the mean of kinds."""
    kinds = kinds_of(rows)
    lines = []
    for row, records in rows.items():
        means = [_mean(_of_kind(records, kind), "vus_pr") for kind in kinds]
        lines.append((row, *means, _mean(records.values(), "vus_pr"), float(np.mean(means))))
    lines.sort(key=lambda line: -line[-2])
    return table(["mean VUS-PR", *kinds, "all", "mean of kinds"], lines)


def paired(rows: dict[str, dict[str, Record]]) -> str:
    """Ours less each peer of the same mode; where ours has one mode, that one beside all."""
    ours = [row for row in rows if row.startswith(OURS)]
    lines = []
    for mine in ours:
        for peer, record in rows.items():
            if peer not in ours and (len(ours) == 1 or _is_causal(peer) == _is_causal(mine)):
                lines.append((mine, peer, *difference(rows[mine], record)))
    columns = ["ours", "peer", "difference of VUS-PR", "win / tie / loss"]
    return table(columns, sorted(lines, key=lambda line: (line[0], line[2]))) if lines else ""


def difference(ours: dict[str, Record], peer: dict[str, Record]) -> tuple[str, str]:
    """`(mean and its standard error, win / tie / loss)`"""
    less = np.array([ours[s]["vus_pr"] - peer[s]["vus_pr"] for s in ours])
    error = less.std(ddof=1) / len(less) ** 0.5 if len(less) > 1 else float("nan")
    win, loss = int((less > TIE).sum()), int((less < -TIE).sum())
    return f"{less.mean():+.3f} ± {error:.3f}", f"{win} / {len(less) - win - loss} / {loss}"


def best_peer(rows: dict[str, dict[str, Record]]) -> str | None:
    """The peer with the highest mean."""
    peers = [row for row in rows if not row.startswith(OURS)]
    return max(peers, key=lambda row: _mean(rows[row].values(), "vus_pr"), default=None)


def alarms(rows: dict[str, dict[str, Record]]) -> str:
    """Each rule on each score, pooled over the series."""
    lines = []
    for row, records in rows.items():
        for rule in next(iter(records.values()))["alarms"]:
            lines.append((rule, row, *pooled([r["alarms"][rule] for r in records.values()])))
    lines.sort(key=lambda line: (line[0], line[1]))
    columns = ["rule", "score", "precision", "recall", "false in 1,000 windows", "silent series"]
    return table(columns, lines)


def pooled(counts: list[dict]) -> tuple[object, ...]:
    """Precision, recall, false alarms per 1,000 windows, and the share of series without one."""
    total = {key: sum(count[key] for count in counts) for key in counts[0]}
    right = total["alarms"] - total["false"]
    precision = right / total["alarms"] if total["alarms"] else float("nan")
    silent = sum(not count["alarms"] for count in counts) / len(counts)
    false = f"{1000 * total['false'] / total['windows']:.1f}"
    return precision, total["found"] / total["events"], false, f"{silent:.0%}"


def failures(records: Iterable[Record]) -> str:
    """What was not scored, and why; the same reason once."""
    found: dict[tuple[str, str], set[str]] = {}
    for record in records:
        if why := record.get("error") or record["note"]:
            found.setdefault((record["method"], why), set()).add(record["series"])
    lines = [(method, why, len(names), min(names)) for (method, why), names in found.items()]
    return table(["not scored by", "why", "series", "the first"], lines) if lines else ""


def _is_causal(row: str) -> bool:
    return row.endswith(f"({CAUSAL})")


def _of_kind(records: dict[str, Record], kind: str | None) -> list[Record]:
    return [r for r in records.values() if kind is None or r["kind"] == kind]


def _mean(records: Iterable[Record], key: str) -> float:
    return float(np.mean([record[key] for record in records]))
