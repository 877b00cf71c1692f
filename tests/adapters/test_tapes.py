"""Functions that record themselves, however their backward is started and their gradients are read."""

import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.tapes import Number, SeededByArgument, SeededByOne, Tensor

import gradcheck
from gradcheck.adapters import from_tape


class SeededBefore(Tensor):
    """Neither can be multiplied nor takes a cotangent: its own gradient is set before."""

    __mul__ = None

    def backward(self):
        self.collect(self.grad)
        self.grad = None


def layer(x, w, s):
    return (x @ w + s).tanh()


def gated(x, w, s):
    return (x @ w).tanh() * s + s


def primals_of(samples=2, features=3, units=4):
    rng = np.random.default_rng(5)
    shapes = {"x": (samples, features), "w": (features, units), "s": (samples, units)}
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


TAPES = {"argument": (gated, SeededByArgument), "sum": (gated, SeededByOne)}


@pytest.mark.parametrize("seed", TAPES)
def test_a_right_tape_passes(seed):
    function, leaf = TAPES[seed]
    report = gradcheck.check(from_tape(function, primals_of(), leaf=leaf))
    assert report.passed, str(report)
    assert report.subjects[0].name == "gated"


@given(st.sampled_from(sorted(TAPES)), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
def test_tapes_of_every_size_pass(seed, samples, features, units):
    function, leaf = TAPES[seed]
    subject = from_tape(function, primals_of(samples, features, units), leaf=leaf)
    assert gradcheck.check(subject, contracts=False).passed


@pytest.mark.parametrize("leaf", [SeededByArgument, SeededByOne])
def test_a_wrong_operation_is_found(leaf):
    class Wrong(leaf):
        def tanh(self):
            y = np.tanh(self.data)
            return type(self)(y, ((self, lambda g: g * (1 - y)),))

    report = gradcheck.check(from_tape(gated, primals_of(), leaf=Wrong))
    assert {failure.primal for failure in report.failures if failure.check == "gradient"} == {"x", "w"}


def test_the_gradient_of_the_output_may_be_set_before():
    class Affine(SeededBefore):
        def collect(self, gradient):
            self.grad = gradient
            for parent, pull in self.parents:
                parent.collect(pull(gradient))

    gradcheck.verify(from_tape(layer, primals_of(), leaf=Affine))
    with pytest.raises(TypeError, match="pass backward=lambda output, cotangent: …"):
        from_tape(layer, primals_of(), leaf=Affine, grad=lambda leaf: leaf.grad)


@pytest.mark.parametrize("function", [gated, lambda x, w, s: ((x @ w).tanh(), s.sum())])
def test_callables_and_several_outputs(function):
    def backward(outputs, cotangents):
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        cotangents = cotangents if isinstance(cotangents, tuple) else (cotangents,)
        for output, cotangent in zip(outputs, cotangents, strict=True):
            output.collect(cotangent)

    subject = from_tape(
        function, primals_of(), leaf=Tensor, value=lambda t: t.data, grad=lambda t: t.grad, backward=backward
    )
    report = gradcheck.verify(subject)
    # A gradient that is read by a callable cannot be set back: it adds up from pullback to pullback.
    assert report.subjects[0].limits == ("each forward can be pulled back once",)
    gradcheck.verify(from_tape(function, primals_of(), leaf=SeededByOne))


def test_gradients_may_be_tensors_themselves():
    class Wrapping(SeededByOne):
        def backward(self):
            self.collect(np.ones_like(self.data))
            self.wrap()

        def wrap(self):
            if isinstance(self.grad, np.ndarray):
                self.grad = types.SimpleNamespace(data=self.grad)
            for parent, _ in self.parents:
                parent.wrap()

        def collect(self, gradient):
            self.grad = gradient if self.grad is None else self.grad + gradient
            for parent, pull in self.parents:
                parent.collect(pull(gradient))

    for grad in ("grad", "grad.data"):
        gradcheck.verify(from_tape(lambda x, w, s: x @ w + s, primals_of(), leaf=Wrapping, grad=grad))


def one_unit(x, w):
    return np.vectorize(Number.tanh)(x @ w)


def test_tensors_may_be_single_numbers():
    primals = primals_of()
    del primals["s"]
    report = gradcheck.verify(from_tape(one_unit, primals, leaf=Number, scalars=True))
    assert report.subjects[0].limits == ("each forward can be pulled back once",)

    def wrong(x, w):
        y = one_unit(x, w)
        for one in y.ravel():
            one.parents = tuple((parent, 0.9 * slope) for parent, slope in one.parents)
        return y

    report = gradcheck.check(from_tape(wrong, primals, leaf=Number, scalars=True))
    assert {failure.primal for failure in report.failures} == {"x", "w"}
    assert report.failures[0].cause == "scale:0.9"


def test_a_number_may_be_the_output():
    gradcheck.verify(
        from_tape(lambda x: x[0] * x[1] + x[1], {"x": np.array([2.0, -3.0])}, leaf=Number, scalars=True, name="number")
    )


def test_a_leaf_without_gradient_is_refused_or_zero():
    def ignores(x, w, s):
        return x @ w

    with pytest.raises(ValueError, match=r"expected the leaf 's' to have a gradient after backward.*missing='zero'"):
        from_tape(ignores, primals_of(), leaf=SeededByOne)
    report = gradcheck.check(from_tape(ignores, primals_of(), leaf=SeededByOne, missing="zero"))
    assert report.subjects[0].vacuous == ("s",)
    assert not report.failures

    class Forgets(SeededByOne):
        def __matmul__(self, other):
            return type(self)(self.data @ other.data, ((self, lambda g: g @ other.data.T),))

    report = gradcheck.check(from_tape(layer, primals_of(), leaf=Forgets, missing="zero"))
    assert {failure.primal for failure in report.failures} == {"w"}


REFUSED = {
    "value": (
        {"value": "array"},
        "expected tensors with an attribute 'array', got SeededByOne without; say with value=…",
    ),
    "grad": ({"grad": "gradient"}, "expected tensors with an attribute 'gradient', got SeededByOne without"),
    "backward": ({"backward": "backprop"}, "expected tensors with a method 'backprop', got SeededByOne without"),
    "missing": ({"missing": "none"}, "expected missing to be 'zero' or None, got missing='none'"),
    "arguments": ({"arguments": ("x", "w")}, r"without 's'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_misuse_is_refused_in_one_sentence(what):
    more, message = REFUSED[what]
    with pytest.raises((TypeError, ValueError), match=message) as caught:
        from_tape(gated, primals_of(), leaf=SeededByOne, **more)
    assert "\n" not in str(caught.value)


def test_a_callable_backward_and_single_numbers_do_not_go_together():
    with pytest.raises(TypeError, match="expected backward to be the name of a method where tensors are scalars"):
        from_tape(lambda x: x * x, {"x": np.ones(1)}, leaf=Number, scalars=True, backward=print)
