"""An optimizer that is put into a layer to see which gradients the layer hands to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from gradcheck.subject import Array, Arrays

#: Names of the learning rate, as an argument of backward and as an attribute.
LEARNING_RATES = ("learning_rate", "lr", "learn_rate", "learningrate", "eta", "alpha", "step_size", "rate")


class Recorder:
    """Whatever it is called with, as whatever method, is kept; the weights stay as they are.

    Called with a parameter and its gradient (in any order, or with lists or dicts of them) it returns the parameter;
    called with a gradient alone, the step of a gradient descent, which is added.

    Parameters
    ----------
    parameters : callable
        Returns the arrays that the layer holds as parameters, by the names of their primals.

    Attributes
    ----------
    rate : float
        Learning rate of those steps, zero unless gradients are to be seen from what the steps do to the weights.
    gradients : list of (str or None, ndarray)
        Copies of what came, each with the name of the parameter that came with it.
    """

    def __init__(self, parameters: Callable[[], Arrays]) -> None:
        self.rate = 0.0
        self.gradients: list[tuple[str | None, Array]] = []
        self._parameters = parameters

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.rate if name in LEARNING_RATES else self

    def __deepcopy__(self, _: Any) -> Recorder:
        return self

    def __copy__(self) -> Recorder:
        return self

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        given = [argument for argument in (*arguments, *named.values()) if _arrays(argument)]
        known = self._parameters()
        names = [[_name_of(array, known) for array in _arrays(argument)] for argument in given]
        parameters = [name for several in names for name in several if name is not None]
        new = [
            array
            for argument, several in zip(given, names, strict=True)
            for array, name in zip(_arrays(argument), several, strict=True)
            if name is None
        ]
        belong = parameters if len(parameters) == len(new) else [None] * len(new)
        self.gradients += [(name, np.array(array)) for name, array in zip(belong, new, strict=True)]
        for argument, several in zip(given, names, strict=True):
            if any(name is not None for name in several):
                return argument
        return -self.rate * new[0] if len(new) == 1 else None


def _arrays(argument: Any) -> list[Array]:
    """Return the arrays of an argument of an optimizer."""
    if isinstance(argument, np.ndarray):
        return [argument]
    if isinstance(argument, Mapping):
        argument = list(argument.values())
    if isinstance(argument, list | tuple):
        return [array for part in argument for array in _arrays(part)]
    return []


def _name_of(array: Array, known: Arrays) -> str | None:
    return next((name for name, one in known.items() if one is array or np.shares_memory(one, array)), None)
