"""The waist: what a subject accepts and refuses."""

import numpy as np
import pytest
from support.layers import tanh

from gradcheck import Subject, Trait


@pytest.mark.parametrize(
    ("primals", "error", "fragment"),
    [
        ({"x": np.arange(3)}, TypeError, "dtype=int64 of shape (3,); convert it with .astype(np.float64)"),
        ({"x": np.ones((0, 3))}, ValueError, "an empty array of shape (0, 3)"),
        ({"x": np.array([1.0, np.inf])}, ValueError, "expected finite entries, got inf at index (1,)"),
        ({"x": [1.0, 2.0]}, TypeError, "expected a NumPy array of floating dtype, got list"),
        ({1: np.ones(2)}, TypeError, "named by str, got 1 (int)"),
        ({}, ValueError, "expected at least one primal"),
        (np.ones(3), TypeError, "expected primals to be a mapping"),
    ],
)
def test_primals_that_are_refused(primals, error, fragment):
    with pytest.raises(error) as caught:
        Subject("layer", primals, tanh)
    assert fragment in str(caught.value)


@pytest.mark.parametrize(
    ("argument", "value"), [("name", 3), ("vjp", None), ("forward", "forward"), ("traits", ["linear"])]
)
def test_other_parts_of_the_wrong_type_are_refused(argument, value):
    arguments = {"name": "layer", "primals": {"x": np.ones(2)}, "vjp": tanh, argument: value}
    with pytest.raises(TypeError, match=f"expected {argument} to be"):
        Subject(**arguments)


def test_traits_are_checked():
    with pytest.raises(ValueError, match="did you mean 'batch-separable'"):
        Trait("batch-seperable")
    with pytest.raises(ValueError, match="names primal 'X', which is none of"):
        Subject(
            "layer",
            {"x": np.ones(2)},
            tanh,
            traits=frozenset({Trait("batch-separable", ("X",))}),
        )


def test_a_subject_does_not_change():
    x = np.ones(3)
    subject = Subject("layer", {"x": x}, tanh)
    x[0] = 5
    assert subject.primals["x"][0] == 1
    with pytest.raises(ValueError, match="read-only"):
        subject.primals["x"][0] = 5
    with pytest.raises(TypeError):
        subject.primals["y"] = x
    with pytest.raises(AttributeError):
        subject.name = "other"


def test_a_python_float_and_a_zero_dimensional_array_are_primals():
    subject = Subject("layer", {"x": 0.5, "y": np.float32(1)}, tanh)
    assert subject.primals["x"].shape == ()
    assert subject.primals["y"].dtype == np.float32
