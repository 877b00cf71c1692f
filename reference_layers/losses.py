"""Losses: the end of a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from reference_layers.activations import log_softmax, sigmoid, softplus
from reference_layers.layer import Array, Params, ShapeError, is_int, require_number, require_shape

_REDUCTIONS = ("mean", "sum", "none")


class LossCache(NamedTuple):
    """What the backward pass of a loss of classes needs."""

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
class _Loss:
    """A loss, which can be reduced over what it is of.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
    """

    reduction: Literal["mean", "sum", "none"] = "mean"

    def __post_init__(self) -> None:
        if self.reduction not in _REDUCTIONS:
            raise ValueError(f"expected reduction among {', '.join(_REDUCTIONS)}, got reduction={self.reduction!r}")

    def init(self, rng: np.random.Generator) -> Params:  # noqa: ARG002 - every layer has this signature
        """Return no parameters."""
        return {}

    def _reduce(self, losses: Array, total: float) -> Array:
        """Return the losses, or their sum, or that over `total`; a mean over nothing is 0."""
        if self.reduction == "none":
            return losses
        if self.reduction == "sum":
            return np.asarray(losses.sum(), dtype=losses.dtype)
        mean = losses.mean() * (losses.size / total) if total else 0.0  # in float16 a sum may overflow
        return np.asarray(mean, dtype=losses.dtype)

    def _upstream(self, grad_output: Any, shape: tuple[int, ...], total: float, dtype: np.dtype[Any]) -> Array:
        """Return the gradient of each of the losses, or one for all of them: the adjoint of `_reduce`."""
        upstream = np.asarray(grad_output, dtype=dtype)
        require_shape("grad_output", upstream, shape if self.reduction == "none" else ())
        if self.reduction == "mean":
            upstream = np.asarray(upstream * dtype.type(1 / total if total else 0.0))
        return upstream


@dataclass(frozen=True)
class SoftmaxCrossEntropy(_Loss):
    """Cross-entropy of the softmax of logits with the true class.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Over the batch.
    class_weights : tuple of float, optional
        What an error costs, for each class; at least 0. Default: 1 for all.
    ignore_index : int, optional
        Samples with this target cost nothing; it need not be a class.
    label_smoothing : float
        Share of a target, 0 to 1, that is spread evenly over all classes, the true one among them.

    Notes
    -----
    ``loss = -log softmax(z)[t]``, with gradient ``softmax(z) - onehot(t)``, divided by N for the mean. Logits
    (N, C), targets (N,) of ints in 0 … C-1; the loss is 0-dimensional, or (N,) for "none". The largest logit of a row
    is taken off before `exp`, which changes nothing and cannot overflow. The loss of an empty batch is 0.

    In full, with the weights w, the smoothing ε and a sample that is not ignored::

        q_c = w_c ((1 − ε) [c = t] + ε/C),   loss = −Σ_c q_c log softmax(z)_c,   ∂/∂z = softmax(z) Σ_c q_c − q

    The mean divides by the sum of ``w_t`` over the samples that are not ignored, smoothing or not. Where that is 0,
    because all samples are ignored or of weight 0, the mean and its gradient are 0.

    References
    ----------
    The gradient Y − t: the article on the five-layer network and the lecture slides, see ``docs/design.md``. Weights,
    ignored samples and smoothing, with their means: as in ``torch.nn.CrossEntropyLoss``, which however gives NaN for
    the mean over nothing. Their gradient is derived here.

    Examples
    --------
    >>> layer = SoftmaxCrossEntropy()
    >>> loss, cache = layer.forward({}, np.array([[1.0, 2.0, 4.0]]), np.array([2]))
    >>> layer.backward({}, cache, np.ones(()))[0].round(6).tolist()
    [[0.04201, 0.114195, -0.156205]]
    """

    class_weights: tuple[float, ...] | None = None
    ignore_index: int | None = None
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number(0, 1, label_smoothing=self.label_smoothing)
        if not (self.ignore_index is None or is_int(self.ignore_index)):
            raise ValueError(f"expected ignore_index to be an int or None, got ignore_index={self.ignore_index!r}")
        if self.class_weights is not None:
            object.__setattr__(self, "class_weights", _normal_weights(self.class_weights))

    def forward(self, params: Params, logits: Array, targets: Array) -> tuple[Array, LossCache]:  # noqa: ARG002
        """Return the loss and what `backward` needs.

        Raises
        ------
        ShapeError
            If `logits` is not (N, C), with C the number of weights, or `targets` not (N,).
        ValueError
            If a target is neither a class nor ignored.
        """
        targets = _checked_targets("logits", logits, targets, self.ignore_index)
        if self.class_weights is not None and len(self.class_weights) != logits.shape[1]:
            raise ShapeError(
                f"expected logits of {len(self.class_weights)} classes, as many as class_weights, got "
                f"shape={logits.shape}"
            )
        logs = log_softmax(logits)
        rows, classes, weights = self._counted(logs, targets)
        losses = np.zeros(len(targets), logs.dtype)
        losses[rows] -= (1 - self.label_smoothing) * weights[classes] * logs[rows, classes]
        if self.label_smoothing:
            losses[rows] -= self.label_smoothing / logits.shape[1] * (logs[rows] * weights).sum(axis=1)
        return self._reduce(losses, _total(weights[classes])), LossCache(np.exp(logs), targets)

    def backward(self, params: Params, cache: LossCache, grad_output: Any = 1.0) -> tuple[Array, Params]:  # noqa: ARG002
        """Return the gradient of the logits; there are no parameters."""
        probabilities, targets = cache
        rows, classes, weights = self._counted(probabilities, targets)
        upstream = self._upstream(grad_output, targets.shape, _total(weights[classes]), probabilities.dtype)
        wanted = np.zeros_like(probabilities)
        wanted[rows] = self.label_smoothing / probabilities.shape[1] * weights
        wanted[rows, classes] += (1 - self.label_smoothing) * weights[classes]
        gradient = probabilities * wanted.sum(axis=1, keepdims=True) - wanted
        return gradient * (upstream[:, None] if self.reduction == "none" else upstream), {}

    def _counted(self, rows_of_classes: Array, targets: Array) -> tuple[Array, Array, Array]:
        """Return the samples that are not ignored, their classes, and the weights of all classes."""
        n, classes = rows_of_classes.shape
        rows = np.arange(n) if self.ignore_index is None else np.flatnonzero(targets != self.ignore_index)
        weights = np.asarray(self.class_weights or np.ones(classes), dtype=rows_of_classes.dtype)
        return rows, targets[rows], weights


@dataclass(frozen=True)
class CrossEntropy(_Loss):
    """Cross-entropy of given probabilities with the true class.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Over the batch.

    Notes
    -----
    ``loss = -log p_t``, with gradient ``−1/p_t`` at the true class t and 0 elsewhere, divided by N for the mean.
    Probabilities (N, C) that need not sum to 1, targets (N,) of ints in 0 … C-1; the loss is 0-dimensional, or (N,) for
    "none". The loss of an empty batch is 0. Behind a softmax use `SoftmaxCrossEntropy`, which needs no quotient.

    References
    ----------
    Derived here.

    Examples
    --------
    >>> layer = CrossEntropy()
    >>> loss, cache = layer.forward({}, np.array([[0.2, 0.8]]), np.array([1]))
    >>> loss.round(4).item(), layer.backward({}, cache)[0].tolist()
    (0.2231, [[0.0, -1.25]])
    """

    def forward(self, params: Params, probabilities: Array, targets: Array) -> tuple[Array, LossCache]:  # noqa: ARG002
        """Return the loss and what `backward` needs.

        Raises
        ------
        ShapeError
            If `probabilities` is not (N, C), or `targets` not (N,).
        ValueError
            If a target is not a class, or its probability not above 0.
        """
        targets = _checked_targets("probabilities", probabilities, targets)
        hit = probabilities[np.arange(len(targets)), targets]
        wrong = np.flatnonzero(~(hit > 0))
        if wrong.size:
            place = f"probabilities[{wrong[0]}, {targets[wrong[0]]}]={hit[wrong[0]]:g}"
            raise ValueError(f"expected the true class to have a probability above 0, got {place}")
        losses = negative_log_likelihood(hit)
        return self._reduce(losses, losses.size), LossCache(probabilities.copy(), targets)

    def backward(self, params: Params, cache: LossCache, grad_output: Any = 1.0) -> tuple[Array, Params]:  # noqa: ARG002
        """Return the gradient of the probabilities; there are no parameters."""
        probabilities, targets = cache
        upstream = self._upstream(grad_output, targets.shape, targets.size, probabilities.dtype)
        rows = np.arange(targets.size)
        gradient = np.zeros_like(probabilities)
        gradient[rows, targets] = -upstream / probabilities[rows, targets]
        return gradient, {}


@dataclass(frozen=True)
class _ElementwiseLoss(_Loss):
    """A loss of every entry of x with the target in its place; targets are constants."""

    def forward(self, params: Params, x: Array, targets: Array) -> tuple[Array, Array]:  # noqa: ARG002
        """Return the loss and its derivative, entry by entry.

        Raises
        ------
        ShapeError
            If `targets` does not have the shape of `x`: nothing is broadcast.
        """
        targets = np.asarray(targets, dtype=x.dtype)
        require_shape("targets", targets, x.shape)
        losses, slope = self._losses_and_slope(x, targets)
        losses = np.asarray(losses)
        return self._reduce(losses, losses.size), np.asarray(slope)

    def backward(self, params: Params, cache: Array, grad_output: Any = 1.0) -> tuple[Array, Params]:  # noqa: ARG002
        """Return the gradient of the input; there are no parameters."""
        return np.asarray(cache * self._upstream(grad_output, cache.shape, cache.size, cache.dtype)), {}

    def _losses_and_slope(self, x: Array, targets: Array) -> tuple[Any, Any]:
        raise NotImplementedError


@dataclass(frozen=True)
class MeanSquaredError(_ElementwiseLoss):
    """``(x − t)²``.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Over all entries: the mean divides by their number, not by that of the samples.

    Notes
    -----
    ``∂/∂x = 2 (x − t)``, divided by the number of entries for the mean. x and targets of one shape, the loss
    0-dimensional, or of their shape for "none". The loss of no entries is 0.

    References
    ----------
    Derived here; the factors as in ``torch.nn.MSELoss``. Some define the loss with ½ in front.

    Examples
    --------
    >>> layer = MeanSquaredError()
    >>> loss, cache = layer.forward({}, np.array([1.0, 4.0]), np.array([1.0, 2.0]))
    >>> loss.item(), layer.backward({}, cache)[0].tolist()
    (2.0, [0.0, 2.0])
    """

    def _losses_and_slope(self, x: Array, targets: Array) -> tuple[Any, Any]:
        error = x - targets
        return error * error, 2 * error


@dataclass(frozen=True)
class BinaryCrossEntropyWithLogits(_ElementwiseLoss):
    """Cross-entropy of ``σ(x)`` with a target from 0 to 1.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Over all entries.

    Notes
    -----
    ``loss = −t log σ(x) − (1 − t) log σ(−x) = t softplus(−x) + (1 − t) softplus(x)``, with gradient ``σ(x) − t``,
    divided by the number of entries for the mean. x and targets of one shape, the loss 0-dimensional, or of their shape
    for "none". The loss of no entries is 0.

    References
    ----------
    Derived here.

    Examples
    --------
    >>> layer = BinaryCrossEntropyWithLogits("sum")
    >>> loss, cache = layer.forward({}, np.array([1000.0, 0.0]), np.array([1.0, 0.25]))
    >>> loss.round(4).item(), layer.backward({}, cache)[0].tolist()
    (0.6931, [0.0, 0.25])
    """

    def forward(self, params: Params, x: Array, targets: Array) -> tuple[Array, Array]:
        """Return the loss and its derivative, entry by entry.

        Raises
        ------
        ShapeError
            If `targets` does not have the shape of `x`: nothing is broadcast.
        ValueError
            If a target is not from 0 to 1.
        """
        wrong = np.argwhere(~((np.asarray(targets) >= 0) & (np.asarray(targets) <= 1)))
        if len(wrong):
            place = tuple(wrong[0].tolist())
            raise ValueError(f"expected targets from 0 to 1, got {np.asarray(targets)[place]:g} at index {place}")
        return super().forward(params, x, targets)

    def _losses_and_slope(self, x: Array, targets: Array) -> tuple[Any, Any]:
        return targets * softplus(-x) + (1 - targets) * softplus(x), sigmoid(x) - targets


@dataclass(frozen=True)
class Huber(_ElementwiseLoss):
    """``½ e²`` where the error ``e = x − t`` is at most delta, else ``delta (|e| − ½ delta)``.

    Parameters
    ----------
    reduction : {"mean", "sum", "none"}
        Over all entries.
    delta : float
        Above 0.

    Notes
    -----
    ``∂/∂x = e``, cut off at ±delta, divided by the number of entries for the mean: both pieces meet with the same
    slope. x and targets of one shape, the loss 0-dimensional, or of their shape for "none". The loss of no entries is
    0.

    References
    ----------
    Huber, *Robust estimation of a location parameter*, 1964; the factors as in ``torch.nn.HuberLoss``.

    Examples
    --------
    >>> layer = Huber("none", delta=2.0)
    >>> loss, cache = layer.forward({}, np.array([1.0, -5.0]), np.zeros(2))
    >>> loss.tolist(), layer.backward({}, cache, np.ones(2))[0].tolist()
    ([0.5, 8.0], [1.0, -2.0])
    """

    delta: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number(delta=self.delta)
        if self.delta <= 0:
            raise ValueError(f"expected delta to be above 0, got delta={self.delta!r}")

    def _losses_and_slope(self, x: Array, targets: Array) -> tuple[Any, Any]:
        error = x - targets
        cut = np.clip(error, -self.delta, self.delta)
        return cut * (error - cut / 2), cut


def _total(weights: Array) -> float:
    return float(weights.sum(dtype=np.float64))  # in float16 numbers of samples end at 65504


def _normal_weights(weights: Any) -> tuple[float, ...]:
    if not isinstance(weights, tuple | list) or not weights:
        raise ValueError(f"expected class_weights to be a tuple of numbers or None, got class_weights={weights!r}")
    require_number(0, **{f"class_weights[{k}]": weight for k, weight in enumerate(weights)})
    return tuple(map(float, weights))


def _checked_targets(what: str, scores: Array, given: Any, ignored: int | None = None) -> Array:
    """Return targets as an array, or refuse scores and targets that do not fit together."""
    require_shape(what, scores, ("N", "C"))
    if scores.shape[1] == 0:
        raise ShapeError(f"expected {what} of at least one class, got shape={scores.shape}")
    targets: Array = np.array(given)  # a copy: the cache keeps it
    if targets.shape != scores.shape[:1]:
        raise ShapeError(f"expected targets of shape {scores.shape[:1]}, got shape={targets.shape}")
    _require_classes(targets, scores.shape[1], ignored)
    return targets


def _require_classes(targets: Array, classes: int, ignored: int | None) -> None:
    if not np.issubdtype(targets.dtype, np.integer):
        raise ValueError(f"expected integer targets, got dtype={targets.dtype}")
    wrong = np.flatnonzero((targets < 0) | (targets >= classes))
    if ignored is not None:
        wrong = wrong[targets[wrong] != ignored]
    if wrong.size:
        beside = "" if ignored is None else f" or ignore_index={ignored}"
        raise ValueError(
            f"expected targets from 0 to {classes - 1}{beside}, got targets[{wrong[0]}]={targets[wrong[0]]}"
        )
