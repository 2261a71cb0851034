"""What `lamina check` is to check: a class, the layers of a file, a package or a saved model."""

import importlib
import importlib.util
import inspect
import json
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

# One array of a sample in words, such as float32(3,10,4).
ARRAY = re.compile(r"[a-z]+\d*\([\d,\s]*\)")


class CannotRun(Exception):
    """The target could not be imported, or the options make no sense: in one sentence."""


@dataclass
class Subject:
    """One layer to be checked.

    Attributes:
        name: What its report and its settings call it.
        target: A class, a factory or an instance.
        inputs: A sample, or None to guess one.
        kwargs: Constructor arguments of a class.
        options: Arguments of every call that are no tensors.
        found: It was found in a file, a package or a model, not named by the user.
    """

    name: str
    target: Any
    inputs: Any = None
    kwargs: dict[str, Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)
    found: bool = True


def subjects(job: dict[str, Any], note: Callable[[str], None]) -> Iterator[Subject]:
    """Each layer of the job's target; `note` is told what could not be imported."""
    for module in job["imports"]:
        load(module)
    path = job["target"]
    place, _, name = path.partition(":")
    if path.endswith(".keras"):
        yield from layers_of_model(path)
    elif name:
        found, settings = imported(place, name), job["layers"].get(name, {})
        inputs = sample(job["inputs"] or settings.get("inputs"))
        kwargs = job["kwargs"] or settings.get("kwargs")
        yield Subject(name, found, inputs, kwargs, found=False)
    else:
        for cls in layers_of_module(load(place), note):
            settings = job["layers"].get(cls.__name__, {})
            yield Subject(cls.__name__, cls, sample(settings.get("inputs")), settings.get("kwargs"))


def load(place: str) -> ModuleType:
    """A module by its name, or a `.py` file."""
    try:
        return from_file(place) if place.endswith(".py") else importlib.import_module(place)
    except Exception as error:
        raise CannotRun(f"{place} could not be imported: {_in_words(error)}") from error


