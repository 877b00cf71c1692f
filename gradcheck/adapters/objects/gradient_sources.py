"""Where a layer object leaves its gradients: returned, kept, handed to an optimizer, or seen in an update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from gradcheck.adapters.objects.named_places import find_gradient, same_but_for_ones, without_ones
from gradcheck.adapters.objects.parameter_names import meaning
from gradcheck.adapters.objects.paths import Path
from gradcheck.adapters.objects.recorder import Recorder
from gradcheck.adapters.returned_gradients import Results, Shape, fit_shapes
from gradcheck.adapters.returned_values import KeyPath
from gradcheck.subject import Array


@dataclass(frozen=True, kw_only=True)
class BackwardResult:
    """What a backward pass left behind.

    Attributes
    ----------
    layer : object
    returned : Results
    before : dict of str to ndarray
        Copies of the parameters before it.
    params : dict of str to Path
    rate : float
        The learning rate that it was given.
    recorder : Recorder or None
    """

    layer: Any
    returned: Results
    before: dict[str, Array]
    params: Mapping[str, Path]
    rate: float
    recorder: Recorder | None


@dataclass(frozen=True, kw_only=True)
class Returned:
    """A gradient that backward returns."""

    path: KeyPath

    def read(self, after: BackwardResult) -> Any:
        """Return the very array."""
        return after.returned.values.get(self.path)


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A gradient that backward leaves in the layer."""

    path: Path

    def read(self, after: BackwardResult) -> Any:
        """Return a copy: what a layer keeps for itself it may change."""
        value = self.path.get(after.layer)
        return np.array(value) if isinstance(value, np.ndarray | np.generic | float) else None


@dataclass(frozen=True, kw_only=True)
class Updated:
    """A gradient that shows in what backward does to the parameter."""

    name: str

    def read(self, after: BackwardResult) -> Any:
        """Return the step divided by the learning rate."""
        before = after.before[self.name]
        return (before - np.asarray(after.params[self.name].get(after.layer))) / before.dtype.type(after.rate)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A gradient that backward hands to its optimizer."""

    name: str

    def read(self, after: BackwardResult) -> Any:
        """Return it; where it came in parts, their sum."""
        assert after.recorder is not None
        named = [gradient for name, gradient in after.recorder.gradients if name == self.name]
        shape = after.before[self.name].shape
        fitting = [g for name, g in after.recorder.gradients if name is None and same_but_for_ones(g.shape, shape)]
        return sum(named) if named else fitting[0] if len(fitting) == 1 else None


GradientSource: TypeAlias = Returned | Stored | Updated | Recorded


def returned_sources(
    after: BackwardResult, shapes: Mapping[str, Shape], inputs: Sequence[str], returns: Any
) -> dict[str, GradientSource]:
    """Return which of the primals that have these shapes get their gradient from what backward returned.

    Raises
    ------
    ValueError
        If what came does not fit what was declared, or may be one or the other.
    """
    results = after.returned
    if returns is not None:
        paths = _declared(results, shapes, returns)
    elif any(map(_key, results.values)):
        paths = _by_key(results, shapes)
    else:
        paths = _by_order(results, shapes, [name for name in inputs if name in shapes])
    return {name: Returned(path=path) for name, path in paths.items()}


def _declared(results: Results, shapes: Mapping[str, Shape], returns: Any) -> dict[str, KeyPath]:
    paths = results.as_declared(returns)
    for name in paths:
        if name not in shapes:
            raise ValueError(f"expected returns to name the primals {list(shapes)}, got {name!r} (None leaves one out)")
    due = {name: shapes[name] for name in paths}
    for name, path in paths.items():
        value = results.values[path]
        if isinstance(value, np.ndarray) and not same_but_for_ones(value.shape, shapes[name]):
            fitting, is_only = _by_shape(results, due, list(paths.values()))
            if fitting and is_only:
                raise ValueError(
                    f"{results.what} returned as the gradient of {name!r} an array of shape {value.shape}, and not "
                    f"{shapes[name]}; the shapes fit in another order: returns={_in_order(fitting, results)}"
                )
    return paths


def _by_key(results: Results, shapes: Mapping[str, Shape]) -> dict[str, KeyPath]:
    """Return which primals the keys of a dict speak of; what has no key is the input's."""
    found: dict[str, KeyPath] = {}
    for path in results.values:
        key = _key(path)
        said = meaning(Path.parse(key)) if key.isidentifier() else None
        names = [name for name in shapes if key == name or (said and said.names(name))] if key else ["x"]
        found |= {name: path for name in names if name in shapes and name not in found}
    return found


def _by_order(results: Results, shapes: Mapping[str, Shape], inputs: Sequence[str]) -> dict[str, KeyPath]:
    """Return the gradients of the inputs in their order, or those of all primals as their shapes tell."""
    given = [path for path, value in results.values.items() if value is not None]
    if not given:
        return {}
    if len(given) == len(inputs):
        return dict(zip(inputs, given, strict=True))
    if len(given) != len(shapes):
        raise ValueError(
            f"{results.what} returned {len(given)} values, of shapes {results.shapes(given)}, for the primals "
            f"{', '.join(map(repr, shapes))}; say what they are: returns={tuple(inputs)!r}"
        )
    fitting, is_only = _by_shape(results, shapes, given)
    if fitting is None or not is_only:
        why = "none of which fits" if fitting is None else "which fit in several orders"
        raise ValueError(
            f"{results.what} returned arrays of shapes {results.shapes(given)}, {why} the shapes of the primals "
            f"{dict(shapes)}; say in which order they come: returns={tuple(shapes)!r}"
        )
    return fitting


def _by_shape(
    results: Results, shapes: Mapping[str, Shape], paths: Sequence[KeyPath]
) -> tuple[dict[str, KeyPath] | None, bool]:
    """Return results that fit the primals but for axes of size 1, if there are, and whether no others do."""
    due = {name: without_ones(shape) for name, shape in shapes.items()}
    fitting = fit_shapes(due, {path: without_ones(results.shape(path) or ()) for path in paths})
    return fitting, len(set(due.values())) == len(due)


def _in_order(paths: Mapping[str, KeyPath], results: Results) -> tuple[str, ...]:
    """Return the primals in the order in which their gradients were returned."""
    return tuple(sorted(paths, key=lambda name: list(results.values).index(paths[name])))


def _key(path: KeyPath) -> str:
    """Return the innermost name on the way to a result; nothing where there is none."""
    return next((step for step in reversed(path) if isinstance(step, str)), "")


def attribute_sources(
    after: BackwardResult, shapes: Mapping[str, Shape], given: Mapping[str, str]
) -> dict[str, GradientSource]:
    """Return which of the primals that have these shapes get their gradient from a place in the layer.

    Raises
    ------
    ValueError
        If a place that was declared holds nothing, or several may be meant.
    """
    found = {
        name: find_gradient(after.layer, name, shape, param=after.params.get(name), given=given)
        for name, shape in shapes.items()
    }
    return {name: Stored(path=path) for name, path in found.items() if path is not None}
