"""Cases written as data: a value of another type is refused in one sentence, before any array is made."""

import dataclasses

import pytest

from gradcheck.kinds import KINDS
from gradcheck.kinds.conv2d import Conv2dConfig
from gradcheck.kinds.kind import case_from_data

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
