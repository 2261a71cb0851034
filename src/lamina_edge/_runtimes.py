"""One sample through LiteRT or ONNX Runtime: a list of arrays in, a list of arrays out."""

import json
import os
import pathlib
import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lamina_edge._checks import received

Arrays = Sequence[np.ndarray]
# `(x, state) -> (y, state)`.
Advance = Callable[[np.ndarray, list[np.ndarray]], tuple[np.ndarray, list[np.ndarray]]]

NOTE = "lamina.json"


def open_file(
    path: str | os.PathLike[str], batch: int
) -> "tuple[dict[str, Any], LiteRT | OnnxRuntime]":
    """`(note, runtime)` of an exported step."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"`path` must be an exported step. No such file: {path}")
    with path.open("rb") as file:
        start = file.read(8)
    return _litert(path, batch) if start[4:8] == b"TFL3" else _onnx(path, batch)


def _foreign(path: pathlib.Path) -> ValueError:
    return ValueError(
        f"`path` must be a step written by `lamina.Stream.export` or `lamina export`. "
        f"This one does not say what its state is. {received('path', str(path))}"
    )


def _missing(package: str) -> ImportError:
    return ImportError(f"lamina_edge needs {package} for this file: pip install 'lamina[edge]'")


def _litert(path: pathlib.Path, batch: int) -> "tuple[dict[str, Any], LiteRT]":
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise _missing("ai-edge-litert") from None
    try:
        with zipfile.ZipFile(path) as pack:
            note = json.loads(pack.read(NOTE))
    except (zipfile.BadZipFile, KeyError):
        raise _foreign(path) from None
    # One thread: a sample is too small to share out.
    return note, LiteRT(lambda: Interpreter(model_path=str(path), num_threads=1), note, batch)


class LiteRT:
    """The file's signature `step` by tensor number, and `step_masked` by name."""

    def __init__(self, make: Callable[[], Any], note: dict[str, Any], batch: int) -> None:
        self.make, self.note = make, note
        self.runner: Any = None
        interpreter = make()
        inputs, outputs = _places(interpreter)
        # Plain numbers: an array of the interpreter's own would forbid the resize.
        shapes = {i["index"]: i["shape"].tolist() for i in interpreter.get_input_details()}
        self.inputs = [inputs[name] for name in input_names(note, masked=False)]
        self.outputs = [outputs[name] for name in output_names(note)]
        for place in self.inputs if batch != 1 else ():
            if shape := shapes[place]:
                interpreter.resize_tensor_input(place, [batch, *shape[1:]])
        interpreter.allocate_tensors()
        self.interpreter = interpreter

    def run(self, arrays: Arrays) -> list[np.ndarray]:
        """`arrays` in the order of `input_names`, without masks."""
        for place, array in zip(self.inputs, arrays, strict=True):
            self.interpreter.set_tensor(place, array)
        self.interpreter.invoke()
        return [self.interpreter.get_tensor(place) for place in self.outputs]

    def advancer(self) -> Advance:
        """`(x, state) -> (y, state)` for one input and one output: each microsecond counts."""
        interpreter = self.interpreter
        write, invoke, read = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor
        (first, *rest), (result, *after) = self.inputs, self.outputs
        if len(rest) == 1:  # most layers alone: a loop over one state is a third of the time
            (before,), (then,) = rest, after

            def advance_one(
                x: np.ndarray, state: list[np.ndarray]
            ) -> tuple[np.ndarray, list[np.ndarray]]:
                write(first, x)
                write(before, state[0])
                invoke()
                return read(result), [read(then)]

            return advance_one

        def advance(x: np.ndarray, state: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
            write(first, x)
            for place, value in zip(rest, state):  # noqa: B905
                write(place, value)
            invoke()
            return read(result), [read(place) for place in after]

        return advance

    def run_masked(self, arrays: Arrays) -> list[np.ndarray]:
        """`arrays` in the order of `input_names`, with masks."""
        # An interpreter invokes its first signature only; the others are run by name, slower.
        self.runner = self.runner or self.make().get_signature_runner("step_masked")
        names = input_names(self.note, masked=True)
        found = self.runner(**dict(zip(names, arrays, strict=True)))
        return [found[name] for name in output_names(self.note)]


def _places(interpreter: Any) -> list[dict[str, int]]:
    """Tensor numbers of the inputs and outputs of the signature `step`, by name."""
    runner = interpreter.get_signature_runner("step")
    ends = runner.get_input_details(), runner.get_output_details()
    return [{name: detail["index"] for name, detail in end.items()} for end in ends]


def _onnx(path: pathlib.Path, batch: int) -> "tuple[dict[str, Any], OnnxRuntime]":
    try:
        import onnxruntime
    except ImportError:
        raise _missing("onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    except Exception as error:
        raise ValueError(f"`path` is neither LiteRT nor ONNX: {path} ({error})") from None
    properties = session.get_modelmeta().custom_metadata_map
    if NOTE not in properties:
        raise _foreign(path)
    note = json.loads(properties[NOTE])
    return note, OnnxRuntime(session, note, batch)


class OnnxRuntime:
    """An ONNX file: it always takes the masks."""

    def __init__(self, session: Any, note: dict[str, Any], batch: int) -> None:
        self.session, self.valid = session, np.ones((batch, 1), bool)
        order = dict(zip(note["order"], (o.name for o in session.get_outputs()), strict=True))
        self.outputs = [order[name] for name in output_names(note)]
        # An input that nothing uses is not in the file.
        kept = {i.name.partition(":")[0]: i.name for i in session.get_inputs()}
        self.plain, self.masked = (
            [kept.get(name) for name in input_names(note, masked)] for masked in (False, True)
        )
        self.masks = [kept[n] for n in input_names(note, True) if n[0] == "m" and n in kept]

    def run(self, arrays: Arrays) -> list[np.ndarray]:
        """`arrays` in the order of `input_names`, without masks."""
        return self._run(self.plain, arrays, dict.fromkeys(self.masks, self.valid))

    def advancer(self) -> Advance:
        """`(x, state) -> (y, state)` for one input and one output."""

        def advance(x: np.ndarray, state: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
            y, *state = self.run([x, *state])
            return y, state

        return advance

    def run_masked(self, arrays: Arrays) -> list[np.ndarray]:
        """`arrays` in the order of `input_names`, with masks."""
        return self._run(self.masked, arrays, {})

    def _run(
        self, names: Sequence[str | None], arrays: Arrays, feed: dict[Any, np.ndarray]
    ) -> list[np.ndarray]:
        feed.update(zip(names, arrays))  # noqa: B905 - per sample
        feed.pop(None, None)
        return self.session.run(self.outputs, feed)


def input_names(note: dict[str, Any], masked: bool) -> list[str]:
    """The names of a step's inputs in the file, in order, as `lamina.Stream.export` writes them."""
    masks = [f"m{i}" for i, heeds in enumerate(note["masks"]) if heeds] if masked else []
    return [
        *(f"x{i}" for i in range(len(note["inputs"]))),
        *masks,
        *(f"s{i}" for i in range(len(note["state"]))),
        *(f"c{i}" for i in range(len(note["counters"]))),
    ]


def output_names(note: dict[str, Any]) -> list[str]:
    """The names of its outputs in the file: outputs, new state, counters, whether they are due."""
    return [
        *(f"y{i}" for i in range(len(note["outputs"]))),
        *(f"t{i}" for i in range(len(note["state"]))),
        *(f"d{i}" for i in range(len(note["counters"]))),
        *(["due"] if note["counters"] else []),
    ]
