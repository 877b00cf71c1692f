"""What the arguments of a forward and its backward take: declared, else by their names and their order."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.adapters.signatures import (
    Call,
    Spec,
    assign,
    call_in_order,
    match_names,
    named_parameters,
    names_in,
)
from gradcheck.messages import did_you_mean
from gradcheck.subject import Array, Arrays

#: What a backward may take beside arguments of the forward.
COTANGENT, CACHE, OUTPUT = "cotangent", "cache", "output"
ROLES = (COTANGENT, CACHE, OUTPUT)

_COTANGENT = re.compile(
    r"(cotangent|g|gy|grad|grads|gradient|upstream|delta|deltas|error|dvalues|top_diff|accum_grad|d"
    r"|(d|dl_?d?|grad|g|delta|gradient|diff)_?(y|z|a|h|c|o|s|out\w*|next\w*|top|val\w*|loss|scores?|hidden|cell)"
    r"|(out|output|y|upstream|next|top)_(grad|gradient|delta|diff|error)s?)",
    re.IGNORECASE,
)
_CACHE = {"cache", "ctx", "context", "saved", "memory", "residuals", "tape", "caches"}
_OUTPUT = {"y", "out", "output", "outputs", "result"}
_CONTEXT = ("ctx", "context")


def arrays_of(primals: Arrays) -> dict[str, Array]:
    """Return copies of the primals.

    Raises
    ------
    TypeError
        If they are no mapping, or one is not of floating dtype.
    """
    if not isinstance(primals, Mapping):
        raise TypeError(f"expected primals to be a mapping of names to arrays, got {type(primals).__name__}")
    arrays = {name: np.array(array) for name, array in primals.items()}
    for name, array in arrays.items():
        if array.dtype not in (np.float64, np.float32, np.float16):
            raise TypeError(
                f"expected the primal {name!r} to have dtype float64, float32 or float16, got dtype={array.dtype}; "
                f"pass it as a constant if no gradient is wanted for it"
            )
    return arrays


def takes_context(function: Callable[..., Any]) -> bool:
    """Whether the first parameter of a function is a context, by its name."""
    parameters = named_parameters(function)
    return bool(parameters) and parameters is not None and parameters[0].name in _CONTEXT


def forward_call(
    what: str,
    function: Callable[..., Any],
    primals: Arrays,
    constants: Sequence[Any],
    declared: Sequence[Spec] | None,
    options: Mapping[str, Any],
    *,
    skip: int = 0,
) -> tuple[Call, dict[str, Any]]:
    """Return how a function takes primals and constants, and the constants by name.

    Parameters
    ----------
    what : str
        What messages call the function.
    function : callable
    primals : mapping of str to ndarray
    constants : sequence
        Arguments for which no gradient is wanted, in their order.
    declared : sequence of Spec, optional
        The arguments in their order; names that are no primals are the constants. Default: parameters whose names are
        those of primals (or their initials) take these, the others the primals that are left, then the constants.
    options : mapping
        What is passed by keyword.
    skip : int
        Leading parameters that take something else.

    Raises
    ------
    TypeError, ValueError
        If arguments and values do not fit together.
    """
    if declared is not None:
        return _declared_call(declared, primals, constants)
    unnamed = {f"constant {k}": value for k, value in enumerate(constants)}
    parameters = named_parameters(function)
    if parameters is None:
        return Call(positional=(*primals, *unnamed), keywords={}), unnamed
    free = [parameter for parameter in parameters[skip:] if parameter.name not in options]
    matched = match_names([parameter.name for parameter in free], primals)
    assignment = assign(free, [*primals, *unnamed], matched)
    signature = f"{what}({', '.join(parameter.name for parameter in parameters)})"
    if assignment.beyond:
        raise ValueError(
            f"expected {signature} to take the primals {', '.join(primals)} and {len(constants)} constants, got "
            f"{len(assignment.beyond)} more than it has arguments; declare arguments=(…), or leave out what it does "
            f"not take"
        )
    if assignment.missing:
        raise TypeError(
            f"expected a value for each argument of {signature}, got none for {assignment.missing[0]!r}; pass it as a "
            f"primal if a gradient is wanted for it, as a further constant, or as {assignment.missing[0]}=…"
        )
    named = {parameter: unnamed[name] for parameter, name in assignment.taken.items() if name in unnamed}
    taken = assignment.taken | {parameter: parameter for parameter in named}
    return call_in_order(parameters[skip:], taken), named


def _declared_call(declared: Sequence[Spec], primals: Arrays, constants: Sequence[Any]) -> tuple[Call, dict[str, Any]]:
    if isinstance(declared, str):
        declared = (declared,)
    names = list(names_in(tuple(declared)))
    others = list(dict.fromkeys(name for name in names if name not in primals))
    for name in primals:
        if name not in names:
            raise ValueError(
                f"expected arguments to name every primal, got arguments={tuple(declared)!r} without {name!r}"
                f"{did_you_mean(name, others)}"
            )
    if len(others) != len(constants):
        raise ValueError(
            f"expected arguments to name the primals {', '.join(primals)} and {len(constants)} constants, got "
            f"arguments={tuple(declared)!r}{did_you_mean(others[0], primals) if others else ''}"
        )
    return Call(positional=tuple(declared), keywords={}), dict(zip(others, constants, strict=True))


def backward_call(
    backward: Callable[..., Any],
    forward_names: Sequence[str],
    declared: Sequence[Spec] | None,
    *,
    outputs_and_cache: bool,
    context: bool = False,
) -> Call:
    """Return how a backward takes the cotangent, the cache, the outputs and arguments of the forward.

    Parameters
    ----------
    backward : callable
    forward_names : sequence of str
        What the forward takes.
    declared : sequence of Spec, optional
    outputs_and_cache : bool
        Whether the forward returned several things, one of which may be a cache.
    context : bool
        Whether the first argument is the context.

    Raises
    ------
    ValueError
        If the names of its parameters do not tell; the message says what to declare.
    """
    if declared is not None:
        return _declared_backward(declared, forward_names)
    parameters = named_parameters(backward)
    advice = (
        f"declare backward_arguments=(…) with '{COTANGENT}', '{CACHE}', '{OUTPUT}' and the forward's arguments "
        f"{', '.join(map(repr, forward_names))}"
    )
    if parameters is None:
        raise ValueError(f"expected a backward whose signature can be read, got {backward!r}; {advice}")
    roles = _roles(parameters, forward_names, outputs_and_cache, context)
    unknown = [one.name for one in parameters if one.name not in roles and one.default is _EMPTY]
    if unknown or COTANGENT not in roles.values():
        signature = f"backward({', '.join(parameter.name for parameter in parameters)})"
        what = ", ".join(map(repr, unknown)) if unknown else "the cotangent"
        raise ValueError(f"could not tell by its names what {signature} takes ({what}); {advice}")
    return call_in_order(parameters, roles)


_EMPTY = inspect.Parameter.empty


def _roles(
    free: Sequence[inspect.Parameter], forward_names: Sequence[str], outputs_and_cache: bool, context: bool
) -> dict[str, str]:
    """Return what each parameter of a backward takes, as far as names and their number tell."""
    roles = {free[0].name: CACHE} if context and free else {}
    folded = {name.casefold(): name for name in forward_names}
    for parameter in free:
        word = parameter.name.casefold()
        if parameter.name in roles:
            continue
        if word in folded:
            roles[parameter.name] = folded[word]
        elif _COTANGENT.fullmatch(word):
            roles[parameter.name] = COTANGENT
        elif word in _CACHE:
            roles[parameter.name] = CACHE
        elif word in _OUTPUT:
            roles[parameter.name] = OUTPUT
    left = [parameter.name for parameter in free if parameter.name not in roles]
    roles |= match_names(left, [name for name in forward_names if name not in roles.values()])
    left = [parameter.name for parameter in free if parameter.name not in roles and parameter.default is _EMPTY]
    if len(left) == 1 and COTANGENT not in roles.values():
        roles[left[0]] = COTANGENT
    elif len(left) == 1 and outputs_and_cache and CACHE not in roles.values():
        roles[left[0]] = CACHE
    return roles


def _declared_backward(declared: Sequence[Spec], forward_names: Sequence[str]) -> Call:
    if isinstance(declared, str):
        declared = (declared,)
    known = (*ROLES, *forward_names)
    names = list(names_in(tuple(declared)))
    for name in names:
        if name not in known:
            raise ValueError(
                f"expected backward_arguments among {', '.join(map(repr, known))}, got {name!r}"
                f"{did_you_mean(name, known)}"
            )
    if COTANGENT not in names:
        raise ValueError(f"expected {COTANGENT!r} among backward_arguments, got {tuple(declared)!r}")
    return Call(positional=tuple(declared), keywords={})


def left_at_default(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a function is given by keyword, and the defaults of its other parameters."""
    defaults = {one.name: one.default for one in named_parameters(function) or () if one.default is not _EMPTY}
    return {**defaults, **options}
