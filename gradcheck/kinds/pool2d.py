"""Pooling of images: maxima and means, two kinds over one geometry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.kind import Kind
from gradcheck.kinds.laws import homogeneous, shares_sum
from gradcheck.kinds.windowed import axes, geometry, value_conditions, window_conditions
from gradcheck.strategies.values import Regime, values
from gradcheck.subject import Array, Arrays, Law, Subject, Trait
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
    """Return x; where windows overlap, one value of one image is the maximum of several of them.

    The other images are left as drawn, with their ties.
    """
    x = values(regime, (config.batch, config.channels, *config.size), rng)
    shared = np.argwhere(np.multiply.outer(*(axis.coverage for axis in axes(config))) > 1)
    if len(shared):
        image = x[rng.integers(config.batch), rng.integers(config.channels)]
        image[tuple(shared[rng.integers(len(shared))])] = image.max() + (np.ptp(image) or 1.0)
    return {"x": x}


def _traits() -> list[Trait]:
    return [Trait("batch-separable", ("x",))]


def _build_max(config: Pool2dConfig, primals: Arrays) -> Subject:
    return from_reference(MaxPool2d(config.kernel_size, config.stride, config.padding), primals, traits=_traits())


def _build_mean(config: Pool2dConfig, primals: Arrays) -> Subject:
    return from_reference(AvgPool2d(config.kernel_size, config.stride, config.padding), primals, traits=_traits())


def _by_window(config: Pool2dConfig, x: Array) -> Array:
    """Return the entries of each window along the last axis; those of the border are -inf."""
    top, bottom, left, right = config.padding
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=-np.inf)
    windows = sliding_window_view(padded, config.kernel_size, axis=(2, 3))
    windows = windows[:, :, :: config.stride[0], :: config.stride[1]]
    return windows.reshape(*windows.shape[:4], -1)


def _lead(config: Pool2dConfig, primals: Arrays) -> Array:
    """Return how far the maximum of each window is above its second."""
    ordered = np.sort(_by_window(config, primals["x"]), axis=-1)
    return ordered[..., -1] - ordered[..., -2] if ordered.shape[-1] > 1 else np.full(1, np.inf)


def _has_ties(config: Pool2dConfig, primals: Arrays) -> bool:
    return bool((_lead(config, primals) == 0).any())


def _has_near_ties(config: Pool2dConfig, primals: Arrays) -> bool:
    lead = _lead(config, primals)
    return bool(((lead > 0) & (lead < 1e-2 * np.abs(primals["x"]).max())).any())


def _wins_twice(config: Pool2dConfig, primals: Arrays) -> bool:
    """Whether one entry is the maximum of two windows."""
    x = primals["x"]
    position = np.broadcast_to(np.arange(x[0, 0].size, dtype=x.dtype).reshape(config.size), x.shape)
    winner = _by_window(config, x).argmax(axis=-1)[..., None]
    winning = np.take_along_axis(_by_window(config, position), winner, axis=-1)
    return any(np.unique(image).size < image.size for image in winning.reshape(-1, winning[0, 0].size))


def _mean_laws(config: Pool2dConfig) -> tuple[Law, ...]:
    inside = np.isfinite(_by_window(config, np.ones((1, 1, *config.size))))
    return homogeneous(), shares_sum(inside.mean(axis=-1))


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
    conditions={
        **window_conditions(),
        "ties in a window": _has_ties,
        "near ties in a window": _has_near_ties,
        "one entry the maximum of two windows": _wins_twice,
        **value_conditions(),
    },
    laws=lambda _: (homogeneous(), shares_sum()),
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
    laws=_mean_laws,
    layers=(AvgPool2d,),
)
