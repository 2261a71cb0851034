"""The table of the correct layers."""

from tests.contracts.bugs import Plain, rnd

GOOD = {}


def good(x, traits=None, **kwargs):
    def register(cls):
        GOOD[cls.__name__] = (cls, kwargs, x, traits or {})
        return cls

    return register


__all__ = ["GOOD", "Plain", "good", "rnd"]
