"""Cases written as data: a value of another type is refused in one sentence, before any array is made."""

import dataclasses

import pytest

from gradcheck.kinds import KINDS
from gradcheck.kinds.convolution import Conv2dConfig
from gradcheck.suites.kind import case_from_data

CONV = dataclasses.asdict(Conv2dConfig(3, 2, 5, (7, 6), (3, 2)))


@pytest.mark.parametrize(
    ("kind", "config", "message"),
    [
        ("conv2d", CONV | {"batch": "3"}, "expected batch of a conv2d config to be int, got batch='3'"),
        ("conv2d", CONV | {"batch": True}, "expected batch of a conv2d config to be int, got batch=True"),
        ("conv2d", CONV | {"batch": 2.5}, "expected batch of a conv2d config to be int, got batch=2.5"),
        ("conv2d", CONV | {"stride": 2}, "expected stride of a conv2d config to be tuple[int, int], got stride=2"),
        ("conv2d", CONV | {"size": [5]}, "expected size of a conv2d config to be tuple[int, int], got size=[5]"),
        ("conv2d", CONV | {"bias": 1}, "expected bias of a conv2d config to be bool, got bias=1"),
        ("relu", {"shape": [2, None]}, "expected shape of a relu config to be tuple[int, ...], got shape=[2, None]"),
        (
            "sequential",
            dataclasses.asdict(KINDS["sequential"].corners[0]) | {"pool": "median"},
            "expected pool of a sequential config to be 'mean' or 'max', got pool='median'",
        ),
    ],
)
def test_a_value_of_another_type_is_refused(kind, config, message):
    with pytest.raises(ValueError) as refusal:
        case_from_data(KINDS[kind], config, "normal", 0)
    assert str(refusal.value) == message


@pytest.mark.parametrize("seed", [-1, "x", 1.0, None, True])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(ValueError, match="expected seed to be a whole number from 0, got seed="):
        case_from_data(KINDS["relu"], {"shape": [3]}, "normal", seed)


PLAIN = {"batch": 1, "size": (4, 4), "kernel_size": (3, 3), "padding": (0, 0, 0, 0), "stride": (1, 1)}
CHANNELS = {"in_channels": 4, "out_channels": 6, "dilation": (1, 1), "groups": 1, "bias": False}
CONVOLUTION = PLAIN | CHANNELS
TRANSPOSED = CONVOLUTION | {"output_padding": (0, 0)}
POOL = PLAIN | {"channels": 1, "ceil_mode": False, "count_include_pad": True, "dilation": (1, 1)}


@pytest.mark.parametrize(
    ("kind", "config", "fragment"),
    [
        ("conv2d", CONVOLUTION | {"kernel_size": (3, 5)}, "got kernel=5 and dilation=1 for size=4, before=0"),
        ("conv2d", CONVOLUTION | {"dilation": (2, 1)}, "got kernel=3 and dilation=2 for size=4, before=0"),
        ("conv2d", CONVOLUTION | {"stride": (1, 0)}, "expected stride to be at least 1, got stride=0"),
        ("conv2d", CONVOLUTION | {"padding": (0, 0, -1, 1)}, "expected before to be at least 0, got before=-1"),
        ("conv2d", CONVOLUTION | {"groups": 3}, "got groups=3, in_channels=4 and out_channels=6; the divisors of 2"),
        ("conv_transpose2d", TRANSPOSED | {"groups": 4}, "got groups=4, in_channels=4 and out_channels=6"),
        ("conv_transpose2d", TRANSPOSED | {"output_padding": (0, 1)}, "got output_padding=1, stride=1 and dilation=1"),
        ("max_pool2d", POOL | {"kernel_size": (5, 1)}, "got kernel=5 and dilation=1 for size=4, before=0"),
        ("avg_pool2d", POOL | {"stride": (0, 1)}, "expected stride to be at least 1, got stride=0"),
        ("avg_pool2d", POOL | {"padding": (0, -1, 0, 0)}, "expected after to be at least 0, got after=-1"),
    ],
)
def test_an_impossible_geometry_is_refused_before_any_layer_is_built(kind, config, fragment):
    with pytest.raises(ValueError) as refusal:
        case_from_data(KINDS[kind], config, "normal", 0).primals()
    assert fragment in str(refusal.value)
