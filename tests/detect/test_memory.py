"""Memory does not grow with the length of a recording."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is of Linux")

MIB = 1 << 10
PIECE = 1 << 20
# The peak of this process alone: ru_maxrss starts with that of the process that started it.
PEAK = """
status = open("/proc/self/status").read()
print("peak", status.partition("VmHWM:")[2].split()[0])
"""
READ = """
import sys
import lamina_detect
recording = lamina_detect.read(sys.argv[1])
for start in range(0, recording.length, 65_536):
    recording.read(start, start + 65_536)
"""
DETECT = """
import runpy
try:
    runpy.run_module("lamina_cli", run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code, end.code
"""


def peak(code, *arguments):
    """In MiB, of a process that runs this."""
    command = [sys.executable, "-c", code + PEAK, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return int(done.stdout.rpartition("peak ")[2]) / MIB


def written(path, rows, group):
    """Seconds, and a wave with noise, 360 a second."""
    rng, schema = (
        np.random.default_rng(0),
        pa.schema([("time", pa.float64()), ("value", pa.float32())]),
    )

    def piece(start):
        i = np.arange(start, min(start + PIECE, rows))
        wave = np.sin(2 * np.pi * i / 300) + 0.05 * rng.standard_normal(len(i))
        return pa.table({"time": i / 360, "value": wave.astype("float32")}, schema=schema)

    with pq.ParquetWriter(path, schema) as writer:
        pieces = [piece(start) for start in range(0, rows, PIECE)]
        writer.write_table(pa.concat_tables(pieces), row_group_size=group)
    return path


@pytest.mark.slow
@pytest.mark.tensorflow  # Readers know no backend: once is enough.
@pytest.mark.parametrize("group", [PIECE, 1 << 26], ids=["as pandas writes", "one row group"])
def test_reading_parquet_takes_no_more_memory_for_more_rows(tmp_path, group):
    peaks = [
        peak(READ, written(tmp_path / f"{rows}.parquet", rows, group))
        for rows in (5_000_000, 20_000_000)
    ]
    # All rows together would be 300 MiB more.
    assert peaks[1] - peaks[0] < 50, peaks


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("group", [PIECE, 1 << 26], ids=["as pandas writes", "one row group"])
def test_a_hundred_million_samples_are_scored_in_a_gibibyte(tmp_path, group):
    path = written(tmp_path / "a.parquet", 100_000_000, group)
    assert peak(DETECT, "detect", path, "--out", tmp_path) < 1024
