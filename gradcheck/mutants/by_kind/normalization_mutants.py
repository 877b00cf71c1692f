"""What backward passes of normalising layers get wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from gradcheck.mutants.by_kind.bias_mutants import bias_mutants
from gradcheck.mutants.mutant import Mutant, Question
from gradcheck.subject import Array, Arrays


@dataclass(frozen=True)
class View:
    """How a kind normalises: x in a shape where what is normalised together are whole axes, and gamma's axes in x."""

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    gamma_axes: tuple[int, ...]


_Look: TypeAlias = Callable[[Any, Array], View]


@dataclass(frozen=True)
class _Pass:
    """All that the formula of a backward pass is made of, in the shape of a view."""

    x: Array
    g: Array
    gamma: Array
    view: View
    eps: float
    mean: Array
    variance: Array

    @property
    def scaled(self) -> Array:
        return np.asarray(self.g * self.gamma)

    @property
    def inverse(self) -> Array:
        return np.asarray(1 / np.sqrt(self.variance + self.eps))

    @property
    def normalized(self) -> Array:
        return np.asarray((self.x - self.mean) * self.inverse)

    def over(self, array: Array) -> Array:
        """Return the mean over what is normalised together."""
        return np.asarray(array.mean(axis=self.view.axes, keepdims=True))

    @property
    def together(self) -> int:
        """How many entries are normalised together."""
        return int(np.prod([self.view.shape[axis] for axis in self.view.axes]))


_Formula: TypeAlias = Callable[[_Pass], Array]


def _spread(parameter: Array, x: Array, axes: tuple[int, ...]) -> Array:
    """Return gamma for multiplication with x."""
    shape = [1] * x.ndim
    for axis in axes:
        shape[axis] = x.shape[axis]
    return np.broadcast_to(parameter.reshape(shape), x.shape)


def _pass_of(look: _Look, question: Question, centred: bool) -> _Pass:
    x, g = question.primals["x"], question.cotangent
    view = look(question.config, x)
    given = question.primals.get("gamma")
    gamma = np.ones_like(x) if given is None else _spread(given, x, view.gamma_axes)
    values = x.reshape(view.shape)
    mean = np.asarray(values.mean(axis=view.axes, keepdims=True) if centred else np.zeros((1,) * values.ndim))
    variance = np.asarray(((values - mean) ** 2).mean(axis=view.axes, keepdims=True))
    arrays = values, g.reshape(view.shape), gamma.reshape(view.shape)
    return _Pass(*arrays, view, question.config.eps, mean, variance)


def _right(p: _Pass) -> Array:
    terms = p.scaled - p.over(p.scaled) - p.normalized * p.over(p.scaled * p.normalized)
    return np.asarray(p.inverse * terms)


def _without_mean(p: _Pass) -> Array:
    return np.asarray(p.inverse * (p.scaled - p.normalized * p.over(p.scaled * p.normalized)))


def _without_variance(p: _Pass) -> Array:
    return np.asarray(p.inverse * (p.scaled - p.over(p.scaled)))


def _variance_added(p: _Pass) -> Array:
    return np.asarray(p.inverse * (p.scaled - p.over(p.scaled) + p.normalized * p.over(p.scaled * p.normalized)))


def _sums(p: _Pass) -> Array:
    m = p.together
    return np.asarray(
        p.inverse * (p.scaled - m * p.over(p.scaled) - m * p.normalized * p.over(p.scaled * p.normalized))
    )


def _unbiased(p: _Pass) -> Array:
    return _right(replace(p, variance=p.variance * p.together / max(p.together - 1, 1)))


def _first_axis_alone(p: _Pass) -> Array:
    """Take the means over the first of the normalised axes alone."""
    first = replace(p.view, axes=p.view.axes[:1])
    return _means_over(p, first)


def _last_axis_alone(p: _Pass) -> Array:
    return _means_over(p, replace(p.view, axes=p.view.axes[-1:]))


def _other_axes(p: _Pass) -> Array:
    """Take the means over the axes that are not normalised."""
    others = tuple(axis for axis in range(p.x.ndim) if axis not in p.view.axes)
    return _means_over(p, replace(p.view, axes=others))


def _means_over(p: _Pass, view: View) -> Array:
    """Return the right formula, but for the axes of the means of gradients."""
    inverse, normalized, other = p.inverse, p.normalized, replace(p, view=view)
    return np.asarray(inverse * (p.scaled - other.over(p.scaled) - normalized * other.over(p.scaled * normalized)))


def _no_gamma(p: _Pass) -> _Pass:
    return replace(p, gamma=np.ones_like(p.gamma))


