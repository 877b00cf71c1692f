"""Pooling of images: maxima and means, two kinds over one geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.kind import Kind
from gradcheck.kinds.windowed import geometry, value_conditions, window_conditions
from gradcheck.strategies.values import Regime, values
from gradcheck.subject import Array, Arrays, Subject, Trait
from reference_layers import AvgPool2d, MaxPool2d

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


@dataclass(frozen=True)
class Pool2dConfig:
    """A pooling layer and the size of its input; `padding` is (top, bottom, left, right)."""

    batch: int
    channels: int
    size: tuple[int, int]
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)


def _configs() -> SearchStrategy[Pool2dConfig]:
    from hypothesis import strategies as st

    from gradcheck.strategies.windows import Window, batch_sizes, windows

    def build(batch: int, channels: int, height: Window, width: Window) -> Pool2dConfig:
        return Pool2dConfig(batch, channels, **geometry(height, width))

    return st.builds(build, batch_sizes(), st.sampled_from([1, 2, 3]), windows(max_dilation=1), windows(max_dilation=1))


def _primals(config: Pool2dConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    """Return x with, where there is room, one value that is the maximum of all the windows it lies in."""
    x = values(regime, (config.batch, config.channels, *config.size), rng)
    row, column = config.size[0] // 2, config.size[1] // 2
    x[:, :, row, column] = np.ceil(x.max(axis=(2, 3))) + 1 if regime != "tiny" else 2 * np.abs(x).max()
    return {"x": x}


def _traits() -> list[Trait]:
    return [Trait("batch-separable", ("x",))]


def _build_max(config: Pool2dConfig, primals: Arrays) -> Subject:
    return from_reference(MaxPool2d(config.kernel_size, config.stride, config.padding), primals, traits=_traits())


def _build_mean(config: Pool2dConfig, primals: Arrays) -> Subject:
    return from_reference(AvgPool2d(config.kernel_size, config.stride, config.padding), primals, traits=_traits())


def _has_ties(config: Pool2dConfig, primals: Arrays) -> bool:
    """Whether some window without padding holds its maximum more than once."""
    kernel = tuple(min(k, n) for k, n in zip(config.kernel_size, config.size, strict=True))
    windows = sliding_window_view(primals["x"], kernel, axis=(2, 3))
    flat = windows.reshape(*windows.shape[:4], -1)
    return bool(((flat == flat.max(-1, keepdims=True)).sum(-1) > 1).any())


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
)

MAX_POOL2D = Kind(
    name="max_pool2d",
    config=Pool2dConfig,
    configs=_configs,
    corners=_CORNERS,
    primals=_primals,
    build=_build_max,
    conditions={**window_conditions(), "ties in a window": _has_ties, **value_conditions()},
    layers=(MaxPool2d,),
)

AVG_POOL2D = Kind(
    name="avg_pool2d",
    config=Pool2dConfig,
    configs=_configs,
    corners=_CORNERS,
    primals=_primals,
    build=_build_mean,
    conditions={**window_conditions(), **value_conditions()},
    layers=(AvgPool2d,),
)
