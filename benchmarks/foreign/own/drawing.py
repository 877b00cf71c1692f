"""Arguments of functions, drawn over random sizes and eleven value regimes, each inside the domain of its function.

An argument is drawn by its dimensions, ``"m n"``: a lower-case letter is a size from 1 to 6, an upper-case one from 2
to 6, the same in all arguments of a function; a number is itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from gradcheck import Subject
from gradcheck.strategies.values import REGIMES as BASE_REGIMES
from gradcheck.strategies.values import values

REGIMES = (*BASE_REGIMES, "mixed_scales", "saturated", "after_relu", "equal_rows")

Array: TypeAlias = np.ndarray[Any, Any]


class Draw:
    """One draw: the sizes of all letters, a regime, and the generator that both follow from."""

    def __init__(self, regime: str, seed: int) -> None:
        self.regime = regime
        self.rng = np.random.default_rng(seed)
        self._sizes: dict[str, int] = {}

    def shape(self, dims: str) -> tuple[int, ...]:
        """Return the sizes of the dimensions."""
        return tuple(int(letter) if letter.isdigit() else self.size(letter) for letter in dims.split())

    def size(self, letter: str) -> int:
        """Return the size that a letter stands for."""
        return self._sizes.setdefault(letter, int(self.rng.integers(2 if letter.isupper() else 1, 7)))

    def values(self, dims: str) -> Array:
        """Return an array whose entries follow the regime."""
        shape = self.shape(dims)
        match self.regime:
            case "mixed_scales":
                return self.rng.choice([-1.0, 1.0], shape) * 10 ** self.rng.uniform(-6, 4, shape)
            case "saturated":
                return self.rng.choice([-1.0, 1.0], shape) * self.rng.uniform(15, 25, shape)
            case "after_relu":
                return np.maximum(self.rng.standard_normal(shape), 0)
            case "equal_rows":
                return np.ones(shape) * self.rng.standard_normal(shape[1:])
            case regime:
                return values(regime, shape, self.rng)


Argument: TypeAlias = Callable[[Draw], Array]


def within(array: Array, limit: float) -> Array:
    """Scale an array so that no entry exceeds the limit; ties stay ties."""
    largest = np.abs(array).max()
    return array * (limit / largest) if largest > limit else array


def real(dims: str, limit: float = np.inf) -> Argument:
    """Any real numbers, none larger than the limit."""
    return lambda draw: within(draw.values(dims), limit)


def positive(dims: str, least: float = 1e-6, limit: float = np.inf) -> Argument:
    """Numbers from `least` to `limit`."""
    return lambda draw: np.maximum(within(np.abs(draw.values(dims)), limit), least)


def unit(dims: str, margin: float = 1e-3) -> Argument:
    """Numbers inside (0, 1)."""
    return lambda draw: margin + (1 - 2 * margin) / (1 + np.exp(-within(draw.values(dims), 40)))


def increasing(dims: str) -> Argument:
    """Numbers that increase along the last axis by at least 0.1."""
    return lambda draw: np.cumsum(np.maximum(np.abs(within(draw.values(dims), 3)), 0.1), axis=-1)


def dominant(dims: str) -> Argument:
    """Square matrices whose diagonal outweighs the rest of its row, so that they are well conditioned."""

    def draw_matrix(draw: Draw) -> Array:
        matrix = within(draw.values(dims), 1e3)
        return matrix + (1 + np.abs(matrix).sum(axis=-1).max()) * 1.5 * np.eye(matrix.shape[-1])

    return draw_matrix


def positive_definite(dims: str) -> Argument:
    """Symmetric matrices whose diagonal outweighs the rest of its row."""

    def draw_matrix(draw: Draw) -> Array:
        matrix = within(draw.values(dims), 1e3)
        matrix = matrix + np.swapaxes(matrix, -1, -2)
        return matrix + (1 + np.abs(matrix).sum(axis=-1).max()) * 1.5 * np.eye(matrix.shape[-1])

    return draw_matrix


def index(dims: str, below: str) -> Argument:
    """Indices into a dimension; no gradient is wanted for them."""
    return lambda draw: draw.rng.integers(0, draw.size(below), draw.shape(dims))


def sign(dims: str) -> Argument:
    """Labels −1 and 1; no gradient is wanted for them."""
    return lambda draw: draw.rng.choice([-1, 1], draw.shape(dims))


def count(dims: str) -> Argument:
    """Counts from 0 to 9; no gradient is wanted for them."""
    return lambda draw: draw.rng.integers(0, 10, draw.shape(dims))


@dataclass(frozen=True, kw_only=True)
class Function:
    """A function with its hand-written pullback.

    Attributes
    ----------
    vjp : callable
        ``outputs, pullback = vjp(**arguments)``; the pullback returns the gradients by name. It computes in the dtype
        of the arguments.
    arguments : mapping of str to callable
        What draws each argument. Arrays of integers are constants.
    accumulates_in : str, optional
        The dtype in which a pullback that cancels computes, whatever the dtype of the arguments that it returns to.
    """

    vjp: Callable[..., tuple[Any, Callable[[Any], Mapping[str, Any]]]]
    arguments: Mapping[str, Argument]
    accumulates_in: str | None = None

    @property
    def name(self) -> str:
        """Return the name of the function as it is written."""
        return self.vjp.__name__

    def subject(self, dtype: str, regime: str, seed: int, reproduce: str = "") -> Subject:
        """Return the function at a point that is drawn."""
        draw = Draw(regime, seed)
        drawn = {name: argument(draw) for name, argument in self.arguments.items()}
        constants = {name: array for name, array in drawn.items() if array.dtype.kind == "i"}
        primals = {name: array.astype(dtype) for name, array in drawn.items() if name not in constants}

        def vjp(arrays: Mapping[str, Array]) -> tuple[Any, Callable[[Any], Mapping[str, Array]]]:
            outputs, pullback = self.vjp(**arrays, **constants)
            if not self.accumulates_in:
                return np.asarray(outputs), lambda cotangent: _as_arrays(pullback(cotangent))
            wider = np.result_type(self.accumulates_in, outputs)
            pullback = self.vjp(**{name: array.astype(wider) for name, array in arrays.items()}, **constants)[1]

            def pull(cotangent: Array) -> Mapping[str, Array]:
                gradients = _as_arrays(pullback(cotangent.astype(wider)))
                return {name: gradient.astype(outputs.dtype) for name, gradient in gradients.items()}

            return np.asarray(outputs), pull

        return Subject(self.name, primals, vjp, constants=constants, reproduce=reproduce)


def _as_arrays(gradients: Mapping[str, Any]) -> dict[str, Array]:
    return {name: np.asarray(gradient) for name, gradient in gradients.items()}


def function(*, accumulates_in: str | None = None, **arguments: Argument) -> Callable[[Callable[..., Any]], Function]:
    """Make a vjp and what draws its arguments into a `Function`."""
    return lambda vjp: Function(vjp=vjp, arguments=arguments, accumulates_in=accumulates_in)
