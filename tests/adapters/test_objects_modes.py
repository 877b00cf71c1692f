"""Modes, random numbers, images in other layouts, gradients that are added up or scaled."""

from dataclasses import asdict
from functools import partial

import numpy as np
import pytest
from support.objects import kept, modes
from support.objects.affine import BATCH, primals

import gradcheck
from gradcheck.adapters import from_object
from gradcheck.kinds import KINDS

IO = {"weight": "IO"}
X = np.random.default_rng(3).normal(size=(6, 3))
NORM = {"x": X, "gamma": np.array([0.5, 1.5, -2.0]), "beta": np.array([0.1, 0.2, 0.3])}
IMAGES = {
    "x": np.random.default_rng(4).normal(size=(3, 2, 6, 5)),
    "weight": np.random.default_rng(5).normal(size=(4, 2, 3, 2)),
    "bias": np.random.default_rng(6).normal(size=4),
}
NHWC = {"x": "NHWC", "weight": "HWIO", "bias": "111F", "y": "NHWC"}


def failed(subject):
    """Return the primals whose gradient is blamed."""
    return {f.primal for f in gradcheck.check(subject).subjects[0].failures if f.check == "gradient"}


def limits(subject):
    return gradcheck.check(subject).subjects[0].limits


def test_a_layer_without_parameters():
    assert gradcheck.check(from_object(modes.Relu, {"x": X})).passed
    assert failed(from_object(modes.LeakyFault, {"x": X})) == {"x"}


# Modes


@pytest.mark.parametrize("evaluates", [False, True])
def test_batch_norm_is_right_in_both_modes(evaluates):
    subject = from_object(modes.Norm, NORM, evaluates=evaluates)
    assert gradcheck.check(subject).passed
    mean, variance = (0.5, 2.0) if evaluates else (X.mean(0), X.var(0))
    due = NORM["gamma"] * (X - mean) / np.sqrt(variance + 1e-5) + NORM["beta"]
    np.testing.assert_allclose(subject.vjp(NORM)[0], due)
    assert not np.allclose(subject.other_mode(NORM), due)


def test_a_fault_of_one_mode_is_found_in_that_mode():
    assert failed(from_object(modes.NormAsIfFixed, NORM)) == {"x"}
    assert gradcheck.check(from_object(modes.NormAsIfFixed, NORM, evaluates=True)).passed


@pytest.mark.parametrize("training", [None, "trains"])
def test_the_mode_may_be_a_method_or_an_attribute(training):
    assert gradcheck.check(from_object(modes.Norm, NORM, training=training)).passed


def test_the_other_mode_is_watched():
    class Marks(modes.Dropout):
        other = False

        def forward(self, x, training=False):
            Marks.other |= not training
            return super().forward(x, training)

        def backward(self, dy):
            return super().backward(dy) * (2.0 if Marks.other else 1.0)

    report = gradcheck.check(from_object(Marks, {"x": X}))
    assert "other-mode" in {failure.check for failure in report.failures}


# Random numbers


@pytest.mark.parametrize("options", [{}, {"seed": "rng"}])
def test_a_generator_is_set_back(options):
    subject = from_object(modes.Dropout, {"x": X}, **options)
    assert (subject.vjp({"x": X})[0] == 0).any()
    assert gradcheck.check(subject).passed
    assert failed(from_object(modes.UnscaledDropout, {"x": X}, **options)) == {"x"}


class LateGenerator(modes.Dropout):
    """The generator is made in the first forward."""

    def __init__(self):
        self.rng = None

    def forward(self, x, training=False):
        self.rng = self.rng or np.random.default_rng()
        return super().forward(x, training)


@pytest.mark.parametrize("options", [{}, {"seed": "rng"}])
def test_a_generator_that_is_made_later_is_set_back(options):
    assert gradcheck.check(from_object(LateGenerator, {"x": X}, **options)).passed


def test_a_generator_elsewhere_is_set_back_by_a_function():
    elsewhere = {}

    class Borrows(modes.Dropout):
        def __init__(self):
            pass

        def forward(self, x, training=False):
            self.mask = elsewhere["rng"].uniform(0.5, 2.0, x.shape)
            return x * self.mask

    def seed():
        elsewhere["rng"] = np.random.default_rng(1)

    assert gradcheck.check(from_object(Borrows, {"x": X}, seed=seed)).passed


def test_gradients_under_random_masks_may_be_added_up():
    class Layer(kept.ParameterObjects):
        def __init__(self):
            super().__init__()
            self.dropout = modes.Dropout(None)

        def forward(self, x):
            return self.dropout.forward(super().forward(x), training=True)

        def backward(self, dy):
            return super().backward(self.dropout.backward(dy))

    subject = from_object(Layer, primals(), layouts=IO)
    assert gradcheck.Trait("cleared", ("weight", "bias")) in subject.traits
    assert gradcheck.check(subject).passed


def test_the_global_generator_is_declared():
    subject = from_object(modes.GlobalDropout, {"x": X}, seed="global")
    report = gradcheck.check(subject)
    assert report.passed
    assert gradcheck.Trait("stochastic").limit in report.subjects[0].limits
    undeclared = gradcheck.check(from_object(modes.GlobalDropout, {"x": X}))
    assert "deterministic" in {failure.check for failure in undeclared.failures}


