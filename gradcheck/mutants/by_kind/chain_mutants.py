"""What backward passes of layers in a chain get wrong: the chain rule written out, one layer of it replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from gradcheck.mutants.mutant import Mutant, Question
from gradcheck.subject import Array, Arrays
from reference_layers import AvgPool2d, Sequential
from reference_layers.sequential import own_params

#: ``back(layer, parameters, cache, upstream)`` returns the gradients of a layer's input and of its parameters.
Back: TypeAlias = Callable[[Any, dict[str, Array], Any, Array], tuple[Array, dict[str, Array]]]
_RATE = 0.125


def back_through(
    chain: Sequential, params: Arrays, caches: tuple[Any, ...], upstream: Array, replaced: Mapping[str, Back]
) -> tuple[Array, dict[str, Array]]:
    """Return the gradients of a chain's input and parameters, some of its layers going back in another way."""
    found: dict[str, Array] = {}
    for (name, layer), cache in zip(reversed(chain.layers), reversed(caches), strict=True):
        back: Back = replaced.get(name, type(layer).backward)
        upstream, own = back(layer, own_params(dict(params), name), cache, upstream)
        found |= {f"{name}.{key}": array for key, array in own.items()}
    return upstream, found


def passed_by(layer: Any, params: Arrays, cache: Any, upstream: Array) -> tuple[Array, dict[str, Array]]:
    """Pass the upstream gradient on as it came, which may have another layout but not another shape."""
    right, own = layer.backward(params, cache, upstream)
    return upstream.reshape(right.shape), own


def updated_before(layer: Any, params: dict[str, Array], cache: Any, upstream: Array) -> tuple[Array, dict[str, Array]]:
    """Take the step of gradient descent before the gradient is passed on."""
    _, own = layer.backward(params, cache, upstream)
    stepped = {name: array - _RATE * own[name] for name, array in params.items()}
    return layer.backward(stepped, cache, upstream)[0], own


def kernel_not_rotated(
    layer: Any, params: dict[str, Array], cache: Any, upstream: Array
) -> tuple[Array, dict[str, Array]]:
    """Pass the gradient on as by a convolution with the rotated kernel."""
    _, own = layer.backward(params, cache, upstream)
    rotated = {**params, "weight": params["weight"][..., ::-1, ::-1].copy()}
    return layer.backward(rotated, cache, upstream)[0], own


def _in_column_order(layer: Any, params: Arrays, cache: Any, upstream: Array) -> tuple[Array, dict[str, Array]]:
    """Give every image its entries back in the order height, width, channels."""
    right, own = layer.backward(params, cache, upstream)
    count, channels, height, width = right.shape
    return np.moveaxis(upstream.reshape(count, height, width, channels), -1, 1), own


def _first_of_window(layer: Any, params: Arrays, cache: Any, upstream: Array) -> tuple[Array, dict[str, Array]]:
    """Give each gradient to the first entry of its window."""
    right, own = layer.backward(params, cache, upstream)
    rows, columns = _pair(layer.kernel_size)
    first = np.zeros_like(right)
    height, width = upstream.shape[2:]
    first[:, :, : rows * height : rows, : columns * width : columns] = upstream
    return first, own


def _spread(divided: bool) -> Back:
    """Return what gives each gradient to its whole window, as a mean does, or undivided."""

    def back(layer: Any, params: Arrays, cache: Any, upstream: Array) -> tuple[Array, dict[str, Array]]:
        right, own = layer.backward(params, cache, upstream)
        mean = AvgPool2d(layer.kernel_size)
        _, of_mean = mean.forward({}, np.zeros_like(right))
        spread, _ = mean.backward({}, of_mean, upstream)
        return spread if divided else spread * np.prod(_pair(layer.kernel_size)), own

    return back


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    return size if isinstance(size, tuple) else (size, size)


Chained: TypeAlias = Callable[[Mapping[str, Back]], Callable[[Question], Arrays]]


