"""Which gradient is which among what a function returned: declared, else by keys, order, shapes or slopes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.adapters.returned_gradients import Results, fit_shapes
from gradcheck.adapters.returned_values import KeyPath, as_array, as_tuple, follow, leaves
from gradcheck.adapters.signatures import Spec, match_names, names_in
from gradcheck.subject import Array, Arrays, Outputs

#: Relative difference above which a slope is not that of a gradient, by the size of an item of its dtype.
_UNLIKE = {8: 1e-2, 4: 5e-2, 2: 0.3}
#: Gradients of one shape, more than which are not tried in every order.
_MOST_EXCHANGED = 5
_STEP = {8: 1e-5, 4: 1e-2, 2: 5e-2}


class Gradients:
    """Where among the results of a backward the gradient of each primal is.

    Parameters
    ----------
    result : object
        What the backward returned once.
    primals : mapping of str to ndarray
        Those whose gradients are returned.
    order : sequence of str
        The forward's arguments: in this order results are expected.
    returns : sequence of Spec, optional
        The order that is declared, with None for what is no gradient.
    what : str
        What messages call the function.

    Raises
    ------
    ValueError
        If the results cannot be told apart, or are not in the order that is declared.
    """

    def __init__(
        self, result: Any, primals: Arrays, order: Sequence[str], returns: Sequence[Spec] | None, what: str = "backward"
    ) -> None:
        self._primals = primals
        self._results = Results(what=what, values=dict(leaves(result)))
        self.paths = self._declared(returns) if returns is not None else self._detected(order)
        for name, path in self.paths.items():
            if self._results.values[path] is None:
                raise ValueError(
                    f"expected a gradient of {name!r}, got None from {what}; if none is wanted, pass {name!r} as a "
                    f"constant and not as a primal"
                )

    def __call__(self, result: Any, values: Arrays) -> dict[str, Array]:
        """Return the gradients of one result by name, at these values of the primals."""
        return {name: as_array(follow(result, path), values[name]) for name, path in self.paths.items()}

    def _declared(self, returns: Sequence[Spec]) -> dict[str, KeyPath]:
        returns = (returns,) if isinstance(returns, str) else returns
        if sorted(names_in(returns)) != sorted(self._primals):
            raise ValueError(
                f"expected returns to name each of {', '.join(self._primals)} once, got returns={returns!r}"
            )
        if not any(isinstance(item, Mapping) for item in (returns, *returns)):
            return self._results.as_declared(returns)
        paths = {name: path for path, name in leaves(returns) if name is not None}
        for name, path in paths.items():
            if path not in self._results.values:
                raise ValueError(
                    f"expected {self._results.what} to return {name!r} at {_written(path)}, as returns={returns!r} "
                    f"says, got {_shown(self._results.values)}"
                )
        return paths

    def _detected(self, order: Sequence[str]) -> dict[str, KeyPath]:
        values = self._results.values
        keyed = {path: path[-1] for path in values if path and isinstance(path[-1], str)}
        by_key = match_gradients(keyed.values(), self._primals)
        paths = {by_key[key]: path for path, key in keyed.items() if key in by_key}
        left = [name for name in order if name not in paths]
        wanted = [name for name in left if name in self._primals]
        free = [path for path in values if path not in keyed]
        given = [path for path in free if values[path] is not None]
        if len(given) == len(wanted):
            by_order = dict(zip(wanted, given, strict=True))
            return {**paths, **(self._by_shape(by_order) or by_order)}
        if len(free) == len(left):
            return {**paths, **{name: path for name, path in zip(left, free, strict=True) if name in self._primals}}
        raise ValueError(
            f"could not tell which results of {self._results.what} are the gradients of {_shown(self._primals)}: got "
            f"{_shown(values)}; declare returns=({', '.join(map(repr, self._primals))}), with None for a result that "
            f"is no gradient"
        )

    def _by_shape(self, paths: Mapping[str, KeyPath]) -> dict[str, KeyPath] | None:
        """Return these paths in an order in which every gradient has its primal's shape; None if there is none."""
        due = {name: self._primals[name].shape for name in paths}
        return fit_shapes(due, {path: self._results.shape(path) for path in paths.values()})

    def require_order(self, outputs: Callable[[Arrays], Outputs], cotangent: Any, result: Any) -> None:
        """Refuse gradients that come in another order, as their shapes tell, or else the slopes of the forward.

        Parameters
        ----------
        outputs : callable
            The forward.
        cotangent : ndarray or tuple of ndarray
        result : object
            What the backward returned for this cotangent.

        Raises
        ------
        ValueError
            If the gradients are those of each other's primals; the message says what to declare.
        """
        fitting = self._by_shape(self.paths)
        if fitting is None:
            return  # their shapes are wrong in any order, which the check tells
        truly = self._by_slopes(fitting, outputs, cotangent, result)
        name = next((name for name in self.paths if truly[name] != self.paths[name]), None)
        if name is None:
            return
        other = next(key for key, path in truly.items() if path == self.paths[name])
        shape, due = self._results.shape(self.paths[name]), self._primals[name].shape
        evidence = f"of shape {shape} where {due} is due" if shape != due else "as the slopes of the forward tell"
        raise ValueError(
            f"expected the gradient of {name!r}, got that of {other!r} in its place, {evidence}: the results are in "
            f"another order, declare returns={self._as_returns(truly)}"
        )

    def _by_slopes(
        self, paths: Mapping[str, KeyPath], outputs: Callable[[Arrays], Outputs], cotangent: Any, result: Any
    ) -> dict[str, KeyPath]:
        """Return these paths, those of one shape exchanged if only then every gradient is a slope of the forward."""
        truly = dict(paths)
        groups: dict[tuple[Any, ...], list[str]] = {}
        for name in paths:
            groups.setdefault((self._primals[name].shape, self._primals[name].dtype), []).append(name)
        for (shape, dtype), names in groups.items():
            if not 2 <= len(names) <= _MOST_EXCHANGED:
                continue
            direction = np.random.default_rng(0).uniform(0.5, 1.5, shape).astype(dtype)
            slopes = {name: self._slope(outputs, cotangent, name, direction) for name in names}
            found = {name: as_array(follow(result, paths[name]), self._primals[name]) for name in names}
            claims = {name: float(np.sum(found[name] * direction, dtype=np.float64)) for name in names}
            for name, other in zip(names, _order(slopes, claims, _UNLIKE[dtype.itemsize]), strict=True):
                truly[name] = paths[other]
        return truly

    def _slope(self, outputs: Callable[[Arrays], Outputs], cotangent: Any, name: str, direction: Array) -> float:
        step = _STEP[direction.dtype.itemsize]
        values = []
        for sign in (1, -1):
            moved = {key: np.array(array) for key, array in self._primals.items()}
            moved[name] += (sign * step * direction).astype(direction.dtype)
            values.append(_inner(cotangent, outputs(moved)))
        return (values[0] - values[1]) / (2 * step)

    def _as_returns(self, paths: Mapping[str, KeyPath]) -> str:
        names = {path: name for name, path in paths.items()}
        return f"({', '.join(repr(names.get(path)) for path in self._results.values)})"


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


