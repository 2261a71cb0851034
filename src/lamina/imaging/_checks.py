"""Checks of what comes into a layer on images."""

from typing import Any

from keras import ops

from lamina._common import Array, Shape, received


def complex_images(name: str, shape: Any, layer: Any, rank: int | None = None) -> Shape:
    """`shape` if it is that of images of pairs of reals, or a ValueError."""
    shape = tuple(shape)
    fits = len(shape) >= 4 if rank is None else len(shape) == rank
    if not fits or shape[-1] != 2:
        axes = "(batch, coils, height, width, 2)" if rank == 5 else "(batch, height, width, 2)"
        raise ValueError(
            f"`{name}` of {type(layer).__name__} {layer.name!r} must have the shape {axes}: the "
            "last axis holds the real and the imaginary part. For a complex array z: "
            f"np.stack([z.real, z.imag], -1). {received(f'{name}.shape', shape)}"
        )
    return shape


def real_images(name: str, shape: Any, layer: Any, channels: int | None = None) -> Shape:
    """`shape` if it is `(batch, height, width, channels)`, or a ValueError."""
    shape = tuple(shape)
    if len(shape) != 4 or (channels is not None and shape[-1] != channels):
        wanted = "channels" if channels is None else channels
        raise ValueError(
            f"`{name}` of {type(layer).__name__} {layer.name!r} must have the shape (batch, "
            f"height, width, {wanted}). {received(f'{name}.shape', shape)}"
        )
    return shape


def known_sizes(name: str, shape: Shape, layer: Any) -> tuple[int, int]:
    """Height and width of images, which must be known."""
    height, width = shape[-3:-1]
    if height is None or width is None:
        raise ValueError(
            f"`{name}` of {type(layer).__name__} {layer.name!r} must have a known height and "
            f"width: give the Input both. {received(f'{name}.shape', shape)}"
        )
    return height, width


def same_size(name: str, shape: Shape, wanted: Shape, layer: Any) -> None:
    """A ValueError unless two shapes agree where both are known."""
    pairs = zip(shape, wanted, strict=False)
    if len(shape) != len(wanted) or any(None not in p and p[0] != p[1] for p in pairs):
        raise ValueError(
            f"`{name}` of {type(layer).__name__} {layer.name!r} must have the shape {wanted}, to "
            f"match its other inputs. {received(f'{name}.shape', shape)}"
        )


def listed(inputs: Any, names: tuple[str, ...], optional: int, layer: Any) -> list[Array]:
    """The entries of a list input; the last `optional` of `names` may be left out."""
    given = list(inputs) if isinstance(inputs, list | tuple) else [inputs]
    if not len(names) - optional <= len(given) <= len(names):
        raise ValueError(
            f"`inputs` of {type(layer).__name__} {layer.name!r} must be a list: "
            f"[{', '.join(names)}]. {received('length', len(given))}"
        )
    return given


def broadcast_last(mask: Array) -> Array:
    """`(..., height, width)` as `(..., 1, height, width)`: the same for every coil."""
    return ops.expand_dims(mask, -3)


def at_least_single(dtype: str) -> str:
    """What places are computed in: half precision cannot tell pixels beyond 256 apart."""
    return "float32" if dtype in ("float16", "bfloat16") else dtype
