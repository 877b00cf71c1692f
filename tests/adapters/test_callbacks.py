"""Forwards that return a callback: gradients that are returned, and such as are left in the model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.callbacks import Affine, split_parts

import gradcheck
from gradcheck.adapters import from_callback

LIMITS = {
    "add": "gradients are added to what their arrays hold (weight, bias)",
    "write": "gradients are written into the same arrays by every call (weight, bias)",
    "rebind": "gradients that the layer adds up are set to zero before each pullback (weight, bias)",
    "new": None,
}


def primals_of(samples=2, features=3, units=4):
    rng = np.random.default_rng(3)
    return {
        "x": rng.standard_normal((samples, features)),
        "weight": rng.standard_normal((units, features)),
        "bias": rng.standard_normal(units),
    }


def subject_of(model, primals, **more):
    return from_callback(
        model,
        primals,
        parameters={"weight": lambda: model.W, "bias": lambda: model.b},
        grads={"weight": lambda: model.grads["W"], "bias": lambda: model.grads["b"]},
        **more,
    )


@pytest.mark.parametrize("keep", LIMITS)
def test_how_gradients_are_left_is_seen_and_shown(keep):
    report = gradcheck.check(subject_of(Affine(3, 4, keep), primals_of()))
    assert report.passed, str(report)
    assert report.subjects[0].limits == ((LIMITS[keep],) if LIMITS[keep] else ())
    assert report.subjects[0].name == "Affine"


@given(st.sampled_from(sorted(LIMITS)), st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_models_of_every_size_and_habit_pass(keep, samples, features, units):
    subject = subject_of(Affine(features, units, keep), primals_of(samples, features, units))
    report = gradcheck.check(subject, contracts=False)
    assert report.passed, str(report)


@pytest.mark.parametrize("keep", LIMITS)
@pytest.mark.parametrize("key", ["W", "b"])
def test_a_wrong_gradient_left_in_the_model_is_found(keep, key):
    class Wrong(Affine):
        def put(self, name, gradient):
            super().put(name, 1.01 * gradient if name == key else gradient)

    report = gradcheck.check(subject_of(Wrong(3, 4, keep), primals_of()))
    wrong = {failure.primal for failure in report.failures if failure.check == "gradient"}
    assert wrong == {{"W": "weight", "b": "bias"}[key]}


def test_a_callback_that_reads_the_gradients_of_the_cotangent_only_is_found():
    class Wrong(Affine):
        def __call__(self, x):
            y, callback = super().__call__(x)
            return y, lambda dy: callback(dy) + 0.1

    report = gradcheck.check(subject_of(Wrong(3, 4), primals_of()))
    assert {"linear-in-cotangent", "zero-for-zero"} & {failure.check for failure in report.failures}


def test_accumulation_that_is_declared_is_held_to():
    report = gradcheck.check(subject_of(Affine(3, 4, "write"), primals_of(), accumulates=True))
    assert {failure.check for failure in report.failures} == {"accumulates"}
    report = gradcheck.check(subject_of(Affine(3, 4, "add"), primals_of(), accumulates=False))
    assert "accumulates" in {failure.check for failure in report.failures}
    gradcheck.verify(subject_of(Affine(3, 4, "add"), primals_of(), accumulates=True))


def test_one_callable_may_return_all_gradients_by_name():
    model = Affine(3, 4, "new")
    subject = from_callback(
        model,
        primals_of(),
        parameters={"weight": lambda: model.W, "bias": lambda: model.b},
        grads=lambda: {"weight": model.grads["W"], "bias": model.grads["b"]},
    )
    gradcheck.verify(subject)


def test_several_outputs_and_gradients_by_key(rng):
    primals = {"x": rng.standard_normal((2, 4)), "weight": rng.standard_normal(2)}
    gradcheck.verify(from_callback(split_parts, primals))

    def wrong(x, weight):
        y, callback = split_parts(x, weight)
        return y, lambda cotangents: callback(cotangents[0], -cotangents[1])

    report = gradcheck.check(from_callback(wrong, primals))
    assert {failure.primal for failure in report.failures} == {"x"}


def test_constants_are_passed(rng):
    subject = from_callback(
        lambda x, mask: (x * mask, lambda dy: dy * mask), {"x": rng.standard_normal(4)}, np.arange(4.0)
    )
    gradcheck.verify(subject)
    assert list(subject.constants) == ["mask"]


def bad(**more):
    model = Affine(3, 4)
    settings = {"parameters": {"weight": lambda: model.W, "bias": lambda: model.b}, "grads": {}, **more}
    return lambda p: from_callback(model, p, **settings)


REFUSED = {
    "no callback": (
        lambda p: from_callback(lambda x, weight, bias: x, p),
        r"expected forward to return \(output, callback\), got ndarray",
    ),
    "an array for a callable": (bad(grads={"weight": np.zeros(3)}), r"expected grads\['weight'\] to be a callable"),
    "an unknown gradient": (bad(grads={"W": lambda: 0}), "expected grads among the primals x, weight, bias, got 'W'"),
    "a parameter of another shape": (
        bad(parameters={"weight": lambda: np.zeros((3, 4)), "bias": lambda: np.zeros(4)}),
        r"expected parameters\['weight'\] to return the array of shape \(4, 3\) that the forward reads, got shape",
    ),
    "no gradient": (
        bad(grads={"weight": lambda: None, "bias": lambda: np.zeros(4)}),
        r"expected the callback to leave a gradient of 'weight', got None from grads\['weight'\]",
    ),
    "all gradients by other names": (
        bad(grads=lambda: {"W": 0}),
        r"expected grads\(\) to return gradients by the names of the primals x, weight, bias, got \['W'\]",
    ),
    "gradients that are not returned": (
        bad(),
        r"could not tell which results of the callback are the gradients of 'x' of shape \(2, 3\), 'weight'",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_misuse_is_refused_in_one_sentence(what):
    make, message = REFUSED[what]
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        make(primals_of())
    assert "\n" not in str(caught.value)


def test_gradients_in_another_order_are_told(rng):
    def forward(x, weight):
        return x @ weight, lambda dy: (x.T @ dy, dy @ weight.T)

    primals = {"x": rng.standard_normal((3, 3)), "weight": rng.standard_normal((3, 3))}
    with pytest.raises(ValueError, match=r"declare returns=\('weight', 'x'\)"):
        from_callback(forward, primals)
    gradcheck.verify(from_callback(forward, primals, returns=("weight", "x")))
