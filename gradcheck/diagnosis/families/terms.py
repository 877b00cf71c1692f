"""Gradients that are another array, have a term too many, or to each entry of which something was done."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from gradcheck.diagnosis.arrays import array_called, arrays_called, called, ratio_of, slug_of
from gradcheck.diagnosis.hypothesis import NUMBER, PATTERN, Hypothesis, plainly, turned
from gradcheck.diagnosis.observation import Observation
from gradcheck.subject import Array


def terms(observation: Observation, primal: str) -> Iterator[Hypothesis]:
    """Yield that a multiple of an array is the gradient, or is added to it, as weight decay is."""
    answer, right = observation.answers[primal], observation.right[primal]
    for name in arrays_called(observation):
        array = array_called(observation, name)
        if array is None or not array.shape == right.shape == answer.shape:
            continue
        factor = ratio_of(answer, array)
        if factor is not None:
            told = f"the gradient is {_times(factor)}{called(name)}, whatever the forward does"
            yield Hypothesis(f"is-{slug_of(name)}", NUMBER, plainly(told), partial(_alone, name=name, factor=factor))
        factor = ratio_of(answer - right, array) if right.any() else None
        if factor is not None:
            decay = ": weight decay, which is no part of the gradient" if name == primal else ""
            told = f"{_times(factor)}{called(name)} is added to the gradient{decay}"
            predict = partial(_added, name=name, factor=factor)
            # Where the right gradient is itself a multiple of the array, a factor is the simpler explanation.
            yield Hypothesis(f"adds-{slug_of(name)}", NUMBER, plainly(told), predict)


def functions(observation: Observation, primal: str) -> Iterator[Hypothesis]:
    """Yield what may have been done to each entry of the gradient."""
    answer = observation.answers[primal]
    limit = float(np.abs(answer[np.isfinite(answer)]).max(initial=0.0))
    clip = partial(np.clip, a_min=-limit, a_max=limit)
    yield turned("clipped", PATTERN, f"the gradient is clipped at ±{limit:.4g}", clip)
    yield turned("without-sign", PATTERN, "the gradient lacks its sign", np.abs)
    yield turned("sign-alone", PATTERN, "only the sign of the gradient is left", np.sign)
    yield turned("squared", PATTERN, "every entry of the gradient is squared", np.square)
    yield turned("normalised", PATTERN, "the gradient is divided by its norm", _normalised)


def _times(factor: float) -> str:
    told = f"{factor:.4g}"
    return "" if told == "1" else f"{told} times "


def _alone(observation: Observation, primal: str, name: str, factor: float) -> Array | None:
    array = array_called(observation, name)
    return None if array is None or array.shape != observation.right[primal].shape else factor * array


def _added(observation: Observation, primal: str, name: str, factor: float) -> Array | None:
    term, right = array_called(observation, name), observation.right[primal]
    return None if term is None or term.shape != right.shape else right + factor * term


def _normalised(gradient: Array) -> Array:
    return np.asarray(gradient / np.linalg.norm(gradient))
