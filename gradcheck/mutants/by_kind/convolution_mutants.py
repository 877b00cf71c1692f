"""What backward passes of convolutions get wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from gradcheck.mutants.by_kind.bias_mutants import bias_mutants
from gradcheck.mutants.by_kind.taps_mutants import Axes, Change, axes_of, gather, geometry_mutants, spread
from gradcheck.mutants.mutant import Mutant, Question
from gradcheck.subject import Array, Arrays

_Weight: TypeAlias = Callable[[Question, Array], Array | None]
_RATE = 0.125


def _as_is(axes: Axes) -> Axes:
    return axes


def _grouped(maps: Array, groups: int) -> Array:
    """Return maps (N, C, …) as (N, groups, C/groups, entries)."""
    return maps.reshape(len(maps), groups, maps.shape[1] // groups, -1)


def _taps_by_group(windows: Array, groups: int, kernel: tuple[int, ...]) -> Array:
    """Return windows (N, C, kernel…, places…) as (N, groups, C/groups, taps, places)."""
    taps = int(np.prod(kernel))
    return windows.reshape(len(windows), groups, windows.shape[1] // groups, taps, -1)


def _by_group(weight: Array, groups: int) -> Array:
    """Return a weight (M, C/groups, kernel…) as (groups, M/groups, C/groups, taps)."""
    return weight.reshape(groups, weight.shape[0] // groups, weight.shape[1], -1)


def _flipped(weight: Array) -> Array:
    return np.flip(weight, tuple(range(2, weight.ndim)))


def _axes(question: Question) -> Axes:
    x, g = question.primals["x"], question.cotangent
    return axes_of(question.config, x.shape[2:], g.shape[2:])


def _input_gradient(question: Question, weight: Array, change: Change = _as_is) -> Array:
    """Return the gradient of x for a kernel that is slid over it, and changed axes."""
    groups, g, x = question.config.groups, question.cotangent, question.primals["x"]
    taps = np.einsum("gock,ngop->ngckp", _by_group(weight, groups), _grouped(g, groups))
    shape = (len(x), x.shape[1], *question.config.kernel_size, *g.shape[2:])
    return spread(taps.reshape(shape), change(_axes(question)))


def _weight_gradient(question: Question, change: Change = _as_is) -> Array:
    groups, g = question.config.groups, question.cotangent
    windows = gather(question.primals["x"], change(_axes(question)))
    columns = _taps_by_group(windows, groups, question.config.kernel_size)
    gradient: Array = np.einsum("ngckp,ngop->gock", columns, _grouped(g, groups))
    return gradient.reshape(question.primals["weight"].shape)


def _pulled(change: Change, question: Question) -> Arrays:
    weight = question.primals["weight"]
    return {"x": _input_gradient(question, weight, change), "weight": _weight_gradient(question, change)}


def _true_pulled(change: Change, question: Question) -> Arrays:
    weight = _flipped(question.primals["weight"])
    return {"x": _input_gradient(question, weight, change), "weight": _flipped(_weight_gradient(question, change))}


def _transposed_axes(question: Question, change: Change) -> Axes:
    x, g = question.primals["x"], question.cotangent
    return change(axes_of(question.config, g.shape[2:], x.shape[2:]))


def _transposed_pulled(change: Change, question: Question) -> Arrays:
    config, x, weight = question.config, question.primals["x"], question.primals["weight"]
    windows = gather(question.cotangent, _transposed_axes(question, change))
    columns = _taps_by_group(windows, config.groups, config.kernel_size)
    dx = np.einsum("gock,ngckp->ngop", _by_group(weight, config.groups), columns)
    dw = np.einsum("ngckp,ngop->gock", columns, _grouped(x, config.groups))
    return {"x": dx.reshape(x.shape), "weight": dw.reshape(weight.shape)}


# Another weight in the gradient of the input


def _with_weight(change: _Weight) -> Callable[[Question], Arrays]:
    """Return the mistake to pull the gradient of x back through a changed weight."""

    def gradients(question: Question) -> Arrays:
        weight = change(question, question.primals["weight"])
        return {} if weight is None else {"x": question.altered(weight=np.ascontiguousarray(weight))["x"]}

    return gradients


def _kernel_transposed(_: Question, weight: Array) -> Array | None:
    square = weight.ndim > 3 and weight.shape[-1] == weight.shape[-2]
    return weight.swapaxes(-1, -2) if square else None


def _channels_exchanged(question: Question, weight: Array) -> Array | None:
    """Exchange the axes of channels, group by group, where both are as long."""
    groups = question.config.groups
    by_group = weight.reshape(groups, len(weight) // groups, *weight.shape[1:])
    square = by_group.shape[1] == by_group.shape[2]
    return by_group.swapaxes(1, 2).reshape(weight.shape) if square else None


def _group_0(question: Question, weight: Array) -> Array:
    own = len(weight) // question.config.groups
    return np.concatenate([weight[:own]] * question.config.groups)


def _next_group(question: Question, weight: Array) -> Array:
    return np.roll(weight, len(weight) // question.config.groups, axis=0)


def _updated(question: Question, weight: Array) -> Array:
    return weight - _RATE * question.gradients["weight"]


_WEIGHTS = (
    ("kernel-not-rotated", "the kernel is not rotated by 180°", lambda _, w: _flipped(w)),
    ("kernel-flipped-first", "the kernel is flipped along its first axis", lambda _, w: np.flip(w, 2)),
    ("kernel-flipped-last", "the kernel is flipped along its last axis", lambda _, w: np.flip(w, -1)),
    ("kernel-transposed", "the axes of the kernel are exchanged", _kernel_transposed),
    ("channels-exchanged", "the channels of input and output are exchanged in the weight", _channels_exchanged),
    ("group-0-everywhere", "every group uses the kernels of group 0", _group_0),
    ("group-off-by-one", "every group uses the kernels of the one before", _next_group),
    ("weight-already-updated", "the weight was updated before the gradient of the input was made", _updated),
    ("weight-as-ones", "the weight is taken as ones", lambda _, w: np.ones_like(w)),
)


# The gradient of the weight


def _weight_scaled(factor: Callable[[Question], float]) -> Callable[[Question], Arrays]:
    return lambda question: {"weight": factor(question) * question.gradients["weight"]}


def _places(question: Question) -> int:
    return int(np.prod(question.cotangent.shape[2:]))


def _weight_rotated(question: Question) -> Arrays:
    return {"weight": _flipped(question.gradients["weight"])}


def _groups_rolled(question: Question) -> Arrays:
    """Put the gradient of the weights of each group down at the next."""
    return {"weight": _next_group(question, question.gradients["weight"])}


def _input_of_next_group(question: Question) -> Arrays:
    """Give every group the gradient of the input that belongs to the next."""
    x = question.gradients["x"]
    return {"x": np.roll(x, x.shape[1] // question.config.groups, axis=1)}


_OTHERS = (
    Mutant("weight-rotated", "the gradient of the weight is rotated by 180°", _weight_rotated),
    Mutant(
        "scale:1/places",
        "the gradient is averaged over the places of the output",
        _weight_scaled(lambda q: 1 / _places(q)),
    ),
    Mutant(
        "scale:1/(N·places)",
        "the gradient is averaged over the batch and the places of the output",
        _weight_scaled(lambda q: 1 / (_places(q) * len(q.primals["x"]))),
    ),
    Mutant(
        "scale:1/taps",
        "the gradient is divided by the number of taps of the kernel",
        _weight_scaled(lambda q: 1 / float(np.prod(q.config.kernel_size))),
    ),
    Mutant("weight-groups-moved", "the gradient of each group's weights is put down at the next", _groups_rolled),
    Mutant("input-groups-moved", "the channels of each group's input are those of the next", _input_of_next_group),
)


def _family(pulled: Callable[[Change, Question], Arrays], *without: str, overlap: bool = True) -> tuple[Mutant, ...]:
    weights: tuple[tuple[str, str, Any], ...] = _WEIGHTS
    return (
        *geometry_mutants(pulled, *without, overlap=overlap),
        *(Mutant(slug, sentence, _with_weight(change)) for slug, sentence, change in weights),
        *_OTHERS,
        *bias_mutants(1),
    )


def _output_padding_ignored(question: Question) -> Arrays:
    """Leave out the rows and columns that output_padding adds."""
    g = np.array(question.cotangent)
    for axis, more in enumerate(question.config.output_padding):
        if more:
            g[(slice(None),) * (2 + axis) + (slice(-more, None),)] = 0
    return question.altered(cotangent=g)


CONVOLUTION = _family(_pulled)
TRUE_CONVOLUTION = _family(_true_pulled)
CONV_TRANSPOSE = (
    *_family(_transposed_pulled, "remainder-at-start", overlap=False),
    Mutant("output-padding-ignored", "the entries that output_padding adds are left out", _output_padding_ignored),
)
