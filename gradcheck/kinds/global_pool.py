"""Means over whole maps, and over so many parts of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.laws import homogeneous, shares_sum
from gradcheck.kinds.windowed import value_conditions
from gradcheck.mutants.by_kind.pooling_mutants import ADAPTIVE_MEAN, GLOBAL_MEAN
from gradcheck.strategies.values import Regime, values
from gradcheck.strategies.windows import batch_sizes
from gradcheck.subject import Array, Arrays, Subject, Trait
from gradcheck.suites.kind import Kind
from reference_layers import AdaptiveAvgPool2d, GlobalAvgPool2d


@dataclass(frozen=True)
class GlobalAvgPool2dConfig:
    """The size of the input, and whether the output keeps its axes of space."""

    batch: int
    channels: int
    size: tuple[int, int]
    keepdims: bool = False


@dataclass(frozen=True)
class AdaptiveAvgPool2dConfig:
    """The sizes of input and output, both (height, width)."""

    batch: int
    channels: int
    size: tuple[int, int]
    output_size: tuple[int, int]


def _pairs(largest: int) -> SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(1, largest), st.integers(1, largest))


def _global_configs() -> SearchStrategy[GlobalAvgPool2dConfig]:
    return st.builds(GlobalAvgPool2dConfig, batch_sizes(), st.sampled_from([1, 2, 3]), _pairs(6), st.booleans())


def _adaptive_configs() -> SearchStrategy[AdaptiveAvgPool2dConfig]:
    return st.builds(AdaptiveAvgPool2dConfig, batch_sizes(), st.sampled_from([1, 2, 3]), _pairs(7), _pairs(5))


def _primals(config: Any, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    return {"x": values(regime, (config.batch, config.channels, *config.size), rng)}


def _build_global(config: GlobalAvgPool2dConfig, primals: Arrays) -> Subject:
    return from_reference(GlobalAvgPool2d(config.keepdims), primals, traits=[Trait("batch-separable", ("x",))])


def _build_adaptive(config: AdaptiveAvgPool2dConfig, primals: Arrays) -> Subject:
    return from_reference(AdaptiveAvgPool2d(config.output_size), primals, traits=[Trait("batch-separable", ("x",))])


def _axes(config: AdaptiveAvgPool2dConfig) -> list[tuple[int, int]]:
    """Return size and output size along each axis."""
    return list(zip(config.size, config.output_size, strict=True))


def _has_unequal_parts(config: AdaptiveAvgPool2dConfig, _: Arrays) -> bool:
    return any(len({-(-(i + 1) * n // o) - i * n // o for i in range(o)}) > 1 for n, o in _axes(config))


_SIZES = {
    "input h ≠ w": lambda c, _: c.size[0] != c.size[1],
    "1×1 input": lambda c, _: c.size == (1, 1),
    "batch 1": lambda c, _: c.batch == 1,
    "batch ≥ 3": lambda c, _: c.batch >= 3,
}

GLOBAL_AVG_POOL2D = Kind(
    name="global_avg_pool2d",
    config=GlobalAvgPool2dConfig,
    configs=_global_configs,
    corners=(
        GlobalAvgPool2dConfig(3, 2, (5, 4)),
        GlobalAvgPool2dConfig(3, 2, (4, 7), True),
        GlobalAvgPool2dConfig(5, 1, (1, 6)),
        GlobalAvgPool2dConfig(3, 3, (3, 3)),
        GlobalAvgPool2dConfig(1, 2, (3, 5), True),
        GlobalAvgPool2dConfig(1, 1, (1, 1)),
    ),
    primals=_primals,
    build=_build_global,
    conditions={**_SIZES, "axes kept": lambda c, _: c.keepdims, **value_conditions()},
    laws=lambda _: (homogeneous(), shares_sum()),
    layers=(GlobalAvgPool2d,),
    mutants=GLOBAL_MEAN,
    sizes=tuple(GlobalAvgPool2dConfig(2, c, (8, 8)) for c in (1, 2, 4, 8, 16, 32)),
)

ADAPTIVE_AVG_POOL2D = Kind(
    name="adaptive_avg_pool2d",
    config=AdaptiveAvgPool2dConfig,
    configs=_adaptive_configs,
    corners=(
        AdaptiveAvgPool2dConfig(3, 2, (6, 4), (3, 2)),
        AdaptiveAvgPool2dConfig(3, 2, (7, 5), (3, 2)),  # parts overlap
        AdaptiveAvgPool2dConfig(5, 1, (10, 7), (4, 3)),
        AdaptiveAvgPool2dConfig(3, 2, (2, 3), (5, 4)),  # more parts than entries
        AdaptiveAvgPool2dConfig(3, 2, (4, 5), (4, 5)),
        AdaptiveAvgPool2dConfig(1, 3, (5, 4), (1, 1)),
        AdaptiveAvgPool2dConfig(1, 1, (1, 1), (1, 1)),
    ),
    primals=_primals,
    build=_build_adaptive,
    conditions={
        **_SIZES,
        "output h ≠ w": lambda c, _: c.output_size[0] != c.output_size[1],
        "output = input": lambda c, _: c.output_size == c.size,
        "1×1 output": lambda c, _: c.output_size == (1, 1),
        "output does not divide the input": lambda c, _: any(n % o and o < n for n, o in _axes(c)),
        "parts of different sizes": _has_unequal_parts,
        "output larger than the input": lambda c, _: any(o > n for n, o in _axes(c)),
        **value_conditions(),
    },
    laws=lambda _: (homogeneous(), shares_sum()),
    layers=(AdaptiveAvgPool2d,),
    mutants=ADAPTIVE_MEAN,
    sizes=tuple(AdaptiveAvgPool2dConfig(2, c, (8, 8), (3, 3)) for c in (1, 2, 4, 8, 16, 32)),
)

KINDS = (GLOBAL_AVG_POOL2D, ADAPTIVE_AVG_POOL2D)
