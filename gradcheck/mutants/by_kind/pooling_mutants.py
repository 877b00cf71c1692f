"""What backward passes of pooling layers get wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import numpy as np

from gradcheck.mutants.by_kind.taps_mutants import OVERLAP, Axes, Change, axes_of, gather, geometry_mutants, spread
from gradcheck.mutants.mutant import Mutant, Question
from gradcheck.subject import Array, Arrays

_LEGAL = "any share of a tie is a subgradient of the maximum"


def _axes(question: Question) -> Axes:
    return axes_of(question.config, question.primals["x"].shape[2:], question.cotangent.shape[2:])


def _flat(windows: Array, axes: Axes) -> Array:
    """Return windows (N, C, kernel…, places…) with one axis of taps."""
    return windows.reshape(*windows.shape[:2], -1, *windows.shape[2 + len(axes) :])


def _values(question: Question, axes: Axes) -> Array:
    """Return the entries of each window along axis 2; those of the border are -inf."""
    inside = gather(np.ones_like(question.primals["x"]), axes)
    return _flat(np.where(inside > 0, gather(question.primals["x"], axes), -np.inf), axes)


def _routed(question: Question, shares: Array, change: Change | None = None) -> Array:
    """Return the gradient of x for the share of each window's gradient that each of its taps receives."""
    axes = _axes(question)
    kernel = tuple(axis.kernel for axis in axes)
    taps = (shares * question.cotangent[:, :, None]).reshape(*shares.shape[:2], *kernel, *shares.shape[3:])
    return spread(taps, change(axes) if change else axes)


# Maxima


def _one_tap(winner: Array, taps: int) -> Array:
    """Return the shares of windows of which one tap receives everything."""
    places = np.arange(taps).reshape(1, 1, -1, *(1,) * (winner.ndim - 2))
    return np.asarray(places == winner[:, :, None], np.float64)


def _winners(question: Question) -> Array:
    values = _values(question, _axes(question))
    return _one_tap(values.argmax(axis=2), values.shape[2])


def _max_pulled(change: Change, question: Question) -> Arrays:
    return {"x": _routed(question, _winners(question), change)}


def _with_shares(shares: Callable[[Question, Array], Array]) -> Callable[[Question], Arrays]:
    """Return the mistake to share the gradient of a window out by its entries in another way."""

    def gradients(question: Question) -> Arrays:
        return {"x": _routed(question, shares(question, _values(question, _axes(question))))}

    return gradients


def _ties(_: Question, values: Array) -> Array:
    return np.asarray(values == values.max(axis=2, keepdims=True), np.float64)


def _ties_split(question: Question, values: Array) -> Array:
    ties = _ties(question, values)
    shares: Array = ties / ties.sum(axis=2, keepdims=True)
    return shares


def _last(_: Question, values: Array) -> Array:
    return _one_tap(values.shape[2] - 1 - values[:, :, ::-1].argmax(axis=2), values.shape[2])


def _near(_: Question, values: Array) -> Array:
    """Let everything near the maximum win: within a fifth of what lies between the extremes of its window."""
    largest = values.max(axis=2, keepdims=True)
    smallest = np.where(np.isinf(values), np.inf, values).min(axis=2, keepdims=True)
    return np.asarray(values >= largest - (largest - smallest) / 5, np.float64)


def _minimum(_: Question, values: Array) -> Array:
    return _one_tap(np.where(np.isinf(values), np.inf, values).argmin(axis=2), values.shape[2])


def _in_column_order(question: Question, values: Array) -> Array:
    """Decode a winner counted row by row as if it were counted column by column."""
    kernel = question.config.kernel_size
    order = np.arange(values.shape[2]).reshape(kernel).T.ravel()
    return _one_tap(order[values.argmax(axis=2)], values.shape[2])


def _everybody(_: Question, values: Array) -> Array:
    return np.isfinite(values).astype(np.float64)


def _border_of_zeros(_: Question, values: Array) -> Array:
    """Let zeros in the border win over negative entries."""
    zeros = np.where(np.isinf(values), 0.0, values)
    shares = _one_tap(zeros.argmax(axis=2), values.shape[2])
    return shares * np.isfinite(values)


