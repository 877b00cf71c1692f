"""What backward passes get wrong about a parameter that is added along one axis."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from gradcheck.mutants.mutant import Mutant, Question
from gradcheck.subject import Array, Arrays

_Sum = Callable[[Array, int], Array | None]


def _all_but(axis: int, array: Array, *others: int) -> tuple[int, ...]:
    return tuple(k for k in range(array.ndim) if k not in (axis, *others))


def _not_over_batch(g: Array, axis: int) -> Array:
    return np.asarray(g.sum(axis=_all_but(axis, g, 0)))


def _first_sample(g: Array, axis: int) -> Array | None:
    return _not_over_batch(g, axis)[0] if axis else None


def _first_place(g: Array, axis: int) -> Array | None:
    """Take the first place of every axis but the batch's, where there is one."""
    places = _all_but(axis, g, 0)
    taken = g[tuple(0 if k in places else slice(None) for k in range(g.ndim))]
    return taken.sum(axis=0) if places else None


def _mean_of_places(g: Array, axis: int) -> Array | None:
    places = _all_but(axis, g, 0)
    return g.sum(axis=0).mean(axis=tuple(k - 1 for k in places)) if places else None


def _mean_of_all(g: Array, axis: int) -> Array:
    return np.asarray(g.mean(axis=_all_but(axis, g)))


def _spoiled(name: str, axis: int, change: _Sum, question: Question) -> Arrays:
    if name not in question.primals:
        return {}
    g = np.asarray(question.cotangent)
    gradient = change(g, axis % g.ndim)
    return {} if gradient is None else {name: gradient}


def _from_input(name: str, axis: int, question: Question) -> Arrays:
    """Sum the input where the upstream gradient should be."""
    x = question.primals["x"]
    summed = x.sum(axis=_all_but(axis % x.ndim, x))
    return {name: summed} if name in question.primals and summed.shape == question.primals[name].shape else {}


def bias_mutants(axis: int, name: str = "bias") -> tuple[Mutant, ...]:
    """Return the mistakes in the gradient of a shift that lies along one axis of the output."""
    sums: tuple[tuple[str, str, _Sum], ...] = (
        ("not-summed-over-batch", f"the gradient of the {name} is not summed over the batch", _not_over_batch),
        ("first-sample-only", f"the gradient of the {name} is that of the first sample alone", _first_sample),
        ("first-place-only", f"the gradient of the {name} is that of the first place alone", _first_place),
        ("mean-over-places", f"the gradient of the {name} is averaged over the places", _mean_of_places),
        ("mean-over-all", f"the gradient of the {name} is averaged over batch and places", _mean_of_all),
    )
    return (
        *(Mutant(f"{name}-{slug}", sentence, partial(_spoiled, name, axis, change)) for slug, sentence, change in sums),
        Mutant(
            f"{name}-sums-input",
            f"the gradient of the {name} sums the input, not the upstream gradient",
            partial(_from_input, name, axis),
        ),
    )
