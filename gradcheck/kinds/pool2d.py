"""Pooling of images: maxima and means, two kinds over one geometry."""

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
from reference_layers import AvgPool2d, MaxPool2d

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


@dataclass(frozen=True)
class Pool2dConfig:
    """A pooling layer and the size of its input; `padding` is (top, bottom, left, right).

    `count_include_pad` is for means alone, and `dilation` for maxima alone.
    """

    batch: int
    channels: int
    size: tuple[int, int]
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    ceil_mode: bool = False
    count_include_pad: bool = True
    dilation: tuple[int, int] = (1, 1)


def _max_configs() -> SearchStrategy[Pool2dConfig]:
    return max_configs(Pool2dConfig, 2)


def _mean_configs() -> SearchStrategy[Pool2dConfig]:
    return mean_configs(Pool2dConfig, 2)


_CORNERS = (
    Pool2dConfig(3, 2, (6, 4), (2, 2), (2, 2)),
    Pool2dConfig(3, 2, (5, 6), (3, 3), (1, 1)),
    Pool2dConfig(3, 2, (7, 6), (3, 2), (2, 1), (1, 2, 0, 1)),
    Pool2dConfig(3, 2, (7, 8), (3, 3), (2, 2), (1, 1, 1, 1)),
    Pool2dConfig(3, 1, (6, 7), (4, 4), (3, 2), (0, 1, 2, 3)),
    Pool2dConfig(3, 2, (8, 7), (2, 2), (3, 3)),  # entries that no window touches, and a remainder
    Pool2dConfig(3, 2, (6, 5), (2, 3), (1, 3)),
    Pool2dConfig(2, 1, (3, 3), (3, 3), (3, 3)),
    Pool2dConfig(1, 3, (4, 5), (1, 1), (1, 1)),
    Pool2dConfig(1, 1, (1, 1), (1, 1), (1, 1)),
    Pool2dConfig(3, 2, (6, 7), (3, 3), (2, 3), (1, 1, 1, 0), ceil_mode=True),  # the last windows overhang
    Pool2dConfig(3, 1, (6, 4), (3, 3), (3, 2), (0, 1, 2, 2), ceil_mode=True),  # one would start in the padding
    Pool2dConfig(3, 2, (2, 5), (3, 2), (2, 2), ceil_mode=True),  # one alone, larger than the input
)

_SIZES = tuple(Pool2dConfig(2, c, (8, 8), (2, 2), (2, 2)) for c in (1, 2, 4, 8, 16, 32))

MAX_POOL2D = Kind(
    name="max_pool2d",
    config=Pool2dConfig,
    configs=_max_configs,
    corners=(
        *_CORNERS,
        Pool2dConfig(3, 2, (6, 7), (2, 3), (2, 1), dilation=(3, 2)),
        Pool2dConfig(3, 1, (5, 6), (3, 2), (1, 2), (1, 3, 2, 0), True, dilation=(2, 3)),
    ),
    primals=pool_primals,
    build=max_builder(MaxPool2d),
    conditions=max_conditions(2),
    laws=max_laws,
    layers=(MaxPool2d,),
    mutants=MAX_POOLING,
    sizes=_SIZES,
)

AVG_POOL2D = Kind(
    name="avg_pool2d",
    config=Pool2dConfig,
    configs=_mean_configs,
    corners=(
        *_CORNERS,
        *(replace(corner, count_include_pad=False) for corner in _CORNERS if any(corner.padding)),
    ),
    primals=pool_primals,
    build=mean_builder(AvgPool2d),
    conditions=mean_conditions(2),
    laws=mean_laws(AvgPool2d),
    layers=(AvgPool2d,),
    mutants=MEAN_POOLING,
    sizes=_SIZES,
)
