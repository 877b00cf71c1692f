"""Where a layer object leaves its gradients: returned, kept, handed to an optimizer, or seen in an update."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any, TypeAlias

import numpy as np

from gradcheck.adapters.objects.parameter_names import aliases, looked_for, meaning
from gradcheck.adapters.objects.parameter_places import NotFoundError, refuse_several, same_but_for_ones
from gradcheck.adapters.objects.paths import Path, attribute_names, places, suggestion
from gradcheck.adapters.objects.recorder import Recorder
from gradcheck.subject import Array

#: More returned arrays than this are not told apart by their shapes.
_MOST_RETURNED = 6


@dataclass(frozen=True)
class Aftermath:
    """What a backward pass left behind.

    Attributes
    ----------
    layer : object
    returned : list of (str, object)
        What it returned, nested containers laid out in a row, each with its key in a dict.
    before : dict of str to ndarray
        Copies of the parameters before it.
    params : dict of str to Path
    rate : float
        The learning rate that it was given.
    recorder : Recorder or None
    """

    layer: Any
    returned: list[tuple[str, Any]]
    before: dict[str, Array]
    params: Mapping[str, Path]
    rate: float
    recorder: Recorder | None


@dataclass(frozen=True)
class Returned:
    """A gradient that backward returns."""

    position: int

    def read(self, after: Aftermath) -> Any:
        """Return the very array."""
        return after.returned[self.position][1] if self.position < len(after.returned) else None


@dataclass(frozen=True)
class At:
    """A gradient that backward leaves in the layer."""

    path: Path

    def read(self, after: Aftermath) -> Any:
        """Return a copy: what a layer keeps for itself it may change."""
        value = self.path.get(after.layer)
        return np.array(value) if isinstance(value, np.ndarray | np.generic | float) else None


@dataclass(frozen=True)
class Updated:
    """A gradient that shows in what backward does to the parameter."""

    name: str

    def read(self, after: Aftermath) -> Any:
        """Return the step divided by the learning rate."""
        before = after.before[self.name]
        return (before - np.asarray(after.params[self.name].get(after.layer))) / before.dtype.type(after.rate)


@dataclass(frozen=True)
class Recorded:
    """A gradient that backward hands to its optimizer."""

    name: str

    def read(self, after: Aftermath) -> Any:
        """Return it; where it came in parts, their sum."""
        assert after.recorder is not None
        named = [gradient for name, gradient in after.recorder.gradients if name == self.name]
        shape = after.before[self.name].shape
        fitting = [g for name, g in after.recorder.gradients if name is None and same_but_for_ones(g.shape, shape)]
        return sum(named) if named else fitting[0] if len(fitting) == 1 else None


GradientSource: TypeAlias = Returned | At | Updated | Recorded


def laid_out(returned: Any, key: str = "") -> list[tuple[str, Any]]:
    """Return what is nested in tuples, lists and dicts as a row of (key in a dict, value)."""
    if isinstance(returned, Mapping):
        return [leaf for name, value in returned.items() for leaf in laid_out(value, str(name))]
    if isinstance(returned, tuple | list):
        return [leaf for value in returned for leaf in laid_out(value, key)]
    return [(key, returned)]


def returned_sources(
    after: Aftermath, shapes: Mapping[str, tuple[int, ...]], inputs: Sequence[str], returns: Any
) -> dict[str, GradientSource]:
    """Return which of the primals that have these shapes get their gradient from what backward returned.

    Raises
    ------
    ValueError
        If what came does not fit what was declared, or may be one or the other.
    """
    kind = type(after.layer).__name__
    if returns is not None:
        return _declared(after, shapes, [name for _, name in laid_out(returns)], kind)
    if any(key for key, _ in after.returned):
        return _labelled(after, shapes)
    given = [k for k, (_, value) in enumerate(after.returned) if value is not None]
    if not given:
        return {}
    waiting = [name for name in inputs if name in shapes]
    if len(given) == len(waiting):
        return dict(zip(waiting, map(Returned, given), strict=True))
    arrays = [after.returned[k][1] for k in given]
    if len(given) != len(shapes) or len(given) > _MOST_RETURNED:
        raise ValueError(
            f"backward of {kind} returned {len(given)} values, of shapes {_shapes(arrays)}, for the primals "
            f"{', '.join(map(repr, shapes))}; say what they are: returns={tuple(waiting)!r}"
        )
    orders = _fitting_orders(arrays, shapes)
    if len(orders) != 1:
        why = "none of which fits" if not orders else "which fit in several orders"
        raise ValueError(
            f"backward of {kind} returned arrays of shapes {_shapes(arrays)}, {why} the shapes of the primals "
            f"{dict(shapes)}; say in which order they come: returns={tuple(shapes)!r}"
        )
    return dict(zip(orders[0], map(Returned, given), strict=True))


def _declared(
    after: Aftermath, shapes: Mapping[str, tuple[int, ...]], names: list[Any], kind: str
) -> dict[str, GradientSource]:
    arrays = [value for _, value in after.returned]
    if len(arrays) != len(names):
        raise ValueError(
            f"backward of {kind} returned {len(arrays)} values, of shapes {_shapes(arrays)}, where returns="
            f"{tuple(names)!r} names {len(names)}"
        )
    named = {name: Returned(k) for k, name in enumerate(names) if name is not None}
    for name, source in named.items():
        if name not in shapes:
            raise ValueError(f"expected returns to name the primals {list(shapes)}, got {name!r} (None leaves one out)")
        array = arrays[source.position]
        if isinstance(array, np.ndarray) and not same_but_for_ones(array.shape, shapes[name]):
            orders = _fitting_orders([arrays[one.position] for one in named.values()], {n: shapes[n] for n in named})
            if len(orders) == 1:
                raise ValueError(
                    f"backward of {kind} returned as the gradient of {name!r} an array of shape {array.shape}, and "
                    f"not {shapes[name]}; the shapes fit in another order: returns={orders[0]!r}"
                )
    return dict(named)


def _labelled(after: Aftermath, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, GradientSource]:
    """Return which primals the keys of a dict speak of; what has no key is the input's."""
    found: dict[str, GradientSource] = {}
    for k, (key, _) in enumerate(after.returned):
        said = meaning(Path.parse(key)) if key.isidentifier() else None
        names = [name for name in shapes if key == name or (said and said.names(name))] if key else ["x"]
        found |= {name: Returned(k) for name in names if name in shapes and name not in found}
    return found


