"""Which cases of pooling a run should meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradcheck.kinds.windowed import Condition, axes, dilation_conditions, value_conditions, window_conditions
from gradcheck.subject import Array, Arrays


def max_conditions(rank: int) -> Mapping[str, Condition]:
    """Return the conditions that layers of maxima over `rank` axes should meet."""
    return {
        **window_conditions(rank),
        **_ceil_conditions(),
        **dilation_conditions(rank),
        "dilation > 1 and padding": lambda c, _: max(c.dilation) > 1 and any(c.padding),
        "ties in a window": _has_ties,
        "a window of one value": _has_constant_window,
        "near ties in a window": _has_near_ties,
        "one entry the maximum of two windows": _wins_twice,
        **value_conditions(),
    }


def mean_conditions(rank: int) -> Mapping[str, Condition]:
    """Return the conditions that layers of means over `rank` axes should meet."""
    return {
        **window_conditions(rank),
        **_ceil_conditions(),
        "padding that counts": lambda c, _: c.count_include_pad and any(c.padding),
        "padding that does not count": lambda c, _: not c.count_include_pad and any(c.padding),
        "overhang beyond padding that counts": lambda c, _: (
            c.count_include_pad and any(axis.overhang and axis.after for axis in axes(c))
        ),
        **value_conditions(),
    }


def _ceil_conditions() -> Mapping[str, Condition]:
    return {
        "ceil mode, a window that overhangs": lambda c, _: any(axis.overhang for axis in axes(c)),
        "ceil mode, a remainder in the padding of the end": lambda c, _: (
            c.ceil_mode and any(axis.remainder for axis in axes(c))
        ),
        "ceil mode, a kernel beyond the padded input": lambda c, _: any(axis.slack < 0 for axis in axes(c)),
    }


def _by_window(config: Any, x: Array) -> Array:
    """Return the entries of each window along the last axis; those of the border are -inf."""
    drawn = axes(config)
    around = [(axis.before, axis.after + axis.overhang) for axis in drawn]
    padded = np.pad(x, [(0, 0), (0, 0), *around], constant_values=-np.inf)
    for k, axis in enumerate(drawn):  # the entries of the windows along this axis become the last axis
        taps = np.arange(axis.output_size)[:, None] * axis.stride + np.arange(axis.kernel) * axis.dilation
        padded = np.moveaxis(np.take(padded, taps, axis=2 + k), 3 + k, -1)
    return padded.reshape(*padded.shape[: 2 + len(drawn)], -1)


def _lead(config: Any, primals: Arrays) -> Array:
    """Return how far the maximum of each window is above its second."""
    ordered = np.sort(_by_window(config, primals["x"]), axis=-1)
    return ordered[..., -1] - ordered[..., -2] if ordered.shape[-1] > 1 else np.full(1, np.inf)


def _has_ties(config: Any, primals: Arrays) -> bool:
    return bool((_lead(config, primals) == 0).any())


def _has_constant_window(config: Any, primals: Arrays) -> bool:
    entries = _by_window(config, primals["x"])
    return entries.shape[-1] > 1 and bool((entries.min(axis=-1) == entries.max(axis=-1)).any())


def _has_near_ties(config: Any, primals: Arrays) -> bool:
    lead = _lead(config, primals)
    return bool(((lead > 0) & (lead < 1e-2 * np.abs(primals["x"]).max())).any())


def _wins_twice(config: Any, primals: Arrays) -> bool:
    """Whether one entry is the maximum of two windows."""
    x = primals["x"]
    position = np.broadcast_to(np.arange(x[0, 0].size, dtype=x.dtype).reshape(config.size), x.shape)
    winner = _by_window(config, x).argmax(axis=-1)[..., None]
    winning = np.take_along_axis(_by_window(config, position), winner, axis=-1)
    return any(np.unique(image).size < image.size for image in winning.reshape(-1, winning[0, 0].size))
