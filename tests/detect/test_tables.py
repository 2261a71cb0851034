"""Tables as loggers, historians and spreadsheets write them: times, gaps, columns, series."""

import numpy as np
import pandas as pd
import pytest

import lamina_detect

pytestmark = pytest.mark.tensorflow  # Readers know no backend: once is enough.

N = 400
VALUES = np.round(np.sin(np.arange(N) / 7) * 10 + 20, 3)
STAMPS = pd.date_range("2024-03-01 00:00:00", periods=N, freq="5min")


def table(folder, rows, header="time,value", name="a.csv"):
    path = folder / name
    path.write_text("\n".join([*([header] if header else []), *rows]) + "\n", encoding="utf-8")
    return path


def rows(times, values=VALUES):
    return [f"{t},{v}" for t, v in zip(times, values, strict=True)]


def signal(recording):
    return recording.read(0, recording.length)[:, 0]


def same(recording, values=VALUES, rate=1 / 300):
    assert len(recording.leads) == 1, recording.leads
    assert np.allclose(signal(recording), values, atol=1e-3, equal_nan=True)
    assert recording.rate == (rate and pytest.approx(rate, rel=1e-6))


def noted(recording, *parts):
    text = "\n".join(recording.notes)
    for part in parts:
        assert part in text, text


def refused(path, *parts, **options):
    with pytest.raises(lamina_detect.BadInput) as caught:
        lamina_detect.read(path, **options)
    text = str(caught.value)
    assert "\n" not in text
    for part in parts:
        assert part in text, text


def test_the_zone_of_the_times_is_kept(tmp_path):
    zoned = STAMPS.tz_localize("America/New_York")
    recording = lamina_detect.read(table(tmp_path, rows(t.isoformat() for t in zoned)))
    same(recording)
    assert str(recording.times[0]) == "2024-03-01 00:00:00-05:00"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Los_Angeles"])
def test_offsets_that_change_with_daylight_saving(tmp_path, zone):
    start = {"Europe/Berlin": "2024-03-30 20:00", "America/Los_Angeles": "2024-11-02 20:00"}[zone]
    zoned = pd.date_range(start, periods=N, freq="5min", tz=zone)
    recording = lamina_detect.read(table(tmp_path, rows(t.isoformat() for t in zoned)))
    same(recording)
    assert [str(t) for t in recording.times] == [str(t) for t in zoned]


def test_both_readings_of_a_date_are_reported(tmp_path):
    few = STAMPS[:200]
    path = table(tmp_path, rows([f"{t:%d/%m/%Y %H:%M}" for t in few], VALUES[:200]))
    recording = lamina_detect.read(path)
    noted(recording, "day first", "--dates mdy")
    assert lamina_detect.read(path, dates="mdy").times[0] == pd.Timestamp("2024-01-03")


@pytest.mark.parametrize(
    ("form", "name"),
    [("%Y-%m-%d,%H:%M:%S", "Date,Time"), ("%d.%m.%Y,%H:%M", "Datum,Uhrzeit")],
)
def test_days_and_times_of_day_in_two_columns(tmp_path, form, name):
    recording = lamina_detect.read(table(tmp_path, rows(STAMPS.strftime(form)), f"{name},value"))
    same(recording)
    assert recording.times[13] == STAMPS[13] and not recording.notes


def test_year_month_day_and_hour_in_columns(tmp_path):
    hours = pd.date_range("2024-02-27", periods=N, freq="1h")
    lines = [
        f"{i},{t.year},{t.month},{t.day},{t.hour},{v}"
        for i, (t, v) in enumerate(zip(hours, VALUES, strict=True), 1)
    ]
    recording = lamina_detect.read(table(tmp_path, lines, "No,year,month,day,hour,pm2.5"))
    same(recording, rate=1 / 3600)
    assert recording.times[30] == hours[30]


def test_local_times_at_the_end_of_daylight_saving(tmp_path):
    zoned = pd.date_range("2024-10-26 20:00", periods=N, freq="5min", tz="Europe/Berlin")
    recording = lamina_detect.read(table(tmp_path, rows(zoned.tz_localize(None))))
    same(recording)
    noted(recording, "back by an hour after line 85")