def _gamma_twice(p: _Pass) -> _Pass:
    return replace(p, gamma=p.gamma**2)


def _input(look: _Look, formula: _Formula, *, centred: bool = True) -> Callable[[Question], Arrays]:
    """Return the mistake of another formula for the gradient of x."""

    def gradients(question: Question) -> Arrays:
        return {"x": formula(_pass_of(look, question, centred)).reshape(question.primals["x"].shape)}

    return gradients


def _gamma(look: _Look, value: Callable[[Question], Array]) -> Callable[[Question], Arrays]:
    """Return the mistake to sum ``g·value`` for gamma."""

    def gradients(question: Question) -> Arrays:
        if "gamma" not in question.primals:
            return {}
        x = question.primals["x"]
        kept = {axis % x.ndim for axis in look(question.config, x).gamma_axes}
        others = tuple(axis for axis in range(x.ndim) if axis not in kept)
        return {"gamma": (question.cotangent * value(question)).sum(axis=others)}

    return gradients


_CENTRED: tuple[tuple[str, str, _Formula], ...] = (
    ("mean-constant", "the mean is treated as a constant", _without_mean),
    ("variance-constant", "the variance is treated as a constant", _without_variance),
    ("variance-term-added", "the term of the variance has the wrong sign", _variance_added),
    ("sums-not-means", "sums stand for means", _sums),
    ("variance-unbiased", "the variance is that with N − 1", _unbiased),
    ("means-over-first-axis", "means are taken over the first axis alone", _first_axis_alone),
    ("means-over-last-axis", "means are taken over the last axis alone", _last_axis_alone),
    ("means-over-other-axes", "means are taken over the axes that are not normalised", _other_axes),
)
_ANY: tuple[tuple[str, str, Callable[[_Formula], _Formula]], ...] = (
    ("eps-missing", "eps is left out", lambda right: lambda p: right(replace(p, eps=0.0))),
    ("eps-outside-root", "eps is added to the root, not under it", lambda right: lambda p: right(_moved_eps(p))),
    ("gamma-missing", "gamma is left out", lambda right: lambda p: right(_no_gamma(p))),
    ("gamma-twice", "gamma is applied twice", lambda right: lambda p: right(_gamma_twice(p))),
    ("deviation-missing", "the division by the deviation is left out", lambda right: lambda p: right(p) / p.inverse),
    ("deviation-twice", "the division by the deviation is made twice", lambda right: lambda p: right(p) * p.inverse),
)


def _moved_eps(p: _Pass) -> _Pass:
    return replace(p, variance=(np.sqrt(p.variance) + p.eps) ** 2 - p.eps)


def _constant(p: _Pass) -> Array:
    return np.asarray(p.inverse * p.scaled)


def _right_rms(p: _Pass) -> Array:
    return np.asarray(p.inverse * (p.scaled - p.normalized * p.over(p.scaled * p.normalized)))


def _scale_mutants(look: _Look) -> tuple[Mutant, ...]:
    return (
        Mutant(
            "gamma-sums-input", "the gradient of gamma is made of the raw input", _gamma(look, lambda q: q.primals["x"])
        ),
        Mutant("gamma-sums-output", "the gradient of gamma is made of the output", _gamma(look, lambda q: q.outputs)),
        Mutant("gamma-sums-upstream", "the gradient of gamma is that of beta", _gamma(look, _ones)),
    )


def _gamma_of(kept: Callable[[Array], tuple[Any, ...]]) -> Callable[[Question], Arrays]:
    """Return the mistake to use only a part of the upstream gradient for gamma, whose gradient is a sum over it."""

    def gradients(question: Question) -> Arrays:
        g, index = np.asarray(question.cotangent), kept(question.cotangent)
        part = np.zeros_like(g)
        part[index] = g[index]
        return {"gamma": question.altered(cotangent=part)["gamma"]} if "gamma" in question.primals else {}

    return gradients


def _first_place(g: Array) -> tuple[Any, ...]:
    return (..., *(0,) * (g.ndim - 2))


_GAMMA_PER_CHANNEL = (
    Mutant(
        "gamma-first-sample-only",
        "the gradient of gamma is that of the first sample alone",
        _gamma_of(lambda _: (0,)),
    ),
    Mutant("gamma-first-place-only", "the gradient of gamma is that of the first place alone", _gamma_of(_first_place)),
)


def _ones(question: Question) -> Array:
    return np.ones(question.outputs.shape)


def _as_it_comes(p: _Pass) -> Array:
    return p.scaled


