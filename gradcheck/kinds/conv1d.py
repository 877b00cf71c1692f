"""One-dimensional convolution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradcheck.kinds.convolution import conv_builder, conv_conditions, conv_configs, conv_primals
from gradcheck.kinds.laws import linear_in_weight
from gradcheck.mutants.by_kind.convolution_mutants import CONVOLUTION
from gradcheck.suites.kind import Kind
from reference_layers import Conv1d

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


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


def _configs() -> SearchStrategy[Conv1dConfig]:
    from gradcheck.strategies.windows import windows

    return conv_configs(Conv1dConfig, windows(max_output=5))


CONV1D = Kind(
    name="conv1d",
    config=Conv1dConfig,
    configs=_configs,
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
    primals=conv_primals,
    build=conv_builder(Conv1d),
    conditions=conv_conditions(1),
    laws=linear_in_weight,
    layers=(Conv1d,),
    mutants=CONVOLUTION,
    sizes=tuple(Conv1dConfig(2, c, c, (16,), (3,)) for c in (1, 2, 4, 8, 16, 32)),
)
