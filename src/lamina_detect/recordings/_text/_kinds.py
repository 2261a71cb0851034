"""What a single cell looks like."""

import re
from collections.abc import Sequence

from lamina_detect.recordings._markers import MARKERS

NUMBER = re.compile(
    "[+\\-\u2212]?[\\d.,'\u2019\u00a0\u2009\u202f ]*\\d[\\d.,]*([eE][+-]?\\d+)?|[+-]?inf(inity)?",
    re.I,
)
WITH_UNIT = re.compile("([+\\-\u2212]?[\\d.,]*\\d[\\d.,]*) ?([^\\W\\d_]\\S{0,7}|[%°]\\S{0,3})")
CLOCK = r"\d{1,2}:\d{2}(:\d{2}([.,:]\d+)?)?\s*([ap]\.?m\.?)?"
DAY = r"\d{1,4}\.? ?[-/. ] ?(\d{1,2}|[^\W\d]{3,9}\.?)[-/. ] ?\d{1,4}|\d{8}([T_ -]?\d{4,6})?"
TIME = re.compile(
    rf"({DAY})([T ,]+{CLOCK})?.{{0,40}}|{CLOCK}|[^\W\d]{{3,9}}\.? \d{{1,2}},? \d{{4}}.*", re.I
)
UNITS = frozenset(
    "°c degc deg_c °f degf c f k v mv uv µv μv kv a ma ua µa w kw mw kwh wh mwh var va kva hz "
    "khz mhz "
    "bar mbar hpa pa kpa mpa psi % %rh rh m mm cm km m/s km/h mph s sec ms us min h d rpm 1/min "
    "ppm ppb "
    "lux lx g kg t mg µg/m³ ug/m3 m3 m³ l ml l/min l/s m3/h m³/h db dba n kn nm j kj w/m2 w/m² "
    "° deg "
    "degrees volts volt amps amp celsius fahrenheit kelvin deg_f ohm ω pct percent counts adu "
    "ts rn "
    "smp date datetime utc local hh:mm:ss iso8601 unix epoch n/a none - g/m3 mol mmhg bpm uS/cm "
    "ph ntu "
    "yyyy-mm-dd dd.mm.yyyy mm/dd/yyyy".split()
)


def is_time(cell: str) -> bool:
    """Does the cell look like a date, a time of day, or both?"""
    return TIME.fullmatch(cell) is not None


def is_clock(cell: str) -> bool:
    """Is it a time of day alone?"""
    return re.fullmatch(CLOCK, cell, re.I) is not None


def unit_of(cell: str) -> tuple[str, str] | None:
    """A number with a known unit behind it, apart: `20.5 °C` gives `20.5` and `°C`."""
    found = WITH_UNIT.fullmatch(cell)
    if found is None or found[2].casefold().replace(" ", "_") not in UNITS:
        return None
    return found[1], found[2]


def is_data(cell: str, strict: bool = False) -> bool:
    """Could the cell be a sample: a number, a time, or, unless `strict`, a missing one?"""
    if NUMBER.fullmatch(cell) or is_time(cell) or unit_of(cell):
        return True
    return not strict and cell.casefold() in MARKERS


def looks_like_units(row: Sequence[str]) -> bool:
    """Is this a row of units: known ones, or all in brackets?"""
    cells = [cell for cell in row if cell]
    known = [c for c in cells if c.casefold().replace(" ", "_") in UNITS or _bracketed(c)]
    return bool(cells) and 2 * len(known) > len(cells) and all(len(c) <= 24 for c in cells)


def _bracketed(cell: str) -> bool:
    return re.fullmatch(r"\[.*\]|\(.*\)", cell) is not None
