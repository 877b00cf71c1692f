"""A subject under check: its calls counted, its answers checked for form and turned into vectors."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck.messages import did_you_mean
from gradcheck.numeric.function import Function
from gradcheck.numeric.precision import DOUBLE, HALF, SINGLE, Precision, precision_of
from gradcheck.numeric.space import Part, Space, Vector, is_finite
from gradcheck.records.run_record import Evaluations
from gradcheck.subject import Array, Subject, Trait

#: With this the global generators are seeded before each forward of a subject that draws from them.
_GLOBAL_SEED = 20_240_229


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


class Linearization:
    """One call of ``vjp``: the outputs at a point, and the pullback there.

    Attributes
    ----------
    arguments : dict of str to ndarray
        The arrays that ``vjp`` was given.
    returned : ndarray or tuple of ndarray
        The very outputs that it returned.
    form : OutputForm
    outputs : Vector
        A copy of their values.
    """

    def __init__(self, probe: Probe, make_arguments: Callable[[], dict[str, Array]], space: Space) -> None:
        self._probe = probe
        self._make_arguments = make_arguments
        self._buffers: dict[str, Array] = {}
        self.space = space
        self._evaluate()

    def pull(self, cotangents: Any, *, keep_buffers: bool = False) -> dict[str, Array]:
        """Return the very arrays that the subject returns as gradients, checked for form (not for being finite).

        What a subject does not promise is seen to: a pullback that belongs to the last forward, or to one pullback
        alone, gets a new forward where it needs one, and the arrays to which gradients are added are set to zero.

        Parameters
        ----------
        cotangents : ndarray or tuple of ndarray
        keep_buffers : bool
            Whether arrays to which gradients are added stay as they are.
        """
        probe = self._probe
        overtaken = probe.is_limited("last-forward-only") and probe.forwards != self._made_at
        if overtaken or (self._pulled and probe.is_limited("single-pullback")):
            self._evaluate()
        if probe.is_limited("accumulates") and not keep_buffers:
            self._clear_buffers()
        gradients = self._pull(cotangents)
        if probe.is_limited("accumulates"):
            self._know_buffers(gradients)
        return gradients

    def pullback(self, cotangent: Vector) -> Vector:
        """Return the gradient of ``⟨cotangent, outputs⟩`` as the subject gives it, as a new vector."""
        gradients = self.pull(self.form.cotangent(cotangent))
        vector = self.space.join(gradients)
        require_finite(gradients, vector)
        return vector

    def _evaluate(self) -> None:
        self.arguments = self._make_arguments()
        result = self._probe.call_vjp(self.arguments)
        if not isinstance(result, tuple) or len(result) != 2:
            raise FormError("form", f"expected vjp to return (outputs, pullback), got {_describe(result)}")
        self.returned, self._pullback = result
        self.form, self.outputs = _read_outputs(self.returned, self._probe.form)
        if self.space is self._probe.space:
            self._probe.form = self.form
        if not callable(self._pullback):
            raise FormError(
                "form",
                f"expected vjp to return (outputs, pullback), got a pullback of type {type(self._pullback).__name__}",
            )
        self._made_at = self._probe.forwards
        self._pulled = False

    def _pull(self, cotangents: Any) -> dict[str, Array]:
        self._probe.pullbacks += 1
        self._pulled = True
        return _read_gradients(_call("pullback", self._pullback, cotangents), self.space)

    def _clear_buffers(self) -> None:
        if not all(name in self._buffers or name in self._probe.buffers for name in self._probe.limited("accumulates")):
            # Which arrays they are shows when nothing is added to them.
            self._know_buffers(self._pull(self.form.cotangent(np.zeros(self.outputs.size))))
            self._evaluate()  # this pullback may have been the only one that the forward allows
        for buffer in (*self._buffers.values(), *self._probe.buffers.values()):
            if buffer.flags.writeable:
                buffer[...] = 0

    def _know_buffers(self, gradients: Mapping[str, Array]) -> None:
        self._buffers = {name: gradients[name] for name in self._probe.limited("accumulates")}
        self._probe.buffers = self._buffers


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
    constants : dict of str to ndarray
        The subject's constants as they were before the first call.
    forwards, pullbacks : int
        Calls so far; the first half of a ``vjp`` counts as a forward.
    shields_arguments : bool
        Whether every forward gets copies, since the subject spoils what it is given.
    form : OutputForm or None
        That of the outputs, for primals of the subject's own shapes.
    raised_beside : str or None
        What the forward said when a step left its domain.
    lends_arguments : bool
        Whether ``vjp`` gets parts of the point itself, which cannot be written to, and not copies.
    buffers : dict of str to ndarray
        The arrays to which the last pullback added gradients.
    """

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.space = Space.of(subject.primals)
        self.point = _one_vector(subject.primals, self.space)
        self.analytic_precision = max(
            (precision_of(part.dtype) for part in self.space), key=lambda precision: precision.unit
        )
        self.numeric_dtype = self.analytic_precision
        self.constants = {name: np.array(array) for name, array in subject.constants.items()}
        self.forwards = 0
        self.pullbacks = 0
        self.form: OutputForm | None = None
        self.raised_beside: str | None = None
        self.buffers: dict[str, Array] = {}
        self._limits = {trait.name: trait for trait in subject.traits}
        self.shields_arguments = False
        self.lends_arguments = False

    @property
    def evaluations(self) -> Evaluations:
        """The calls so far."""
        return Evaluations(self.forwards, self.pullbacks)

    def is_limited(self, trait: str) -> bool:
        """Whether the subject declares a trait, or was found to behave as if it did."""
        return trait in self._limits

    def limited(self, trait: str) -> tuple[str, ...]:
        """Return the primals that a trait is about."""
        if trait not in self._limits:
            return ()
        return self._limits[trait].primals or tuple(part.name for part in self.space)

    def adopt(self, trait: Trait) -> None:
        """Treat the subject from now on as if it declared a trait (in addition to what it declares)."""
        primals = (*self.limited(trait.name), *trait.primals) if trait.primals else ()
        self._limits[trait.name] = Trait(trait.name, tuple(dict.fromkeys(primals)))

    def linearize(self, point: Vector | None = None) -> Linearization:
        """Call ``vjp`` at a point (default: the subject's own) on fresh arrays, which it may spoil, or on lent ones."""
        vector = self.point if point is None else point
        if self.lends_arguments:
            return Linearization(self, lambda: self.space.split(vector), self.space)
        return Linearization(self, lambda: _copies(self.space.split(vector)), self.space)

    def linearize_at(self, arguments: dict[str, Array]) -> Linearization:
        """Call ``vjp`` on these very arrays, whatever their shapes and memory layouts."""
        same = all(arguments[part.name].shape == part.shape for part in self.space)
        return Linearization(self, lambda: arguments, self.space if same else Space.of(arguments))

    def call_vjp(self, arguments: Mapping[str, Array]) -> Any:
        """Call ``vjp`` and return what it returns."""
        self.forwards += 1
        with self._seeded():
            return _call("vjp", self.subject.vjp, arguments)

    def forward(self, primals: Mapping[str, Array]) -> Any:
        """Call the forward alone."""
        if self.shields_arguments:
            primals = _copies(primals)
        if self.subject.forward is None:
            return self.call_vjp(primals)[0]
        self.forwards += 1
        with self._seeded():
            return _call("forward", self.subject.forward, primals)

    def forward_in_other_mode(self, primals: Mapping[str, Array]) -> Any:
        """Call the forward of the subject's other mode."""
        assert self.subject.other_mode is not None
        self.forwards += 1
        with self._seeded():
            return _call("other_mode", self.subject.other_mode, primals)

    def _seeded(self) -> AbstractContextManager[None]:
        return seeded_globally() if self.is_limited("stochastic") else nullcontext()

    def function(self, space: Space, precision: Precision) -> Function:
        """Return the forward as a function of one vector, its arguments in the dtypes of `space`.

        A forward that raises beside the point, because the step leaves its domain, has no value there: nan.
        """

        def evaluate(point: Vector) -> Vector:
            try:
                return flatten_outputs(self.forward(space.split(point)))
            except SubjectRaisedError as error:
                if self.form is None:
                    raise
                self.raised_beside = str(error)
                return np.full(self.form.space.size, np.nan)

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


