"""Files to recordings."""

import subprocess
import sys

import keras
import numpy as np
import pytest

import lamina
import lamina_detect
from lamina_detect.recordings._wfdb import read_wfdb
from tests.detect.support import pulses, write_record


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_wfdb_samples_equal_the_wfdb_package(tmp_path, channels):
    import wfdb

    digital = np.random.default_rng(0).integers(-2047, 2048, (1001, channels))
    record = write_record(tmp_path, digital)
    ours = lamina_detect.read(record).read(0, 1001)
    theirs = wfdb.rdrecord(str(record)).p_signal
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_pieces_of_a_record_are_its_samples(tmp_path):
    record = lamina_detect.read(write_record(tmp_path, np.arange(101)[:, None]))
    pieces = [record.read(0, 7), record.read(7, 50), record.read(50, 101)]
    assert np.array_equal(np.concatenate(pieces), record.read(0, 101))


def test_stored_bytes_decode_to_the_samples(tmp_path):
    record = lamina_detect.read(write_record(tmp_path, np.arange(102).reshape(51, 2)))
    packing = record.packing
    decoder = lamina.PackedSampleDecoder(packing.format, packing.channels)
    frames = record.frames(0, record.length)
    assert frames.dtype == "uint8" and frames.shape[1] == packing.frame_bytes
    decoded = keras.ops.convert_to_numpy(decoder(frames[None], *packing.calibration()))[0]
    assert np.array_equal(decoded[: record.length], record.read(0, record.length))


def test_invalid_samples_are_nan(tmp_path):
    digital = np.arange(100)[:, None]
    digital[7] = -2048
    samples = lamina_detect.read(write_record(tmp_path, digital)).read(0, 100)
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
def test_differences_and_several_files_are_read_at_any_place(tmp_path, piece, rng):
    samples = 50 + np.cumsum(rng.integers(-9, 10, (101, 3)), axis=0)
    record = read_wfdb(write_differences(tmp_path, samples), piece=piece)
    assert record.leads == ("lead0", "lead1", "lead2")
    for start, stop in [(0, 101), (0, 1), (63, 65), (40, 90), (100, 101)]:
        got = record.read(start, stop)
        np.testing.assert_allclose(got, samples[start:stop] / 10, rtol=1e-6)


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
    ours = record.read(0, record.length)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


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


def test_other_files_than_bytes_are_read_without_keras(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3,4\n")
    code = (
        "import sys, lamina_detect, lamina_detect.recordings, lamina_detect.results\n"
        "print(lamina_detect.read(sys.argv[1]).read(0, 2).tolist())\n"
        "print({'keras', 'lamina', 'lamina_detect.model'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "x.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[[1.0, 2.0], [3.0, 4.0]]", "set()"]


def test_every_public_name_is_there():
    for name in lamina_detect.__all__:
        assert name in dir(lamina_detect) and getattr(lamina_detect, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = lamina_detect.nothing
