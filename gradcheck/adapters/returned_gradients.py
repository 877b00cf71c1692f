"""Which gradient is which among what a backward returned: declared, told by keys, by order, or by shapes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from gradcheck.adapters.signatures import Spec, match_gradients, names_in
from gradcheck.subject import Array, Arrays, Outputs

#: Keys and indices that lead to one of several nested results.
Path: TypeAlias = tuple[Any, ...]

#: Relative difference above which a slope is not that of a gradient, by the size of an item of its dtype.
_UNLIKE = {8: 1e-2, 4: 5e-2, 2: 0.3}
#: Gradients of one shape, more than which are not tried in every order.
_MOST_EXCHANGED = 5
_STEP = {8: 1e-5, 4: 1e-2, 2: 5e-2}


def leaves(result: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield what nested tuples, lists and dicts hold, with the way to it; a list of numbers is an array."""
    if isinstance(result, Mapping):
        for key, item in result.items():
            yield from leaves(item, (*path, key))
    elif isinstance(result, tuple) or (isinstance(result, list) and not _is_numbers(result)):
        for index, item in enumerate(result):
            yield from leaves(item, (*path, index))
    else:
        yield path, result


def follow(result: Any, path: Path) -> Any:
    """Return what lies at the end of a path."""
    for step in path:
        result = result[step]
    return result


def as_array(value: Any, like: Array | None = None) -> Any:
    """Return Python numbers, and lists of them, as an array in the dtype of `like`; anything else as it is.

    What has a single entry gets the shape of `like`, if that has a single one too.
    """
    if isinstance(value, np.generic):
        value = np.asarray(value)
    elif not isinstance(value, bool) and (isinstance(value, Real) or _is_numbers(value)):
        value = np.asarray(value, dtype=np.float64 if like is None else like.dtype)
    if isinstance(value, np.ndarray) and like is not None and value.ndim == 0 and like.size == 1:
        return value.reshape(like.shape)
    return value


