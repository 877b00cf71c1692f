"""The self-test: every known mutant is planted into a right layer and must be killed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from gradcheck.checks.stages import Settings
from gradcheck.mutants.call_mutants import CALL_MUTANTS, CallMutant
from gradcheck.mutants.generic import GENERIC
from gradcheck.mutants.mutant import Mutant, Question, copied, mapped, planted
from gradcheck.numeric.plain import numeric_gradient
from gradcheck.records.codec import to_plain
from gradcheck.records.json_text import to_json
from gradcheck.records.run_record import CaseId
from gradcheck.runs.check_case import check_case
from gradcheck.subject import Arrays, Subject
from gradcheck.suites.cases import corner_cases, draw_cases
from gradcheck.suites.kind import Case, Kind
from gradcheck.suites.suite import Suite, suite

Outcome: TypeAlias = Literal["caught", "equivalent", "convention", "survived", "not applicable"]
#: What becomes of a mutant, in the order of the columns of a table.
OUTCOMES: tuple[Outcome, ...] = ("caught", "equivalent", "convention", "survived")
#: Gradients that differ by less than this share of their largest entry are the same.
_SAME = 1e-9
#: Checks at batches of other sizes and forms do not count for a mutant in values, which may not have been written
#: for them.
_OTHER_FORMS = ("empty-batch", "batch-sizes", "any-rank", "batch-exchange", "batch-order", "layout", "raised")
_EPSILON, _RTOL, _ATOL = 1e-6, 1e-3, 1e-5


@dataclass(frozen=True)
class MutantResult:
    """What became of one mutant of the reference layer of a kind.

    Attributes
    ----------
    kind, slug, sentence : str
    primal : str or None
        The primal whose gradient was spoiled; None where all were.
    outcome : str
        One of `OUTCOMES`, or ``"not applicable"``: no case of the kind lets the mutant be made.
    argument : str
        Why a mutant is equivalent, or a convention.
    checks : tuple of str
        The checks that caught it.
    case : CaseId or None
        The case in which it was caught, or survived.
    tried : int
        How many cases in which the gradients differ were checked until then.
    by_baseline : bool or None
        Whether plain differences, entry by entry, catch it in one of the cases; None if that was not asked.
    """

    kind: str
    slug: str
    sentence: str
    primal: str | None
    outcome: Outcome
    argument: str = ""
    checks: tuple[str, ...] = ()
    case: CaseId | None = None
    tried: int = 0
    by_baseline: bool | None = None


@dataclass(frozen=True)
class KindProof:
    """The mutants that were planted into one kind.

    Attributes
    ----------
    kind : str
    results : tuple of MutantResult
    cases : int
    rejected : int or None
        In how many cases the baseline rejects the right gradient.
    """

    kind: str
    results: tuple[MutantResult, ...]
    cases: int
    rejected: int | None = None

    @property
    def survivors(self) -> tuple[MutantResult, ...]:
        """What was not found."""
        return tuple(result for result in self.results if result.outcome == "survived")

    def count(self, outcome: Outcome) -> int:
        """Return how many mutants had that outcome."""
        return sum(result.outcome == outcome for result in self.results)

    @property
    def planted(self) -> int:
        """How many mutants could be made."""
        return sum(result.outcome != "not applicable" for result in self.results)

    @property
    def argued(self) -> tuple[MutantResult, ...]:
        """What is none, or a legal choice, with the argument."""
        return tuple(result for result in self.results if result.argument)

    @property
    def caught_by_baseline(self) -> int:
        """How many of those that are faults the baseline catches."""
        return sum(bool(result.by_baseline) for result in self.results if result.outcome == "caught")


def proofs_to_json(proofs: Sequence[KindProof]) -> str:
    """Return every result as JSON text."""
    kinds = [
        {
            "kind": proof.kind,
            "cases": proof.cases,
            "planted": proof.planted,
            **{outcome: proof.count(outcome) for outcome in OUTCOMES},
            "baseline": None if proof.rejected is None else proof.caught_by_baseline,
            "rejected_by_baseline": proof.rejected,
            "plantings": [_without_kind(to_plain(result)) for result in proof.results],
        }
        for proof in proofs
    ]
    return to_json({"self_test": 1, "kinds": kinds})


def _without_kind(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "kind"}


class _Seed:
    """One case with the right layer in it, and what is needed of it again and again."""

    def __init__(self, suite: Suite, case: Case) -> None:
        self.case = case
        self.primals = case.primals()
        self.subject = suite.subject(case)
        self.outputs, self.pullback = self.subject.vjp(self.subject.primals)
        rng = np.random.default_rng(case.seed)
        self.cotangent = _normal_like(self.outputs, rng)
        self.right = self._pulled(self.subject)
        self._numeric: Arrays | None = None
        self._changed: dict[Mutant, list[str]] = {}

    @property
    def size(self) -> int:
        """The number of entries of all primals."""
        return sum(array.size for array in self.primals.values())

    def question(self) -> Question:
        return Question(
            self.case.config, self.subject.primals, self.outputs, self.cotangent, self.right, self.subject.vjp
        )

    def mistaken(self, mutant: Mutant) -> Arrays:
        """Return the gradients that the mutant leads to here."""
        if not mutant.applies(self.case.config, self.primals):
            return {}
        with np.errstate(all="ignore"):
            return mutant.gradients(self.question())

    def changed(self, mutant: Mutant) -> list[str]:
        """Return the primals whose gradients the mutant changes here."""
        if mutant not in self._changed:
            wrong = self.mistaken(mutant).items()
            names = [name for name, array in wrong if not _same(np.asarray(array), self.right[name], _SAME)]
            self._changed[mutant] = names
        return self._changed[mutant]

    def differs(self, mutant: Mutant, primal: str | None) -> bool:
        """Whether the mutant is one here."""
        changed = self.changed(mutant)
        return bool(changed) if primal is None else primal in changed

    def is_rejected_by_baseline(self, subject: Subject) -> bool:
        """Whether plain differences find the gradients of a subject wrong."""
        try:
            analytic = self._pulled(subject)
        except Exception:  # whatever a mutant raises, everybody notices
            return True
        if self._numeric is None:
            self._numeric = {name: self._differences(name) for name in self.primals}
        return any(
            np.shape(analytic[name]) != numeric.shape or not np.allclose(analytic[name], numeric, _RTOL, _ATOL)
            for name, numeric in self._numeric.items()
        )

    def _pulled(self, subject: Subject) -> dict[str, Any]:
        point = {name: array.copy() for name, array in self.subject.primals.items()}
        with np.errstate(all="ignore"):
            gradients = subject.vjp(point)[1](copied(self.cotangent))
        return {name: np.array(gradient) for name, gradient in gradients.items()}

    def _differences(self, name: str) -> Any:
        weights = self.cotangent if isinstance(self.cotangent, tuple) else (self.cotangent,)

        def weighted(value: Any) -> Any:
            assert self.subject.forward is not None
            outputs = self.subject.forward({**self.primals, name: np.asarray(value)})
            parts = outputs if isinstance(outputs, tuple) else (outputs,)
            return sum(float(np.sum(g * y)) for g, y in zip(weights, parts, strict=True))

        with np.errstate(all="ignore"):
            return numeric_gradient(weighted, self.primals[name], _EPSILON)


def prove_kind(kind: Kind, examples: int = 10, seed: int = 0, *, baseline: bool = False) -> KindProof:
    """Plant every mutant that a kind can make into its reference layer, and check until each is killed.

    Parameters
    ----------
    kind : Kind
    examples : int
        Drawn cases beside the corner cases.
    seed : int
    baseline : bool
        Whether plain differences, entry by entry, are asked as well.
    """
    right = suite(kind.name)
    cases = [*corner_cases(right, seed), *draw_cases(right, examples, seed)]
    seeds = [_Seed(right, case) for case in cases if isinstance(case, Case)]
    seeds.sort(key=lambda one: one.size)  # most mutants show in small cases, which are checked sooner
    accepted = [one for one in seeds if not (baseline and one.is_rejected_by_baseline(one.subject))]
    results = []
    for mutant, primal in _mutants(kind, seeds):
        result = _prove_mutant(right, mutant, primal, seeds)
        if baseline:
            found = any(
                one.is_rejected_by_baseline(_with(mutant, primal, one)) for one in _differing(mutant, primal, accepted)
            )
            result = replace(result, by_baseline=found)
        results.append(result)
    for call_mutant in CALL_MUTANTS:
        if not all(call_mutant.applies(one.subject) for one in seeds):
            continue
        result = _prove_call_mutant(right, call_mutant, seeds)
        if baseline:
            found = any(one.is_rejected_by_baseline(call_mutant.plant(one.subject)) for one in accepted)
            result = replace(result, by_baseline=found)
        results.append(result)
    rejected = len(seeds) - len(accepted) if baseline else None
    return KindProof(kind.name, tuple(results), len(seeds), rejected)


def _mutants(kind: Kind, seeds: Sequence[_Seed]) -> Iterator[tuple[Mutant, str | None]]:
    """Yield the kind's own mutants and the generic ones, once for every primal whose gradient they change."""
    for mutant in kind.mutants:
        yield from ((mutant, primal) for primal in _changed(mutant, seeds))
    for primal in dict.fromkeys(name for one in seeds for name in one.primals):
        for mutant in GENERIC:
            yield mutant, primal


