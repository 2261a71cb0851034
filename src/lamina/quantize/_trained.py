"""What the quantizers with trained tables share: options, losses, stages, use of the codes."""

from typing import Any

import numpy as np
from keras import ops

from lamina._common import (
    Array,
    ReplicaRows,
    Shape,
    choice,
    is_concrete,
    mean_over_replicas,
    number,
    positive_integer,
    received,
    sum_over_replicas,
    to_numpy,
)
from lamina._common._direct import direct
from lamina._common._table import check_loaded
from lamina.quantize._codebook import Codebook, TrainingStep
from lamina.quantize._gradients import passed_through
from lamina.quantize._learning import BROKEN, LEFT_OUT, USED, Rules, kinds_of
from lamina.quantize._losses import orthogonality_loss, unevenness
from lamina.quantize._metrics import perplexity_of, usage_of
from lamina.quantize._projection import Projection
from lamina.quantize._quantizer import Quantizer
from lamina.quantize._start import first_tables, grouped_tables


class TrainedQuantizer(Quantizer):
    """Tables one after the other, each on what those before it left over; private base.

    With `groups`, the features are cut into so many parts, each with its own such tables. Tables,
    projections and codes are in the order of the stages, for each stage of the groups.
    """

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
        codebook_dim: int | None = None,
        groups: int = 1,
        shared: bool = False,
        temperature: float = 0.0,
        orthogonality: float = 0.0,
        entropy: float = 0.0,
        gradient_accumulation_steps: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(return_codes, **kwargs)
        self.metric = choice("metric", metric, ("euclidean", "cosine"))
        self.update = update
        self.decay = number("decay", decay, "that of running means", 0, 1)
        self.commitment = number("commitment", commitment, "a weight", 0)
        self.revive_below = number("revive_below", revive_below, "a share of the mean count", 0, 1)
        self.seed = seed
        self.codebook_dim = None
        if codebook_dim is not None:
            self.codebook_dim = positive_integer("codebook_dim", codebook_dim, "features of a row")
        self.groups = positive_integer("groups", groups, "parts of the features")
        self.shared = bool(shared)
        self.temperature = number("temperature", temperature, "that of drawn codes", 0)
        self.orthogonality = number("orthogonality", orthogonality, "a weight", 0)
        self.entropy = number("entropy", entropy, "a weight", 0)
        self.gradient_accumulation_steps = positive_integer(
            "gradient_accumulation_steps", gradient_accumulation_steps, "steps of one update"
        )
        self.stages = len(sizes)
        self._loaded = False
        self._check_options(sizes)
        self._add_tables(sizes, start)

    def _check_options(self, sizes: list[int]) -> None:
        if self.orthogonality and self.update == "ema":
            raise ValueError(
                "`orthogonality` needs rows that a gradient moves: `update='gradient'`. "
                f"{received('orthogonality', self.orthogonality, update=self.update)}"
            )
        if self.shared and len(set(sizes)) > 1:
            raise ValueError(
                "`shared=True` is one table for all, so all sizes must be equal. "
                f"{received('codes', sizes)}"
            )

    def _add_tables(self, sizes: list[int], start: Any) -> None:
        places = len(sizes) * self.groups
        every = sizes[:1] if self.shared else [n for n in sizes for _ in range(self.groups)]
        # Vectors for a start are cut as the inputs are; those for a projected table are not.
        cut, metric, seed = self.codebook_dim is None, self.metric, self.seed
        if self.shared:
            tables = first_tables(start, every, metric, seed, self.groups if cut else 1)
        else:
            tables = grouped_tables(start, sizes, metric, seed, self.groups, cut)
        self.start = start
        if not isinstance(tables[0], str):
            self.start = {"shape": [max(sizes), tables[0].shape[1]]}
        starting = self.start == "kmeans"
        rules = Rules(
            self.metric,
            self.update,
            self.decay,
            starting,
            self.revive_below,
            self.gradient_accumulation_steps,
            self.temperature,
        )
        # Running means in half precision would stop moving.
        half = self.variable_dtype in ("float16", "bfloat16")
        self._table_dtype = "float32" if half else self.variable_dtype
        self.tables = [
            Codebook(
                size,
                rules,
                table,
                None if self.seed is None else self.seed + place,
                dtype=self._table_dtype,
                name=f"codebook_{place}",
            )
            for place, (size, table) in enumerate(zip(every, tables, strict=True))
        ]
        self.projections = []
        if self.codebook_dim is not None:
            self.projections = [
                Projection(self.codebook_dim, dtype=self._table_dtype, name=f"projection_{place}")
                for place in range(places)
            ]

    def build(self, input_shape: Shape) -> None:
        super().build(input_shape)
        features = self._last(tuple(input_shape))[-1]
        if features % self.groups:
            raise ValueError(
                f"`groups` must divide the {features} features of the inputs. "
                f"{received('groups', self.groups)}"
            )
        width = features // self.groups
        searched = width if self.codebook_dim is None else self.codebook_dim
        if isinstance(self.start, dict) and self.start["shape"][1] != searched:
            raise ValueError(
                f"`start` has {self.start['shape'][1]} features, the inputs have {features}. "
                f"{received('input_shape', tuple(input_shape))}"
            )
        for table in self.tables:
            table.build((None, searched))
        for projection in self.projections:
            projection.build((None, width))

    def _values_and_codes(
        self, inputs: Array, mask: Array | None, training: bool
    ) -> tuple[Array, Array]:
        values, codes, loss = self._quantize(inputs, mask, training)
        self.add_loss(loss)
        return values, codes

    def _codes(self, inputs: Array, mask: Array | None) -> Array:
        return self._quantize(inputs, mask, training=False)[1]

    def _quantize(
        self, inputs: Array, mask: Array | None, training: bool
    ) -> tuple[Array, Array, Array]:
        """(values, codes, loss) of the inputs."""
        self._check_tables()
        shape = ops.shape(inputs)
        inputs = direct.reshape(inputs, (-1, inputs.shape[-1]))
        flat = direct.cast(inputs, self._table_dtype)
        kinds = kinds_of(flat, None if mask is None else ops.reshape(mask, (-1,)))
        # What is not finite would reach a row's gradient through 0 times NaN.
        flat = direct.where((kinds == USED)[:, None], flat, 0)
        passed = self._stages(shape) if training else None
        looks = self._looks(shape, flat, training)
        rests = ops.split(flat, self.groups, axis=-1) if self.groups > 1 else [flat]
        totals: list[Any] = [None] * self.groups
        codes, loss = [], 0
        for place, look in enumerate(looks):
            stage, group = divmod(place, self.groups)
            on = kinds
            if passed is not None:
                on = direct.where(stage < passed, kinds, direct.minimum(kinds, LEFT_OUT))
            values, code, more = self._look(place, look, rests[group], on)
            if mask is not None or passed is not None:
                values = direct.where((code >= 0)[:, None], values, 0)
            rests[group] = rests[group] - direct.stop_gradient(values)
            values = direct.cast(values, self.compute_dtype)
            totals[group] = values if stage == 0 else totals[group] + values
            codes.append(code)
            loss = loss + more
        for step in dict.fromkeys(looks) if training else ():
            step.finish()
        if training and self.update != "ema":
            # Running means see to it themselves; here the optimiser would learn from the others.
            broken = sum_over_replicas(ops.sum(ops.cast(kinds == BROKEN, "int32")))
            loss = ops.where(broken > 0, ops.zeros_like(loss), loss)
        values = totals[0] if self.groups == 1 else ops.concatenate(totals, axis=-1)
        if self.projections:  # Each has passed the gradient on; what is not finite stays so.
            values = values - direct.stop_gradient(inputs - inputs)
        else:
            values = passed_through(values, inputs, self.gradient)
        whole = codes[0] if len(codes) == 1 else ops.stack(codes, axis=-1)
        codes = direct.reshape(whole, self._code_shape(shape))
        return direct.reshape(values, shape), codes, loss / self.groups + self._table_loss()

    def _check_tables(self) -> None:
        if isinstance(self.start, dict) and not self._loaded:
            for table in self.tables:
                check_loaded(self, table.codebook)
            # Once seen, it stays so; a trace has not seen it.
            self._loaded = is_concrete(self.tables[0].codebook.value)

    def _looks(self, shape: Any, flat: Array, training: bool) -> list[Any]:
        """What each place looks its vectors up in: a table, or in training its step."""
        places = self.stages * self.groups
        if training:
            rows = ReplicaRows(ops.shape(flat)[0])
            looks = places if self.shared else 1
            steps = [TrainingStep(table, rows, looks) for table in self.tables]
            return steps * looks
        return self.tables * (places if self.shared else 1)

    def _look(
        self, place: int, look: Codebook | TrainingStep, rest: Array, kinds: Array
    ) -> tuple[Array, Array, Array]:
        """(values, codes, loss) of one stage of one group."""
        projection = self.projections[place] if self.projections else None
        vectors = rest if projection is None else projection.into(rest)
        rows, codes = look.look_up(vectors, kinds)
        loss = self._loss(vectors, rows, codes)
        if self.entropy and isinstance(look, TrainingStep):
            loss = loss + self.entropy * unevenness(vectors, ops.copy(look.rows()), codes >= 0)
        if projection is None:
            return ops.stop_gradient(rows), codes, loss
        through = passed_through(rows, vectors, self.gradient)
        return projection.out_of(look.rows(), codes, through), codes, loss

    def _stages(self, shape: Any) -> Array | None:
        """How many stages each vector passes; None: all."""
        return None

    def _loss(self, vectors: Array, values: Array, codes: Array) -> Array:
        """Mean over the coded vectors of all replicas; masked ones and the like weigh nothing."""
        used = codes >= 0
        loss = direct.square(vectors - direct.stop_gradient(values)) * self.commitment
        if self.update != "ema":
            loss = loss + direct.square(direct.stop_gradient(vectors) - values)
        loss = direct.sum(direct.where(used, direct.mean(loss, axis=-1), 0))
        count = mean_over_replicas(direct.sum(direct.cast(used, loss.dtype)))
        return loss / direct.where(count > 0, count, 1)

    def _table_loss(self) -> Array | float:
        if not self.orthogonality:
            return 0.0
        return self.orthogonality * sum(orthogonality_loss(t.rows()) for t in self.tables)

    def _table_at_each_place(self) -> list[Array]:
        tables = [table.rows() for table in self.tables]
        return tables * (self.stages * self.groups) if self.shared else tables

    def _effective(self) -> list[np.ndarray]:
        """For each place the rows as they are added to the output: projected where they are."""
        tables = self._table_at_each_place()
        if self.projections:
            pairs = zip(self.projections, tables, strict=True)
            tables = [projection.table(rows) for projection, rows in pairs]
        return [to_numpy(rows) for rows in tables]

    def usage(self) -> np.ndarray:
        """Share of the codes that training has chosen since `reset_usage`; one a table."""
        return np.array([usage_of(to_numpy(table.hits)) for table in self.tables])

    def perplexity(self) -> np.ndarray:
        """Perplexity of the codes that training has chosen since `reset_usage`; one a table."""
        return np.array([perplexity_of(to_numpy(table.hits)) for table in self.tables])

    def revived(self) -> np.ndarray:
        """Rows that training has replaced since `reset_usage`; one number a table."""
        return np.array([int(to_numpy(table.revived)) for table in self.tables])

    def reset_usage(self) -> None:
        """Counts from zero again. `CodebookMonitor` does so at each epoch."""
        for table in self.tables:
            table.hits.assign(ops.zeros(table.hits.shape, "int32"))
            table.revived.assign(ops.zeros((), "int32"))

    def get_config(self) -> dict[str, Any]:
        start = self.start
        if isinstance(start, dict):  # Plain again: Keras tracks lists in attributes.
            start = {"shape": list(start["shape"])}
        names = ("metric", "update", "decay", "commitment", "revive_below", "seed", "codebook_dim")
        names = (*names, "groups", "shared", "temperature", "orthogonality", "entropy")
        names = (*names, "gradient_accumulation_steps")
        options = {name: getattr(self, name) for name in names}
        return {**super().get_config(), **options, "start": start}
