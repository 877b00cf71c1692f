"""What a subject answers: outputs and gradients, checked for form and turned into vectors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.messages import did_you_mean
from gradcheck.numeric.space import Part, Space, Vector, is_finite
from gradcheck.subject import Array


class FormError(Exception):
    """What the subject returned cannot be a gradient (or an output): wrong name, shape, dtype, not finite.

    Attributes
    ----------
    check : str
        Slug of the broken rule: ``"names"``, ``"shape"``, ``"dtype"``, ``"finite"``, ``"form"``, ``"forward"``.
    primal : str or None
    returned : ndarray or None
        The gradient of another shape or dtype, where it is clear which gradient of the right form is meant by it.
    """

    def __init__(self, check: str, sentence: str, primal: str | None = None, returned: Array | None = None) -> None:
        super().__init__(sentence)
        self.check = check
        self.primal = primal
        self.returned = returned


class SubjectRaisedError(Exception):
    """The subject's own code raised; the message says what and where."""


def is_undefined(error: FormError | SubjectRaisedError) -> bool:
    """Whether an error says that outputs or gradients are not finite: the place where that is so cannot be used."""
    return isinstance(error, FormError) and error.check in ("forward", "finite")


@dataclass(frozen=True, kw_only=True)
class OutputForm:
    """Shapes and dtypes of the outputs, and whether they came as a tuple."""

    space: Space
    is_tuple: bool

    def fits(self, arrays: tuple[Any, ...], is_tuple: bool) -> bool:
        """Whether outputs have this form."""
        return (
            is_tuple == self.is_tuple
            and len(arrays) == len(self.space.parts)
            and all(
                isinstance(array, np.ndarray) and array.shape == part.shape and array.dtype == part.dtype
                for array, part in zip(arrays, self.space, strict=True)
            )
        )

    def cotangent(self, vector: Vector) -> Any:
        """Return a vector as cotangents in the form of the outputs.

        Raises
        ------
        ValueError
            If the vector does not have one entry per output entry.
        """
        if vector.shape != (self.space.size,):
            raise ValueError(f"expected a cotangent of {self.space.size} entries, got shape={vector.shape}")
        arrays = tuple(np.array(array) for array in self.space.split(vector).values())
        return arrays if self.is_tuple else arrays[0]


def flatten_outputs(outputs: Any) -> Vector:
    """Return one array or a tuple of arrays as one new float64 vector."""
    if isinstance(outputs, tuple):
        return np.concatenate([np.asarray(array, dtype=np.float64).reshape(-1) for array in outputs])
    return np.array(outputs, dtype=np.float64).reshape(-1)


def read_outputs(outputs: Any, known: OutputForm | None) -> tuple[OutputForm, Vector]:
    """Return form and values of outputs; `known` is used again where it is the same.

    Raises
    ------
    FormError
        If they are no floating arrays, or not finite.
    """
    arrays = outputs if isinstance(outputs, tuple) else (outputs,)
    if not arrays:
        raise FormError("form", "expected at least one output, got an empty tuple")
    for array in arrays:
        if not isinstance(array, np.ndarray | np.floating | float) or np.asarray(array).dtype.kind != "f":
            raise FormError(
                "form", f"expected every output to be a NumPy array of floating dtype, got {describe(array)}"
            )
    vector = flatten_outputs(outputs)
    is_tuple = isinstance(outputs, tuple)
    if known is not None and known.fits(arrays, is_tuple):
        form = known
    else:
        form = OutputForm(
            space=Space.of({str(k): np.asarray(array) for k, array in enumerate(arrays)}), is_tuple=is_tuple
        )
    if not is_finite(vector):
        position = int(np.argmin(np.isfinite(vector)))
        name, index = form.space.locate(position)
        count = int(np.count_nonzero(~np.isfinite(vector)))
        raise FormError(
            "forward",
            f"expected the forward to be finite, got {vector[position]} at index {index} of output {name} "
            f"({count} of {vector.size} entries are not finite)",
        )
    return form, vector


