"""One table, written in every dialect that people's programs write: the same values come back."""

import bz2
import gzip
import io
import itertools
import lzma
import random
import zipfile

import numpy as np
import pandas as pd
import pytest

import lamina_detect

pytestmark = pytest.mark.tensorflow  # Readers know no backend: once is enough.

N = 300
STAMPS = pd.date_range("2024-03-12 22:00:00", periods=N, freq="5min")
FIRST = np.round(np.sin(np.arange(N) / 7) * 900 + 1200, 3)
SECOND = np.round(np.cos(np.arange(N) / 9) * 5 - 20, 2)

SEPARATORS = [",", ";", "\t", "|"]
DECIMALS = [".", ","]
THOUSANDS = ["", ",", ".", " ", "\u00a0", "\u202f", "'"]
TIMES = {
    "iso": lambda t: f"{t:%Y-%m-%d %H:%M:%S}",
    "iso T": lambda t: f"{t:%Y-%m-%dT%H:%M:%S}",
    "utc": lambda t: f"{t:%Y-%m-%dT%H:%M:%S}Z",
    "offset": lambda t: f"{t:%Y-%m-%dT%H:%M:%S}+01:00",
    "short offset": lambda t: f"{t:%Y-%m-%d %H:%M:%S}+0100",
    "named": lambda t: f"{t:%Y-%m-%d %H:%M:%S} UTC",
    "ms": lambda t: f"{t:%Y-%m-%d %H:%M:%S}.000",
    "slashes": lambda t: f"{t:%Y/%m/%d %H:%M}",
    "german": lambda t: f"{t:%d.%m.%Y %H:%M}",
    "german short": lambda t: f"{t:%d.%m.%y %H:%M:%S}",
    "british": lambda t: f"{t:%d/%m/%Y %H:%M:%S}",
    "american": lambda t: f"{t.month}/{t.day}/{t.year} {t:%I:%M:%S %p}",
    "month": lambda t: f"{t:%d-%b-%Y %H:%M:%S}",
    "american month": lambda t: f"{t:%b} {t.day} {t:%Y %H:%M}",
    "compact": lambda t: f"{t:%Y%m%dT%H%M%S}",
    "digits": lambda t: f"{t:%Y%m%d%H%M%S}",
    "seconds": lambda t: str(int(t.timestamp())),
    "milliseconds": lambda t: str(int(t.timestamp() * 1000)),
    "nanoseconds": lambda t: str(t.value),
    "excel": lambda t: f"{(t - pd.Timestamp('1899-12-30')) / pd.Timedelta('1D'):.9f}",
}
NAMES = ["time", "Date Time", "Zeit", "Timestamp (UTC)", "ts", "Datum/Uhrzeit"]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "latin-1", "cp1252"]
ENDS = ["\n", "\r\n", "\r"]
PREAMBLES = {
    "none": "",
    "comments": "# logger 7\n# site: north, hall 2\n",
    "lines": "Logger: T7\nSite: North\n\n",
    "excel": "sep={sep}\n",
}
PACKED = {
    "": lambda b: b,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zip": lambda b: zipped(b),
    ".zst": lambda b: zstandard(b),
}


def zipped(data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table.csv", data)
    return buffer.getvalue()


def zstandard(data):
    import pyarrow as pa

    return pa.compress(data, "zstd", asbytes=True)


def number(value, decimal, thousands, digits):
    text = f"{value:,.{digits}f}" if thousands else f"{value:.{digits}f}"
    return text.translate(str.maketrans({",": thousands, ".": decimal}))


def written(choice):
    """The bytes of the table in a dialect."""
    sep, decimal, thousands = choice["sep"], choice["decimal"], choice["thousands"]

    def cell(text):
        return f'"{text}"' if choice["quoted"] or sep in text else text

    units = "°C" if choice["encoding"] != "utf-8" else "degC"
    rows = [[choice["name"], "power", f"temp {units}"]]
    if choice["units"]:
        rows.append(["", "W", "°C"])
    for place, (t, a, b) in enumerate(zip(STAMPS, FIRST, SECOND, strict=True)):
        a = choice["missing"] if place % 50 == 10 else number(a, decimal, thousands, 3)
        rows.append([TIMES[choice["time"]](t), a, number(b, decimal, thousands, 2)])
    end = sep if choice["trailing"] else ""
    lines = [
        sep.join(map(cell, row)) + (end if i or choice["header end"] else "")
        for i, row in enumerate(rows)
    ]
    text = PREAMBLES[choice["preamble"]].format(sep=sep) + "\n".join(lines) + "\n"
    return text.replace("\n", choice["ends"]).encode(choice["encoding"])


def possible(choice):
    marks = {choice["decimal"], choice["thousands"]}
    if choice["thousands"] == choice["decimal"]:
        return False
    return choice["sep"] not in marks or choice["quoted"]


OPTIONS = {
    "sep": SEPARATORS,
    "decimal": DECIMALS,
    "thousands": THOUSANDS,
    "quoted": [False, True],
    "time": list(TIMES),
    "name": NAMES,
    "encoding": ENCODINGS,
    "ends": ENDS,
    "preamble": list(PREAMBLES),
    "packed": list(PACKED),
    "units": [False, True],
    "trailing": [False, True],
    "header end": [False, True],
    "missing": ["", "-", "NaN", "null", "No data", "Bad"],
}
PLAIN = {name: values[0] for name, values in OPTIONS.items()}


def check(choice, folder):
    path = folder / f"a.csv{choice['packed']}"
    path.write_bytes(PACKED[choice["packed"]](written(choice)))
    recording = lamina_detect.read(path)
    want = np.stack([FIRST, SECOND], 1)
    want[10::50, 0] = np.nan
    got = recording.read(0, recording.length)
    assert recording.leads[0] == "power" and len(recording.leads) == 2, choice
    assert got.shape == want.shape, choice
    assert np.allclose(got, want, atol=1e-3, equal_nan=True), choice
    assert recording.rate == pytest.approx(1 / 300, rel=1e-6), choice
    clock = pd.DatetimeIndex(recording.times).tz_localize(None)
    assert abs(clock - STAMPS).max() < pd.Timedelta("2ms"), choice
    if choice["units"]:
        assert tuple(recording.units) == ("W", "°C"), choice


ONE_BY_ONE = [PLAIN | {name: value} for name, values in OPTIONS.items() for value in values[1:]] + [
    PLAIN
]


def encodable(choice):
    try:
        written(choice)
    except UnicodeEncodeError:
        return False
    return possible(choice)


def label(choice):
    return "-".join(f"{k} {v!r}" for k, v in choice.items() if v != PLAIN[k]) or "plain"


@pytest.mark.parametrize("choice", list(filter(encodable, ONE_BY_ONE)), ids=label)
def test_a_dialect_that_differs_in_one_thing(choice, tmp_path):
    check(choice, tmp_path)


def mixtures(count, seed):
    rng = random.Random(seed)
    made = (
        {name: rng.choice(values) for name, values in OPTIONS.items()} for _ in itertools.count()
    )
    return itertools.islice(filter(encodable, made), count)


@pytest.mark.slow
def test_dialects_that_differ_in_everything(tmp_path):
    for choice in mixtures(60, seed=1):
        check(choice, tmp_path)


@pytest.mark.parametrize(
    "count", [pytest.param(300, marks=pytest.mark.slow), pytest.param(1500, marks=pytest.mark.long)]
)
def test_many_dialects_that_differ_in_everything(count, tmp_path):
    for choice in mixtures(count, seed=2):
        check(choice, tmp_path)
