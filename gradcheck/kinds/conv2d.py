"""Two-dimensional convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradcheck.kinds.convolution import conv_builder, conv_conditions, conv_configs, conv_primals
from gradcheck.kinds.laws import linear_in_weight
from gradcheck.mutants.by_kind.convolution_mutants import CONVOLUTION
from gradcheck.suites.kind import Kind
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
    from gradcheck.strategies.windows import windows

    return conv_configs(Conv2dConfig, windows(), windows())


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
        Conv2dConfig(1, 9, 17, (9, 4), (3, 2)),  # one more than a block, in every loop
    ),
    primals=conv_primals,
    build=conv_builder(Conv2d),
    conditions=conv_conditions(2),
    laws=linear_in_weight,
    layers=(Conv2d,),
    mutants=CONVOLUTION,
    sizes=tuple(Conv2dConfig(2, c, c, (8, 8), (3, 3)) for c in (1, 2, 4, 8, 16, 32)),
)
