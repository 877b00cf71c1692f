"""What the contract checks of one subject share: calls already made, a second point, how answers are compared."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np

from gradcheck.checks.answers import FormError, SubjectRaisedError, require_finite
from gradcheck.checks.contracts.elsewhere import other_points
from gradcheck.checks.contracts.poison import POISON, poisoned_memory
from gradcheck.checks.contracts.violation import Violation
from gradcheck.checks.numeric_forward import SIGMAS, noise_at
from gradcheck.checks.probe import Linearization, Probe
from gradcheck.checks.setting import ENTRY_ROUNDINGS, Setting
from gradcheck.messages import digits_apart
from gradcheck.numeric.array_layouts import offset_view
from gradcheck.numeric.directions import rounded_anew
from gradcheck.numeric.space import Part, Space, Vector, norm, rms, spread
from gradcheck.subject import Array, Trait

#: Repetitions with other roundings, whose spread shows whether a result is ill-conditioned.
SPREAD_DRAWS = 6
#: The same before a violation is reported: the spread of few draws may be small by chance.
CAREFUL_DRAWS = 30

Rounding: TypeAlias = Callable[[int], Vector]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Outputs and gradients of one forward and pullback, as copies.

    Attributes
    ----------
    outputs, gradient : Vector
    """

    outputs: Vector
    gradient: Vector

    def equals(self, other: Answer) -> bool:
        """Whether another answer is the same, bit for bit."""
        return np.array_equal(self.outputs, other.outputs) and np.array_equal(self.gradient, other.gradient)


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """Two vectors that should be the same: the worst entry, and how many are wrong.

    Attributes
    ----------
    name : str
        Array of the worst entry.
    index : tuple of int
    seen, due : float
    count, size : int
        Wrong entries of that array, and all of its entries.
    part : Part
    """

    name: str
    index: tuple[int, ...]
    seen: float
    due: float
    count: int
    size: int
    part: Part

    def __str__(self) -> str:
        where = f" at {list(self.index)}" if self.index else ""
        seen, due = digits_apart(self.seen, self.due)
        return f"{seen} instead of {due}{where}, {self.count} of {self.size} entries"


@dataclass(frozen=True, kw_only=True)
class Belongings:
    """Copies of what belongs to others, after the first forward and before its pullback.

    Attributes
    ----------
    arguments, constants : dict of str to ndarray
    """

    arguments: dict[str, Array]
    constants: dict[str, Array]

    @classmethod
    def of(cls, probe: Probe, linearization: Linearization) -> Belongings:
        """Copy them."""
        return cls(
            arguments={name: np.array(array) for name, array in linearization.arguments.items()},
            constants={name: np.array(array) for name, array in probe.subject.constants.items()},
        )


