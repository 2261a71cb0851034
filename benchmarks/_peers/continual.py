"""continual-inference: three lags as a convolution, eager PyTorch, `forward_step`.

Its convolutions step without dilation only, so of ours it runs the first model. They have no
"causal": without padding they give the causal result.
"""

from collections.abc import Callable

import continual
import torch

from benchmarks._remote import serve


def step(batch: int) -> Callable[[], object]:
    """One sample of `batch` streams."""
    model = continual.Sequential(continual.Conv1d(8, 64, 3), torch.nn.ReLU()).eval()
    x = torch.zeros((batch, 8))
    return lambda: model.forward_step(x)


if __name__ == "__main__":
    torch.set_num_threads(1)
    with torch.no_grad():
        serve({"1": step(1), "256": step(256)}, ["torch", "continual-inference"])
