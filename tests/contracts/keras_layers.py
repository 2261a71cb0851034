"""Every public layer of `keras.layers` that can be built, one line each: arguments, inputs, traits.

`LAYERS` maps a name to (factory, inputs, traits); `DEFECTS` to the contracts that Keras itself
breaks there on this backend, each with a reproduction in docs/keras-defects.md.
"""

import keras
import numpy as np

L = keras.layers
LAYERS = {}
RNG = np.random.default_rng(0)


def f(*shape):
    return RNG.standard_normal(shape).astype("float32")


def ids(*shape, high=5):
    return RNG.integers(0, high, shape).astype("int32")


SEQ, VEC, IMG, VOL = f(3, 6, 4), f(3, 4), f(2, 8, 8, 3), f(2, 4, 4, 4, 2)
PICTURE = RNG.uniform(0, 255, (2, 8, 8, 3)).astype("float32")
WORDS = np.array([["a"], ["b"], ["c"]])
FIXED = {"jit": False, "output_dtype": "int64", "differentiable": False}
DRAWS = {"stochastic": "train"}


def row(name, make, inputs, **traits):
    LAYERS[name] = (make, inputs, traits)


def each(names, inputs, *args, **kwargs):
    traits = kwargs.pop("traits", {})
    for name in names.split():
        row(name, lambda n=name: getattr(L, n)(*args, **kwargs), inputs, **traits)


# Arithmetic and shape.
each("Add Average Maximum Minimum Multiply Subtract", [f(3, 4), f(3, 4)])
each("Concatenate", [f(3, 4), f(3, 2)])
each("Dot", [f(3, 4), f(3, 4)], axes=1)
each("Identity", SEQ, traits={"mask": "propagate", "variable_axes": (1,)})
each("Activation", SEQ, "tanh", traits={"mask": "propagate", "variable_axes": (1,)})
each("ActivityRegularization", VEC, l2=0.1)
each("ELU LeakyReLU ReLU PReLU Softmax", VEC)
each("Flatten", SEQ)
each("Permute", SEQ, (2, 1))
each("RepeatVector", VEC, 3)
each("Reshape", SEQ, (4, 6))
each("Rescaling", VEC, 2.0)
each(
    "Masking",
    np.where(RNG.random((3, 6, 1)) < 0.3, 0, SEQ).astype("float32"),
    traits={"mask": "create", "variable_axes": (1,)},
)
row("Lambda", lambda: L.Lambda(keras.ops.tanh), VEC)
# Dense.
each("Dense", VEC, 3)
row(
    "EinsumDense",
    lambda: L.EinsumDense("bti,io->bto", (None, 2), bias_axes="o"),
    SEQ,
    variable_axes=(1,),
)
row(
    "Embedding",
    lambda: L.Embedding(5, 3, mask_zero=True),
    ids(3, 6),
    int_range=(0, 5),
    mask="create",
    variable_axes=(1,),
)
row("ReversibleEmbedding", lambda: L.ReversibleEmbedding(5, 3), ids(3, 6), int_range=(0, 5))
# Convolutions.
each("Conv1D SeparableConv1D", SEQ, 3, 2, traits={"variable_axes": (1,)})
each("DepthwiseConv1D", SEQ, 2, traits={"variable_axes": (1,)})
each("Conv1DTranspose", SEQ, 3, 2, traits={"variable_axes": (1,)})
each("Conv2D SeparableConv2D Conv2DTranspose", IMG, 3, 2, traits={"variable_axes": (1, 2)})
each("DepthwiseConv2D", IMG, 2, traits={"variable_axes": (1, 2)})
each("Conv3D Conv3DTranspose", VOL, 3, 2)
# Pooling.
for d, x in (("1D", SEQ), ("2D", IMG), ("3D", VOL)):
    each(f"AveragePooling{d} MaxPooling{d}", x, 2)
    each(f"GlobalAveragePooling{d} GlobalMaxPooling{d}", x)
    each(f"AdaptiveAveragePooling{d} AdaptiveMaxPooling{d}", x, 2)
    each(f"UpSampling{d} ZeroPadding{d} Cropping{d}", x)
    each(f"SpatialDropout{d}", x, 0.3, traits=DRAWS)
