"""What is recognised as what."""

import pytest
from support.objects import handed_on, kept, modes

import reference_layers
from gradcheck.adapters.adapt import STYLES

REFERENCE = [
    cls for cls in vars(reference_layers).values() if isinstance(cls, type) and callable(getattr(cls, "backward", None))
]
OBJECTS = [kept.Attributes, kept.CallAndBprop, kept.LongNames, modes.Dropout, handed_on.Returns, handed_on.LearningRate]


def recognised(thing):
    """Return the first style that fits, by its number."""
    return next(number for number, style in enumerate(STYLES) if style.recognise(thing))


@pytest.mark.parametrize("cls", REFERENCE, ids=lambda cls: cls.__name__)
def test_reference_layers_are_of_their_style(cls):
    assert recognised(cls.__new__(cls)) == 0


@pytest.mark.parametrize("cls", OBJECTS, ids=lambda cls: cls.__name__)
def test_objects_are_of_theirs(cls):
    assert recognised(cls()) == 1
