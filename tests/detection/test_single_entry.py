"""How small a fault is still seen: one entry of a gradient of 6,144, off by a part in a thousand."""

import numpy as np
import pytest
from support.layers import scaled_entry, spoiled

import gradcheck
from gradcheck.check import Settings
from gradcheck.checks.one_subject import check_subject
from reference_layers import Conv2d

SEEDS = range(100)


def convolution(seed: int, spoil=None) -> gradcheck.Subject:
    """Return a convolution over 2×3×32×32 = 6,144 inputs, one entry of their gradient spoiled."""
    rng = np.random.default_rng(seed)
    layer = Conv2d(3, 4, 3, padding=1)
    primals = {
        "x": rng.standard_normal((2, 3, 32, 32)),
        "weight": rng.standard_normal(layer.weight_shape),
        "bias": rng.standard_normal(4),
    }
    right = gradcheck.from_reference(layer, primals)
    if spoil is None:
        return right
    return gradcheck.Subject("conv", primals, spoiled(right.vjp, spoil), right.forward)


@pytest.mark.parametrize("contracts", [False, True], ids=["projected alone", "default"])
def test_one_entry_of_6144_off_by_a_part_in_a_thousand_is_caught_in_100_of_100_seeds(contracts):
    def caught(seed: int) -> bool:
        entry = int(np.random.default_rng(seed + 10_000).integers(6144))
        subject = convolution(seed, scaled_entry("x", entry, 1 + 1e-3))
        # How it is taken apart is tested elsewhere; here only whether it is seen.
        settings = Settings(contracts=contracts, take_apart=False)
        return check_subject(subject, seed, settings).verdict == "failed"

    assert [seed for seed in SEEDS if not caught(seed)] == []


def test_the_entry_is_named():
    (failure,) = gradcheck.check(convolution(0, scaled_entry("x", 4321, 1 + 1e-3))).failures
    assert (failure.primal, failure.index) == ("x", tuple(int(i) for i in np.unravel_index(4321, (2, 3, 32, 32))))
    assert (failure.wrong_entries, failure.entries) == (1, 6144)


def test_the_right_convolution_passes_all_seeds():
    assert [seed for seed in SEEDS if not gradcheck.check(convolution(seed), seed=seed).passed] == []


def test_the_resolution_is_honest():
    """What the report says could have been missed is missed below, and caught well above."""
    resolution = gradcheck.check(convolution(0), contracts=False).subjects[0].resolution
    gradient = convolution(0).vjp(convolution(0).primals)[1](np.ones((2, 4, 32, 32)))["x"]
    entry = int(np.argmax(np.abs(gradient)))
    for factor, verdict in [(1e-2, "passed"), (1e2, "failed")]:
        wrong = convolution(0, scaled_entry("x", entry, 1 + factor * resolution))
        assert gradcheck.check(wrong, contracts=False).verdict == verdict
