"""Smooth and bent nonlinearities, and the softmax along an axis."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.laws import homogeneous, rows_sum_to_zero
from gradcheck.kinds.windowed import Condition, shape_conditions, tile_conditions, value_conditions
from gradcheck.mutants.by_kind.activations_mutants import (
    ELU_MUTANTS,
    GELU_MUTANTS,
    LEAKY_RELU_MUTANTS,
    SIGMOID_MUTANTS,
    SILU_MUTANTS,
    SOFTPLUS_MUTANTS,
    TANH_MUTANTS,
)
from gradcheck.mutants.by_kind.softmax_mutants import LOG_SOFTMAX_MUTANTS, SOFTMAX_MUTANTS
from gradcheck.mutants.mutant import Mutant
from gradcheck.strategies.shapes import shapes
from gradcheck.strategies.values import Regime, values
from gradcheck.subject import Array, Arrays, Subject, Trait
from gradcheck.suites.kind import Kind
from reference_layers import ELU, GELU, LeakyReLU, LogSoftmax, Sigmoid, SiLU, Softmax, Softplus, Tanh

_TRAITS = [Trait("batch-separable", ("x",)), Trait("any-rank", ("x",))]
_SHAPES = ((3, 7), (3, 2, 5, 4), (5,), (1,), (3, 33, 1))


@dataclass(frozen=True)
class ActivationConfig:
    """The shape of the input."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class LeakyReLUConfig:
    """The shape of the input, and the slope on its negative side."""

    shape: tuple[int, ...]
    negative_slope: float = 0.01


@dataclass(frozen=True)
class ELUConfig:
    """The shape of the input, and the height of the curve on its negative side."""

    shape: tuple[int, ...]
    alpha: float = 1.0


@dataclass(frozen=True)
class GELUConfig:
    """The shape of the input, and which curve it is."""

    shape: tuple[int, ...]
    approximate: Literal["none", "tanh"] = "none"


@dataclass(frozen=True)
class SoftmaxConfig:
    """The shape of the input, and the axis along which probabilities sum to 1."""

    shape: tuple[int, ...]
    axis: int = -1


def _plain_configs() -> SearchStrategy[ActivationConfig]:
    return shapes().map(ActivationConfig)


def _leaky_relu_configs() -> SearchStrategy[LeakyReLUConfig]:
    return st.builds(LeakyReLUConfig, shapes(), st.sampled_from([0.01, 0.0, 0.25, 1.0, 2.0, -0.5, -1.0]))


def _elu_configs() -> SearchStrategy[ELUConfig]:
    return st.builds(ELUConfig, shapes(), st.sampled_from([1.0, 0.0, 0.25, 2.0, -0.5]))


def _gelu_configs() -> SearchStrategy[GELUConfig]:
    return st.builds(GELUConfig, shapes(), st.sampled_from(["none", "tanh"]))


def _softmax_configs() -> SearchStrategy[SoftmaxConfig]:
    def of_shape(shape: tuple[int, ...]) -> SearchStrategy[SoftmaxConfig]:
        return st.builds(SoftmaxConfig, st.just(shape), st.integers(-len(shape), len(shape) - 1))

    return shapes().flatmap(of_shape)


