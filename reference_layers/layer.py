"""What a layer is here, and the refusals that layers share."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
Params: TypeAlias = dict[str, Array]

#: By the number of axes of space: their names, what stands for them in a shape, and so many numbers in words.
AXES = {1: ("length",), 2: ("height", "width"), 3: ("depth", "height", "width")}
SPACE = {1: ("L",), 2: ("H", "W"), 3: ("D", "H", "W")}
COUNTS = {2: "a pair", 3: "a triple"}


class ShapeError(ValueError):
    """An array does not have the shape that a layer needs; the message shows both."""


@runtime_checkable
class Layer(Protocol):
    """A layer: hyper-parameters in a frozen dataclass, and nothing that changes.

    Parameters and what the backward pass needs are passed explicitly, so that a forward can be pulled back any
    number of times and in any order.
    """

    def init(self, rng: np.random.Generator) -> Params:
        """Return fresh parameters in float64."""

    def forward(self, params: Params, x: Any, *constants: Any) -> tuple[Any, Any]:
        """Return the output, in the dtype of `x`, and what `backward` needs."""

    def backward(self, params: Params, cache: Any, grad_output: Any) -> tuple[Any, Params]:
        """Return the gradients of the input and of every parameter."""


def require_shape(what: str, array: Array, expected: tuple[int | str, ...]) -> None:
    """Refuse an array whose shape is not `expected`, where a str stands for any size.

    Raises
    ------
    ShapeError

    Examples
    --------
    >>> require_shape("x", np.ones((2, 3)), ("N", 4))
    Traceback (most recent call last):
    reference_layers.layer.ShapeError: expected x of shape (N, 4), got shape=(2, 3)
    """
    shape = array.shape
    fits = len(shape) == len(expected) and all(
        isinstance(due, str) or size == due for size, due in zip(shape, expected, strict=True)
    )
    if not fits:
        wanted = ", ".join(map(str, expected)) + ("," if len(expected) == 1 else "")
        raise ShapeError(f"expected {what} of shape ({wanted}), got shape={shape}")


def require_positive(**values: int) -> None:
    """Refuse hyper-parameters that are not positive integers.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> require_positive(groups=0)
    Traceback (most recent call last):
    ValueError: expected groups to be a positive int, got groups=0
    """
    for name, value in values.items():
        if not is_int(value) or value < 1:
            raise ValueError(f"expected {name} to be a positive int, got {name}={value!r}")


def require_number(least: float = -math.inf, most: float = math.inf, **values: float) -> None:
    """Refuse hyper-parameters that are not finite numbers from `least` to `most`.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> require_number(0, 1, label_smoothing=1.5)
    Traceback (most recent call last):
    ValueError: expected label_smoothing to be a number from 0 to 1, got label_smoothing=1.5
    """
    limits = "" if math.isinf(least) else f" from {least:g}" + ("" if math.isinf(most) else f" to {most:g}")
    for name, value in values.items():
        number = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
        if not (number and least <= value <= most):
            raise ValueError(
                f"expected {name} to be a {'' if limits else 'finite '}number{limits}, got {name}={value!r}"
            )


def require_flag(**values: bool) -> None:
    """Refuse hyper-parameters that are neither True nor False: a word such as "no" would count as True.

    Raises
    ------
    ValueError

    Examples
    --------
    >>> require_flag(bias="no")
    Traceback (most recent call last):
    ValueError: expected bias to be True or False, got bias='no'
    """
    for name, value in values.items():
        if not isinstance(value, bool | np.bool):
            raise ValueError(f"expected {name} to be True or False, got {name}={value!r}")


def per_axis(name: str, value: Any, rank: int, least: int = 1) -> tuple[int, ...]:
    """Return an int of at least `least`, or one for each of `rank` axes of space, as a tuple.

    Raises
    ------
    ValueError
        If it is neither.

    Examples
    --------
    >>> per_axis("stride", 2, 3), per_axis("stride", (1, 3), 2)
    ((2, 2, 2), (1, 3))
    """
    numbers = (value,) * rank if is_int(value) else value
    if not (isinstance(numbers, tuple | list) and len(numbers) == rank and all(map(is_int, numbers))):
        several = f" or {COUNTS[rank]} of ints ({', '.join(AXES[rank])})" if rank > 1 else ""
        raise ValueError(f"expected {name} to be an int{several}, got {name}={value!r}")
    if min(numbers) < least:
        raise ValueError(f"expected {name} to be at least {least}, got {name}={value!r}")
    return tuple(map(int, numbers))


def pair(name: str, value: Any) -> tuple[int, int]:
    """Return a positive int, or a pair of them, as the pair (height, width).

    Raises
    ------
    ValueError
        If it is neither.

    Examples
    --------
    >>> pair("stride", 2), pair("stride", (1, 3))
    ((2, 2), (1, 3))
    """
    height, width = per_axis(name, value, 2)
    return height, width


def is_int(value: object) -> bool:
    """Whether it is an integer of Python or NumPy, and no bool."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
