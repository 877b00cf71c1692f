"""Layers with windows refuse geometry that is impossible, and the sentence shows the values."""

import re

import numpy as np
import pytest

from reference_layers import (
    AvgPool1d,
    AvgPool2d,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose2d,
    MaxPool1d,
    MaxPool2d,
    ShapeError,
    TrueConv2d,
)

CONVOLUTIONS = (Conv1d, Conv2d, Conv3d, TrueConv2d)
GROUPED = (*CONVOLUTIONS, ConvTranspose2d)
POOLS = (MaxPool1d, MaxPool2d, AvgPool1d, AvgPool2d)


def convolution(layer, **given):
    return layer(**{"in_channels": 4, "out_channels": 6, "kernel_size": 3, **given})


def build(layer, **given):
    return convolution(layer, **given) if layer in GROUPED else layer(**{"kernel_size": 3, **given})


def refuses(*fragments):
    """Expect one sentence that holds these fragments."""
    pattern = "".join(f"(?=.*{re.escape(fragment)})" for fragment in fragments)
    return pytest.raises(ValueError, match=f"^expected {pattern}[^\n]*$")


@pytest.mark.parametrize("layer", [*GROUPED, *POOLS])
@pytest.mark.parametrize("stride", [0, -1])
def test_strides_below_one(layer, stride):
    with refuses("stride to be at least 1", f"stride={stride}"):
        build(layer, stride=stride)


@pytest.mark.parametrize("layer", [*GROUPED, MaxPool1d, MaxPool2d])
def test_dilations_below_one(layer):
    with refuses("dilation to be at least 1", "dilation=0"):
        build(layer, dilation=0)


@pytest.mark.parametrize("layer", [*GROUPED, *POOLS])
@pytest.mark.parametrize("end", [0, 1])
def test_negative_padding_at_either_end(layer, end):
    padding = [0] * (2 * layer.rank)
    padding[-end] = -1
    with refuses("padding to be at least 0", f"padding={tuple(padding)}"):
        build(layer, padding=tuple(padding))


@pytest.mark.parametrize("layer", [*GROUPED, *POOLS])
def test_kernels_below_one(layer):
    with refuses("kernel_size to be at least 1", "kernel_size=0"):
        build(layer, kernel_size=0)


@pytest.mark.parametrize("layer", GROUPED)
@pytest.mark.parametrize(("groups", "name", "channels"), [(3, "in_channels", 4), (4, "out_channels", 6)])
def test_groups_that_do_not_divide_the_channels(layer, groups, name, channels):
    with refuses(f"groups={groups}", f"{name}={channels}", "the divisors of 2 divide"):
        convolution(layer, groups=groups)


@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (3, 2), (2, 3)])
def test_output_padding_that_reaches_the_stride_and_the_dilation(stride, dilation):
    most = max(stride, dilation)
    convolution(ConvTranspose2d, stride=stride, dilation=dilation, output_padding=most - 1)
    with refuses(f"output_padding={most}", f"stride={stride}", f"dilation={dilation}", f"up to {most - 1} works"):
        convolution(ConvTranspose2d, stride=stride, dilation=dilation, output_padding=most)


@pytest.mark.parametrize("layer", [*CONVOLUTIONS, *POOLS])
@pytest.mark.parametrize("axis", [0, -1])
def test_kernels_larger_than_the_padded_input(layer, axis, rng):
    built = build(layer, kernel_size=5, padding=1)
    size = [6] * layer.rank
    size[axis] = 3
    built.forward(built.init(rng), np.zeros((1, 4, *size)))
    size[axis] = 2
    with refuses("kernel_size=5", "size=2 with padding=2", "from a size of 3 on") as refusal:
        built.forward(built.init(rng), np.zeros((1, 4, *size)))
    assert refusal.type is ShapeError


def test_padding_that_cuts_the_whole_output_off(rng):
    built = convolution(ConvTranspose2d, padding=2)
    built.forward(built.init(rng), np.zeros((1, 4, 3, 3)))
    with pytest.raises(ShapeError, match=r"padding"):
        built.forward(built.init(rng), np.zeros((1, 4, 2, 3)))
