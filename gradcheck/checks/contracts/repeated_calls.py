"""Calls do not disturb each other: whatever their order and number, each answers its own question."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.checks.answers import SubjectRaisedError, flatten_outputs
from gradcheck.checks.contracts.contract import contract
from gradcheck.checks.contracts.session import Mismatch, Session
from gradcheck.checks.contracts.violation import Violation
from gradcheck.checks.probe import Probe, seeded_globally
from gradcheck.numeric.precision import SINGLE
from gradcheck.numeric.space import Space, Vector
from gradcheck.subject import Trait

#: Repetitions whose spread shows how much results change from call to call.
_REPEATS = 4
#: Arrays to which gradients are added hold this before the pullback.
_PREFILLED = 1.0


def _keeps_forwards_apart(probe: Probe) -> bool:
    return not probe.is_limited("last-forward-only")


def _promises_two_pullbacks(probe: Probe) -> bool:
    return not probe.is_limited("single-pullback")


def _has_lasting_arrays(probe: Probe) -> bool:
    return probe.subject.trait("overwrites") is not None or probe.subject.trait("accumulates") is not None


def _has_forward(probe: Probe) -> bool:
    return probe.subject.forward is not None


def _has_other_mode(probe: Probe) -> bool:
    return probe.subject.other_mode is not None and not probe.is_limited("last-forward-only")


@contract("accumulates", "gradients are added to arrays where declared, else never")
def accumulates(session: Session) -> Iterator[Violation]:
    """A second pullback answers like the first; where gradients are added to arrays, that is declared, and done."""
    declared = session.probe.limited("accumulates")
    added = tuple(name for name in session.growing if name not in declared)
    if added:
        trait = Trait("accumulates", added)
        names = ", ".join(map(repr, added))
        session.adopt(trait)
        # Where copies are returned, what they were made of cannot be set to zero.
        later = session.linearization.pullback(session.cotangent)
        cleared = session.mismatch(session.space, later, session.first.gradient) is None
        yield Violation(
            f"a second pullback adds its gradient of {names} to what the first one left; set it to zero in each "
            f"pullback, or, if the caller is meant to, declare gradcheck.{trait}",
            primal=added[0],
            ends_contracts=not cleared,
            ends_check=not cleared,
        )
    yield from _does_not_add(session, declared)


def _does_not_add(session: Session, declared: tuple[str, ...]) -> Iterator[Violation]:
    """Fill the arrays beforehand: afterwards they must hold that and the gradient."""
    if not declared:
        return
    linearization = session.linearization
    buffers = linearization.pull(linearization.form.cotangent(session.cotangent))
    expected = session.first.gradient.copy()
    for name in declared:
        buffers[name][...] = _PREFILLED
        expected[session.space.part(name).slice] += _PREFILLED
    held = linearization.pull(linearization.form.cotangent(session.cotangent), keep_buffers=True)
    after = session.space.join(held)  # the arrays themselves change with the next call
    found = session.compare_gradients(after, expected)
    if found is not None and found.name in declared:
        overwrites = np.array_equal(after[found.part.slice], session.first.gradient[found.part.slice])
        yield session.violation(
            found,
            f"{session.named(found)} is declared to be added to what its array holds, but "
            f"{'overwrites it' if overwrites else f'comes to {found}'}: the array held {_PREFILLED:g} before",
        )


@contract("rebound", "gradients stay in the same arrays where declared", applies=_has_lasting_arrays)
def rebound(session: Session) -> Iterator[Violation]:
    """Where gradients are declared to stay in the same arrays, they do."""
    probe, linearization = session.probe, session.linearization
    earlier = session.returned
    later = linearization.pull(linearization.form.cotangent(session.cotangent))
    for name in dict.fromkeys((*probe.limited("overwrites"), *probe.limited("accumulates"))):
        if not np.shares_memory(later[name], earlier[name]):
            yield Violation(
                f"the gradient of {name!r} is declared to stay in one array, but a second pullback returns a new one: "
                f"who holds the old one does not see it; write into it",
                primal=name,
            )


@contract("pullback-twice", "a second pullback answers like the first", applies=_promises_two_pullbacks)
def pullback_twice(session: Session) -> Iterator[Violation]:
    """A second pullback of one forward answers like the first."""
    again = session.again
    trait = Trait("single-pullback")
    how = f"keep what the forward left, or declare gradcheck.{trait}"
    if isinstance(again, SubjectRaisedError):
        yield Violation(f"a second pullback of the same forward fails: {again}; {how}", adopt=trait)
        return
    growing = session.growing  # before further calls make the steps uneven
    found = session.compare_gradients(again)
    if found is None or found.name in growing:
        return
    if session.compare(session.afresh) is None:  # else nothing is the same twice, which another check names
        yield session.violation(
            found,
            f"a second pullback of the same forward returns another gradient of {found.name!r}, {found}: the first one "
            f"spoils what the forward left; {how}",
            adopt=trait,
        )


@contract("deterministic", "equal arguments give equal results")
def deterministic(session: Session) -> Iterator[Violation]:
    """The same arguments give the same outputs and gradients, bit for bit."""
    first, afresh = session.first, session.afresh
    if not np.array_equal(first.outputs, afresh.outputs):
        repeats = [session.probe.linearize().outputs for _ in range(_REPEATS)]
        yield _spread(
            session, "the forward", session.form, [first.outputs, afresh.outputs, *repeats], _seeding(session)
        )
    elif not np.array_equal(first.gradient, afresh.gradient):
        repeats = [session.answer(session.probe.linearize(), session.cotangent).gradient for _ in range(_REPEATS)]
        yield _spread(session, "the pullback", session.space, [first.gradient, afresh.gradient, *repeats], "")


def _spread(session: Session, who: str, space: Space, draws: list[Vector], how: str) -> Violation:
    width = np.ptp(draws, axis=0)
    position = int(np.argmax(width))
    name, index = space.locate(position)
    part = space.part(name)
    size = float(np.abs(draws[0][part.slice]).max(initial=0.0))
    about = f"the gradient of {name!r}" if space is session.space else "the output"
    share = f", {width[position] / size:.2g} of the largest entry" if size else ""
    return Violation(
        f"{who} is not deterministic: with equal arguments {np.count_nonzero(width[part.slice])} of {part.size} "
        f"entries of {about} change from call to call, by up to {width[position]:.2g}{share}{how}",
        primal=name if space is session.space else None,
        index=index if space is session.space else None,
        wrong_entries=int(np.count_nonzero(width[part.slice])),
        entries=part.size,
        ends_contracts=True,
        ends_check=space is session.form,
    )


def _seeding(session: Session) -> str:
    """See whether the forward draws from a global generator."""
    outputs = []
    for _ in range(2):
        with seeded_globally():
            outputs.append(session.probe.linearize().outputs)
    if np.array_equal(outputs[0], outputs[1]):
        return "; it draws from a global generator: declare gradcheck.Trait('stochastic'), which seeds that"
    return "; if it draws random numbers, seed their generator in each forward"


@contract("forward-agrees", "forward and vjp return the same outputs", applies=_has_forward)
def forward_agrees(session: Session) -> Iterator[Violation]:
    """``forward`` and ``vjp`` return the same outputs."""
    outputs = flatten_outputs(session.probe.forward(session.arrays()))
    found = session.compare_outputs(outputs)
    if found is not None:
        yield session.violation(
            found,
            f"forward returns other outputs than vjp with the same primals: {found}; "
            f"{_same_in_float32(found) or 'differences would be those of another function'}",
        )


def _same_in_float32(found: Mismatch) -> str:
    """Say so where two values differ by no more than a few roundings of float32."""
    close = abs(found.seen - found.due) <= 8 * SINGLE.unit * abs(found.due)
    return "they are the same as far as float32 goes: one of the two rounds to float32 somewhere" if close else ""


@contract("call-order", "forwards and pullbacks may interleave", applies=_keeps_forwards_apart)
def call_order(session: Session) -> Iterator[Violation]:
    """Two forwards, then their pullbacks in either order, answer as if each stood alone.

    The first is pulled back after the second, and the second again after the first; subjects with one pullback for
    each forward get new forwards, of which the first is pulled back first.
    """
    if session.second is None:
        return
    point = session.second.point
    if session.probe.is_limited("single-pullback"):
        earlier, later = session.probe.linearize(), session.probe.linearize(point)
        found = session.compare_gradients(earlier.pullback(session.cotangent))
    else:
        later = session.second.linearization
        found = None if isinstance(session.late, SubjectRaisedError) else session.compare_gradients(session.late)
    if found is not None:
        yield _overtaken(session, point, found)
        return
    cotangent, alone = session.second.pull(0)
    found = session.mismatch(
        session.space,
        later.pullback(cotangent),
        alone,
        lambda draws: session.rounding_at(point, cotangent, draws).gradient,
    )
    if found is not None:
        yield session.violation(
            found,
            f"after the pullback of an earlier forward, that of a later one returns another gradient of "
            f"{found.name!r}: {found}; they share what belongs to one of them",
        )


def _overtaken(session: Session, point: Vector, found: Mismatch) -> Violation:
    trait = Trait("last-forward-only")
    overtaking = session.probe.linearize(point).pullback(session.cotangent)
    part = session.space.part(found.name)
    seen = float(overtaking[part.slice].reshape(part.shape)[found.index])
    whose = "that of the second forward" if seen == found.seen else "what the second forward left is mixed in"
    return session.violation(
        found,
        f"after a second forward the pullback of the first returns another gradient of {found.name!r}, {found}: "
        f"{whose}; keep a cache per call, or declare gradcheck.{trait}",
        adopt=trait,
    )


@contract("other-mode", "the other mode leaves no trace", applies=_has_other_mode)
def other_mode(session: Session) -> Iterator[Violation]:
    """A forward in the other mode, between a forward and its pullback, changes neither this nor the next answer."""
    mode = session.probe.subject.other_mode
    assert mode is not None
    linearization = session.probe.linearize()
    elsewhere = None if session.second is None else session.second.point
    session.probe.forward_in_other_mode(session.arrays(elsewhere))
    found = session.compare(session.answer(linearization, session.cotangent))
    when = "of a forward before it"
    if found is None:
        found, when = (
            session.compare(session.answer(session.probe.linearize(), session.cotangent)),
            "of a forward after",
        )
    if found is not None:
        yield session.violation(
            found,
            f"a forward in the other mode changes the answer {when}, {session.named(found)} is {found}: each mode "
            f"needs a state of its own",
        )
