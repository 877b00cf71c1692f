"""Elementwise nonlinearities, and the softmax along an axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.kind import Kind
from gradcheck.kinds.laws import rows_sum_to_zero
from gradcheck.kinds.windowed import value_conditions
from gradcheck.strategies.values import Regime, values
from gradcheck.subject import Array, Arrays, Subject, Trait
from reference_layers import ELU, GELU, LeakyReLU, LogSoftmax, Sigmoid, SiLU, Softmax, Softplus, Tanh

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


@dataclass(frozen=True)
class ElementwiseConfig:
    """The shape of the input."""

    shape: tuple[int, ...]


@dataclass(frozen=True)
class LeakyReLUConfig:
    """The shape of the input, and the slope below zero."""

    shape: tuple[int, ...]
    negative_slope: float = 0.01


@dataclass(frozen=True)
class ELUConfig:
    """The shape of the input, and what the output tends to far below zero, with the sign changed."""

    shape: tuple[int, ...]
    alpha: float = 1.0


@dataclass(frozen=True)
class GELUConfig:
    """The shape of the input, and which of the two functions of that name."""

    shape: tuple[int, ...]
    approximate: Literal["none", "tanh"] = "none"


@dataclass(frozen=True)
class SoftmaxConfig:
    """The shape of the input, and the axis along which shares add up to 1."""

    shape: tuple[int, ...]
    axis: int = -1


_CORNER_SHAPES: tuple[tuple[int, ...], ...] = ((3, 7), (3, 2, 5, 4), (5,), (1, 1))


def _shapes() -> SearchStrategy[tuple[int, ...]]:
    from hypothesis import strategies as st

    return st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)


def _plain_configs() -> SearchStrategy[ElementwiseConfig]:
    return _shapes().map(ElementwiseConfig)


def _leaky_configs() -> SearchStrategy[LeakyReLUConfig]:
    from hypothesis import strategies as st

    return st.builds(LeakyReLUConfig, _shapes(), st.sampled_from([0.01, 0.3, 0.0, 1.0, -0.5]))


def _elu_configs() -> SearchStrategy[ELUConfig]:
    from hypothesis import strategies as st

    return st.builds(ELUConfig, _shapes(), st.sampled_from([1.0, 0.3, 2.0]))


def _gelu_configs() -> SearchStrategy[GELUConfig]:
    from hypothesis import strategies as st

    return st.builds(GELUConfig, _shapes(), st.sampled_from(["none", "tanh"]))


def _softmax_configs() -> SearchStrategy[SoftmaxConfig]:
    from hypothesis import strategies as st

    # Shares of one entry do not move: an axis of one is a corner, not the rule.
    def with_axis(shape: tuple[int, ...]) -> SearchStrategy[SoftmaxConfig]:
        return st.integers(-len(shape), len(shape) - 1).map(lambda axis: SoftmaxConfig(shape, axis))

    return st.lists(st.integers(2, 5), min_size=1, max_size=3).map(tuple).flatmap(with_axis)


def _primals(config: Any, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    return {"x": values(regime, config.shape, rng)}


def _elementwise(layer: Callable[[Any], Any]) -> Callable[[Any, Arrays], Subject]:
    traits = [Trait("batch-separable", ("x",)), Trait("any-rank", ("x",))]

    def build(config: Any, primals: Arrays) -> Subject:
        return from_reference(layer(config), primals, traits=traits)

    return build


def _along_axis(layer: type[Softmax] | type[LogSoftmax]) -> Callable[[SoftmaxConfig, Arrays], Subject]:
    def build(config: SoftmaxConfig, primals: Arrays) -> Subject:
        apart = config.axis % len(config.shape) > 0
        return from_reference(layer(config.axis), primals, traits=[Trait("batch-separable", ("x",))] if apart else [])

    return build


def _conditions() -> dict[str, Callable[[Any, Arrays], bool]]:
    return {
        "rank 1": lambda c, _: len(c.shape) == 1,
        "rank 4": lambda c, _: len(c.shape) == 4,
        "negative and positive": lambda _, p: bool((p["x"] > 0).any() and (p["x"] < 0).any()),
        **value_conditions(),
    }


def _plain_kind(name: str, layer: Any) -> Kind:
    """Return the kind of an elementwise layer without hyper-parameters."""
    return Kind(
        name=name,
        config=ElementwiseConfig,
        configs=_plain_configs,
        corners=tuple(map(ElementwiseConfig, _CORNER_SHAPES)),
        primals=_primals,
        build=_elementwise(lambda _: layer()),
        conditions=_conditions(),
        layers=(layer,),
    )


SIGMOID, TANH = _plain_kind("sigmoid", Sigmoid), _plain_kind("tanh", Tanh)
SOFTPLUS, SILU = _plain_kind("softplus", Softplus), _plain_kind("silu", SiLU)

LEAKY_RELU = Kind(
    name="leaky_relu",
    config=LeakyReLUConfig,
    configs=_leaky_configs,
    corners=(
        *map(LeakyReLUConfig, _CORNER_SHAPES),
        LeakyReLUConfig((3, 7), -0.5),  # a mask taken from the sign of the output is wrong here
        LeakyReLUConfig((3, 7), 0.0),
    ),
    primals=_primals,
    build=_elementwise(lambda config: LeakyReLU(config.negative_slope)),
    conditions={
        **_conditions(),
        "negative slope < 0": lambda c, _: c.negative_slope < 0,
        "negative slope 0": lambda c, _: c.negative_slope == 0,
    },
    layers=(LeakyReLU,),
)

ELU_KIND = Kind(
    name="elu",
    config=ELUConfig,
    configs=_elu_configs,
    corners=(*map(ELUConfig, _CORNER_SHAPES), ELUConfig((3, 7), 0.3)),
    primals=_primals,
    build=_elementwise(lambda config: ELU(config.alpha)),
    conditions={**_conditions(), "alpha ≠ 1": lambda c, _: c.alpha != 1},
    layers=(ELU,),
)

GELU_KIND = Kind(
    name="gelu",
    config=GELUConfig,
    configs=_gelu_configs,
    corners=(*map(GELUConfig, _CORNER_SHAPES), GELUConfig((3, 7), "tanh")),
    primals=_primals,
    build=_elementwise(lambda config: GELU(config.approximate)),
    conditions={
        **_conditions(),
        "erf form": lambda c, _: c.approximate == "none",
        "tanh form": lambda c, _: c.approximate == "tanh",
    },
    layers=(GELU,),
)


def _softmax_conditions() -> dict[str, Callable[[Any, Arrays], bool]]:
    return {
        "rank 1": lambda c, _: len(c.shape) == 1,
        "rank 3": lambda c, _: len(c.shape) == 3,
        "the last axis": lambda c, _: c.axis % len(c.shape) == len(c.shape) - 1,
        "another axis than the last": lambda c, _: c.axis % len(c.shape) < len(c.shape) - 1,
        "one entry along the axis": lambda c, _: c.shape[c.axis] == 1,
        "a row beyond the range of exp": lambda c, p: bool((np.ptp(p["x"], axis=c.axis) > 750).any()),
        **value_conditions(),
    }


_SOFTMAX_CORNERS = (
    SoftmaxConfig((3, 7)),
    SoftmaxConfig((3, 4, 5), 1),
    SoftmaxConfig((4, 4), 0),  # square: the wrong axis has the right shape
    SoftmaxConfig((5,)),
    SoftmaxConfig((3, 2, 1)),
)

SOFTMAX = Kind(
    name="softmax",
    config=SoftmaxConfig,
    configs=_softmax_configs,
    corners=_SOFTMAX_CORNERS,
    primals=_primals,
    build=_along_axis(Softmax),
    conditions=_softmax_conditions(),
    laws=lambda config: (rows_sum_to_zero(config.axis),),
    layers=(Softmax,),
)

LOG_SOFTMAX = Kind(
    name="log_softmax",
    config=SoftmaxConfig,
    configs=_softmax_configs,
    corners=_SOFTMAX_CORNERS,
    primals=_primals,
    build=_along_axis(LogSoftmax),
    conditions=_softmax_conditions(),
    laws=lambda config: (rows_sum_to_zero(config.axis),),
    layers=(LogSoftmax,),
)
