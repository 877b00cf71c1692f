"""`check` and `verify`: what they take, what they refuse, and layers with their inputs."""

import numpy as np
import pytest

import gradcheck
from gradcheck.adapters.reference import random_params
from reference_layers import Affine, Conv2d, SoftmaxCrossEntropy

X = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]])


def square(slope=2.0):
    def vjp(primals):
        x = primals["x"]
        return x**2, lambda g: {"x": slope * x * g}

    return gradcheck.Subject("square", {"x": X}, vjp)


both = pytest.mark.parametrize("function", [gradcheck.check, gradcheck.verify])


@both
@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"seed": -1}, ValueError, "expected seed to be at least 0, got seed=-1"),
        ({"seed": "1"}, TypeError, "expected seed to be an int, got seed='1' (str)"),
        ({"seed": 1.0}, TypeError, "expected seed to be an int, got seed=1.0 (float)"),
        ({"seed": True}, TypeError, "expected seed to be an int, got seed=True (bool)"),
        ({"seed": None}, TypeError, "expected seed to be an int, got seed=None (NoneType)"),
        ({"trials": 0}, ValueError, "expected trials to be at least 1, got trials=0"),
        ({"trials": 2.5}, TypeError, "expected trials to be an int, got trials=2.5 (float)"),
        ({"trials": False}, TypeError, "expected trials to be an int, got trials=False (bool)"),
        ({"dtype": "float128"}, ValueError, "expected dtype among float64, float32, float16, got dtype='float128'"),
        ({"dtype": "int32"}, ValueError, "expected dtype among float64, float32, float16, got dtype='int32'"),
    ],
)
def test_unusable_arguments_are_refused(function, given, error, message):
    for thing in (square(), gradcheck.suite("relu")):
        with pytest.raises(error) as refusal:
            function(thing, **given)
        assert type(refusal.value) is error
        assert str(refusal.value) == message


@both
@pytest.mark.parametrize(
    ("thing", "why"), [(square(), "a Subject holds its own"), (gradcheck.suite("relu"), "a suite draws its own")]
)
def test_inputs_beside_what_has_its_own_are_refused(function, thing, why):
    with pytest.raises(TypeError, match=f"expected no inputs beside it, since {why}; got 1"):
        function(thing, X)


@both
@pytest.mark.parametrize("thing", [3, None, "relu", X, lambda x: x, object()])
def test_unknown_things_are_refused(function, thing):
    with pytest.raises(TypeError, match=r"expected a gradcheck\.Subject or a layer with forward"):
        function(thing)


@both
@pytest.mark.parametrize("thing", [3, "relu", lambda x: x, Affine])
def test_unknown_things_are_refused_beside_inputs_too(function, thing):
    with pytest.raises(TypeError, match=r"expected a gradcheck\.Subject or a layer"):
        function(thing, X)


@both
def test_a_layer_without_inputs_is_refused(function):
    with pytest.raises(ValueError, match="expected primals beside the layer"):
        function(Affine(3, 2))


def test_inputs_that_are_no_floating_arrays_are_refused():
    with pytest.raises(TypeError, match="primal 'x'"):
        gradcheck.check(Affine(3, 2), [[1.0, 2.0, 3.0]])
    with pytest.raises(TypeError, match="primal 'x': expected dtype float64"):
        gradcheck.check(Affine(3, 2), np.ones((2, 3), dtype=int))


@pytest.mark.parametrize("seed", [np.int64(3), np.int32(3)])
def test_numpy_integers_are_seeds(seed):
    assert gradcheck.check(square(), seed=seed, trials=np.int64(1)).passed


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_every_dtype_is_taken(dtype):
    assert gradcheck.check(square(), dtype=dtype).verdict == "passed"
    assert gradcheck.check(square(3.0), dtype=dtype).verdict == "failed"


def test_verify_returns_the_report_of_what_passes():
    report = gradcheck.verify(square(), seed=2)
    assert report.passed
    assert report.seed == 2


def test_verify_raises_the_report_of_what_fails():
    with pytest.raises(gradcheck.GradientError) as raised:
        gradcheck.verify(square(3.0), seed=2, exhaustive=True)
    report = raised.value.report
    assert isinstance(raised.value, AssertionError)
    assert isinstance(report, gradcheck.Report)
    assert report.verdict == "failed"
    assert report.failures[0].primal == "x"
    assert str(raised.value) == str(report)


def test_verify_raises_what_is_inconclusive():
    dead = gradcheck.Subject("dead", {"x": X}, lambda p: (0 * p["x"], lambda g: {"x": 0 * g}))
    with pytest.raises(gradcheck.GradientError) as raised:
        gradcheck.verify(dead)
    assert raised.value.report.verdict == "inconclusive"


