"""One thread a worker, whatever computes: with several, sums come in another order each time."""

import os

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
XLA = "--xla_cpu_multi_thread_eigen=false"


def one_thread() -> dict[str, str]:
    """The variables of a process that is to compute in one thread, and with this one's backend."""
    found: dict[str, str] = {name: "1" for name in VARIABLES}
    found["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {XLA}".strip()
    for name in ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "JAX_ENABLE_X64"):
        if name in os.environ:
            found[name] = os.environ[name]
    return found
