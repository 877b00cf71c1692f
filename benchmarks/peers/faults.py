"""Mistakes planted into right layers: which are found. Every checker is asked about the same, at the same points."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck import Subject
from gradcheck.checks.stages import Settings
from gradcheck.kinds import KINDS
from gradcheck.mutants.call_mutants import CALL_MUTANTS
from gradcheck.mutants.generic import GENERIC
from gradcheck.mutants.mutant import Mutant, Question, planted
from gradcheck.mutants.self_test import EQUIVALENT
from gradcheck.runs.check_case import check_case
from gradcheck.suites.cases import corner_cases
from gradcheck.suites.kind import Case
from gradcheck.suites.suite import suite
from peers.cases import CALLED, FAULTY, faulty_layer
from peers.function import Function
from peers.peer import Peer, Verdict
from peers.results import Counts, Faults, Progress

OWN, ANY, CALLS = "mistakes of the kind", "mistakes of any layer", "call order, memory, precision"
#: Gradients that differ by less than this share of their largest entry are the same.
_SAME = 1e-9


@dataclass(frozen=True)
class MutantResult:
    """One mistake in one layer; `make` plants it anew, since mistakes may keep something between calls."""

    group: str
    kind: str
    slug: str
    make: Callable[[], Subject]


def results() -> list[MutantResult]:
    """Return every mistake that shows in the gradients at these points, and those of call order, memory, precision."""
    return [*_in_values(), *_in_calls()]


def sample(all_of_them: Sequence[MutantResult], share: int) -> list[MutantResult]:
    """Return every `share`-th mistake of any layer, twice that share of the kinds' own, and all that show in calls."""
    steps = {OWN: max(1, share // 2), ANY: share, CALLS: 1}
    return [one for group, step in steps.items() for one in [p for p in all_of_them if p.group == group][::step]]


def ask(peers: Sequence[Peer], progress: Progress, share: int = 1) -> Faults:
    """Return what every checker says of the mistakes, or of a sample of them."""
    available = results()
    chosen = sample(available, share)
    present = [peer for peer in peers if peer.missing() is None]
    trusted = {(peer.name, kind): _accepts_right(peer, kind) for peer in present for kind in {p.kind for p in chosen}}
    verdicts: dict[str, dict[str, Counts]] = {}
    slugs: dict[str, dict[str, Counts]] = {}
    for done, result in enumerate(chosen):
        progress(done, len(chosen))
        for peer in present:
            if trusted[peer.name, result.kind]:
                verdict = peer.check(Function(result.make())).verdict
                _count(verdicts, result.group, peer, verdict)
                if result.group == CALLS:
                    _count(slugs, result.slug, peer, verdict)
    hidden = list(_hidden())
    return Faults(
        FAULTY,
        dict(Counter(result.group for result in chosen)),
        verdicts,
        slugs,
        {fault.slug: fault.sentence for fault in CALL_MUTANTS if fault.slug in slugs},
        len(hidden),
        sum(map(_is_found_by_suite, hidden)),
        len(available),
    )


def _count(table: dict[str, dict[str, Counts]], row: str, peer: Peer, verdict: Verdict) -> None:
    counts = table.setdefault(row, {}).setdefault(peer.name, {})
    counts[verdict] = counts.get(verdict, 0) + 1


def _accepts_right(peer: Peer, kind: str) -> bool:
    """Whether a checker accepts the layer without a mistake: one that rejects everything finds nothing."""
    return peer.check(Function(faulty_layer(kind).subject())).verdict == "accepted"


def _in_values() -> Iterator[MutantResult]:
    for kind in FAULTY:
        layer = faulty_layer(kind)
        right = layer.subject()
        for group, mutants in ((OWN, KINDS[kind].mutants), (ANY, GENERIC)):
            for mutant in mutants:
                for primal in _changed(mutant, right, layer.config):

                    def make(mutant: Mutant = mutant, primal: str = primal, layer: Any = layer) -> Subject:
                        return planted(mutant, layer.subject(), layer.config, primal)

                    yield MutantResult(group, kind, mutant.slug, make)


def _in_calls() -> Iterator[MutantResult]:
    for kind in CALLED:
        layer = faulty_layer(kind)
        for fault in CALL_MUTANTS:
            if fault.applies(layer.subject()) and (kind, fault.slug) not in EQUIVALENT:
                make = lambda fault=fault, layer=layer: fault.plant(layer.subject())  # noqa: E731
                yield MutantResult(CALLS, kind, fault.slug, make)


def _changed(mutant: Mutant, right: Subject, config: Any) -> list[str]:
    """Return the primals whose gradients a mistake changes at this point; none for a legal convention."""
    if mutant.convention or mutant.equivalent or not mutant.applies(config, right.primals):
        return []
    outputs, pullback = right.vjp(right.primals)
    cotangent = np.asarray(np.random.default_rng(3).standard_normal(np.shape(outputs)))
    gradients = {name: np.array(gradient) for name, gradient in pullback(cotangent.copy()).items()}
    with np.errstate(all="ignore"):
        wrong = mutant.gradients(Question(config, right.primals, outputs, cotangent, gradients, right.vjp))
    return [name for name, array in wrong.items() if not _same(np.asarray(array), gradients[name])]


def _same(wrong: np.ndarray[Any, Any], right: np.ndarray[Any, Any]) -> bool:
    if wrong.shape != right.shape or not np.isfinite(wrong).all():
        return False
    return bool(np.abs(wrong - right).max(initial=0.0) <= _SAME * np.abs(right).max(initial=0.0))


def _hidden() -> Iterator[tuple[Mutant, str, list[Case]]]:
    """Yield mistakes of a kind that change nothing at its point, with the corner cases in which they do."""
    for kind in FAULTY:
        layer = faulty_layer(kind)
        right = layer.subject()
        corners = list(corner_cases(suite(kind), 0))
        for mutant in KINDS[kind].mutants:
            if _changed(mutant, right, layer.config):
                continue
            shown = [case for case in corners if _changed(mutant, suite(kind).subject(case), case.config)]
            if shown:
                yield mutant, kind, shown


def _is_found_by_suite(hidden: tuple[Mutant, str, list[Case]]) -> bool:
    """Whether the suite of the kind finds a mistake in one of the cases that it always runs."""
    mutant, name, cases = hidden
    right = suite(name)

    def build(config: Any, primals: Any) -> Subject:
        assert right.kind is not None
        return planted(mutant, right.kind.build(config, primals), config)

    wrong = replace(right, build=build)
    settings = Settings(take_apart=False, groups=("gradient", "laws"))
    return any(check_case(wrong, case, None, settings).verdict == "failed" for case in cases)
