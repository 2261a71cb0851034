"""The readers on damaged files: a recording or one clear line; no crash, hang or wandering off."""

import contextlib
import io
import pathlib
import re
import resource
import signal
import sys

import numpy as np
import pytest

import lamina_detect
from tests.detect.support import pulses, write_record

pytestmark = pytest.mark.tensorflow  # Readers know no backend: once is enough.

OPENED = []
FEW, MANY = 50, 2000


def _note(event, arguments):
    if event == "open" and OPENED is not None and isinstance(arguments[0], str):
        OPENED.append(arguments[0])


def wfdb_header(folder):
    digital = np.round(400 * np.stack([pulses(300), pulses(300, seed=1)], 1)).astype(int)
    record = write_record(folder, digital)
    return record.with_suffix(".hea"), record


def wfdb_annotations(folder):
    import wfdb

    record = write_record(folder, np.round(400 * pulses(300))[:, None].astype(int))
    wfdb.wrann(record.name, "atr", np.array([40, 130, 220]), ["N", "V", "N"], write_dir=str(folder))
    return record.with_suffix(".atr"), record


def csv(folder):
    path = folder / "x.csv"
    rows = (f"2024-01-01 00:{i // 60:02}:{i % 60:02},{v:.3f},0" for i, v in enumerate(pulses(60)))
    path.write_text("timestamp,value,label\n" + "\n".join(rows))
    return path, path


def parquet(folder):
    import pandas as pd

    path = folder / "x.parquet"
    pd.DataFrame({"value": pulses(60), "label": 0}).to_parquet(path)
    return path, path


def npy(folder):
    path = folder / "x.npy"
    np.save(path, pulses(60))
    return path, path


def european_csv(folder):
    path = folder / "x.csv"
    rows = (
        f"{i % 28 + 1:02}.01.2024 00:00;{v:.3f}".replace(".", ",") for i, v in enumerate(pulses(60))
    )
    path.write_bytes(("Zeit;°C\n" + "\n".join(rows)).encode("cp1252"))
    return path, path


def gzipped(folder):
    import gzip

    plain, _ = csv(folder)
    path = folder / "x.csv.gz"
    path.write_bytes(gzip.compress(plain.read_bytes()))
    return path, path


def feather(folder):
    import pandas as pd

    path = folder / "x.feather"
    pd.DataFrame({"value": pulses(60), "label": 0}).to_feather(path)
    return path, path


def edf(folder):
    import edfio

    path = folder / "x.edf"
    edfio.Edf([edfio.EdfSignal(pulses(200), 100, label="ECG")]).write(path)
    return path, path


def sound(ending):
    def write(folder):
        import soundfile

        path = folder / f"x.{ending}"
        soundfile.write(path, pulses(200) / 2, 8000)
        return path, path

    write.__name__ = ending
    return write


def dicom(folder):
    from tests.detect.test_formats import dicom as write

    write(folder / "x.dcm")
    return folder / "x.dcm", folder / "x.dcm"


def hdf5(folder):
    import h5py

    path = folder / "x.h5"
    with h5py.File(path, "w") as file:
        file["x"] = pulses(60)
    return path, path


def matlab(folder):
    import scipy.io

    path = folder / "x.mat"
    scipy.io.savemat(path, {"x": pulses(60)})
    return path, path


def npz(folder):
    path = folder / "x.npz"
    np.savez(path, x=pulses(60))
    return path, path


def mutated(data, rng):
    """One to four changes: bytes flipped, taken out, doubled, or a number made large."""
    data = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        at, length = rng.integers(len(data) + 1), int(rng.integers(1, 9))
        kind = rng.integers(5)
        if kind == 0 and at < len(data):
            data[at] = rng.integers(256)
        elif kind == 1:
            del data[at : at + length]
        elif kind == 2:
            data[at:at] = data[at : at + length]
        elif kind == 3:
            data[at:at] = rng.choice([b"9999999999", b"-1", b"nan", b"../", b"/", b"\0", b"1e308"])
        else:
            data[at:] = b""
    return bytes(data)