# Normalisation.
each("BatchNormalization", f(6, 3), traits={"batch_coupled": "train", "stateful": "train"})
each("LayerNormalization RMSNormalization UnitNormalization", SEQ)
each("GroupNormalization", SEQ, 2)
row("Normalization", lambda: L.Normalization(mean=[0.0] * 4, variance=[2.0] * 4), VEC)
row("SpectralNormalization", lambda: L.SpectralNormalization(L.Dense(3)), VEC, stateful="train")
# Noise.
each("Dropout AlphaDropout GaussianDropout GaussianNoise", VEC, 0.3, traits=DRAWS)
# Attention.
each("Attention AdditiveAttention", [f(3, 6, 4), f(3, 5, 4)])
row("MultiHeadAttention", lambda: L.MultiHeadAttention(2, 3), [f(3, 6, 4), f(3, 5, 4)])
row("GroupQueryAttention", lambda: L.GroupQueryAttention(3, 4, 2), [f(3, 6, 4), f(3, 5, 4)])
# Recurrent.
each("LSTM GRU SimpleRNN", SEQ, 3, traits={"variable_axes": (1,), "mask": "consume"})
row("LSTM[stateful]", lambda: L.LSTM(3, stateful=True), SEQ, stateful="always", fixed_batch=True)
each("LSTMCell GRUCell SimpleRNNCell", VEC, 3)
row("StackedRNNCells", lambda: L.StackedRNNCells([L.LSTMCell(3), L.GRUCell(2)]), VEC)
row("RNN", lambda: L.RNN(L.GRUCell(3)), SEQ, variable_axes=(1,))
row("Bidirectional", lambda: L.Bidirectional(L.GRU(3)), SEQ, variable_axes=(1,))
row("TimeDistributed", lambda: L.TimeDistributed(L.Dense(3)), SEQ, variable_axes=(1,))
each("ConvLSTM1D", f(2, 3, 5, 2), 2, 2)
each("ConvLSTM2D", f(2, 3, 5, 5, 2), 2, 2)
each("ConvLSTM3D", f(2, 2, 4, 4, 4, 2), 2, 2)
row("Wrapper", lambda: L.TimeDistributed(L.Activation("relu")), SEQ, variable_axes=(1,))
# Preprocessing.
row("CategoryEncoding", lambda: L.CategoryEncoding(5), ids(3, 2), int_range=(0, 5), jit=False)
row(
    "Discretization",
    lambda: L.Discretization([-0.5, 0.5]),
    VEC,
    output_dtype="int32",
    differentiable=False,
)
row("Hashing", lambda: L.Hashing(5), ids(3, 1), **FIXED)
row("HashedCrossing", lambda: L.HashedCrossing(5), [ids(3, 1), ids(3, 1)], **FIXED)
row("IntegerLookup", lambda: L.IntegerLookup(vocabulary=[1, 2, 3]), ids(3, 2), **FIXED)
if keras.backend.backend() == "tensorflow":  # The others have no tensors of strings.
    row("StringLookup", lambda: L.StringLookup(vocabulary=["a", "b"]), WORDS, **FIXED)
    row("TextVectorization", lambda: L.TextVectorization(vocabulary=["a", "b"]), WORDS, **FIXED)
each("CenterCrop Resizing", IMG, 4, 4)
each("STFTSpectrogram", f(2, 600, 1), frame_length=64, frame_step=32, fft_length=64)
each("MelSpectrogram", f(2, 600), sequence_length=64, sequence_stride=32, fft_length=64)
IMAGE = {"stochastic": "always", "differentiable": False, "jit": False, "surrogate_gradient": True}
each("RandomFlip", PICTURE, traits=IMAGE)
# By its documentation all images of a batch are cropped at one place.
each("RandomCrop", PICTURE, 4, 4, traits={**IMAGE, "draws": "batch"})
for _name in ("RandomRotation", "RandomZoom", "RandomContrast", "RandomBrightness"):
    each(_name, PICTURE, 0.2, traits=IMAGE)
