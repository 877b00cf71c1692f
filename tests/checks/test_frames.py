"""How deep the stack is between `gradcheck.check` and the forward that somebody reads in a traceback."""

import sys

import numpy as np
import pytest

import gradcheck

#: Of the interpreter's thousand frames, and of a page of a traceback, so many are gradcheck's own at most.
MOST_FRAMES = 16
#: The same of a suite, whose cases are tasks of a run.
MOST_FRAMES_OF_A_SUITE = 22


def depth():
    """Return how many frames lie below the caller."""
    frame, count = sys._getframe(1), 0
    while frame.f_back is not None:
        frame, count = frame.f_back, count + 1
    return count


@pytest.mark.parametrize("has_forward", [True, False], ids=["forward", "vjp alone"])
@pytest.mark.parametrize(("at_zero", "factor"), [(0.0, 1.0), (2.0, 1.0), (0.0, 1.5)], ids=["right", "kink", "wrong"])
@pytest.mark.parametrize("options", [{}, {"contracts": False}, {"exhaustive": True}, {"dtype": "float32"}], ids=str)
def test_few_frames_lie_between_check_and_the_forward(options, at_zero, factor, has_forward):
    depths = []

    def forward(primals):
        depths.append(depth())
        return np.maximum(primals["x"], 0)

    def vjp(primals):
        depths.append(depth())
        x = primals["x"]
        slope = factor * np.where(x == 0, at_zero, x > 0).astype(x.dtype)
        return np.maximum(x, 0), lambda g: {"x": slope * g}

    x = np.array([[0.0, 1.0, -2.0, 0.0], [3.0, 0.5, -1.0, 2.0]])
    relu = gradcheck.Subject("relu", {"x": x}, vjp, forward if has_forward else None)
    passed = gradcheck.check(relu, **options).passed
    assert passed == (at_zero == 0.0 and factor == 1.0)
    assert max(depths) - depth() - 1 <= MOST_FRAMES


@pytest.mark.parametrize("factor", [1.0, 1.5], ids=["right", "wrong"])
def test_few_frames_lie_between_check_and_the_forward_of_a_suite(factor):
    depths = []

    def build(_config, primals):
        def vjp(arrays):
            depths.append(depth())
            x = arrays["x"]
            return np.maximum(x, 0), lambda g: {"x": factor * (x > 0) * g}

        return gradcheck.Subject("relu", primals, vjp)

    suite = gradcheck.suite("relu", build)
    below = depth()
    passed = gradcheck.check(suite, examples=1 if factor == 1.0 else 0).passed
    assert passed == (factor == 1.0)
    assert max(depths) - below - 1 <= MOST_FRAMES_OF_A_SUITE