def _changed(mutant: Mutant, seeds: Sequence[_Seed]) -> list[str | None]:
    """Return the primals whose gradients a mutant changes in some case."""
    names = (name for one in seeds for name in one.changed(mutant))
    return list(dict.fromkeys(names)) or [None]


def _differing(mutant: Mutant, primal: str | None, seeds: Sequence[_Seed]) -> Iterator[_Seed]:
    return (one for one in seeds if (primal is None or primal in one.primals) and one.differs(mutant, primal))


def _with(mutant: Mutant, primal: str | None, one: _Seed) -> Subject:
    return planted(mutant, one.subject, one.case.config, primal)


def _prove_mutant(right: Suite, mutant: Mutant, primal: str | None, seeds: Sequence[_Seed]) -> MutantResult:
    def build(config: Any, primals: Arrays) -> Subject:
        assert right.kind is not None
        return planted(mutant, right.kind.build(config, primals), config, primal)

    wrong = replace(right, build=build)
    differing = list(_differing(mutant, primal, seeds))
    made = MutantResult(right.name, mutant.slug, mutant.sentence, primal, "survived")
    if not differing:
        argument = mutant.equivalent or EQUIVALENT.get((right.name, mutant.slug), "")
        return replace(made, outcome="equivalent" if argument else "not applicable", argument=argument)
    found = _checked(wrong, differing, made, _OTHER_FORMS)
    if mutant.convention and found.outcome == "survived":
        return replace(found, outcome="convention", argument=mutant.convention)
    return found


