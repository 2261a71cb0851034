"""Stored bytes of a recording to samples."""

import math
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from lamina._common import (
    Array,
    Shape,
    State,
    is_concrete,
    positive_integer,
    received,
    received_text,
    register,
    to_numpy,
)
from lamina._common import invalid as invalid_argument
from lamina._common._fast import xla_compiled
from lamina.codec._codes import CodeLayer, at_least_float32, check_bytes, is_float, shape_of
from lamina.codec._fields import Layout, check_limits, limits, pack, unpack, width

# format: (layout of the smallest group of samples that fills its bytes, sign); see `_fields`.
FORMATS: dict[int, tuple[Layout, bool | str]] = {
    8: ((((0, 0, 8),),), True),
    16: ((((0, 0, 8), (1, 0, 8)),), True),
    24: ((((0, 0, 8), (1, 0, 8), (2, 0, 8)),), True),
    32: ((((0, 0, 8), (1, 0, 8), (2, 0, 8), (3, 0, 8)),), True),
    61: ((((1, 0, 8), (0, 0, 8)),), True),
    80: ((((0, 0, 8),),), "offset"),
    160: ((((0, 0, 8), (1, 0, 8)),), "offset"),
    212: ((((0, 0, 8), (1, 0, 4)), ((2, 0, 8), (1, 4, 4))), True),
    310: ((((0, 1, 7), (1, 0, 3)), ((2, 1, 7), (3, 0, 3)), ((1, 3, 5), (3, 3, 5))), True),
    311: ((((0, 0, 8), (1, 0, 2)), ((1, 2, 6), (2, 0, 4)), ((2, 4, 4), (3, 0, 6))), True),
}
# Format 310 and 311 use four bytes for thirty bits.
_GROUP_BYTES = {212: 3, 310: 4, 311: 4}


