"""A subject under check: its calls counted, its answers checked for form and turned into vectors."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck.numeric.function import Function
from gradcheck.numeric.precision import DOUBLE, HALF, SINGLE, Precision, precision_of
from gradcheck.numeric.space import Part, Space, Vector
from gradcheck.reports.report import Evaluations
from gradcheck.subject import Array, Subject, did_you_mean


class FormError(Exception):
    """What the subject returned cannot be a gradient (or an output): wrong name, shape, dtype, not finite.

    Attributes
    ----------
    check : str
        Slug of the broken rule: ``"names"``, ``"shape"``, ``"dtype"``, ``"finite"``, ``"form"``, ``"forward"``.
    primal : str or None
    """

    def __init__(self, check: str, sentence: str, primal: str | None = None) -> None:
        super().__init__(sentence)
        self.check = check
        self.primal = primal


class SubjectRaisedError(Exception):
    """The subject's own code raised; the message says what and where."""


@dataclass(frozen=True)
class OutputForm:
    """Shapes and dtypes of the outputs, and whether they came as a tuple."""

    space: Space
    is_tuple: bool

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


class Linearization:
    """One call of ``vjp``: the outputs at a point, and the pullback there."""

    def __init__(self, probe: Probe, outputs: Any, pullback: Any) -> None:
        self.form, self.outputs = _read_outputs(outputs)
        if not callable(pullback):
            raise FormError(
                "form",
                f"expected vjp to return (outputs, pullback), got a pullback of type {type(pullback).__name__}",
            )
        self._probe = probe
        self._pullback = pullback

    def pullback(self, cotangent: Vector) -> Vector:
        """Return the gradient of ``⟨cotangent, outputs⟩`` as the subject gives it, as a new vector."""
        self._probe.pullbacks += 1
        gradients = _call("pullback", self._pullback, self.form.cotangent(cotangent))
        return _read_gradients(gradients, self._probe.space)


