"""What cannot be adapted is told in one sentence, with the nearest thing that works."""

import re

import numpy as np
import pytest
from support.objects import handed_on, kept, modes
from support.objects.affine import BATCH, IN, OUT, primals

import gradcheck
from gradcheck.adapters import LayerError, from_object

IO = {"weight": "IO"}


def refuses(error, sentence):
    return pytest.raises(error, match=re.escape(sentence))


def test_gradients_returned_in_another_order_than_declared():
    with refuses(
        ValueError,
        "backward of ReturnsParametersFirst returned as the gradient of 'x' an array of shape (3, 4), and not (5, 3); "
        "the shapes fit in another order: returns=('weight', 'bias', 'x')",
    ):
        from_object(handed_on.ReturnsParametersFirst, primals(), returns=("x", "weight", "bias"), layouts=IO)


def test_gradients_whose_shapes_do_not_tell_them_apart():
    given = {name: np.ones((3, 3)) + np.eye(3) for name in ("x", "weight")} | {"bias": np.ones(3)}

    class Square(handed_on.Returns):
        def __init__(self):
            self.W, self.b = np.zeros((3, 3)), np.zeros(3)

    with refuses(ValueError, "say in which order they come: returns=('x', 'weight', 'bias')"):
        from_object(Square, given)
    assert gradcheck.check(from_object(Square, given, returns=("x", ("weight", "bias")))).passed


def test_more_gradients_than_declared():
    with refuses(
        ValueError, "returned 3 values, of shapes (5, 3), (3, 4), (4,), where returns=('x', 'weight') names 2"
    ):
        from_object(handed_on.Returns, primals(), returns=("x", "weight"), layouts=IO)


def test_a_gradient_of_a_wrong_shape_is_the_layers_fault():
    class Unsummed(kept.Attributes):
        def backward(self, dy):
            dx = super().backward(dy)
            self.db = dy
            return dx

    report = gradcheck.check(from_object(Unsummed, primals(), layouts=IO))
    assert [(failure.check, failure.primal) for failure in report.failures] == [("shape", "bias")]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"params": {"weight": "Wt"}}, "Attributes has no 'Wt', which params={'weight': 'Wt'} names; it has W, b"),
        (
            {"grads": {"weight": "dw"}},
            "after backward Attributes has no array at 'dw', which grads={'weight': 'dw'} names",
        ),
        ({"grads": {"weight": "dw"}}, "did you mean 'dW'?"),
        (
            {"params": {"wieght": "W"}},
            "expected params to name primals among ['x', 'weight', 'bias'], got 'wieght'; did",
        ),
        (
            {"inputs": ("X",)},
            "expected inputs to name primals among ['x', 'weight', 'bias'], got 'X'; did you mean 'x'?",
        ),
        (
            {"forward": "foward"},
            "expected Attributes to have a method 'foward', got forward='foward'; did you mean 'forw",
        ),
        ({"optimizer": "optim"}, "Attributes has no 'optim', got optimizer='optim'"),
        ({"learning_rate": "lr"}, "Attributes has no 'lr', got learning_rate='lr'"),
        ({"seed": "rng"}, "Attributes has no 'rng', got seed='rng'"),
        ({"training": "mode"}, "Attributes has no 'mode', got training='mode'"),
        (
            {"params": {"weight": "W["}},
            "expected a path such as 'W', \"params['W']\", 'W.grad' or 'grads[0]', got 'W['",
        ),
        (
            {"accumulates": True},
            "backward of Attributes overwrites the gradient of 'weight', 'bias', but accumulates=True",
        ),
    ],
)
def test_a_declaration_that_does_not_hold(options, sentence):
    with refuses(ValueError, sentence):
        from_object(kept.Attributes, primals(), layouts=IO, **options)


def test_adding_up_against_what_was_said():
    with refuses(
        ValueError,
        "backward of ParameterObjects adds to the gradient that the layer holds of 'weight', 'bias', but "
        "accumulates=False was declared; declare accumulates=True",
    ):
        from_object(kept.ParameterObjects, primals(), layouts=IO, accumulates=False)


