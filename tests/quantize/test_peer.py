"""The same weights and inputs give the codes of vector-quantize-pytorch 1.32, on PyTorch."""

import keras
import numpy as np
import pytest
from keras import ops

import lamina
from lamina._common import to_numpy
from tests.quantize.test_vector_quantizer import gradient_of

if keras.backend.backend() != "torch":
    pytest.skip("the peer is PyTorch's", allow_module_level=True)
torch = pytest.importorskip("torch")
peer = pytest.importorskip("vector_quantize_pytorch")

N, D, K = 60, 8, 16


@pytest.fixture
def x(rng):
    return rng.standard_normal((4, N, D)).astype("float32")


def numpy(tensor):
    return tensor.detach().numpy()


def evaluated(module, x):
    """(values, codes, ...) of the peer at inference."""
    with torch.no_grad():
        return [numpy(t) for t in module.eval()(torch.from_numpy(x))[:2]]


def assert_same(layer, module, x, tolerance=1e-5):
    values, codes = evaluated(module, x)
    assert np.array_equal(to_numpy(layer.encode(x)), codes)
    np.testing.assert_allclose(to_numpy(layer(x)), values, atol=tolerance)
    decoded = to_numpy(layer.decoder()(layer.encode(x)))
    assert decoded.tobytes() == to_numpy(layer(x)).tobytes()


def give(projection, module):
    """The peer's projections to ours."""
    projection.kernel_in.assign(numpy(module.project_in.weight).T)
    projection.bias_in.assign(numpy(module.project_in.bias))
    projection.kernel_out.assign(numpy(module.project_out.weight).T)
    projection.bias_out.assign(numpy(module.project_out.bias))


@pytest.mark.parametrize("cosine", [False, True])
def test_projected_codebook(cosine, x):
    module = peer.VectorQuantize(dim=D, codebook_size=K, codebook_dim=3, use_cosine_sim=cosine)
    metric = "cosine" if cosine else "euclidean"
    start = numpy(module.codebook)
    layer = lamina.VectorQuantizer(K, codebook_dim=3, metric=metric, start=start)
    layer.build(x.shape)
    give(layer.projections[0], module)
    assert_same(layer, module, x)


@pytest.mark.parametrize("shared", [False, True])
def test_heads(shared, x):
    module = peer.VectorQuantize(
        dim=D, codebook_size=K, heads=4, codebook_dim=2, separate_codebook_per_head=not shared
    )
    layer = lamina.VectorQuantizer(K, groups=4, shared=shared, start="uniform")
    layer.build(x.shape)
    tables = numpy(module.codebook)[None] if shared else numpy(module.codebook)
    for table, rows in zip(layer.tables, tables, strict=True):
        table.codebook.assign(rows)
    assert_same(layer, module, x)


def test_grouped_residual(x):
    module = peer.GroupedResidualVQ(dim=D, groups=2, num_quantizers=3, codebook_size=K)
    layer = lamina.ResidualVectorQuantizer([K] * 3, groups=2, start="uniform")
    layer.build(x.shape)
    for group, residual in enumerate(module.rvqs):
        for stage, part in enumerate(residual.layers):
            layer.tables[stage * 2 + group].codebook.assign(numpy(part.codebook))
    values, codes = evaluated(module, x)
    # Theirs `(groups, ..., stages)`, ours `(..., stages * groups)`.
    ours = to_numpy(layer.encode(x)).reshape(4, N, 3, 2)
    assert np.array_equal(ours, np.moveaxis(codes, 0, -1))
    np.testing.assert_allclose(to_numpy(layer(x)), values, atol=1e-5)


def test_shared_codebook_of_all_stages(x):
    module = peer.ResidualVQ(dim=D, num_quantizers=3, codebook_size=K, shared_codebook=True)
    rows = numpy(module.layers[0].codebook)
    layer = lamina.ResidualVectorQuantizer([K] * 3, shared=True, start=rows)
    assert_same(layer, module, x)


