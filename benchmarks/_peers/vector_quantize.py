"""vector-quantize-pytorch: forward pass and training step. Argument: the works, as JSON."""

import json
import sys
from collections.abc import Callable

import numpy as np
import torch
from vector_quantize_pytorch import ResidualVQ, VectorQuantize

from benchmarks._remote import serve


def steps(
    vectors: int, features: int, sizes: list[int]
) -> tuple[Callable[[], None], Callable[[], None]]:
    """(forward, training step) of one work."""
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((vectors, features), "float32"))
    x = x[None]
    if len(sizes) == 1:
        layer = VectorQuantize(dim=features, codebook_size=sizes[0], decay=0.99)
    else:
        layer = ResidualVQ(dim=features, num_quantizers=len(sizes), codebook_size=sizes[0])

    def forward() -> None:
        layer.eval()
        with torch.no_grad():
            layer(x)

    def step() -> None:
        layer.train()
        y = x.clone().requires_grad_(True)
        out, _, loss = layer(y)[:3]
        (out.sum() + loss.sum()).backward()

    return forward, step


def main() -> None:
    works = {}
    for name, sizes in json.loads(sys.argv[1]).items():
        works[f"{name} forward"], works[f"{name} step"] = steps(*sizes)
    serve(works, ["torch", "vector-quantize-pytorch"])


if __name__ == "__main__":
    main()
