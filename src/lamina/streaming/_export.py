"""The step of a model as one file, with the names of its state inside."""

import json
import os
import pathlib
import shutil
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops, tree

from lamina._common import Array, Tree, choice, received, to_numpy
from lamina.streaming._plan import Plan
from lamina.streaming._state import FORMAT
from lamina.streaming._tick import can_tick, heeded_masks, tick

# `lamina_edge`, which never imports lamina, has this name and those of the tensors too
# (`input_names`, `output_names`): a test holds the two together.
NOTE = "lamina.json"


def export(model: keras.Model, plan: Plan, path: str | os.PathLike[str], format: str) -> None:
    """Write the step of `plan` to `path`; the file appears only when it is complete."""
    write = _WRITERS[choice("format", format, _WRITERS)]
    if keras.backend.backend() != "tensorflow":
        raise ValueError(
            f"`export` needs the TensorFlow backend; this is {keras.backend.backend()}. Save the "
            "model and run: lamina export model.keras step.tflite --format litert"
        )
    path = pathlib.Path(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".lamina-") as folder:
        made = pathlib.Path(folder) / "step"
        with warnings.catch_warnings():
            # The masked step is written too, whether masks will come or not.
            warnings.filterwarnings("ignore", ".*does not support masking", UserWarning)
            write(_Step(model, plan), made)
        if path.is_dir() and (path / "saved_model.pb").exists():
            shutil.rmtree(path)
        made.replace(path)


class _Step:
    """One sample: flat tensors in, flat tensors out, and a note of which is which."""

    def __init__(self, model: keras.Model, plan: Plan) -> None:
        can_tick(plan)
        self.model, self.plan = model, plan
        self.state = {k: to_numpy(v) for k, v in plan.initial_state(1).items()}
        self.counters = plan.initial_first()
        self.masked = heeded_masks(plan)

    def specs(self, masked: bool) -> list[keras.KerasTensor]:
        """Named KerasTensors of the inputs, in order; the batch is unknown."""
        flows = [self.plan.flows[r] for r in tree.flatten(self.plan.inputs)]
        found = []
        for i, flow in enumerate(flows):
            shape = (None, 1, *flow.shape[2:]) if flow.timed else (None, *flow.shape[1:])
            if None in shape[1:]:
                raise ValueError(f"`export` needs known feature axes. {received('shape', shape)}")
            found.append((f"x{i}", shape, flow.dtype))
        if masked:
            found += [(f"m{i}", (None, 1), "bool") for i, heeds in enumerate(self.masked) if heeds]
        for i, value in enumerate(self.state.values()):
            found.append((f"s{i}", (None, *value.shape[1:]), value.dtype.name))
        found += [(f"c{i}", (), "int32") for i in range(len(self.counters))]
        return [keras.KerasTensor(shape, dtype, name=name) for name, shape, dtype in found]

    def run(self, masked: bool, given: Any) -> dict[str, Array]:
        """`{name: tensor}` of one sample: outputs y, new state t and counters d, and `due`."""
        tensors = iter(given)
        inputs = [next(tensors) for _ in tree.flatten(self.plan.inputs)]
        masks = [next(tensors) if masked and heeds else None for heeds in self.masked]
        state = {key: next(tensors) for key in self.state}
        counters = {key: next(tensors) for key in self.counters}
        outputs, state, counters, due = tick(self.plan, inputs, masks, state, counters)
        found = {f"y{i}": y for i, y in enumerate(outputs)}
        found |= {f"t{i}": state[key] for i, key in enumerate(self.state)}
        found |= {f"d{i}": counters[key] for i, key in enumerate(self.counters)}
        if due is not None:
            found["due"] = due
        return {name: ops.convert_to_tensor(value) for name, value in found.items()}

    def note(self, order: list[str] | None = None) -> str:
        """What `lamina_edge` must know, as JSON; `order`: of the outputs, where names are lost."""
        plan = self.plan

        def described(refs: Tree) -> list[dict[str, Any]]:
            flows = [plan.flows[r] for r in tree.flatten(refs)]
            return [
                {"shape": f.shape[2 if f.timed else 1 :], "dtype": f.dtype, "timed": f.timed}
                for f in flows
            ]

        def numbered(refs: Tree) -> Tree:
            return tree.pack_sequence_as(refs, list(range(len(tree.flatten(refs)))))

        field = plan.receptive_field
        note = {
            "format": FORMAT,
            "fingerprint": plan.fingerprint(),
            "receptive_field": None if field == float("inf") else field,
            "every_sample": plan.every_sample,
            "inputs": described(plan.inputs),
            "outputs": described(plan.outputs),
            "input_structure": numbered(plan.inputs),
            "output_structure": numbered(plan.outputs),
            "masks": self.masked,
            "state": [
                {"key": k, "shape": v.shape[1:], "dtype": v.dtype.name, "initial": _initial(v[0])}
                for k, v in self.state.items()
            ],
            "counters": [{"key": f"{k}/first", "initial": n} for k, n in self.counters.items()],
            "order": order,
        }
        return json.dumps(note)