def as_outputs(value: Any) -> Any:
    """Return an output, or a tuple or list of several, as arrays."""
    if isinstance(value, tuple) or (isinstance(value, list) and not _is_numbers(value)):
        return tuple(as_array(item) for item in value)
    return as_array(value)


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
        self._what = what
        self._found = dict(leaves(result))
        self.paths = self._declared(returns) if returns is not None else self._detected(order)
        for name, path in self.paths.items():
            if self._found[path] is None:
                raise ValueError(
                    f"expected a gradient of {name!r}, got None from {what}; if none is wanted, pass {name!r} as a "
                    f"constant and not as a primal"
                )

    def __call__(self, result: Any, values: Arrays) -> dict[str, Array]:
        """Return the gradients of one result by name, at these values of the primals."""
        return {name: as_array(follow(result, path), values[name]) for name, path in self.paths.items()}

    def _declared(self, returns: Sequence[Spec]) -> dict[str, Path]:
        returns = (returns,) if isinstance(returns, str) else returns
        if sorted(names_in(returns)) != sorted(self._primals):
            raise ValueError(
                f"expected returns to name each of {', '.join(self._primals)} once, got returns={returns!r}"
            )
        if any(isinstance(item, Mapping) for item in (returns, *returns)):
            paths = {name: path for path, name in leaves(returns) if name is not None}
            for name, path in paths.items():
                if path not in self._found:
                    raise ValueError(
                        f"expected {self._what} to return {name!r} at {_written(path)}, as returns={returns!r} says, "
                        f"got {self._shown(self._found)}"
                    )
        else:
            names = [name for _, name in leaves(returns)]
            if len(names) != len(self._found):
                raise ValueError(
                    f"expected {self._what} to return {len(names)} results, as returns={returns!r} says, got "
                    f"{self._shown(self._found)}"
                )
            paths = {name: path for path, name in zip(self._found, names, strict=True) if name is not None}
        return paths

    def _detected(self, order: Sequence[str]) -> dict[str, Path]:
        keyed = {path: path[-1] for path in self._found if path and isinstance(path[-1], str)}
        by_key = match_gradients(keyed.values(), self._primals)
        paths = {by_key[key]: path for path, key in keyed.items() if key in by_key}
        left = [name for name in order if name not in paths]
        wanted = [name for name in left if name in self._primals]
        free = [path for path in self._found if path not in keyed]
        given = [path for path in free if self._found[path] is not None]
        if len(given) == len(wanted):
            return {**paths, **self._by_shape(wanted, given)}
        if len(free) == len(left):
            return {**paths, **{name: path for name, path in zip(left, free, strict=True) if name in self._primals}}
        raise ValueError(
            f"could not tell which results of {self._what} are the gradients of "
            f"{self._shown(self._primals)}: got {self._shown(self._found)}; declare returns=({self._example()}), with "
            f"None for a result that is no gradient"
        )

    def _by_shape(self, names: Sequence[str], paths: Sequence[Path]) -> dict[str, Path]:
        """Return paths in the order of the names, unless shapes say that they come in another order."""
        by_order = dict(zip(names, paths, strict=True))
        return self._fitting(by_order) or by_order

    def _fitting(self, paths: Mapping[str, Path]) -> dict[str, Path] | None:
        """Return these paths in an order in which every gradient has its primal's shape; None if there is none."""
        free = list(paths.values())
        fits: dict[str, Path] = {}
        for name in paths:
            path = next((path for path in free if self._shape(path) == self._primals[name].shape), None)
            if path is None:
                return None
            fits[name] = path
            free.remove(path)
        return fits

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
        fitting = self._fitting(self.paths)
        if fitting is None:
            return  # their shapes are wrong in any order, which the check tells
        truly = self._by_slopes(fitting, outputs, cotangent, result)
        name = next((name for name in self.paths if truly[name] != self.paths[name]), None)
        if name is None:
            return
        other = next(key for key, path in truly.items() if path == self.paths[name])
        shape, due = self._shape(self.paths[name]), self._primals[name].shape
        told = f"of shape {shape} where {due} is due" if shape != due else "as the slopes of the forward tell"
        raise ValueError(
            f"expected the gradient of {name!r}, got that of {other!r} in its place, {told}: the results are in "
            f"another order, declare returns={self._as_returns(truly)}"
        )

    def _by_slopes(
        self, paths: Mapping[str, Path], outputs: Callable[[Arrays], Outputs], cotangent: Any, result: Any
    ) -> dict[str, Path]:
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
            values.append(inner(cotangent, outputs(moved)))
        return (values[0] - values[1]) / (2 * step)

    def _as_returns(self, paths: Mapping[str, Path]) -> str:
        names = {path: name for name, path in paths.items()}
        return f"({', '.join(repr(names.get(path)) for path in self._found)})"

    def _shape(self, path: Path) -> tuple[int, ...] | None:
        value = self._found[path]
        return None if value is None else np.shape(as_array(value))

    def _shown(self, arrays: Mapping[Any, Any]) -> str:
        def one(key: Any, value: Any) -> str:
            text = "None" if value is None else f"shape {np.shape(as_array(value))}"
            word = key if isinstance(key, str) else next((step for step in key[::-1] if isinstance(step, str)), "")
            return f"{word!r} of {text}" if word else text

        return ", ".join(one(key, value) for key, value in arrays.items()) or "nothing"

    def _example(self) -> str:
        return ", ".join(repr(name) for name in self._primals)


def inner(cotangent: Any, outputs: Any) -> float:
    """Return ⟨cotangent, outputs⟩."""
    pairs = zip(as_tuple(cotangent), as_tuple(outputs), strict=True)
    return float(sum(np.sum(np.asarray(g, dtype=np.float64) * np.asarray(y)) for g, y in pairs))


def as_tuple(outputs: Any) -> tuple[Any, ...]:
    """Return one output, or several, as a tuple."""
    return outputs if isinstance(outputs, tuple) else (outputs,)


def trial_cotangent(outputs: Any) -> Any:
    """Return a cotangent in the form of the outputs, the same each time."""
    rng = np.random.default_rng(0)

    def one(output: Any) -> Any:
        array = np.asarray(output)
        dtype = array.dtype if array.dtype.kind == "f" else np.dtype(np.float64)
        return np.asarray(rng.uniform(0.5, 1.5, array.shape), dtype=dtype)

    cotangents = tuple(one(output) for output in as_tuple(outputs))
    return cotangents if isinstance(outputs, tuple) else cotangents[0]


def _order(slopes: Mapping[str, float], claims: Mapping[str, float], unlike: float) -> tuple[str, ...]:
    """Return whose claims are the slopes, in the order of the slopes: the names' own order where that fits, or none."""
    scale = max(map(abs, (*slopes.values(), *claims.values())))
    for order in itertools.permutations(slopes):
        if all(abs(slopes[a] - claims[b]) <= unlike * scale for a, b in zip(slopes, order, strict=True)):
            return order
    return tuple(slopes)


def _written(path: Path) -> str:
    return "".join(f"[{step!r}]" for step in path)


def _is_numbers(value: Any) -> bool:
    """Whether a value is a list of numbers, or of such lists."""
    return (
        isinstance(value, list) and bool(value) and all(isinstance(item, Real) or _is_numbers(item) for item in value)
    )
