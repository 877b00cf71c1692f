"""Layers of any shape: flattening, and the ReLU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.laws import homogeneous, moves
from gradcheck.kinds.windowed import shape_conditions, tile_conditions, value_conditions
from gradcheck.mutants.by_kind.activations_mutants import RELU_MUTANTS
from gradcheck.mutants.by_kind.shape_mutants import RESHAPE_MUTANTS
from gradcheck.strategies.shapes import shapes
from gradcheck.strategies.values import Regime, values
from gradcheck.subject import Array, Arrays, Subject, Trait
from gradcheck.suites.kind import Kind
from reference_layers import Flatten, ReLU


@dataclass(frozen=True)
class FlattenConfig:
    """The shape of the input, and the first of its axes that are joined."""

    shape: tuple[int, ...]
    start_axis: int = 1


@dataclass(frozen=True)
class ReLUConfig:
    """The shape of the input."""

    shape: tuple[int, ...]


def _flatten_configs() -> SearchStrategy[FlattenConfig]:
    return shapes().flatmap(lambda shape: st.builds(FlattenConfig, st.just(shape), st.integers(0, len(shape) - 1)))


def _relu_configs() -> SearchStrategy[ReLUConfig]:
    return shapes().map(ReLUConfig)


def _primals(config: Any, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    return {"x": values(regime, config.shape, rng)}


def _build_flatten(config: FlattenConfig, primals: Arrays) -> Subject:
    traits = [Trait("batch-separable", ("x",))] if config.start_axis > 0 else []
    return from_reference(Flatten(config.start_axis), primals, traits=traits)


def _build_relu(config: ReLUConfig, primals: Arrays) -> Subject:  # noqa: ARG001 - every kind has this signature
    return from_reference(ReLU(), primals, traits=[Trait("batch-separable", ("x",)), Trait("any-rank", ("x",))])


FLATTEN = Kind(
    name="flatten",
    config=FlattenConfig,
    configs=_flatten_configs,
    corners=(
        FlattenConfig((3, 2, 5, 4)),
        FlattenConfig((3, 2, 5, 4), 2),
        FlattenConfig((3, 4), 0),
        FlattenConfig((3, 5, 2)),
        FlattenConfig((5, 1)),
        FlattenConfig((1,), 0),
    ),
    primals=_primals,
    build=_build_flatten,
    conditions={
        "several axes joined": lambda c, _: len(c.shape) - c.start_axis > 1,
        "start_axis 0": lambda c, _: c.start_axis == 0,
        "start_axis > 1": lambda c, _: c.start_axis > 1,
        "nothing to join": lambda c, _: len(c.shape) - c.start_axis == 1,
        **shape_conditions(),
        **value_conditions(),
    },
    laws=lambda _: (moves(),),
    layers=(Flatten,),
    mutants=RESHAPE_MUTANTS,
    sizes=tuple(FlattenConfig((2, c, 4, 4)) for c in (1, 4, 16, 64, 256)),
)

RELU = Kind(
    name="relu",
    config=ReLUConfig,
    configs=_relu_configs,
    corners=(
        ReLUConfig((3, 7)),
        ReLUConfig((3, 2, 5, 4)),
        ReLUConfig((5,)),
        ReLUConfig((1,)),
        ReLUConfig((3, 33, 1)),
    ),
    primals=_primals,
    build=_build_relu,
    conditions={
        **shape_conditions(),
        "negative and positive": lambda _, p: bool((p["x"] > 0).any() and (p["x"] < 0).any()),
        **tile_conditions(),
        **value_conditions(),
    },
    laws=lambda _: (homogeneous(),),
    layers=(ReLU,),
    mutants=RELU_MUTANTS,
    sizes=tuple(ReLUConfig((8, n)) for n in (4, 8, 16, 64, 256, 1024)),
)

KINDS = (FLATTEN, RELU)