def _initial(row: np.ndarray) -> Any:
    """The fresh state of a row: one number where it is the same all over. JSON has no infinity."""
    values = np.unique(row) if row.size else np.zeros(1)
    values = row if len(values) != 1 else values[0]
    return np.vectorize(str, otypes=[object])(values).tolist()


def _archive(step: _Step, folder: Any, with_masks: bool) -> list[str]:
    import tensorflow as tf

    archive: Any = keras.export.ExportArchive()
    archive.track(step.model)
    names = ["step", *(["step_masked"] if with_masks and any(step.masked) else [])]
    for name in names:
        masked = name == "step_masked"
        signature = [tf.TensorSpec(s.shape, s.dtype, s.name) for s in step.specs(masked)]
        archive.add_endpoint(
            name, lambda *x, masked=masked: step.run(masked, x), input_signature=signature
        )
    archive.write_out(str(folder), verbose=False)
    return names


def _saved_model(step: _Step, path: pathlib.Path) -> None:
    _archive(step, path, with_masks=True)
    (path / "assets.extra").mkdir()
    (path / "assets.extra" / NOTE).write_text(step.note())


def _litert(step: _Step, path: pathlib.Path) -> None:
    import tensorflow as tf

    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        names = _archive(step, folder, with_masks=True)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=names)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        path.write_bytes(converter.convert())
    # Files packed behind the model, as TensorFlow's own metadata are: readers of the model skip it.
    with zipfile.ZipFile(path, "a") as pack:
        pack.writestr(NOTE, step.note())


def _onnx(step: _Step, path: pathlib.Path) -> None:
    try:
        import onnx
        import tf2onnx  # noqa: F401
    except ImportError as missing:
        raise ImportError(
            f"`format='onnx'` needs {missing.name}: pip install 'lamina[export]'"
        ) from None
    specs = step.specs(masked=True)
    order: list[str] = []

    class Stepper(keras.Model):
        def call(self, tensors: list[Array]) -> list[Array]:
            found = step.run(True, tensors)
            order[:] = list(found)
            return list(found.values())

    stepper = Stepper()
    stepper.inner = step.model
    stepper.built = True
    signature = [[keras.InputSpec(s.dtype, s.shape, name=s.name) for s in specs]]
    stepper.export(str(path), format="onnx", input_signature=signature, verbose=False)
    model = onnx.load(str(path))
    # Keras writes the file even where an operation has no ONNX counterpart.
    onnx.checker.check_model(model)
    onnx.helper.set_model_props(model, {NOTE: step.note(order)})
    onnx.save(model, str(path))


_WRITERS: dict[str, Callable[[_Step, pathlib.Path], None]] = {
    "litert": _litert,
    "onnx": _onnx,
    "tf_saved_model": _saved_model,
}
