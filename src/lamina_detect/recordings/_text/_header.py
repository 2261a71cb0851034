"""What stands above the samples: names and units."""

import re
from collections.abc import Sequence

from lamina_detect.recordings._text._kinds import is_clock, is_data, is_time, looks_like_units
from lamina_detect.recordings._text._lines import cells_in

# Rows above the samples that may belong to the header: names, units, how it was averaged.
MOST_HEADER_ROWS = 4


def header_above(
    lines: Sequence[str], rows: Sequence[Sequence[str]], first: int, width: int, separator: str
) -> tuple[list[str] | None, list[str]]:
    """Names and units above the first sample; None where there are no names."""
    place = first - 1
    while place >= 0 and not rows[place]:
        if names := _commented_names(lines[place], separator, width):
            return names, []
        place -= 1
    above: list[Sequence[str]] = []
    while place >= 0 and len(above) < MOST_HEADER_ROWS:
        if not _may_be_header(rows[place], width, nearest=not above):
            break
        above.insert(0, _fitted(rows[place], rows[first : first + 50], width))
        place -= 1
    return _names_and_units(above, rows[first]) if above else (None, [])


def _may_be_header(row: Sequence[str], width: int, nearest: bool) -> bool:
    # One less: a separator ends each row of samples, or the row numbers have no name.
    if len(row) not in (width, width - 1) or not any(row):
        return False
    # Numbers are no names, except in the row that is nearest to the samples.
    return nearest or not any(is_data(cell, strict=True) for cell in row if cell)


def _fitted(row: Sequence[str], samples: Sequence[Sequence[str]], width: int) -> Sequence[str]:
    """A header as wide as the samples."""
    if len(row) == width:
        return row
    samples = [sample for sample in samples if len(sample) == width]
    if not any(sample[-1] for sample in samples):
        return [*row, ""]  # a separator ends each row of samples
    if width > 2 and is_clock(samples[0][1]) and not is_clock(samples[0][0]):
        return [row[0], "", *row[1:]]  # a space within the times separates too
    return ["", *row]  # the row numbers, or the times, have no name


def _names_and_units(
    above: Sequence[Sequence[str]], sample: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Of several rows above the samples, which one has the names, and which the units."""
    units = next((place for place in range(1, len(above)) if looks_like_units(above[place])), None)
    if units is not None:
        return list(above[units - 1]), [u.strip("[]() ") for u in above[units]]
    times = [c for c, cell in enumerate(sample) if is_time(cell)]
    for row in above:
        if any(re.search(r"(?i)time|date|stamp|zeit|datum", row[c]) for c in times):
            return list(row), []
    return list(above[-1]), []


def _commented_names(line: str, separator: str, width: int) -> list[str] | None:
    """The names in a comment line, if it has as many cells as the samples."""
    names = cells_in(line.lstrip().lstrip("#%/! "), separator)
    return (
        names if len(names) == width and not any(is_data(n, strict=True) for n in names) else None
    )


def unique_names(names: Sequence[str]) -> tuple[str, ...]:
    """Every column has a name of its own."""
    used: dict[str, int] = {}
    result = []
    for place, name in enumerate(names):
        name = name.strip() or f"Unnamed: {place}"
        used[name] = used.get(name, -1) + 1
        result.append(f"{name}.{used[name]}" if used[name] else name)
    return tuple(result)