def imported(place: str, name: str) -> Any:
    """The class or factory `name` of a module or file."""
    found: Any = load(place)
    try:
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        raise CannotRun(f"{place}:{name} could not be imported: {_in_words(error)}") from error
    return found


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def from_file(place: str) -> ModuleType:
    """A `.py` file as a module, known to others by its name."""
    path = Path(place)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise FileNotFoundError(f"no Python file {place}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    sys.path.insert(0, str(path.parent.resolve()))
    spec.loader.exec_module(module)
    return module


def layers_of_module(module: ModuleType, note: Callable[[str], None]) -> list[type]:
    """Public layer classes written in a module, or anywhere in a package, in their order."""
    import keras

    found: dict[type, None] = {}
    for part in [module, *_modules_below(module, note)]:
        for name, value in list(vars(part).items()):
            own = getattr(value, "__module__", "").partition(".")[0]
            if (
                isinstance(value, type)
                and issubclass(value, keras.layers.Layer)
                and not issubclass(value, keras.Model)
                and not name.startswith("_")
                and own == module.__name__.partition(".")[0]
                and not inspect.isabstract(value)
            ):
                found[value] = None
    return list(found)


def _modules_below(module: ModuleType, note: Callable[[str], None]) -> Iterator[ModuleType]:
    """Every public module of a package; a test or a script that cannot be imported is noted."""
    if not hasattr(module, "__path__"):
        return
    for info in pkgutil.walk_packages(module.__path__, f"{module.__name__}.", onerror=note):
        if any(part.startswith("_") or "test" in part for part in info.name.split(".")):
            continue
        try:
            yield importlib.import_module(info.name)
        except Exception as error:
            note(f"{info.name} could not be imported: {_in_words(error)}")


def sample(text: str | None) -> Any:
    """Arrays from words: shapes and dtypes, or a file."""
    import numpy as np

    if text is None:
        return None
    if text.endswith(".npy"):
        return np.load(text, allow_pickle=False)
    if text.endswith(".npz"):
        return dict(np.load(text, allow_pickle=False))
    arrays = [array(part) for part in ARRAY.findall(text)]
    if not arrays:
        raise CannotRun(
            "--inputs must be shapes such as float32(3,10,4) or [float32(3,4),int32(3)], or a "
            f".npy or .npz file. Received: {text!r}"
        )
    return arrays if text.strip().startswith("[") else arrays[0]


def array(text: str) -> "np.ndarray":
    """Random numbers of a dtype and shape; integers are 0 or 1."""
    import numpy as np

    dtype, _, sizes = text.rstrip(")").partition("(")
    shape = tuple(int(n) for n in sizes.split(",") if n.strip())
    rng = np.random.default_rng(0)
    if dtype.startswith(("int", "uint", "bool")):
        return rng.integers(0, 2, shape).astype(dtype)
    return rng.standard_normal(shape).astype(dtype)


def layers_of_model(path: str) -> Iterator[Subject]:
    """Each distinct layer of a saved model, as it is called there; safe mode on."""
    import keras

    try:
        model: Any = keras.saving.load_model(path, compile=False)
    except Exception as error:
        raise CannotRun(f"{path} could not be loaded: {error}") from error
    calls = _calls(model)
    seen = set()
    for layer in _leaf_layers(model):
        if layer.name not in calls:
            continue
        inputs, options = calls[layer.name]
        shapes = keras.tree.map_structure(lambda x: (x.shape, str(x.dtype)), inputs)
        key = (type(layer), _config_without_name(layer), str(shapes), str(options))
        if key not in seen:
            seen.add(key)
            label = f"{layer.name} ({type(layer).__name__})"
            yield Subject(label, layer, inputs, None, options)


def _leaf_layers(model: Any) -> Iterator[Any]:
    """The layers of a model and of the models in it, without its inputs."""
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _leaf_layers(layer)
        elif not isinstance(layer, keras.layers.InputLayer):
            yield layer


def _config_without_name(layer: Any) -> str:
    try:
        config = layer.get_config()
    except Exception:
        return layer.name
    return json.dumps({k: v for k, v in config.items() if k != "name"}, default=str)


def _calls(model: Any) -> dict[str, tuple[Any, dict[str, Any]]]:
    """(inputs, options) of each layer's first call as the model runs, by the layer's name."""
    import keras
    import numpy as np

    rng, found = np.random.default_rng(0), {}

    def drawn(symbol: Any) -> "np.ndarray":
        shape = [3 if n is None and axis == 0 else n or 6 for axis, n in enumerate(symbol.shape)]
        if keras.backend.is_float_dtype(symbol.dtype):
            return rng.standard_normal(shape).astype(symbol.dtype)
        return rng.integers(0, 2, shape).astype(symbol.dtype)

    def listen(layer: Any) -> None:
        inner, signature = layer.call, inspect.signature(layer.call)

        def call(*args: Any, **kwargs: Any) -> Any:
            found.setdefault(layer.name, _arguments(signature, args, kwargs))
            return inner(*args, **kwargs)

        object.__setattr__(layer, "call", call)

    layers = list(_leaf_layers(model))
    for layer in layers:
        listen(layer)
    try:
        # A Sequential has no input of its own name until it is called.
        given = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
        model(keras.tree.map_structure(drawn, given), training=False)
    except Exception as error:
        raise CannotRun(f"the model could not be run: {_in_words(error)}") from error
    finally:
        for layer in layers:
            object.__delattr__(layer, "call")
    return found


def _arguments(signature: Any, args: Any, kwargs: Any) -> tuple[Any, dict[str, Any]]:
    """A call's tensors, as a sample, and what else it was given."""
    import keras

    tensors, options = {}, {}
    for name, value in signature.bind(*args, **kwargs).arguments.items():
        leaves = keras.tree.flatten(value)
        if name == "training" or value is None or not leaves:
            continue
        if all(keras.ops.is_tensor(x) for x in leaves):
            tensors[name] = keras.tree.map_structure(keras.ops.convert_to_numpy, value)
        elif signature.parameters[name].default is not value:
            options[name] = value
    first = next(iter(signature.parameters))
    return (tensors[first] if list(tensors) == [first] else tensors), options
