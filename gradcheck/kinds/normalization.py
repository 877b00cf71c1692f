"""Normalisation over trailing axes, and what the kinds of normalising layers share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.laws import Rows, bias_is_summed, linear_in_parameters, sums_to_zero
from gradcheck.kinds.windowed import Condition, parameter, rank_conditions, value_conditions
from gradcheck.mutants.by_kind.normalization_mutants import LAYER_NORM_MUTANTS, RMS_NORM_MUTANTS
from gradcheck.strategies.values import Regime, values
from gradcheck.strategies.windows import batch_sizes
from gradcheck.subject import Array, Arrays, Law, Subject, Trait
from gradcheck.suites.kind import Kind
from reference_layers import LayerNorm, RMSNorm

#: The usual one, one as small as the squares of tiny values, and one so large that leaving it out shows.
EPSILONS = (1e-5, 1e-8, 0.5)


@dataclass(frozen=True)
class LayerNormConfig:
    """A layer normalisation: the axes that are normalised together, and those before them."""

    batch_shape: tuple[int, ...]
    normalized_shape: tuple[int, ...]
    eps: float = 1e-5
    affine: bool = True


@dataclass(frozen=True)
class RMSNormConfig:
    """A root-mean-square normalisation: the axes that are normalised together, and those before them."""

    batch_shape: tuple[int, ...]
    normalized_shape: tuple[int, ...]
    eps: float = 1e-5


def epsilons() -> SearchStrategy[float]:
    """Return a strategy of ε, which shrinks to the usual one."""
    return st.sampled_from(EPSILONS)


def holding(least: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape, its last axis made longer if there are not `least` entries.

    What is normalised by its mean and variance needs three values, by its mean square two: of fewer, x̂ is ±1 whatever
    x is, and what ε leaves of the gradient drowns in rounding. Corners have such rows; drawn ones would tell nothing.

    Examples
    --------
    >>> holding(3, (2, 1)), holding(3, (2, 2))
    ((2, 3), (2, 2))
    """
    return shape if math.prod(shape) >= least else (*shape[:-1], least)


def norm_conditions(rows: Callable[[Any, Array], Array]) -> Mapping[str, Condition]:
    """Return the conditions that any layer which normalises by mean and variance should meet.

    Parameters
    ----------
    rows : callable
        ``rows(config, x)`` returns x as a matrix: what is normalised together is a row.
    """
    return {
        "variance near eps": lambda c, p: _near(rows(c, p["x"]).var(axis=1), c.eps),
        "all values of a row equal": lambda c, p: bool((np.ptp(rows(c, p["x"]), axis=1) == 0).any()),
        "two values per row": lambda c, p: rows(c, p["x"]).shape[1] == 2,
        "three values per row or more": lambda c, p: rows(c, p["x"]).shape[1] > 2,
        **scale_conditions(),
    }


def scale_conditions() -> Mapping[str, Condition]:
    """Return the conditions on the scale and on ε."""
    return {
        "gamma not constant": lambda _, p: "gamma" in p and bool(np.ptp(p["gamma"]) > 0),
        "large eps": lambda c, _: c.eps > 0.1,
    }


def has_uneven_beta(_config: Any, primals: Arrays) -> bool:
    """Whether there is a beta of several values."""
    return "beta" in primals and bool(np.ptp(primals["beta"]) > 0)


def affine_parameters(affine: bool, shape: tuple[int, ...], rng: np.random.Generator) -> dict[str, Array]:
    """Return a random gamma and beta, or nothing.

    They are N(0, 1) in every regime: over two values x̂ is ±1 whatever x, and whole numbers would cancel to nothing.
    """
    return {name: rng.standard_normal(shape) for name in ("gamma", "beta")} if affine else {}


def norm_laws(config: Any, rows: Rows, *axes: int) -> tuple[Law, ...]:
    """Return the laws of a layer that normalises rows by mean and variance, gamma and beta lying along `axes`."""
    together = sums_to_zero(rows, "what is normalised together"), scaled_as_eps_lets(rows, config.eps, axes)
    return (*together, *affine_laws(*axes)) if config.affine else together


