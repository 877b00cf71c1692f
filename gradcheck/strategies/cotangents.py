"""Cotangents: the weights of outputs that faults need in order to show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

CotangentKind: TypeAlias = Literal["signed", "one-hot", "zeros", "zero-sum", "huge"]
COTANGENT_KINDS: tuple[CotangentKind, ...] = get_args(CotangentKind)


def cotangent(kind: CotangentKind, shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return weights of outputs of that shape.

    Parameters
    ----------
    kind : str
        ``"signed"``: ±(1 + U), U uniform in [0, 1): every output counts, and none like another. ``"one-hot"``: one
        output alone, by 1. ``"zeros"``. ``"zero-sum"``: signed, and of sum zero to rounding, which a loss of a mean
        taken off has. ``"huge"``: signed, times 2^20.
    shape : tuple of int
    rng : numpy.random.Generator

    Examples
    --------
    >>> cotangent("one-hot", (2, 2), np.random.default_rng(0)).sum()
    np.float64(1.0)
    """
    size = int(np.prod(shape))
    signed = rng.choice([-1.0, 1.0], shape) * (1 + rng.random(shape))
    match kind:
        case "signed":
            return signed
        case "one-hot":
            weights = np.zeros(shape)
            if size:
                weights.flat[rng.integers(size)] = 1.0
            return weights
        case "zeros":
            return np.zeros(shape)
        case "zero-sum":
            return signed - (signed.mean() if size else 0.0)
        case "huge":
            return 2.0**20 * signed


def cotangents(shape: tuple[int, ...]) -> SearchStrategy[Any]:
    """Return a strategy of cotangents of every kind for outputs of that shape.

    Notes
    -----
    The numbers follow from a drawn seed, so that drawing is fast. Shrinks to a signed one of seed 0.
    """
    from hypothesis import strategies as st

    def build(kind: CotangentKind, seed: int) -> NDArray[np.float64]:
        return cotangent(kind, shape, np.random.default_rng(seed))

    return st.builds(build, st.sampled_from(COTANGENT_KINDS), st.integers(0, 2**31 - 1))