@contextlib.contextmanager
def no_hang(seconds=5):
    def stop(*_):
        raise TimeoutError(f"more than {seconds} s on one file")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def little_memory(most=1 << 30):
    """No more than `most` bytes beside those in use: on the spot, before the machine is out."""
    kind = resource.RLIMIT_DATA
    soft, hard = resource.getrlimit(kind)
    status = pathlib.Path("/proc/self/status")
    if status.exists():
        used = re.search(r"VmData:\s+(\d+) kB", status.read_text())
        resource.setrlimit(kind, (int(used[1]) * 1024 + most, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (soft, hard))


def outside(folder):
    """What was opened that is neither in the folder nor part of the machine."""
    own = (str(folder), sys.prefix, sys.base_prefix, "/proc", "/sys", "/dev", "/usr", "/etc")
    return [name for name in OPENED if not name.startswith(own)]


def check_reading(make, folder, count):
    changed, path = make(folder)
    sound = changed.read_bytes()
    lamina_detect.read(path)  # Imports what it needs, before anything is watched.
    sys.addaudithook(_note)
    rng, before = np.random.default_rng(0), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = 0
    with little_memory():
        for _ in range(count):
            changed.write_bytes(mutated(sound, rng))
            OPENED.clear()
            with no_hang(), contextlib.redirect_stderr(io.StringIO()):
                try:
                    recording = lamina_detect.read(path)
                    recording.read(0, min(recording.length, 10))
                except lamina_detect.BadInput as error:
                    refused += 1
                    assert str(error) and "\n" not in str(error)
                    assert not re.search("out of memory|Unable to allocate", str(error))
            assert not outside(folder)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 1 << 20, f"{grown} KiB more than before"
    assert refused or count == FEW


TABLES = [csv, european_csv, gzipped, parquet, feather]
ARRAYS = [npy, npz, hdf5, matlab, edf, dicom, *map(sound, ("wav", "flac", "aiff"))]
MAKERS = [wfdb_header, wfdb_annotations, *TABLES, *ARRAYS]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", MAKERS, ids=lambda f: f.__name__)
def test_damaged_files_are_read_or_refused(make, tmp_path):
    check_reading(make, tmp_path, FEW)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("digits", [10, 20, 400])
def test_a_header_with_a_number_of_many_digits_is_read_or_refused(digits, tmp_path):
    header, record = wfdb_header(tmp_path)
    sound = header.read_text()
    for number in re.finditer(r"(?<= )-?\d+|(?<=\()-?\d+", sound):
        for sign in "", "-":
            large = sign + digits * "9"
            header.write_text(sound[: number.start()] + large + sound[number.end() :])
            with no_hang(), contextlib.suppress(lamina_detect.BadInput):
                recording = lamina_detect.read(record)
                recording.read(0, min(recording.length, 10))
                assert np.isfinite(recording.packing.calibration()).all()


def test_a_lone_carriage_return_ends_a_line(tmp_path):
    """It made pandas' parser take all memory: found at the 75,410th damaged file."""
    rows = ["timestamp,value,label"]
    rows += [f"2024-01-01 00:00:{i:02},{v:.3f},0" for i, v in enumerate(pulses(20))]
    path = tmp_path / "x.csv"
    path.write_text("\r".join(rows))
    assert lamina_detect.read(path).length == 20
    for cut in range(13, 21):
        path.write_text("\n".join(rows[:cut]) + "\n2024-01-0\r 00:00:21,0.305,0")
        with little_memory(), pytest.raises(lamina_detect.BadInput, match=f"line {cut + 1} has 1"):
            lamina_detect.read(path)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", MAKERS, ids=lambda f: f.__name__)
def test_many_damaged_files_are_read_or_refused(make, tmp_path):
    check_reading(make, tmp_path, MANY)
