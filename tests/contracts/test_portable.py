"""`portable.backends`: a function of one backend is a break where no choice leads around it."""

import importlib
import sys

import numpy as np
import pytest

from lamina import check

pytestmark = [pytest.mark.tensorflow, pytest.mark.slow]
X = np.random.default_rng(0).standard_normal((3, 4)).astype("float32")
HEAD = "import keras\nfrom keras import ops\n\n\n"
LAYER = "class Own(keras.layers.Layer):\n    def call(self, x):\n        return {}\n"
NATIVE = HEAD + "import tensorflow as tf\n\n\n" + LAYER.format("tf.tanh(x)")
GUARDED = (
    HEAD
    + """
def by_backend(x):
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.numpy.tanh(x)
{}
    import tensorflow as tf

    return tf.tanh(x)


"""
    + LAYER.format("by_backend(x)")
)
TORCH = '    if backend == "torch":\n        import torch\n\n        return torch.tanh(x)\n'
CHOICE = 'if keras.backend.backend() == "tensorflow":\n    from {0}._own import Own\n'
DYNAMIC = 'Own = importlib.import_module(f"{0}._{{keras.backend.backend()}}").Own\n'
UNRELATED = 'if keras.backend.backend() == "torch":\n    WIDTH = 3\nfrom {0}._own import Own\n'


@pytest.fixture
def status(tmp_path, monkeypatch, request):
    """The contract's answer on the layer `Own` of a package of these files."""

    def found(name, **files):
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / f"{file}.py").write_text(text)
        monkeypatch.syspath_prepend(tmp_path)
        cls = importlib.import_module(name).Own
        for module in [m for m in sys.modules if m.partition(".")[0] == name]:
            request.addfinalizer(lambda module=module: sys.modules.pop(module, None))
        (result,) = check(cls, X, contracts="portable.backends").results
        return result.status

    return found


@pytest.mark.parametrize(
    ("name", "init", "own", "wanted"),
    [
        ("no_choice", "from {0}._own import Own\n", NATIVE, "broken"),
        ("chosen", "import keras\n" + CHOICE, NATIVE, "advice"),
        ("unrelated", "import keras\n" + UNRELATED, NATIVE, "broken"),
        ("a_way_for_each", "from {0}._own import Own\n", GUARDED.format(TORCH), "passed"),
        ("none_for_torch", "from {0}._own import Own\n", GUARDED.format(""), "broken"),
    ],
)
def test_only_what_no_choice_leads_around_is_a_break(status, name, init, own, wanted):
    assert status(name, __init__=init.format(name), _own=own) == wanted


def test_a_module_named_by_the_backend_is_a_choice(status):
    init = "import importlib\nimport keras\n" + DYNAMIC.format("by_name")
    assert status("by_name", __init__=init, _tensorflow=NATIVE) == "advice"
