"""`load`: the interface of `lamina.Stream` over an exported step."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from lamina_edge._checks import block_of, chosen_rows, flat, marks, packed, received
from lamina_edge._runtimes import LiteRT, OnnxRuntime, open_file


def load(path: str | os.PathLike[str], batch_size: int = 1) -> "EdgeStream":
    """An exported step, ready to run.

    Args:
        path: A file written by `lamina.Stream.export` or `lamina export`, as LiteRT or ONNX.
        batch_size: Sequences that run side by side.
    """
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(
            "`batch_size` must be the number of sequences, at least 1. "
            f"{received('batch_size', batch_size)}"
        )
    return EdgeStream(*open_file(path, batch_size), batch_size)


class EdgeStream:
    """As `lamina.Stream`: `push`, `step`, `reset`, `state`, `load_state`, `receptive_field`.

    Arrays are NumPy's. Made by `load`.
    """

    def __init__(
        self, note: dict[str, Any], runtime: LiteRT | OnnxRuntime, batch_size: int
    ) -> None:
        self.batch_size = batch_size
        self.receptive_field = note["receptive_field"] or float("inf")
        self._note, self._run, self._run_masked = note, runtime.run, runtime.run_masked
        self._inputs, self._outputs = note["inputs"], note["outputs"]
        self._structures = note["input_structure"], note["output_structure"]
        self._fresh = [_repeated(s, batch_size) for s in note["state"]]
        self._fresh_counters = [np.asarray(c["initial"], "int32") for c in note["counters"]]
        # The quick way of `push`: one array of one sample, and as many samples out as in.
        self._plain, self._dtype = None, None
        one = len(self._inputs) == len(self._outputs) == 1 and not self._fresh_counters
        if one and self._structures == (0, 0):
            self._plain = (batch_size, 1, *self._inputs[0]["shape"])
            self._dtype = np.dtype(self._inputs[0]["dtype"])
            self._advance = runtime.advancer()
        self.reset()

    def step(self, x: Any, mask: Any = None) -> Any:
        """One sample `(batch, features)`, or a structure of them, to one output `(batch, units)`.

        `mask` `(batch,)`: False where the sample is missing.
        """
        if not self._note["every_sample"]:
            raise ValueError(
                "`step` needs a model that gives one output for each sample; this one does not. "
                "Use `push`, which gives as many as are due."
            )
        blocks = [
            np.asarray(v)[:, None] if spec["timed"] else v
            for v, spec in zip(flat(self._structures[0], x), self._inputs, strict=True)
        ]
        if mask is not None:
            mask = np.asarray(mask)[:, None]
        y = self.push(packed(self._structures[0], blocks), mask)
        ends = [v[:, 0] for v in flat(self._structures[1], y)]
        return packed(self._structures[1], ends)

    def push(self, x: Any, mask: Any = None, reset: Any = None) -> Any:
        """A block `(batch, n, features)`, n >= 0, to the outputs that are due `(batch, m, units)`.

        Args:
            x: The block, or a structure of blocks like the model's inputs.
            mask: `(batch, n)`, False where a sample is missing.
            reset: `(batch, n)`, True at a sample before which its row starts again.
        """
        if mask is None and reset is None and type(x) is np.ndarray:
            if x.shape == self._plain and x.dtype is self._dtype:
                y, self._state = self._advance(x, self._state)
                return y
        blocks: list[np.ndarray] = []
        length: Any = None
        for value, spec in zip(flat(self._structures[0], x), self._inputs, strict=True):
            blocks.append(block_of(value, spec, self.batch_size, length))
            length = blocks[-1].shape[1] if spec["timed"] else length
        mask = None if mask is None else marks("mask", mask, self.batch_size, length)
        reset = None if reset is None else marks("reset", reset, self.batch_size, length)
        found = [self._nothing()]
        for t in range(length):
            if reset is not None and reset[:, t].any():
                self.reset(reset[:, t])
            valid = None if mask is None else mask[:, t : t + 1]
            if (outputs := self._sample(blocks, t, valid)) is not None:
                found.append(outputs)
        ends = [np.concatenate(parts, axis=1) for parts in zip(*found, strict=True)]
        return packed(self._structures[1], ends)

    def _sample(
        self, blocks: list[np.ndarray], t: int, mask: np.ndarray | None
    ) -> list[np.ndarray] | None:
        """The outputs of sample `t`, or None where none is due."""
        given = [
            x[:, t : t + 1] if spec["timed"] else x
            for x, spec in zip(blocks, self._inputs, strict=True)
        ]
        if mask is None or mask.all() or not any(self._note["masks"]):
            found = self._run([*given, *self._state, *self._counters])
        else:
            masks = [mask for heeds in self._note["masks"] if heeds]
            found = self._run_masked([*given, *masks, *self._state, *self._counters])
        outputs, rest = found[: len(self._outputs)], found[len(self._outputs) :]
        self._state, rest = rest[: len(self._state)], rest[len(self._state) :]
        if not self._counters:
            return outputs
        self._counters, due = rest[:-1], rest[-1]
        return outputs if due else None

    def _nothing(self) -> list[np.ndarray]:
        return [np.zeros((self.batch_size, 0, *o["shape"]), o["dtype"]) for o in self._outputs]

    def reset(self, rows: Any = None) -> None:
        """Start again: all rows, or those of `rows` (numbers, or one bool for each row)."""
        chosen = chosen_rows(rows, self.batch_size)
        if chosen.all():
            self._state, self._counters = list(self._fresh), list(self._fresh_counters)
            return
        if any(a != b for a, b in zip(self._counters, self._fresh_counters, strict=True)):
            raise ValueError(
                "Some rows cannot start again here: with strides, the rows of a stream give their "
                "results together. Reset all rows, or at a multiple of the strides."
            )
        for i, fresh in enumerate(self._fresh):
            keep = chosen.reshape((-1,) + (1,) * (fresh.ndim - 1))
            self._state[i] = np.where(keep, fresh, self._state[i])

    @property
    def state(self) -> dict[str, np.ndarray]:
        """As `lamina.Stream.state`; each loads what the other has saved."""
        note = self._note
        arrays = {s["key"]: np.array(v) for s, v in zip(note["state"], self._state, strict=True)}
        for counter, value in zip(note["counters"], self._counters, strict=True):
            arrays[counter["key"]] = np.asarray(value, "int64")
        marks = {"format": note["format"], "fingerprint": note["fingerprint"]}
        return {**{name: np.asarray(value) for name, value in marks.items()}, **arrays}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`; refused if it is of another model, version or batch size."""
        own = self.state
        for name, what in (("format", "version of lamina"), ("fingerprint", "model")):
            got = np.asarray(state[name]).item() if name in state else None
            if got != own[name].item():
                raise ValueError(
                    f"`state` is of another {what}: its {name} must be {own[name].item()!r}. "
                    f"{received(name, got)}"
                )
        for key, mine in own.items():
            if key not in state or np.shape(state[key]) != mine.shape:
                got = np.shape(state[key]) if key in state else None
                raise ValueError(
                    f"`state` is of another batch size: {key} must have the shape {mine.shape}. "
                    f"{received('shape', got)}"
                )
        note = self._note
        self._state = [np.array(state[s["key"]], s["dtype"]) for s in note["state"]]
        self._counters = [np.array(state[c["key"]], "int32") for c in note["counters"]]


def _repeated(spec: dict[str, Any], batch: int) -> np.ndarray:
    """The fresh state of `batch` rows. It is kept as text, since JSON has no infinity."""
    values = np.array(spec["initial"])
    dtype = np.dtype(spec["dtype"])
    values = values == "True" if dtype.kind == "b" else values.astype(dtype)
    return np.array(np.broadcast_to(values, (batch, *spec["shape"])))