def read_gradients(
    gradients: Any, space: Space, converted: Collection[tuple[str, str | None]] = ()
) -> dict[str, Array]:
    """Return the arrays that a pullback returned, in the order of the primals, checked for names, shapes and dtypes.

    Parameters
    ----------
    gradients : mapping of str to ndarray
    space : Space
        The primals.
    converted : collection of (str, str or None)
        Checks (``"shape"``, ``"dtype"``), each with a primal, that are known to fail: what is returned is converted.

    Raises
    ------
    FormError
    """
    if not isinstance(gradients, Mapping):
        raise FormError("form", f"expected the pullback to return {{name: gradient}}, got {describe(gradients)}")
    names = [part.name for part in space]
    for name in names:
        if name not in gradients:
            raise FormError(
                "names",
                f"expected the pullback to return a gradient for each of {names}, got {sorted(map(str, gradients))}: "
                f"{name!r} is missing{did_you_mean(name, [str(key) for key in gradients])}",
                name,
            )
    for name in gradients:
        if name not in names:
            raise FormError(
                "names",
                f"expected the pullback to return gradients for {names} alone, got one for {name!r} too"
                f"{did_you_mean(str(name), names)}",
            )
    return {part.name: _read_gradient(part, gradients[part.name], converted) for part in space}


def _read_gradient(part: Part, gradient: Any, converted: Collection[tuple[str, str | None]]) -> Array:
    name = part.name
    if not isinstance(gradient, np.ndarray | np.floating | float):
        raise FormError("form", f"expected the gradient of {name!r} to be an array, got {describe(gradient)}", name)
    array = np.asarray(gradient)
    if array.shape != part.shape:
        fitted = _fitted(array, part.shape)
        if fitted is None or ("shape", name) not in converted:
            raise FormError(
                "shape",
                f"expected the gradient of {name!r} to have shape {part.shape}, got shape={array.shape}"
                f"{_shape_hint(array, part.shape)}",
                name,
                returned=None if fitted is None else array,
            )
        array = fitted
    if array.dtype != part.dtype:
        is_real = array.dtype.kind in "fiu"
        if not is_real or ("dtype", name) not in converted:
            raise FormError(
                "dtype",
                f"expected the gradient of {name!r} to have dtype {part.dtype}, got dtype={array.dtype}",
                name,
                returned=array if is_real else None,
            )
        array = array.astype(part.dtype)
    return array


def _fitted(array: Array, shape: tuple[int, ...]) -> Array | None:
    """Return an array in a shape that has other axes of length 1, or to which it can be broadcast; else None."""
    if [length for length in array.shape if length != 1] == [length for length in shape if length != 1]:
        return array.reshape(shape)
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        return None


def require_finite(gradients: Mapping[str, Array], vector: Vector) -> None:
    """Refuse gradients that are not finite.

    Parameters
    ----------
    gradients : mapping of str to ndarray
    vector : Vector
        The same as one vector.

    Raises
    ------
    FormError
        With the first entry that is not.
    """
    if is_finite(vector):
        return
    name, gradient = next((name, array) for name, array in gradients.items() if not np.isfinite(array).all())
    finite = np.isfinite(gradient)
    index = tuple(int(i) for i in np.argwhere(~finite)[0])
    raise FormError(
        "finite",
        f"expected the gradient of {name!r} to be finite, got {gradient[index]} at index {index} "
        f"({np.count_nonzero(~finite)} of {gradient.size} entries are not finite)",
        name,
    )


def _shape_hint(array: Array, shape: tuple[int, ...]) -> str:
    if array.shape == shape[::-1]:
        return ", which is its transpose"
    if array.ndim > len(shape) and array.shape[array.ndim - len(shape) :] == shape:
        return f"; is the sum over the first {array.ndim - len(shape)} axes missing?"
    return ""


def describe(value: Any) -> str:
    """Return what a value is, in a few words."""
    if isinstance(value, np.ndarray):
        return f"an array of dtype {value.dtype} and shape {value.shape}"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}: ({', '.join(type(item).__name__ for item in value)})"
    return "None" if value is None else f"a value of type {type(value).__name__}"
