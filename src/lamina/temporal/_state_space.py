"""Second-order sections as one state-space system, in blocks.

A block of L steps is one matrix product: its outputs are a Toeplitz matrix (the impulse response)
times its inputs plus what the state before it still gives. Only the state goes from block to
block. Written once for NumPy (fixed coefficients, float64) and for `keras.ops` (trained ones):
`xp` is either.
"""

from typing import Any

import numpy as np

from lamina._common import Array

# A, B, C, D of x[t+1] = A x[t] + B u[t], y[t] = C x[t] + D u[t].
System = tuple[Array, Array, Array, Array]

# States that count for less than float64's rounding of the largest one are left out.
NEGLIGIBLE = 1e-15
# The Gramian's series ends where a term no longer changes it in float64.
CONVERGED = 1e-17
# Keeps 1 / sqrt finite for a system that is neither reached nor seen; below any other number here.
SMALLEST = 1e-300


def section(coefficients: Array, xp: Any = np) -> System:
    """A, B, C, D of one section `(b0, b1, b2, a0 = 1, a1, a2)`."""
    b0, b1, b2, _, a1, a2 = (coefficients[i : i + 1] for i in range(6))
    zero, one = xp.zeros_like(b0), xp.ones_like(b0)
    a = xp.stack([xp.concatenate([-a1, -a2]), xp.concatenate([one, zero])])
    return a, xp.stack([one, zero]), xp.stack([b1 - b0 * a1, b2 - b0 * a2], axis=1), b0[None]


def joined(first: System | None, second: System, xp: Any = np) -> System:
    """The system that feeds the output of `first` to `second`."""
    if first is None:
        return second
    (a1, b1, c1, d1), (a2, b2, c2, d2) = first, second
    upper = xp.zeros((a1.shape[0], a2.shape[0]), dtype=a1.dtype)
    top = xp.concatenate([a1, upper], axis=1)
    a = xp.concatenate([top, xp.concatenate([_mm(b2, c1, xp), a2], axis=1)], axis=0)
    b = xp.concatenate([b1, _mm(b2, d1, xp)], axis=0)
    c = xp.concatenate([_mm(d2, c1, xp), c2], axis=1)
    return a, b, c, _mm(d2, d1, xp)


def _mm(a: Array, b: Array, xp: Any) -> Array:
    # `einsum`, which NumPy has too: Keras' `matmul` loses float64 on PyTorch (`_fast.product`).
    return xp.einsum("...ij,jk->...ik", a, b)


def balanced(sos: np.ndarray) -> System:
    """The sections `(sections, 6)` one after the other, in a well-scaled state: one that
    is reached and seen equally well in every direction.

    In float32 this keeps the rounding of poles near the unit circle small. States that are
    neither reached nor seen are left out: a section that only scales has none. Each section is
    balanced before the cascade is: the Gramians of a raw one are too badly scaled for float64.
    """
    cascade: Any = None
    for coefficients in sos:
        part = section(coefficients)
        cascade = joined(cascade, transformed(part, balancing(part)))
        cascade = transformed(cascade, balancing(cascade))
    return cascade


def balancing(system: System) -> tuple[np.ndarray, np.ndarray]:
    """The change of state that balances `system`."""
    a, b, c, _ = system
    reached = _factor(_gramian(a, b @ b.T))
    seen = _factor(_gramian(a.T, c.T @ c))
    u, sigma, vt = np.linalg.svd(seen.T @ reached)
    keep = max(1, int(np.sum(sigma > NEGLIGIBLE * sigma[0])))
    scale = 1 / np.sqrt(np.maximum(sigma[:keep], SMALLEST))
    return reached @ vt[:keep].T * scale, (u[:, :keep] * scale).T @ seen.T


def _gramian(a: np.ndarray, q: np.ndarray) -> np.ndarray:
    """sum_k A^k Q A'^k, by doubling."""
    while True:
        step = a @ q @ a.T
        q, a = q + step, a @ a
        if np.abs(step).max(initial=0) <= CONVERGED * np.abs(q).max(initial=0):
            return q


def _factor(q: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh((q + q.T) / 2)
    return vectors * np.sqrt(np.maximum(values, 0))


def transformed(system: System, change: Any, xp: Any = np) -> System:
    """`system` in the state z, where the old state is `change[0] @ z`."""
    a, b, c, d = system
    back, forth = change
    a = _mm(_mm(forth, a, xp), back, xp)
    return a, _mm(forth, b, xp), _mm(c, back, xp), d


def block_tables(system: System, length: int, xp: Any = np) -> dict[str, Array]:
    """What blocks of `length` (a power of two) steps need.

    Returns a dict: `powers` `(length + 1, s, s)` A^0..A^length; `reach` `(length, s)` A^i B;
    `see` `(length, s)` C A^i; `impulse` `(length,)`; `jumps` `(levels, group + 1, s, s)`, the
    powers 0..group of A^length, of A^(length group), of A^(length group^2) and so on.
    """
    a, b, c, d = system
    # A product over a group is a matrix of (group * s) squared: at most 128 for up to 4 states.
    # group**levels blocks, 2**25 and 2**24, are more than a tensor of one row holds in memory.
    group, levels = (32, 5) if a.shape[0] <= 4 else (16, 6)
    powers = _powers(a, length, xp)
    jumps = [_powers(powers[-1], group, xp)]
    for _ in range(levels - 1):
        jumps.append(_powers(jumps[-1][-1], group, xp))
    reach = _mm(powers[:-1], b, xp)[:, :, 0]
    see = xp.einsum("si,kij->skj", c, powers[:-1])[0]
    impulse = xp.concatenate([d[0], _mm(see, b, xp)[: length - 1, 0]])
    return {
        "powers": powers,
        "reach": reach,
        "see": see,
        "impulse": impulse,
        "jumps": xp.stack(jumps),
    }


def _powers(a: Array, last: int, xp: Any) -> Array:
    """A^0, A^1, up to A^`last`, a power of two."""
    powers, square = xp.eye(a.shape[0], dtype=a.dtype)[None], a
    while powers.shape[0] < last:
        powers = xp.concatenate([powers, _mm(powers, square, xp)], axis=0)
        square = _mm(square, square, xp)
    return xp.concatenate([powers, square[None]], axis=0)