@register
class PackedSampleDecoder(CodeLayer):
    """Samples from the bytes of a recording in one of the storage formats of WFDB.

        y[b, t, c] = sample t of channel c                                as stored
        y[b, t, c] = (sample t of channel c - baseline[b, c]) / gain[b, c]     with `gain`

    A *frame* is the smallest number of bytes that holds complete samples of every channel:
    `layer.bytes_per_frame` bytes, `layer.samples_per_frame` samples of each channel. For two
    channels in format 212 that is 3 bytes and 1 sample; for one channel 3 bytes and 2 samples.
    `layer.frames(data, samples)` cuts a file's bytes into frames.

    Args:
        format: 8 (first differences), 16, 24, 32 (little-endian), 61 (16 bit, big-endian), 80, 160
            (offset binary), 212 (12 bit), 310, 311 (10 bit).
        channels: Signals that are stored interleaved. For a file whose signals have several
            samples a frame, the sum of them: each is then a channel of its own.
        invalid: What the most negative number, by which WFDB marks a sample that is missing,
            becomes. `"nan"`; `"mask"`: 0, and a step with one in any channel is masked; `"keep"`:
            stays as it is. Format 8 has no such number. An integer layer takes `"mask"` or
            `"keep"`.

    Call arguments:
        inputs: The bytes.
        gain: Units of storage per physical unit, `(batch, channels)` or `(channels,)`. Without it
            the samples are given as stored.
        baseline: The stored value of physical 0, shaped as `gain`. Default 0.
        initial: Format 8: the value before the first difference, shaped as `gain`. Default 0.

    Input shape:
        `(batch, frames, bytes_per_frame)`, uint8. `frames` may be unknown or 0.

    Output shape:
        `(batch, frames * samples_per_frame, channels)`. Float32 holds every sample exactly but
        those of format 32 beyond 24 bits; `dtype="int32"` holds all.

    Masking:
        A mask of frames passes on to each of their samples.

    Streaming:
        Each frame by itself; format 8 carries the last sample, `last` `(batch, channels)`.

    Raises:
        ValueError: for an unknown format, bytes that are not uint8, frames of the wrong length, a
            gain of 0 (in eager code).

    Example:
        >>> decoder = PackedSampleDecoder(212, channels=2)
        >>> decoder(np.array([[[232, 243, 24]]], "uint8"))
        [[[1000.0, -232.0]]]
        >>> decoder(np.array([[[232, 243, 24]]], "uint8"), gain=np.array([200.0, 100.0]))
        [[[5.0, -2.32]]]

    Reference:
        WFDB Applications Guide, signal(5). Format 311 follows the C library, which takes ten bits
        of the third sample; the Python package takes eleven.
    """

    def __init__(
        self,
        format: int | str,
        channels: int,
        invalid: Literal["nan", "mask", "keep"] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.format = _format(format)
        self.channels = positive_integer("channels", channels, "the number of interleaved signals")
        self._layout, self._signed = FORMATS[self.format]
        self.bits = width(self._layout[0])
        self.invalid = self._invalid("nan" if invalid is None and is_float(self) else invalid)
        group = len(self._layout)
        self._group_bytes = _GROUP_BYTES.get(self.format, self.bits // 8)
        self.samples_per_frame = math.lcm(group, self.channels) // self.channels
        groups = self.samples_per_frame * self.channels // group
        self.bytes_per_frame = groups * self._group_bytes
        self.built = True

    @property
    def output_ratio(self) -> int:
        return self.samples_per_frame

    @property
    def receptive_field(self) -> int | float:
        return float("inf") if self.format == 8 else 1

    def initial_state(self, batch: int) -> State:
        if self.format != 8:
            return {}
        return {"last": ops.zeros((batch, self.channels), "int32")}

    def step(self, x: Array, state: State, mask: Array | None = None) -> tuple[Array, State]:
        y = self._stored(x)
        if self.format == 8:
            y = ops.cumsum(y, axis=1, dtype="int32") + state["last"][:, None]
            seen = ops.concatenate([state["last"][:, None], y], axis=1)
            state, y = {"last": seen[:, -1]}, ops.cast(y, self.compute_dtype)
        return y, state

    # Keras gives `mask` by its name; the position after `inputs` is that of the gain.
    def call(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        inputs: Array,
        gain: Array | None = None,
        baseline: Array | None = None,
        initial: Array | None = None,
        mask: Array | None = None,
    ) -> Array:
        state = self.initial_state(shape_of(inputs)[0])
        if initial is not None:
            if self.format != 8:
                raise ValueError(f"`initial` is for format 8 only; this is {self.format}.")
            state["last"] = state["last"] + ops.cast(initial, "int32")
        y = self.step(inputs, state)[0]
        if gain is None and baseline is None:
            return y
        return self._physical(y, gain, baseline)

    def compute_mask(self, inputs: Array, previous_mask: Array | None = None) -> Array | None:
        mask = previous_mask
        if mask is not None and self.samples_per_frame > 1:
            mask = ops.repeat(mask, self.samples_per_frame, axis=1)
        if self.invalid != "mask" or self.format == 8:
            return mask
        lowest = limits(self.bits, self._signed)[0]
        valid = ops.all(ops.not_equal(self._numbers(inputs), lowest), axis=-1)
        return valid if mask is None else ops.logical_and(valid, mask)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        self._check_shape(input_shape)
        frames = input_shape[1]
        time = None if frames is None else frames * self.samples_per_frame
        return (input_shape[0], time, self.channels)

    def check_inputs(self, inputs: Array) -> None:
        check_bytes(inputs.dtype, self)
        self._check_shape(inputs.shape)

    def frames(self, data: Any, samples: int) -> np.ndarray:
        """Bytes of a file as frames `(1, frames, bytes_per_frame)` that hold `samples` time steps.

        Samples beyond the last, up to the end of its frame, are what the file holds there, or 0.
        """
        data = np.frombuffer(data, "uint8")
        count = -(-samples // self.samples_per_frame)
        needed = math.ceil(samples * self.channels * self._group_bytes / len(self._layout))
        if len(data) < min(needed, count * self.bytes_per_frame):
            raise ValueError(
                f"`data` is too short: {samples} samples of {self.channels} channels in format "
                f"{self.format} take {needed} bytes. {received_text(f'{len(data)} bytes')}"
            )
        data = data[: count * self.bytes_per_frame]
        data = np.pad(data, (0, count * self.bytes_per_frame - len(data)))
        return data.reshape(1, count, self.bytes_per_frame)

    def encode(self, samples: Array, initial: Array = 0) -> np.ndarray:
        """Stored integers `(batch, time, channels)` to frames, in NumPy; `initial` as in a call.

        A last frame that is not full is filled with the number for a missing sample.
        """
        samples = np.asarray(samples)
        if samples.ndim != 3 or samples.shape[2] != self.channels or samples.dtype.kind not in "iu":
            raise ValueError(
                f"`samples` must be integers (batch, time, {self.channels}). "
                f"{received('dtype', samples.dtype.name, shape=samples.shape)}"
            )
        samples = samples.astype("int64")
        if self.format == 8:
            start = np.broadcast_to(initial, (len(samples), self.channels))
            samples = np.diff(samples, axis=1, prepend=start[:, None])
        check_limits("samples", samples, self.bits, self._signed, f" in format {self.format}")
        low = limits(self.bits, self._signed)[0]
        missing = -samples.shape[1] % self.samples_per_frame
        samples = np.pad(samples, ((0, 0), (0, missing), (0, 0)), constant_values=low)
        groups = samples.reshape(-1, len(self._layout))
        data = pack(groups, self._layout, self._signed, self._group_bytes)
        frames = samples.shape[1] // self.samples_per_frame
        return data.reshape(samples.shape[0], frames, self.bytes_per_frame)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "format": self.format,
            "channels": self.channels,
            "invalid": self.invalid,
        }

    def _numbers(self, inputs: Array) -> Array:
        """Every number as stored, int32 `(batch, time, channels)`; symbolic inputs too."""
        if isinstance(inputs, keras.KerasTensor):
            # `ops.reshape` knows one unknown length only, the layer two.
            groups = keras.layers.Reshape((-1, self._group_bytes))(inputs)
            numbers = unpack(groups, self._layout, self._signed)
            return keras.layers.Reshape((-1, self.channels))(numbers)
        return self._shaped(inputs, unpack(self._groups(inputs), self._layout, self._signed))

    def _stored(self, inputs: Array) -> Array:
        """Samples as stored, invalid ones replaced, in the layer's dtype; format 8: differences."""
        self.check_inputs(inputs)
        dtype = "int32" if self.format == 8 else self.compute_dtype
        invalid = "keep" if self.format == 8 else self.invalid
        groups = self._groups(inputs)
        return self._shaped(inputs, _decode(groups, self._layout, self._signed, invalid, dtype))

    def _groups(self, inputs: Array) -> Array:
        return ops.reshape(inputs, (-1, self._group_bytes))

    def _shaped(self, inputs: Array, values: Array) -> Array:
        batch, frames = ops.shape(inputs)[:2]
        return ops.reshape(values, (batch, frames * self.samples_per_frame, self.channels))

    def _physical(self, y: Array, gain: Array | None, baseline: Array | None) -> Array:
        if not is_float(self):
            raise ValueError(f"Physical values need a float dtype, not {self.compute_dtype}.")
        # Narrow floats hold neither the samples nor the gain: divide first, then round once.
        wide = at_least_float32(self.compute_dtype)
        y = ops.cast(y, wide)
        if baseline is not None:
            y = y - _per_channel(baseline, wide)
        if gain is not None:
            if is_concrete(gain) and not to_numpy(gain).all():
                raise ValueError(
                    "`gain` must not be 0. WFDB writes 0 for a signal that was not calibrated: "
                    f"take 200, its default. {received('gain', to_numpy(gain).tolist())}"
                )
            y = y / _per_channel(gain, wide)
        return ops.cast(y, self.compute_dtype)

    def _check_shape(self, shape: Shape) -> None:
        if len(shape) != 3 or shape[2] not in (None, self.bytes_per_frame):
            raise ValueError(
                f"`inputs` must be (batch, frames, {self.bytes_per_frame}): format {self.format} "
                f"with {self.channels} channels has {self.bytes_per_frame} bytes a frame. "
                f"`layer.frames(data, samples)` cuts them. {received('shape', tuple(shape))}"
            )

    def _invalid(self, invalid: Any) -> str:
        choices = ("nan", "mask", "keep") if is_float(self) else ("mask", "keep")
        if invalid not in choices:
            listed = ", ".join(map(repr, choices))
            raise invalid_argument("invalid", f"one of {listed} for {self.compute_dtype}", invalid)
        return invalid


@xla_compiled
def _decode(groups: Array, layout: Layout, signed: bool | str, invalid: str, dtype: str) -> Array:
    """Bytes `(groups, bytes)` to samples `(groups, samples)`."""
    numbers = unpack(groups, layout, signed)
    values = ops.cast(numbers, dtype)
    if invalid == "keep":
        return values
    missing = ops.equal(numbers, limits(width(layout[0]), signed)[0])
    return ops.where(missing, ops.cast(float("nan") if invalid == "nan" else 0, dtype), values)


def _per_channel(values: Array, dtype: str) -> Array:
    """`(channels,)` or `(batch, channels)`, to broadcast against `(batch, time, channels)`."""
    values = ops.cast(values, dtype)
    return values[:, None] if ops.ndim(values) == 2 else values


def _format(format: Any) -> int:
    number = int(format) if str(format).isdigit() else None
    if number not in FORMATS:
        known = ", ".join(map(str, FORMATS))
        raise invalid_argument("format", f"one of the WFDB formats {known}", format)
    return number
