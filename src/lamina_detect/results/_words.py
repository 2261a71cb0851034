"""Numbers and names for people."""

from lamina_detect.recordings import Recording
from lamina_detect.results._files import time_of

# A name that is longer is shown by its beginning and its end.
LONGEST_NAME = 60
# Seconds of the units of time, and what a value every such unit is called.
UNITS = (
    (31_557_600, "year", "yearly"),
    (604_800, "week", "weekly"),
    (86_400, "day", "daily"),
    (3600, "hour", "hourly"),
    (60, "minute", "minute"),
    (1, "second", "one-second"),
)


def short(name: str, longest: int = LONGEST_NAME) -> str:
    """A name that fits on a line."""
    if len(name) <= longest:
        return name
    end = longest // 3
    return f"{name[: longest - end - 1]}…{name[-end:]}"


def rate_text(rate: float) -> str:
    """A sampling rate: 360 Hz, 5-minute values."""
    if rate >= 0.5:
        return "1 value a second" if rate == 1 else f"{rate:g} Hz"
    step = 1 / rate
    for seconds, unit, adverb in UNITS:
        count = step / seconds
        if abs(count - round(count)) < 1e-6 * count and round(count) >= 1:
            return f"{adverb} values" if round(count) == 1 else f"{round(count)}-{unit} values"
    return f"a value every {step:.4g} s"


def span_text(seconds: float) -> str:
    """A length of time: 78 days, 30 min 6 s, 0.25 s."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    if seconds < 3600:
        return _two(seconds, 60, "min", 1, "s")
    if seconds < 2 * 86_400:
        return _two(seconds, 3600, "h", 60, "min")
    if seconds < 60 * 86_400:
        return _two(seconds, 86_400, "days", 3600, "h")
    if seconds < 730 * 86_400:
        return f"{seconds / 86_400:,.0f} days"
    return f"{seconds / 31_557_600:,.1f} years"


def _two(seconds: float, first: int, one: str, second: int, other: str) -> str:
    rounded = round(seconds / second) * second
    rest = round(rounded % first / second)
    return f"{rounded // first} {one}" + (f" {rest} {other}" if rest else "")


def length_text(recording: Recording, samples: int) -> str:
    """How long so many samples are."""
    if recording.rate:
        return span_text(samples / recording.rate)
    return f"{samples:,} sample{'' if samples == 1 else 's'}"


def time_text(recording: Recording, sample: int) -> str:
    """The time of a sample, for people: 2013-12-16 17:25:00, 12:30.25, sample 4196."""
    if recording.times is not None:
        return time_of(recording, sample)[:19]
    if not recording.rate:
        return f"sample {sample}"
    seconds = sample / recording.rate
    whole = int(seconds)
    clock = f"{whole % 3600 // 60:02d}:{seconds % 60:05.2f}"
    days, hours = divmod(whole // 3600, 24)
    return (f"{days} d " if days else "") + (f"{hours}:" if days or hours else "") + clock


def one_in_text(one_in: float) -> str:
    """How rare: one window in so many."""
    if not one_in > 1:
        return ""
    if one_in >= 1e6:
        return "over a million"
    digits = max(0, len(str(int(one_in))) - 2)
    return f"{round(one_in, -digits):,.0f}"
