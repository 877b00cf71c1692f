"""Losses: the end of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from reference_layers.layer import Array, Params, ShapeError, require_shape

_REDUCTIONS = ("mean", "sum", "none")


class LossCache(NamedTuple):
    """What the backward pass of a loss needs."""

    probabilities: Array
    targets: Array


def negative_log_likelihood(probability: Any) -> Any:
    """Return ``-log p``, what one sample costs that was given the probability p.

    Examples
    --------
    >>> [round(float(negative_log_likelihood(p)), 4) for p in (0.9, 0.8)]
    [0.1054, 0.2231]
    """
    return -np.log(probability)


@dataclass(frozen=True)
class SoftmaxCrossEntropy:
    """Cross-entropy of the softmax of logits with the true class.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Over the batch.

    Notes
    -----
    ``loss = -log softmax(z)[t]``, with gradient ``softmax(z) - onehot(t)``, divided by N for the mean. Logits
    (N, C), targets (N,) of ints in 0 … C-1; the loss is 0-dimensional, or (N,) for "none". The largest logit of a row
    is taken off before `exp`, which changes nothing and cannot overflow. The loss of an empty batch is 0.

    References
    ----------
    The gradient Y − t: the article on the five-layer network and the lecture slides, see ``docs/design.md``.

    Examples
    --------
    >>> layer = SoftmaxCrossEntropy()
    >>> loss, cache = layer.forward({}, np.array([[1.0, 2.0, 4.0]]), np.array([2]))
    >>> layer.backward({}, cache, np.ones(()))[0].round(6).tolist()
    [[0.04201, 0.114195, -0.156205]]
    """

    reduction: Literal["mean", "sum", "none"] = "mean"

    def __post_init__(self) -> None:
        if self.reduction not in _REDUCTIONS:
            raise ValueError(f"expected reduction among {', '.join(_REDUCTIONS)}, got reduction={self.reduction!r}")

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return no parameters."""
        return {}

    def forward(self, params: Params, logits: Array, targets: Array) -> tuple[Array, LossCache]:  # noqa: ARG002
        """Return the loss and what `backward` needs.

        Raises
        ------
        ShapeError
            If `logits` is not (N, C), or `targets` not (N,).
        ValueError
            If a target is not a class.
        """
        require_shape("logits", logits, ("N", "C"))
        if logits.shape[1] == 0:
            raise ShapeError(f"expected logits of at least one class, got shape={logits.shape}")
        targets = np.asarray(targets)
        if targets.shape != logits.shape[:1]:
            raise ShapeError(f"expected targets of shape {logits.shape[:1]}, got shape={targets.shape}")
        _require_classes(targets, logits.shape[1])
        shifted = logits - logits.max(axis=1, keepdims=True)
        exponentials = np.exp(shifted)
        totals = exponentials.sum(axis=1)
        losses = np.log(totals) - shifted[np.arange(len(targets)), targets]
        return self._reduce(losses), LossCache(exponentials / totals[:, None], targets)

    def backward(self, params: Params, cache: LossCache, grad_output: Any = 1.0) -> tuple[Array, Params]:  # noqa: ARG002
        """Return the gradient of the logits; there are no parameters."""
        n = len(cache.targets)
        weight = np.asarray(grad_output, dtype=cache.probabilities.dtype)
        require_shape("grad_output", weight, (n,) if self.reduction == "none" else ())
        gradient = cache.probabilities.copy()
        gradient[np.arange(n), cache.targets] -= 1
        if self.reduction == "mean":
            weight = weight / weight.dtype.type(max(n, 1))
        return gradient * (weight[:, None] if self.reduction == "none" else weight), {}

    def _reduce(self, losses: Array) -> Array:
        if self.reduction == "none":
            return losses
        total = losses.sum() if self.reduction == "sum" or losses.size == 0 else losses.mean()
        return np.asarray(total, dtype=losses.dtype)


def _require_classes(targets: Array, classes: int) -> None:
    if not np.issubdtype(targets.dtype, np.integer):
        raise ValueError(f"expected integer targets, got dtype={targets.dtype}")
    wrong = np.flatnonzero((targets < 0) | (targets >= classes))
    if wrong.size:
        raise ValueError(f"expected targets from 0 to {classes - 1}, got targets[{wrong[0]}]={targets[wrong[0]]}")
