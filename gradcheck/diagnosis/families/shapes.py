"""Gradients of a wrong shape, with the right numbers in them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from gradcheck.diagnosis.hypothesis import OPERAND, ORIENTATION, Hypothesis, plainly
from gradcheck.diagnosis.observation import Observation
from gradcheck.subject import Array


def shapes(observation: Observation, primal: str) -> Iterator[Hypothesis]:
    """Yield that a sum is missing, or that the shape alone is wrong."""
    answer, right = observation.answers[primal], observation.right[primal]
    if answer.shape == right.shape:
        return
    more = answer.ndim - right.ndim
    if more > 0 and answer.shape[more:] == right.shape:
        axes = "axis" if more == 1 else f"{more} axes"
        yield Hypothesis("not-summed", OPERAND, plainly(f"the gradient is not summed over the first {axes}"), _unsummed)
    if answer.size == right.size:
        told = f"the gradient has shape {answer.shape} instead of {right.shape}, with the right numbers in it"
        yield Hypothesis("wrong-shape", ORIENTATION, plainly(told), _reshaped)


def _unsummed(observation: Observation, primal: str) -> Array | None:
    """Return the answer itself where its sum is the right gradient."""
    answer, right = observation.answers[primal], observation.right[primal]
    more = answer.ndim - right.ndim
    several = more > 0 and answer.size > right.size
    is_it = several and observation.same(np.asarray(answer.sum(axis=tuple(range(more)))), right, primal)
    return answer if is_it else None


def _reshaped(observation: Observation, primal: str) -> Array | None:
    answer, right = observation.answers[primal], observation.right[primal]
    is_it = answer.size == right.size and observation.same(answer.reshape(right.shape), right, primal)
    return right.reshape(answer.shape) if is_it else None