def affine_laws(*axes: int) -> tuple[Law, ...]:
    """Return the laws of gamma and beta that lie along `axes`."""
    return linear_in_parameters(("gamma", "beta"), *axes), bias_is_summed("beta", *axes)


def scaled_as_eps_lets(rows: Rows, eps: float, axes: tuple[int, ...] = (), *, centred: bool = True) -> Law:
    """Return the law of x divided by the root of its variance (or mean square) and ε: what its scale still changes.

    The derivative of ``t·x / √(t²·v + ε)`` by t is, at 1, the ``ε/(v + ε)``th part of the value.
    """
    formula = "⟨x - mean, dx⟩ = ε/(variance + ε)·⟨g, y - beta⟩" if centred else "⟨x, dx⟩ = ε/(mean square + ε)·⟨g, y⟩"

    def terms(p: Arrays, y: Any, g: Any, d: Arrays) -> Array:
        x = rows(p["x"])
        if centred:
            x = x - x.mean(axis=1, keepdims=True)
        share = eps / ((x * x).mean(axis=1, keepdims=True) + eps)
        beta = share * rows(g * _beta(p, axes, y.ndim))
        return np.concatenate([x * rows(d["x"]), -share * rows(g * y), beta], axis=1)

    return Law("scale-x", f"{formula} over what is normalised together", terms, ("x",))


def _beta(primals: Arrays, axes: tuple[int, ...], ndim: int) -> Any:
    """Return beta, if there is one, with axes of size 1 for all that it does not lie along."""
    others = set(range(ndim)) - {axis % ndim for axis in axes}
    return np.expand_dims(primals["beta"], tuple(others)) if "beta" in primals else 0.0


def _near(squares: Array, eps: float) -> bool:
    return bool(((squares > eps / 10) & (squares < 10 * eps)).any())


def _shapes(least: int) -> tuple[SearchStrategy[tuple[int, ...]], SearchStrategy[tuple[int, ...]]]:
    leading = st.lists(batch_sizes(), min_size=1, max_size=3).map(tuple)
    normalized = st.lists(st.integers(1, 6), min_size=1, max_size=2).map(tuple)
    return leading, normalized.map(partial(holding, least))


def _layer_norm_configs() -> SearchStrategy[LayerNormConfig]:
    return st.builds(LayerNormConfig, *_shapes(3), epsilons(), st.booleans())


def _rms_norm_configs() -> SearchStrategy[RMSNormConfig]:
    return st.builds(RMSNormConfig, *_shapes(2), epsilons())


