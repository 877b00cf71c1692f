"""A subject under check: counts its calls, turns its answers into vectors, works around its declared limits."""

from __future__ import annotations

import random
import traceback
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck.checks.answers import (
    FormError,
    OutputForm,
    SubjectRaisedError,
    describe,
    flatten_outputs,
    read_gradients,
    read_outputs,
    require_finite,
)
from gradcheck.numeric.directions import random_tangent, scales
from gradcheck.numeric.function import Function
from gradcheck.numeric.noise import differ_by_rounding
from gradcheck.numeric.precision import DOUBLE, HALF, SINGLE, Precision, coarsest
from gradcheck.numeric.space import Space, Vector, is_finite
from gradcheck.records.run_record import Evaluations
from gradcheck.subject import Array, Subject, Trait

#: With this the global generators are seeded before each forward of a subject that draws from them.
_GLOBAL_SEED = 20_240_229


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
    space : Space
        The gradients as one vector.
    """

    def __init__(self, probe: Probe, make_arguments: Callable[[], dict[str, Array]], space: Space) -> None:
        self._probe = probe
        self._make_arguments = make_arguments
        self._buffers: dict[str, Array] = {}
        self.space = space
        arguments = make_arguments()
        self._take(arguments, probe.call_vjp(arguments))

    def pull(self, cotangents: Any, *, keep_buffers: bool = False) -> dict[str, Array]:
        """Return the very arrays that the subject returns as gradients, checked for form (not for being finite).

        Works around what a subject does not promise: a pullback that belongs to the last forward, or to one pullback
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
            self._renew()
        if probe.is_limited("accumulates") and not keep_buffers:
            self._clear_buffers()
        gradients = self._pull(cotangents)
        self._keep_buffers(gradients)
        return gradients

    def pullback(self, cotangent: Vector) -> Vector:
        """Return the gradient of ``⟨cotangent, outputs⟩`` as the subject gives it, as a new vector."""
        gradients = self.pull(self.form.cotangent(cotangent))
        vector = self.space.join(gradients)
        require_finite(gradients, vector)
        return vector

    def _renew(self) -> None:
        """Call ``vjp`` again, for another pullback."""
        arguments = self._make_arguments()
        self._take(arguments, self._probe.call_vjp(arguments))

    def _take(self, arguments: dict[str, Array], result: Any) -> None:
        """Keep what ``vjp`` returned."""
        self.arguments = arguments
        if not isinstance(result, tuple) or len(result) != 2:
            raise FormError("form", f"expected vjp to return (outputs, pullback), got {describe(result)}")
        self.returned, self._pullback = result
        self.form, self.outputs = self._probe.read_outputs(self.returned, self.space)
        if not callable(self._pullback):
            raise FormError(
                "form",
                f"expected vjp to return (outputs, pullback), got a pullback of type {type(self._pullback).__name__}",
            )
        self._made_at = self._probe.forwards
        self._pulled = False

    def _pull(self, cotangents: Any) -> dict[str, Array]:
        self._pulled = True
        gradients = self._probe.call_pullback(self._pullback, cotangents)
        return read_gradients(gradients, self.space, self._probe.converted)

    def _clear_buffers(self) -> None:
        known = self._buffers.keys() | self._probe.buffers.keys()
        if not known.issuperset(self._probe.limited("accumulates")):
            # Which arrays they are shows when nothing is added to them.
            self._keep_buffers(self._pull(self.form.cotangent(np.zeros(self.outputs.size))))
            self._renew()  # this pullback may have been the only one that the forward allows
        for buffer in (*self._buffers.values(), *self._probe.buffers.values()):
            if buffer.flags.writeable:
                buffer[...] = 0

    def _keep_buffers(self, gradients: Mapping[str, Array]) -> None:
        if self._probe.is_limited("accumulates"):
            self._buffers = self._probe.keep_buffers(gradients)


