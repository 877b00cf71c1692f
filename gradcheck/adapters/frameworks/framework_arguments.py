"""The arrays that somebody names, and the arguments that a function takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np

from gradcheck.subject import Arrays


@dataclass(frozen=True)
class Arguments:
    """What a function is called with: arrays that a gradient is wanted for, and all the rest.

    Attributes
    ----------
    primals : dict of str to ndarray
        The arrays of floating dtype.
    constants : dict of str to object
        Arrays of integers and booleans, such as indices, and whatever else was declared constant.
    leading : tuple of str
        The names of the values that are given by position, in their order.
    named : dict of str to str
        For each parameter that is given by name, the name of its value.
    """

    primals: dict[str, Any]
    constants: dict[str, Any]
    leading: tuple[str, ...]
    named: dict[str, str]

    @property
    def watched(self) -> dict[str, Any]:
        """The constants that are arrays."""
        return {name: value for name, value in self.constants.items() if isinstance(value, np.ndarray)}

    def call(self, function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
        """Call the function with these values of primals and constants."""
        named = {parameter: values[name] for parameter, name in self.named.items()}
        return function(*(values[name] for name in self.leading), **named)


def arguments_of(
    parameters: list[inspect.Parameter], given: Mapping[str, Any], constants: Mapping[str, Any]
) -> Arguments:
    """Sort out what a function is called with.

    Values go to the parameters of their names. Those with names that are of no parameter go to the parameters that are
    left, in their order, primals first.

    Parameters
    ----------
    parameters : list of inspect.Parameter
        Those of the function.
    given : mapping of str to array
        Arrays of floating dtype become primals, others constants.
    constants : mapping of str to object
        Further arguments, for which no gradient is wanted.

    Raises
    ------
    TypeError
        If `given` or `constants` is no mapping.
    ValueError
        If a name is in both.

    Examples
    --------
    >>> parameters = parameters_of(lambda x, rows: x[rows])
    >>> arguments = arguments_of(parameters, {"rows": np.array([0, 0]), "x": np.array([3.0])}, {})
    >>> list(arguments.primals), list(arguments.constants), arguments.leading
    (['x'], ['rows'], ('x', 'rows'))
    """
    for what, mapping in (("primals", given), ("constants", constants)):
        if not isinstance(mapping, Mapping):
            raise TypeError(
                f"expected {what} to be a mapping of names to arrays, such as {{'x': array}}, "
                f"got {what} of type {type(mapping).__name__}"
            )
    twice = sorted(given.keys() & constants.keys())
    if twice:
        raise ValueError(f"expected each name as a primal or as a constant, got {twice[0]!r} as both")
    primals = {name: np.asarray(value) for name, value in given.items() if _is_floating(value)}
    others = {name: value for name, value in given.items() if name not in primals}
    return Arguments(primals, {**others, **constants}, *_places(parameters, [*given, *constants]))


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters of a function; none where it does not tell."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []


def name_of(function: Callable[..., Any]) -> str:
    """Return the name of a function, or that of its class where it has none."""
    return str(getattr(function, "__name__", type(function).__name__))


def common_dtype(arrays: Arrays) -> np.dtype[Any]:
    """Return the dtype in which a function of these arrays computes: the widest."""
    return np.result_type(*(array.dtype for array in arrays.values()))


def in_dtype(value: Any, dtype: np.dtype[Any]) -> Any:
    """Return a copy of a floating array in another floating dtype; everything else as it is."""
    return value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def _is_floating(value: object) -> bool:
    return isinstance(value, float) or (isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f")


def _places(parameters: list[inspect.Parameter], names: list[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the names of what is given by position, as far as no parameter is left out, and of what by name."""
    kinds = {parameter.kind for parameter in parameters}
    any_name = inspect.Parameter.VAR_KEYWORD in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    known = [parameter for parameter in parameters if parameter.kind not in variable]
    by_position = [parameter.name for parameter in known if parameter.kind is not inspect.Parameter.KEYWORD_ONLY]
    filled = {parameter.name: parameter.name for parameter in known if parameter.name in names}
    others = [name for name in names if name not in filled]
    left = [parameter for parameter in by_position if parameter not in filled]
    filled |= dict(zip(left, others, strict=False))
    beyond = others[len(left) :]
    leading = list(takewhile(filled.__contains__, by_position))
    named = {parameter: name for parameter, name in filled.items() if parameter not in leading}
    values = [filled[parameter] for parameter in leading]
    return (tuple(values), named | dict(zip(beyond, beyond, strict=True))) if any_name else ((*values, *beyond), named)
