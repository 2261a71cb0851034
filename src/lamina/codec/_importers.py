"""Decoders with the tables of other libraries, which are imported by no other module."""

from typing import Any

import keras
import numpy as np

from lamina._common import received
from lamina.codec._codebook_decoder import CodebookDecoder
from lamina.codec._fsq_decoder import FSQDecoder
from lamina.codec._product_decoder import ProductDecoder
from lamina.codec._residual_decoder import ResidualDecoder


def from_faiss(source: Any, **kwargs: Any) -> ProductDecoder | ResidualDecoder:
    """A decoder of the codes of a trained faiss quantizer or index.

        from_faiss(source)(codes) = source.decode(codes)        (indexes: source.sa_decode)

    Args:
        source: `ProductQuantizer`, `IndexPQ`; `IndexPreTransform` of an `OPQMatrix` (or another
            orthogonal `LinearTransform`) and an `IndexPQ`; `ResidualQuantizer`,
            `IndexResidualQuantizer`.
        **kwargs: Passed on to the decoder: `out_of_range`, `dtype`, `name`.

    Returns:
        A `ProductDecoder` that reads the codes packed, as faiss writes them; or a
        `ResidualDecoder` of unpacked codes (`BitUnpack(nbits, M)` unpacks them).

    Raises:
        ImportError: if faiss is not installed.
        ValueError: for another source, several transforms, or a transform that is not linear or
            has a bias.

    Example:
        With `quantizer = faiss.ProductQuantizer(d, M, nbits)`, trained,
        `from_faiss(quantizer)(quantizer.compute_codes(x))` is `quantizer.decode(...)` of the codes.

    Reference:
        Douze et al., The Faiss library, arXiv:2401.08281.
    """
    import faiss

    if isinstance(source, faiss.Index):
        source = faiss.downcast_index(source)
    rotation = None
    if isinstance(source, faiss.IndexPreTransform):
        rotation = _faiss_rotation(faiss, source)
        source = faiss.downcast_index(source.index)
    quantizer = getattr(source, "pq", None) or getattr(source, "rq", None) or source
    if isinstance(quantizer, faiss.ProductQuantizer):
        centroids = faiss.vector_to_array(quantizer.centroids)
        centroids = centroids.reshape(quantizer.M, quantizer.ksub, quantizer.dsub)
        return ProductDecoder(centroids, packed_bits=quantizer.nbits, rotation=rotation, **kwargs)
    if isinstance(quantizer, faiss.ResidualQuantizer) and rotation is None:
        offsets = faiss.vector_to_array(quantizer.codebook_offsets)
        table = faiss.vector_to_array(quantizer.codebooks).reshape(-1, quantizer.d)
        stages = np.split(table[: offsets[-1]], offsets[1:-1])
        return ResidualDecoder(stages, **kwargs)
    raise ValueError(
        "`source` must be a ProductQuantizer, IndexPQ, ResidualQuantizer, IndexResidualQuantizer "
        "or IndexPreTransform of an IndexPQ. "
        f"{received('source', type(source).__name__)}"
    )


def from_nanopq(source: Any, **kwargs: Any) -> ProductDecoder:
    """A `ProductDecoder` with the tables of a fitted `nanopq.PQ` or `nanopq.OPQ`.

        from_nanopq(source)(codes) = source.decode(codes)

    Args:
        source: The fitted quantizer; nanopq itself is not imported.
        **kwargs: Passed on to the decoder: `out_of_range`, `dtype`, `name`.

    Returns:
        A `ProductDecoder` of the codes that `source.encode` gives: one integer a subspace.

    Raises:
        ValueError: for a source without codewords, such as one that was not fitted.

    Example:
        With `quantizer = nanopq.PQ(M=4).fit(x)`, `from_nanopq(quantizer)(quantizer.encode(x))` is
        `quantizer.decode(...)` of the codes.
    """
    quantizer = getattr(source, "pq", source)
    if getattr(quantizer, "codewords", None) is None:
        raise ValueError(
            "`source` must be a fitted nanopq.PQ or OPQ. "
            f"{received('source', type(source).__name__)}"
        )
    rotation = source.R.T if hasattr(source, "R") else None
    return ProductDecoder(quantizer.codewords, rotation=rotation, **kwargs)


def from_vector_quantize_pytorch(source: Any, **kwargs: Any) -> keras.layers.Layer:
    """A decoder of the indices of a `VectorQuantize`, `ResidualVQ` or `FSQ`.

        decoder(indices) = source.get_output_from_indices(indices)    (FSQ: indices_to_codes)

    Args:
        source: The trained module.
        **kwargs: Passed on to the decoder: `out_of_range`, `dtype`, `name`.

    Returns:
        A `CodebookDecoder`, `ResidualDecoder` or `FSQDecoder`; where the module projects its
        output, a `keras.Sequential` of it and that projection as a frozen Dense layer.

    Raises:
        ValueError: for another module, several heads or codebooks, `preserve_symmetry`.

    Example:
        With `module = FSQ([8, 5, 5])`, `from_vector_quantize_pytorch(module)(indices)` is
        `module.indices_to_codes(indices)`.
    """
    kind = type(source).__name__
    if kind == "VectorQuantize" and source.heads == 1:
        decoder = CodebookDecoder(_array(source.codebook), **kwargs)
    elif kind == "ResidualVQ":
        decoder = ResidualDecoder(_array(source.codebooks), **kwargs)
    elif kind == "FSQ" and source.num_codebooks == 1 and not source.preserve_symmetry:
        decoder = FSQDecoder(_array(source._levels).tolist(), **kwargs)
    else:
        raise ValueError(
            "`source` must be a VectorQuantize of one head, a ResidualVQ, or an FSQ of one "
            f"codebook without preserve_symmetry. {received('source', kind)}"
        )
    projection = source.project_out
    if not hasattr(projection, "weight"):
        return decoder
    kernel, bias = _array(projection.weight).T, projection.bias
    dense = keras.layers.Dense(kernel.shape[1], use_bias=bias is not None, trainable=False)
    dense.build((None, kernel.shape[0]))
    dense.set_weights([kernel] if bias is None else [kernel, _array(bias)])
    return keras.Sequential([decoder, dense])


def _faiss_rotation(faiss: Any, index: Any) -> np.ndarray:
    """The matrix that undoes the rotation of decoded vectors."""
    if (transforms := index.chain.size()) != 1:
        raise ValueError(f"`source` must have one transform. {received('transforms', transforms)}")
    transform = faiss.downcast_VectorTransform(index.chain.at(0))
    if not isinstance(transform, faiss.LinearTransform) or transform.have_bias:
        raise ValueError(
            "`source` must have a linear transform without bias, such as OPQMatrix. "
            f"{received('transform', type(transform).__name__)}"
        )
    return faiss.vector_to_array(transform.A).reshape(transform.d_out, transform.d_in)


def _array(tensor: Any) -> np.ndarray:
    return tensor.detach().cpu().numpy()
