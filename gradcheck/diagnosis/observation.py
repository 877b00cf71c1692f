"""What a layer answered to one question, beside the right answer: the evidence that explanations must fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from gradcheck.checks.answers import FormError, SubjectRaisedError
from gradcheck.checks.probe import Probe
from gradcheck.diagnosis.differences import TooExpensiveError, differentiated
from gradcheck.mutants.mutant import Mutant, Question, copied, mapped
from gradcheck.subject import Array, Arrays, Subject, Vjp

#: Largest difference, relative to the largest entry, of gradients that are the same; that much more tells two apart.
#: By the unit roundoff of the gradients, in float64, float32 and float16.
_SAME = {np.dtype(np.float64): 1e-6, np.dtype(np.float32): 2e-4, np.dtype(np.float16): 5e-2}
_APART = 30.0
#: Forwards that agree to this share of their largest entry are the same function.
_SAME_FORWARD = 1e-9


@dataclass(frozen=True)
class Draw:
    """One case of the layer in question.

    Attributes
    ----------
    subject : Subject
    seed : int
        The cotangent follows from it.
    config : object
        The configuration of its kind; None for a subject without one.
    right : Subject or None
        A layer known to be right at the same primals.
    """

    subject: Subject
    seed: int
    config: Any = None
    right: Subject | None = None


class Observation:
    """The answer of a layer to one question.

    Attributes
    ----------
    question : Question
        With the right gradients; entries that nobody knows, since the forward has a kink there, are nan.
    answers : mapping of str to ndarray
        What the layer returned, whatever its shape; what it did not return is missing.
    exact : bool
        Whether the right gradients are those of a layer, not of differences.
    constants : mapping of str to ndarray
        Those of the layer.
    """

    def __init__(
        self, question: Question, ask: Callable[[Any], Arrays], same: float, constants: Arrays, *, exact: bool
    ) -> None:
        self.question = question
        self.constants = constants
        self.answers = ask(question.cotangent)
        self._ask = ask
        self.exact = exact
        self._same = same
        self._predicted: dict[Mutant, Arrays] = {}
        self._contributions: dict[str, Array | None] = {}

    @property
    def right(self) -> Arrays:
        """The right gradients."""
        return self.question.gradients

    @cached_property
    def wrong(self) -> tuple[str, ...]:
        """The primals whose gradient is not the right one."""
        return tuple(
            name
            for name, right in self.right.items()
            if name in self.answers and not self.same(self.answers[name], right, name)
        )

    def predicted(self, mutant: Mutant) -> Arrays:
        """Return the gradients that a mutant leads to, where it changes any."""
        if mutant not in self._predicted:
            self._predicted[mutant] = self._make(mutant)
        return self._predicted[mutant]

    def same(self, one: Array, other: Array, primal: str) -> bool:
        """Whether two arrays are the same gradient, as far as the right one is known."""
        return self._distance(one, other, primal) <= self._same

    def apart(self, one: Array, other: Array, primal: str) -> bool:
        """Whether two arrays are certainly not the same gradient."""
        return self._distance(one, other, primal) > _APART * self._same

    def differing(self, answer: Array, right: Array) -> Array:
        """Return which entries of a gradient are not the right ones, as far as those are known."""
        known = np.isfinite(right)
        with np.errstate(invalid="ignore"):
            close = np.abs(answer - right) <= self._same * np.abs(right[known]).max(initial=0.0)
        return np.asarray(known & ~close)

    def asked(self, primal: str, cotangent: Any) -> Array | None:
        """Return the gradient that the layer returns for another cotangent; None where it does not."""
        try:
            with np.errstate(all="ignore"):
                return self._ask(cotangent).get(primal)
        except (FormError, SubjectRaisedError):
            return None

    def altered(self, primal: str, cotangent: Any = None, **primals: Array) -> Array | None:
        """Return the right gradient for another cotangent or at another point; None where nobody can tell."""
        try:
            with np.errstate(all="ignore"):
                return np.asarray(self.question.altered(cotangent, **primals)[primal])
        except (ValueError, ArithmeticError, TooExpensiveError):
            return None

    def contributions(self, primal: str) -> Array | None:
        """Return what each entry of the upstream gradient adds to the right gradient, by entry; None for a tuple."""
        if primal not in self._contributions:
            self._contributions[primal] = self._one_by_one(primal)
        return self._contributions[primal]

    def _one_by_one(self, primal: str) -> Array | None:
        upstream = self.question.cotangent
        if isinstance(upstream, tuple):
            return None
        rows = []
        for place in np.ndindex(upstream.shape):
            one = np.zeros_like(upstream)
            one[place] = upstream[place]
            row = self.altered(primal, one)
            if row is None:
                return None
            rows.append(np.nan_to_num(row).ravel())  # of an output with a kink nobody knows what it adds
        return np.array(rows)

    def _make(self, mutant: Mutant) -> Arrays:
        if not mutant.applies(self.question.config, self.question.primals):
            return {}
        try:
            with np.errstate(all="ignore"):
                made = mutant.gradients(self.question)
        except (ValueError, IndexError, TypeError, ArithmeticError, AttributeError, KeyError, TooExpensiveError):
            return {}  # a mutant that was not made for such a layer, or takes too long to look at
        return {name: np.asarray(array) for name, array in made.items()}

    def _distance(self, one: Array, other: Array, primal: str) -> float:
        """Return the largest difference relative to the largest entry; inf for arrays of other shapes."""
        if one.shape != other.shape:
            return np.inf
        known = np.isfinite(self.right[primal]) if self.right[primal].shape == one.shape else np.ones(one.shape, bool)
        one, other = one[known], other[known]
        finite = np.isfinite(one)
        if (finite != np.isfinite(other)).any():
            return np.inf
        one, other = one[finite], other[finite]
        largest = max(np.abs(one).max(initial=0.0), np.abs(other).max(initial=0.0))
        return float(np.abs(one - other).max(initial=0.0) / largest) if largest else 0.0


def observe(draw: Draw, deadline: float = np.inf, probe: Probe | None = None) -> Observation | None:
    """Ask the layer of a draw; None if it does not answer.

    Parameters
    ----------
    draw : Draw
    deadline : float
        A reading of `time.monotonic`.
    probe : Probe, optional
        That of the draw's subject, which counts the calls.

    Raises
    ------
    TooExpensiveError
        If nobody can tell before the deadline what is right.
    """
    probe = probe or Probe(draw.subject)
    rng = np.random.default_rng([draw.seed, 7])
    try:
        with np.errstate(all="ignore"):
            linearization = probe.linearize()
            cotangent = mapped(lambda y: rng.standard_normal(y.shape).astype(y.dtype), linearization.returned)
            outputs = copied(linearization.returned)
            vjp, exact = _right(draw, probe, outputs, deadline)
            primals = {name: np.array(array, np.float64) for name, array in draw.subject.primals.items()}
            wide = mapped(lambda g: np.asarray(g, np.float64), cotangent)
            right_outputs, pullback = vjp(primals)
            right = {name: np.array(array) for name, array in pullback(copied(wide)).items()}
            same = _SAME[probe.analytic_precision.dtype] if exact else max(_SAME[probe.analytic_precision.dtype], 1e-5)
            question = Question(draw.config, primals, right_outputs, wide, right, vjp)
            return Observation(question, partial(_answers, probe), same, probe.constants, exact=exact)
    except (FormError, SubjectRaisedError):
        return None


def _answers(probe: Probe, cotangent: Any) -> Arrays:
    """Return what the layer returns for a cotangent, in float64 and in whatever shape it comes."""
    linearization = probe.linearize()
    outputs = linearization.returned
    given = (
        tuple(g.astype(y.dtype) for g, y in zip(cotangent, outputs, strict=True))
        if isinstance(outputs, tuple)
        else cotangent.astype(outputs.dtype)
    )
    try:
        gradients: Mapping[str, Any] = linearization.pull(copied(given))
    except FormError:  # its form is wrong, which may tell why
        _, pullback = probe.call_vjp({name: np.array(array) for name, array in probe.subject.primals.items()})
        gradients = pullback(copied(given))
        if not isinstance(gradients, Mapping):
            raise
    names = probe.subject.primals
    return {name: np.array(gradients[name], np.float64) for name in names if _is_array(gradients.get(name))}


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic | float | int)


def _right(draw: Draw, probe: Probe, outputs: Any, deadline: float) -> tuple[Vjp, bool]:
    """Return the vjp that is right, and whether it is exact: that of a layer with the same forward, or differences."""
    if draw.right is not None:
        wide = {name: np.array(array, np.float64) for name, array in draw.subject.primals.items()}
        if _agree(draw.right.vjp(wide)[0], outputs):
            return draw.right.vjp, True
    return differentiated(probe, deadline), False


def _agree(one: Any, other: Any) -> bool:
    ones, others = (arrays if isinstance(arrays, tuple) else (arrays,) for arrays in (one, other))
    return len(ones) == len(others) and all(map(_same_values, ones, others))


def _same_values(one: Array, other: Array) -> bool:
    if one.shape != other.shape:
        return False
    tolerance = max(_SAME_FORWARD, 64 * float(np.finfo(other.dtype).eps))
    return bool(np.abs(one - other).max(initial=0.0) <= tolerance * np.abs(one).max(initial=0.0))
