"""Whose memory is it? Nothing is changed that belongs to others, and results belong to their receiver."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck.checks.answers import FormError, SubjectRaisedError
from gradcheck.checks.contracts.contract import contract
from gradcheck.checks.contracts.poison import OTHER_POISON, POISON, poisoned_memory
from gradcheck.checks.contracts.session import Session
from gradcheck.checks.contracts.violation import Violation
from gradcheck.checks.probe import Probe
from gradcheck.numeric.space import Space, Vector
from gradcheck.subject import Array, Trait

#: Strides can be such that it takes forever to tell whether two arrays share an entry: so much work is enough.
_SHARING_WORK = 100_000


def _promises_own_memory(probe: Probe) -> bool:
    return not probe.is_limited("returns-views")


@contract("mutation", "nothing is changed that belongs to others")
def mutation(session: Session) -> Iterator[Violation]:
    """Primals, cotangents, outputs and constants are as they were after the forward and after the pullback."""
    for violation in list(_changes(session)):
        yield replace(violation, spoils_arguments=True)


def _changes(session: Session) -> Iterator[Violation]:
    linearization, before = session.linearization, session.before_pullback
    for name, array in session.arrays().items():
        yield from _difference("the forward", f"the primal {name!r}", array, before.arguments[name])
    yield from _changed_constants(session.probe, before.constants)
    for name, array in before.arguments.items():
        found = _difference("the pullback", f"the primal {name!r}", array, linearization.arguments[name])
        yield from (replace(violation, adopt=Trait("single-pullback")) for violation in found)
    cotangents = _named("cotangent", linearization.form.cotangent(session.cotangent))
    for name, array in _named("cotangent", session.given).items():
        yield from _difference("the pullback", f"the {name}", cotangents[name], array)
    outputs = dict(zip(_named("output", linearization.returned), _split(session), strict=True))
    for name, array in _named("output", linearization.returned).items():
        found = _difference("the pullback", f"the {name} of the forward", outputs[name], array)
        yield from (replace(violation, adopt=Trait("single-pullback")) for violation in found)
    for name, array in before.constants.items():
        yield from _difference("the pullback", f"the constant {name!r}", array, session.probe.subject.constants[name])


def _changed_constants(probe: Probe, after: Mapping[str, Array]) -> Iterator[Violation]:
    declared = probe.subject.trait("forward-writes")
    meant = () if declared is None else declared.primals or tuple(probe.constants)
    for name, before in probe.constants.items():
        if name not in meant:
            how = f"; if that is meant, declare gradcheck.Trait('forward-writes', ({name!r},))"
            yield from _difference("the forward", f"the constant {name!r}", before, after[name], how)


def _difference(who: str, what: str, before: Array, after: Array, how: str = "") -> Iterator[Violation]:
    if before.tobytes() == after.tobytes():
        return
    differing = np.argwhere((before != after) & ((before == before) | (after == after)))
    if not len(differing):
        return  # zeros of another sign, or other ways to write nan
    index = tuple(int(i) for i in differing[0])
    place = f" at {list(index)}" if index else ""
    yield Violation(
        f"{who} changes {what} in place{place}, from {_shown(before[index])} to {_shown(after[index])}; "
        f"its owner still needs it: work on a copy{how}"
    )


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, np.floating) else str(value)


@contract("alias", "results share no memory", applies=_promises_own_memory)
def alias(session: Session) -> Iterator[Violation]:
    """Outputs and gradients share no memory with arguments, cotangents or each other, or a write to them does no harm.

    Who writes into the output of an identity (a flatten, dropout in evaluation) changes an argument of his own. Harm
    is done where another result, or an answer of the pullback, changes with it.
    """
    linearization = session.linearization
    arguments = {f"the primal {name!r}": array for name, array in linearization.arguments.items()}
    cotangents = {f"the {name}": array for name, array in _named("cotangent", session.given).items()}
    known = {**arguments, **cotangents}
    for name, array in _named("output", linearization.returned).items():
        what = f"the {name} of the forward"
        other = _sharing(array, known)
        if other is not None:
            yield _shared(what, None, other, _writing_to_output(session, name))
        known[what] = array
    for name, array in session.returned.items():
        what = f"the gradient of {name!r}"
        other = _sharing(array, known)
        if other is not None:
            yield _shared(what, name, other, _writing_to_gradient(session, name))
        known[what] = array


def _sharing(array: Array, known: Mapping[str, Array]) -> str | None:
    """Return with which array another one shares memory."""
    return next((other for other, memory in known.items() if _share(array, memory)), None)


def _shared(what: str, primal: str | None, other: str, harm: str | None) -> Violation:
    if harm is None:
        how = "no answer suffers from that; if callers never write into results,"
    else:
        how = f"writing into one changes {harm}; return a copy, or, if callers never write into results,"
    return Violation(
        f"{what} shares memory with {other}: {how} declare gradcheck.{Trait('returns-views')}",
        primal=primal,
        is_harmless=harm is None,
    )


def _writing_to_output(session: Session, name: str) -> str | None:
    """Write into an output between the forward and its pullback; return what else changes."""
    linearization = session.probe.linearize()
    outputs = _named("output", linearization.returned)
    changed = _changed_by_writing(outputs[name], {f"the {other}": outputs[other] for other in outputs if other != name})
    if changed is not None:
        return changed
    try:
        found = session.compare_gradients(linearization.pullback(session.cotangent))
    except (FormError, SubjectRaisedError):
        return "the answer of the pullback"
    return None if found is None else session.named(found)


def _writing_to_gradient(session: Session, name: str) -> str | None:
    """Write into a gradient; return which other result changes, or whether the next answer of the pullback does."""
    linearization = session.probe.linearize()
    gradients = linearization.pull(linearization.form.cotangent(session.cotangent))
    others = {f"the {other}": array for other, array in _named("output", linearization.returned).items()}
    others |= {f"the gradient of {other!r}": gradients[other] for other in gradients if other != name}
    changed = _changed_by_writing(gradients[name], others)
    if changed is not None or session.probe.is_limited("single-pullback"):
        return changed
    try:
        found = session.compare_gradients(linearization.pullback(session.cotangent))
    except (FormError, SubjectRaisedError):
        return None  # a second pullback is another promise
    return None if found is None else f"{session.named(found)} in the next pullback"


def _changed_by_writing(array: Array, others: Mapping[str, Array]) -> str | None:
    """Write into an array, if that is possible, and return which other one changes."""
    if not array.flags.writeable:
        return None
    before = {name: np.array(other) for name, other in others.items()}
    array[...] = 1 - array
    return next((name for name, other in others.items() if not np.array_equal(before[name], other)), None)


def _share(one: Array, other: Array) -> bool:
    if not np.may_share_memory(one, other):
        return False
    try:
        return bool(np.shares_memory(one, other, max_work=_SHARING_WORK))  # type: ignore[arg-type]
    except np.exceptions.TooHardError:
        return False  # nothing is blamed that was not seen


@contract("uninitialised", "every entry is written")
def uninitialised(session: Session) -> Iterator[Violation]:
    """Every entry of outputs and gradients is written: none shows what its memory held before."""
    found = None if session.is_settled else find_unwritten(session.probe, session.cotangent)
    if found is not None:
        yield found


def find_unwritten(probe: Probe, cotangent: Vector) -> Violation | None:
    """Ask twice, with fresh memory filled with different numbers; return which entries show them.

    What differs also when the number is the same is not deterministic, which is another fault.
    """
    one = _answer_in_poisoned_memory(probe, cotangent, POISON)
    other = _answer_in_poisoned_memory(probe, cotangent, OTHER_POISON)
    if all(_equal(one[what][1], other[what][1]).all() for what in one):
        return None
    same = _answer_in_poisoned_memory(probe, cotangent, POISON)
    if not all(_equal(one[what][1], same[what][1]).all() for what in one):
        return None
    for what, (space, vector) in one.items():
        shown = ~_equal(vector, other[what][1])
        if not shown.any():
            continue
        name, index = space.locate(int(np.argmax(shown)))
        part = space.part(name)
        count = int(np.count_nonzero(shown[part.slice]))
        array = f"output {name}" if what == "output" else f"the gradient of {name!r}"
        return Violation(
            f"{count} of {part.size} entries of {array} are never written, the first at {list(index)}: they show what "
            f"their memory held before; np.zeros in the place of np.empty, or a loop to the end, mends it",
            primal=name if what == "gradient" else None,
            index=index if what == "gradient" else None,
            wrong_entries=count,
            entries=part.size,
            ends_contracts=True,
        )
    return None


def _equal(one: Vector, other: Vector) -> Any:
    return (one == other) | (np.isnan(one) & np.isnan(other))


def _answer_in_poisoned_memory(probe: Probe, cotangent: Vector, poison: float) -> dict[str, tuple[Space, Vector]]:
    with poisoned_memory(poison):
        linearization = probe.linearize()
        gradients = linearization.pull(linearization.form.cotangent(cotangent))
    outputs = linearization.form.space, linearization.outputs
    return {"output": outputs, "gradient": (linearization.space, linearization.space.join(gradients))}


@contract("overwritten", "results stay as they were returned")
def overwritten(session: Session) -> Iterator[Violation]:
    """What the first calls returned is what it was, after all the calls since."""
    exempt = {*session.probe.limited("overwrites"), *session.probe.limited("accumulates")}
    kept = session.space.split(session.first.gradient)
    for name, array in session.returned.items():
        if name not in exempt and not np.array_equal(kept[name], array):
            yield Violation(
                f"the gradient of {name!r} that one call returned was overwritten by a later call; return a new "
                f"array, or declare gradcheck.Trait('overwrites', ({name!r},))",
                primal=name,
            )
    outputs = dict(zip(_named("output", session.linearization.returned), _split(session), strict=True))
    for name, array in _named("output", session.linearization.returned).items():
        if not np.array_equal(outputs[name], array):
            yield Violation(
                f"the {name} that one forward returned was overwritten by a later call: the next layer still needs "
                f"it; return a new array"
            )


def _split(session: Session) -> list[Array]:
    """The outputs of the first forward, as they were when it returned."""
    return list(session.form.split(session.linearization.outputs).values())


def _named(word: str, arrays: Any) -> dict[str, Array]:
    if isinstance(arrays, tuple):
        return {f"{word} {k}": np.asarray(array) for k, array in enumerate(arrays)}
    return {word: np.asarray(arrays)}
