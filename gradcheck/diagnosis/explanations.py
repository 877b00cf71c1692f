"""Which cause is reported for a wrong gradient: the one explanation that predicts every answer of the layer."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from gradcheck.checks.probe import Probe
from gradcheck.diagnosis.describe import describe
from gradcheck.diagnosis.differences import TooExpensiveError
from gradcheck.diagnosis.families import FAMILIES, FAR_FAMILIES, proposals
from gradcheck.diagnosis.families.factors import combinations
from gradcheck.diagnosis.hypothesis import Hypothesis, by_axis, catalogue
from gradcheck.diagnosis.observation import Draw, Observation, observe
from gradcheck.mutants.mutant import Mutant
from gradcheck.records.run_record import Evaluations

#: Looking for causes ends after so many seconds, or so many answers.
SECONDS = 3.0
MOST = 48
#: With so many answers beside the first, in so many of which it tells, an explanation is believed.
_ENOUGH, _TELLING = 12, 3
#: So many explanations that look the same are told beside the first.
_ALIKE = 2
#: Of names that look the same these are not worth telling.
_UNLIKELY = ("scale:√", "scale:1/√")
_TOO_LARGE = "no cause was looked for: to take every slope of the forward by differences takes too long"
_NO_TIME = f"the search for a cause ended after {SECONDS:.0f} s"


@dataclass(frozen=True)
class Cause:
    """Why the gradient of one primal is wrong.

    Attributes
    ----------
    slug : str
    sentence : str
    """

    slug: str
    sentence: str


@dataclass(frozen=True)
class Diagnosis:
    """What is known of wrong gradients.

    Attributes
    ----------
    wrong : tuple of str
        The primals whose gradients are wrong in the failing case.
    causes : dict of str to Cause
        By primal, where there is an explanation.
    descriptions : dict of str to str
        By primal, where there is none: where the error lives.
    evaluations : Evaluations
        The calls that it took.
    note : str
        Why nothing is known, where that is for want of time.
    """

    wrong: tuple[str, ...] = ()
    causes: Mapping[str, Cause] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)
    evaluations: Evaluations = field(default_factory=Evaluations)
    note: str = ""


def diagnose(
    draws: Iterable[Draw],
    mutants: Sequence[Mutant] = (),
    look_alikes: Iterable[Draw] = (),
    neighbours: Iterable[tuple[str, Draw]] = (),
) -> Diagnosis:
    """Explain the wrong gradients of a layer.

    Parameters
    ----------
    draws : iterable of Draw
        The failing case first, then others; they are asked for one by one, as many as it takes.
    mutants : sequence of Mutant
        Those of the kind of layer.
    look_alikes : iterable of Draw
        Cases that tell explanations apart which all others do not: ties, zeros. A layer may answer them in its own
        way, so that they decide between explanations and refute none.
    neighbours : iterable of (str, Draw)
        Simpler cases with what makes them simpler, such as ``"stride=(1, 1)"``.

    Returns
    -------
    Diagnosis
        An empty one where the layer does not answer the first case, or nobody knows what is right there.
    """
    with np.errstate(all="ignore"):  # explanations that do not fit may overflow
        deadline = time.monotonic() + SECONDS
        observer = _Observer(deadline)
        evidence = _Evidence(draws, observer)
        first = evidence.first
        if first is None:
            return Diagnosis(evaluations=observer.evaluations, note=_TOO_LARGE if observer.gave_up else "")
        decisive = _Evidence(look_alikes, observer)
        causes, descriptions = {}, {}
        for primal in first.wrong:
            survivors = _explanations(primal, evidence, decisive, mutants)
            if survivors:
                causes[primal] = _cause(survivors, first, primal)
            else:
                told = describe(primal, list(itertools.islice(evidence, _ENOUGH)))
                descriptions[primal] = told if observer.has_time else _with(told, _NO_TIME)
        if descriptions and (simpler := _passing(neighbours, observer)):
            descriptions = {primal: _with(told, simpler) for primal, told in descriptions.items()}
        return Diagnosis(first.wrong, causes, descriptions, observer.evaluations)


def _passing(neighbours: Iterable[tuple[str, Draw]], observer: _Observer) -> str:
    """Return what makes the first simpler case that is right so simple."""
    for change, draw in neighbours:
        if not observer.has_time:
            break
        answer = observer.ask(draw)
        if answer is not None and not answer.wrong:
            return f"with {change} it is right"
    return ""


def _with(told: str, more: str) -> str:
    return f"{told}; {more}" if told else more


class _Observer:
    """Asks, watches the time, and counts the calls."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._probes: list[Probe] = []
        self.gave_up = False

    @property
    def has_time(self) -> bool:
        """Whether more may be asked."""
        return time.monotonic() < self._deadline

    @property
    def evaluations(self) -> Evaluations:
        """The calls of the layer in question."""
        return sum((probe.evaluations for probe in self._probes), Evaluations())

    def ask(self, draw: Draw) -> Observation | None:
        """Return what the layer of a draw answers; None where it does not, or where there is no time to judge it."""
        self._probes.append(Probe(draw.subject))
        try:
            return observe(draw, self._deadline, self._probes[-1])
        except TooExpensiveError:
            self.gave_up = True
            return None