def _winners_written(question: Question) -> Arrays:
    """Write, not add, at the entry that wins: of several windows the last counts."""
    x, axes = question.primals["x"], _axes(question)
    position = np.broadcast_to(np.arange(x[0, 0].size, dtype=np.float64).reshape(x.shape[2:]), x.shape)
    shares = _winners(question)
    winner = (_flat(gather(position, axes), axes) * shares).sum(axis=2).astype(int)
    gradient = np.zeros((*x.shape[:2], x[0, 0].size))
    np.put_along_axis(gradient, winner.reshape(*x.shape[:2], -1), question.cotangent.reshape(*x.shape[:2], -1), axis=2)
    return {"x": gradient.reshape(x.shape)}


_MAXIMA = (
    ("every-tie-wins", "every entry that ties for the maximum receives the whole gradient", _ties, ""),
    ("ties-split", "the gradient is split evenly among ties", _ties_split, _LEGAL),
    ("last-tie-wins", "the last of several equal maxima receives the gradient", _last, _LEGAL),
    ("near-maxima-win", "entries near the maximum receive the gradient too", _near, ""),
    ("minimum-wins", "the minimum receives the gradient", _minimum, ""),
    ("rows-columns-swapped", "row and column of the maximum are exchanged", _in_column_order, ""),
    ("all-entries-win", "every entry of a window receives the gradient", _everybody, ""),
    ("border-of-zeros-wins", "zeros in the border count as maxima", _border_of_zeros, ""),
)


# Means


def _count(question: Question, axes: Axes) -> Array:
    """Return by what the sum of each window is divided."""
    counts = []
    for axis in axes:
        first = np.arange(axis.places)[:, None] * axis.stride + np.arange(axis.kernel) * axis.dilation - axis.before
        before, after = (axis.before, axis.after) if question.config.count_include_pad else (0, 0)
        counts.append(((first >= -before) & (first < axis.size + after)).sum(axis=1))
    return _product(counts)


def _product(counts: list[Array]) -> Array:
    product: Array = reduce(np.multiply.outer, counts)
    return product


def _divided(question: Question, divisor: Any, change: Change | None = None) -> Arrays:
    axes = _axes(question)
    taps = int(np.prod([axis.kernel for axis in axes]))
    g = question.cotangent
    shares = np.broadcast_to((1 / np.broadcast_to(divisor, g.shape))[:, :, None], (*g.shape[:2], taps, *g.shape[2:]))
    return {"x": _routed(question, shares, change)}


def _mean_pulled(change: Change, question: Question) -> Arrays:
    return _divided(question, _count(question, _axes(question)), change)


def _by_valid(question: Question) -> Arrays:
    inside = gather(np.ones_like(question.primals["x"]), _axes(question))
    return _divided(question, _flat(inside, _axes(question)).sum(axis=2))


def _by_padded(question: Question) -> Arrays:
    """Count the padding, but not what overhangs it."""
    counts = []
    for axis in _axes(question):
        index = np.arange(axis.places)[:, None] * axis.stride + np.arange(axis.kernel) - axis.before
        counts.append((index < axis.size + axis.after).sum(axis=1))
    return _divided(question, _product(counts))


def _by_kernel(question: Question) -> Arrays:
    return _divided(question, np.prod(question.config.kernel_size))


_MEANS = (
    Mutant("divided-by-kernel", "every window is divided by the whole kernel, clipped ones too", _by_kernel),
    Mutant("divided-by-entries", "padding does not count in the divisor", _by_valid),
    Mutant("divided-by-padded", "padding counts in the divisor", _by_padded),
    Mutant("divisor-missing", "the sum of a window is not divided", lambda q: _divided(q, 1.0)),
    Mutant(
        "divided-by-height",
        "a window is divided by one size of the kernel alone",
        lambda q: _divided(q, q.config.kernel_size[0]),
    ),
    Mutant(
        "divided-by-places",
        "the sum of a window is divided by the number of windows",
        lambda q: _divided(q, np.prod(q.cotangent.shape[2:])),
    ),
)


# Overhanging windows


