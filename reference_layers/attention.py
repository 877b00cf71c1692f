"""Attention: means of values, weighted by how well keys answer queries."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from reference_layers.layer import Array, Params, ShapeError, require_number, require_shape
from reference_layers.normalization import widened

Causal: TypeAlias = Literal["none", "top-left", "bottom-right"]


class AttentionCache(NamedTuple):
    """What the backward pass of attention needs, in float32 at least, the query heads of a group one behind another."""

    q: Array
    k: Array
    v: Array
    weights: Array
    heads: int
    dtype: np.dtype[Any]


@dataclass(frozen=True)
class ScaledDotProductAttention:
    """``softmax(scale · q kᵀ) v``, head by head.

    Parameters
    ----------
    causal : str
        Which keys a query may attend to by its place. ``"top-left"``: query i to keys up to i, as `is_causal` of
        torch's ``scaled_dot_product_attention``. ``"bottom-right"``: query i to keys up to i + Lk − Lq, so that the
        last query attends to all keys, as where the first keys come from a cache. The two differ if Lq ≠ Lk.
        ``"none"``: to all.
    scale : float, optional
        Default: 1/√D.

    Notes
    -----
    The input is the triple (q, k, v), and so is its gradient: q (N, Hq, Lq, D), k (N, Hkv, Lk, D), v (N, Hkv, Lk, Dv),
    and y (N, Hq, Lq, Dv). Hq is a multiple r of Hkv: query head h attends to the head h // r of keys and values, as
    with torch's `enable_gqa`. With weights P, scores S = scale · q kᵀ and dP = g vᵀ::

        ∂/∂v = Pᵀ g,   dS = P (dP − Σ_j dP_j P_j),   ∂/∂q = scale · dS k,   ∂/∂k = scale · dSᵀ q

    (the first and the last with sums over the r query heads of a group). A query that may attend to no key has weights,
    output and gradients of zero. Only differences from a row's largest score are exponentiated. float16 is calculated
    in float32.

    References
    ----------
    Vaswani et al.: Attention Is All You Need (2017), equation 1; Ainslie et al.: GQA (2023) for groups of query heads;
    the gradients are derived here: those of two matrix products and of the softmax between them.

    Examples
    --------
    >>> q, k, v = np.zeros((1, 1, 2, 1)), np.ones((1, 1, 2, 1)), np.array([[[[1.0], [3.0]]]])
    >>> layer = ScaledDotProductAttention(causal="top-left")
    >>> y, cache = layer.forward({}, (q, k, v))
    >>> y.ravel().tolist(), layer.backward({}, cache, np.ones((1, 1, 2, 1)))[0][2].ravel().tolist()
    ([1.0, 2.0], [1.5, 0.5])
    """

    causal: Causal = "none"
    scale: float | None = None

    def __post_init__(self) -> None:
        if self.causal not in ("none", "top-left", "bottom-right"):
            raise ValueError(
                "expected causal to be 'none', 'top-left' (as is_causal of torch) or 'bottom-right', got "
                f"causal={self.causal!r}"
            )
        if self.scale is not None:
            require_number(scale=self.scale)

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return no parameters."""
        return {}

    def forward(
        self,
        params: Params,  # noqa: ARG002
        x: tuple[Array, Array, Array],
        mask: Array | None = None,
    ) -> tuple[Array, AttentionCache]:
        """Return the output and what `backward` needs.

        Parameters
        ----------
        params : dict
        x : tuple of ndarray
            q, k and v.
        mask : ndarray of bool, optional
            True where a query may attend to a key, beside `causal`; of any shape that can be broadcast to
            (N, Hq, Lq, Lk).

        Raises
        ------
        ShapeError
            If the shapes do not fit together.
        ValueError
            If `mask` is not boolean: a number could mean the opposite, or what is added to a score.
        """
        q, k, v = x
        _require_shapes(q, k, v)
        batch, heads, queries, width = q.shape
        shared, keys = k.shape[1:3]
        grouped = widened(q).reshape(batch, shared, heads // shared * queries, width)
        own_k, own_v = widened(k), widened(v)
        scores = (grouped * self._scale(width)) @ own_k.swapaxes(2, 3)
        allowed = self._allowed((batch, heads, queries, keys), mask)
        weights = _softmax_over(scores, None if allowed is None else allowed.reshape(scores.shape))
        y = (weights @ own_v).reshape(batch, heads, queries, v.shape[3])
        return y.astype(q.dtype, copy=False), AttentionCache(grouped, own_k, own_v, weights, heads, q.dtype)

    def backward(
        self,
        params: Params,  # noqa: ARG002
        cache: AttentionCache,
        grad_output: Array,
    ) -> tuple[tuple[Array, Array, Array], Params]:
        """Return the gradients of q, k and v; there are no parameters."""
        q, k, v, weights, heads, dtype = cache
        batch, shared, rows, width = q.shape
        queries = rows * shared // heads
        require_shape("grad_output", grad_output, (batch, heads, queries, v.shape[3]))
        g = widened(grad_output).reshape(batch, shared, rows, v.shape[3])
        centred = g @ v.swapaxes(2, 3)
        for _ in range(2):  # once more, for what rounding leaves of a mean that is large beside what differs from it
            centred = centred - (centred * weights).sum(axis=3, keepdims=True)
        grad_scores = weights * centred * self._scale(width)
        # The query heads of a group are so many more queries: these products sum over them.
        grad_q = (grad_scores @ k).reshape(batch, heads, queries, width)
        grad_k = grad_scores.swapaxes(2, 3) @ q
        grad_v = weights.swapaxes(2, 3) @ g
        return tuple(array.astype(dtype, copy=False) for array in (grad_q, grad_k, grad_v)), {}  # type: ignore[return-value]

    def _scale(self, width: int) -> float:
        return 1 / math.sqrt(width) if self.scale is None else float(self.scale)

    def _allowed(self, shape: tuple[int, ...], mask: Array | None) -> Array | None:
        """Return which query may attend to which key, or None for all to all.

        Raises
        ------
        ShapeError, ValueError
            If the mask cannot be broadcast to that shape, or is not boolean.
        """
        queries, keys = shape[2:]
        allowed = None
        if self.causal != "none":
            ahead = keys - queries if self.causal == "bottom-right" else 0
            allowed = np.broadcast_to(np.tri(queries, keys, ahead, dtype=bool), shape)
        if mask is None:
            return allowed
        if mask.dtype != bool:
            raise ValueError(f"expected mask of dtype bool, True where a query may attend, got dtype={mask.dtype}")
        try:
            given = np.broadcast_to(mask, shape)
        except ValueError:
            raise ShapeError(
                f"expected mask of a shape that can be broadcast to (N, Hq, Lq, Lk) = {shape}, got shape={mask.shape}"
            ) from None
        return given if allowed is None else given & allowed


def _softmax_over(scores: Array, allowed: Array | None) -> Array:
    """Return the softmax along the last axis over what is allowed, and zeros where nothing is."""
    if allowed is not None:
        scores = np.where(allowed, scores, scores.dtype.type(-np.inf))
    largest = scores.max(axis=-1, keepdims=True, initial=-np.inf)
    exponentials = np.exp(scores - np.where(np.isneginf(largest), 0, largest))
    sums = exponentials.sum(axis=-1, keepdims=True)
    return np.asarray(exponentials / np.where(sums == 0, 1, sums))


def _require_shapes(q: Array, k: Array, v: Array) -> None:
    require_shape("q", q, ("N", "Hq", "Lq", "D"))
    batch, heads, _, width = q.shape
    require_shape("k", k, (batch, "Hkv", "Lk", width))
    shared, keys = k.shape[1:3]
    require_shape("v", v, (batch, shared, keys, "Dv"))
    if width == 0:
        raise ShapeError(f"expected q and k of at least one feature, got shapes={(q.shape, k.shape)}")
    if shared == 0 or heads % shared or heads == 0:
        raise ShapeError(
            f"expected the heads of q to be a positive multiple of those of k and v, got Hq={heads} and Hkv={shared}"
        )
