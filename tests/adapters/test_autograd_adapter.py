"""Functions that HIPS autograd differentiates: right ones pass, planted faults of ``defvjp`` are found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import subjects_of

import gradcheck
from gradcheck.adapters import framework_of, from_autograd

autograd = pytest.importorskip("autograd", reason="autograd is not installed")

import autograd.numpy as anp  # noqa: E402
from autograd.extend import defvjp, primitive  # noqa: E402


def normal(*shape, seed=0):
    """Return an array of normal numbers."""
    return np.random.default_rng(seed).standard_normal(shape)


def right_x(x, weight, bias, g):
    return g @ weight


def right_weight(x, weight, bias, g):
    return g.T @ x


def right_bias(x, weight, bias, g):
    return g.sum(axis=0)


def with_gradients(of_x=right_x, of_weight=right_weight, of_bias=right_bias):
    """Return an affine primitive with these gradients."""

    @primitive
    def affine(x, weight, bias):
        return x @ weight.T + bias

    def rule(of):
        return lambda _y, *arguments: lambda g: of(*arguments, g)

    defvjp(affine, rule(of_x), rule(of_weight), rule(of_bias))
    return affine


AFFINE = {"x": normal(5, 3), "weight": normal(4, 3, seed=1), "bias": normal(4, seed=2)}


def failures(function, primals=AFFINE):
    """Return what a check finds: the names of the checks that fail, each with its primal."""
    report = gradcheck.check(from_autograd(function, primals))
    return [(failure.check, failure.primal) for failure in report.subjects[0].failures]


def test_the_examples_verify():
    subjects = subjects_of("frameworks/autograd_primitive.py")
    assert len(subjects) == 3
    for name, subject in subjects.items():
        report = gradcheck.check(subject)
        assert report.passed, f"{name}\n{report}"


@given(st.permutations(["x", "weight", "bias"]), st.sampled_from([np.float64, np.float32]), st.integers(1, 4))
def test_a_right_primitive_passes_in_either_precision(order, dtype, batch):
    primals = {name: AFFINE[name].astype(dtype) for name in order} | {"x": AFFINE["x"][:batch].astype(dtype)}
    samples = {gradcheck.Trait("batch-separable", ("x",))}
    gradcheck.verify(from_autograd(with_gradients(), primals, traits=samples))


def spoils(x, weight, bias, g):
    g *= 2
    return g.sum(axis=0) / 2


@pytest.mark.parametrize(
    ("faults", "found"),
    [
        ({"of_x": lambda x, weight, bias, g: 2 * g @ weight}, ("gradient", "x")),
        ({"of_weight": lambda x, weight, bias, g: -g.T @ x}, ("gradient", "weight")),
        ({"of_bias": lambda x, weight, bias, g: g.mean(axis=0)}, ("gradient", "bias")),
        ({"of_bias": lambda x, weight, bias, g: g}, ("shape", "bias")),
        ({"of_weight": lambda x, weight, bias, g: x.T @ g}, ("shape", "weight")),
        ({"of_bias": spoils}, ("mutation", None)),
    ],
)
def test_a_planted_fault_is_found(faults, found):
    assert found in failures(with_gradients(**faults))


def test_a_gradient_that_was_not_summed_over_what_was_broadcast_says_so():
    fault = with_gradients(of_bias=lambda x, weight, bias, g: g)
    (failure,) = gradcheck.check(from_autograd(fault, AFFINE)).subjects[0].failures
    assert failure.explanation.endswith("shape (4,), got shape=(5, 4); is the sum over the first 1 axes missing?")


def test_a_function_may_return_several_arrays_those_of_integers_are_not_looked_at():
    def several(x, rows):
        return anp.tanh(x)[rows], anp.sum(x * x), np.array([1, 2])

    subject = from_autograd(several, {"rows": np.array([0, 2, 2]), "x": normal(3, 2)})
    assert (set(subject.primals), set(subject.constants)) == ({"x"}, {"rows"})
    assert [np.shape(output) for output in subject.forward(subject.primals)] == [(3, 2), ()]
    gradcheck.verify(subject)


def test_an_argument_without_part_in_the_output_has_gradient_zero():
    subject = from_autograd(lambda x, y: x * 2, {"x": normal(3), "y": normal(2)})
    outputs, pullback = subject.vjp(subject.primals)
    assert not pullback(outputs)["y"].any()


def test_an_argument_used_twice_has_the_sum_of_its_gradients():
    gradcheck.verify(from_autograd(lambda x: with_gradients()(x, x, x[0]), {"x": normal(3, 3)}))


def test_options_are_constants():
    def power(x, exponent=1):
        return x**exponent

    gradcheck.verify(from_autograd(power, {"x": normal(3)}, constants={"exponent": 3}))


def test_misuse_is_one_sentence():
    with pytest.raises(TypeError, match="expected a function of arrays, got a value of type int"):
        from_autograd(3, AFFINE)


def test_primitives_are_recognised():
    assert framework_of(with_gradients()) == framework_of(anp.tanh) == "autograd"
    assert framework_of(np.tanh) is framework_of(failures) is None
