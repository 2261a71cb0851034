"""The article's layer: each output depends on the last three samples."""

from typing import Any

from lamina._common import received, register
from lamina.temporal._lag_dense import LagDense


@register
class ThreePointDependency(LagDense):
    """A dense layer over the last three samples.

        y[t] = activation(x[t-2] @ kernel[0] + x[t-1] @ kernel[1] + x[t] @ kernel[2] + bias)

    It equals `keras.layers.Conv1D(units, 3, padding="causal", activation="relu")` with the same
    kernel. Take that one where a plain convolution is all you need; take this one for masks,
    rows that start again, `initial="edge"`, empty inputs, and the same layer sample by sample.

    Args:
        units: Outputs per time step.
        activation: As in `keras.layers.Dense`; ReLU by default.
        **kwargs: The other arguments of `LagDense`. `kernel` is `(3, features, units)`, the
            oldest sample first; `bias` is `(units,)`.

    Input shape:
        `(batch, time, features)`. Any of batch and time may be unknown or 0. `call` also takes
        `reset` `(batch, time)`: where it is true, the row starts again at that sample.

    Output shape:
        `(batch, time, units)`.

    Masking:
        As `LagDense`: a masked sample counts as 0, its own output is 0, the mask passes on.

    Streaming:
        As `LagDense`. State `past`: `(batch, 2, features)`. Receptive field: 3.

    Raises:
        ValueError: if `units` is not a positive integer, or if an input is not
            `(batch, time, features)` of real numbers.

    Example:
        >>> layer = ThreePointDependency(1, kernel_initializer="ones")
        >>> layer(np.array([[[1.0], [2.0], [3.0], [4.0]]]))[0, :, 0]
        [1.0, 3.0, 6.0, 9.0]
    """

    def __init__(self, units: int, activation: Any = "relu", **kwargs: Any) -> None:
        super().__init__(units, lags=(2, 1, 0), activation=activation, **kwargs)

    @classmethod
    def _with_lags(cls, units: int, lags: tuple[int, ...], config: dict[str, Any]) -> LagDense:
        if lags != (2, 1, 0):
            raise ValueError(
                "`ThreePointDependency.from_conv1d` takes a `Conv1D` over three consecutive "
                f"samples; use `LagDense.from_conv1d` for others. {received('lags', lags)}"
            )
        return cls.from_config({**config, "units": units})

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["lags"]
        return config
