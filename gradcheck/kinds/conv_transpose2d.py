"""Two-dimensional transposed convolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.laws import linear_in_weight
from gradcheck.kinds.windowed import (
    dilation_conditions,
    group_conditions,
    parameter,
    tile_conditions,
    value_conditions,
)
from gradcheck.mutants.by_kind.convolution_mutants import CONV_TRANSPOSE
from gradcheck.strategies.values import Regime, values
from gradcheck.strategies.windows import Channels, Window, batch_sizes, channels, require_output_padding, windows
from gradcheck.subject import Array, Arrays, Subject, Trait
from gradcheck.suites.kind import Kind
from reference_layers import ConvTranspose2d


@dataclass(frozen=True)
class ConvTranspose2dConfig:
    """A transposed convolution and the size of its input; `padding` is (top, bottom, left, right)."""

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
    output_padding: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        for more, stride, dilation in zip(self.output_padding, self.stride, self.dilation, strict=True):
            require_output_padding(more, stride, dilation)

    @property
    def output_size(self) -> tuple[int, int]:
        """Height and width of the output."""
        height, width = (
            (self.size[k] - 1) * self.stride[k]
            + self.dilation[k] * (self.kernel_size[k] - 1)
            + 1
            + self.output_padding[k]
            - sum(self.padding[2 * k : 2 * k + 2])
            for k in range(2)
        )
        return height, width


def _configs() -> SearchStrategy[ConvTranspose2dConfig]:
    """Return a strategy of the adjoints of convolutions: what they leave out at the end becomes output_padding."""

    def build(
        batch: int, layer: Channels, drawn: tuple[Window, Window], more: tuple[int, int], bias: bool
    ) -> ConvTranspose2dConfig:
        height, width = drawn
        return ConvTranspose2dConfig(
            batch,
            layer.in_channels,
            layer.out_channels,
            (height.output_size, width.output_size),
            (height.kernel, width.kernel),
            (height.stride, width.stride),
            (height.before, height.after, width.before, width.after),
            (height.dilation, width.dilation),
            layer.groups,
            bias,
            (_output_padding(height, more[0]), _output_padding(width, more[1])),
        )

    def _output_padding(axis: Window, more: int) -> int:
        return axis.remainder + (more if axis.remainder + more < max(axis.stride, axis.dilation) else 0)

    axes, more = st.tuples(windows(), windows()), st.tuples(st.integers(0, 2), st.integers(0, 2))
    return st.builds(build, batch_sizes(), channels(), axes, more, st.booleans())


def _primals(config: ConvTranspose2dConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    Channels(config.groups, config.in_channels, config.out_channels)  # refuses groups that do not divide them
    weight_shape = (config.in_channels, config.out_channels // config.groups, *config.kernel_size)
    primals = {
        "x": values(regime, (config.batch, config.in_channels, *config.size), rng),
        "weight": parameter(weight_shape, regime, rng),
    }
    return primals | ({"bias": parameter((config.out_channels,), regime, rng)} if config.bias else {})


def _build(config: ConvTranspose2dConfig, primals: Arrays) -> Subject:
    layer = ConvTranspose2d(
        config.in_channels,
        config.out_channels,
        config.kernel_size,
        config.stride,
        config.padding,
        config.dilation,
        config.groups,
        config.bias,
        config.output_padding,
    )
    return from_reference(layer, primals, traits=[Trait("batch-separable", ("x",))])


CONV_TRANSPOSE2D = Kind(
    name="conv_transpose2d",
    config=ConvTranspose2dConfig,
    configs=_configs,
    corners=(
        ConvTranspose2dConfig(3, 2, 5, (4, 3), (3, 2)),
        ConvTranspose2dConfig(3, 2, 3, (2, 4), (3, 2), (3, 1), (1, 2, 0, 3), (1, 2), output_padding=(2, 1)),
        ConvTranspose2dConfig(3, 2, 3, (3, 4), (3, 3), (2, 2), (1, 1, 1, 1), output_padding=(1, 1)),
        ConvTranspose2dConfig(3, 2, 3, (3, 2), (2, 1), (3, 2)),  # outputs that no kernel touches
        ConvTranspose2dConfig(3, 4, 6, (3, 4), (2, 3), (1, 2), groups=2, output_padding=(0, 1)),
        ConvTranspose2dConfig(1, 9, 17, (9, 2), (2, 3)),  # one more than a block, in every loop
        ConvTranspose2dConfig(5, 3, 6, (3, 2), (3, 2), (2, 1), (1, 0, 1, 1), groups=3),  # depthwise
        ConvTranspose2dConfig(3, 4, 2, (3, 4), (2, 2), (2, 1), dilation=(1, 3), groups=2, bias=False),
        ConvTranspose2dConfig(3, 2, 2, (3, 2), (2, 2), (1, 1), (0, 0, 0, 0), (3, 2), output_padding=(2, 1)),
        ConvTranspose2dConfig(3, 3, 3, (3, 3), (3, 3)),  # all sizes equal
        ConvTranspose2dConfig(1, 3, 2, (4, 3), (1, 1)),
        ConvTranspose2dConfig(1, 1, 1, (1, 1), (1, 1)),
        ConvTranspose2dConfig(2, 1, 2, (1, 1), (3, 2), dilation=(2, 1), output_padding=(1, 0)),
    ),
    primals=_primals,
    build=_build,
    conditions={
        "stride h ≠ w": lambda c, _: c.stride[0] != c.stride[1],
        "kernel h ≠ w": lambda c, _: c.kernel_size[0] != c.kernel_size[1],
        "input h ≠ w": lambda c, _: c.size[0] != c.size[1],
        "output h ≠ w": lambda c, _: c.output_size[0] != c.output_size[1],
        **dilation_conditions(2),
        "stride 1": lambda c, _: set(c.stride) == {1},
        "stride > kernel": lambda c, _: any(s > k for s, k in zip(c.stride, c.kernel_size, strict=True)),
        "kernels overlap": lambda c, _: any(
            s < k and n > 1 for s, k, n in zip(c.stride, c.kernel_size, c.size, strict=True)
        ),
        "four different paddings": lambda c, _: len(set(c.padding)) == 4,
        "padding begin ≠ end": lambda c, _: c.padding[::2] != c.padding[1::2],
        "no padding": lambda c, _: not any(c.padding),
        "output_padding > 0": lambda c, _: max(c.output_padding) > 0,
        "output_padding h ≠ w": lambda c, _: c.output_padding[0] != c.output_padding[1],
        "output_padding = stride - 1 > 0": lambda c, _: any(
            more == s - 1 > 0 for more, s in zip(c.output_padding, c.stride, strict=True)
        ),
        "output_padding ≥ stride": lambda c, _: any(
            more >= s for more, s in zip(c.output_padding, c.stride, strict=True)
        ),
        "output_padding and groups > 1": lambda c, _: max(c.output_padding) > 0 and c.groups > 1,
        **group_conditions(),
        "1×1 kernel": lambda c, _: c.kernel_size == (1, 1),
        "1×1 input": lambda c, _: c.size == (1, 1),
        "1×1 output": lambda c, _: c.output_size == (1, 1),
        "no bias": lambda c, _: not c.bias,
        "batch 1": lambda c, _: c.batch == 1,
        "batch ≥ 3": lambda c, _: c.batch >= 3,
        **tile_conditions(),
        **value_conditions(),
    },
    laws=linear_in_weight,
    layers=(ConvTranspose2d,),
    mutants=CONV_TRANSPOSE,
    sizes=tuple(ConvTranspose2dConfig(2, c, c, (6, 6), (3, 3)) for c in (1, 2, 4, 8, 16, 32)),
)

KINDS = (CONV_TRANSPOSE2D,)
