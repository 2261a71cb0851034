"""Settings of every test: the backend comes from KERAS_BACKEND, one per process."""

import gc
import itertools
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import hypothesis
import keras
import numpy as np
import pytest

TESTS_RUN = itertools.count(1)
COLLECT_EVERY = 200
KNOWN_FAILURES = pathlib.Path(__file__).with_name("known_failures.txt")
SHARED = pathlib.Path(__file__).resolve().parents[2] / "shared"
COLLECTED = pytest.StashKey[list]()

# No deadline: the first call of a layer traces and compiles.
hypothesis.settings.register_profile("lamina", deadline=None, max_examples=25, derandomize=True)
hypothesis.settings.load_profile("lamina")


def known_failures(backend):
    """`{test id: reason}` of tests/known_failures.txt for a backend."""
    found = {}
    for line in KNOWN_FAILURES.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            where, test, reason = (part.strip() for part in line.split(" | "))
            if where in (backend, "any"):
                found[test] = reason
    return found


@pytest.hookimpl(tryfirst=True)  # before `-m` and `-k` choose among the tests
def pytest_collection_modifyitems(config, items):
    """Skip what needs another backend; expect what is known to fail."""
    config.stash[COLLECTED] = list(items)
    backend = keras.backend.backend()
    known = known_failures(backend)
    for item in items:
        if item.nodeid in known:
            item.add_marker(pytest.mark.xfail(reason=known[item.nodeid], strict=False))
        if "tensorflow" in item.keywords and backend != "tensorflow":
            item.add_marker(pytest.mark.skip(reason=f"on TensorFlow; this run is on {backend}"))


def pytest_collection_finish():
    """What was imported is never garbage: no later collection need look at it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def fresh_state():
    """Every test starts from the same seeds and policy, and leaves no policy behind."""
    keras.utils.set_random_seed(0)
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)
    # Python collects when it is due: a full collection after each test was most of the time.
    keras.backend.clear_session(free_memory=False)
    if next(TESTS_RUN) % COLLECT_EVERY == 0:
        free_memory()


def free_memory():
    """What compiled functions hold is never garbage by itself: a worker grew to 5 GB on JAX."""
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()
    gc.collect()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def recordings():
    """The folder of real recordings, which is not part of the repository."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip(f"the recordings are not here: no folder {folder.name} in ../shared")
    return folder
