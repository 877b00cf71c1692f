"""Losses that return value and gradient apart or together, own the softmax, or mix mean and sum."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gradcheck
from gradcheck.adapters import from_loss


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def cross_entropy(logits, targets):
    """Return the mean over samples; the softmax is its own."""
    return -np.mean(np.sum(targets * np.log(softmax(logits)), 1))


def difference(logits, targets):
    """Return the gradient of the sum over samples."""
    return softmax(logits) - targets


class CrossEntropy:
    """Keeps what its backward needs."""

    def forward(self, logits, targets):
        self.gradient = difference(logits, targets) / len(logits)
        return float(cross_entropy(logits, targets))

    def backward(self):
        return self.gradient


def point(samples=3, classes=4):
    rng = np.random.default_rng(2)
    return rng.standard_normal((samples, classes)), np.eye(classes)[rng.integers(0, classes, samples)]


def test_value_and_gradient_apart_together_and_of_the_last_value():
    z, t = point()
    mean = lambda logits, targets: difference(logits, targets) / len(logits)  # noqa: E731
    gradcheck.verify(from_loss(cross_entropy, mean, z, t))
    gradcheck.verify(
        from_loss(lambda logits, targets: (cross_entropy(logits, targets), mean(logits, targets)), None, z, t)
    )
    loss = CrossEntropy()
    report = gradcheck.verify(from_loss(loss.forward, loss.backward, z, t))
    assert report.subjects[0].limits == ("a pullback belongs to the last forward",)
    assert report.subjects[0].name == "CrossEntropy"


@given(st.integers(2, 5), st.integers(2, 5))
def test_a_mean_against_a_sum_is_declared_or_told(samples, classes):
    z, t = point(samples, classes)
    report = gradcheck.check(from_loss(cross_entropy, difference, z, t, scale=samples))
    assert report.passed, str(report)
    assert report.subjects[0].limits == ("gradients are divided by a factor that was declared (predictions)",)
    (failure,) = gradcheck.check(from_loss(cross_entropy, difference, z, t)).failures
    assert f"analytic = {samples} × numeric in every entry: a sum against a mean over {samples}?" in failure.explanation


def test_a_sum_against_a_mean_is_told():
    z, t = point()
    subject = from_loss(lambda z, t: 3 * cross_entropy(z, t), lambda z, t: difference(z, t) / 3, z, t)
    (failure,) = gradcheck.check(subject).failures
    assert "× numeric in every entry: a mean against a sum over 3?" in failure.explanation


def test_a_scale_does_not_hide_another_fault():
    z, t = point()
    subject = from_loss(cross_entropy, lambda z, t: softmax(z) - 0.99 * t, z, t, scale=3)
    assert [failure.check for failure in gradcheck.check(subject).failures] == ["gradient"]


def test_other_factors_ask_nothing():
    z, t = point()
    (failure,) = gradcheck.check(from_loss(cross_entropy, lambda z, t: 1.7 * difference(z, t) / 3, z, t)).failures
    assert failure.explanation == "the gradient is 1.7 times the right one"
    assert failure.cause == "scale:1.7"


def test_targets_may_come_first():
    z, t = point()
    squares = lambda y_true, y_pred: ((y_pred - y_true) ** 2).sum()  # noqa: E731
    gradcheck.verify(from_loss(squares, lambda y_true, y_pred: 2 * (y_pred - y_true), z, t))
    gradcheck.verify(from_loss(squares, lambda p, q: 2 * (p - q), z, t))
    declared = from_loss(lambda a, b: np.sum(a * b * b), lambda a, b: 2 * a * b, z, t, **ORDERS)
    gradcheck.verify(declared)
    wrong = from_loss(lambda a, b: np.sum(a * b * b), lambda a, b: 2 * a * b, z, t)
    assert not gradcheck.check(wrong).passed


ORDERS = {"arguments": ("targets", "predictions"), "gradient_arguments": ("targets", "predictions")}


def test_a_value_for_each_sample():
    z, t = point()
    gradcheck.verify(from_loss(lambda z, t: ((z - t) ** 2).sum(1), lambda z, t: 2 * (z - t), z, t))


def test_float32_stays_float32():
    z, t = point()
    narrow = z.astype(np.float32), t.astype(np.float32)
    gradcheck.verify(from_loss(lambda z, t: float(np.sum(z * z * t)), lambda z, t: 4 * z * t, *narrow, scale=2))


def test_no_targets_and_options():
    z, _ = point()
    gradcheck.verify(from_loss(lambda w, rate: rate * np.sum(w**2), lambda w, rate: 2 * rate * w, z, rate=0.1))
    gradcheck.verify(from_loss(lambda w: float(np.sum(w**2)), lambda w: (2 * w).tolist(), z))


def test_targets_that_are_changed_are_a_fault():
    def value(z, t):
        t *= 0.5
        return np.sum(z * t)

    report = gradcheck.check(from_loss(value, lambda z, t: t + 0, *point()))
    assert "mutation" in {failure.check for failure in report.failures}


REFUSED = {
    "scale": ({"scale": 0}, "expected scale to be a finite number other than 0, got scale=0"),
    "words": ({"arguments": ("logits", "targets")}, "expected arguments among 'predictions', 'targets', got 'logits'"),
    "no gradient": ({"gradient": None}, r"expected cross_entropy to return \(value, gradient\), since gradient=None"),
    "None": (
        {"gradient": lambda z, t: None},
        r"expected a gradient of the shape of the predictions, \(3, 4\), got None",
    ),
    "a gradient of another shape": (
        {"gradient": lambda z, t: z[0]},
        r"expected a gradient of the shape of the predictions, \(3, 4\), got shape=\(4,\)",
    ),
    "a value of another shape": (
        {"value": lambda z, t: z.sum(0)},
        r"expected one value, or one for each sample of predictions of shape \(3, 4\), got values of shape \(4,\)",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_misuse_is_refused_in_one_sentence(what):
    more, message = REFUSED[what]
    z, t = point()
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        from_loss(**{"value": cross_entropy, "gradient": difference, "predictions": z, "targets": t, **more})
    assert "\n" not in str(caught.value)