def test_rotation_trick_gives_the_same_gradient(x):
    module = peer.VectorQuantize(
        dim=D, codebook_size=K, rotation_trick=True, decay=1.0, commitment_weight=0.0
    )
    rows = numpy(module.codebook) * 3
    module.codebook = torch.from_numpy(rows)
    weight = np.random.default_rng(1).standard_normal(x.shape).astype("float32")
    given = torch.from_numpy(x).requires_grad_(True)
    (module.train()(given)[0] * torch.from_numpy(weight)).sum().backward()
    layer = lamina.VectorQuantizer(K, start=rows, gradient="rotation", commitment=0.0)
    gradient = gradient_of(
        lambda v: ops.reshape(ops.sum(ops.multiply(layer(v), weight)), (1, 1)), x, layer
    )
    np.testing.assert_allclose(gradient, numpy(given.grad), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("spherical", [False, True])
def test_lookup_free(spherical, x):
    module = peer.LFQ(
        dim=D, codebook_size=2**D, spherical=spherical, entropy_loss_weight=0.3,
        commitment_loss_weight=0.7,
    )  # fmt: skip
    layer = lamina.LookupFreeQuantizer(D, spherical=spherical, entropy=0.3, commitment=0.7)
    flipped = np.ascontiguousarray(x[..., ::-1])  # Their first feature is the highest bit.
    values, codes = evaluated(module, flipped)
    assert np.array_equal(to_numpy(layer.encode(x)), codes)
    np.testing.assert_allclose(to_numpy(layer(x)), values[..., ::-1], atol=1e-6)
    loss = module.train()(torch.from_numpy(flipped) / 20)[2]
    layer(x / 20, training=True)
    np.testing.assert_allclose(to_numpy(layer.losses[0]), loss.detach().numpy(), rtol=1e-4)


def test_sim_vq(x):
    module = peer.SimVQ(dim=D, codebook_size=K, rotation_trick=False)
    layer = lamina.SimVectorQuantizer(K, start=numpy(module.frozen_codebook))
    layer.build(x.shape)
    layer.tables[0].kernel.assign(numpy(module.code_transform.weight).T)
    assert_same(layer, module, x)
    loss = module.train()(torch.from_numpy(x))[2]
    layer(x, training=True)
    np.testing.assert_allclose(to_numpy(layer.losses[0]), loss.detach().numpy(), rtol=1e-5)


@pytest.mark.parametrize("levels", [[8, 5, 2], [2, 2], [4, 4, 4, 4]])
def test_symmetric_levels(levels, rng):
    x = rng.standard_normal((3, 50, len(levels))).astype("float32")
    module = peer.FSQ(levels, preserve_symmetry=True)
    assert_same(lamina.FiniteScalarQuantizer(levels, symmetric=True), module, x)


def test_residual_levels(rng):
    x = rng.standard_normal((3, 50, 3)).astype("float32")
    module = peer.ResidualFSQ(levels=[8, 5, 3], num_quantizers=3)
    layer = lamina.ResidualFiniteScalarQuantizer([8, 5, 3], stages=3)
    assert_same(layer, module, x)


def test_random_projections(x):
    module = peer.RandomProjectionQuantizer(dim=D, codebook_size=K, codebook_dim=4)
    layer = lamina.RandomProjectionQuantizer(K, codebook_dim=4)
    layer.build(x.shape)
    layer.projection.assign(numpy(module.rand_projs))
    layer.directions.assign(numpy(module.vq._codebook.embed))
    with torch.no_grad():
        codes = module(torch.from_numpy(x)).numpy()
    assert np.array_equal(to_numpy(layer.encode(x)), codes)


@pytest.mark.parametrize("option", ["orthogonality", "entropy"])
def test_losses(option, x):
    theirs = {"orthogonality": "orthogonal_reg_weight", "entropy": "codebook_diversity_loss_weight"}
    module = peer.VectorQuantize(
        dim=D, codebook_size=K, ema_update=False, learnable_codebook=True, commitment_weight=0.0,
        rotation_trick=False, **{theirs[option]: 1.0},
    )  # fmt: skip
    x = x.reshape(-1, 1, D)  # Their mean is over the batch only.
    loss = module.train()(torch.from_numpy(x))[2]
    rows = numpy(module.codebook)
    options = dict(start=rows, update="gradient", commitment=0.0, revive_below=0)
    layer, plain = (lamina.VectorQuantizer(K, **options, **more) for more in ({option: 1.0}, {}))
    layer(x, training=True)
    plain(x, training=True)
    ours = to_numpy(layer.losses[0]) - to_numpy(plain.losses[0])
    np.testing.assert_allclose(ours, loss.detach().numpy(), rtol=1e-4)


def test_channels_first(x):
    images = x.reshape(4, D, 10, 6)
    module = peer.VectorQuantize(dim=D, codebook_size=K, accept_image_fmap=True)
    rows = numpy(module.codebook)
    layer = lamina.VectorQuantizer(K, start=rows, data_format="channels_first")
    assert_same(layer, module, images)


def test_a_beam_finds_less_error_than_theirs(x):
    module = peer.ResidualVQ(dim=D, num_quantizers=4, codebook_size=K, beam_size=4)
    tables = [numpy(part.codebook) for part in module.layers]
    layer = lamina.ResidualVectorQuantizer([K] * 4, start="uniform")
    layer.build(x.shape)
    for table, rows in zip(layer.tables, tables, strict=True):
        table.codebook.assign(rows)
    values, _ = evaluated(module, x)
    ours = to_numpy(layer.decoder()(layer.encode(x, beam=4)))
    assert ((ours - x) ** 2).sum() <= ((values - x) ** 2).sum() * (1 + 1e-6)


def test_accumulated_running_means(x):
    module = peer.VectorQuantize(dim=D, codebook_size=K, decay=0.9, rotation_trick=False)
    rows = numpy(module.codebook).copy()
    module._codebook.cluster_size.fill_(5.0)
    module._codebook.embed_avg.copy_(module._codebook.embed * 5.0)
    layer = lamina.VectorQuantizer(
        K, start=rows, decay=0.9, revive_below=0, gradient_accumulation_steps=4
    )
    layer.build(x.shape)
    layer.tables[0].counts.assign(np.full(K, 5.0, "float32"))
    for place, part in enumerate(np.split(x, 4)):
        module.train()(torch.from_numpy(part), accum_ema_update=place < 3)
        layer(part, training=True)
        if place < 3:
            assert np.array_equal(to_numpy(layer.codebook), rows)
    np.testing.assert_allclose(to_numpy(layer.codebook), numpy(module.codebook), atol=1e-4)
