"""Each format against the library that others read it with."""

import sys

import numpy as np
import pytest

import lamina_detect

pytestmark = pytest.mark.tensorflow  # Readers know no backend: once is enough.

N = 1000
WAVE = np.stack([np.sin(np.arange(N) / 7), np.cos(np.arange(N) / 11)], 1)


def whole(recording):
    pieces = [recording.read(0, 7), recording.read(7, 500), recording.read(500, recording.length)]
    return np.concatenate(pieces)


@pytest.mark.parametrize("kind", ["edf", "bdf"])
def test_edf_and_bdf_equal_pyedflib(tmp_path, kind):
    pyedflib = pytest.importorskip("pyedflib")
    path = str(tmp_path / f"a.{kind}")
    types = {"edf": pyedflib.FILETYPE_EDFPLUS, "bdf": pyedflib.FILETYPE_BDFPLUS}
    bits = {"edf": 2**15, "bdf": 2**23}[kind]
    heads = [
        {"label": name, "dimension": "mV", "sample_frequency": 250, "physical_min": -2}
        | {"physical_max": 2, "digital_min": -bits, "digital_max": bits - 1}
        for name in ("I", "V5")
    ]
    with pyedflib.EdfWriter(path, 2, types[kind]) as file:
        file.setSignalHeaders(heads)
        file.writeSamples([np.ascontiguousarray(lead) for lead in WAVE.T])
    recording = lamina_detect.read(path)
    with pyedflib.EdfReader(path) as file:
        want = np.stack([file.readSignal(0), file.readSignal(1)], 1)
    assert (recording.leads, tuple(recording.units), recording.rate) == (
        ("I", "V5"),
        ("mV", "mV"),
        250,
    )
    np.testing.assert_allclose(whole(recording), want, atol=1e-6)


def test_edf_of_several_rates_gives_the_highest_and_says_so(tmp_path):
    edfio = pytest.importorskip("edfio")
    signals = [
        edfio.EdfSignal(WAVE[:, 0], 100, label="ECG"),
        edfio.EdfSignal(WAVE[:10, 1], 1, label="T"),
    ]
    edfio.Edf(signals).write(tmp_path / "a.edf")
    recording = lamina_detect.read(tmp_path / "a.edf")
    assert recording.leads == ("ECG",) and "T: left out, 1 Hz" in recording.notes[0]
    assert lamina_detect.read(tmp_path / "a.edf", columns=["T"]).length == 10


@pytest.mark.parametrize("kind", ["wav", "flac", "aiff"])
def test_audio_equals_soundfile(tmp_path, kind):
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / f"a.{kind}"
    soundfile.write(path, WAVE, 8000)
    recording = lamina_detect.read(path)
    want, rate = soundfile.read(path, dtype="float32")
    assert recording.rate == rate and np.array_equal(whole(recording), want)
    assert lamina_detect.read(path, columns=["channel1"]).leads == ("channel1",)


def dicom(path):
    """A waveform of two channels of 16 bits, as the standard has it."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, TwelveLeadECGWaveformStorage, generate_uid

    data, group = Dataset(), Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = TwelveLeadECGWaveformStorage
    data.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    data.SOPClassUID = TwelveLeadECGWaveformStorage
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = 2, N
    group.SamplingFrequency, group.WaveformBitsAllocated = 500, 16
    group.WaveformSampleInterpretation = "SS"
    channels = []
    for name in ("Lead I", "Lead II"):
        channel, source, unit = Dataset(), Dataset(), Dataset()
        source.CodeMeaning, unit.CodeValue = name, "uV"
        channel.ChannelSourceSequence, channel.ChannelSensitivityUnitsSequence = [source], [unit]
        channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor = 2.5, 1
        channel.ChannelBaseline, channel.WaveformBitsStored = 10, 16
        channels.append(channel)
    group.ChannelDefinitionSequence = channels
    group.WaveformData = np.round(WAVE * 1000).astype("<i2").tobytes()
    data.WaveformSequence = [group]
    data.save_as(path, enforce_file_format=True)


def test_dicom_waveforms_equal_pydicom(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    dicom(tmp_path / "a.dcm")
    recording = lamina_detect.read(tmp_path / "a.dcm")
    want = pydicom.dcmread(tmp_path / "a.dcm").waveform_array(0)
    np.testing.assert_allclose(whole(recording), want, rtol=1e-6)
    assert recording.leads == ("Lead I", "Lead II") and recording.rate == 500
    assert tuple(recording.units) == ("uV", "uV")


def test_an_ecg_of_another_maker_equals_pydicom():
    data = pytest.importorskip("pydicom.data")
    pydicom = pytest.importorskip("pydicom")
    path = data.get_testdata_file("waveform_ecg.dcm", download=False)
    recording = lamina_detect.read(path)
    want = pydicom.dcmread(path).waveform_array(0)
    np.testing.assert_allclose(recording.read(0, recording.length), want, rtol=1e-6)
    assert len(recording.leads) == 12 and recording.rate == 1000


def test_hdf5_by_path(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["one/ecg"] = WAVE
        file["one/ecg"].attrs["fs"] = 250
        file["other"] = WAVE[:, 0]
    recording = lamina_detect.read(f"{tmp_path}/a.h5:one/ecg")
    assert recording.rate == 250 and np.array_equal(whole(recording), WAVE.astype("float32"))
    with pytest.raises(lamina_detect.BadInput, match=r"one/ecg, other; name one: a\.h5:NAME"):
        lamina_detect.read(tmp_path / "a.h5")
    with pytest.raises(lamina_detect.BadInput, match="no array 'nothing'"):
        lamina_detect.read(f"{tmp_path}/a.h5:nothing")


def test_matlab_files_of_both_kinds(tmp_path):
    h5py, io = pytest.importorskip("h5py"), pytest.importorskip("scipy.io")
    io.savemat(tmp_path / "old.mat", {"x": WAVE, "fs": 250.0, "row": WAVE[:, 0]})
    # Version 7.3 is HDF5 behind a header of 512 bytes, with the axes turned.
    with h5py.File(tmp_path / "new.mat", "w", userblock_size=512) as file:
        file["x"] = WAVE.T
    with (tmp_path / "new.mat").open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file")
    for name in ("old.mat:x", "new.mat:x", "new.mat"):
        recording = lamina_detect.read(f"{tmp_path}/{name}")
        assert np.array_equal(whole(recording), WAVE.astype("float32")), name
    assert lamina_detect.read(f"{tmp_path}/old.mat:row").length == N


def test_npz_by_key(tmp_path):
    np.savez(tmp_path / "a.npz", ecg=WAVE, rate=250)
    assert np.array_equal(whole(lamina_detect.read(tmp_path / "a.npz")), WAVE.astype("float32"))
    np.savez(tmp_path / "b.npz", ecg=WAVE, other=WAVE[:, 0])
    assert lamina_detect.read(f"{tmp_path}/b.npz:other").leads == ("lead0",)
    with pytest.raises(lamina_detect.BadInput, match="ecg, other"):
        lamina_detect.read(tmp_path / "b.npz")


READER = """
import numpy as np
from lamina_detect import ReadOptions, Recording

