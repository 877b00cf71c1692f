"""What a mutant is: the gradients that a mistaken pullback returns where the right ones are known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradcheck.subject import Array, Arrays, Outputs, Pullback, Subject, Vjp


@dataclass(frozen=True)
class Question:
    """What a pullback was asked, and the right answer.

    Attributes
    ----------
    config : object
        The configuration of the kind; None for a subject without one.
    primals : mapping of str to ndarray
    outputs, cotangent : ndarray or tuple of ndarray
    gradients : mapping of str to ndarray
        The right ones.
    vjp : callable
        That of the right layer, for altered questions.
    """

    config: Any
    primals: Arrays
    outputs: Any
    cotangent: Any
    gradients: Arrays
    vjp: Vjp

    def altered(self, cotangent: Outputs | None = None, **primals: Array) -> Arrays:
        """Return the right layer's gradients for another cotangent, or at a point where some primals differ."""
        _, pullback = self.vjp({**self.primals, **primals})
        return pullback(self.cotangent if cotangent is None else cotangent)


def always(config: Any, primals: Arrays) -> bool:  # noqa: ARG001 - every condition has this signature
    """Return that a mutant can be made in every case."""
    return True


def untold(question: Question) -> str:  # noqa: ARG001 - the parameters of every mutant have this signature
    """Return nothing: a mutant without parameters."""
    return ""


@dataclass(frozen=True)
class Mutant:
    """A mutant in a backward pass that shows in the gradients it returns.

    Attributes
    ----------
    slug : str
        Stable name: ``kernel-not-rotated``, ``scale:1/N``.
    sentence : str
        What is wrong, in plain words.
    gradients : callable
        ``gradients(question)`` returns ``{name: gradient}`` for those primals whose gradient the mutant may change.
    applies : callable
        ``applies(config, primals)``: whether the mutant can be made in that case.
    equivalent : str
        Why the gradients are right nevertheless, whatever the case; empty for a fault.
    convention : str
        Why the gradients, though different, are a legal choice; empty for a fault.
    parameters : callable
        ``parameters(question)``: what was used, and what should have been, as a clause; empty where that is nothing.
    """

    slug: str
    sentence: str
    gradients: Callable[[Question], Arrays]
    applies: Callable[[Any, Arrays], bool] = field(default=always)
    equivalent: str = ""
    convention: str = ""
    parameters: Callable[[Question], str] = field(default=untold)


def planted(mutant: Mutant, subject: Subject, config: Any = None, primal: str | None = None) -> Subject:
    """Return the subject with a mutant in its pullback.

    Parameters
    ----------
    mutant : Mutant
    subject : Subject
        Taken to be right.
    config : object, optional
        The configuration of its kind.
    primal : str, optional
        The only primal whose gradient is spoiled. Default: all that the mutant changes.

    Examples
    --------
    >>> double = Mutant("double", "twice the gradient", lambda q: {k: 2 * v for k, v in q.gradients.items()})
    >>> identity = Subject("identity", {"x": np.ones(2)}, lambda p: (p["x"], lambda g: {"x": g}))
    >>> planted(double, identity).vjp(identity.primals)[1](np.array([1.0, 5.0]))["x"].tolist()
    [2.0, 10.0]
    """
    buffers = Buffers(subject)

    def vjp(primals: Arrays) -> tuple[Any, Pullback]:
        outputs, pullback = subject.vjp(primals)
        point = {name: np.array(array) for name, array in primals.items()}
        # Nothing is spoiled in an empty batch: there a mutant could only raise, which would not be its own fault.
        if any(array.size == 0 for array in point.values()) or not mutant.applies(config, point):
            return outputs, pullback

        def mistaken(cotangent: Any) -> Arrays:
            given, kept = copied(cotangent), buffers.held()
            answer = pullback(cotangent)
            right = buffers.added(answer, kept)
            spoiled = dict(mutant.gradients(Question(config, point, outputs, given, right, subject.vjp)))
            changed = {name: cast(array, right[name]) for name, array in spoiled.items() if primal in (None, name)}
            return buffers.handed_out(answer, kept, changed)

        return outputs, mistaken

    return replace(subject, vjp=vjp)


class Buffers:
    """The arrays of a subject that its pullback writes into every time, as traits declare.

    A mutant is made in what a pullback adds to them, and stays in the same array.
    """

    def __init__(self, subject: Subject) -> None:
        self.adding = _about(subject, "accumulates")
        self._own = self.adding | _about(subject, "overwrites")
        self._known: dict[str, Array] = {}

    def held(self) -> Arrays:
        """Return copies of what these arrays hold before a pullback, as far as they were seen."""
        return {name: np.array(array) for name, array in self._known.items()}

    def added(self, answer: Arrays, kept: Arrays) -> Arrays:
        """Return the gradients of this pullback alone."""
        self._known |= {name: array for name, array in answer.items() if name in self._own}
        return {
            name: np.array(array - kept[name] if name in self.adding & kept.keys() else array)
            for name, array in answer.items()
        }

    def handed_out(self, answer: Arrays, kept: Arrays, changed: Arrays) -> Arrays:
        """Return the answer with other gradients, in the arrays where they belong."""
        for name in self._own & changed.keys():
            if changed[name].shape == answer[name].shape:
                before = kept[name] if name in self.adding & kept.keys() else 0
                answer[name][...] = before + changed[name]
        return {**answer, **{name: array for name, array in changed.items() if name not in self._own}}


def _about(subject: Subject, limit: str) -> set[str]:
    trait = subject.trait(limit)
    return set() if trait is None else set(trait.primals or subject.primals)


def copied(outputs: Any) -> Any:
    """Return a copy of one array or of a tuple of arrays."""
    return tuple(map(np.array, outputs)) if isinstance(outputs, tuple) else np.array(outputs)


def mapped(change: Callable[[Array], Array], outputs: Any) -> Any:
    """Return one array, or each of a tuple of arrays, changed."""
    return tuple(map(change, outputs)) if isinstance(outputs, tuple) else change(outputs)


def cast(array: Any, like: Array) -> Array:
    """Return the array in the dtype of another: mutants are calculated as it comes, and are none of precision."""
    return np.asarray(array).astype(like.dtype)