def chained(of: Callable[[Any], tuple[Sequential, tuple[Any, ...]]]) -> Chained:
    """Return what goes back through the chain of a configuration, given with the constants of its last layer."""

    def replacing(replaced: Mapping[str, Back]) -> Callable[[Question], Arrays]:
        def gradients(question: Question) -> Arrays:
            chain, constants = of(question.config)
            params = {name: array for name, array in question.primals.items() if name != "x"}
            _, caches = chain.forward(params, question.primals["x"], *constants)
            x, found = back_through(chain, params, caches, question.cotangent, replaced)
            return {"x": x, **found}

        return gradients

    return replacing


#: By the kind of layer: slug and sentence, for its name, and how it goes back.
_RELU = (("{}-passed-by", "the gradient passes {} by: its mask is not applied", passed_by),)
_POOL = (
    ("{}-not-divided", "{} gives every entry of a window the whole gradient", _spread(divided=False)),
    ("{}-as-mean", "{} shares the gradient out over its window, as a mean pool does", _spread(divided=True)),
    ("{}-first-of-window", "{} gives the gradient to the first entry of each window", _first_of_window),
)
_FLATTEN = (("{}-channels-last", "{} puts the gradient back as if channels were the last axis", _in_column_order),)
_WITH_WEIGHT = (("{}-updated-before", "{} was updated before the gradient was passed on", updated_before),)
_CONV = (
    *_WITH_WEIGHT,
    ("{}-kernel-not-rotated", "{} passes the gradient on with its kernel not rotated", kernel_not_rotated),
)


def _mutants(chain: Chained, layers: Mapping[str, tuple[tuple[str, str, Back], ...]]) -> Iterator[Mutant]:
    for name, rows in layers.items():
        for slug, sentence, back in rows:
            yield Mutant(slug.format(name), sentence.format(name), chain({name: back}))


_sequential = chained(lambda config: (config.chain, ()))

SEQUENTIAL_MUTANTS = tuple(
    _mutants(
        _sequential,
        {"affine": _WITH_WEIGHT, "flatten": _FLATTEN, "pool": _POOL, "relu": _RELU, "conv": _CONV},
    )
)


# The five-layer network


def _network(config: Any) -> tuple[Sequential, tuple[Any, ...]]:
    return config.network.layers, (np.array(config.targets),)


_five_layers = chained(_network)


def _hits(question: Question) -> Array:
    return np.asarray(np.eye(question.config.classes)[list(question.config.targets)])


def _loss(change: Callable[[Question, Array, Array], Array]) -> Callable[[Question], Arrays]:
    """Return what gives the logits ``change(question, right gradient, upstream gradient of each sample)``."""

    def gradients(question: Question) -> Arrays:
        def back(layer: Any, params: Arrays, cache: Any, upstream: Array) -> tuple[Array, dict[str, Array]]:
            right, own = layer.backward(params, cache, upstream)
            each = np.broadcast_to(upstream, len(right)) / (len(right) if layer.reduction == "mean" else 1)
            return change(question, right, each[:, np.newaxis]), own

        return _five_layers({"loss": back})(question)

    return gradients


FIVE_LAYER_MUTANTS = (
    *_mutants(
        _five_layers,
        {
            **{"o5": _WITH_WEIGHT, "flatten": _FLATTEN, "s4": _POOL, "relu3": _RELU, "c3": _CONV},
            **{"s2": _POOL, "relu1": _RELU, "c1": _CONV},
        },
    ),
    Mutant(
        "masks-of-both-relus-missing",
        "the masks of relu1 and relu3 are not applied",
        _five_layers({"relu1": passed_by, "relu3": passed_by}),
    ),
    Mutant(
        "targets-left-out",
        "the gradient of the logits is the softmax alone, without the targets",
        _loss(lambda question, right, each: right + _hits(question) * each),
    ),
    Mutant(
        "label-off-by-one",
        "the next class is taken for the true one in the gradient of the logits",
        _loss(lambda question, right, each: right + (_hits(question) - np.roll(_hits(question), 1, axis=1)) * each),
    ),
    Mutant(
        "softmax-left-out",
        "the gradient of the logits is that of the targets alone, without the softmax",
        _loss(lambda question, _, each: -_hits(question) * each),
    ),
)