class Probe:
    """A subject under check.

    Parameters
    ----------
    subject : Subject
    lends_arguments : bool
        Whether ``vjp`` gets parts of the point itself, which cannot be written to, and not copies.

    Attributes
    ----------
    subject : Subject
    space : Space
        The primals as one vector, in their own dtypes.
    point : Vector
        The primals.
    analytic_precision : Precision
        The precision of the gradients: that of the coarsest primal.
    constants : dict of str to ndarray
        The subject's constants as they were before the first call.
    forwards, pullbacks : int
        Calls so far; the first half of a ``vjp`` counts as a forward.
    lends_arguments : bool
    shields_arguments : bool
        Whether every forward gets copies, since the subject spoils what it is given.
    form : OutputForm or None
        That of the outputs, for primals of the subject's own shapes.
    undefined_beside : str or None
        What the forward did where a step left its domain.
    buffers : dict of str to ndarray
        The arrays to which the last pullback added gradients.
    converted : set of (str, str or None)
        Checks of form that failed, each with its primal, and whose gradients are converted from then on.
    """

    def __init__(self, subject: Subject, *, lends_arguments: bool = False) -> None:
        self.subject = subject
        self.space = Space.of(subject.primals)
        self.point = _one_vector(subject.primals, self.space)
        self.analytic_precision = coarsest(part.dtype for part in self.space)
        self.constants = {name: np.array(array) for name, array in subject.constants.items()}
        self.forwards = 0
        self.pullbacks = 0
        self._calls: dict[str, list[int]] = {}
        self.lends_arguments = lends_arguments
        self.shields_arguments = False
        self.form: OutputForm | None = None
        self.undefined_beside: str | None = None
        self.buffers: dict[str, Array] = {}
        self.converted: set[tuple[str, str | None]] = set()
        self._limits = {trait.name: trait for trait in subject.traits}

    @property
    def evaluations(self) -> Evaluations:
        """The calls so far."""
        return Evaluations(self.forwards, self.pullbacks)

    @property
    def checks(self) -> dict[str, Evaluations]:
        """The calls of each check so far."""
        return {check: Evaluations(*calls) for check, calls in self._calls.items()}

    def count(self, calls: Evaluations) -> None:
        """Add calls that were made of a copy of the subject."""
        self.forwards += calls.forward
        self.pullbacks += calls.pullback

    def counting(self, check: str) -> _Counting:
        """Count the calls that are made inside as those of a check."""
        return _Counting(self, self._calls.setdefault(check, [0, 0]))

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

    def convert(self, error: FormError) -> bool:
        """Convert gradients of a wrong form from now on, judged in the precision in which they come, if that is clear.

        Arrays to which gradients are added cannot be replaced by converted ones.
        """
        if error.returned is None or self.is_limited("accumulates"):
            return False
        self.converted.add((error.check, error.primal))
        if error.returned.dtype.kind == "f":
            self.analytic_precision = coarsest([self.analytic_precision.dtype, error.returned.dtype])
        return True

    def shield_arguments(self) -> None:
        """Give every forward copies from now on."""
        self.shields_arguments = True

    def keep_buffers(self, gradients: Mapping[str, Array]) -> dict[str, Array]:
        """Keep, and return, those of the arrays that a pullback returned to which it adds gradients."""
        self.buffers = {name: gradients[name] for name in self.limited("accumulates")}
        return self.buffers

    def read_outputs(self, outputs: Any, space: Space) -> tuple[OutputForm, Vector]:
        """Return form and values of outputs; the form is kept where the primals (`space`) have their own shapes."""
        form, vector = read_outputs(outputs, self.form)
        if space is self.space:
            self.form = form
        return form, vector

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
        with self._seeded(), _ReportingErrors("vjp"):
            return self.subject.vjp(arguments)

    def call_pullback(self, pullback: Callable[[Any], Any], cotangents: Any) -> Any:
        """Call a pullback and return what it returns."""
        self.pullbacks += 1
        with _ReportingErrors("pullback"):
            return pullback(cotangents)

    def forward(self, primals: Mapping[str, Array]) -> Any:
        """Call the forward alone, or the first half of ``vjp`` where there is none."""
        if self.shields_arguments:
            primals = _copies(primals)
        forward = self.subject.forward
        function: Callable[[Mapping[str, Array]], Any] = self.subject.vjp if forward is None else forward
        self.forwards += 1
        with self._seeded(), _ReportingErrors("vjp" if forward is None else "forward"):
            result = function(primals)
        return result[0] if forward is None else result

    def forward_in_other_mode(self, primals: Mapping[str, Array]) -> Any:
        """Call the forward of the subject's other mode."""
        assert self.subject.other_mode is not None
        self.forwards += 1
        with self._seeded(), _ReportingErrors("other_mode"):
            return self.subject.other_mode(primals)

    def _seeded(self) -> AbstractContextManager[None]:
        return seeded_globally() if self.is_limited("stochastic") else nullcontext()

    def function(self, space: Space, precision: Precision) -> Function:
        """Return the forward as a function of one vector, its arguments in the dtypes of `space`.

        A forward that raises beside the point, because the step leaves its domain, has no value there: nan.
        """

        def evaluate(point: Vector) -> Vector:
            try:
                outputs = flatten_outputs(self.forward(space.split(point)))
            except SubjectRaisedError as error:
                if self.form is None:
                    raise
                self.undefined_beside = str(error)
                return np.full(self.form.space.size, np.nan)
            if not is_finite(outputs):
                self.undefined_beside = f"an output is {outputs[~np.isfinite(outputs)][0]}"
            return outputs

        return Function(evaluate=evaluate, round=space.round, precision=precision)

    def numeric_function(self) -> Function:
        """Return the forward in float64 where that is seen to be the same function, else in the primals' own dtypes.

        A declared lower precision is believed: differences are then taken with steps fit for it.
        """
        declared = self.declared_precision or DOUBLE
        twin = self.function(Space.of(self.subject.primals, DOUBLE.dtype), declared)
        if self.analytic_precision is DOUBLE or self._is_same_in_double(twin):
            return twin
        return self.function(self.space, max(self.analytic_precision, declared, key=lambda one: one.unit))

    @property
    def declared_precision(self) -> Precision | None:
        """The lower precision that the subject declares, if any."""
        return _lower_precision({trait.name for trait in self.subject.traits})

    @property
    def precision(self) -> Precision:
        """The precision of the gradients: that of the primals, or a lower one that is declared, or was found."""
        lower = _lower_precision(self._limits)
        return lower if lower is not None and lower.unit > self.analytic_precision.unit else self.analytic_precision

    def _is_same_in_double(self, twin: Function) -> bool:
        """Whether the forward accepts and returns float64, and does in it what it does in the primals' own dtypes.

        What it draws at random may depend on the dtype, for example. Values are compared a large step from the point,
        where no entry is neutral; at the point itself where that step leaves the domain.
        """
        moves = scales(self.space, self.point) * self.analytic_precision.first_step
        tangent = random_tangent(self.space, moves, np.random.default_rng(_GLOBAL_SEED))
        for place in (self.space.round(self.point + tangent), self.point):
            own = self.space.split(place)
            try:
                wide = self.forward({name: array.astype(np.float64) for name, array in own.items()})
                if any(
                    getattr(array, "dtype", None) != np.float64
                    for array in (wide if isinstance(wide, tuple) else (wide,))
                ):
                    return False
                values = flatten_outputs(self.forward(_copies(own))), flatten_outputs(wide)
            except (SubjectRaisedError, FormError):
                continue
            if all(map(is_finite, values)):
                return differ_by_rounding(*values, self.analytic_precision, twin, place)
        return False


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


class _Counting:
    """Adds the calls made inside to those of a check: forwards and pullbacks."""

    def __init__(self, probe: Probe, calls: list[int]) -> None:
        self._probe = probe
        self._calls = calls

    def __enter__(self) -> None:
        self._calls[0] -= self._probe.forwards
        self._calls[1] -= self._probe.pullbacks

    def __exit__(self, *error: object) -> None:
        self._calls[0] += self._probe.forwards
        self._calls[1] += self._probe.pullbacks


class _ReportingErrors:
    """Raises what the subject's own code raises inside as `SubjectRaisedError`, with the place."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(frame.filename).name}:{frame.lineno}"
            raise SubjectRaisedError(f"{self._what} raised {type(error).__name__}: {error} ({place})") from error


def _lower_precision(traits: Container[str]) -> Precision | None:
    """Return the lowest precision that one of the traits stands for, by name."""
    return next((lower for lower in (HALF, SINGLE) if lower.trait in traits), None)


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
