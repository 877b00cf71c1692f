"""Which parameter of a function takes which value: by name, else by order."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

#: What one argument is made of: a name, or a tuple, list or dict of such.
Spec: TypeAlias = Any

_EMPTY = inspect.Parameter.empty
_KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def parameters_of(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """Return the parameters of a function; None where it does not tell."""
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None


def named_parameters(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """Return the parameters of a function that have a name; None where it does not tell, or takes any number."""
    parameters = parameters_of(function)
    if parameters is None or any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters):
        return None
    return [one for one in parameters if one.kind not in _VARIABLE]


def required_arguments(function: Callable[..., Any]) -> int | None:
    """Return how many arguments a function must be given; None where it does not tell."""
    parameters = named_parameters(function)
    return None if parameters is None else sum(one.default is _EMPTY for one in parameters)


def name_of(function: Any) -> str:
    """Return what reports call a function."""
    inner = getattr(function, "func", function)  # that of functools.partial
    name = str(getattr(inner, "__name__", type(inner).__name__))
    *owners, _ = str(getattr(inner, "__qualname__", name)).split(".")
    return owners[-1] if name in ("forward", "__call__") and owners and owners[-1] != "<locals>" else name


@dataclass(frozen=True, kw_only=True)
class Call:
    """How a function is called: what each of its arguments is made of."""

    positional: tuple[Spec, ...]
    keywords: Mapping[str, Spec]

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the values, in the function's order."""
        return tuple(names_in((*self.positional, *self.keywords.values())))

    def __call__(
        self, function: Callable[..., Any], values: Mapping[str, Any], options: Mapping[str, Any] | None = None
    ) -> Any:
        """Return what `function` returns for these values, and for options by keyword."""
        positional = [_build(spec, values) for spec in self.positional]
        keywords = {key: _build(spec, values) for key, spec in self.keywords.items()}
        return function(*positional, **keywords, **(options or {}))


def _build(spec: Spec, values: Mapping[str, Any]) -> Any:
    """Return the value of a spec: names replaced by what they stand for."""
    if isinstance(spec, Mapping):
        return {key: _build(item, values) for key, item in spec.items()}
    if isinstance(spec, tuple | list):
        return type(spec)(_build(item, values) for item in spec)
    return None if spec is None else values[spec]


def names_in(spec: Spec) -> Iterator[str]:
    """Yield the names that a spec is made of."""
    if isinstance(spec, str):
        yield spec
    elif spec is not None:
        for item in spec.values() if isinstance(spec, Mapping) else spec:
            yield from names_in(item)


@dataclass(frozen=True, kw_only=True)
class Assignment:
    """Which parameter takes which value.

    Attributes
    ----------
    taken : dict of str to str
        For each parameter that takes a value, the name of the value.
    beyond : list of str
        The values for which there is no parameter.
    missing : list of str
        The parameters without default for which there is no value.
    """

    taken: dict[str, str]
    beyond: list[str]
    missing: list[str]


def assign(parameters: Sequence[inspect.Parameter], names: Iterable[str], matched: Mapping[str, str]) -> Assignment:
    """Give values to the parameters that their names do not match, in order.

    Parameters without default come first; one with a default gets a value only where values are left over, and one
    that is passed by keyword alone only if it has no default.

    Parameters
    ----------
    parameters : sequence of inspect.Parameter
    names : iterable of str
        Those of all values, in the order in which they are given.
    matched : mapping of str to str
        Parameters that take the value of a name.

    Examples
    --------
    >>> parameters = named_parameters(lambda x, w, stride=1: None)
    >>> assign(parameters, ["weight", "image"], {"w": "weight"}).taken
    {'w': 'weight', 'x': 'image'}
    """
    left = [name for name in names if name not in matched.values()]
    free = [one for one in parameters if one.name not in matched]
    required = [one for one in free if one.default is _EMPTY]
    spare = [one for one in free if one.default is not _EMPTY and one.kind is not _KEYWORD_ONLY]
    filled = [*required, *spare[: max(0, len(left) - len(required))]]
    slots = [one.name for one in free if one in filled]
    return Assignment(
        taken={**matched, **dict(zip(slots, left, strict=False))},
        beyond=left[len(slots) :],
        missing=slots[len(left) :],
    )


def call_in_order(parameters: Iterable[inspect.Parameter], taken: Mapping[str, str]) -> Call:
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
    return Call(positional=tuple(positional), keywords=keywords)


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
