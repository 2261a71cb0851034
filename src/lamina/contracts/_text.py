"""A report in plain text."""

from lamina.contracts._report import FAILING, Report, Result


def report_text(report: Report) -> str:
    """The causes first, each with its example and repair; then advice and the count."""
    guessed = " (guessed: give `inputs` to be sure)" if report.provisional else ""
    lines = [f"{report.target} on {report.backend}, inputs {report.inputs}{guessed}"]
    for number, cause in enumerate(report.causes, 1):
        lines += [f"{number}. {line}" for line in _paragraph(cause.root)]
        if cause.consequences:
            also = ", ".join(r.contract for r in cause.consequences)
            lines.append(f"   also broken through it: {also}")
    for result in report.results:
        if result.status in (FAILING - {"broken"}) | {"advice", "expected"}:
            lines.append(f"{result.status}: {result.contract}: {result.message}")
    lines.append(summary(report))
    return "\n".join(lines)


def summary(report: Report) -> str:
    """How many of each status, in one line."""
    counts: dict[str, int] = {}
    for result in report.results:
        counts[result.status] = counts.get(result.status, 0) + 1
    listed = ", ".join(f"{n} {status}" for status, n in counts.items())
    return f"{'ok' if report.ok else 'NOT ok'}: {listed}"


def _paragraph(result: Result) -> list[str]:
    lines = [f"{result.contract}: {result.message}"]
    if result.means:
        lines[0] += f"\n   it means: {result.means}"
    if result.hint:
        lines[0] += f"\n   repair: {result.hint}"
    if result.example:
        shown = ", ".join(f"{k}={v}" for k, v in result.example.items())
        lines[0] += f"\n   example: {shown}"
    return lines