def _norm_mutants(look: _Look) -> tuple[Mutant, ...]:
    """Return the mistakes of a layer that normalises by mean and variance."""
    return (
        Mutant("statistics-constant", "mean and variance are treated as constants", _input(look, _constant)),
        *(Mutant(slug, sentence, _input(look, formula)) for slug, sentence, formula in _CENTRED),
        *(Mutant(slug, sentence, _input(look, change(_right))) for slug, sentence, change in _ANY),
        Mutant("running-statistics", "the mean is taken as 0 and the variance as 1", _input(look, _as_it_comes)),
        *_scale_mutants(look),
    )


def _trailing(config: Any, x: Array) -> View:
    axes = tuple(range(x.ndim - len(config.normalized_shape), x.ndim))
    return View(x.shape, axes, axes)


def _per_channel(_: Any, x: Array) -> View:
    return View(x.shape, (0, *range(2, x.ndim)), (1,))


def _per_group(config: Any, x: Array) -> View:
    shape = (len(x), config.groups, x.shape[1] // config.groups, *x.shape[2:])
    return View(shape, tuple(range(2, len(shape))), (1,))


def _wrong_groups(config: Any, x: Array) -> View:
    """Group channel c with all of the same c mod groups."""
    return View((len(x), x.shape[1] // config.groups, config.groups, *x.shape[2:]), (1, *range(3, x.ndim + 1)), (1,))


def _per_instance(_: Any, x: Array) -> View:
    return View(x.shape, tuple(range(2, x.ndim)), (1,))


def _whole_sample(_: Any, x: Array) -> View:
    return View(x.shape, tuple(range(1, x.ndim)), (1,))


def _over_first_axis(name: str) -> Callable[[Question], Arrays]:
    """Return the mistake to sum a parameter's gradient over the first axis alone."""

    def gradients(question: Question) -> Arrays:
        if name not in question.primals:
            return {}
        per_sample = _per_row(question, name)
        return {name: per_sample.sum(axis=0)}

    return gradients


def _first_row(name: str) -> Callable[[Question], Arrays]:
    def gradients(question: Question) -> Arrays:
        if name not in question.primals:
            return {}
        each = _per_row(question, name)
        return {name: each.reshape(-1, *question.primals[name].shape)[0]}

    return gradients


def _per_row(question: Question, name: str) -> Array:
    """Return ``g·x̂``, or g for beta, unsummed."""
    if name == "beta":
        return np.asarray(question.cotangent)
    p = _pass_of(_trailing, question, centred="beta" in question.primals)
    return np.asarray((p.g * p.normalized).reshape(question.primals["x"].shape))


_ROWS = tuple(
    mutant
    for name in ("gamma", "beta")
    for mutant in (
        Mutant(
            f"{name}-over-first-axis",
            f"the gradient of {name} is summed over the first axis alone",
            _over_first_axis(name),
        ),
        Mutant(f"{name}-first-row-only", f"the gradient of {name} is that of the first row alone", _first_row(name)),
    )
)

LAYER_NORM_MUTANTS = (*_norm_mutants(_trailing), *_ROWS)


def _has_places(config: Any, _: Arrays) -> bool:
    return bool(config.size)


BATCH_NORM_MUTANTS = (
    *_norm_mutants(_per_channel),
    Mutant("as-instance-norm", "samples are normalised one by one", _input(_per_instance, _right), _has_places),
    *_GAMMA_PER_CHANNEL,
    *bias_mutants(1, "beta"),
)
GROUP_NORM_MUTANTS = (
    *_norm_mutants(_per_group),
    Mutant("groups-interleaved", "channel c is taken to be in group c mod groups", _input(_wrong_groups, _right)),
    Mutant("as-layer-norm", "all groups are normalised together", _input(_whole_sample, _right)),
    Mutant("as-instance-norm", "every channel is normalised by itself", _input(_per_instance, _right)),
    *_GAMMA_PER_CHANNEL,
    *bias_mutants(1, "beta"),
)
INSTANCE_NORM_MUTANTS = (
    *_norm_mutants(_per_instance),
    Mutant("as-batch-norm", "the samples are normalised together", _input(_per_channel, _right)),
    Mutant("as-layer-norm", "the channels are normalised together", _input(_whole_sample, _right)),
    *_GAMMA_PER_CHANNEL,
    *bias_mutants(1, "beta"),
)


# By the root mean square


def _term_added(p: _Pass) -> Array:
    return np.asarray(2 * _constant(p) - _right_rms(p))


def _term_summed(p: _Pass) -> Array:
    return np.asarray(_constant(p) - p.together * (_constant(p) - _right_rms(p)))


_RMS: tuple[tuple[str, str, _Formula], ...] = (
    ("mean-square-constant", "the mean square is treated as a constant", _constant),
    ("term-added", "the term of the mean square has the wrong sign", _term_added),
    ("sum-not-mean", "the term of the mean square is a sum", _term_summed),
    *((slug, sentence, change(_right_rms)) for slug, sentence, change in _ANY),
)
RMS_NORM_MUTANTS = (
    *(Mutant(slug, sentence, _input(_trailing, formula, centred=False)) for slug, sentence, formula in _RMS),
    Mutant("mean-taken-off", "the mean is taken off, as in layer normalisation", _input(_trailing, _right)),
    *_scale_mutants(_trailing)[:2],
    *_ROWS[:2],
)


# By running statistics


def _evaluation_slope(question: Question) -> Array:
    """Return what every entry of x is multiplied by: the layer is linear, so that gradients for ones tell it."""
    return np.asarray(question.altered(cotangent=np.ones_like(question.cotangent))["x"])


def _train_terms(question: Question) -> Arrays:
    """Take mean and projection off, as in training."""
    slope, p = _evaluation_slope(question), _pass_of(_per_channel, question, centred=True)
    along = p.over(p.g * p.normalized)
    return {"x": slope * (p.g - p.over(p.g) - p.normalized * along)}


def _without_gamma(question: Question) -> Arrays:
    if "gamma" not in question.primals:
        return {}
    return {"x": question.gradients["x"] / _spread(question.primals["gamma"], question.primals["x"], (1,))}


def _slope_twice(question: Question) -> Arrays:
    return {"x": question.gradients["x"] * _evaluation_slope(question)}


EVALUATION_MUTANTS = (
    Mutant("training-terms", "the terms of training are used in evaluation", _train_terms),
    Mutant("training-statistics", "the statistics of the batch are used in evaluation", _input(_per_channel, _right)),
    Mutant("batch-deviation", "the deviation of the batch stands for the running one", _input(_per_channel, _constant)),
    Mutant("deviation-missing", "the division by the deviation is left out", _input(_per_channel, _as_it_comes)),
    Mutant("gamma-missing", "gamma is left out", _without_gamma),
    Mutant("slope-twice", "gamma and the deviation are applied twice", _slope_twice),
    *_scale_mutants(_per_channel),
    *_GAMMA_PER_CHANNEL,
    *bias_mutants(1, "beta"),
)


# By neighbouring channels


def _neighbours(question: Question, **changes: Any) -> tuple[Array, Array, Any]:
    """Return x, the divisor's base and the config, some of its numbers changed."""
    config, x = replace(question.config, **changes), question.primals["x"]
    before, after = config.size // 2, (config.size - 1) // 2
    return x, config.k + config.alpha / config.size * _window_sums(x * x, before, after), config


def _window_sums(array: Array, before: int, after: int) -> Array:
    padded = np.pad(array, [(0, 0), (before, after), *[(0, 0)] * (array.ndim - 2)])
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, before + after + 1, 1).sum(-1))


def _response(mirrored: bool = True, factor: float = 1.0, **changes: Any) -> Callable[[Question], Arrays]:
    """Return the mistake of other numbers, another factor of the neighbours' term, or a window that is not mirrored."""

    def gradients(question: Question) -> Arrays:
        x, base, config = _neighbours(question, **changes)
        before, after = config.size // 2, (config.size - 1) // 2
        term = question.cotangent * x / base ** (config.beta + 1)
        sums = _window_sums(term, *((after, before) if mirrored else (before, after)))
        along = 2 * config.alpha * config.beta / config.size * x * sums
        return {"x": question.cotangent / base**config.beta - factor * along}

    return gradients


def _alpha_not_divided(question: Question) -> Arrays:
    return _response(alpha=question.config.alpha * question.config.size)(question)


LOCAL_RESPONSE_MUTANTS = (
    Mutant("neighbours-missing", "the divisor is treated as a constant", _response(factor=0.0)),
    Mutant("neighbours-added", "the term of the divisor has the wrong sign", _response(factor=-1.0)),
    Mutant("factor-2-missing", "the term of the divisor lacks its factor 2", _response(factor=0.5)),
    Mutant("window-not-mirrored", "an even window reaches further to the same side", _response(mirrored=False)),
    Mutant("alpha-not-divided", "alpha is not divided by the size of the window", _alpha_not_divided),
    Mutant("beta-as-1", "the exponent is treated as 1", _response(beta=1.0)),
    Mutant("k-as-1", "k is treated as 1", _response(k=1.0)),
)
