"""Feature maps as losses take them: one tensor, a list, or the dict of a `Tapped` model."""

from collections.abc import Iterable, Mapping
from typing import Any

from lamina._common import Array, Tree, received_text


def as_maps(features: Tree) -> dict[Any, Array]:
    """`{key: map}` in order; a `Tapped` model's own output comes last."""
    if isinstance(features, Mapping):
        taps = {key: value for key, value in features.items() if key != "output"}
        return {**taps, **({"output": features["output"]} if "output" in features else {})}
    if isinstance(features, list | tuple):
        return dict(enumerate(features))
    return {0: features}


def pairs(wanted: Tree, got: Tree) -> list[tuple[Any, Array, Array]]:
    """[(key, map wanted, map got)], or a ValueError if the maps are not the same."""
    wanted, got = as_maps(wanted), as_maps(got)
    if wanted.keys() != got.keys():
        came = received_text(f"{list(wanted)} as `y_true` and {list(got)} as `y_pred`")
        raise ValueError(f"both sides must have the same feature maps. {came}")
    for key in wanted:
        a, b = tuple(wanted[key].shape), tuple(got[key].shape)
        # Lengths unknown in a compiled step are None.
        fits = len(a) == len(b) and all(m == n or None in (m, n) for m, n in zip(a, b, strict=True))
        if not fits:
            came = received_text(f"{a} as `y_true` and {b} as `y_pred`")
            raise ValueError(
                f"the feature maps `{key}` must have the same shape on both sides. {came}"
            )
    return [(key, wanted[key], got[key]) for key in wanted]


def total(terms: Iterable[Array]) -> Array:
    """The sum of tensors."""
    return sum(terms)
