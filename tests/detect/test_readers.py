"""Files to recordings."""

import numpy as np
import pytest

import lamina_detect
from lamina_detect._samples import samples_of
from tests.detect.support import pulses, write_record


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_wfdb_samples_equal_the_wfdb_package(tmp_path, channels):
    import wfdb

    digital = np.random.default_rng(0).integers(-2047, 2048, (1001, channels))
    record = write_record(tmp_path, digital)
    ours = samples_of(lamina_detect.read(record))(0, 1001)
    theirs = wfdb.rdrecord(str(record)).p_signal
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_pieces_of_a_record_are_its_samples(tmp_path):
    record = lamina_detect.read(write_record(tmp_path, np.arange(101)[:, None]))
    read = samples_of(record)
    whole = read(0, 101)
    assert np.array_equal(np.concatenate([read(0, 7), read(7, 50), read(50, 101)]), whole)


def test_invalid_samples_are_nan(tmp_path):
    digital = np.arange(100)[:, None]
    digital[7] = -2048
    samples = samples_of(lamina_detect.read(write_record(tmp_path, digital)))(0, 100)
    assert np.flatnonzero(np.isnan(samples[:, 0])).tolist() == [7]


def test_real_record_and_its_annotations(recordings):
    record = lamina_detect.read(recordings / "mitdb" / "100")
    assert (record.length, record.rate, list(record.leads)) == (650_000, 360, ["MLII", "V5"])
    assert record.beats.anomalous.sum() == 1
    assert record.beats.samples[record.beats.anomalous].tolist() == [546_792]


def test_csv_times_labels_and_columns(tmp_path):
    path = tmp_path / "plant.csv"
    path.write_text(
        "timestamp,temperature,pressure,is_anomaly\n"
        "2024-01-01 00:00:00,20.5,1,0\n"
        "2024-01-01 00:05:00,,2,1\n"
        "2024-01-01 00:10:00,21.5,3,0\n"
    )
    record = lamina_detect.read(path)
    assert record.leads == ("temperature", "pressure")
    assert record.rate == pytest.approx(1 / 300)
    assert record.labels.tolist() == [False, True, False]
    np.testing.assert_array_equal(record.read(0, 3), [[20.5, 1], [np.nan, 2], [21.5, 3]])
    assert lamina_detect.read(path, columns=["pressure"]).leads == ("pressure",)


def test_csv_without_a_header_line_keeps_its_first_sample(tmp_path):
    path = tmp_path / "plain.csv"
    path.write_text("0.32,0\n0.37,0\n0.48,1\n")
    record = lamina_detect.read(path)
    assert record.length == 3
    assert record.read(0, 1)[0, 0] == pytest.approx(0.32)
    assert record.labels.tolist() == [False, False, True]


def write_differences(folder, samples):
    """A record in format 8, two signals, beside one signal in format 16 in a file of its own."""
    steps = np.diff(samples[:, :2], axis=0, prepend=samples[:1, :2]).astype("int8")
    (folder / "rec.d0").write_bytes(steps.tobytes())
    (folder / "rec.d1").write_bytes(samples[:, 2].astype("<i2").tobytes())
    files = ["rec.d0 8", "rec.d0 8", "rec.d1 16"]
    signals = [
        f"{file} 10(0)/mV 12 0 {x[0]} {int(x.sum()) % 65536} 0 lead{i}"
        for i, (file, x) in enumerate(zip(files, samples.T, strict=True))
    ]
    (folder / "rec.hea").write_text("\n".join([f"rec 3 100 {len(samples)}", *signals]) + "\n")
    return folder / "rec"


@pytest.mark.parametrize("piece", [7, 64, 1 << 20])
def test_differences_and_several_files_are_read_at_any_place(tmp_path, monkeypatch, piece, rng):
    monkeypatch.setattr("lamina_detect._wfdb_files.PIECE", piece)
    samples = 50 + np.cumsum(rng.integers(-9, 10, (101, 3)), axis=0)
    record = lamina_detect.read(write_differences(tmp_path, samples))
    read = samples_of(record)
    assert record.leads == ("lead0", "lead1", "lead2")
    for start, stop in [(0, 101), (0, 1), (63, 65), (40, 90), (100, 101)]:
        np.testing.assert_allclose(read(start, stop), samples[start:stop] / 10, rtol=1e-6)


def test_differences_are_detected_in(tmp_path):
    samples = np.round(60 * np.stack([pulses(odd=[40], seed=s) for s in range(3)], 1)).astype(int)
    record = lamina_detect.read(write_differences(tmp_path, samples))
    scores = lamina_detect.Detector(shapes=20).fit(record).score(record)
    assert 40 * 90 <= scores.together.argmax() < 42 * 90


@pytest.mark.parametrize(
    "name", ["test01_00s", "3000003_0003", "310derive", "311derive", "binformats"]
)
def test_other_storage_formats_equal_the_wfdb_package(recordings, name):
    import wfdb

    path = recordings / "wfdb-formats" / name
    record = lamina_detect.read(path)
    theirs = wfdb.rdrecord(str(path)).p_signal
    np.testing.assert_allclose(samples_of(record)(0, record.length), theirs, rtol=1e-6, atol=1e-6)


def test_parquet_and_npy_give_what_csv_gives(tmp_path):
    import pandas as pd

    table = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": [4, 5, 6]})
    table.to_csv(tmp_path / "x.csv", index=False)
    table.to_parquet(tmp_path / "x.parquet")
    np.save(tmp_path / "x.npy", table.to_numpy())
    csv, parquet, npy = (lamina_detect.read(tmp_path / f"x.{e}") for e in ("csv", "parquet", "npy"))
    assert csv.leads == parquet.leads == ("a", "b")
    for other in (parquet, npy):
        assert np.array_equal(csv.read(0, 3), other.read(0, 3), equal_nan=True)