def _prove_call_mutant(right: Suite, call_mutant: CallMutant, seeds: Sequence[_Seed]) -> MutantResult:
    def build(config: Any, primals: Arrays) -> Subject:
        assert right.kind is not None
        return call_mutant.plant(right.kind.build(config, primals))

    made = MutantResult(right.name, call_mutant.slug, call_mutant.sentence, None, "survived")
    found = _checked(replace(right, build=build), seeds, made)
    argument = EQUIVALENT.get((right.name, call_mutant.slug), "")
    return replace(found, outcome="equivalent", argument=argument) if argument and not found.checks else found


def _checked(wrong: Suite, seeds: Sequence[_Seed], made: MutantResult, beside: Sequence[str] = ()) -> MutantResult:
    """Check cases until one fails a check that is not among those beside."""
    whole, differences = Settings(take_apart=False), Settings(take_apart=False, contracts=False)
    # What differences alone notice of a wrong value, the whole check does too; it takes ten times as long.
    for settings in (differences, whole) if beside else (whole,):
        for tried, one in enumerate(seeds, 1):
            report = check_case(wrong, one.case, None, settings)
            checks = tuple(dict.fromkeys(failure.check for failure in report.failures if failure.check not in beside))
            if checks:
                return replace(made, outcome="caught", checks=checks, case=one.case.id, tried=tried)
    return replace(made, case=seeds[0].case.id if seeds else None, tried=len(seeds))


def _normal_like(outputs: Any, rng: np.random.Generator) -> Any:
    return mapped(lambda array: np.asarray(rng.standard_normal(np.shape(array))), outputs)


def _same(wrong: Any, right: Any, tolerance: float) -> bool:
    if wrong.shape != right.shape or not np.isfinite(wrong).all():
        return False
    return bool(np.abs(wrong - right).max(initial=0.0) <= tolerance * np.abs(right).max(initial=0.0))


_CONSTANT = "the gradient of x does not depend on x, so that every cache of equal shapes holds the same"
_ONE_AXIS = "the upstream gradient has one axis at most, which memory and index order alike"

#: Generic mutants that are none for some kind, with the argument.
EQUIVALENT: Mapping[tuple[str, str], str] = {
    **{
        (kind, slug): _CONSTANT
        for kind in (
            *("avg_pool2d", "avg_pool1d", "global_avg_pool2d", "adaptive_avg_pool2d", "flatten", "reshape", "concat"),
            *("add", "dropout", "embedding"),
        )
        for slug in ("last-cache", "stale-cache")
    },
    **{
        (kind, "upstream-in-memory-order"): _ONE_AXIS
        for kind in ("softmax_cross_entropy", "cross_entropy", "five_layer_cnn")
    },
}
