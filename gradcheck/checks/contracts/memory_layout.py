"""The same numbers in another memory layout, primals and cotangents alike, have the same gradients."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from gradcheck.checks.answers import FormError, SubjectRaisedError
from gradcheck.checks.contracts.contract import contract
from gradcheck.checks.contracts.session import Answer, Mismatch, Session
from gradcheck.checks.contracts.violation import Violation
from gradcheck.checks.probe import Probe
from gradcheck.numeric.array_layouts import (
    LAYOUTS,
    Layout,
    fortran,
    offset_view,
    read_only,
    repeated,
    rolled_axes,
    step_sliced_backwards,
)
from gradcheck.numeric.space import Vector, is_finite
from gradcheck.subject import Array

_COTANGENT = "the cotangent"
#: Layouts that permute axes; which of them an array gets is drawn.
_PERMUTED: tuple[Layout, ...] = (fortran, rolled_axes)


class _OutsideError(Exception):
    """A question cannot be asked: where entries are equal, or beside such a place, the subject is not defined."""


def _leaves_arguments(probe: Probe) -> bool:
    """Whether the subject was not seen to write to its arguments; that it does is reported once."""
    return not probe.shields_arguments


@contract("layout", "memory layout does not matter")
def layout(session: Session) -> Iterator[Violation]:
    """Each array in each layout, together in few calls: outputs and gradients are those of contiguous arrays.

    Arrays that repeat one entry by stride 0, as the gradient of a sum does, count like arrays that hold them all.
    """
    receivers = _receivers(session)
    drawn = session.rng.integers(len(_PERMUTED), size=len(receivers))
    # Views in the middle of a buffer were tried before, in a call that settled more than that.
    unsettled = () if session.is_settled else (offset_view,)
    turns = [(_PERMUTED[which], step_sliced_backwards, *unsettled) for which in drawn]
    for turn in range(len(turns[0])):
        changes = {receiver: turns[k][(turn + k) % len(turns[k])] for k, receiver in enumerate(receivers)}
        found = _tell(session, changes)
        if found is not None:
            yield _name_guilty(session, found, changes)
            return
    if _leaves_arguments(session.probe):  # such arrays cannot be written to
        yield from _stride_zero(session)


def _stride_zero(session: Session) -> Iterator[Violation]:
    for receivers in (_receivers(session), (_COTANGENT,)):
        try:
            found = _repeat(session, receivers)
        except _OutsideError:
            continue
        if found is not None:
            yield _violation(session, found, _who(_guilty_of_repeating(session, receivers)), "with stride 0")
        return


def _repeat(session: Session, receivers: tuple[str, ...]) -> Mismatch | str | None:
    changes = dict.fromkeys(receivers, repeated)
    try:
        written_out = _ask(session, changes, np.array)
    except (SubjectRaisedError, FormError) as error:
        raise _OutsideError from error
    point = session.space.join({name: changes.get(name, np.array)(array) for name, array in session.arrays().items()})
    if not is_finite(written_out.gradient):
        raise _OutsideError
    found = _tell(session, changes, written_out, lambda draws: session.rounding_at(point, session.cotangent, draws))
    if found is not None and not session.is_defined_around(point):
        raise _OutsideError
    return found


def _guilty_of_repeating(session: Session, receivers: tuple[str, ...]) -> list[str]:
    guilty = []
    for receiver in receivers:
        with suppress(_OutsideError):
            guilty += [receiver] if _repeat(session, (receiver,)) is not None else []
    return guilty or list(receivers)


def _name_guilty(session: Session, found: Mismatch | str, changes: Mapping[str, Layout]) -> Violation:
    """Try the layouts one by one, on one array after the other, to say which it is."""
    for name, change in LAYOUTS.items():
        for receiver in changes:
            alone = _tell(session, {receiver: change})
            if alone is not None:
                return _violation(session, alone, _who([receiver]), f"in {name} memory layout")
    return _violation(session, found, _who(list(changes)), "each in another memory layout")


@contract("read-only", "read-only arrays are accepted", applies=_leaves_arguments)
def accepts_read_only(session: Session) -> Iterator[Violation]:
    """Arrays that cannot be written to are accepted."""
    if session.is_settled:
        return
    refused = [name for name in _receivers(session) if isinstance(_tell(session, {name: read_only}), str)]
    if refused:
        reason = _tell(session, {refused[0]: read_only})
        yield Violation(
            f"with {_who(refused)} that cannot be written to, although nothing is written: {reason}; views and "
            f"constants are such arrays",
            spoils_arguments=True,
        )


def _receivers(session: Session) -> tuple[str, ...]:
    return (_COTANGENT, *(part.name for part in session.space))


def _tell(
    session: Session,
    changes: Mapping[str, Layout],
    due: Answer | None = None,
    rounding: Callable[[int], Answer] | None = None,
) -> Mismatch | str | None:
    """Return what is wrong with the answer to a question whose arrays are in these layouts."""
    try:
        return session.compare(_ask(session, changes), due, rounding)
    except (SubjectRaisedError, FormError) as error:
        return str(error)


def _ask(
    session: Session, changes: Mapping[str, Layout], finish: Callable[[Array], Array] = lambda array: array
) -> Answer:
    def keep(array: Array) -> Array:
        return array

    arguments = {name: finish(changes.get(name, keep)(array)) for name, array in session.arrays().items()}
    linearization = session.probe.linearize_at(arguments)
    outputs: Vector = linearization.outputs.copy()
    change = changes.get(_COTANGENT, keep)
    given: Any = linearization.form.cotangent(session.cotangent)
    weights = tuple(finish(change(one)) for one in given) if isinstance(given, tuple) else finish(change(given))
    return Answer(outputs=outputs, gradient=session.space.join(linearization.pull(weights)))


def _who(receivers: list[str]) -> str:
    return " and ".join(name if name == _COTANGENT else repr(name) for name in receivers)


def _violation(session: Session, found: Mismatch | str, who: str, how: str) -> Violation:
    if isinstance(found, str):
        return Violation(f"with {who} {how}: {found}")
    return session.violation(
        found,
        f"with {who} {how}, {session.named(found)} is {found}: the numbers are the same, their places in memory are "
        f"not; is a buffer read in memory order (ravel('K'), .base, .data)?",
    )
