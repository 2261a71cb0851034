"""Two replicas with half a batch each move a table as one device does with the whole batch."""

import subprocess
import sys

import keras
import pytest

# Relative to the largest number of each weight, after 20 steps.
MOST = 2e-6
# Its trained projections multiply the roundings of the sums over replicas: from 2e-7 in the inputs
# one device alone comes to 4e-6.
MOST_BY_CASE = {"projected, two groups, one table": 1e-4, "plain": 4e-6}


@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_replicas_train_as_one_device_does():
    command = [sys.executable, "-m", "tests.quantize.replicated"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = dict(line.split(" | ") for line in done.stdout.splitlines() if " | " in line)
    assert len(found) == 8
    for case, difference in found.items():
        assert float(difference) <= MOST_BY_CASE.get(case, MOST), (case, difference)


@pytest.mark.slow
def test_a_table_larger_than_a_replicas_batch():
    case = "table larger than a replica's batch"
    command = [sys.executable, "-m", "tests.quantize.replicated", case]
    done = subprocess.run(command, capture_output=True, text=True)
    assert case in done.stdout, f"{keras.backend.backend()}: {done.stderr[-3000:]}"
    assert float(done.stdout.rpartition("|")[2]) <= MOST
