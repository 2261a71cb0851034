"""Contracts of saving: what comes back is what was saved."""

import copy
from typing import Any

import keras
import numpy as np

from lamina._common import Shape, Tree, to_numpy
from lamina.contracts._contract import Answer, advice, broken, contract, skipped
from lamina.contracts.harness import (
    BACKEND,
    Case,
    LayerFailed,
    as_array,
    copy_weights,
    difference,
    has_own_build,
    layer_code,
    leaves,
    perturb_weights,
    tensors,
)


def _model_outputs(case, model):
    with layer_code("calling a model of it"):
        return leaves(model(tensors(case.model_inputs())))


def _same_model(case, one, other, what, means, repair):
    """A break where two layers that should be equal are not, in weights or in output."""
    if len(one.variables) != len(other.variables):
        message = f"{what} has {len(other.variables)} variables, not {len(one.variables)}"
        return broken(message, means, repair)
    for ours, theirs in zip(one.weights, other.weights, strict=True):
        # NumPy cannot compare half precision; float32 holds it exactly.
        if difference([as_array(to_numpy(ours.value))], [as_array(to_numpy(theirs.value))]):
            return broken(
                f"{what} has other values in {ours.path}", means, repair, weight=ours.path
            )
    # Random state is no weight: made equal, so that only what matters is compared.
    copy_weights(one, other)
    before, after = case.call(one), case.call(other)
    if worst := difference(before, after, rtol=1e-4):
        return broken(f"{what} gives other outputs", means, repair, **worst.values())
    return None


@contract("save.model", follows=("config.roundtrip", "weights.tracked", "shape.none_batch"))
def saved_and_loaded_it_is_the_same(case: Case) -> Answer:
    """A model that holds this layer does not come back from its `.keras` file.

    Promise: a model with it comes back from its .keras file with the same output.

    A layer that breaks it:

        def call(self, x):
            return x + self.table  # neither a weight nor in the config

    Repair: put it into a weight, or into get_config.
    """
    layer = case.ready(perturb=True)
    model, layer = case.model(layer)
    if layer.variables:
        perturb_weights(layer)
    with case.folder() as folder:
        path = folder / "model.keras"
        with (
            layer_code("saving a model with it"),
            keras.saving.custom_object_scope(case.target.scope),
        ):
            model.save(path)
        with layer_code("loading a saved model with it"):
            loaded: Any = keras.saving.load_model(
                path, custom_objects=case.target.scope, compile=False, safe_mode=False
            )
    again = next((x for x in loaded.layers if type(x) is type(layer)), None)
    if again is None:
        return broken("the loaded model has no layer of this class", "the layer is lost on saving")
    return _same_model(
        case,
        layer,
        again,
        "the loaded layer",
        "a trained model is another one after saving",
        "make every weight with add_weight in build(); return every argument in get_config",
    )


@contract("weights.reload_fresh", follows=("build.complete", "weights.tracked"))
def weights_load_into_a_model_not_yet_called(case: Case) -> Answer:
    """load_weights into a built, uncalled model leaves this layer's weights at random.

    Promise: load_weights fills a model that was built and not called.

    A layer that breaks it:

        def call(self, x):
            if not self.inner.built:
                self.inner.build(x.shape)

    Repair: build sub-layers in build().
    """

    class Holder(keras.Model):
        def __init__(self, layer: keras.layers.Layer) -> None:
            super().__init__()
            self.layer = layer

        def build(self, input_shape: Shape | None = None) -> None:
            if self.layer.built:
                return
            if has_own_build(self.layer):
                case.build_only(self.layer, case.batch)
            else:
                with layer_code("calling it on a symbolic input"):
                    case.functional(self.layer, case.batch)

        def call(self, inputs: Tree) -> Tree:
            return self.layer(inputs)

    first = Holder(case.ready(perturb=True))
    first.built = True
    second = Holder(case.fresh())
    second.build()
    second.built = True
    if not first.layer.weights:
        return None
    with case.folder() as folder:
        path = folder / "all.weights.h5"
        with layer_code("saving its weights"):
            first.save_weights(path)
        with layer_code("loading its weights into a fresh model that was built but not called"):
            second.load_weights(path)
    case.call(second.layer)
    return _same_model(
        case,
        first.layer,
        second.layer,
        "a fresh model, built and loaded but not called before,",
        "a deployed model silently predicts with random weights",
        "build the sub-layers in build(): self.child.build(shape)",
    )


