"""Activations that offer only an elementwise derivative, of their input or of their output."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import numpy as np

from gradcheck.adapters.functions.function_calls import arrays_of
from gradcheck.adapters.returned_values import as_array, as_outputs
from gradcheck.adapters.signatures import name_of
from gradcheck.adapters.subject_from import subject_from
from gradcheck.subject import Array, Arrays, Pullback, Subject, Trait

#: Step, and relative difference above which a slope is not that of a derivative, by the size of an item of the dtype.
_STEPS = {8: (1e-6, 1e-4), 4: (1e-2, 2e-2), 2: (5e-2, 0.2)}
#: Share of entries that must agree: some may lie at a kink.
_MOST = 0.9


def from_derivative(
    function: Callable[..., Any],
    derivative: Callable[..., Any],
    primals: Arrays | Array,
    *,
    of: Literal["input", "output"] = "input",
    name: str | None = None,
    traits: Iterable[Trait] = (),
    reproduce: str = "",
    **options: Any,
) -> Subject:
    """Return a function that acts on each entry, with its derivative, as a subject.

    Parameters
    ----------
    function : callable
        ``y = function(x)``, entry by entry.
    derivative : callable
        ``derivative(x)`` (or ``derivative(y)``): the derivative at each entry.
    primals : ndarray, or mapping of one name to ndarray
        Where to evaluate; an array is called ``"x"``.
    of : {"input", "output"}
        What `derivative` takes.
    name : str, optional
        Default: the name of `function`.
    traits, reproduce
        As `Subject` takes them.
    **options
        Passed to both by keyword.

    Raises
    ------
    ValueError
        If there are several primals, if the derivative has not the shape of the output, or if it is evidently taken
        of the other one of input and output.

    Examples
    --------
    >>> import gradcheck
    >>> subject = from_derivative(np.tanh, lambda y: 1 - y * y, np.array([0.5, -2.0]), of="output")
    >>> gradcheck.check(subject).verdict
    'passed'
    """
    if of not in ("input", "output"):
        raise ValueError(f"expected of to be 'input' or 'output', got of={of!r}")
    arrays = arrays_of(primals if isinstance(primals, Mapping) else {"x": primals})
    if len(arrays) != 1:
        raise ValueError(f"expected one primal, the input of {name_of(function)}, got {', '.join(arrays)}")
    ((key, x),) = arrays.items()

    def forward(x: Array) -> Any:
        return as_outputs(function(x, **options))

    def slope(x: Array, y: Array, of: str) -> Any:
        found = as_array(derivative(x if of == "input" else y, **options), x)
        # Steps are often written as comparisons or in integers.
        return found.astype(x.dtype) if isinstance(found, np.ndarray) and found.dtype.kind in "biu" else found

    def vjp(values: Arrays) -> tuple[Any, Pullback]:
        x = values[key]
        y = forward(x)
        return y, lambda cotangent: {key: cotangent * slope(x, y, of)}

    with np.errstate(all="ignore"):
        y = forward(x)
        if np.shape(y) != x.shape:
            raise ValueError(
                f"expected {name_of(function)} to act on each entry of shape {x.shape}, got an output of shape "
                f"{np.shape(y)}"
            )
        _require_elementwise(slope(x, y, of), x)
        other = "output" if of == "input" else "input"
        numeric = _numeric_slope(forward, x)
        if not _agree(slope(x, y, of), numeric) and _agree(_quietly(slope, x, y, other), numeric):
            raise ValueError(
                f"expected a derivative of the {of}, got one that is right of the {other} alone; declare of={other!r}"
            )
    return subject_from(name_of(function), {key: x}, vjp, name=name, traits=traits, reproduce=reproduce)


def _require_elementwise(slope: Any, x: Array) -> None:
    if np.ndim(slope) == 0 or np.shape(slope) == x.shape:
        return
    jacobian = np.shape(slope) in ((*x.shape, *x.shape), (*x.shape, x.shape[-1]))
    hint = "; that of a Jacobian: pass a pair of functions to from_functions" if jacobian else ""
    raise ValueError(f"expected a derivative for each entry of shape {x.shape}, got shape={np.shape(slope)}{hint}")


def _numeric_slope(forward: Callable[[Array], Any], x: Array) -> Array:
    step = _STEPS[x.dtype.itemsize][0]
    above, below = x + x.dtype.type(step), x - x.dtype.type(step)
    return np.asarray((forward(above) - forward(below)) / (above - below))


def _agree(slope: Any, numeric: Array) -> bool:
    if slope is None or (np.ndim(slope) and np.shape(slope) != numeric.shape):
        return False
    allowed = _STEPS[numeric.dtype.itemsize][1] * np.maximum(np.abs(numeric), np.abs(slope)) + 1e-6
    return bool(np.mean(np.abs(slope - numeric) <= allowed) >= _MOST)


def _quietly(slope: Callable[..., Any], *arguments: Any) -> Any:
    """Return the derivative of what it may not be made for; None if it raises."""
    try:
        return slope(*arguments)
    except Exception:
        return None
