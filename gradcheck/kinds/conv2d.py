"""Two-dimensional convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.kind import Kind
from gradcheck.kinds.laws import bias_is_summed, euler
from gradcheck.kinds.windowed import axes, geometry, parameter, value_conditions, window_conditions
from gradcheck.strategies.values import Regime, values
from gradcheck.subject import Array, Arrays, Law, Subject, Trait
from reference_layers import Conv2d

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


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


def _configs() -> SearchStrategy[Conv2dConfig]:
    from hypothesis import strategies as st

    from gradcheck.strategies.windows import Channels, Window, batch_sizes, channels, windows

    def build(batch: int, layer: Channels, height: Window, width: Window, bias: bool) -> Conv2dConfig:
        return Conv2dConfig(
            batch,
            layer.in_channels,
            layer.out_channels,
            **geometry(height, width),
            dilation=(height.dilation, width.dilation),
            groups=layer.groups,
            bias=bias,
        )

    return st.builds(build, batch_sizes(), channels(), windows(), windows(), st.booleans())


def _primals(config: Conv2dConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    weight_shape = (config.out_channels, config.in_channels // config.groups, *config.kernel_size)
    primals = {
        "x": values(regime, (config.batch, config.in_channels, *config.size), rng),
        "weight": parameter(weight_shape, regime, rng),
    }
    return primals | ({"bias": parameter((config.out_channels,), regime, rng)} if config.bias else {})


def _build(config: Conv2dConfig, primals: Arrays) -> Subject:
    layer = Conv2d(
        config.in_channels,
        config.out_channels,
        config.kernel_size,
        config.stride,
        config.padding,
        config.dilation,
        config.groups,
        config.bias,
    )
    return from_reference(layer, primals, traits=[Trait("batch-separable", ("x",))])


def _laws(config: Conv2dConfig) -> tuple[Law, ...]:
    laws = euler("weight", "x", "bias" if config.bias else None)
    return (*laws, bias_is_summed("bias", 1)) if config.bias else laws


CONV2D = Kind(
    name="conv2d",
    config=Conv2dConfig,
    configs=_configs,
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
    ),
    primals=_primals,
    build=_build,
    conditions={
        **window_conditions(),
        "dilation h ≠ w": lambda c, _: c.dilation[0] != c.dilation[1],
        "stride ≠ dilation, both > 1 somewhere": lambda c, _: (
            c.stride != c.dilation and max(c.stride) > 1 and max(c.dilation) > 1
        ),
        "groups > 1": lambda c, _: c.groups > 1,
        "depthwise": lambda c, _: c.groups == c.in_channels > 1,
        "groups > 1 and stride > 1": lambda c, _: c.groups > 1 and max(c.stride) > 1,
        "groups > 1 and dilation > 1": lambda c, _: c.groups > 1 and max(c.dilation) > 1,
        "in_channels ≠ out_channels": lambda c, _: c.in_channels != c.out_channels,
        "all sizes equal": lambda c, _: len({c.in_channels, c.out_channels, *c.kernel_size}) == 1,
        "a window in the padding alone": lambda c, _: any(axis.leaves_the_input for axis in axes(c)),
        "no bias": lambda c, _: not c.bias,
        **value_conditions(),
    },
    laws=_laws,
    layers=(Conv2d,),
)