class _Evidence:
    """The answers of a layer, asked for when they are looked at."""

    def __init__(self, draws: Iterable[Draw], observer: _Observer) -> None:
        self._draws = iter(draws)
        self._observer = observer
        self.seen: list[Observation] = []

    @property
    def first(self) -> Observation | None:
        """The answer in the failing case, if there is one."""
        if not self.seen and (draw := next(self._draws, None)) is not None:
            answer = self._observer.ask(draw)
            self.seen += [] if answer is None else [answer]
        return self.seen[0] if self.seen else None

    @property
    def _is_plain(self) -> bool:
        """Whether the layer has no kind, so that cases differ in values alone."""
        return self.first is not None and self.first.question.config is None

    @property
    def _most(self) -> int:
        return 1 + _ENOUGH if self._is_plain else MOST

    @property
    def confirms(self) -> bool:
        """Whether what predicts every answer may be named: values alone must be as many as can be asked for."""
        return not self._is_plain or len(self.seen) == self._most

    def __iter__(self) -> Iterator[Observation]:
        yield from self.seen
        while len(self.seen) < self._most and self._observer.has_time:
            draw = next(self._draws, None)
            if draw is None:
                return
            answer = self._observer.ask(draw)
            if answer is not None:
                self.seen.append(answer)
                yield answer


def _cause(survivors: Sequence[Hypothesis], first: Observation, primal: str) -> Cause:
    """Return the most specific of the explanations that are left, and what looks the same wherever it was asked."""
    best, *others = sorted(survivors, key=lambda one: one.rank)
    named = {by_axis(best.slug, first, primal)}
    alike = []
    for other in others:
        name = by_axis(other.slug, first, primal)
        if other.rank == best.rank > 0 and name not in named and not name.startswith(_UNLIKELY):
            named.add(name)
            alike.append(other.slug)
    told = best.sentence(first, primal)
    return Cause(best.slug, f"{told}; {' or '.join(alike[:_ALIKE])} looks the same here" if alike else told)


def _explanations(
    primal: str, evidence: _Evidence, decisive: _Evidence, mutants: Sequence[Mutant]
) -> Sequence[Hypothesis]:
    """Return the explanations that predict every answer: those of the catalogue, or such as have a parameter."""
    first = evidence.first
    assert first is not None
    stages: list[Iterable[Hypothesis]] = [
        catalogue(mutants),
        proposals(FAMILIES, first, primal),
        proposals(FAR_FAMILIES, first, primal),
        combinations(first, primal, tuple(mutants)),
    ]
    if first.question.config is None:  # without other shapes the catalogue alone would decide by chance
        stages[:2] = [itertools.chain(*stages[:2])]
    for stage in stages:
        fitting = [one for one in stage if one.fits(first, primal) and one.tells(first, primal)]
        survivors = _surviving(fitting, primal, evidence)
        if survivors:
            return _decided(survivors, primal, decisive)
    return []


def _surviving(hypotheses: list[Hypothesis], primal: str, evidence: _Evidence) -> list[Hypothesis]:
    """Return those that predict every answer, and told it apart from the right one in two answers at least.

    Without a kind a dozen points beside the first must confirm them.
    """
    telling = dict.fromkeys(hypotheses, 0)
    for asked, answer in enumerate(evidence, 1):
        if not telling:
            return []
        if primal not in answer.answers:
            continue
        telling = {one: count + one.tells(answer, primal) for one, count in telling.items() if one.fits(answer, primal)}
        all_seen = asked == len(evidence.seen)  # what earlier hypotheses were asked counts, whatever it says
        if all_seen and asked > _ENOUGH and len(telling) == 1 and min(telling.values()) >= _TELLING:
            break
    return [one for one, count in telling.items() if count >= 2] if evidence.confirms else []


def _decided(survivors: list[Hypothesis], primal: str, decisive: Iterable[Observation]) -> list[Hypothesis]:
    """Return those that the decisive answers leave; all of them where an answer refutes all."""
    for answer in decisive if len(survivors) > 1 else ():
        if primal in answer.answers:
            survivors = [one for one in survivors if one.fits(answer, primal)] or survivors
        if len(survivors) == 1:
            break
    return survivors
