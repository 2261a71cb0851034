"""Operations of the backend without Keras' checks: on PyTorch, where each is called in each step.

`direct.where(...)` is `keras.ops.where(...)`, and on PyTorch the same operation of its own, which
takes a fifth of the time on small arrays. Arguments are tensors of the right dtype already.
"""

from typing import Any

import keras
from keras import ops


class _Torch:
    """What the steps of trained tables use of `keras.ops`; the rest is Keras' own."""

    def __init__(self) -> None:
        import torch

        self.torch = torch
        for name in ("where", "isfinite", "logical_and", "logical_or", "reshape"):
            setattr(self, name, getattr(torch, name))
        for name in ("square", "sqrt", "rsqrt", "any", "all", "zeros_like", "ones_like"):
            setattr(self, name, getattr(torch, name))

    def __getattr__(self, name: str) -> Any:
        return getattr(ops, name)

    def cast(self, x: Any, dtype: Any) -> Any:
        return x.to(dtype if isinstance(dtype, self.torch.dtype) else getattr(self.torch, dtype))

    def maximum(self, x: Any, y: Any) -> Any:
        return x.clamp(min=y) if isinstance(y, int | float) else self.torch.maximum(x, y)

    def minimum(self, x: Any, y: Any) -> Any:
        return x.clamp(max=y) if isinstance(y, int | float) else self.torch.minimum(x, y)

    def stop_gradient(self, x: Any) -> Any:
        return x.detach()

    def transpose(self, x: Any) -> Any:
        return x.T

    def sum(self, x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
        whole = None if x.dtype.is_floating_point else x.dtype
        if axis is None:
            return self.torch.sum(x, dtype=whole)
        return self.torch.sum(x, dim=axis, keepdim=keepdims, dtype=whole)

    def mean(self, x: Any, axis: int | None = None) -> Any:
        return self.torch.mean(x) if axis is None else self.torch.mean(x, dim=axis)

    def max(self, x: Any, axis: int | None = None) -> Any:
        return self.torch.max(x) if axis is None else self.torch.amax(x, dim=axis)

    def min(self, x: Any) -> Any:
        return self.torch.min(x)

    def take(self, x: Any, index: Any, axis: int) -> Any:
        return self.torch.index_select(x, axis, index.reshape(-1)).reshape(
            *x.shape[:axis], *index.shape, *x.shape[axis + 1 :]
        )


class _Direct:
    """Asks for the backend at each use: nothing is decided at import."""

    def __init__(self) -> None:
        self._torch: _Torch | None = None

    def __getattr__(self, name: str) -> Any:
        if keras.backend.backend() != "torch":
            return getattr(ops, name)
        if self._torch is None:
            self._torch = _Torch()
        return getattr(self._torch, name)


direct: Any = _Direct()
