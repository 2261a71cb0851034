"""Where the amplifier clips."""

import numpy as np

from lamina_detect._common import longest_run

# Of the range from the quartile to the quartile: a normal value lies so far out, 4 standard
# deviations, once in 20,000.
FAR = 3
# More samples than these at one value are no clipping but how the signal is: a load at rest.
RARE = 0.01


def find_rails(x: np.ndarray, run: int) -> list[float]:
    """The lowest and the highest value of `x` where the recording is clipped; else -inf and inf.

    Clipped: the extreme value comes `run` times in a row, rarely in all, and lies far out.
    """
    rails = [-np.inf, np.inf]
    low, middle, high = np.nanquantile(x, [0.25, 0.5, 0.75])
    for side, extreme in enumerate((np.nanmin(x), np.nanmax(x))):
        at = x == extreme
        far = abs(extreme - middle) > FAR * (high - low) > 0
        if far and at.mean() < RARE and longest_run(at) >= run:
            rails[side] = float(extreme)
    return rails
