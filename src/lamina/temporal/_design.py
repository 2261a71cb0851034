"""What the filter layers share: scipy's designs and checks of coefficients."""

from typing import Any

import numpy as np

from lamina._common import invalid


def scipy_signal() -> Any:
    """`scipy.signal`, or an error that names what to install."""
    try:
        import scipy.signal
    except ImportError as error:
        raise ImportError(
            "Filter designs need scipy: `pip install scipy`. Coefficients that you have need "
            "nothing more."
        ) from error
    return scipy.signal


def check_finite(name: str, values: np.ndarray) -> None:
    """A ValueError if one of `values` is NaN or infinite."""
    if not np.isfinite(values).all():
        raise invalid(name, "finite numbers", values.tolist())