each("RandomTranslation", PICTURE, 0.2, 0.2, traits=IMAGE)
each("RandomColorDegeneration RandomHue RandomSharpness", PICTURE, 0.2, traits=IMAGE)
each("RandomPosterization", PICTURE, 4, traits=IMAGE)
each("AutoContrast Equalization", PICTURE, traits={"jit": False, "differentiable": False})
each("Solarization", PICTURE, addition_factor=0.5, threshold_factor=0.5, traits=IMAGE)
each("RandomColorJitter", PICTURE, brightness_factor=0.3, hue_factor=0.3, traits=IMAGE)
each("RandomShear", PICTURE, 0.3, 0.3, traits=IMAGE)
each("RandomSaturation", PICTURE, 0.3, traits=IMAGE)
each("RandomGrayscale RandomInvert RandomErasing", PICTURE, traits=IMAGE)
each("RandomElasticTransform RandomGaussianBlur RandomPerspective", PICTURE, traits=IMAGE)
each("AugMix RandAugment CutMix MixUp", PICTURE, traits={**IMAGE, "batch_coupled": "always"})

POOL = {"dtype.policy", "dtype.finite_in_half", "dtype.close_to_float32"}
BFLOAT16 = {"dtype.policy", "dtype.close_to_float32"}
EVERYWHERE = {
    "SpatialDropout1D": {"config.base"},
    "SpatialDropout2D": {"config.base"},
    "SpatialDropout3D": {"config.base"},
    "UnitNormalization": {"dtype.finite_in_half"},
    "SpectralNormalization": {"config.pure", "train.frozen"},
    "Lambda": {"config.pure"},
    "RNN": {"config.pure"},
    "StackedRNNCells": {"config.pure"},
    "TimeDistributed": {"config.pure"},
    "Wrapper": {"config.pure"},
    "LSTM[stateful]": {"weights.tracked"},
    "CategoryEncoding": {"dtype.policy"},
    "STFTSpectrogram": BFLOAT16,
    "MelSpectrogram": {"batch.independent"},
    "Discretization": {"config.base"},
    "HashedCrossing": {"config.base"},
    "IntegerLookup": {"config.base"},
    "StringLookup": {"config.base"},
    "AugMix": {"random.no_global_rng"},
    # Outside training it returns the picture as it came, and announces the crop's size.
    "RandomCrop": {"shape.spec_matches_call", "shape.none_batch"},
    "Equalization": {
        "save.model",
        "weights.reload_fresh",
        "shape.none_batch",
        "batch.independent",
        "infer.deterministic",
    },
    "RandomShear": {
        "config.roundtrip",
        "config.base",
        "config.pure",
        "save.model",
        "copy.deepcopy",
    },
}
ONLY_ON = {
    "tensorflow": {
        "AveragePooling3D": POOL,
        "MaxPooling3D": POOL,
        "AdaptiveAveragePooling3D": POOL,
        "AdaptiveMaxPooling3D": POOL,
        "TimeDistributed": {"shape.none_axes"},
        "Wrapper": {"shape.none_axes"},
        "CategoryEncoding": {"dtype.close_to_float32"},
        "MelSpectrogram": {"dtype.policy"},
        "CutMix": {"dtype.policy"},
        # With an unknown batch size it gives another picture from the same seed.
        "RandomElasticTransform": {"shape.none_batch"},
    },
    "jax": {
        "UnitNormalization": {"grad.finite"},
        "MelSpectrogram": {"grad.finite"},
        "LSTM[stateful]": {"compile.jit", "mode.eager_equals_graph"},
    },
    "torch": {
        "AveragePooling3D": POOL,
        "UnitNormalization": {"grad.finite"},
        "MelSpectrogram": {"grad.finite"},
        "LSTM[stateful]": {"grad.exists", "grad.finite", "grad.numeric"},
        "CutMix": {"dtype.policy", "dtype.finite_in_half"},
        "RandomBrightness": {"input.unchanged"},
        "RandomColorJitter": {"input.unchanged"},
        "RandomElasticTransform": {"random.no_global_rng"},
    },
}[keras.backend.backend()]
DEFECTS = {n: EVERYWHERE.get(n, set()) | ONLY_ON.get(n, set()) for n in EVERYWHERE | ONLY_ON}
