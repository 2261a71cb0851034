"""A point inside a model."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import keras

from lamina._common import choice, received
from lamina.taps._paths import resolve


@dataclass(frozen=True)
class Tap:
    """A point inside a model: the output, or the input, of one of its layers.

        value = output (or input) of the layer at `path`, in its call number `call`

    Args:
        path: The path of the layer by attributes, list indices, dict keys and layer names, such as
            `"encoder.blocks.3.attn"`; else the name of a layer that only one layer has.
        call: Which call of the layer: 0 for the first (default), 1 for the second, -1 for the
            last, `"all"` for a list of them.
        at: `"output"` (default), or `"input"`: the layer's first argument, before any cast.
        stop_gradient: Let no gradient flow back through what is taken out.

    Raises:
        ValueError: if an argument is none of these.

    Example:
        >>> Tap("encoder.blocks.3", at="input").call
        0
    """

    path: str
    call: int | Literal["all"] = 0
    at: Literal["output", "input"] = "output"
    stop_gradient: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.path, str) or not self.path:
            raise ValueError(f"`path` must name a layer. {received('path', self.path)}")
        numbered = type(self.call) is int and self.call >= -1
        if self.call != "all" and not numbered:
            raise ValueError(
                '`call` must be 0 or more, -1 for the last call, or "all". '
                + received("call", self.call)
            )
        choice("at", self.at, ("output", "input"))

    def get_config(self) -> dict[str, Any]:
        """The arguments as a dict."""
        return asdict(self)


def as_taps(taps: Any) -> dict[str, Tap]:
    """`{key: Tap}` of a path, a tap, several of them, or `{alias: path or tap}`."""
    if isinstance(taps, str | Tap):
        taps = [taps]
    if isinstance(taps, Mapping):
        pairs = [(alias, _as_tap(tap)) for alias, tap in taps.items()]
    elif isinstance(taps, Iterable):
        pairs = [(tap.path, tap) for tap in map(_as_tap, taps)]
    else:
        raise TypeError(
            "`taps` must be a path, a `Tap`, a list of them, or a dict {alias: path or Tap}. "
            + received("taps", taps)
        )
    keys = [key for key, _ in pairs]
    for key in keys:
        if key == "output":
            raise ValueError(
                'the key "output" is the model\'s own output. Name the tap by another alias: '
                '`{"alias": "output"}`.'
            )
        if keys.count(key) > 1:
            raise ValueError(
                f"two taps have the key `{key}`. Give them aliases: "
                f'`{{"first": Tap("{key}", call=0), "second": Tap("{key}", call=1)}}`.'
            )
    return dict(pairs)


def _as_tap(tap: Any) -> Tap:
    if isinstance(tap, str):
        return Tap(tap)
    if isinstance(tap, Tap):
        return tap
    raise TypeError(f"a tap must be a path or a `Tap`. {received('tap', tap)}")


def taps_config(model: keras.layers.Layer, taps: Any) -> tuple[tuple[str, dict[str, Any]], ...]:
    """`((key, config), ...)`: what a model keeps and saves. Paths are checked if it is built."""
    taps = as_taps(taps)
    if model.built:
        for tap in taps.values():
            resolve(model, tap.path)
    return tuple((key, tap.get_config()) for key, tap in taps.items())


def taps_from_config(config: Any) -> dict[str, Tap]:
    """`{key: Tap}` of what `taps_config` made, or of a dict of it."""
    return {key: Tap(**tap) for key, tap in dict(config).items()}
