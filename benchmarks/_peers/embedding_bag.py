"""PyTorch's `EmbeddingBag` on one thread. Arguments: vectors, stages, entries, width."""

import sys

import numpy as np
import torch

from benchmarks._remote import serve


def main() -> None:
    vectors, stages, entries, width = map(int, sys.argv[1:])
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    bag = torch.nn.EmbeddingBag(stages * entries, width, mode="sum")
    codes = torch.from_numpy(rng.integers(0, entries, (vectors, stages)).astype("int32"))
    offsets = torch.arange(stages, dtype=torch.int32) * entries
    with torch.no_grad():
        serve({"decode": lambda: bag(codes + offsets)}, ["torch"])


if __name__ == "__main__":
    main()
