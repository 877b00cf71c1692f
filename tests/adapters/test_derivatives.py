"""Activations with a derivative alone, of their input or of their output."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradcheck
from gradcheck.adapters import from_derivative

ACTIVATIONS = {
    "tanh": (np.tanh, lambda y: 1 - y * y, "output"),
    "sigmoid": (lambda x: 1 / (1 + np.exp(-x)), lambda y: y * (1 - y), "output"),
    "relu": (lambda x: np.maximum(x, 0), lambda x: x > 0, "input"),
    "relu of its output": (lambda x: np.maximum(x, 0), lambda y: np.where(y > 0, 1, 0), "output"),
    "softplus": (lambda x: np.logaddexp(0, x), lambda x: 1 / (1 + np.exp(-x)), "input"),
    "linear": (lambda x: 3 * x, lambda x: 3.0, "input"),
    "square": (lambda x: x**2, lambda x: 2 * x, "input"),
}
SHAPES = st.lists(st.integers(1, 4), max_size=3).map(tuple)


@given(st.sampled_from(sorted(ACTIVATIONS)), SHAPES, st.sampled_from([np.float64, np.float32]))
def test_right_derivatives_pass(name, shape, dtype):
    function, derivative, of = ACTIVATIONS[name]
    x = np.random.default_rng(1).standard_normal(shape).astype(dtype)
    report = gradcheck.check(from_derivative(function, derivative, np.asarray(x), of=of, name=name))
    assert report.passed, str(report)


@given(st.sampled_from(sorted(ACTIVATIONS)), SHAPES, st.floats(1.01, 3))
def test_wrong_derivatives_are_found(name, shape, factor):
    function, derivative, of = ACTIVATIONS[name]
    x = np.asarray(np.random.default_rng(1).uniform(0.1, 2, shape))
    subject = from_derivative(function, lambda at: factor * derivative(at), x, of=of)
    report = gradcheck.check(subject)
    assert [failure.check for failure in report.failures if failure.check == "gradient"] == ["gradient"]


@pytest.mark.parametrize(("name", "declared"), [("tanh", "input"), ("sigmoid", "input"), ("square", "output")])
def test_of_input_and_output_are_told_apart(name, declared, rng):
    function, derivative, of = ACTIVATIONS[name]
    with pytest.raises(ValueError, match=f"expected a derivative of the {declared}, .* declare of={of!r}"):
        from_derivative(function, derivative, rng.standard_normal((2, 3)), of=declared)


def test_options_reach_both(rng):
    subject = from_derivative(
        lambda x, slope: np.where(x > 0, x, slope * x),
        lambda x, slope: np.where(x > 0, 1, slope),
        {"z": rng.standard_normal(5)},
        slope=0.1,
    )
    gradcheck.verify(subject)
    assert list(subject.primals) == ["z"]


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def jacobian(x):
    p = softmax(x)
    return np.diag(p) - np.outer(p, p)


REFUSED = {
    "a jacobian": (
        lambda x: from_derivative(softmax, jacobian, x),
        r"expected a derivative for each entry of shape \(3,\), got shape=\(3, 3\); that of a Jacobian: pass a pair",
    ),
    "a reduction": (
        lambda x: from_derivative(np.sum, np.ones_like, x, name="sum"),
        r"expected sum to act on each entry of shape \(3,\), got an output of shape \(\)",
    ),
    "of": (lambda x: from_derivative(np.tanh, np.cos, x, of="both"), "expected of to be 'input' or 'output'"),
    "two primals": (lambda x: from_derivative(np.tanh, np.cos, {"x": x, "y": x}), "expected one primal, .* got x, y"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_misuse_is_refused_in_one_sentence(what, rng):
    make, message = REFUSED[what]
    with pytest.raises(ValueError, match=message) as caught:
        make(rng.standard_normal(3))
    assert "\n" not in str(caught.value)
