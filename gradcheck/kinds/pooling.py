"""Pooling over one and two axes of space: maxima and means over one geometry."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.laws import homogeneous, shares_sum
from gradcheck.kinds.pooling_conditions import max_conditions, mean_conditions
from gradcheck.kinds.windowed import axes, geometry
from gradcheck.mutants.by_kind.pooling_mutants import MAX_POOLING, MEAN_POOLING
from gradcheck.strategies.values import Regime, values
from gradcheck.strategies.windows import Window, batch_sizes, windows
from gradcheck.subject import Array, Arrays, Law, Subject, Trait
from gradcheck.suites.kind import Kind
from reference_layers import AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d


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


_Config: TypeAlias = Pool1dConfig | Pool2dConfig


class _Geometry(NamedTuple):
    """The configurations of pooling over so many axes: the corners of both kinds, and those of maxima alone."""

    config: type[_Config]
    corners: tuple[Any, ...]
    dilated: tuple[Any, ...]
    sizes: tuple[Any, ...]

    @property
    def rank(self) -> int:
        """How many axes of space there are."""
        return len(self.corners[0].size)

    def configs(self, axis: SearchStrategy[Window], count_include_pad: SearchStrategy[bool]) -> SearchStrategy[_Config]:
        """Return a strategy of configurations with such windows along each axis."""

        def build(batch: int, channels: int, drawn: tuple[Window, ...], ceil_mode: bool, counted: bool) -> _Config:
            return self.config(
                batch=batch,
                channels=channels,
                **geometry(*drawn),
                ceil_mode=ceil_mode,
                count_include_pad=counted,
            )

        channels = st.sampled_from([1, 2, 3])
        drawn = st.tuples(*[axis] * self.rank)
        return st.builds(build, batch_sizes(), channels, drawn, st.booleans(), count_include_pad)


_1D = _Geometry(
    config=Pool1dConfig,
    corners=(
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
    ),
    dilated=(
        Pool1dConfig(3, 2, (7,), (3,), (1,), dilation=(2,)),
        Pool1dConfig(3, 2, (9,), (3,), (2,), dilation=(3,)),
        Pool1dConfig(3, 2, (6,), (2,), (3,), (2, 1), True, dilation=(3,)),
    ),
    sizes=tuple(Pool1dConfig(2, c, (16,), (2,), (2,)) for c in (1, 2, 4, 8, 16, 32)),
)

_2D = _Geometry(
    config=Pool2dConfig,
    corners=(
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
    ),
    dilated=(
        Pool2dConfig(3, 2, (6, 7), (2, 3), (2, 1), dilation=(3, 2)),
        Pool2dConfig(3, 1, (5, 6), (3, 2), (1, 2), (1, 3, 2, 0), True, dilation=(2, 3)),
    ),
    sizes=tuple(Pool2dConfig(2, c, (8, 8), (2, 2), (2, 2)) for c in (1, 2, 4, 8, 16, 32)),
)


def _primals(config: _Config, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    """Return x; where windows overlap, one value of one image is the maximum of several of them.

    The other images are left as drawn, with their ties.
    """
    x = values(regime, (config.batch, config.channels, *config.size), rng)
    coverage: Array = reduce(np.multiply.outer, [np.array(axis.coverage) for axis in axes(config)])
    shared = np.argwhere(coverage > 1)
    if len(shared):
        image = x[rng.integers(config.batch), rng.integers(config.channels)]
        image[tuple(shared[rng.integers(len(shared))])] = image.max() + (np.ptp(image) or 1.0)
    return {"x": x}


def _subject(layer: Any, primals: Arrays) -> Subject:
    return from_reference(layer, primals, traits=[Trait("batch-separable", ("x",))])


def _max_kind(name: str, layer: type[Any], over: _Geometry) -> Kind:
    def build(config: _Config, primals: Arrays) -> Subject:
        built = layer(config.kernel_size, config.stride, config.padding, config.ceil_mode, config.dilation)
        return _subject(built, primals)

    return Kind(
        name=name,
        config=over.config,
        # Every window holds an entry, whatever the dilation.
        configs=lambda: over.configs(windows(filled=True), st.just(True)),
        corners=(*over.corners, *over.dilated),
        primals=_primals,
        build=build,
        conditions=max_conditions(over.rank),
        laws=lambda _: (homogeneous(), shares_sum()),
        layers=(layer,),
        mutants=MAX_POOLING,
        sizes=over.sizes,
    )


def _mean_kind(name: str, layer: type[Any], over: _Geometry) -> Kind:
    def made(config: _Config) -> Any:
        return layer(config.kernel_size, config.stride, config.padding, config.ceil_mode, config.count_include_pad)

    def laws(config: _Config) -> tuple[Law, ...]:
        """Return the laws of means: of an image of ones they are the shares that the padding leaves."""
        return homogeneous(), shares_sum(made(config).forward({}, np.ones((1, 1, *config.size)))[0])

    uncounted = (replace(corner, count_include_pad=False) for corner in over.corners if any(corner.padding))
    return Kind(
        name=name,
        config=over.config,
        configs=lambda: over.configs(windows(max_dilation=1), st.sampled_from([True, False])),
        corners=(*over.corners, *uncounted),
        primals=_primals,
        build=lambda config, primals: _subject(made(config), primals),
        conditions=mean_conditions(over.rank),
        laws=laws,
        layers=(layer,),
        mutants=MEAN_POOLING,
        sizes=over.sizes,
    )


KINDS = (
    _max_kind("max_pool1d", MaxPool1d, _1D),
    _max_kind("max_pool2d", MaxPool2d, _2D),
    _mean_kind("avg_pool1d", AvgPool1d, _1D),
    _mean_kind("avg_pool2d", AvgPool2d, _2D),
)
