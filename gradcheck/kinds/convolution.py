"""Convolutions over one, two and three axes of space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.laws import linear_in_weight
from gradcheck.kinds.windowed import (
    Condition,
    axes,
    dilation_conditions,
    geometry,
    group_conditions,
    parameter,
    tile_conditions,
    value_conditions,
    window_conditions,
)
from gradcheck.mutants.by_kind.convolution_mutants import CONVOLUTION, TRUE_CONVOLUTION
from gradcheck.mutants.mutant import Mutant
from gradcheck.strategies.values import Regime, values
from gradcheck.strategies.windows import Channels, Window, batch_sizes, channels, windows
from gradcheck.subject import Array, Arrays, Subject, Trait
from gradcheck.suites.kind import Kind
from reference_layers import Conv1d, Conv2d, Conv3d, TrueConv2d


@dataclass(frozen=True)
class Conv1dConfig:
    """A convolution and the length of its input; `padding` is (before, after)."""

    batch: int
    in_channels: int
    out_channels: int
    size: tuple[int]
    kernel_size: tuple[int]
    stride: tuple[int] = (1,)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int] = (1,)
    groups: int = 1
    bias: bool = True


@dataclass(frozen=True)
class Conv2dConfig:
    """A convolution and the size of its input; `padding` is (top, bottom, left, right)."""

    batch: int
    in_channels: int
    out_channels: int
    size: tuple[int, int]
    kernel_size: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    bias: bool = True


@dataclass(frozen=True)
class Conv3dConfig:
    """A convolution and the size of its input; `padding` is (front, back, top, bottom, left, right)."""

    batch: int
    in_channels: int
    out_channels: int
    size: tuple[int, int, int]
    kernel_size: tuple[int, int, int]
    stride: tuple[int, int, int] = (1, 1, 1)
    padding: tuple[int, int, int, int, int, int] = (0, 0, 0, 0, 0, 0)
    dilation: tuple[int, int, int] = (1, 1, 1)
    groups: int = 1
    bias: bool = True


_Config: TypeAlias = Conv1dConfig | Conv2dConfig | Conv3dConfig


class _Geometry(NamedTuple):
    """The configurations of convolutions over as many axes as `windows` has strategies; the rest is as in `Kind`."""

    config: type[_Config]
    windows: tuple[SearchStrategy[Window], ...]
    corners: tuple[_Config, ...]
    sizes: tuple[_Config, ...]
    grouping: SearchStrategy[Channels] = channels()

    @property
    def rank(self) -> int:
        """How many axes of space there are."""
        return len(self.windows)

    def configs(self) -> SearchStrategy[_Config]:
        """Return a strategy of all of them."""

        def build(batch: int, layer: Channels, drawn: tuple[Window, ...], bias: bool) -> _Config:
            return self.config(
                batch=batch,
                in_channels=layer.in_channels,
                out_channels=layer.out_channels,
                **geometry(*drawn),
                groups=layer.groups,
                bias=bias,
            )

        return st.builds(build, batch_sizes(), self.grouping, st.tuples(*self.windows), st.booleans())


_1D = _Geometry(
    config=Conv1dConfig,
    windows=(windows(max_output=5),),
    corners=(
        Conv1dConfig(3, 2, 5, (7,), (3,)),
        Conv1dConfig(3, 2, 3, (9,), (3,), (3,), (1, 2), (2,)),  # all asymmetric, with a remainder
        Conv1dConfig(3, 2, 3, (8,), (3,), (2,)),  # the stride leaves a remainder
        Conv1dConfig(1, 9, 17, (33,), (3,)),  # one more than a block, in every loop
        Conv1dConfig(3, 2, 3, (9,), (2,), (4,)),  # entries that no window touches, and a remainder of 3
        Conv1dConfig(3, 4, 6, (5,), (3,), groups=2),
        Conv1dConfig(5, 3, 6, (6,), (3,), (2,), (1, 0), groups=3),  # depthwise, two maps per channel
        Conv1dConfig(3, 4, 2, (7,), (2,), (2,), dilation=(3,), groups=2, bias=False),
        Conv1dConfig(3, 3, 3, (3,), (3,)),  # all sizes equal, kernel = input
        Conv1dConfig(1, 3, 2, (5,), (1,)),
        Conv1dConfig(1, 1, 1, (1,), (1,)),
        Conv1dConfig(2, 1, 2, (1,), (3,), padding=(1, 1)),
        Conv1dConfig(3, 2, 3, (5,), (2,), padding=(2, 0)),  # a window in the padding alone
    ),
    sizes=tuple(Conv1dConfig(2, c, c, (16,), (3,)) for c in (1, 2, 4, 8, 16, 32)),
)

_2D = _Geometry(
    config=Conv2dConfig,
    windows=(windows(), windows()),
    corners=(
        Conv2dConfig(3, 2, 5, (7, 6), (3, 2)),
        Conv2dConfig(3, 2, 3, (8, 7), (3, 2), (2, 3), (1, 2, 0, 3), (2, 1)),  # all asymmetric
        Conv2dConfig(3, 2, 3, (7, 7), (3, 3), (2, 2), (1, 1, 1, 1)),
        Conv2dConfig(3, 2, 3, (8, 8), (3, 3), (2, 2)),  # the stride leaves a remainder
        Conv2dConfig(3, 2, 3, (7, 8), (2, 2), (3, 3)),  # entries that no window touches
        Conv2dConfig(3, 1, 3, (7, 6), (3, 3), (1, 2), (1, 1, 2, 2), (2, 1)),
        Conv2dConfig(3, 4, 6, (5, 6), (3, 2), groups=2),
        Conv2dConfig(3, 3, 6, (6, 5), (3, 2), (2, 1), (1, 0, 1, 1), groups=3),  # depthwise, two maps per channel
        Conv2dConfig(3, 4, 2, (7, 5), (2, 2), (2, 1), dilation=(2, 1), groups=2, bias=False),
        Conv2dConfig(3, 3, 3, (3, 3), (3, 3)),  # square throughout, kernel = input
        Conv2dConfig(1, 3, 2, (4, 5), (1, 1)),
        Conv2dConfig(1, 1, 1, (1, 1), (1, 1)),
        Conv2dConfig(2, 1, 2, (1, 1), (3, 3), padding=(1, 1, 1, 1)),
        Conv2dConfig(3, 2, 3, (4, 5), (1, 2), padding=(1, 2, 2, 0)),  # windows in the padding alone
        Conv2dConfig(1, 9, 17, (9, 4), (3, 2)),  # one more than a block, in every loop
    ),
    sizes=tuple(Conv2dConfig(2, c, c, (8, 8), (3, 3)) for c in (1, 2, 4, 8, 16, 32)),
)

#: For volumes with few entries: what two windows need along each axis.
_TWO_AT_MOST = windows(max_output=2, max_stride=2, max_dilation=1) | windows(max_output=2, max_kernel=2, max_stride=2)

_3D = _Geometry(
    config=Conv3dConfig,
    windows=(_TWO_AT_MOST,) * 3,
    grouping=channels(max_groups=2, max_per_group=2),
    corners=(
        Conv3dConfig(3, 4, 5, (3, 5, 4), (1, 3, 2)),
        Conv3dConfig(3, 1, 2, (4, 6, 5), (2, 3, 2), (1, 2, 3), (1, 0, 1, 2, 0, 1), (1, 2, 1)),  # all asymmetric
        Conv3dConfig(3, 2, 1, (4, 3, 5), (2, 2, 1), (3, 2, 1)),  # entries that no window touches, remainders
        Conv3dConfig(3, 4, 2, (3, 4, 3), (2, 3, 2), groups=2),
        Conv3dConfig(5, 2, 4, (4, 3, 3), (2, 2, 1), (2, 1, 1), (0, 1, 1, 0, 0, 0), groups=2),  # depthwise
        Conv3dConfig(3, 2, 2, (3, 4, 5), (2, 2, 2), dilation=(1, 2, 3), groups=2, bias=False),
        Conv3dConfig(3, 2, 2, (2, 2, 2), (2, 2, 2)),  # all sizes equal, kernel = input
        Conv3dConfig(1, 2, 3, (3, 2, 4), (1, 1, 1)),
        Conv3dConfig(1, 1, 1, (1, 1, 1), (1, 1, 1)),
        Conv3dConfig(2, 1, 2, (1, 1, 1), (3, 2, 3), padding=(1, 1, 1, 0, 1, 1)),
        Conv3dConfig(3, 1, 2, (2, 3, 2), (1, 2, 1), padding=(1, 0, 0, 2, 0, 1)),  # windows in the padding alone
        Conv3dConfig(1, 1, 9, (2, 2, 9), (1, 2, 2)),  # one more than a block
    ),
    sizes=tuple(Conv3dConfig(2, c, c, (4, 4, 4), (3, 3, 3)) for c in (1, 2, 4, 8, 16)),
)


def _primals(config: _Config, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    """Return x, the weight and, with a bias, that.

    Raises
    ------
    ValueError
        If no convolution has that geometry, as in a case that somebody wrote by hand.
    """
    # Both refuse what is impossible when they are made.
    Channels(config.groups, config.in_channels, config.out_channels)
    axes(config)
    weight_shape = (config.out_channels, config.in_channels // config.groups, *config.kernel_size)
    primals = {
        "x": values(regime, (config.batch, config.in_channels, *config.size), rng),
        "weight": parameter(weight_shape, regime, rng),
    }
    return primals | ({"bias": parameter((config.out_channels,), regime, rng)} if config.bias else {})


def _builder(layer: Callable[..., Any]) -> Callable[[_Config, Arrays], Subject]:
    """Return what builds the subject of a config with a layer of that class."""

    def build(config: _Config, primals: Arrays) -> Subject:
        built = layer(
            config.in_channels,
            config.out_channels,
            config.kernel_size,
            config.stride,
            config.padding,
            config.dilation,
            config.groups,
            config.bias,
        )
        return from_reference(built, primals, traits=[Trait("batch-separable", ("x",))])

    return build


def _conditions(rank: int) -> Mapping[str, Condition]:
    """Return the conditions that convolutions over `rank` axes should meet."""
    return {
        **window_conditions(rank),
        **dilation_conditions(rank),
        **group_conditions(),
        "a window in the padding alone": lambda c, _: any(axis.leaves_the_input for axis in axes(c)),
        "no bias": lambda c, _: not c.bias,
        **tile_conditions(),
        **value_conditions(),
    }


def _kind(name: str, layer: type, over: _Geometry, mutants: tuple[Mutant, ...]) -> Kind:
    return Kind(
        name=name,
        config=over.config,
        configs=over.configs,
        corners=over.corners,
        primals=_primals,
        build=_builder(layer),
        conditions=_conditions(over.rank),
        laws=linear_in_weight,
        layers=(layer,),
        mutants=mutants,
        sizes=over.sizes,
    )


KINDS = (
    _kind("conv1d", Conv1d, _1D, CONVOLUTION),
    _kind("conv2d", Conv2d, _2D, CONVOLUTION),
    _kind("conv3d", Conv3d, _3D, CONVOLUTION),
    _kind("true_conv2d", TrueConv2d, _2D, TRUE_CONVOLUTION),  # the kernel is rotated, as mathematics has it
)