def _x(config: LayerNormConfig | RMSNormConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    return {"x": values(regime, (*config.batch_shape, *config.normalized_shape), rng)}


def _layer_norm_primals(config: LayerNormConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    return _x(config, rng, regime) | affine_parameters(config.affine, config.normalized_shape, rng)


def _rms_norm_primals(config: RMSNormConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    return _x(config, rng, regime) | {"gamma": parameter(config.normalized_shape, regime, rng)}


def _build_layer_norm(config: LayerNormConfig, primals: Arrays) -> Subject:
    layer = LayerNorm(config.normalized_shape, config.eps, config.affine)
    return from_reference(layer, primals, traits=[Trait("batch-separable", ("x",))])


def _build_rms_norm(config: RMSNormConfig, primals: Arrays) -> Subject:
    layer = RMSNorm(config.normalized_shape, config.eps)
    return from_reference(layer, primals, traits=[Trait("batch-separable", ("x",))])


def _rows(config: LayerNormConfig | RMSNormConfig, x: Array) -> Array:
    return x.reshape(-1, math.prod(config.normalized_shape))


def _layer_norm_laws(config: LayerNormConfig) -> tuple[Law, ...]:
    return norm_laws(config, partial(_rows, config), *range(-len(config.normalized_shape), 0))


def _rms_norm_laws(config: RMSNormConfig) -> tuple[Law, ...]:
    root = scaled_as_eps_lets(partial(_rows, config), config.eps, centred=False)
    return root, linear_in_parameters(("gamma",), *range(-len(config.normalized_shape), 0))


def _shape_conditions() -> Mapping[str, Condition]:
    return {
        **rank_conditions(lambda c: len(c.batch_shape) + len(c.normalized_shape), 2, 3, 4),
        "two axes normalised": lambda c, _: len(c.normalized_shape) == 2,
        "several leading axes": lambda c, _: len(c.batch_shape) > 1,
        "one value per row": lambda c, _: math.prod(c.normalized_shape) == 1,
        "all sizes equal": lambda c, _: len({*c.batch_shape, *c.normalized_shape}) == 1 < c.batch_shape[0],
        "all sizes different": lambda c, _: (
            len({*c.batch_shape, *c.normalized_shape}) == len(c.batch_shape) + len(c.normalized_shape)
        ),
        "batch 1": lambda c, _: c.batch_shape[0] == 1,
        "batch ≥ 3": lambda c, _: c.batch_shape[0] >= 3,
    }


LAYER_NORM = Kind(
    name="layer_norm",
    config=LayerNormConfig,
    configs=_layer_norm_configs,
    corners=(
        LayerNormConfig((3,), (7,)),
        LayerNormConfig((3, 4), (5,)),
        LayerNormConfig((3, 2, 5), (4,)),
        LayerNormConfig((3,), (4, 5)),
        LayerNormConfig((3, 2), (5, 4), 0.5),
        LayerNormConfig((5,), (4,), 1e-8),
        LayerNormConfig((4,), (4, 4)),  # square: gradients of gamma summed over the wrong axes fit
        LayerNormConfig((3,), (5,), affine=False),
        LayerNormConfig((3,), (2,), 0.5),  # but for ε, x̂ is ±1 whatever x is
        LayerNormConfig((5,), (1,)),  # nothing depends on x
        LayerNormConfig((1,), (3,)),
    ),
    primals=_layer_norm_primals,
    build=_build_layer_norm,
    conditions={
        **_shape_conditions(),
        **norm_conditions(_rows),
        "beta not constant": has_uneven_beta,
        "no affine": lambda c, _: not c.affine,
        **value_conditions(),
    },
    laws=_layer_norm_laws,
    layers=(LayerNorm,),
    mutants=LAYER_NORM_MUTANTS,
    sizes=tuple(LayerNormConfig((8,), (n,)) for n in (4, 8, 16, 64, 256, 1024)),
)

RMS_NORM = Kind(
    name="rms_norm",
    config=RMSNormConfig,
    configs=_rms_norm_configs,
    corners=(
        RMSNormConfig((3,), (7,)),
        RMSNormConfig((3, 4), (5,)),
        RMSNormConfig((3, 2, 5), (4,)),
        RMSNormConfig((3,), (4, 5)),
        RMSNormConfig((3, 2), (5, 4), 0.5),
        RMSNormConfig((5,), (4,), 1e-8),
        RMSNormConfig((4,), (4, 4)),
        RMSNormConfig((5,), (1,), 0.5),  # but for ε, x̂ is ±1 whatever x is
        RMSNormConfig((1,), (3,)),
    ),
    primals=_rms_norm_primals,
    build=_build_rms_norm,
    conditions={
        **_shape_conditions(),
        **scale_conditions(),
        "mean square near eps": lambda c, p: _near((_rows(c, p["x"]) ** 2).mean(axis=1), c.eps),
        "a row of zeros": lambda c, p: bool((_rows(c, p["x"]) == 0).all(axis=1).any()),
        **value_conditions(),
    },
    laws=_rms_norm_laws,
    layers=(RMSNorm,),
    mutants=RMS_NORM_MUTANTS,
    sizes=tuple(RMSNormConfig((8,), (n,)) for n in (4, 8, 16, 64, 256, 1024)),
)

KINDS = (LAYER_NORM, RMS_NORM)
