"""What the filter layers share: scipy's designs and checks of coefficients."""

import numpy as np

from lamina._common import received


def scipy_signal():
    """`scipy.signal`, or an error that says what to install."""
    try:
        import scipy.signal
    except ImportError as error:
        raise ImportError(
            "Filter designs need scipy: `pip install scipy`. Coefficients that you have need "
            "nothing more."
        ) from error
    return scipy.signal


def check_finite(name, values):
    """A ValueError if one of `values` is NaN or infinite."""
    if not np.isfinite(values).all():
        raise ValueError(f"`{name}` must be finite numbers. {received(name, values.tolist())}")
