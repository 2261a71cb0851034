"""How long: `10min`, or a number of samples."""

import re

from lamina_detect._common import BadInput

SECONDS = {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
WRITTEN = re.compile(rf"(\d+(?:\.\d+)?)\s*({'|'.join(SECONDS)})?")


def span_of(text: str, option: str, rate: float | None) -> int:
    """Samples that `text` stands for at `rate` samples per second.

    Args:
        text: A number with `ms`, `s`, `min`, `h` or `d`; without, a number of samples.
        option: What it is given for: errors name it.
        rate: None where it is unknown.
    """
    found = WRITTEN.fullmatch(text.strip())
    if found is None or (found[2] is None and "." in found[1]):
        raise BadInput(f"{option}: write 30s, 10min, 2h, or a number of samples. Received: {text}")
    if found[2] is None:
        return int(found[1])
    if not rate:
        raise BadInput(
            f"{option}: {text} needs the rate, which the model was not told; write samples, or "
            "learn with --rate"
        )
    return round(float(found[1]) * SECONDS[found[2]] * rate)