def test_verify_raises_for_a_suite():
    def build(_config, primals):
        return gradcheck.Subject("wrong", primals, lambda p: (np.maximum(p["x"], 0), lambda g: {"x": g}))

    with pytest.raises(gradcheck.GradientError) as raised:
        gradcheck.verify(gradcheck.suite("relu", build))
    assert raised.value.report.subjects[0].name == "relu (build)"


def test_layers_with_inputs_pass(rng):
    assert gradcheck.check(Affine(3, 2), X).passed
    assert gradcheck.check(Affine(3, 2, bias=False), rng.standard_normal((4, 5, 3)), seed=9).passed
    assert gradcheck.check(Conv2d(2, 3, 3, padding=1), rng.standard_normal((2, 2, 5, 4))).passed
    assert gradcheck.check(SoftmaxCrossEntropy(), rng.standard_normal((4, 3)), np.array([0, 2, 1, 1])).passed
    assert gradcheck.check(SoftmaxCrossEntropy("none"), rng.standard_normal((2, 3)), np.array([0, 2])).passed


def test_the_dtype_of_inputs_is_that_of_parameters():
    params = random_params(Affine(3, 2), np.random.default_rng(0), X.astype(np.float32))
    assert {str(array.dtype) for array in params.values()} == {"float32"}
    assert gradcheck.check(Affine(3, 2), X.astype(np.float32)).passed


class Leaky(Affine):
    """An affine layer whose bias gradient holds what a regulariser adds: nothing, while the bias is zero."""

    def backward(self, params, cache, grad_output):
        dx, gradients = super().backward(params, cache, grad_output)
        return dx, gradients | {"bias": gradients["bias"] + 0.01 * params["bias"]}


def test_parameters_are_random_where_init_leaves_them_constant():
    layer = Leaky(3, 2)
    zeros = {"x": X, "weight": np.ones((2, 3)), "bias": np.zeros(2)}
    assert gradcheck.check(gradcheck.from_reference(layer, zeros)).passed  # hidden at zero
    report = gradcheck.check(layer, X)
    assert report.verdict == "failed"
    assert {failure.primal for failure in report.failures} == {"bias"}
    assert report.failures[0].reproduce == "gradcheck.check(layer, *inputs, seed=0)"


def test_random_parameters_keep_what_is_random_and_follow_the_seed():
    layer = Affine(3, 2)
    first, again, other = (random_params(layer, np.random.default_rng(seed), X) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first["weight"], layer.init(np.random.default_rng(0))["weight"])
    assert np.ptp(first["bias"]) > 0
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
        assert (first[name] != other[name]).all()


def test_a_scalar_parameter_is_random_too():
    class Scale:
        def init(self, _rng):
            return {"scale": np.ones(())}

    assert random_params(Scale(), np.random.default_rng(0), X)["scale"] != 1.0


# Adapters


def test_a_subject_is_adapted_as_it_is():
    subject = square()
    assert gradcheck.adapt(subject) is subject


def test_a_layer_is_adapted_with_its_primals():
    primals = {"x": X, "weight": np.ones((2, 3)), "bias": np.ones(2)}
    subject = gradcheck.adapt(Affine(3, 2), primals)
    assert subject.name == repr(Affine(3, 2))
    assert gradcheck.check(subject).passed


def test_a_layer_needs_its_input():
    with pytest.raises(ValueError, match="expected a primal named 'x' as the layer's input"):
        gradcheck.from_reference(Affine(3, 2), {"weight": np.ones((2, 3))})


def test_the_input_may_have_another_name():
    primals = {"image": X, "weight": np.ones((2, 3)), "bias": np.ones(2)}
    subject = gradcheck.from_reference(Affine(3, 2), primals, name="mine", input_name="image")
    outputs, pullback = subject.vjp(subject.primals)
    assert subject.name == "mine"
    assert pullback(np.ones_like(outputs)).keys() == primals.keys()
    np.testing.assert_array_equal(outputs, subject.forward(subject.primals))


class Product:
    """A layer of two inputs and a scale."""

    def forward(self, params, inputs):
        a, b = inputs
        return params["scale"] * a * b, (a, b)

    def backward(self, params, cache, g):
        a, b = cache
        return (params["scale"] * g * b, params["scale"] * g * a), {"scale": np.sum(g * a * b).reshape(1)}


def test_a_layer_may_have_several_inputs():
    rng = np.random.default_rng(0)
    primals = {"a": rng.standard_normal(5), "b": rng.standard_normal(5), "scale": np.array([2.0])}

    assert gradcheck.check(gradcheck.from_reference(Product(), primals, input_name=("a", "b"))).passed
    swapped = gradcheck.check(gradcheck.from_reference(Product(), primals, input_name=("b", "scale")))
    assert swapped.verdict == "error"  # the layer does not find its own scale
    with pytest.raises(ValueError, match="named 'c'"):
        gradcheck.from_reference(Product(), primals, input_name=("a", "c"))
