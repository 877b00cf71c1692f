"""What cases of a kind promise: right wiring, and the values that faults need."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from support.outputs import one_output

from gradcheck.kinds import KINDS
from gradcheck.kinds.pooling import Pool2dConfig
from gradcheck.kinds.windowed import axes
from gradcheck.strategies.windows import Window, windows
from gradcheck.suites.kind import Case

every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
DRAWING = settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
SEEDS = st.integers(0, 2**31 - 1)


def projections(subject, rng):
    """Return the slope along a random direction by a central difference, at two steps, and by the pullback."""
    outputs, pullback = subject.vjp(subject.primals)
    cotangent = rng.standard_normal(np.shape(outputs))
    tangent = {name: rng.standard_normal(array.shape) for name, array in subject.primals.items()}
    gradient = pullback(cotangent)

    def slope(step):
        plus, minus = (
            subject.forward({name: array + sign * step * tangent[name] for name, array in subject.primals.items()})
            for sign in (1, -1)
        )
        return float(np.sum(cotangent * (plus - minus)) / (2 * step))

    return slope(1e-5), slope(1e-6), float(sum(np.sum(gradient[name] * tangent[name]) for name in tangent))


@every_kind
def test_the_reference_of_a_drawn_case_agrees_with_a_central_difference(kind):
    @DRAWING
    @given(kind.configs(), SEEDS)
    def agrees(config, seed):
        subject = one_output(kind.build(config, Case(kind, config, "normal", seed).primals()))
        wide, narrow, analytic = projections(subject, np.random.default_rng(seed))
        scale = 1 + abs(analytic)
        assume(abs(wide - narrow) < 1e-6 * scale)  # away from kinks
        assert abs(narrow - analytic) < 1e-6 * scale

    agrees()


def winners(config, x):
    """Return how often each entry is the first maximum of a window, counted one by one."""
    counts = Counter()
    top, _, left, _ = config.padding
    rows, columns = axes(config)
    for n, c, i, j in np.ndindex(*x.shape[:2], rows.output_size, columns.output_size):
        start = i * config.stride[0] - top, j * config.stride[1] - left
        taps = [
            (start[0] + a * config.dilation[0], start[1] + b * config.dilation[1])
            for a, b in np.ndindex(*config.kernel_size)
        ]
        taps = [tap for tap in taps if 0 <= tap[0] < config.size[0] and 0 <= tap[1] < config.size[1]]
        best = max(x[n, c][tap] for tap in taps)
        counts[n, c, *next(tap for tap in taps if x[n, c][tap] == best)] += 1
        counts["ties"] += sum(x[n, c][tap] == best for tap in taps) > 1
    return counts


@DRAWING
@given(KINDS["max_pool2d"].configs(), st.sampled_from(KINDS["max_pool2d"].regimes), SEEDS)
def test_conditions_of_maxima_are_those_of_counting(config, regime, seed):
    kind = KINDS["max_pool2d"]
    primals = Case(kind, config, regime, seed).primals()
    counts = winners(config, primals["x"])
    assert kind.conditions["ties in a window"](config, primals) == (counts.pop("ties") > 0)
    assert kind.conditions["one entry the maximum of two windows"](config, primals) == (max(counts.values()) > 1)


@DRAWING
@given(KINDS["max_pool2d"].configs(), st.sampled_from(KINDS["max_pool2d"].regimes), SEEDS)
def test_where_windows_share_an_entry_one_is_the_maximum_of_two(config, regime, seed):
    kind = KINDS["max_pool2d"]
    shares = [set(axis.coverage) for axis in axes(config)]
    assume(max(a * b for a in shares[0] for b in shares[1]) > 1)
    primals = Case(kind, config, regime, seed).primals()
    assert kind.conditions["one entry the maximum of two windows"](config, primals)


def test_a_tie_between_windows_is_no_tie_within_one():
    holds = KINDS["max_pool2d"].conditions["ties in a window"]
    apart, padded = Pool2dConfig(1, 1, (1, 4), (1, 2), (1, 2)), Pool2dConfig(1, 1, (1, 1), (1, 2), (1, 1), (0, 0, 1, 0))
    assert not holds(apart, {"x": np.array([[[[0.0, 1.0, 1.0, 0.0]]]])})
    assert holds(apart, {"x": np.array([[[[0.0, 1.0, 2.0, 2.0]]]])})
    assert not holds(padded, {"x": np.zeros((1, 1, 1, 1))})


@given(windows(max_kernel=4, max_dilation=3))
def test_coverage_is_that_of_counting(window):
    reach = window.dilation * (window.kernel - 1) + 1
    padded = window.size + window.before + window.after
    counts = np.zeros(padded, int)
    for start in range(0, padded - reach + 1, window.stride):
        counts[start : start + reach : window.dilation] += 1
    assert window.coverage == tuple(counts[window.before : window.before + window.size])


@given(*[st.integers(1, 4)] * 3, st.integers(1, 2), *[st.integers(0, 4)] * 2)
def test_windows_in_the_padding_alone_are_told(size, kernel, stride, dilation, before, after):
    reach = dilation * (kernel - 1) + 1
    assume(reach <= size + before + after)
    window = Window(size, kernel, stride, dilation, before, after)
    starts = [k * stride for k in range(window.output_size)]
    outside = [start + reach <= before or start >= before + size for start in starts]
    assert window.leaves_the_input == any(outside)


def test_integers_give_the_pool_of_a_chain_exact_ties():
    """Parameters scaled by anything but powers of 2 break ties by rounding."""
    kind = KINDS["sequential"]
    config = next(config for config in kind.corners if config.pool == "max" and config.batch > 1)
    for seed in range(20):
        primals = Case(kind, config, "integers", seed).primals()
        for array in primals.values():
            np.testing.assert_array_equal(array * 2**10, np.round(array * 2**10))