class Probe:
    """A subject under check.

    Attributes
    ----------
    subject : Subject
    space : Space
        The primals as one vector, in their own dtypes.
    point : Vector
        The primals.
    analytic_precision : Precision
        The precision of the gradients: that of the coarsest primal.
    numeric_dtype : Precision
        The precision of the arguments with which the forward is differenced.
    forwards, pullbacks : int
        Calls so far; the first half of a ``vjp`` counts as a forward.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.space = Space.of(subject.primals)
        self.point = self.space.join(subject.primals)
        self.analytic_precision = max(
            (precision_of(part.dtype) for part in self.space), key=lambda precision: precision.unit
        )
        self.numeric_dtype = self.analytic_precision
        self.forwards = 0
        self.pullbacks = 0

    @property
    def evaluations(self) -> Evaluations:
        """The calls so far."""
        return Evaluations(self.forwards, self.pullbacks)

    def linearize(self, point: Vector | None = None) -> Linearization:
        """Call ``vjp`` at a point (default: the subject's own) on fresh arrays, which it may spoil."""
        self.forwards += 1
        primals = {
            name: np.array(array) for name, array in self.space.split(self.point if point is None else point).items()
        }
        result = _call("vjp", self.subject.vjp, primals)
        if not isinstance(result, tuple) or len(result) != 2:
            raise FormError("form", f"expected vjp to return (outputs, pullback), got {_describe(result)}")
        return Linearization(self, *result)

    def forward(self, primals: Mapping[str, Array]) -> Any:
        """Call the forward alone."""
        self.forwards += 1
        if self.subject.forward is not None:
            return _call("forward", self.subject.forward, primals)
        return _call("vjp", self.subject.vjp, primals)[0]

    def function(self, space: Space, precision: Precision) -> Function:
        """Return the forward as a function of one vector, its arguments in the dtypes of `space`."""

        def evaluate(point: Vector) -> Vector:
            return flatten_outputs(self.forward(space.split(point)))

        return Function(evaluate, space.round, precision)

    def numeric_function(self) -> Function:
        """Return the forward in float64 where it accepts and returns that, else in the primals' own dtypes.

        A declared lower precision is believed: differences are then taken with steps fit for it.
        """
        declared = self.declared_precision
        if self.analytic_precision is DOUBLE:
            return self.function(self.space, declared or DOUBLE)
        wide = Space.of(self.subject.primals, DOUBLE.dtype)
        if self._keeps_double(wide):
            self.numeric_dtype = DOUBLE
            return self.function(wide, declared or DOUBLE)
        return self.function(self.space, self.analytic_precision)

    @property
    def declared_precision(self) -> Precision | None:
        """The lower precision that the subject declares, if any."""
        if self.subject.trait("half-precision"):
            return HALF
        return SINGLE if self.subject.trait("single-precision") else None

    def _keeps_double(self, wide: Space) -> bool:
        try:
            outputs = self.forward(wide.split(self.point.copy()))
        except (SubjectRaisedError, FormError):
            return False
        arrays = outputs if isinstance(outputs, tuple) else (outputs,)
        return all(getattr(array, "dtype", None) == np.float64 for array in arrays)


def flatten_outputs(outputs: Any) -> Vector:
    """Return one array or a tuple of arrays as one new float64 vector."""
    if isinstance(outputs, tuple):
        return np.concatenate([np.asarray(array, dtype=np.float64).reshape(-1) for array in outputs])
    return np.array(outputs, dtype=np.float64).reshape(-1)


def _read_outputs(outputs: Any) -> tuple[OutputForm, Vector]:
    arrays = outputs if isinstance(outputs, tuple) else (outputs,)
    if not arrays:
        raise FormError("form", "expected at least one output, got an empty tuple")
    for array in arrays:
        if not isinstance(array, np.ndarray | np.floating | float) or not np.issubdtype(
            np.asarray(array).dtype, np.floating
        ):
            raise FormError(
                "form", f"expected every output to be a NumPy array of floating dtype, got {_describe(array)}"
            )
    named = {str(k): np.asarray(array) for k, array in enumerate(arrays)}
    vector = flatten_outputs(outputs)
    if vector.size == 0:
        raise FormError("form", f"expected outputs with at least one entry, got {_describe(outputs)}")
    if not np.isfinite(vector).all():
        space = Space.of(named)
        position = int(np.argmin(np.isfinite(vector)))
        name, index = space.locate(position)
        count = int(np.count_nonzero(~np.isfinite(vector)))
        raise FormError(
            "forward",
            f"expected the forward to be finite, got {vector[position]} at index {index} of output {name} "
            f"({count} of {vector.size} entries are not finite)",
        )
    return OutputForm(Space.of(named), isinstance(outputs, tuple)), vector


def _read_gradients(gradients: Any, space: Space) -> Vector:
    if not isinstance(gradients, Mapping):
        raise FormError("form", f"expected the pullback to return {{name: gradient}}, got {_describe(gradients)}")
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
    vector = np.empty(space.size)
    for part in space:
        vector[part.slice] = _read_gradient(part, gradients[part.name]).reshape(-1)
    _require_finite(vector, space)
    return vector


def _read_gradient(part: Part, gradient: Any) -> Array:
    name = part.name
    if not isinstance(gradient, np.ndarray | np.floating | float):
        raise FormError("form", f"expected the gradient of {name!r} to be an array, got {_describe(gradient)}", name)
    array = np.asarray(gradient)
    if array.shape != part.shape:
        raise FormError(
            "shape",
            f"expected the gradient of {name!r} to have shape {part.shape}, got shape={array.shape}"
            f"{_shape_hint(array, part.shape)}",
            name,
        )
    if array.dtype != part.dtype:
        raise FormError(
            "dtype", f"expected the gradient of {name!r} to have dtype {part.dtype}, got dtype={array.dtype}", name
        )
    return array


def _require_finite(vector: Vector, space: Space) -> None:
    finite = np.isfinite(vector)
    if finite.all():
        return
    position = int(np.argmin(finite))
    name, index = space.locate(position)
    part = space.part(name)
    count = int(np.count_nonzero(~finite[part.slice]))
    raise FormError(
        "finite",
        f"expected the gradient of {name!r} to be finite, got {vector[position]} at index {index} "
        f"({count} of {part.size} entries are not finite)",
        name,
    )


def _shape_hint(array: Array, shape: tuple[int, ...]) -> str:
    if array.shape == shape[::-1]:
        return ", which is its transpose"
    if array.ndim > len(shape) and array.shape[array.ndim - len(shape) :] == shape:
        return f"; is the sum over the first {array.ndim - len(shape)} axes missing?"
    return ""


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of dtype {value.dtype} and shape {value.shape}"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}: ({', '.join(type(item).__name__ for item in value)})"
    return "None" if value is None else f"a value of type {type(value).__name__}"


def _call(what: str, function: Callable[[Any], Any], argument: Any) -> Any:
    try:
        return function(argument)
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}:{frame.lineno}"
        raise SubjectRaisedError(f"{what} raised {type(error).__name__}: {error} ({place})") from error
