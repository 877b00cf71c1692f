"""What backward passes of attention get wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck.mutants.mutant import Mutant, Question
from gradcheck.subject import Array, Arrays
from reference_layers import softmax


@dataclass(frozen=True)
class _Pass:
    """The arrays of a backward pass, one head of k and v for each of q."""

    q: Array
    k: Array
    v: Array
    g: Array
    weights: Array
    scale: float

    @property
    def grad_weights(self) -> Array:
        return np.asarray(self.g @ self.v.swapaxes(2, 3))

    @property
    def grad_scores(self) -> Array:
        row_sums = (self.grad_weights * self.weights).sum(axis=3, keepdims=True)
        return np.asarray(self.weights * (self.grad_weights - row_sums))


def _attend(scores: Array, allowed: Array) -> Array:
    """Return the softmax over what is allowed, zeros where nothing is."""
    lowered = np.where(allowed, scores, -1e300)
    return np.asarray(np.where(allowed, softmax(lowered), 0.0))


def _pass_of(question: Question, allowed: Array | None = None) -> _Pass:
    config, p = question.config, question.primals
    k, v = (np.repeat(p[name], config.group, axis=1) for name in ("k", "v"))
    scale = config.scale[0] if config.scale else float(config.dim) ** -0.5
    scores = scale * p["q"] @ k.swapaxes(2, 3)
    weights = _attend(
        scores, np.broadcast_to(_allowed(config, len(p["q"])) if allowed is None else allowed, scores.shape)
    )
    return _Pass(p["q"], k, v, np.asarray(question.cotangent), weights, scale)


def _allowed(config: Any, batch: int) -> Array:
    """Return what is allowed in as many samples as there are."""
    allowed = config.allowed
    return np.asarray(allowed if len(allowed) == batch else allowed[:1])


def _summed(gradient: Array, group: int) -> Array:
    """Sum over the heads of q that share one of k."""
    batch, heads, *rest = gradient.shape
    return np.asarray(gradient.reshape(batch, heads // group, group, *rest).sum(axis=2))


def _gradients(p: _Pass, grad_scores: Array, group: int) -> dict[str, Array]:
    return {
        "q": p.scale * grad_scores @ p.k,
        "k": _summed(p.scale * grad_scores.swapaxes(2, 3) @ p.q, group),
        "v": _summed(p.weights.swapaxes(2, 3) @ p.g, group),
    }


def _with_scores(change: Callable[[_Pass], Array]) -> Callable[[Question], Arrays]:
    """Return the mistake of another gradient of the scores."""

    def gradients(question: Question) -> Arrays:
        p = _pass_of(question)
        return _gradients(p, change(p), question.config.group)

    return gradients


def _masked_by(allowed: Callable[[Any], Array]) -> Callable[[Question], Arrays]:
    """Return the mistake to calculate the weights anew with another mask."""

    def gradients(question: Question) -> Arrays:
        config = question.config
        mask = np.broadcast_to(allowed(config), config.score_shape)
        p = _pass_of(question, mask if len(mask) == len(question.primals["q"]) else mask[:1])
        return _gradients(p, p.grad_scores, config.group)

    return gradients


def _diagonal_alone(p: _Pass) -> Array:
    return np.asarray(p.weights * (1 - p.weights) * p.grad_weights)


def _summed_over_queries(p: _Pass) -> Array:
    return np.asarray(p.weights * (p.grad_weights - (p.grad_weights * p.weights).sum(axis=2, keepdims=True)))


def _everything(config: Any) -> Array:
    return np.ones(config.score_shape, bool)


def _from(corner: str) -> Callable[[Any], Array]:
    def allowed(config: Any) -> Array:
        return np.asarray(replace(config, causal=corner).allowed if config.causal != "none" else config.allowed)

    return allowed


def _strictly(config: Any) -> Array:
    """Forbid the diagonal as well."""
    if config.causal == "none":
        return np.asarray(config.allowed)
    ahead = config.len_k - config.len_q if config.causal == "bottom-right" else 0
    return np.asarray(config.allowed & np.tri(config.len_q, config.len_k, ahead - 1, dtype=bool))


def _scaled(names: tuple[str, ...], factor: Callable[[float], float]) -> Callable[[Question], Arrays]:
    def gradients(question: Question) -> Arrays:
        config = question.config
        scale = config.scale[0] if config.scale else float(config.dim) ** -0.5
        return {name: factor(scale) * question.gradients[name] for name in names}

    return gradients


def _shared(reduce: Callable[[Array], Array]) -> Callable[[Question], Arrays]:
    """Return the mistake to bring the heads of q that share one of k together in another way than by a sum."""

    def gradients(question: Question) -> Arrays:
        p = _pass_of(question)
        batch, heads, group = len(p.q), p.q.shape[1] // question.config.group, question.config.group
        each = {"k": p.scale * p.grad_scores.swapaxes(2, 3) @ p.q, "v": p.weights.swapaxes(2, 3) @ p.g}
        return {name: reduce(array.reshape(batch, heads, group, *array.shape[2:])) for name, array in each.items()}

    return gradients


def _interleaved(array: Array) -> Array:
    batch, heads, group, *rest = array.shape
    return np.asarray(array.reshape(batch, group, heads, *rest).sum(axis=1))


def _weights_missing(question: Question) -> Arrays:
    p = _pass_of(question)
    return {"v": _summed(np.broadcast_to(p.g.mean(axis=2, keepdims=True), p.v.shape), question.config.group)}


ATTENTION_MUTANTS = (
    Mutant("scale-missing", "the scale is left out", _scaled(("q", "k"), lambda s: 1 / s)),
    Mutant("scale-twice", "the scale is applied twice", _scaled(("q", "k"), lambda s: s)),
    Mutant("scale-in-values", "the scale is applied to the gradient of v too", _scaled(("v",), lambda s: s)),
    Mutant(
        "diagonal-only",
        "only the diagonal of the Jacobian is used",
        _with_scores(_diagonal_alone),
    ),
    Mutant(
        "row-sum-missing",
        "the row sum of the Jacobian is left out",
        _with_scores(lambda p: p.weights * p.grad_weights),
    ),
    Mutant("softmax-missing", "the softmax is treated as if it were not there", _with_scores(lambda p: p.grad_weights)),
    Mutant(
        "row-sum-over-queries",
        "the row sum runs over the queries",
        _with_scores(_summed_over_queries),
    ),
    Mutant("mask-missing", "the weights are calculated anew without a mask", _masked_by(_everything)),
    Mutant("causal-from-top-left", "the causal mask is aligned at the top left", _masked_by(_from("top-left"))),
    Mutant(
        "causal-from-bottom-right", "the causal mask is aligned at the bottom right", _masked_by(_from("bottom-right"))
    ),
    Mutant("causal-without-diagonal", "a query may not attend to its own key", _masked_by(_strictly)),
    Mutant(
        "first-head-of-group", "of the heads that share one of k the first alone counts", _shared(lambda a: a[:, :, 0])
    ),
    Mutant(
        "mean-of-group", "the heads that share one of k are averaged", _shared(lambda a: np.asarray(a.mean(axis=2)))
    ),
    Mutant("groups-interleaved", "heads are grouped in turn, not side by side", _shared(_interleaved)),
    Mutant("weights-missing", "the gradient of v is the mean of the upstream gradient", _weights_missing),
)