def test_months_alone_and_years(tmp_path):
    months = pd.date_range("1980-01-01", periods=N, freq="MS")
    recording = lamina_detect.read(table(tmp_path, rows(months.strftime("%Y-%m"))))
    assert np.allclose(signal(recording), VALUES, atol=1e-3) and recording.times[5] == months[5]
    years = lamina_detect.read(table(tmp_path, rows(range(1600, 1600 + N)), "Year,value"))
    same(years, rate=None)


def test_hours_written_as_one_number(tmp_path):
    hours = pd.date_range("1990-01-01", periods=N, freq="1h").strftime("%Y%m%d%H")
    same(lamina_detect.read(table(tmp_path, rows(hours))), rate=1 / 3600)


def test_seconds_since_1970_without_a_name(tmp_path):
    times = 1709251200 + 300 * np.arange(N)
    same(lamina_detect.read(table(tmp_path, rows(times), None)))


def test_times_of_day_alone_pass_midnight(tmp_path):
    recording = lamina_detect.read(table(tmp_path, rows(STAMPS.strftime("%H:%M:%S"))))
    same(recording)
    noted(recording, "midnight")


@pytest.mark.parametrize(
    ("name", "times", "rate"),
    [
        ("Time (ms)", np.arange(N) * 4, 250),
        ("time_us", np.arange(N) * 500, 2000),
        ("t [s]", np.arange(N) / 50, 50),
        ("seconds", np.arange(N), 1),
        ("Elapsed Time (min)", np.arange(N) * 2, 1 / 120),
        ("time", np.arange(N), None),
        ("time", np.round(np.arange(N) / 360, 3), 360),
        ("timestamp", 1709251200 + np.arange(N), 1),
        ("ts", 1709251200.25 + np.arange(N) / 4, 4),
        ("time", (1709251200_000_000 + np.arange(N) * 20_000), 50),
        ("date", 20240301000000 + np.arange(N) % 60 + np.arange(N) // 60 * 100, 1),
    ],
)
def test_times_as_numbers(tmp_path, name, times, rate):
    recording = lamina_detect.read(table(tmp_path, rows(times), f"{name},value"))
    assert np.allclose(signal(recording), VALUES, atol=1e-3)
    assert len(recording.leads) == 1
    assert recording.rate == (rate and pytest.approx(rate, rel=5e-4))


def test_a_temperature_called_t_is_no_time(tmp_path):
    recording = lamina_detect.read(table(tmp_path, rows(STAMPS), "time,T"))
    assert recording.leads == ("T",)
    assert lamina_detect.read(table(tmp_path, map(str, VALUES), "T")).leads == ("T",)


def test_times_coarser_than_the_samples(tmp_path):
    stamps = pd.date_range("2024-03-01", periods=N, freq="100ms").floor("1s")
    recording = lamina_detect.read(table(tmp_path, rows(stamps)))
    same(recording, rate=10)
    noted(recording, "spread evenly")


def test_repeated_rows_are_dropped_and_shuffled_ones_sorted(tmp_path):
    lines = rows(STAMPS)
    order = np.random.default_rng(0).permutation(N)
    shuffled = lamina_detect.read(table(tmp_path, [lines[i] for i in order]))
    same(shuffled)
    noted(shuffled, "sorted by time")
    doubled = lamina_detect.read(table(tmp_path, lines[:30] + lines[20:]))
    same(doubled)
    noted(doubled, "10 rows are left out")
    turned = lamina_detect.read(table(tmp_path, lines[::-1]))
    same(turned)
    noted(turned, "turned round")


def test_missing_rows_are_reported_as_gaps(tmp_path):
    keep = np.r_[0:200, 260:300, 301:N]
    recording = lamina_detect.read(table(tmp_path, [rows(STAMPS)[i] for i in keep]))
    want = VALUES.copy()
    want[200:260] = want[300] = np.nan
    same(recording, want)
    noted(recording, "61 rows are missing: 2 gaps, the longest 5 h")
    assert recording.times[230] == STAMPS[230] and len(recording.times) == N


def test_uneven_times_are_refused_with_the_repair(tmp_path):
    rng = np.random.default_rng(0)
    uneven = STAMPS[0] + pd.to_timedelta(np.cumsum(rng.uniform(10, 600, N)), unit="s")
    path = table(tmp_path, rows(uneven))
    refused(path, "uneven", "--resample")
    averaged = lamina_detect.read(path, resample="10min")
    assert averaged.rate == pytest.approx(1 / 600)
    noted(averaged, "10min")
    assert lamina_detect.read(path, time="none", rate=2).length == N


def test_a_clock_that_jitters_is_even_enough(tmp_path):
    jitter = pd.to_timedelta(np.random.default_rng(0).integers(-2, 3, N), unit="s")
    recording = lamina_detect.read(table(tmp_path, rows(STAMPS + jitter)))
    assert recording.length == N
    assert recording.rate == pytest.approx(1 / 300, rel=1e-3)


def test_columns_that_are_no_signals_are_left_out_and_reported(tmp_path):
    frame = pd.DataFrame({"id": 7, "time": STAMPS, "value": VALUES, "quality": 192, "unit": "C"})
    frame = frame.assign(
        is_valid=True, epoch=(STAMPS - pd.Timestamp(0)) // pd.Timedelta("1s"), empty=np.nan
    )
    frame.to_csv(tmp_path / "a.csv", index=False)
    recording = lamina_detect.read(tmp_path / "a.csv")
    same(recording)
    noted(recording, "quality: left out, a flag", "unit: left out, text", "empty: left out, empty")
    chosen = lamina_detect.read(tmp_path / "a.csv", columns=["value", "quality"])
    assert chosen.leads == ("value", "quality")


def test_a_label_that_is_chosen_is_a_signal(tmp_path):
    frame = pd.DataFrame({"time": STAMPS, "value": VALUES, "label": np.arange(N) == 7})
    frame.astype({"label": int}).to_csv(tmp_path / "a.csv", index=False)
    recording = lamina_detect.read(tmp_path / "a.csv", columns=["label"])
    assert recording.leads == ("label",) and recording.labels is None
    assert signal(recording).sum() == 1


@pytest.mark.parametrize("word", ["No data", "Bad", "#N/A", "n/a", "I/O Timeout", "-", "---", "?"])
def test_words_for_no_measurement(tmp_path, word):
    want = VALUES.copy()
    want[[3, 50, 51]] = np.nan
    lines = rows(STAMPS, [word if np.isnan(v) else v for v in want])
    same(lamina_detect.read(table(tmp_path, lines)), want)


@pytest.mark.parametrize("unit", [" °C", "%", " kWh", "V"])
def test_a_unit_behind_each_number(tmp_path, unit):
    want = VALUES.copy()
    want[7] = np.nan
    lines = rows(STAMPS, ["" if np.isnan(v) else f"{v}{unit}" for v in want])
    recording = lamina_detect.read(table(tmp_path, lines))
    same(recording, want)
    noted(recording, f"the unit {unit.strip()}")


def test_labels_in_words(tmp_path):
    marks = np.where(np.arange(N) // 10 == 7, "True", "False")
    lines = [f"{r},{m}" for r, m in zip(rows(STAMPS), marks, strict=True)]
    recording = lamina_detect.read(table(tmp_path, lines, "time,value,is_anomaly"))
    same(recording)
    assert recording.labels.sum() == 10


def test_numbers_for_no_measurement_are_stated_or_switched_off(tmp_path):
    values = VALUES.copy()
    values[50:60] = -9999
    values[70] = 21.5
    path = table(tmp_path, rows(STAMPS, values))
    want = values.copy()
    want[50:60] = np.nan
    recording = lamina_detect.read(path)
    same(recording, want)
    noted(recording, "-9999", "--missing none")
    same(lamina_detect.read(path, missing="none"), values)
    want[70] = np.nan
    same(lamina_detect.read(path, missing=[-9999, 21.5]), np.where(values == 21.5, np.nan, want))


def test_a_number_that_lies_among_the_others_is_measured(tmp_path):
    values = np.round(np.sin(np.arange(N) / 7) * 900 + 900)
    values[50:60] = 999
    same(lamina_detect.read(table(tmp_path, rows(STAMPS, values))), values)


def test_several_series_below_each_other(tmp_path):
    frame = pd.concat(
        [
            pd.DataFrame({"time": STAMPS, "sensor": s, "value": VALUES + i})
            for i, s in enumerate("ab")
        ]
    )
    frame.sort_values("time").to_csv(tmp_path / "a.csv", index=False)
    refused(tmp_path / "a.csv", "--by sensor")
    recording = lamina_detect.read(tmp_path / "a.csv", by="sensor")
    assert recording.leads == ("a", "b")
    assert np.allclose(recording.read(0, N), np.stack([VALUES, VALUES + 1], 1), atol=1e-3)
    assert recording.rate == pytest.approx(1 / 300)


def test_thousand_or_decimals_that_nothing_decides_are_refused(tmp_path):
    whole = [f"{v:.3f}".replace(".", ",") for v in VALUES]
    path = table(tmp_path, [f"{t};{v}" for t, v in zip(STAMPS, whole, strict=True)], "time;value")
    refused(path, "two ways", "--decimal")
    same(lamina_detect.read(path, decimal=","))
    same(lamina_detect.read(path, decimal="."), np.round(VALUES * 1000))


def test_a_single_column_with_decimal_commas(tmp_path):
    path = table(tmp_path, [str(v).replace(".", ",") for v in VALUES], "value")
    same(lamina_detect.read(path), rate=None)
    refused(
        table(tmp_path, [str(v).replace(".", ",") for v in VALUES], None), "two ways", "--decimal"
    )


def test_decimal_commas_between_commas_are_refused(tmp_path):
    refused(table(tmp_path, [r.replace(".", ",") for r in rows(STAMPS)]), "line")


def test_a_table_of_campbell_scientific(tmp_path):
    lines = [
        '"TOA5","CR1000","CR1000","1234","CR1000.Std.26","CPU:prog.CR1","12345","Table1"',
        '"TIMESTAMP","RECORD","BattV","AirTC"',
        '"TS","RN","Volts","Deg C"',
        '"","","Min","Avg"',
    ]
    lines += [
        f'"{t}",{i},12.5,{v}' for i, (t, v) in enumerate(zip(STAMPS, VALUES, strict=True), 731)
    ]
    recording = lamina_detect.read(table(tmp_path, lines, None, "a.dat"))
    assert recording.leads == ("BattV", "AirTC")
    assert tuple(recording.units) == ("Volts", "Deg C")
    assert np.allclose(recording.read(0, N)[:, 1], VALUES, atol=1e-3)


def test_annotated_csv_of_influxdb(tmp_path):
    lines = [
        "#group,false,false,true,true,false,false,true,true",
        "#datatype,string,long,dateTime:RFC3339,dateTime:RFC3339,dateTime:RFC3339,double,string,string",
        "#default,_result,,,,,,,",
        ",result,table,_start,_stop,_time,_value,_field,_measurement",
    ]
    lines += [
        f",,0,2024-03-01T00:00:00Z,2024-03-09T00:00:00Z,{t.isoformat()}Z,{v},temp,room"
        for t, v in zip(STAMPS, VALUES, strict=True)
    ]
    same(lamina_detect.read(table(tmp_path, lines, None)))


def test_columns_of_savetxt(tmp_path):
    np.savetxt(tmp_path / "a.txt", np.stack([VALUES, -VALUES], 1), header="up down")
    recording = lamina_detect.read(tmp_path / "a.txt")
    assert recording.leads == ("up", "down")
    assert np.allclose(signal(recording), VALUES, atol=1e-3)


def test_spaces_between_cells_and_within_times(tmp_path):
    lines = [f"{t}   {v}" for t, v in zip(STAMPS, VALUES, strict=True)]
    same(lamina_detect.read(table(tmp_path, lines, "time value", "a.txt")))


def test_names_of_columns_that_count(tmp_path):
    pd.DataFrame(np.stack([VALUES, -VALUES], 1)).to_csv(tmp_path / "a.csv")
    recording = lamina_detect.read(tmp_path / "a.csv")
    assert recording.leads == ("0", "1") and recording.length == N


def test_row_names_of_r(tmp_path):
    lines = [f'"{i}" {v} {-v}' for i, v in enumerate(VALUES, 1)]
    recording = lamina_detect.read(table(tmp_path, lines, '"up" "down"', "a.txt"))
    assert recording.leads == ("up", "down")


def test_an_empty_line_of_a_single_column_is_a_missing_sample(tmp_path):
    values = VALUES.copy()
    values[9] = np.nan
    path = table(tmp_path, ["" if np.isnan(v) else str(v) for v in values], "value")
    same(lamina_detect.read(path), values, rate=None)


def test_files_that_were_joined_with_their_headers(tmp_path):
    lines = rows(STAMPS)
    same(lamina_detect.read(table(tmp_path, [*lines[:100], "time,value", *lines[100:]])))


def test_standard_input(tmp_path, monkeypatch):
    with table(tmp_path, rows(STAMPS)).open() as file:
        monkeypatch.setattr("sys.stdin", file)
        recording = lamina_detect.read("-")
    same(recording)
    assert recording.name == "stdin"


@pytest.mark.parametrize("kind", ["parquet", "feather"])
@pytest.mark.parametrize("indexed", [False, True])
def test_parquet_and_feather_with_times(tmp_path, kind, indexed):
    frame = pd.DataFrame({"time": STAMPS.tz_localize("UTC"), "value": VALUES})
    frame = frame.set_index("time") if indexed else frame
    getattr(frame, f"to_{kind}")(tmp_path / f"a.{kind}")
    recording = lamina_detect.read(tmp_path / f"a.{kind}")
    same(recording)
    assert str(recording.times[0]) == "2024-03-01 00:00:00+00:00"


BAD = {
    "one row": (b"time,value\n2024-03-01,1\n", "at least two"),
    "header alone": (b"time,value\n", "no column of numbers"),
    "text": ("Es war einmal ein Märchen.\nUnd noch eines.\n".encode(), "no column of numbers"),
    "binary": (bytes(range(256)) * 9, "not a CSV file"),
    "cut": (b"time,value\n2024-03-01 00:00,1\n2024-03-01 00:05,2\n2024-03-0", "line 4"),
    "two kinds": (b"a,b\n1,2\n2,3\n3,x1\n4,5\n", "'x1' at sample 2: not a number (line 4)"),
    "wrong time": (
        b"time,value\n2024-03-01 00:00,1\n2024-03-01 00:05,2\nyesterday,3\n2024-03-01 00:10,4\n",
        "'yesterday' in line 4",
    ),
    "ragged": (b"a,b\n1,2\n2,3\n3,4,5\n4,5\n", "line 4 has 3 cells, not 2"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_tables_are_refused_in_one_sentence(tmp_path, kind):
    data, part = BAD[kind]
    (tmp_path / "a.csv").write_bytes(data)
    refused(tmp_path / "a.csv", "a.csv", part)


def test_too_many_columns_are_refused(tmp_path):
    wide = table(
        tmp_path, [",".join(["1.5"] * 10_000)] * 9, ",".join(f"c{i}" for i in range(10_000))
    )
    refused(wide, "10,000 columns", "--columns")
    assert lamina_detect.read(wide, columns=["c7"]).leads == ("c7",)


@pytest.mark.parametrize("ending", ["gz", "bz2", "xz", "zst", "zip"])
def test_a_compressed_file_that_ends_early_is_refused(tmp_path, ending):
    frame = pd.DataFrame({"time": STAMPS, "value": VALUES})
    path = tmp_path / f"a.csv.{ending}"
    frame.to_csv(path, index=False)
    path.write_bytes(path.read_bytes()[:-400])
    refused(path, "a.csv")


@pytest.mark.parametrize("rate", [-1, 0, float("nan"), float("inf")])
def test_a_rate_that_is_none_is_refused(tmp_path, rate):
    refused(table(tmp_path, rows(STAMPS)), "rate", rate=rate)


def test_a_long_parquet_file_is_read_in_pieces_as_a_short_one_is(tmp_path, monkeypatch):
    from lamina_detect.recordings import _parquet_pieces

    values = VALUES.copy()
    values[50:60] = -9999
    frame = pd.DataFrame({"time": STAMPS.tz_localize("UTC"), "n": np.arange(N), "value": values})
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=70)
    whole = lamina_detect.read(tmp_path / "a.parquet")
    monkeypatch.setattr(_parquet_pieces, "LARGE", 100)
    monkeypatch.setattr(_parquet_pieces, "ROWS", 90)
    pieces = lamina_detect.read(tmp_path / "a.parquet")
    assert type(pieces.times) is not type(whole.times)
    assert np.array_equal(signal(pieces), signal(whole), equal_nan=True)
    assert np.array_equal(pieces.read(60, 150), whole.read(60, 150), equal_nan=True)
    assert (pieces.rate, pieces.leads, pieces.notes) == (whole.rate, whole.leads, whole.notes)
    assert pieces.times[77] == STAMPS.tz_localize("UTC")[77]
    assert (pieces.times[5:9] == whole.times[5:9]).all()
    frame.drop(index=range(9, 20)).to_parquet(tmp_path / "b.parquet", row_group_size=70)
    assert lamina_detect.read(tmp_path / "b.parquet").length == N


def test_seconds_stay_seconds_in_every_piece(tmp_path, monkeypatch):
    """Beyond 20,000 a piece by itself could be days since 1900, or a date without its dashes."""
    from lamina_detect.recordings import _parquet_pieces

    times = np.arange(3000) * 10.0
    frame = pd.DataFrame({"time": times, "value": np.sin(times)})
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=70)
    monkeypatch.setattr(_parquet_pieces, "LARGE", 100)
    monkeypatch.setattr(_parquet_pieces, "ROWS", 90)
    pieces = lamina_detect.read(tmp_path / "a.parquet")
    assert isinstance(pieces.times, _parquet_pieces.EvenTimes)
    assert pieces.rate == pytest.approx(0.1)
    assert pieces.times[2900] == 29000


def test_a_column_of_a_long_parquet_file_that_is_empty_at_first(tmp_path, monkeypatch):
    from lamina_detect.recordings import _parquet_pieces

    late = np.where(np.arange(N) < 200, np.nan, VALUES)
    frame = pd.DataFrame({"time": STAMPS, "value": VALUES, "late": late})
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=70)
    for name in ("LARGE", "ROWS", "FIRST"):
        monkeypatch.setattr(_parquet_pieces, name, 100)
    recording = lamina_detect.read(tmp_path / "a.parquet")
    assert recording.leads == ("value", "late")
    assert np.allclose(recording.read(0, N)[:, 1], late, equal_nan=True, atol=1e-3)


def test_rows_of_a_long_parquet_file_in_any_order(tmp_path, monkeypatch):
    from lamina_detect.recordings import _parquet_pieces

    pd.DataFrame({"time": STAMPS, "value": VALUES}).to_parquet(
        tmp_path / "a.parquet", row_group_size=170
    )
    for name in ("LARGE", "ROWS", "FIRST"):
        monkeypatch.setattr(_parquet_pieces, name, 60)
    recording = lamina_detect.read(tmp_path / "a.parquet")
    rng = np.random.default_rng(0)
    for start, stop in np.sort(rng.integers(0, N + 1, (200, 2)), 1).tolist():
        found = recording.read(start, stop)[:, 0]
        assert np.array_equal(found, VALUES[start:stop].astype("float32"))
