"""The arrays that somebody names for a function of a framework, and how the function is called with them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.adapters.signatures import Call, assign, call_in_order
from gradcheck.subject import Arrays


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """What a function is called with: arrays that a gradient is wanted for, and all the rest.

    Attributes
    ----------
    primals : dict of str to ndarray
        The arrays of floating dtype.
    constants : dict of str to object
        Arrays of integers and booleans, such as indices, and whatever else was declared constant.
    call : Call
        Which argument of the function takes which of them.
    """

    primals: dict[str, Any]
    constants: dict[str, Any]
    call: Call

    def run(self, function: Callable[..., Any], arrays: Mapping[str, Any], dtype: np.dtype[Any]) -> Any:
        """Return what a function returns for arrays in the place of the primals, constants given in their dtype."""
        constants = {name: in_dtype(value, dtype) for name, value in self.constants.items()}
        return self.call(function, {**constants, **arrays})


def arguments_of(
    parameters: Sequence[inspect.Parameter] | None, given: Mapping[str, Any], constants: Mapping[str, Any]
) -> Arguments:
    """Sort out what a function is called with.

    Values go to the parameters of their names. Those with names that are of no parameter go to the parameters that are
    left, in their order, primals first.

    Parameters
    ----------
    parameters : sequence of inspect.Parameter or None
        Those of the function; None where it does not tell.
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
    >>> from gradcheck.adapters.signatures import parameters_of
    >>> parameters = parameters_of(lambda x, rows: x[rows])
    >>> arguments = arguments_of(parameters, {"rows": np.array([0, 0]), "x": np.array([3.0])}, {})
    >>> list(arguments.primals), list(arguments.constants), arguments.call.positional
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
    call = _call_of(parameters or (), [*given, *constants])
    return Arguments(primals=primals, constants={**others, **constants}, call=call)


def common_dtype(arrays: Arrays) -> np.dtype[Any]:
    """Return the dtype in which a function of these arrays computes: the widest."""
    return np.result_type(*(array.dtype for array in arrays.values()))


def in_dtype(value: Any, dtype: np.dtype[Any]) -> Any:
    """Return a copy of a floating array in another floating dtype; everything else as it is."""
    return value.astype(dtype) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


def _is_floating(value: object) -> bool:
    return isinstance(value, float) or (isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f")


def _call_of(parameters: Sequence[inspect.Parameter], names: Sequence[str]) -> Call:
    """Return how a function takes values: beyond its parameters by name where it takes any name, else in order."""
    kinds = {parameter.kind for parameter in parameters}
    any_number, any_name = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD
    known = [parameter for parameter in parameters if parameter.kind not in (any_number, any_name)]
    matched = {parameter.name: parameter.name for parameter in known if parameter.name in names}
    assignment = assign(known, names, matched)
    call, beyond = call_in_order(known, assignment.taken), assignment.beyond
    if any_name in kinds and any_number not in kinds:
        return replace(call, keywords={**call.keywords, **{name: name for name in beyond}})
    return replace(call, positional=(*call.positional, *beyond))
