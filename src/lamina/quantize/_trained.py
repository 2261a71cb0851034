"""What the quantizers with trained tables share: options, losses, stages, use of the codes."""

from typing import Any

import numpy as np
from keras import ops

from lamina._common import Array, Shape, choice, number, received, to_numpy
from lamina._common._table import check_loaded
from lamina.quantize._codebook import Codebook
from lamina.quantize._metrics import perplexity_of, usage_of
from lamina.quantize._quantizer import Quantizer, straight_through
from lamina.quantize._start import first_tables


class TrainedQuantizer(Quantizer):
    """Tables one after the other, each on what those before it left over; private base."""

    def __init__(
        self,
        sizes: list[int],
        metric: str = "euclidean",
        update: str = "ema",
        decay: float = 0.99,
        commitment: float = 0.25,
        start: Any = "kmeans",
        revive_below: float = 0.03,
        return_codes: bool = False,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(return_codes, **kwargs)
        self.metric = choice("metric", metric, ("euclidean", "cosine"))
        self.update = choice("update", update, ("ema", "gradient"))
        self.decay = number("decay", decay, "that of running means", 0, 1)
        self.commitment = number("commitment", commitment, "a weight", 0)
        self.revive_below = number("revive_below", revive_below, "a share of the mean count", 0, 1)
        self.seed = seed
        tables = first_tables(start, sizes, metric, seed)
        if isinstance(tables[0], str):
            self.start = start
        else:
            self.start = {"shape": [max(sizes), tables[0].shape[1]]}
        # Running means in half precision would stop moving.
        half = self.variable_dtype in ("float16", "bfloat16")
        self.tables = [
            Codebook(
                size,
                self.metric,
                self.update,
                self.decay,
                table,
                self.revive_below,
                None if seed is None else seed + stage,
                dtype="float32" if half else self.variable_dtype,
                name=f"codebook_{stage}",
            )
            for stage, (size, table) in enumerate(zip(sizes, tables, strict=True))
        ]

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        features = input_shape[-1]
        if isinstance(self.start, dict) and self.start["shape"][1] != features:
            raise ValueError(
                f"`start` has {self.start['shape'][1]} features, the inputs have {features}. "
                f"{received('input_shape', tuple(input_shape))}"
            )
        for table in self.tables:
            table.build((None, features))

    def _values_and_codes(
        self, inputs: Array, mask: Array | None, training: bool
    ) -> tuple[Array, Array]:
        values, codes, loss = self._quantize(inputs, mask, training)
        self.add_loss(loss)
        return straight_through(values, inputs), codes

    def _codes(self, inputs: Array, mask: Array | None) -> Array:
        return self._quantize(inputs, mask, training=False)[1]

    def _quantize(
        self, inputs: Array, mask: Array | None, training: bool
    ) -> tuple[Array, Array, Array]:
        """(values, codes, loss) of the inputs."""
        if isinstance(self.start, dict):
            for table in self.tables:
                check_loaded(self, table.codebook)
        features = inputs.shape[-1]
        keep = None if mask is None else ops.reshape(mask, (-1,))
        stages = self._stages(inputs) if training else None
        rest = ops.reshape(ops.cast(inputs, self.tables[0].dtype), (-1, features))
        total, codes, loss = None, [], 0
        for stage, table in enumerate(self.tables):
            on = keep if stages is None else _both(keep, stage < stages)
            values, code = table.learn(rest, on) if training else table.look_up(rest, on)
            if on is not None:
                values = ops.where(on[:, None], values, 0)
            loss = loss + self._loss(rest, values, code)
            rest = rest - ops.stop_gradient(values)
            values = ops.cast(values, self.compute_dtype)
            total = values if total is None else total + values
            codes.append(code)
        shape = ops.shape(inputs)
        codes = ops.reshape(ops.stack(codes, axis=-1), self._code_shape(shape))
        return ops.reshape(total, shape), codes, loss

    def _stages(self, inputs: Array) -> Array | None:
        """How many stages each vector passes; None: all."""
        return None

    def _loss(self, vectors: Array, values: Array, codes: Array) -> Array:
        """Mean over the coded vectors; the rest, such as masked ones, weigh nothing."""
        used = codes >= 0
        loss = ops.square(vectors - ops.stop_gradient(values)) * self.commitment
        if self.update == "gradient":
            loss = loss + ops.square(ops.stop_gradient(vectors) - values)
        loss = ops.where(used, ops.mean(loss, axis=-1), 0)
        return ops.sum(loss) / ops.cast(
            ops.maximum(ops.sum(ops.cast(used, "int32")), 1), loss.dtype
        )

    def usage(self) -> np.ndarray:
        """Share of the codes that training has chosen since `reset_usage`; one a table."""
        return np.array([usage_of(to_numpy(table.hits)) for table in self.tables])

    def perplexity(self) -> np.ndarray:
        """Perplexity of the codes that training has chosen since `reset_usage`; one a table."""
        return np.array([perplexity_of(to_numpy(table.hits)) for table in self.tables])

    def reset_usage(self) -> None:
        """Counts from zero again. `CodebookMonitor` does so at each epoch."""
        for table in self.tables:
            table.hits.assign(ops.zeros(table.hits.shape, "int32"))

    def get_config(self) -> dict[str, Any]:
        start = self.start
        if isinstance(start, dict):  # Plain again: Keras tracks lists in attributes.
            start = {"shape": list(start["shape"])}
        return {
            **super().get_config(),
            "metric": self.metric,
            "update": self.update,
            "decay": self.decay,
            "commitment": self.commitment,
            "start": start,
            "revive_below": self.revive_below,
            "seed": self.seed,
        }


def _both(keep: Array | None, on: Array) -> Array:
    return on if keep is None else ops.logical_and(keep, on)