class Session:
    """The calls that contract checks share.

    Attributes
    ----------
    setting : Setting
    probe : Probe
    linearization : Linearization
        The first ``vjp`` of the subject.
    before_pullback : Belongings
    cotangent, other_cotangent : Vector
        Two cotangents that weight every output.
    given : ndarray or tuple of ndarray
        The cotangents that the first pullback was given.
    returned : dict of str to ndarray
        The very gradients that it returned.
    first : Answer
        Outputs and gradients of the first forward and pullback.
    """

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.probe: Probe = setting.probe
        self.linearization = setting.linearization
        self.before_pullback = Belongings.of(self.probe, self.linearization)
        self.rng = setting.rng
        self.cotangent = setting.cotangent()
        self.other_cotangent = setting.cotangent()
        self.given = self.linearization.form.cotangent(self.cotangent)
        self.returned = self.linearization.pull(self.given)
        gradient = self.space.join(self.returned)
        require_finite(self.returned, gradient)
        self.first = Answer(outputs=self.linearization.outputs.copy(), gradient=gradient)
        self._roundings: dict[int, Answer] = {}

    @property
    def pulls(self) -> list[tuple[Vector, Vector]]:
        """The random cotangents asked so far at the subject's point, with their gradients."""
        asked = [(self.cotangent, self.first.gradient)]
        return [*asked, (self.other_cotangent, self.other)] if "other" in self.__dict__ else asked

    @property
    def space(self) -> Space:
        """The gradients as one vector."""
        return self.probe.space

    @property
    def form(self) -> Space:
        """The outputs as one vector."""
        return self.linearization.form.space

    @cached_property
    def other(self) -> Vector:
        """The gradient of the other cotangent."""
        return self.linearization.pullback(self.other_cotangent)

    @cached_property
    def late(self) -> Vector | SubjectRaisedError:
        """What the first pullback makes of equal cotangents after another forward and its pullback."""
        _ = self.second
        return self._try_pullback()

    @cached_property
    def again(self) -> Vector | SubjectRaisedError:
        """What the first pullback makes of equal cotangents when it is called again, right after its forward."""
        if isinstance(self.late, np.ndarray) and np.array_equal(self.late, self.first.gradient):
            return self.late
        self.linearization = self.probe.linearize()
        self._try_pullback()
        return self._try_pullback()

    def _try_pullback(self) -> Vector | SubjectRaisedError:
        try:
            return self.linearization.pullback(self.cotangent)
        except SubjectRaisedError as error:
            return error

    @cached_property
    def growing(self) -> tuple[str, ...]:
        """The primals whose gradient grows by the same amount with every pullback."""
        if isinstance(self.again, SubjectRaisedError) or np.array_equal(self.first.gradient, self.again):
            return ()
        three = [self.linearization.pullback(self.cotangent) for _ in range(3)]
        return tuple(part.name for part in self.space if self._grows(*(vector[part.slice] for vector in three)))

    def _grows(self, first: Vector, second: Vector, third: Vector) -> bool:
        allowed = self.unit * np.abs(third).max()
        steps = second - first, third - second
        return bool(np.abs(steps[0]).max() > allowed >= np.abs(steps[1] - steps[0]).max())

    @cached_property
    def severe(self) -> Answer | SubjectRaisedError | FormError:
        """What a new forward and its pullback make of equal numbers in arrays that cannot be written to.

        They lie in the middle of buffers, and the memory that the calls make holds other numbers. An answer that is
        the first one, bit for bit, settles four questions; any other raises them one by one.
        """

        def fix(array: Array) -> Array:
            view = offset_view(array)
            view.flags.writeable = False
            return view

        arguments = {name: fix(array) for name, array in self.arrays().items()}
        try:
            with poisoned_memory(POISON):
                linearization = self.probe.linearize_at(arguments)
                given = linearization.form.cotangent(self.cotangent)
                fixed = tuple(map(fix, given)) if isinstance(given, tuple) else fix(given)
                return Answer(outputs=linearization.outputs.copy(), gradient=self.space.join(linearization.pull(fixed)))
        except (SubjectRaisedError, FormError) as error:
            return error

    @property
    def is_settled(self) -> bool:
        """Whether that answer is, bit for bit, the first one."""
        return isinstance(self.severe, Answer) and self.severe.equals(self.first)

    @cached_property
    def afresh(self) -> Answer:
        """Outputs and gradients of a new forward with the same arguments, and its pullback."""
        if isinstance(self.severe, Answer) and self.is_settled:
            return self.severe
        return self.answer(self.probe.linearize(), self.cotangent)

    @cached_property
    def second(self) -> Setting | None:
        """The subject at a second point, pulled back there once; None where none is found in its domain."""
        for point in other_points(self.space, self.probe.point):
            with suppress(SubjectRaisedError, FormError):
                setting = Setting.of(self.probe, self.rng, point, self.setting.function)
                gradient = setting.linearization.pullback(self.other_cotangent)
                return replace(setting, pulls=[(self.other_cotangent, gradient)])
        return None

    def adopt(self, trait: Trait) -> None:
        """Treat the subject as if it declared a trait; shared calls, which did not know of it, are made anew."""
        self.probe.adopt(trait)
        self.returned = self.linearization.pull(self.linearization.form.cotangent(self.cotangent))
        self.first = replace(self.first, gradient=self.space.join(self.returned))
        for name, attribute in vars(Session).items():
            if isinstance(attribute, cached_property):
                self.__dict__.pop(name, None)

    def answer(self, linearization: Linearization, cotangent: Vector) -> Answer:
        """Return the outputs of a linearization and its gradient for a cotangent."""
        return Answer(outputs=linearization.outputs.copy(), gradient=linearization.pullback(cotangent))

    def mismatch(self, space: Space, seen: Vector, due: Vector, rounding: Rounding | None = None) -> Mismatch | None:
        """Return where two vectors differ by more than rounding, or None.

        Parameters
        ----------
        space : Space
            Names the entries.
        seen, due : Vector
        rounding : callable, optional
            Returns how far rounding may have moved each entry, as so many draws tell: asked only where they differ by
            more than a few roundings of the largest entry. Default: not at all.
        """
        if np.array_equal(seen, due):
            return None
        error = np.abs(seen - due)
        allowed = np.zeros(space.size)
        for part in space:
            allowed[part.slice] = self.unit * np.abs(due[part.slice]).max(initial=0.0)
        wrong = ~(error <= allowed)
        for draws in (SPREAD_DRAWS, CAREFUL_DRAWS):
            if wrong.any() and rounding is not None:
                wrong = ~(error <= allowed + rounding(draws))
        if not wrong.any():
            return None
        position = int(np.argmax(np.where(wrong, np.nan_to_num(error, nan=np.inf), -1.0)))
        part = next(part for part in space if position < part.stop)
        name, index = space.locate(position)
        count = int(np.count_nonzero(wrong[part.slice]))
        return Mismatch(
            name=name,
            index=index,
            seen=float(seen[position]),
            due=float(due[position]),
            count=count,
            size=part.size,
            part=part,
        )

    def compare(
        self, seen: Answer, due: Answer | None = None, rounding: Callable[[int], Answer] | None = None
    ) -> Mismatch | None:
        """Return where an answer differs by more than rounding, outputs first.

        Parameters
        ----------
        seen, due : Answer
            Default of `due`: the answer of the first forward and pullback.
        rounding : callable, optional
            Returns the rounding of each entry. Default: that of the first answer.
        """
        due, rounding = due or self.first, rounding or self.rounding
        outputs = self.mismatch(self.form, seen.outputs, due.outputs, lambda draws: rounding(draws).outputs)
        return outputs or self.mismatch(self.space, seen.gradient, due.gradient, lambda draws: rounding(draws).gradient)

    def compare_outputs(self, seen: Vector, due: Vector | None = None) -> Mismatch | None:
        """Return where outputs differ from those of the first forward (or from `due`) by more than rounding."""
        due = self.first.outputs if due is None else due
        return self.mismatch(self.form, seen, due, lambda draws: self.rounding(draws).outputs)

    def compare_gradients(self, seen: Vector, due: Vector | None = None) -> Mismatch | None:
        """Return where gradients differ from those of the first pullback (or from `due`) by more than rounding."""
        due = self.first.gradient if due is None else due
        return self.mismatch(self.space, seen, due, lambda draws: self.rounding(draws).gradient)

    @property
    def unit(self) -> float:
        """Relative difference up to which values are the same without a second look."""
        return self.probe.precision.unit * self.probe.precision.same

    def rounding(self, draws: int = SPREAD_DRAWS) -> Answer:
        """How far rounding alone moves each output and gradient entry."""
        if draws not in self._roundings:
            self._roundings[draws] = self.rounding_at(self.probe.point, self.cotangent, draws)
        return self._roundings[draws]

    def rounding_at(self, point: Vector, cotangent: Vector, draws: int = SPREAD_DRAWS) -> Answer:
        """Measure how far rounding alone moves each output and each entry of the gradient at a point.

        The spread over inputs a few roundoffs apart shows what is ill-conditioned, and ties that rounding breaks; the
        noise of the forward, what such inputs all round in the same way.
        """
        drawn = self._drawn_around(point, cotangent, draws)
        if len(drawn) < draws:  # beside the point there may be any value
            return Answer(outputs=np.full(self.form.size, np.inf), gradient=np.full(self.space.size, np.inf))
        own = self.probe.function(self.space, self.probe.precision)
        noise = noise_at(own, point, self.setting.tangent(), own.evaluate(point))
        return Answer(
            outputs=2 * SIGMAS * (spread([one.outputs for one in drawn]) + noise),
            gradient=2 * SIGMAS * spread([one.gradient for one in drawn]) + self.floor,
        )

    def is_defined_around(self, point: Vector) -> bool:
        """Whether all answers a few roundoffs away from a point are finite."""
        return len(self._drawn_around(point, self.cotangent, SPREAD_DRAWS)) == SPREAD_DRAWS

    def _drawn_around(self, point: Vector, cotangent: Vector, draws: int) -> list[Answer]:
        """Return the answers to questions a few roundoffs away, as far as there are any."""
        drawn = []
        for _ in range(draws):
            with suppress(FormError, SubjectRaisedError):
                drawn.append(self.rounded_anew(point, cotangent)[2])
        return drawn

    @property
    def floor(self) -> float:
        """Rounding of a gradient entry that no change of the inputs shows, such as that of ``1 - p`` near ``p = 1``."""
        size = max(1.0, rms(self.linearization.outputs)) * norm(self.cotangent)
        return ENTRY_ROUNDINGS * self.probe.precision.unit * size

    def violation(self, found: Mismatch, sentence: str, **more: Any) -> Violation:
        """Return a violation with the evidence of a mismatch; an output is no primal."""
        about_gradient = found.part in self.space.parts
        primal = found.name if about_gradient else None
        return Violation(
            sentence=sentence,
            primal=primal,
            index=found.index if about_gradient else None,
            wrong_entries=found.count,
            entries=found.size,
            **more,
        )

    def named(self, found: Mismatch) -> str:
        """Return ``the gradient of 'x'`` or ``the output`` for the array of a mismatch."""
        if found.part in self.space.parts:
            return f"the gradient of {found.name!r}"
        return f"output {found.name}" if self.linearization.form.is_tuple else "the output"

    def arrays(self, point: Vector | None = None) -> dict[str, Array]:
        """Return the primals (or another point) as new arrays."""
        vector = self.probe.point if point is None else point
        return {name: np.array(array) for name, array in self.space.split(vector).items()}

    def rounded_anew(self, point: Vector, cotangent: Vector) -> tuple[Vector, Vector, Answer]:
        """Return a point and a cotangent a few roundoffs away, and the answer there."""
        unit = self.probe.precision.unit
        moved = rounded_anew(self.space, point, unit, self.rng)
        weights = rounded_anew(self.form, cotangent, unit, self.rng)
        return moved, weights, self.answer(self.probe.linearize(moved), weights)