def test_a_gradient_that_is_nowhere():
    class Hides(kept.Attributes):
        def backward(self, dy):
            self.delta_w, self.db = self.x.T @ dy, dy.sum(0)
            return dy @ self.W.T

    with refuses(
        ValueError,
        "no gradient of 'weight' after backward of Hides: looked for dW, d_weight, grad_weight, weight_grad, W.grad, "
        "grads['W'] and what backward returns; it has",
    ) as caught:
        from_object(Hides, primals(), layouts=IO)
    assert "of that shape: W, delta_w" in str(caught.value)
    assert gradcheck.check(from_object(Hides, primals(), layouts=IO, grads={"weight": "delta_w"})).passed


def test_a_parameter_that_is_nowhere():
    class Odd(kept.Attributes):
        def __init__(self):
            self.q, self.b = np.zeros((IN, OUT)), np.zeros(OUT)

        def forward(self, x):
            return x @ self.q + self.b

    with refuses(ValueError, "no parameter 'weight' of shape (3, 4) in Odd: looked for W, weight, w") as caught:
        from_object(Odd, primals(), layouts=IO)
    assert "it has q, b" in str(caught.value)


def test_two_places_for_one_parameter():
    class Two(kept.Attributes):
        def __init__(self):
            super().__init__()
            self.kernel = np.zeros((IN, OUT))

    with refuses(ValueError, "the parameter 'weight' of Two may be W or kernel; say which: params={'weight': 'W'}"):
        from_object(Two, primals(), layouts=IO)


def test_a_weight_with_its_axes_in_another_order():
    with refuses(
        ValueError, "has shape (3, 4), the primal 'weight' has shape (4, 3); if its axes are in another order"
    ):
        from_object(kept.Attributes, primals())


def test_an_input_with_its_axes_in_another_order():
    x, weight = np.ones((3, 2, 6, 5)), np.ones((4, 2, 3, 2))
    with refuses(LayerError, "forward of ConvNHWC raised ValueError") as caught:
        from_object(modes.ConvNHWC, {"x": x, "weight": weight, "bias": np.ones(4)}, layouts={"weight": "HWIO"})
    assert "it was given x (3, 2, 6, 5), weight (3, 2, 2, 4), bias (4,)" in str(caught.value)
    assert "layouts={'x': 'NHWC', …}" in str(caught.value)


def test_a_builder_that_raises():
    def build():
        raise KeyError("units")

    with refuses(LayerError, "build() raised KeyError: 'units' (test_objects_misuse.py:"):
        from_object(build, primals())


def test_a_builder_that_returns_nothing():
    with refuses(TypeError, "to return a layer, got None; is a return missing?"):
        from_object(lambda: None, primals())


@pytest.mark.parametrize("thing", [3, "Dense", np.ones(3)])
def test_no_layer(thing):
    with refuses(TypeError, "expected a layer with methods like forward and backward, or a callable that returns one"):
        from_object(thing, primals())


def test_a_layer_without_backward():
    class Half:
        def forward(self, x):
            return x

    with refuses(ValueError, "Half has no method called backward, backward_pass"):
        from_object(Half, {"x": np.ones(3)})


def test_no_input():
    with refuses(ValueError, "expected a primal named 'x' as the layer's input, got ['image']; say which of them"):
        from_object(modes.Relu, {"image": np.ones((BATCH, IN))})


def test_a_first_layer_that_gives_no_input_gradient():
    class First(kept.Attributes):
        def backward(self, dy):
            super().backward(dy)

    x, weight, bias = primals().values()
    with refuses(ValueError, "no gradient of 'x' after backward of First"):
        from_object(First, primals(), layouts=IO)
    subject = from_object(First, {"weight": weight, "bias": bias}, x, inputs=(), layouts=IO)
    assert gradcheck.check(subject).passed


def test_an_output_that_is_no_array():
    class Caches(modes.Relu):
        def forward(self, x):
            return super().forward(x), {"x": x}

    with refuses(
        TypeError, "expected forward of Caches to return arrays of floating dtype, got dict; take what is the"
    ):
        from_object(Caches, {"x": np.ones(3)})
