"""Mutants planted into a layer that passed: a check that does not kill them cannot vouch for the layer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradcheck.checks.one_subject import check_subject
from gradcheck.checks.stages import BESIDE, Settings
from gradcheck.mutants.call_mutants import CORE_CALL_MUTANTS, CallMutant
from gradcheck.mutants.generic import CORE_MUTANTS
from gradcheck.mutants.mutant import Buffers, Mutant, copied, mapped, planted
from gradcheck.records.run_record import PlantedOutcome, SubjectReport
from gradcheck.subject import Arrays, Subject

#: Of a subject with more primals so many, spread evenly, have their gradients spoiled.
_PRIMALS = 8
_CAUGHT: PlantedOutcome = "caught"
_SURVIVED: PlantedOutcome = "survived"
_ABSENT: PlantedOutcome = "not applicable"


@dataclass
class CoreOutcomes:
    """What became of the mutants that were planted.

    Attributes
    ----------
    outcomes : dict of str to str
        ``"caught"``, ``"survived"`` or ``"not applicable"``, by slug.
    notes : list of str
        A sentence for each that survived.
    """

    outcomes: dict[str, PlantedOutcome] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def try_core_mutants(points: Sequence[tuple[Subject, int]], settings: Settings) -> CoreOutcomes:
    """Plant every core mutant into subjects that passed, until it is killed.

    Parameters
    ----------
    points : sequence of (Subject, int)
        The subject of some cases, with the seed of each.
    settings : Settings
        How the cases were checked.
    """
    settings = replace(settings, take_apart=False, exhaustive=False)
    found = CoreOutcomes()
    for mutant in CORE_MUTANTS:
        by_primal = {name: _try_mutant(mutant, name, points, settings) for name in _primals(points)}
        _note(found, mutant, by_primal, len(points))
    for call_mutant in CORE_CALL_MUTANTS:
        _note(found, call_mutant, {"": _try_call_mutant(call_mutant, points, settings)}, len(points))
    return found


def _note(found: CoreOutcomes, mutant: Mutant | CallMutant, outcomes: Mapping[str, PlantedOutcome], cases: int) -> None:
    survived = [name for name, outcome in outcomes.items() if outcome == _SURVIVED]
    caught = _CAUGHT in outcomes.values()
    found.outcomes[mutant.slug] = _SURVIVED if survived else _CAUGHT if caught else _ABSENT
    if survived:
        where = f" for {', '.join(map(repr, survived))}" if any(survived) else ""
        tried = "the case" if cases == 1 else f"{cases} cases"
        found.notes.append(
            f"the mutant {mutant.slug!r} survived{where}: had it been that {mutant.sentence}, {tried} tried would not "
            f"have shown it"
        )


def _primals(points: Sequence[tuple[Subject, int]]) -> list[str]:
    names = list(dict.fromkeys(name for subject, _ in points for name in subject.primals))
    if len(names) <= _PRIMALS:
        return names
    return [names[k] for k in np.linspace(0, len(names) - 1, _PRIMALS).astype(int)]


def _try_mutant(
    mutant: Mutant, primal: str, points: Sequence[tuple[Subject, int]], settings: Settings
) -> PlantedOutcome:
    outcome = _ABSENT
    for subject, seed in points:
        wrong = planted(mutant, subject, primal=primal)
        if primal not in subject.primals or not _differ(_pulled(wrong, seed), _pulled(subject, seed)):
            continue
        if check_subject(wrong, seed, settings).failures:
            return _CAUGHT
        outcome = _SURVIVED
    return outcome


def _try_call_mutant(
    call_mutant: CallMutant, points: Sequence[tuple[Subject, int]], settings: Settings
) -> PlantedOutcome:
    outcome = _ABSENT
    for subject, seed in points:
        off = {**subject.without, **settings.without}
        watched = (settings.contracts and BESIDE not in off) or not call_mutant.shown_by
        if not (watched and call_mutant.applies(subject)) or (
            call_mutant.of_cache and not _depends_on_point(subject, seed)
        ):
            continue
        if check_subject(call_mutant.plant(subject), seed, settings).failures:
            return _CAUGHT
        if off.keys().isdisjoint(call_mutant.shown_by):
            outcome = _SURVIVED
    return outcome


def _depends_on_point(subject: Subject, seed: int) -> bool:
    """Whether the gradients differ at another point: far away or, where the forward has no values there, near by."""
    rng = np.random.default_rng(seed)
    here = _pulled(subject, seed)
    for far in (True, False):
        other = {}
        for name, array in subject.primals.items():
            draw = rng.standard_normal(array.shape)
            moved = array + (1 + np.abs(array)) * draw if far else array * (1 + np.tanh(draw) / 64)
            other[name] = np.asarray(moved, array.dtype)
        try:
            return _differ(here, _pulled(subject, seed, other))
        except Exception:  # whatever a layer raises outside of its domain
            continue
    return False


def _pulled(subject: Subject, seed: int, point: Arrays | None = None) -> dict[str, Any]:
    """Return the gradients for a random cotangent: of arrays that are added to, what a second call adds."""
    buffers = Buffers(subject)
    first = _answer(subject, seed, point)
    if not buffers.adding:
        return {name: np.array(gradient) for name, gradient in first.items()}
    buffers.added(first, {})
    kept = buffers.held()
    return dict(buffers.added(_answer(subject, seed, point), kept))


def _answer(subject: Subject, seed: int, point: Arrays | None) -> Arrays:
    primals = {name: np.array(array) for name, array in (point or subject.primals).items()}
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        outputs, pullback = subject.vjp(primals)
        return pullback(mapped(lambda y: np.asarray(rng.standard_normal(np.shape(y)), y.dtype), copied(outputs)))


def _differ(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    return any(_different(first[name], second[name]) for name in first)


def _different(first: Any, second: Any) -> bool:
    if first.shape != second.shape:
        return True
    size = np.abs(second).max(initial=0.0)
    rounding = 64 * np.finfo(second.dtype).eps * size
    return bool(np.abs(first - second).max(initial=0.0) > rounding) or not np.isfinite(size)


def with_core_mutants(
    report: SubjectReport, points: Callable[[], Sequence[tuple[Subject, int]]], settings: Settings
) -> SubjectReport:
    """Return the report with what became of mutants that were planted, if everything passed.

    `points` makes the subjects only then: a network takes its time.
    """
    if report.verdict != "passed":
        return report
    begun = time.perf_counter()
    found = try_core_mutants(points(), settings)
    return replace(
        report,
        verdict="inconclusive" if found.notes else report.verdict,
        notes=(*report.notes, *found.notes),
        canaries=found.outcomes,
        seconds=report.seconds + time.perf_counter() - begun,
    )