def _primals(config: Any, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    return {"x": values(regime, config.shape, rng)}


def _builder(layer: Callable[[Any], Any]) -> Callable[[Any, Arrays], Subject]:
    """Return the `build` of elementwise layers, of which any axis counts independent samples."""
    return lambda config, primals: from_reference(layer(config), primals, traits=_TRAITS)


def _along_axis_builder(layer: Callable[[int], Any]) -> Callable[[SoftmaxConfig, Arrays], Subject]:
    def build(config: SoftmaxConfig, primals: Arrays) -> Subject:
        traits = [Trait("batch-separable", ("x",))] if config.axis % len(config.shape) else []
        return from_reference(layer(config.axis), primals, traits=traits)

    return build


def _conditions() -> Mapping[str, Condition]:
    return {
        **shape_conditions(),
        "negative and positive": lambda _, p: bool((p["x"] > 0).any() and (p["x"] < 0).any()),
        "entries between 1 and 3, and their negatives": _bends_on_both_sides,
        **tile_conditions(),
        **value_conditions(),
    }


def _bends_on_both_sides(_config: Any, primals: Arrays) -> bool:
    """Whether x is where nonlinearities curve, and further than values from 0 to 1 lead."""
    x = primals["x"]
    return bool(((x > 1) & (x < 3)).any() and ((x < -1) & (x > -3)).any())


def _softmax_conditions() -> Mapping[str, Condition]:
    return {
        **_conditions(),
        "all sizes equal": lambda c, _: len(c.shape) > 1 == len(set(c.shape)),
        "first axis": lambda c, _: c.axis % len(c.shape) == 0,
        "last axis": lambda c, _: c.axis % len(c.shape) == len(c.shape) - 1,
        "an axis between": lambda c, _: 0 < c.axis % len(c.shape) < len(c.shape) - 1,
        "axis counted from the last": lambda c, _: c.axis < 0,
        "one entry along the axis": lambda c, _: c.shape[c.axis] == 1,
        "equal entries along the axis": lambda c, p: bool((np.diff(np.sort(p["x"], c.axis), axis=c.axis) == 0).any()),
        "entries apart beyond the range of exp": lambda c, p: bool((np.ptp(p["x"], axis=c.axis) > 750).any()),
    }


def _smooth(name: str, layer: type, mutants: tuple[Mutant, ...]) -> Kind:
    """Return the kind of a nonlinearity without hyper-parameters."""
    return Kind(
        name=name,
        config=ActivationConfig,
        configs=_plain_configs,
        corners=tuple(map(ActivationConfig, _SHAPES)),
        primals=_primals,
        build=_builder(lambda _: layer()),
        conditions=_conditions(),
        layers=(layer,),
        mutants=mutants,
        sizes=tuple(ActivationConfig((8, n)) for n in (4, 8, 16, 64, 256, 1024)),
    )


def _normalized(name: str, layer: type, mutants: tuple[Mutant, ...]) -> Kind:
    """Return the kind of a softmax."""
    return Kind(
        name=name,
        config=SoftmaxConfig,
        configs=_softmax_configs,
        corners=(
            SoftmaxConfig((3, 7)),
            SoftmaxConfig((5, 4), 0),
            SoftmaxConfig((3, 2, 5, 4), 1),
            SoftmaxConfig((3, 4, 5), -2),
            SoftmaxConfig((3, 3)),  # square: a wrong axis has the right shape
            SoftmaxConfig((5,)),
            SoftmaxConfig((1, 33)),
            SoftmaxConfig((3, 1)),  # one entry alone: the gradient is zero
        ),
        primals=_primals,
        build=_along_axis_builder(layer),
        conditions=_softmax_conditions(),
        laws=lambda config: (rows_sum_to_zero(config.axis, over="each row"),),
        layers=(layer,),
        mutants=mutants,
        sizes=tuple(SoftmaxConfig((8, n)) for n in (4, 8, 16, 64, 256, 1024)),
    )


LEAKY_RELU = Kind(
    name="leaky_relu",
    config=LeakyReLUConfig,
    configs=_leaky_relu_configs,
    corners=(
        LeakyReLUConfig((3, 7)),
        LeakyReLUConfig((3, 2, 5, 4), -0.5),
        LeakyReLUConfig((5, 3), 0.0),
        LeakyReLUConfig((4,), 2.0),
        LeakyReLUConfig((3, 2), 1.0),
        LeakyReLUConfig((1,), -1.0),
        LeakyReLUConfig((3, 33, 1), 0.25),
    ),
    primals=_primals,
    build=_builder(lambda config: LeakyReLU(config.negative_slope)),
    conditions={
        "negative slope": lambda c, _: c.negative_slope < 0,
        "slope 0": lambda c, _: c.negative_slope == 0,
        "slope 1": lambda c, _: c.negative_slope == 1,
        "slope > 1": lambda c, _: c.negative_slope > 1,
        **_conditions(),
    },
    laws=lambda _: (homogeneous(),),
    layers=(LeakyReLU,),
    mutants=LEAKY_RELU_MUTANTS,
    sizes=tuple(LeakyReLUConfig((8, n)) for n in (4, 8, 16, 64, 256, 1024)),
)

ELU_KIND = Kind(
    name="elu",
    config=ELUConfig,
    configs=_elu_configs,
    corners=(
        ELUConfig((3, 7), 0.5),
        ELUConfig((3, 2, 5, 4), -0.5),
        ELUConfig((5, 3)),
        ELUConfig((4,), 2.0),
        ELUConfig((3, 2), 0.0),
        ELUConfig((1,), 2.0),
        ELUConfig((3, 33, 1), 0.25),
    ),
    primals=_primals,
    build=_builder(lambda config: ELU(config.alpha)),
    conditions={
        "alpha < 0": lambda c, _: c.alpha < 0,
        "alpha 0": lambda c, _: c.alpha == 0,
        "alpha 1": lambda c, _: c.alpha == 1,
        "alpha > 1": lambda c, _: c.alpha > 1,
        **_conditions(),
    },
    layers=(ELU,),
    mutants=ELU_MUTANTS,
    sizes=tuple(ELUConfig((8, n)) for n in (4, 8, 16, 64, 256, 1024)),
)

GELU_KIND = Kind(
    name="gelu",
    config=GELUConfig,
    configs=_gelu_configs,
    corners=tuple(GELUConfig(shape, approximate) for shape in _SHAPES for approximate in ("none", "tanh")),
    primals=_primals,
    build=_builder(lambda config: GELU(config.approximate)),
    conditions={
        "by the error function": lambda c, _: c.approximate == "none",
        "by tanh": lambda c, _: c.approximate == "tanh",
        **_conditions(),
    },
    layers=(GELU,),
    mutants=GELU_MUTANTS,
    sizes=tuple(GELUConfig((8, n)) for n in (4, 8, 16, 64, 256, 1024)),
)

SIGMOID = _smooth("sigmoid", Sigmoid, SIGMOID_MUTANTS)
TANH = _smooth("tanh", Tanh, TANH_MUTANTS)
SOFTPLUS = _smooth("softplus", Softplus, SOFTPLUS_MUTANTS)
SILU = _smooth("silu", SiLU, SILU_MUTANTS)
SOFTMAX = _normalized("softmax", Softmax, SOFTMAX_MUTANTS)
LOG_SOFTMAX = _normalized("log_softmax", LogSoftmax, LOG_SOFTMAX_MUTANTS)

KINDS = (LEAKY_RELU, ELU_KIND, SIGMOID, TANH, SOFTPLUS, SILU, GELU_KIND, SOFTMAX, LOG_SOFTMAX)
