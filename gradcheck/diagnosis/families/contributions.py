"""Gradients that lack what some outputs contribute: assigned where they should be added, or taken one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from gradcheck.diagnosis.hypothesis import INDEX_SET, Hypothesis, plainly
from gradcheck.diagnosis.observation import Observation
from gradcheck.subject import Array

#: Outputs are asked one by one where they have no more entries than this.
_MOST = 256
#: Contributions below this share of the largest are none.
_NONE = 1e-7

#: ``pick(parts)`` of contributions (groups × entries) returns what is kept of them.
_Pick = Callable[[Array], Array]


def contributions(observation: Observation, primal: str) -> Iterator[Hypothesis]:
    """Yield that of several outputs that contribute to an entry one alone is kept: its own, the last, the first."""
    upstream = observation.question.cotangent
    if isinstance(upstream, tuple) or not 1 < upstream.size <= _MOST:
        return
    if upstream.shape == observation.right[primal].shape:
        told = "each entry of the gradient takes the output in its own place into account, and no other"
        yield Hypothesis("own-output-alone", INDEX_SET, plainly(told), _own)
    for which, pick in (("last", _last), ("first", _first)):
        told = f"where several outputs contribute to an entry, the {which} is kept alone: is it assigned, not added?"
        for axis in (None, *dict.fromkeys((1, upstream.ndim - 1))):
            predict = partial(_kept, pick=pick, channels=axis)
            yield Hypothesis(f"{which}-contribution-alone", INDEX_SET, plainly(told), predict)


def _own(observation: Observation, primal: str) -> Array | None:
    parts = observation.contributions(primal)
    shape = observation.right[primal].shape
    return parts.diagonal().reshape(shape) if parts is not None and parts.shape[0] == parts.shape[1] else None


def _kept(observation: Observation, primal: str, pick: _Pick, channels: int | None) -> Array | None:
    """Return what is picked of the contributions, those of outputs side by side along an axis taken together."""
    parts, shape = observation.contributions(primal), observation.question.cotangent.shape
    if parts is None or (channels is not None and channels >= len(shape)):
        return None
    if channels is not None:
        parts = parts.reshape(*shape, -1).sum(axis=channels).reshape(-1, parts.shape[1])
    return pick(parts).reshape(observation.right[primal].shape)


def _last(parts: Array) -> Array:
    return _first(parts[::-1])


def _first(parts: Array) -> Array:
    counts = np.abs(parts) > _NONE * np.abs(parts).max(initial=0.0)
    return np.asarray(np.take_along_axis(parts, counts.argmax(axis=0)[None], axis=0)[0])
