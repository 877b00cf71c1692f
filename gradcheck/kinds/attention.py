"""Scaled dot-product attention."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.laws import equal_shares, homogeneous, rows_sum_to_zero
from gradcheck.kinds.windowed import Condition
from gradcheck.mutants.by_kind.attention_mutants import ATTENTION_MUTANTS
from gradcheck.strategies.values import Regime, values
from gradcheck.strategies.windows import batch_sizes
from gradcheck.subject import Array, Arrays, Law, Subject, Trait
from gradcheck.suites.kind import Kind
from reference_layers import ScaledDotProductAttention

INPUTS = ("q", "k", "v")


@dataclass(frozen=True)
class AttentionConfig:
    """Sizes of q, k and v, and how they attend; every head of k and v serves `group` heads of q.

    No `scale` and no `mask_shape` are ``()``; the mask is drawn by its seed.
    """

    batch: int
    kv_heads: int
    group: int
    len_q: int
    len_k: int
    dim: int
    dim_v: int
    causal: Literal["none", "top-left", "bottom-right"] = "none"
    scale: tuple[float, ...] = ()
    mask_shape: tuple[int, ...] = ()
    mask_seed: int = 0

    @property
    def layer(self) -> ScaledDotProductAttention:
        """The attention."""
        return ScaledDotProductAttention(self.causal, next(iter(self.scale), None))

    @property
    def score_shape(self) -> tuple[int, int, int, int]:
        """Shape of the scores: batch, heads of q, queries, keys."""
        return self.batch, self.kv_heads * self.group, self.len_q, self.len_k

    @property
    def mask(self) -> Array | None:
        """Which keys a query may attend to beside `causal`: about two of three."""
        return np.random.default_rng(self.mask_seed).random(self.mask_shape) < 2 / 3 if self.mask_shape else None

    @property
    def allowed(self) -> Array:
        """Which query may attend to which key, in the shape of the scores."""
        place, key = np.arange(self.len_q)[:, None], np.arange(self.len_k)
        ahead = {"none": self.len_k, "top-left": 0, "bottom-right": self.len_k - self.len_q}[self.causal]
        allowed = key <= place + ahead
        return np.broadcast_to(allowed if self.mask is None else allowed & self.mask, self.score_shape)


def _configs() -> SearchStrategy[AttentionConfig]:
    def of_scores(batch: int, heads: tuple[int, int], lengths: tuple[int, int]) -> SearchStrategy[AttentionConfig]:
        kv_heads, group = heads
        full = (batch, kv_heads * group, *lengths)
        dims = st.integers(1, 4)
        return st.builds(
            AttentionConfig,
            *map(st.just, (batch, kv_heads, group, *lengths)),
            dims,
            dims,
            st.sampled_from(["none", "top-left", "bottom-right"]),
            st.sampled_from([(), (0.5,), (2.0,), (-1.0,)]),
            st.sampled_from([(), full[2:], (1, *full[1:]), (batch, 1, 1, lengths[1]), full]),
            st.integers(0, 99),
        )

    length = st.integers(1, 5)
    heads = st.tuples(st.integers(1, 3), st.integers(1, 3))
    return st.tuples(batch_sizes(), heads, st.tuples(length, length)).flatmap(lambda drawn: of_scores(*drawn))


def _primals(config: AttentionConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    """Return q, k and v; of these v alone is far from zero, for rounding to leave something of scores and gradients."""
    keys = (config.batch, config.kv_heads, config.len_k)
    own: Regime = "normal" if regime == "offset" else regime
    return {
        "q": values(own, (*config.score_shape[:3], config.dim), rng),
        "k": values(own, (*keys, config.dim), rng),
        "v": values(regime, (*keys, config.dim_v), rng),
    }


def _build(config: AttentionConfig, primals: Arrays) -> Subject:
    constants = () if config.mask is None else (config.mask,)
    of_samples = len(config.mask_shape) == 4 and config.mask_shape[0] > 1
    traits = [] if of_samples else [Trait("batch-separable", INPUTS)]
    return from_reference(config.layer, primals, *constants, input_name=INPUTS, traits=traits)


def _laws(config: AttentionConfig) -> tuple[Law, ...]:
    return equal_shares("q", "k"), homogeneous("v"), rows_sum_to_zero(2, "k", "the keys"), _values_share(config)


def _values_share(config: AttentionConfig) -> Law:
    """Return the law of weights that sum to 1: what a query receives, the values give, if it has a key."""
    attends = config.allowed.any(axis=3, keepdims=True)

    def terms(p: Arrays, y: Array, g: Array, d: Arrays) -> Array:  # noqa: ARG001 - every law has this signature
        given = (g * attends).reshape(config.batch, config.kv_heads, -1, config.dim_v)
        return np.concatenate([d["v"], -given], axis=2).swapaxes(2, 3)

    return Law("sum-v", "Σ dv over the keys = Σ g over the queries that have a key, per head of v", terms, ("v",))


def _offset(config: AttentionConfig) -> int:
    return config.len_k - config.len_q


def _softmax_is_saturated(config: AttentionConfig, primals: Arrays) -> bool:
    """Whether the largest score of a row is so far above the next that its weight rounds to 1."""
    scores = _scores(config, primals)[config.allowed.all(axis=3)]
    return bool((np.diff(np.sort(scores))[..., -1:] > 40).any())


def _scores(config: AttentionConfig, primals: Arrays) -> Array:
    scale = config.scale[0] if config.scale else config.dim**-0.5
    return np.asarray(scale * primals["q"] @ np.repeat(primals["k"], config.group, axis=1).swapaxes(2, 3))


def _of_all(holds: Callable[[Array], bool]) -> Condition:
    """Return the condition that all inputs are such."""
    return lambda _, primals: all(holds(primals[name]) for name in INPUTS)


def _value_conditions() -> Mapping[str, Condition]:
    return {
        "exact zeros in q, k and v": _of_all(lambda array: bool((array == 0).any())),
        "v far from zero, close together": lambda _, p: bool(abs(p["v"].mean()) > 100 * np.ptp(p["v"]) > 0),
        "inputs of order 1e-4": _of_all(lambda array: bool(np.abs(array).max() < 1e-3)),
        "scores beyond the range of exp": lambda c, p: bool(np.abs(_scores(c, p)).max() > 750),
        "a weight that rounds to 1 beside other keys": _softmax_is_saturated,
        "equal scores in a row": lambda c, p: bool((np.diff(np.sort(_scores(c, p))) == 0).any()),
    }


ATTENTION = Kind(
    name="attention",
    config=AttentionConfig,
    configs=_configs,
    corners=(
        AttentionConfig(3, 2, 1, 4, 5, 3, 2),
        AttentionConfig(3, 2, 3, 4, 5, 2, 1),  # three heads of q to each of two: another grouping fits
        AttentionConfig(3, 1, 2, 3, 5, 2, 4, "top-left"),
        AttentionConfig(3, 2, 1, 3, 5, 2, 4, "bottom-right"),
        AttentionConfig(3, 1, 1, 5, 3, 4, 2, "bottom-right"),  # the first queries have no key
        AttentionConfig(3, 2, 2, 5, 3, 2, 3, "top-left", (0.7,)),
        AttentionConfig(3, 3, 1, 3, 3, 3, 3, "top-left"),  # equal throughout: exchanged gradients have the right shape
        AttentionConfig(3, 1, 1, 4, 3, 2, 5, scale=(-2.0,), mask_shape=(4, 3), mask_seed=2),
        AttentionConfig(3, 2, 1, 4, 3, 2, 2, mask_shape=(3, 1, 1, 3), mask_seed=4),
        AttentionConfig(2, 1, 2, 3, 4, 3, 2, "bottom-right", (), (2, 2, 3, 4), 6),
        AttentionConfig(3, 2, 2, 1, 5, 3, 2),
        AttentionConfig(3, 1, 1, 4, 1, 2, 3),  # one key: the gradients of q and k are zero
        AttentionConfig(1, 2, 1, 3, 4, 2, 3),
        AttentionConfig(1, 1, 1, 1, 1, 1, 1),
    ),
    primals=_primals,
    build=_build,
    conditions={
        "more keys than queries": lambda c, _: _offset(c) > 0,
        "fewer keys than queries": lambda c, _: _offset(c) < 0,
        "as many keys as queries": lambda c, _: _offset(c) == 0 and c.len_q > 1,
        "one query": lambda c, _: c.len_q == 1,
        "one key": lambda c, _: c.len_k == 1,
        "causal from the top left": lambda c, _: c.causal == "top-left" and c.len_q > 1,
        "causal from the bottom right": lambda c, _: c.causal == "bottom-right" and c.len_q > 1,
        "causal from the top left, more keys than queries": lambda c, _: c.causal == "top-left" and _offset(c) > 0,
        "causal from the bottom right, more keys than queries": lambda c, _: (
            c.causal == "bottom-right" and _offset(c) > 0
        ),
        "causal from the bottom right, queries without a key": lambda c, _: (
            c.causal == "bottom-right" and _offset(c) < 0
        ),
        "a query without a key beside others": lambda c, _: bool(c.allowed.any() and not c.allowed.any(axis=3).all()),
        "a mask that leaves a query no key": lambda c, _: c.causal == "none" and not bool(c.allowed.any(axis=3).all()),
        "a mask for all samples and heads": lambda c, _: len(c.mask_shape) == 2,
        "a mask for each head": lambda c, _: len(c.mask_shape) == 4 and c.mask_shape[1] > 1,
        "a mask for each sample": lambda c, _: len(c.mask_shape) == 4 and c.mask_shape[0] > 1,
        "a mask of keys": lambda c, _: len(c.mask_shape) == 4 and c.mask_shape[1:3] == (1, 1) and c.len_q > 1,
        "a mask and causal": lambda c, _: bool(c.mask_shape) and c.causal != "none",
        "one head": lambda c, _: c.kv_heads * c.group == 1,
        "several heads": lambda c, _: c.kv_heads > 1,
        "grouped queries": lambda c, _: c.group > 1,
        "groups ≠ heads of k, both > 1": lambda c, _: 1 < c.group != c.kv_heads > 1,
        "all heads of q share one of k": lambda c, _: c.group > 1 == c.kv_heads,
        "grouped queries and causal": lambda c, _: c.group > 1 and c.causal != "none",
        "values of another width": lambda c, _: c.dim != c.dim_v,
        "q, k and v of equal shape": lambda c, _: (
            c.group == 1 < c.kv_heads and c.len_q == c.len_k > 1 and c.dim == c.dim_v > 1
        ),
        "own scale": lambda c, _: bool(c.scale),
        "negative scale": lambda c, _: any(scale < 0 for scale in c.scale),
        "batch 1": lambda c, _: c.batch == 1,
        "batch ≥ 3": lambda c, _: c.batch >= 3,
        **_value_conditions(),
    },
    laws=_laws,
    layers=(ScaledDotProductAttention,),
    mutants=ATTENTION_MUTANTS,
    sizes=tuple(AttentionConfig(2, 2, 1, n, n, 4, 4) for n in (2, 4, 8, 16, 32, 64)),
)

KINDS = (ATTENTION,)
