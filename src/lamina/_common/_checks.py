"""Argument checks with one voice: the argument, what is wanted, what came."""

import math
import numbers
from collections.abc import Iterable
from typing import Any


def received(name: str, value: object, **more: object) -> str:
    """The closing sentence of every error about an argument."""
    pairs = [f"{name}={value!r}", *(f"{other}={given!r}" for other, given in more.items())]
    return received_text(", ".join(pairs))


def received_text(text: str) -> str:
    """The same where a name and a value do not say it: "29 bytes"."""
    return f"Received: {text}"


def invalid(name: str, wanted: str, value: object) -> ValueError:
    """The error for an argument that must be `wanted`; to be raised."""
    return ValueError(f"`{name}` must be {wanted}. {received(name, value)}")


def is_integer(value: object) -> bool:
    """Is `value` a whole number by type? NumPy's are; booleans are not."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def integer(
    name: str, value: Any, meaning: str, low: int | None = None, high: int | None = None
) -> int:
    """`value` as a plain int within `low..high`, or a ValueError with what `name` means."""
    below = low is not None and is_integer(value) and value < low
    above = high is not None and is_integer(value) and value > high
    if not is_integer(value) or below or above:
        raise invalid(name, f"{meaning}{_limits(low, high)}", value)
    return int(value)


def positive_integer(name: str, value: Any, meaning: str) -> int:
    """`value` as a plain int of at least 1, or a ValueError with what `name` means."""
    return integer(name, value, meaning, low=1)


def number(
    name: str, value: Any, meaning: str, low: float | None = None, high: float | None = None
) -> float:
    """`value` as a finite float within `low..high`, or a ValueError with what `name` means."""
    real = isinstance(value, numbers.Real) and not isinstance(value, bool)
    given = float(value) if real else math.nan
    below, above = low is not None and given < low, high is not None and given > high
    if not math.isfinite(given) or below or above:
        raise invalid(name, f"{meaning}{_limits(low, high)}", value)
    return given


def choice(name: str, value: Any, choices: Iterable[Any]) -> Any:
    """`value` if it is one of `choices`, or a ValueError that lists them."""
    known = tuple(choices)
    if not any(value is one or (type(value) is type(one) and value == one) for one in known):
        raise invalid(name, f"one of {', '.join(map(repr, known))}", value)
    return value


def _limits(low: float | None, high: float | None) -> str:
    if low is None and high is None:
        return ""
    if high is None:
        return f", at least {low}"
    return f", at most {high}" if low is None else f", {low} to {high}"
