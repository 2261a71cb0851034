"""Stand-alone scripts of the contracts about construction, weights and saving: see `_scripts`."""

SAVED = """
layer = perturbed(make(), x)
text = keras.saving.serialize_keras_object(layer)
again = keras.saving.deserialize_keras_object(text, custom_objects=OWN, safe_mode=False)
assert str(again.get_config()) == str(layer.get_config()), (again.get_config(), layer.get_config())
called(again, x)
again.set_weights(layer.get_weights())
same(called(layer, x), called(again, x))
"""
OF_OBJECTS = {
    "config.roundtrip": SAVED,
    "config.base": """
layer = make(name="its_own_name", dtype="{dtype}", trainable=False)
back = type(layer).from_config(layer.get_config())
for one in (layer, back):
    found = (one.name, one.dtype_policy.name, one.trainable)
    assert found == ("its_own_name", "{dtype}", False), found
""",
    "config.pure": """
config = make().get_config()
kept = {k: (id(v), str(v)) for k, v in config.items()}
type(make()).from_config(config)
assert {k: (id(v), str(v)) for k, v in config.items()} == kept, config
""",
    "config.complete": """
layer = make()
config = layer.get_config()
back = type(layer).from_config(dict(config))
assert {argument!r} in config, sorted(config)
assert str(config[{argument!r}]) == str(KWARGS.get({argument!r}, config[{argument!r}]))
assert str(getattr(back, {argument!r}, 0)) == str(getattr(layer, {argument!r}, 0))
""",
    "config.constructor_pure": """
given = KWARGS
before = str(given)
CLASS(**given)
assert str(given) == before, given
""",
    "ctor.independent": """
one, two = make(), make()
before = str(vars(two)), str(vars(type(one)))
defaults = str(inspect.signature(type(one).__init__))
called(one, x, training=True)
now = str(vars(two)), str(vars(type(one)))
assert now == before and str(inspect.signature(type(one).__init__)) == defaults
mutable = (list, dict, set, keras.layers.Layer, keras.Variable, keras.random.SeedGenerator)
own = [n for n, v in vars(type(one)).items() if isinstance(v, mutable[3:])]
shared = [n for n, v in vars(one).items() if v is vars(two).get(n) and isinstance(v, mutable)]
assert not own + shared, own + shared
""",
    "weights.tracked": """
made = []
init = keras.Variable.__init__
keras.Variable.__init__ = lambda v, *a, **k: (init(v, *a, **k), made.append(v))[0]
layer = make()
for training in (False, True):
    called(layer, x, training=training)
listed = {id(v) for v in layer.variables}
lost = [v.path for v in made if id(v) not in listed and "seed" not in v.path]
raw = [n for n, v in vars(layer).items() if "Variable" in type(v).__name__ and
       not isinstance(v, keras.Variable)]
assert not lost + raw, lost + raw
""",
    "build.complete": """
layer = make()
layer.build(shapes(x))
built = [v.shape for v in layer.weights]
called(layer, x)
assert built == [v.shape for v in layer.weights], (built, [v.shape for v in layer.weights])
""",
    "state.no_python_mutation": """
layer = make()
called(layer, x)
plain = lambda: {n: str(v) for n, v in vars(layer).items() if not n.startswith("_")}
before = plain()
for training in (False, True):
    called(layer, x, training=training)
held = [n for n, v in vars(layer).items() if not n.startswith("_") and ops.is_tensor(v)]
changed = [n for n in plain() if plain()[n] != before.get(n)]
assert not changed + held, changed + held
""",
    "save.model": """
layer = perturbed(make(), x)
inputs = SYMBOLS
model = keras.Model(inputs, layer(*arguments(inputs)))
with tempfile.TemporaryDirectory() as folder:
    model.save(folder + "/model.keras")
    loaded = keras.saving.load_model(folder + "/model.keras", custom_objects=OWN, safe_mode=False)
same(arrays(model(x)), arrays(loaded(x)))
""",
    "weights.reload_fresh": """
class Holder(keras.Model):
    def __init__(self, layer):
        super().__init__()
        self.layer, self.built = layer, True
one, two = Holder(perturbed(make(), x)), Holder(make())
two.layer.build(shapes(x))
with tempfile.TemporaryDirectory() as folder:
    one.save_weights(folder + "/all.weights.h5")
    two.load_weights(folder + "/all.weights.h5")
same(called(one.layer, x), called(two.layer, x))
""",
    "copy.deepcopy": """
layer = perturbed(make(), x)
with keras.saving.custom_object_scope(OWN):
    twin = copy.deepcopy(layer)
assert not {id(v) for v in layer.variables} & {id(v) for v in twin.variables}
same(called(layer, x), called(twin, x))
""",
    "export.savedmodel": """
layer = perturbed(make(), x)
inputs = SYMBOLS
model = keras.Model(inputs, layer(*arguments(inputs)))
with tempfile.TemporaryDirectory() as folder:
    model.export(folder + "/served", format="tf_saved_model", verbose=False)
    import tensorflow as tf
    served = tf.saved_model.load(folder + "/served").serve(tree(ops.convert_to_tensor, x))
same(arrays(model(x)), arrays(served))
""",
}