@contextmanager
def seeded_globally() -> Iterator[None]:
    """Seed the global generators of NumPy and Python, and set them back afterwards."""
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002 - what subjects use is meant
    np.random.seed(_GLOBAL_SEED)  # noqa: NPY002
    random.seed(_GLOBAL_SEED)
    try:
        yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)


def _one_vector(primals: Mapping[str, Array], space: Space) -> Vector:
    """Return the primals as a vector that cannot be written to: the one they are parts of, if there is one."""
    owner = next(iter(primals.values())).base
    parts_of_owner = (
        isinstance(owner, np.ndarray)
        and owner.shape == (space.size,)
        and owner.dtype == np.float64
        and all(array.base is owner for array in primals.values())
    )
    if parts_of_owner:
        return np.asarray(owner)
    vector = space.join(primals)
    vector.flags.writeable = False
    return vector


def _copies(arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {name: np.array(array) for name, array in arrays.items()}


def flatten_outputs(outputs: Any) -> Vector:
    """Return one array or a tuple of arrays as one new float64 vector."""
    if isinstance(outputs, tuple):
        return np.concatenate([np.asarray(array, dtype=np.float64).reshape(-1) for array in outputs])
    return np.array(outputs, dtype=np.float64).reshape(-1)


def _read_outputs(outputs: Any, known: OutputForm | None) -> tuple[OutputForm, Vector]:
    """Return form and values of outputs; `known` is used again where it is the same."""
    arrays = outputs if isinstance(outputs, tuple) else (outputs,)
    if not arrays:
        raise FormError("form", "expected at least one output, got an empty tuple")
    for array in arrays:
        if not isinstance(array, np.ndarray | np.floating | float) or np.asarray(array).dtype.kind != "f":
            raise FormError(
                "form", f"expected every output to be a NumPy array of floating dtype, got {_describe(array)}"
            )
    vector = flatten_outputs(outputs)
    is_tuple = isinstance(outputs, tuple)
    if known is not None and known.fits(arrays, is_tuple):
        form = known
    else:
        form = OutputForm(Space.of({str(k): np.asarray(array) for k, array in enumerate(arrays)}), is_tuple)
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


def _read_gradients(gradients: Any, space: Space) -> dict[str, Array]:
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
    return {part.name: _read_gradient(part, gradients[part.name]) for part in space}


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
