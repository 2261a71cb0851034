"""Argument checks with one voice: the argument, what is wanted, what came."""

import numbers


def received(name, value):
    """The closing sentence of every error about an argument."""
    return f"Received: {name}={value!r}"


def positive_integer(name, value, meaning):
    """`value` as a plain int, or a ValueError that says what `name` means."""
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    if not whole or value < 1:
        raise ValueError(f"`{name}` must be {meaning}, at least 1. {received(name, value)}")
    return int(value)
