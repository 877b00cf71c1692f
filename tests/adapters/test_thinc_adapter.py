"""Models of thinc: right ones pass, planted faults are found."""

from importlib import metadata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.examples import subjects_of

import gradcheck
from gradcheck.adapters import framework_of, from_thinc

thinc = pytest.importorskip("thinc.api", reason="thinc is not installed")


def normal(*shape, seed=0):
    """Return an array of normal numbers in float32."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


X = normal(5, 3)


def linear(of_x=None, of_weight=None, add="inc_grad"):
    """Return an affine model of one node, with these gradients in the place of its own."""

    def forward(model, x, is_train):
        weight, bias = model.get_param("W"), model.get_param("b")

        def backward(g):
            getattr(model, add)("W", of_weight(x, g) if of_weight else g.T @ x)
            model.inc_grad("b", g.sum(axis=0))
            return of_x(weight, g) if of_x else g @ weight

        return x @ weight.T + bias, backward

    return thinc.Model("affine", forward, params={"W": normal(4, 3, seed=1), "b": normal(4, seed=2)})


def failures(model, **options):
    """Return what a check finds: the names of the checks that fail, each with its primal."""
    report = gradcheck.check(from_thinc(model, {"x": X}, **options))
    return [(failure.check, failure.primal) for failure in report.subjects[0].failures]


def test_the_examples_verify():
    subjects = subjects_of("frameworks/thinc_models.py")
    assert len(subjects) == 5
    for name, subject in subjects.items():
        report = gradcheck.check(subject)
        assert report.passed, f"{name}\n{report}"


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4))
def test_a_right_model_passes(batch, features_in, features_out):
    model = thinc.Linear(features_out, features_in)
    model.initialize(X=normal(batch, features_in))
    samples = {gradcheck.Trait("batch-separable", ("x",))}
    gradcheck.verify(from_thinc(model, {"x": normal(batch, features_in)}, traits=samples))


@pytest.mark.parametrize(
    ("faults", "found"),
    [
        ({"of_x": lambda weight, g: 2 * g @ weight}, ("gradient", "x")),
        ({"of_weight": lambda x, g: -g.T @ x}, ("gradient", "W")),
        ({"of_weight": lambda x, g: g.T @ x / len(x)}, ("gradient", "W")),
        ({"add": "set_grad"}, ("accumulates", "W")),
    ],
)
def test_a_planted_fault_is_found(faults, found):
    assert failures(linear()) == []
    assert found in failures(linear(**faults))


@pytest.mark.skipif(metadata.version("thinc") != "9.1.1", reason="these faults are those of thinc 9.1.1")
class TestFaultsOfThinc:
    """Found in the package itself, and confirmed by reading the lines."""

    def test_dish_takes_the_derivative_at_its_input(self):
        """``layers/dish.py``, line 50: ``X`` in the place of ``Y_preact``."""
        model = thinc.Dish(3, 3)
        model.initialize(X=X)
        assert {("gradient", primal) for primal in ("x", "W", "b")} <= set(failures(model))

    @pytest.mark.parametrize("layer", [thinc.Relu, thinc.Mish])
    def test_some_activations_read_cotangents_in_memory_order(self, layer):
        """``backends/numpy_ops.pyx``: what ``backprop_relu`` and ``backprop_mish`` are given need not be in C order."""
        model = layer(4, 3)
        model.initialize(X=X)
        assert {check for check, _ in failures(model)} == {"layout"}

    def test_embeddings_with_dropout_write_into_the_cotangent(self):
        """``layers/embed.py``, line 64: ``d_output *= drop_mask``."""
        model = thinc.Embed(4, 5, dropout=0.5)
        model.initialize()
        traits = {gradcheck.Trait("stochastic")}
        report = gradcheck.check(from_thinc(model, {"rows": np.array([0, 3, 3])}, traits=traits))
        assert "mutation" in [failure.check for failure in report.subjects[0].failures]

    def test_softmax_takes_a_cotangent_of_its_logits(self):
        """No fault but a convention: its backward is that of the affine part, fit for a loss that owns the softmax."""
        model = thinc.Softmax(4, 3)
        model.initialize(X=X)
        assert ("gradient", "b") in failures(model)


def test_parameters_are_named_by_node_where_there_are_several():
    model = thinc.chain(thinc.Linear(4, 3), thinc.Linear(2, 4))
    model.initialize(X=X)
    assert list(from_thinc(model, {"x": X}).primals) == ["x", "linear.W", "linear.b", "linear#2.W", "linear#2.b"]
    assert list(from_thinc(linear(), {"x": X}).primals) == ["x", "W", "b"]


def test_parameters_may_have_other_names_and_values():
    primals = {"x": normal(2, 3).astype(np.float64), "weight": normal(4, 3, seed=5), "bias": normal(4, seed=6)}
    subject = from_thinc(linear(), primals, names={"weight": "W", "bias": "b"})
    assert {array.dtype for array in subject.primals.values()} == {np.dtype(np.float32)}
    np.testing.assert_allclose(
        subject.forward(subject.primals), primals["x"] @ primals["weight"].T + primals["bias"], rtol=1e-5
    )
    gradcheck.verify(subject)


def test_an_input_of_integers_is_a_constant():
    def forward(model, rows, is_train):
        def backward(g):
            gradient = np.zeros((5, 4), np.float32)
            np.add.at(gradient, rows, g)
            model.inc_grad("E", gradient)
            return rows

        return model.get_param("E")[rows], backward

    model = thinc.Model("rows", forward, params={"E": normal(5, 4)})
    subject = from_thinc(model, {"rows": np.array([0, 3, 3])})
    assert (set(subject.primals), set(subject.constants)) == ({"E"}, {"rows"})
    gradcheck.verify(subject)


def test_training_and_prediction_are_two_modes():
    views = {gradcheck.Trait("returns-views")}  # in prediction, what comes goes out again
    training = from_thinc(thinc.Dropout(0.5), {"x": X})
    prediction = from_thinc(thinc.Dropout(0.5), {"x": X}, training=False, traits=views)
    np.testing.assert_array_equal(prediction.forward(prediction.primals), X)
    np.testing.assert_array_equal(training.other_mode(training.primals), X)
    assert not np.array_equal(training.forward(training.primals), X)
    gradcheck.verify(prediction)


@pytest.mark.parametrize(
    ("model", "primals", "options", "sentence"),
    [
        (lambda: 3, {"x": X}, {}, "expected a thinc Model, got a value of type int"),
        (lambda: thinc.Linear(4, 3), {"x": X}, {}, "parameter 'W' of 'linear' has no value: call model.initialize"),
        (linear, {}, {}, r"expected one input of affine beside its parameters \['W', 'b'\], got 0"),
        (linear, {"x": X, "y": X}, {}, r"got 2: \['x', 'y'\]"),
        (linear, {"x": [X]}, {}, "expected an array as the input of affine, got a list; chain it with layers"),
        (linear, {"x": X}, {"names": {"weight": "V"}}, r"among \['W', 'b'\], got one for 'V'"),
    ],
)
def test_misuse_is_one_sentence(model, primals, options, sentence):
    with pytest.raises((TypeError, ValueError), match=sentence):
        from_thinc(model(), primals, **options)


def test_an_output_that_is_no_array_is_one_sentence():
    model = thinc.chain(linear(), thinc.Model("split", lambda model, y, is_train: (list(y), lambda g: np.array(g))))
    report = gradcheck.check(from_thinc(model, {"x": X}))
    assert "expected affine>>split to return an array, got a list; chain it" in (
        report.subjects[0].failures[0].explanation
    )


def test_models_are_recognised():
    assert framework_of(linear()) == "thinc"
    assert framework_of(thinc.Linear) is None
