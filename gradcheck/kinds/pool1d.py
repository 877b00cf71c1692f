"""Pooling of lines: maxima and means, two kinds over one geometry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gradcheck.kinds.pooling import (
    max_builder,
    max_conditions,
    max_configs,
    max_laws,
    mean_builder,
    mean_conditions,
    mean_configs,
    mean_laws,
    pool_primals,
)
from gradcheck.mutants.by_kind.pooling_mutants import MAX_POOLING, MEAN_POOLING
from gradcheck.suites.kind import Kind
from reference_layers import AvgPool1d, MaxPool1d

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


@dataclass(frozen=True)
class Pool1dConfig:
    """A pooling layer and the length of its input; `padding` is (before, after).

    `count_include_pad` is for means alone, and `dilation` for maxima alone.
    """

    batch: int
    channels: int
    size: tuple[int]
    kernel_size: tuple[int]
    stride: tuple[int]
    padding: tuple[int, int] = (0, 0)
    ceil_mode: bool = False
    count_include_pad: bool = True
    dilation: tuple[int] = (1,)


def _max_configs() -> SearchStrategy[Pool1dConfig]:
    return max_configs(Pool1dConfig, 1)


def _mean_configs() -> SearchStrategy[Pool1dConfig]:
    return mean_configs(Pool1dConfig, 1)


_CORNERS = (
    Pool1dConfig(3, 2, (6,), (2,), (2,)),
    Pool1dConfig(3, 2, (7,), (3,), (1,), (1, 2)),
    Pool1dConfig(5, 2, (8,), (3,), (2,), (1, 0)),
    Pool1dConfig(3, 2, (9,), (2,), (4,)),  # entries that no window touches, and a remainder of 3
    Pool1dConfig(2, 1, (3,), (3,), (3,)),
    Pool1dConfig(1, 3, (5,), (1,), (1,)),
    Pool1dConfig(1, 1, (1,), (1,), (1,)),
    Pool1dConfig(3, 2, (7,), (3,), (3,), (1, 1), ceil_mode=True),  # the stride leaves nothing
    Pool1dConfig(3, 2, (7,), (4,), (3,), (0, 2), ceil_mode=True),  # the last window overhangs
    Pool1dConfig(3, 1, (6,), (3,), (3,), (0, 1), ceil_mode=True),  # one would start in the padding
    Pool1dConfig(3, 2, (2,), (3,), (2,), ceil_mode=True),  # one alone, larger than the input
)

_SIZES = tuple(Pool1dConfig(2, c, (16,), (2,), (2,)) for c in (1, 2, 4, 8, 16, 32))

MAX_POOL1D = Kind(
    name="max_pool1d",
    config=Pool1dConfig,
    configs=_max_configs,
    corners=(
        *_CORNERS,
        Pool1dConfig(3, 2, (7,), (3,), (1,), dilation=(2,)),
        Pool1dConfig(3, 2, (9,), (3,), (2,), dilation=(3,)),
        Pool1dConfig(3, 2, (6,), (2,), (3,), (2, 1), True, dilation=(3,)),
    ),
    primals=pool_primals,
    build=max_builder(MaxPool1d),
    conditions=max_conditions(1),
    laws=max_laws,
    layers=(MaxPool1d,),
    mutants=MAX_POOLING,
    sizes=_SIZES,
)

AVG_POOL1D = Kind(
    name="avg_pool1d",
    config=Pool1dConfig,
    configs=_mean_configs,
    corners=(
        *_CORNERS,
        *(replace(corner, count_include_pad=False) for corner in _CORNERS if any(corner.padding)),
    ),
    primals=pool_primals,
    build=mean_builder(AvgPool1d),
    conditions=mean_conditions(1),
    laws=mean_laws(AvgPool1d),
    layers=(AvgPool1d,),
    mutants=MEAN_POOLING,
    sizes=_SIZES,
)
