"""Which argument of somebody's function takes which array: declared, told by names, or by order."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from gradcheck.messages import did_you_mean
from gradcheck.subject import Array, Arrays

#: What one argument is made of: a name, or a tuple, list or dict of such.
Spec: TypeAlias = Any

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


@dataclass(frozen=True)
class Call:
    """How a function is called: what each of its arguments is made of."""

    positional: tuple[Spec, ...]
    keywords: Mapping[str, Spec]

    @property
    def specs(self) -> tuple[Spec, ...]:
        """What the arguments are made of, in the function's order."""
        return (*self.positional, *self.keywords.values())

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the arrays, in the function's order."""
        return tuple(names_in(self.specs))

    def __call__(
        self, function: Callable[..., Any], values: Mapping[str, Any], options: Mapping[str, Any] | None = None
    ) -> Any:
        """Return what `function` returns for these values, and for options by keyword."""
        positional = [build(spec, values) for spec in self.positional]
        keywords = {key: build(spec, values) for key, spec in self.keywords.items()}
        return function(*positional, **keywords, **(options or {}))


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


def build(spec: Spec, values: Mapping[str, Any]) -> Any:
    """Return the value of a spec: names replaced by what they stand for."""
    if isinstance(spec, Mapping):
        return {key: build(item, values) for key, item in spec.items()}
    if isinstance(spec, tuple | list):
        return type(spec)(build(item, values) for item in spec)
    return None if spec is None else values[spec]


def names_in(spec: Spec) -> Iterator[str]:
    """Yield the names that a spec is made of."""
    if isinstance(spec, str):
        yield spec
    elif spec is not None:
        for item in spec.values() if isinstance(spec, Mapping) else spec:
            yield from names_in(item)


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """Return the named parameters of a function; None where it does not tell, or takes any number."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    return [parameter for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD]


def required_arguments(function: Callable[..., Any]) -> int | None:
    """Return how many arguments a function must be given; None where it does not tell."""
    parameters = parameters_of(function)
    return None if parameters is None else sum(parameter.default is parameter.empty for parameter in parameters)


def takes_context(function: Callable[..., Any]) -> bool:
    """Whether the first parameter of a function is a context, by its name."""
    parameters = parameters_of(function)
    return bool(parameters) and parameters is not None and parameters[0].name in _CONTEXT


def call_of(
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
    parameters = parameters_of(function)
    if parameters is None:
        names = (*primals, *(f"constant {k}" for k in range(len(constants))))
        return Call(names, {}), dict(zip(names[len(primals) :], constants, strict=True))
    free = [parameter for parameter in parameters[skip:] if parameter.name not in options]
    taken = match_names([parameter.name for parameter in free], primals)
    left = [name for name in primals if name not in taken.values()]
    slots = [parameter for parameter in free if parameter.name in taken or parameter.default is parameter.empty]
    wanting = len(left) + len(constants) - sum(parameter.name not in taken for parameter in slots)
    if wanting > 0:
        spare = [parameter for parameter in free if parameter not in slots and parameter.kind is not _KEYWORD_ONLY]
        slots = [parameter for parameter in free if parameter in slots or parameter in spare[:wanting]]
        wanting -= len(spare)
    signature = f"{what}({', '.join(parameter.name for parameter in parameters)})"
    if wanting > 0:
        raise ValueError(
            f"expected {signature} to take the primals {', '.join(primals)} and {len(constants)} constants, got "
            f"{wanting} more than it has arguments; declare arguments=(…), or leave out what it does not take"
        )
    named: dict[str, Any] = {}
    values = iter(constants)
    for parameter in slots:
        if parameter.name in taken:
            continue
        if left:
            taken[parameter.name] = left.pop(0)
        elif len(named) < len(constants):
            taken[parameter.name] = parameter.name
            named[parameter.name] = next(values)
        else:
            raise TypeError(
                f"expected a value for each argument of {signature}, got none for {parameter.name!r}; pass it as a "
                f"primal if a gradient is wanted for it, as a further constant, or as {parameter.name}=…"
            )
    return _call_in_order(parameters[skip:], taken), named


_KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY


def _call_in_order(parameters: Iterable[inspect.Parameter], taken: Mapping[str, str]) -> Call:
    """Return the call of parameters: by keyword after one that is passed by keyword, or left at its default."""
    positional: list[str] = []
    keywords: dict[str, str] = {}
    gap = False
    for parameter in parameters:
        if parameter.name not in taken:
            gap = True
        elif gap or parameter.kind is _KEYWORD_ONLY:
            keywords[parameter.name] = taken[parameter.name]
        else:
            positional.append(taken[parameter.name])
    return Call(tuple(positional), keywords)


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
    return Call(tuple(declared), {}), dict(zip(others, constants, strict=True))


def match_names(given: Sequence[str], known: Iterable[str]) -> dict[str, str]:
    """Return which of the known names each given one stands for: the same name, else the only one with its initials.

    Examples
    --------
    >>> match_names(["X", "W", "b", "stride"], ["x", "weight", "bias"])
    {'X': 'x', 'W': 'weight', 'b': 'bias'}
    """
    known = list(known)
    matched: dict[str, str] = {}
    tests: tuple[Callable[[str, str], bool], ...] = (
        lambda word, name: word == name,
        lambda word, name: word.casefold() == name.casefold(),
        lambda word, name: name.casefold().startswith(word.casefold()) or word.casefold() == f"{name.casefold()}s",
    )
    for test in tests:
        for word in given:
            free = [name for name in known if name not in matched.values() and test(word, name)]
            if word not in matched and len(free) == 1:
                matched[word] = free[0]
    return {word: matched[word] for word in given if word in matched}


def match_gradients(keys: Iterable[Any], names: Iterable[str]) -> dict[Any, str]:
    """Return which of the names each key of gradients stands for: ``"dW"``, ``"grad_weight"`` and ``"W"`` for weight.

    Examples
    --------
    >>> match_gradients(["dX", "grad_weight", "b_grad"], ["x", "weight", "bias"])
    {'dX': 'x', 'grad_weight': 'weight', 'b_grad': 'bias'}
    """
    names, keys = list(names), list(keys)
    exact: dict[Any, str] = {key: key for key in keys if key in names}
    bare: dict[str, Any] = {}
    for key in keys:
        if key not in exact and isinstance(key, str):
            stripped = re.sub(r"^(dl_?d|d|grad|g|delta)_?(?=.)|_?(grad|gradient)$", "", key, flags=re.IGNORECASE)
            bare.setdefault(stripped or key, key)
    matched = match_names(list(bare), [name for name in names if name not in exact.values()])
    return {**exact, **{bare[word]: name for word, name in matched.items()}}


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
    parameters = parameters_of(backward)
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
    return _call_in_order(parameters, roles)


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
    return Call(tuple(declared), {})


def left_at_default(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a function is given by keyword, and the defaults of its other parameters."""
    defaults = {one.name: one.default for one in parameters_of(function) or () if one.default is not _EMPTY}
    return {**defaults, **options}


def watched(constants: Mapping[str, Any]) -> dict[str, Array]:
    """Return the constants that are arrays, which no call may change."""
    return {name: value for name, value in constants.items() if isinstance(value, np.ndarray)}


def name_of(function: Any) -> str:
    """Return what reports call a function."""
    inner = getattr(function, "func", function)  # that of functools.partial
    *owners, name = str(getattr(inner, "__qualname__", type(inner).__name__)).split(".")
    return owners[-1] if name in ("forward", "__call__") and owners and owners[-1] != "<locals>" else name
