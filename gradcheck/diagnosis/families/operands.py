"""Gradients made with another operand than the forward's: another array, ones, a parameter that was updated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from gradcheck.diagnosis.arrays import ratio_of
from gradcheck.diagnosis.hypothesis import OPERAND, Hypothesis, plainly
from gradcheck.diagnosis.observation import Observation
from gradcheck.subject import Array

#: How far a parameter is moved to see what an update of it does.
_TRIAL = 0.125


def operands(observation: Observation, primal: str) -> Iterator[Hypothesis]:  # noqa: ARG001 - every family's form
    """Yield the gradients at points where another array stands in the place of one."""
    question = observation.question
    for taken, array in question.primals.items():
        for other, candidate in question.primals.items():
            if other != taken and candidate.shape == array.shape:
                told = f"`{other}` is used where `{taken}` should be"
                yield _instead(f"{other}-for-{taken}", told, taken, partial(_primal, name=other))
        if not isinstance(question.outputs, tuple) and np.shape(question.outputs) == array.shape:
            told = f"the output is used where `{taken}` should be"
            yield _instead(f"output-for-{taken}", told, taken, _output)
        yield _instead(f"{taken}-as-ones", f"`{taken}` is taken as ones", taken, partial(_ones, name=taken))
        told = f"`{taken}` is taken with the opposite sign"
        yield _instead(f"{taken}-negated", told, taken, partial(_negated, name=taken))


def updates(observation: Observation, primal: str) -> Iterator[Hypothesis]:
    """Yield that a parameter was updated before the gradient was made, with the rate that this took."""
    answer, right = observation.answers[primal], observation.right[primal]
    for taken in observation.right:
        moved = _updated(observation, primal, taken, _TRIAL) if taken != primal else None
        if moved is None or answer.shape != right.shape:
            continue
        steps = ratio_of(answer - right, moved - right)
        if steps is not None:
            rate = steps * _TRIAL
            told = f"`{taken}` was updated, at a rate of {rate:.4g}, before the gradient of `{primal}` was made"
            predict = partial(_updated, taken=taken, rate=rate)
            yield Hypothesis(f"{taken}-already-updated", OPERAND, plainly(told), predict)


def _primal(observation: Observation, name: str) -> Array:
    return observation.question.primals[name]


def _output(observation: Observation) -> Array:
    return np.asarray(observation.question.outputs)


def _ones(observation: Observation, name: str) -> Array:
    return np.ones_like(observation.question.primals[name])


def _negated(observation: Observation, name: str) -> Array:
    return -observation.question.primals[name]


def _instead(slug: str, sentence: str, taken: str, other: Callable[[Observation], Array]) -> Hypothesis:
    def predict(observation: Observation, primal: str) -> Array | None:
        array = other(observation)
        fits = array.shape == observation.question.primals[taken].shape
        return observation.altered(primal, **{taken: np.array(array)}) if fits else None

    return Hypothesis(slug, OPERAND, plainly(sentence), predict)


def _updated(observation: Observation, primal: str, taken: str, rate: float) -> Array | None:
    gradient = observation.right[taken]
    if not np.isfinite(gradient).all():
        return None
    return observation.altered(primal, **{taken: observation.question.primals[taken] - rate * gradient})
