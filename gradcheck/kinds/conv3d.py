"""Three-dimensional convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradcheck.kinds.convolution import conv_builder, conv_conditions, conv_configs, conv_primals
from gradcheck.kinds.laws import linear_in_weight
from gradcheck.mutants.by_kind.convolution_mutants import CONVOLUTION
from gradcheck.suites.kind import Kind
from reference_layers import Conv3d

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


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


def _configs() -> SearchStrategy[Conv3dConfig]:
    """Return a strategy of volumes with few entries: what two windows need along each axis."""
    from gradcheck.strategies.windows import windows

    axis = windows(max_output=2, max_stride=2, max_dilation=1) | windows(max_output=2, max_kernel=2, max_stride=2)
    return conv_configs(Conv3dConfig, axis, axis, axis, max_groups=2, max_per_group=2)


CONV3D = Kind(
    name="conv3d",
    config=Conv3dConfig,
    configs=_configs,
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
    primals=conv_primals,
    build=conv_builder(Conv3d),
    conditions=conv_conditions(3),
    laws=linear_in_weight,
    layers=(Conv3d,),
    mutants=CONVOLUTION,
    sizes=tuple(Conv3dConfig(2, c, c, (4, 4, 4), (3, 3, 3)) for c in (1, 2, 4, 8, 16)),
)