# Images


@pytest.mark.parametrize("make", [modes.ConvNHWC, modes.ConvNHWC()], ids=["class", "object"])
def test_a_convolution_in_nhwc(make):
    assert gradcheck.check(from_object(make, IMAGES, layouts=NHWC)).passed


def test_a_fault_of_a_convolution_is_found_in_its_canonical_array():
    failures = gradcheck.check(from_object(modes.ConvOverwrites, IMAGES, layouts=NHWC)).subjects[0].failures
    found = [failure for failure in failures if failure.check == "gradient"]
    assert {failure.primal for failure in found} == {"x"}
    assert len(found[0].index) == 4
    assert found[0].index[1] < 2  # the channels come second


def _supported(config):
    plain = config.stride == (1, 1) == config.dilation and config.groups == 1
    return plain and config.bias and not any(config.padding)


@pytest.mark.parametrize("config", [config for config in KINDS["conv2d"].corners if _supported(config)], ids=str)
def test_a_suite_of_a_kind_in_nhwc_agrees_with_the_reference(config):
    def build(config, given):
        make = partial(modes.ConvNHWC, config.kernel_size, config.in_channels, config.out_channels)
        return from_object(make, given, layouts=NHWC)

    suite = gradcheck.suite("conv2d", build)
    for regime in suite.kind.regimes:
        subject = suite.subject(suite.case(asdict(config), regime, 1))
        assert subject.sibling is not None
        assert not gradcheck.check(subject).failures, regime


def test_a_single_image():
    one = {**IMAGES, "x": IMAGES["x"][:1]}
    assert gradcheck.check(from_object(modes.SingleImage, one, layouts={**NHWC, "x": "HWC", "y": "HWC"})).passed


# Adding up, and scale


@pytest.mark.parametrize("make", [kept.ParameterObjects, kept.ParameterObjects()], ids=["class", "object"])
@pytest.mark.parametrize("accumulates", [None, True])
def test_gradients_that_are_added_up_are_set_to_zero(make, accumulates):
    subject = from_object(make, primals(), layouts=IO, accumulates=accumulates)
    assert gradcheck.Trait("cleared", ("weight", "bias")) in subject.traits
    assert any("set to zero before each pullback (weight, bias)" in limit for limit in limits(subject))


def test_each_gradient_is_added_up_or_not():
    subject = from_object(kept.Mixed, primals(), layouts=IO)
    assert gradcheck.Trait("cleared", ("weight",)) in subject.traits
    assert gradcheck.check(subject).passed


def test_a_layer_that_assigns_is_not_said_to_add():
    assert from_object(kept.Attributes, primals(), layouts=IO, accumulates=False).traits == frozenset()


class Mean(kept.Attributes):
    """Parameter gradients are means over the batch."""

    def backward(self, dy):
        dx = super().backward(dy)
        self.dW, self.db = self.dW / BATCH, self.db / BATCH
        return dx


def test_a_declared_factor_is_no_fault():
    scale = {"weight": 1 / BATCH, "bias": 1 / BATCH}
    subject = from_object(Mean, primals(), layouts=IO, scale=scale)
    assert limits(subject) == ("gradients are divided by a factor that was declared (weight, bias)",)
    assert gradcheck.check(subject).passed
    assert failed(from_object(Mean, primals(), layouts=IO)) == {"weight", "bias"}
    assert failed(from_object(kept.Attributes, primals(), layouts=IO, scale=scale)) == {"weight", "bias"}


# State


def test_the_pullback_of_an_earlier_forward_does_not_use_the_later_cache():
    subject = from_object(kept.Attributes(), primals(), layouts=IO)
    _, pullback = subject.vjp(subject.primals)
    subject.forward(subject.primals)
    with pytest.raises(
        RuntimeError, match="serves all forwards, and its cache belongs to a later one; hand from_object"
    ):
        pullback(np.ones((BATCH, 4)))


def test_with_a_class_each_forward_has_its_own_layer():
    subject = from_object(kept.Attributes, primals(), layouts=IO)
    _, pullback = subject.vjp(subject.primals)
    first = pullback(np.ones((BATCH, 4)))
    subject.vjp({name: 2 * array for name, array in subject.primals.items()})[1](np.ones((BATCH, 4)))
    np.testing.assert_array_equal(pullback(np.ones((BATCH, 4)))["weight"], first["weight"])


def test_a_function_that_returns_one_object_is_seen_through():
    layer = kept.Attributes()
    subject = from_object(lambda: layer, primals(), layouts=IO)
    assert gradcheck.Trait("last-forward-only") in subject.traits


def test_a_cache_that_is_filled_once_shows_in_an_object():
    class Stale(modes.Relu):
        mask = None

        def forward(self, x):
            self.mask = x > 0 if self.mask is None else self.mask
            return x * (x > 0)

    assert gradcheck.check(from_object(Stale, {"x": X})).passed
    assert not gradcheck.check(from_object(Stale(), {"x": X})).passed


def test_writing_into_a_parameter_is_seen():
    class Writes(kept.Attributes):
        def backward(self, dy):
            dx = super().backward(dy)
            self.W *= 0.5
            return dx

    report = gradcheck.check(from_object(Writes, primals(), layouts=IO))
    assert "mutation" in {failure.check for failure in report.failures}