def _shown(arrays: Mapping[Any, Any]) -> str:
    """Return names and shapes of primals or results, as a sentence lists them."""

    def one(key: Any, value: Any) -> str:
        text = "None" if value is None else f"shape {np.shape(value)}"
        word = key if isinstance(key, str) else next((step for step in key[::-1] if isinstance(step, str)), "")
        return f"{word!r} of {text}" if word else text

    return ", ".join(one(key, value) for key, value in arrays.items()) or "nothing"


def _inner(cotangent: Any, outputs: Any) -> float:
    """Return ⟨cotangent, outputs⟩."""
    pairs = zip(as_tuple(cotangent), as_tuple(outputs), strict=True)
    return float(sum(np.sum(np.asarray(g, dtype=np.float64) * np.asarray(y)) for g, y in pairs))


def _order(slopes: Mapping[str, float], claims: Mapping[str, float], unlike: float) -> tuple[str, ...]:
    """Return whose claims are the slopes, in the order of the slopes: the names' own order where that fits, or none."""
    scale = max(map(abs, (*slopes.values(), *claims.values())))
    for order in itertools.permutations(slopes):
        if all(abs(slopes[a] - claims[b]) <= unlike * scale for a, b in zip(slopes, order, strict=True)):
            return order
    return tuple(slopes)


def _written(path: KeyPath) -> str:
    return "".join(f"[{step!r}]" for step in path)
