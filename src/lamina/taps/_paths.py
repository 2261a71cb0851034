"""Layers of a model by their path: `encoder.blocks.3.attn`, or by a name that only one has."""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import keras

from lamina._common import received

# A layer and those that hold it, from the model inwards.
Found: TypeAlias = tuple[keras.layers.Layer, tuple[keras.layers.Layer, ...]]

# Where Keras keeps, under names of its own, layers that have better names elsewhere.
_OF_KERAS = {
    "_functional",
    "_inbound_nodes",
    "_layers",
    "_metrics",
    "_modules",
    "_nodes",
    "_operations",
    "_operations_by_depth",
    "_outbound_nodes",
    "_tracker",
}


def check_model(model: Any) -> None:
    """An error for what has no layers to tap."""
    if not isinstance(model, keras.layers.Layer):
        raise TypeError(f"`model` must be a Keras layer or model. {received('model', model)}")


def walk(model: keras.layers.Layer) -> dict[str, Found]:
    """Every layer below `model` once: `{path: (layer, its owners)}`, in the order found."""
    found, seen = {}, {id(model)}

    def visit(owner: keras.layers.Layer, path: str, owners: tuple[keras.layers.Layer, ...]) -> None:
        for name, child in _children(owner):
            if id(child) in seen:
                continue
            seen.add(id(child))
            here = f"{path}.{name}" if path else name
            found[here] = (child, owners)
            visit(child, here, (*owners, child))

    visit(model, "", (model,))
    return found


def resolve(model: keras.layers.Layer, path: str) -> Found:
    """The layer at `path` and its owners, or a ValueError that names the nearest."""
    hit = _follow(model, path.split("."), ())
    if hit is None:
        everything = walk(model)
        named = {p: hit for p, hit in everything.items() if hit[0].name == path}
        if len(named) > 1:
            raise ValueError(
                f"`{path}` is the name of {len(named)} layers of {model.name}. "
                f"Tap one of them by its path: {_listed(named)}."
            )
        if not named:
            raise ValueError(_nothing_there(model, path, everything))
        (hit,) = named.values()
    refuse_unreachable(path, *hit)
    return hit


def _children(layer: keras.layers.Layer) -> Iterator[tuple[str, keras.layers.Layer]]:
    """(name, layer) of what a layer holds: public attributes, graph layers, private attributes."""
    # On PyTorch a layer that is an attribute lives in `_modules`.
    held = {**vars(layer), **vars(layer).get("_modules", {})}
    public = [name for name in held if not name.startswith("_")]
    private = [name for name in held if name.startswith("_") and not _of_keras(name)]
    for name in public:
        yield from _inside(name, held[name])
    if isinstance(layer, keras.Model):
        for child in layer.layers:
            yield child.name, child
    for name in private:
        yield from _inside(name, held[name])


def _of_keras(name: str) -> bool:
    return name in _OF_KERAS or name.startswith("_self_")  # the latter: TensorFlow's tracking


def _inside(name: str, value: Any) -> Iterator[tuple[str, keras.layers.Layer]]:
    """(path, layer) of the layers in an attribute, through lists and dicts."""
    if isinstance(value, keras.layers.Layer):
        yield name, value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _inside(f"{name}.{key}", part)
    elif isinstance(value, list | tuple):
        for i, part in enumerate(value):
            yield from _inside(f"{name}.{i}", part)


def _follow(node: Any, parts: list[str], owners: tuple[keras.layers.Layer, ...]) -> Found | None:
    """The layer that `parts` lead to; a name may itself contain dots."""
    if not parts:
        return (node, owners) if isinstance(node, keras.layers.Layer) and owners else None
    if isinstance(node, keras.layers.Layer):
        owners = (*owners, node)
    for n in range(1, len(parts) + 1):
        child = _part(node, ".".join(parts[:n]))
        if child is not None and (hit := _follow(child, parts[n:], owners)):
            return hit
    return None


def _part(node: Any, name: str) -> Any:
    """One step of a path: an attribute, a list index, a dict key, or a layer's name."""
    if isinstance(node, dict):
        return next((value for key, value in node.items() if str(key) == name), None)
    if isinstance(node, list | tuple):
        return node[int(name)] if name.isdecimal() and int(name) < len(node) else None
    if not isinstance(node, keras.layers.Layer):
        return None
    value = getattr(node, name, None) if not _of_keras(name) and name != "layers" else None
    if isinstance(value, keras.layers.Layer | dict | list | tuple):
        return value
    layers = node.layers if isinstance(node, keras.Model) else []
    named = [child for child in layers if child.name == name]
    return named[0] if len(named) == 1 else None


def refuse_unreachable(
    path: str, layer: keras.layers.Layer, owners: tuple[keras.layers.Layer, ...]
) -> None:
    """An error for a layer whose calls cannot be observed."""
    for owner in owners:
        if isinstance(owner, keras.layers.TimeDistributed):
            raise ValueError(
                f"`{path}` is inside {owner.name} (TimeDistributed), which does not call it as a "
                f"layer. Tap {owner.name} itself, or apply the layer to the sequence at once: "
                "most Keras layers take `(batch, time, ...)` as they are."
            )
        if isinstance(owner, keras.layers.RNN) and not owner.unroll:
            raise ValueError(
                f"`{path}` runs in the time loop of {owner.name} ({type(owner).__name__}), where "
                "its values cannot leave. Wrap the cell, `keras.layers.RNN(lamina.TapCell(cell), "
                "return_sequences=True)`, or set `unroll=True`."
            )
    if isinstance(layer, keras.layers.InputLayer):
        raise ValueError(
            f"`{path}` is an InputLayer, which is never called. Tap the layer after it, with "
            '`at="input"`.'
        )
    for base in type(layer).__mro__:
        if base is keras.layers.Layer:
            break
        if "__call__" in vars(base) and not base.__module__.startswith("keras."):
            raise ValueError(
                f"`{path}` ({type(layer).__name__}) has a `__call__` of its own, so what it returns"
                " to its caller is unknown. Move that code to `call`, or tap a layer inside."
            )


def _nothing_there(model: keras.layers.Layer, path: str, everything: dict[str, Found]) -> str:
    if any(op.name == path for op in getattr(model, "operations", ())):
        return (
            f"`{path}` is a raw operation of {model.name}, not a layer. Pass its result through "
            "`keras.layers.Identity(name=...)` and tap that."
        )
    names = list(dict.fromkeys([*everything, *(layer.name for layer, _ in everything.values())]))
    if not names:
        return f"{model.name} ({type(model).__name__}) has no layers. {received('path', path)}"
    # Half as alike as difflib's default: a path is long, and often only its end is remembered.
    near = difflib.get_close_matches(path, names, n=5, cutoff=0.4) or names[:5]
    advice = "`lamina.tap_names(model, inputs)` lists all."
    if not model.built:
        advice = "It is not built yet: if it makes its layers when built, call it once first."
    return f"{model.name} has no layer `{path}`. Nearest: {_listed(near)}. {advice}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
