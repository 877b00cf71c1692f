"""Losses: a value, and its gradient with respect to the predictions, together or from a function of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from gradcheck.adapters.functions.function_calls import arrays_of
from gradcheck.adapters.returned_values import as_array
from gradcheck.adapters.signatures import name_of, named_parameters, required_arguments
from gradcheck.adapters.subject_from import subject_from
from gradcheck.messages import did_you_mean
from gradcheck.subject import Array, Arrays, Pullback, Subject, Trait

PREDICTIONS, TARGETS = "predictions", "targets"
_WORDS = (PREDICTIONS, TARGETS)
#: Names of parameters that take targets.
_TARGETS = {
    "targets",
    "target",
    "labels",
    "label",
    "y_true",
    "true",
    "truth",
    "ground_truth",
    "actual",
    "expected",
    "t",
}
_PREDICTIONS = {
    "predictions",
    "prediction",
    "predicted",
    "y_pred",
    "pred",
    "preds",
    "y_hat",
    "yhat",
    "logits",
    "scores",
}


def from_loss(
    value: Callable[..., Any],
    gradient: Callable[..., Any] | None,
    predictions: Array,
    targets: Any = None,
    *,
    scale: float = 1.0,
    arguments: Sequence[str] | None = None,
    gradient_arguments: Sequence[str] | None = None,
    name: str | None = None,
    traits: Iterable[Trait] = (),
    reproduce: str = "",
    **options: Any,
) -> Subject:
    """Return a loss as a subject, whose primal is called ``"predictions"``.

    Parameters
    ----------
    value : callable
        ``value(predictions, targets)``: a number, or one for each sample; with no `gradient`, the pair of this and the
        gradient.
    gradient : callable or None
        ``gradient(predictions, targets)``; or without arguments, of the last value.
    predictions : ndarray
        What the loss takes: logits, where it owns the softmax.
    targets : object, optional
        None for a loss that has none.
    scale : float
        By how much the gradient is meant to be larger than the derivative of the value: the number of samples, where
        the value is a mean and the gradient a sum. Declared as a limit unless it is 1.
    arguments, gradient_arguments : sequence of {"predictions", "targets"}, optional
        What `value` and `gradient` take, in their order. Default: by the names of their parameters, else
        predictions first; a gradient takes what the value does, or nothing.
    name : str, optional
        Default: the name of `value`.
    traits, reproduce
        As `Subject` takes them.
    **options
        Passed to `value` by keyword, and to a `gradient` that has parameters of these names.

    Raises
    ------
    TypeError, ValueError
        If an argument is unusable, there is no gradient, or it has not the shape of the predictions.

    Examples
    --------
    >>> import gradcheck
    >>> def value(y_true, y_pred):
    ...     return np.mean((y_pred - y_true) ** 2)
    >>> def gradient(y_true, y_pred):
    ...     return 2 * (y_pred - y_true)
    >>> subject = from_loss(value, gradient, np.array([1.0, 2.0]), np.array([0.0, 5.0]), scale=2)
    >>> gradcheck.check(subject).verdict
    'passed'
    """
    if not np.isscalar(scale) or isinstance(scale, str | bool) or not np.isfinite(scale) or not scale:
        raise ValueError(f"expected scale to be a finite number other than 0, got scale={scale!r}")
    given = {**arrays_of({PREDICTIONS: predictions}), TARGETS: targets}
    known = (PREDICTIONS,) if targets is None else _WORDS
    takes = _order("arguments", value, arguments, known, options)
    gives = takes
    of_last = gradient is not None and gradient_arguments is None and required_arguments(gradient) == 0
    if of_last:
        gives = ()
    elif gradient is not None:
        gives = _order("gradient_arguments", gradient, gradient_arguments, known, options)
    known_options = {one.name for one in named_parameters(gradient) or ()} if gradient is not None else set()
    gradient_options = {key: one for key, one in options.items() if key in known_options}

    def evaluate(predictions: Array) -> tuple[Any, Callable[[], Any]]:
        """Return the value, and what returns the gradient."""
        values = {**given, PREDICTIONS: predictions}
        result = value(*(values[word] for word in takes), **options)
        if gradient is not None:
            return as_array(result), lambda: gradient(*(values[word] for word in gives), **gradient_options)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise TypeError(
                f"expected {name_of(value)} to return (value, gradient), since gradient=None, got "
                f"{type(result).__name__}"
            )
        return as_array(result[0]), lambda: result[1]

    def vjp(arrays: Arrays) -> tuple[Any, Pullback]:
        predictions = arrays[PREDICTIONS]
        loss, ask = evaluate(predictions)

        def pullback(cotangent: Any) -> Arrays:
            found = as_array(ask(), predictions)
            # Of one value for each sample, the cotangent is shared by the entries of the sample.
            weights = np.reshape(cotangent, np.shape(cotangent) + (1,) * (np.ndim(found) - np.ndim(cotangent)))
            return {PREDICTIONS: np.asarray(weights.astype(found.dtype) * found / found.dtype.type(scale))}

        return loss, pullback

    with np.errstate(all="ignore"):
        trial = np.array(given[PREDICTIONS])
        loss, ask = evaluate(trial)
        _require_forms(loss, as_array(ask(), trial), trial)
    found = [Trait("last-forward-only")] if of_last else []
    if scale != 1:
        found.append(Trait("scaled", (PREDICTIONS,)))
    return subject_from(
        name_of(value),
        {PREDICTIONS: given[PREDICTIONS]},
        vjp,
        name=name,
        traits=traits,
        reproduce=reproduce,
        seen=found,
        constants={TARGETS: targets},
    )


def _order(
    argument: str, function: Callable[..., Any], declared: Sequence[str] | None, known: Sequence[str], options: Any
) -> tuple[str, ...]:
    """Return in which order a function takes predictions and targets."""
    if declared is not None:
        declared = (declared,) if isinstance(declared, str) else tuple(declared)
        for word in declared:
            if word not in known:
                raise ValueError(
                    f"expected {argument} among {', '.join(map(repr, known))}, got {word!r}{did_you_mean(word, known)}"
                )
        return declared
    names = [one.name.casefold() for one in named_parameters(function) or () if one.name not in options]
    targets_first = len(names) > 1 and (names[0] in _TARGETS or names[1] in _PREDICTIONS or names[:2] == ["y", "x"])
    return tuple(known[::-1]) if targets_first else tuple(known)


def _require_forms(loss: Any, gradient: Any, predictions: Array) -> None:
    if gradient is None or np.shape(gradient) != predictions.shape:
        got = "None" if gradient is None else f"shape={np.shape(gradient)}"
        raise ValueError(
            f"expected a gradient of the shape of the predictions, {predictions.shape}, got {got}; does the function "
            f"take them in another order? declare arguments=(…), gradient_arguments=(…)"
        )
    if np.shape(loss) != predictions.shape[: np.ndim(loss)]:
        raise ValueError(
            f"expected one value, or one for each sample of predictions of shape {predictions.shape}, got values of "
            f"shape {np.shape(loss)}"
        )
