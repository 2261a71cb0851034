"""Arrays in files: their rate, which way round they lie, and what means "no measurement"."""

import h5py
import numpy as np
import pytest
import scipy.io

import lamina_detect
from tests.detect.test_tables import VALUES, noted, same, signal

TWO = np.stack([VALUES, VALUES[::-1]], 1)
pytestmark = pytest.mark.tensorflow  # Readers know no backend: once is enough.


def missing(values=VALUES, number=-9999):
    bad, expected = values.copy(), values.astype(float)
    bad[10:14], expected[10:14] = number, np.nan
    return bad, expected


def written(folder, kind, values, **more):
    path = folder / f"a.{kind}"
    if kind == "npy":
        np.save(path, values)
    elif kind == "npz":
        np.savez(path, x=values, **more)
    elif kind == "mat":
        scipy.io.savemat(path, {"x": values, **more})
    else:
        with h5py.File(path, "w") as file:
            for name, value in {"x": values, **more}.items():
                file[name] = value
    return path


@pytest.mark.parametrize("kind", ["npy", "npz", "h5", "mat"])
def test_a_number_for_no_measurement(tmp_path, kind):
    bad, expected = missing()
    recording = lamina_detect.read(written(tmp_path, kind, bad))
    same(recording, expected, rate=None)
    noted(recording, "-9999 (4 times)", "--missing none")
    kept = lamina_detect.read(tmp_path / f"a.{kind}", missing="none")
    same(kept, bad, rate=None)


def test_a_number_for_no_measurement_in_one_lead_of_two(tmp_path):
    bad = TWO.copy()
    bad[5:9, 1] = -9999
    recording = lamina_detect.read(written(tmp_path, "npy", bad))
    samples = recording.read(0, recording.length)
    assert np.isnan(samples).sum(0).tolist() == [0, 4] and np.isnan(samples[5:9, 1]).all()


def test_a_stated_number_in_formats_with_physical_units(tmp_path):
    edfio, soundfile = pytest.importorskip("edfio"), pytest.importorskip("soundfile")
    values = np.where(np.arange(400) % 50 == 3, -20, VALUES)
    lead = edfio.EdfSignal(values, 100, label="x", physical_range=(-20, 40))
    edfio.Edf([lead]).write(tmp_path / "a.edf")
    soundfile.write(tmp_path / "a.wav", values / 40, 8000, subtype="FLOAT")
    for name, number in (("a.edf", -20), ("a.wav", -0.5)):
        found = np.isnan(signal(lamina_detect.read(tmp_path / name, missing=number)))
        assert np.array_equal(found, values == -20)


@pytest.mark.parametrize("kind", ["npz", "h5", "mat"])
@pytest.mark.parametrize("name", ["fs", "Fs", "sampling_rate"])
def test_the_rate_beside_the_array(tmp_path, kind, name):
    same(lamina_detect.read(written(tmp_path, kind, VALUES, **{name: 250})), rate=250)
    assert lamina_detect.read(tmp_path / f"a.{kind}", rate=100).rate == 100


@pytest.mark.parametrize("owner", ["dataset", "group", "file"])
def test_the_rate_as_an_attribute(tmp_path, owner):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("g/x", data=VALUES)
        {"dataset": data, "group": file["g"], "file": file}[owner].attrs["fs"] = np.float32(128)
    same(lamina_detect.read(tmp_path / "a.h5"), rate=128)


def test_matrices_of_matlab_with_a_row_for_each_lead(tmp_path):
    """As PhysioNet writes its records for MATLAB."""
    recording = lamina_detect.read(written(tmp_path, "mat", TWO.T))
    assert np.allclose(recording.read(0, 400), TWO)
    noted(recording, "turned")
    with h5py.File(tmp_path / "b.mat", "w", userblock_size=512) as file:
        file["x"] = TWO  # Version 7.3 holds the matrix the other way round.
    assert np.allclose(lamina_detect.read(tmp_path / "b.mat").read(0, 400), TWO)


def test_arrays_in_a_structure_of_matlab(tmp_path):
    record = {"ecg": VALUES, "fs": 250.0, "patient": {"age": 61.0, "name": "x"}}
    scipy.io.savemat(tmp_path / "a.mat", {"record": record})
    same(lamina_detect.read(tmp_path / "a.mat"), rate=250)
    same(lamina_detect.read(f"{tmp_path}/a.mat:record/ecg"), rate=250)
    scipy.io.savemat(tmp_path / "b.mat", {"record": {**record, "ppg": VALUES}})
    with pytest.raises(lamina_detect.BadInput, match="record/ecg, record/ppg; name one"):
        lamina_detect.read(tmp_path / "b.mat")