def _overhang_dropped(question: Question) -> Arrays:
    """Leave out the windows that reach over the padded input, which "ceil mode" adds."""
    g = np.array(question.cotangent)
    for k, axis in enumerate(_axes(question)):
        reach = np.arange(axis.places) * axis.stride + axis.dilation * (axis.kernel - 1) - axis.before
        g[(slice(None),) * (2 + k) + (reach >= axis.size + axis.after,)] = 0
    return question.altered(cotangent=g)


_DROPPED = Mutant("overhang-dropped", "windows that overhang the padded input are left out", _overhang_dropped)

MAX_POOLING = (
    *geometry_mutants(_max_pulled, overlap=False),
    *(Mutant(slug, sentence, _with_shares(shares), convention=legal) for slug, sentence, shares, legal in _MAXIMA),
    Mutant(OVERLAP[0], OVERLAP[1], _winners_written),
    _DROPPED,
)
MEAN_POOLING = (*geometry_mutants(_mean_pulled, "dilation-ignored", "dilations-swapped"), *_MEANS, _DROPPED)


# Means over whole maps, and over so many parts


def _over_map(power: tuple[int, int]) -> Callable[[Question], Arrays]:
    def gradients(question: Question) -> Arrays:
        height, width = question.primals["x"].shape[2:]
        return {"x": question.gradients["x"] * float(height) ** power[0] * float(width) ** power[1]}

    return gradients


def _one_entry_of_map(question: Question) -> Arrays:
    gradient = np.zeros_like(question.gradients["x"])
    gradient[..., 0, 0] = question.gradients["x"].sum(axis=(2, 3))
    return {"x": gradient}


def _parts(question: Question, ends: Callable[[int, int, int], tuple[int, int]]) -> Arrays:
    """Return the gradient of x for parts from and to other entries."""
    x, g = question.primals["x"], question.cotangent
    rows, columns = (
        [slice(*ends(i, size, parts)) for i in range(parts)]
        for size, parts in zip(x.shape[2:], g.shape[2:], strict=True)
    )
    gradient = np.zeros(x.shape)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            entries = max(gradient[0, 0, row, column].size, 1)
            gradient[:, :, row, column] += g[:, :, i, j, None, None] / entries
    return {"x": gradient}


def _equal_divisor(question: Question) -> Arrays:
    """Divide every part by as much: the input's entries over the output's."""
    x, g = question.primals["x"], question.cotangent
    rows, columns = (size / parts for size, parts in zip(x.shape[2:], g.shape[2:], strict=True))
    sums = np.zeros(x.shape)
    for i, row in enumerate(_spans(x.shape[2], g.shape[2])):
        for j, column in enumerate(_spans(x.shape[3], g.shape[3])):
            sums[:, :, row, column] += g[:, :, i, j, None, None] / (rows * columns)
    return {"x": sums}


def _spans(size: int, parts: int) -> list[slice]:
    return [slice(i * size // parts, -(-(i + 1) * size // parts)) for i in range(parts)]


GLOBAL_MEAN = (
    Mutant("divisor-missing", "the sum of a map is not divided by its entries", _over_map((1, 1))),
    Mutant("divided-by-height", "a map is divided by its height alone", _over_map((0, 1))),
    Mutant("divided-by-width", "a map is divided by its width alone", _over_map((1, 0))),
    Mutant("divided-twice", "a map is divided by its entries twice", _over_map((-1, -1))),
    Mutant("one-entry-of-map", "the first entry of a map receives the whole gradient", _one_entry_of_map),
)
ADAPTIVE_MEAN = (
    Mutant(
        "parts-do-not-overlap",
        "a part ends where the next begins",
        partial(_parts, ends=lambda i, n, o: (i * n // o, (i + 1) * n // o)),
    ),
    Mutant(
        "parts-of-equal-size",
        "all parts are as long, and the rest is left out",
        partial(_parts, ends=lambda i, n, o: (i * (n // o), (i + 1) * (n // o))),
    ),
    Mutant(
        "parts-begin-late",
        "a part begins one entry too late",
        partial(_parts, ends=lambda i, n, o: (-(-i * n // o), -(-(i + 1) * n // o))),
    ),
    Mutant("equal-divisor", "parts of different sizes are divided by as much", _equal_divisor),
)