@contract("copy.deepcopy")
def a_deep_copy_is_equal_and_its_own(case: Case) -> Answer:
    """copy.deepcopy fails, differs, or shares its weights with the original.

    Promise: a deep copy works, is equal, and shares no variable.

    A layer that breaks it:

        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.lock = threading.Lock()

    Repair: keep on self only what can be copied.
    """
    layer, uncalled = case.ready(perturb=True), False
    try:
        twin = _copied(case, layer)
    except LayerFailed:
        if has_own_build(layer):
            raise
        # Keras rebuilds a copy by build(): without one it can copy what was not called yet.
        layer, uncalled = case.fresh(), True
        twin = _copied(case, layer)
        case.call(layer)
        case.call(twin)
        copy_weights(layer, twin)
    shared = {id(v) for v in layer.variables} & {id(v) for v in twin.variables}
    if shared:
        return broken(
            "a deep copy shares variables with the original",
            "training the copy changes the original",
            "let __deepcopy__ copy the weights",
        )
    kept = [np.array(to_numpy(v.value)) for v in layer.variables]
    found = _same_model(
        case,
        layer,
        twin,
        "a deep copy",
        "cloned models, averaged weights and cross-validation go wrong",
        "keep only what can be copied on self",
    )
    if found is None and twin.weights:
        perturb_weights(twin)
        for before, now in zip(kept, layer.variables, strict=True):
            if difference([as_array(before)], [as_array(to_numpy(now.value))]):
                return broken(f"changing a deep copy changed {now.path} of the original")
    if found is None and uncalled:
        return advice(
            "it can be copied before its first call only",
            "a trained model that holds it cannot be copied or pickled",
            "give it a build() that builds its sub-layers: Keras rebuilds a copy by that",
        )
    return found


def _copied(case, layer):
    with layer_code("copy.deepcopy"), keras.saving.custom_object_scope(case.target.scope):
        return copy.deepcopy(layer)


@contract("export.savedmodel", slow=True, follows=("shape.none_batch", "mode.eager_equals_graph"))
def exported_it_is_the_same(case: Case) -> Answer:
    """A model that holds this layer cannot be served as a SavedModel.

    Promise: exported for serving it gives the same output.

    A layer that breaks it:

        def call(self, x):
            return x * float(ops.convert_to_numpy(x).std())

    Repair: use keras.ops only in call().
    """
    if BACKEND != "tensorflow":
        return skipped("SavedModel export is checked on TensorFlow")
    if not case.traits.jit:
        return skipped("the trait `jit` says that it cannot be compiled")
    import tensorflow as tf

    layer = case.ready(perturb=True)
    model, layer = case.model(layer)
    with case.folder() as folder:
        with layer_code("exporting a model with it as a SavedModel"):
            # A SavedModel's outputs are flat: not a cell's (output, [state, ...]).
            model = keras.Model(model.input, keras.tree.flatten(model.outputs))
            model.export(str(folder / "served"), format="tf_saved_model", verbose=False)
        served = tf.saved_model.load(str(folder / "served"))
        given = tensors(case.model_inputs())
        before = case.call(layer)
        with layer_code("serving it from its SavedModel"):
            after = case.leaves(served.serve(given))
    if case.varies(layer, draws=2):
        return None
    if worst := difference(before, after, 1e-5, 1e-3):
        return broken(
            "served from a SavedModel it gives other outputs",
            "the deployed model predicts something else",
            "use keras.ops only in call(); keep no Python state",
            **worst.values(),
        )
