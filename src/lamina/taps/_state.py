"""Scopes in which layers are constants, or change no state."""

from collections.abc import Container, Iterable
from typing import Any

import keras
from keras import ops

from lamina._common import received


class _Held(keras.StatelessScope):
    """Variables read as given; updates of ids in `discard` (None: all) are dropped."""

    def __init__(self, mapping: list[tuple[Any, Any]], discard: Container[int] | None) -> None:
        super().__init__(mapping, initialize_variables=False)
        self._discard = discard
        self._kept = {}

    def __enter__(self) -> "_Held":
        super().__enter__()
        if self.original_scope is not None:
            # A nested scope would otherwise read the variables themselves, not the values under
            # training that the outer one (the JAX trainer's) holds.
            self.state_mapping = {**self.original_scope.state_mapping, **self.state_mapping}
        return self

    def add_update(self, update: tuple[Any, Any]) -> None:
        super().add_update(update)
        variable, _ = update
        if self._discard is not None and id(variable) not in self._discard:
            self._kept[id(variable)] = update

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        if error[0] is None:
            for variable, value in self._kept.values():
                variable.assign(value)


def read_once(layer: keras.layers.Layer) -> _Held:
    """A scope in which every call of `layer` shares one read of each of its weights.

    TensorFlow needs it where a weight is used in one step both trained and `frozen`. All gradients
    of a Keras step pass one IdentityN; Grappler takes the order "read before update" from that
    path, then splits the IdentityN, and a frozen read may run after the update. A read shared with
    the trained call cannot: the update waits for that call's gradient.
    """
    weights = [(v, ops.copy(v.value)) for v in layer.trainable_variables]
    return _Held(weights, discard=())


def frozen(*layers: keras.layers.Layer) -> _Held:
    """A scope in which `layers` are constants: no gradient reaches their weights.

        with frozen(discriminator):
            score = discriminator(generator(z))

    Gradients still flow *through* them, to their inputs. What they update in a call (the statistics
    of BatchNormalization, the seeds of Dropout) is dropped; updates of other layers are kept.
    (`Adversarial` also guards against a race in TensorFlow's compiled steps that both train a layer
    and freeze it: see `docs/losses-on-features.md`.)

    Args:
        *layers: Built Keras layers or models.

    Raises:
        ValueError: if a layer is not built.

    Example:
        >>> dense = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
        >>> dense.build((None, 2))
        >>> with frozen(dense):
        ...     y = dense(np.array([[1.0, 2.0]]))
        >>> y
        [[3.]]
    """
    _check_built("frozen", layers)
    weights = [v for layer in layers for v in layer.trainable_variables]
    return _Held([(v, ops.stop_gradient(v.value)) for v in weights], _ids(layers))


def isolated(*layers: keras.layers.Layer) -> _Held:
    """A scope in which what `layers` update is dropped; their weights train as usual.

        with isolated(discriminator):
            penalty = input_gradient(discriminator, real)

    For a call that must not change any state: a second pass over a batch, a gradient penalty. What
    other layers update is kept.

    Args:
        *layers: Built Keras layers or models; none: all layers.

    Raises:
        ValueError: if a layer is not built.

    Example:
        >>> norm = keras.layers.BatchNormalization()
        >>> norm.build((None, 1))
        >>> with isolated(norm):
        ...     y = norm(np.array([[4.0]]), training=True)
        >>> norm.moving_mean.numpy()
        [0.]
    """
    _check_built("isolated", layers)
    return _Held([], _ids(layers) if layers else None)


def _ids(layers: Iterable[keras.layers.Layer]) -> set[int]:
    return {id(v) for layer in layers for v in layer.variables}


def _check_built(name: str, layers: Iterable[keras.layers.Layer]) -> None:
    for layer in layers:
        if not getattr(layer, "built", False):
            raise ValueError(
                f"`{name}` needs built layers, since no variable can be made inside it. Call the"
                f" layer once on data first. {received('layer', layer)}"
            )