def _fitting_orders(arrays: Sequence[Any], shapes: Mapping[str, tuple[int, ...]]) -> list[tuple[str, ...]]:
    """Return the orders of primals in which returned arrays have their shapes."""
    return [
        order
        for order in permutations(shapes)
        if all(same_but_for_ones(np.shape(array), shapes[name]) for array, name in zip(arrays, order, strict=True))
    ]


def _shapes(arrays: Iterable[Any]) -> str:
    return ", ".join("None" if array is None else str(np.shape(array)) for array in arrays) or "none"


def attribute_sources(
    after: Aftermath, shapes: Mapping[str, tuple[int, ...]], given: Mapping[str, str]
) -> dict[str, GradientSource]:
    """Return which of the primals that have these shapes get their gradient from a place in the layer.

    Raises
    ------
    NotFoundError
        If a place that was declared holds nothing.
    ValueError
        If several places may be meant.
    """
    found: dict[str, GradientSource] = {}
    for name, shape in shapes.items():
        path = _stated_gradient(after.layer, name, given[name]) if name in given else _gradient(after, name, shape)
        if path is not None:
            found[name] = At(path)
    return found


def _stated_gradient(layer: Any, name: str, text: str) -> Path:
    path = Path.parse(text)
    if not isinstance(path.get(layer), np.ndarray | float | np.generic):
        raise NotFoundError(
            f"after backward {type(layer).__name__} has no array at {text!r}, which grads={{{name!r}: {text!r}}} "
            f"names; it has {attribute_names(layer)}{suggestion(layer, text)}"
        )
    return path


def _gradient(after: Aftermath, name: str, shape: tuple[int, ...]) -> Path | None:
    param = after.params.get(name)
    said_of_param = meaning(param) if param else None
    own = {said_of_param.word} if said_of_param and said_of_param.word else set(aliases(name))
    same_word, same_name, same_position = [], [], []
    for path, value in places(after.layer):
        said = meaning(path)
        if said is None or not said.is_gradient or not isinstance(value, np.ndarray | float | np.generic):
            continue
        if said.word in own:
            same_word.append((path, value))
        elif said.names(name):
            same_name.append((path, value))
        elif said_of_param and not said.word and said.position is not None:
            same_position.append((path, value))
    for candidates in (same_word, same_name, same_position):
        fitting = [(path, value) for path, value in candidates if same_but_for_ones(np.shape(value), shape)]
        if candidates is same_position and said_of_param and said_of_param.position is not None:
            beside = [one for one in fitting if one[0].steps[-1].key == said_of_param.position]
            fitting = beside or fitting
        elif not fitting:
            fitting = candidates[:1]  # of a wrong shape: for the check to blame
        if fitting:
            refuse_several(
                after.layer, fitting, f"the gradient of {name!r}", f"grads={{{name!r}: {str(fitting[0][0])!r}}}"
            )
            return fitting[0][0]
    return None


def not_found(layer: Any, name: str, shape: tuple[int, ...]) -> NotFoundError:
    """Return the error of a gradient that is nowhere."""
    alike = [
        str(path)
        for path, value in places(layer)
        if isinstance(value, np.ndarray) and value.ndim and same_but_for_ones(value.shape, shape)
    ]
    near = f" (of that shape: {', '.join(alike[:4])})" if alike else ""
    return NotFoundError(
        f"no gradient of {name!r} after backward of {type(layer).__name__}: looked for "
        f"{looked_for(name, gradient=True)} and what backward returns; it has {attribute_names(layer)}{near}; "
        f"say where it is: grads={{{name!r}: '…'}}"
    )
