"""Two-dimensional convolution with the kernel rotated, as mathematics has it; the configs are those of conv2d."""

from __future__ import annotations

from gradcheck.kinds.conv2d import CONV2D, Conv2dConfig
from gradcheck.kinds.convolution import conv_builder, conv_conditions, conv_primals
from gradcheck.mutants.by_kind.convolution_mutants import TRUE_CONVOLUTION
from gradcheck.suites.kind import Kind
from reference_layers import TrueConv2d

TRUE_CONV2D = Kind(
    name="true_conv2d",
    config=Conv2dConfig,
    configs=CONV2D.configs,
    corners=CONV2D.corners,
    primals=conv_primals,
    build=conv_builder(TrueConv2d),
    conditions=conv_conditions(2),
    laws=CONV2D.laws,
    layers=(TrueConv2d,),
    mutants=TRUE_CONVOLUTION,
    sizes=CONV2D.sizes,
)
