"""A table that moves as a whole: fixed rows behind one trained linear map."""

from typing import Any

from lamina._common import positive_integer, register
from lamina.quantize._vector_quantizer import VectorQuantizer


@register
class SimVectorQuantizer(VectorQuantizer):
    """Each vector to the nearest row of C W: C is fixed and random, W is trained.

        code = argmin_k |x - c_k W|^2        y = c_code W        dy/dx = 1 (straight-through)
        loss = mean |sg(x) - c W|^2 + commitment mean |x - sg(c W)|^2

    One vector moves all rows, so that none stays behind unused: no start, no running means, no
    revival.

    Args:
        codes: Rows of the table, at least 1.
        commitment: Weight of the pull on the inputs, at least 0.
        start: "normal": C is normal with variance 1/features; an array: its vectors, or their
            k-means where there are more of them than codes. W starts as the identity.
        metric, return_codes, seed, gradient, data_format: As in `VectorQuantizer`.

    Input shape:
        `(batch, ..., features)`

    Output shape:
        As the input; with `return_codes` also int32 codes `(batch, ...)`.

    Masking:
        As in `VectorQuantizer`.

    Streaming:
        Each vector by itself, at inference; not with "channels_first".

    Raises:
        ValueError: as in `VectorQuantizer`.

    Example:
        >>> layer = SimVectorQuantizer(2, start=[[0.0, 0.0], [1.0, 1.0]])
        >>> layer(np.array([[0.9, 0.8], [0.1, -0.3]]))
        [[1.0, 1.0], [0.0, 0.0]]

    Reference:
        Zhu et al., Addressing Representation Collapse in Vector Quantized Models with One Linear
        Layer (2024).
    """

    _updates = ("linear",)

    def __init__(
        self,
        codes: int,
        commitment: float = 0.25,
        start: Any = "normal",
        metric: str = "euclidean",
        return_codes: bool = False,
        seed: int | None = None,
        gradient: str = "straight_through",
        data_format: str = "channels_last",
        **kwargs: Any,
    ) -> None:
        super().__init__(
            positive_integer("codes", codes, "the number of rows"),
            update="linear",
            commitment=commitment,
            start=start,
            metric=metric,
            revive_below=0.0,
            return_codes=return_codes,
            seed=seed,
            gradient=gradient,
            data_format=data_format,
            **kwargs,
        )

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        unused = ("update", "decay", "revive_below", "codebook_dim", "groups", "shared")
        unused = (*unused, "temperature", "orthogonality", "entropy", "gradient_accumulation_steps")
        return {name: value for name, value in config.items() if name not in unused}
