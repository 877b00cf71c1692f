"""What is recognised as what."""

import numpy as np
import pytest
from support.objects import handed_on, kept, modes

import gradcheck
import reference_layers
from gradcheck.adapters import LayerError
from gradcheck.adapters.adapt import STYLES

REFERENCE = [
    cls for cls in vars(reference_layers).values() if isinstance(cls, type) and callable(getattr(cls, "backward", None))
]
OBJECTS = [kept.Attributes, kept.CallAndBprop, kept.LongNames, modes.Dropout, handed_on.Returns, handed_on.LearningRate]


def recognised(thing):
    """Return what the first style that fits looks like."""
    return next(style.looks_like for style in STYLES if style.recognise(thing))


@pytest.mark.parametrize("cls", REFERENCE, ids=lambda cls: cls.__name__)
def test_reference_layers_are_of_their_style(cls):
    assert recognised(cls.__new__(cls)).startswith("with forward(params, x)")


@pytest.mark.parametrize("cls", OBJECTS, ids=lambda cls: cls.__name__)
def test_objects_are_of_theirs(cls):
    assert recognised(cls()).startswith("an object with forward")


class Pair:
    """A class that holds a pair of functions."""

    @staticmethod
    def forward(x):
        return x * x

    @staticmethod
    def backward(x, dy):
        return 2 * x * dy


@pytest.mark.parametrize("thing", [Pair, (Pair.forward, Pair.backward)], ids=["class", "tuple"])
def test_pairs_of_functions_are_recognised(thing):
    assert recognised(thing).startswith("a pair")
    assert gradcheck.check(gradcheck.adapt(thing, {"x": np.array([1.0, 2.0])})).passed


def test_a_pair_with_a_wrong_backward_is_blamed():
    wrong = (Pair.forward, lambda x, dy: 3 * x * dy)
    assert gradcheck.check(gradcheck.adapt(wrong, {"x": np.array([1.0, 2.0])})).verdict == "failed"


def test_a_class_of_layers_is_no_pair_of_functions():
    with pytest.raises(TypeError, match=r"the class Attributes, not a layer made of it"):
        gradcheck.adapt(kept.Attributes, {"x": np.ones((2, 3))})


def test_a_function_that_raises_is_named_with_the_line():
    def forward(x):
        raise RuntimeError("no kernel")

    with pytest.raises(LayerError, match=r"forward raised RuntimeError: no kernel \(test_adapt.py:\d+"):
        gradcheck.adapt((forward, Pair.backward), {"x": np.ones(2)})


def test_modules_of_torch_are_recognised():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    assert recognised(torch.nn.Tanh()).startswith("a module")
    assert gradcheck.check(gradcheck.adapt(torch.nn.Tanh(), {"x": np.array([1.0, 2.0])})).passed
