"""Times in the forms of programs and countries: each beside what pandas makes of the same days."""

import numpy as np
import pandas as pd
import pytest

import lamina_detect
from tests.detect.test_tables import STAMPS, VALUES, N, noted, rows, same, signal, table

pytestmark = pytest.mark.tensorflow  # Readers know no backend: once is enough.

DAYS = pd.date_range("2018-12-20", periods=N, freq="D")
WEEKS = pd.date_range("2015-01-05", periods=N, freq="7D")
MONTHS = pd.date_range("1980-01-01", periods=N, freq="MS")
QUARTERS = pd.date_range("1920-01-01", periods=N, freq="QS")
QUARTER_HOURS = pd.date_range("2024-01-01", periods=N, freq="15min")


def stretch(form, dash):
    ends = QUARTER_HOURS + pd.Timedelta("15min")
    return [f"{a:{form}}{dash}{b:{form}}" for a, b in zip(QUARTER_HOURS, ends, strict=True)]


def iso(form, days):
    return [
        form.format(year=c[0], week=c[1], day=c[2]) for c in (d.isocalendar() for d in days.date)
    ]


FORMS = {
    "weeks": (WEEKS, iso("{year}-W{week:02}", WEEKS)),
    "weeks without a dash": (WEEKS, iso("{year}W{week:02}", WEEKS)),
    "days of weeks": (DAYS, iso("{year}-W{week:02}-{day}", DAYS)),
    "days of the year": (DAYS, DAYS.strftime("%Y-%j")),
    "quarters": (QUARTERS, [f"{d.year}-Q{d.quarter}" for d in QUARTERS]),
    "quarters first": (QUARTERS, [f"Q{d.quarter} {d.year}" for d in QUARTERS]),
    "names of months": (MONTHS, MONTHS.strftime("%B %Y")),
    "months of Excel": (MONTHS, MONTHS.strftime("%b-%y")),
    "months first": (MONTHS, MONTHS.strftime("%m/%Y")),
    "months as numbers": (MONTHS, MONTHS.strftime("%Y%m")),
    "stretches": (QUARTER_HOURS, stretch("%d.%m.%Y %H:%M", " - ")),
    "stretches with a long dash": (QUARTER_HOURS, stretch("%Y-%m-%d %H:%M", " \N{EN DASH} ")),
    "stretches of ISO": (QUARTER_HOURS, stretch("%Y-%m-%dT%H:%M:%S", "/")),
    "in brackets": (STAMPS, [f"[{t}]" for t in STAMPS]),
    "ctime": (STAMPS, STAMPS.strftime("%a %b %d %H:%M:%S %Y")),
    "years with their characters": (
        STAMPS,
        [f"{t:%Y}年{t:%m}月{t:%d}日 {t:%H:%M}" for t in STAMPS],
    ),
}
ZONED = {
    "web server": (STAMPS.tz_localize("UTC"), "%d/%b/%Y:%H:%M:%S +0000"),
    "CET": (STAMPS.tz_localize("Etc/GMT-1"), "%Y-%m-%d %H:%M:%S CET"),
    "EST": (STAMPS.tz_localize("Etc/GMT+5"), "%Y-%m-%d %H:%M:%S EST"),
}


def check(recording, days):
    assert np.allclose(signal(recording), VALUES, atol=1e-3), recording.notes
    steps = (days[1:] - days[:-1]).total_seconds()
    assert recording.rate == pytest.approx(1 / np.median(steps), rel=0.03)
    assert recording.times[0] == days[0]
    if (steps == steps[0]).all():
        assert [str(t) for t in recording.times] == [str(t) for t in days]


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_times(tmp_path, form):
    days, cells = FORMS[form]
    check(lamina_detect.read(table(tmp_path, rows(cells), "period,value")), days)


@pytest.mark.parametrize("form", ZONED)
def test_forms_of_times_with_a_zone(tmp_path, form):
    days, cells = ZONED[form]
    check(lamina_detect.read(table(tmp_path, rows(days.strftime(cells)))), days)


def test_a_week_that_is_none_is_refused(tmp_path):
    cells = iso("{year}-W{week:02}", WEEKS)
    cells[7] = "2015-W54"
    with pytest.raises(lamina_detect.BadInput, match="2015-W54"):
        lamina_detect.read(table(tmp_path, rows(cells), "week,value"))


def clock(seconds, form):
    day, rest = divmod(seconds, 86400)
    hour, rest = divmod(rest, 3600)
    minute, second = divmod(rest, 60)
    return form.format(
        days=int(day),
        hour=int(hour),
        hours=int(24 * day + hour),
        minute=int(minute),
        minutes=int(seconds // 60),
        second=second,
    )


@pytest.mark.parametrize(
    ("name", "form", "step"),
    [
        ("Time", "{minutes:02}:{second:04.1f}", 0.1),
        ("Time", "{minutes}:{second:06.3f}", 7.5),
        ("Time", "{minutes:02}:{second:02.0f}", 15),
        ("Time (mm:ss)", "{minutes:02}:{second:02.0f}", 2),
        ("Elapsed", "{hours:02}:{minute:02}:{second:02.0f}", 600),
        ("Elapsed", "{hours}:{minute:02}:{second:02.0f}", 1800),
        ("elapsed", "{days} days {hour:02}:{minute:02}:{second:02.0f}", 600),
        ("Elapsed", "{days}.{hour:02}:{minute:02}:{second:02.0f}", 600),
    ],
)
def test_times_since_the_start(tmp_path, name, form, step):
    cells = [clock(seconds, form) for seconds in np.arange(N) * step]
    same(lamina_detect.read(table(tmp_path, rows(cells), f"{name},value")), rate=1 / step)


def test_minutes_and_seconds_without_a_word_are_reported(tmp_path):
    cells = [clock(seconds, "{minutes:02}:{second:02.0f}") for seconds in np.arange(N) * 15]
    noted(lamina_detect.read(table(tmp_path, rows(cells))), "minutes and seconds", "--rate")


@pytest.mark.parametrize(("name", "first"), [("Hour", 0), ("Stunde", 0), ("HE", 1)])
def test_hours_beside_a_day(tmp_path, name, first):
    hours = pd.date_range("2024-01-01", periods=N, freq="h")
    lines = [f"{t:%Y-%m-%d},{t.hour + first},{v}" for t, v in zip(hours, VALUES, strict=True)]
    del lines[50:60]
    recording = lamina_detect.read(table(tmp_path, lines, f"Date,{name},value"))
    expected = np.r_[VALUES[:50], np.full(10, np.nan), VALUES[60:]]
    same(recording, expected, rate=1 / 3600)
    assert (recording.times == hours).all()


@pytest.mark.parametrize("name", ["FI2.PV.Quality", "flow-status", "TI101:Status"])
def test_the_quality_of_one_signal_is_none(tmp_path, name):
    recording = lamina_detect.read(
        table(tmp_path, [f"{row},192" for row in rows(STAMPS)], f"time,value,{name}")
    )
    same(recording)
    noted(recording, f"{name}: left out, a flag")


def test_exact_decimals_in_parquet(tmp_path):
    import decimal

    exact = [decimal.Decimal(str(v)) for v in VALUES]
    pd.DataFrame({"time": STAMPS, "value": exact}).to_parquet(tmp_path / "a.parquet")
    same(lamina_detect.read(tmp_path / "a.parquet"))
