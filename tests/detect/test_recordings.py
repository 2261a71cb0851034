"""Files as people have them, read by `lamina_detect.read`: right, or refused."""

import numpy as np
import pandas as pd
import pytest

import lamina_detect

pytestmark = pytest.mark.tensorflow  # Readers know no backend: once is enough.

N = 400
VALUES = np.round(np.sin(np.arange(N) / 7) * 10 + 20, 3)
STAMPS = pd.date_range("2024-03-01 00:00:00", periods=N, freq="5min")


def read(path, **options):
    return lamina_detect.read(path, **options)


def signal(recording):
    return np.asarray(recording.read(0, recording.length), "float64")


def is_right(recording, rate=1 / 300, leads=1, values=VALUES):
    assert recording.length == len(values)
    assert len(recording.leads) == leads
    assert np.allclose(signal(recording)[:, 0], values, atol=1e-3, equal_nan=True)
    assert recording.rate == pytest.approx(rate, rel=1e-6)


def table(path, rows, header="time,value", encoding="utf-8"):
    path.write_bytes(("\n".join([header, *rows]) + "\n").encode(encoding))
    return path


def test_times_in_utc(tmp_path):
    """What Grafana, InfluxDB and Prometheus write."""
    is_right(
        read(
            table(
                tmp_path / "a.csv",
                [f"{t.isoformat()}Z,{v}" for t, v in zip(STAMPS, VALUES, strict=True)],
            )
        )
    )


def test_semicolons_and_decimal_commas(tmp_path):
    """Excel in most of Europe. Today: the decimals are read as the signal."""
    rows = [
        f"{t:%Y-%m-%d %H:%M:%S};{str(v).replace('.', ',')}"
        for t, v in zip(STAMPS, VALUES, strict=True)
    ]
    is_right(read(table(tmp_path / "a.csv", rows, "time;temp")))


def test_one_sample_a_second(tmp_path):
    stamps = pd.date_range("2024-03-01", periods=N, freq="1s")
    is_right(
        read(table(tmp_path / "a.csv", [f"{t},{v}" for t, v in zip(stamps, VALUES, strict=True)])),
        rate=1.0,
    )


def test_milliseconds_since_1970(tmp_path):
    is_right(
        read(
            table(
                tmp_path / "a.csv",
                [f"{int(t.timestamp() * 1000)},{v}" for t, v in zip(STAMPS, VALUES, strict=True)],
                "timestamp,value",
            )
        )
    )


def test_rows_that_are_missing_are_a_gap(tmp_path):
    """Five hours without a row: the join is no event."""
    keep = np.r_[0:200, 260:N]
    recording = read(table(tmp_path / "a.csv", [f"{STAMPS[i]},{VALUES[i]}" for i in keep]))
    want = VALUES.copy()
    want[200:260] = np.nan
    is_right(recording, values=want)


def test_times_under_another_name(tmp_path):
    is_right(
        read(
            table(
                tmp_path / "a.csv",
                [f"{t},{v}" for t, v in zip(STAMPS, VALUES, strict=True)],
                "Date Time,value",
            )
        )
    )


def test_row_numbers_are_no_lead(tmp_path):
    frame = pd.DataFrame({"time": STAMPS, "value": VALUES})
    frame.to_csv(tmp_path / "a.csv")
    is_right(read(tmp_path / "a.csv"))


def test_a_label_column_under_its_usual_names(tmp_path):
    frame = pd.DataFrame({"time": STAMPS, "value": VALUES, "changepoint": 0.0, "anomaly": 0.0})
    frame.loc[100:110, "anomaly"] = 1
    frame.to_csv(tmp_path / "a.csv", index=False)
    recording = read(tmp_path / "a.csv")
    is_right(recording)
    assert recording.labels.sum() == 11


def test_a_compressed_file(tmp_path):
    pd.DataFrame({"time": STAMPS, "value": VALUES}).to_csv(tmp_path / "a.csv.gz", index=False)
    is_right(read(tmp_path / "a.csv.gz"))


def test_a_trailing_comma(tmp_path):
    """Today: shifted by one column, and the signal is empty."""
    is_right(
        read(table(tmp_path / "a.csv", [f"{t},{v}," for t, v in zip(STAMPS, VALUES, strict=True)]))
    )


def test_a_rate_below_zero_is_refused(tmp_path):
    path = table(tmp_path / "a.csv", [f"{v}" for v in VALUES], "value")
    with pytest.raises(lamina_detect.BadInput, match="rate"):
        read(path, rate=-1)


def test_a_number_that_means_missing(tmp_path):
    values = VALUES.copy()
    values[50:60] = -9999
    want = values.copy()
    want[50:60] = np.nan
    is_right(
        read(table(tmp_path / "a.csv", [f"{t},{v}" for t, v in zip(STAMPS, values, strict=True)])),
        values=want,
    )


def test_a_constant_column_beside_a_signal(tmp_path):
    """Skipped and told: today the whole file is refused in `detect`."""
    frame = pd.DataFrame({"time": STAMPS, "value": VALUES, "spare": 0.0})
    frame.to_csv(tmp_path / "a.csv", index=False)
    lamina_detect.detect(tmp_path / "a.csv", out=tmp_path / "out")
    assert (tmp_path / "out" / "report.html").exists()