def read_ramp(path, options: ReadOptions) -> Recording:
    return Recording.from_array(np.arange(int(path.read_text())), rate=options.rate or 10)
"""


def test_another_package_adds_a_reader(tmp_path, monkeypatch):
    info = tmp_path / "ramps-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ramps\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lamina_detect.readers]\nramp = ramps:read_ramp\n")
    (tmp_path / "ramps.py").write_text(READER)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "x.ramp").write_text("50")
    recording = lamina_detect.read(tmp_path / "x.ramp", rate=5)
    assert (recording.length, recording.rate) == (50, 5)
    assert isinstance(lamina_detect.ReadOptions(rate=5).rate, int)


@pytest.mark.parametrize(
    ("ending", "package", "extra"),
    [
        ("edf", "edfio", "edf"),
        ("wav", "soundfile", "audio"),
        ("h5", "h5py", "hdf5"),
        ("dcm", "pydicom", "dicom"),
    ],
)
def test_what_is_not_installed_is_named_with_its_extra(
    tmp_path, monkeypatch, ending, package, extra
):
    monkeypatch.setitem(sys.modules, package, None)
    path = tmp_path / f"a.{ending}"
    path.write_bytes(b"0" * 2000)
    with pytest.raises(
        lamina_detect.BadInput, match=rf"needs {package}: pip install 'lamina\[{extra}\]'"
    ):
        lamina_detect.read(path)


@pytest.mark.parametrize("kind", ["edf", "wav", "aiff"])
def test_a_file_that_was_cut_is_refused(tmp_path, kind):
    """edfio and libsndfile read what is left of it."""
    path = tmp_path / f"x.{kind}"
    values = np.sin(np.arange(600) / 9)
    if kind == "edf":
        edfio = pytest.importorskip("edfio")
        edfio.Edf([edfio.EdfSignal(values, 100)]).write(path)
    else:
        pytest.importorskip("soundfile").write(path, values, 8000)
    whole = path.read_bytes()
    assert lamina_detect.read(path).length == 600
    for part in (0.5, 0.9):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(lamina_detect.BadInput, match="cut"):
            lamina_detect.read(path)


def test_a_stream_of_audio_says_nothing_of_its_length(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    soundfile.write(tmp_path / "x.wav", np.sin(np.arange(600) / 9), 8000)
    data = bytearray((tmp_path / "x.wav").read_bytes())
    place = data.index(b"data") + 4
    data[4:8] = data[place : place + 4] = b"\xff" * 4
    (tmp_path / "x.wav").write_bytes(data)
    assert lamina_detect.read(tmp_path / "x.wav").length == 600


def test_an_edf_whose_recorder_had_not_finished(tmp_path):
    edfio = pytest.importorskip("edfio")
    edfio.Edf([edfio.EdfSignal(np.sin(np.arange(600) / 9), 100)]).write(tmp_path / "x.edf")
    data = (tmp_path / "x.edf").read_bytes()
    (tmp_path / "x.edf").write_bytes(data[:236] + b"-1      " + data[244:-10])
    assert lamina_detect.read(tmp_path / "x.edf").length == 500
