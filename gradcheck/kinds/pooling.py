"""What the kinds of pooling share, over however many axes of space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.laws import homogeneous, shares_sum
from gradcheck.kinds.windowed import (
    Condition,
    Windowed,
    axes,
    dilation_conditions,
    geometry,
    value_conditions,
    window_conditions,
)
from gradcheck.strategies.values import Regime, values
from gradcheck.subject import Array, Arrays, Law, Subject, Trait

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from gradcheck.strategies.windows import Window


class Pooling(Windowed, Protocol):
    """A config of a pooling layer and the size of its input."""

    @property
    def channels(self) -> int: ...
    @property
    def ceil_mode(self) -> bool: ...
    @property
    def count_include_pad(self) -> bool: ...
    @property
    def dilation(self) -> tuple[int, ...]: ...


def max_configs(config: Callable[..., Any], rank: int) -> SearchStrategy[Any]:
    """Return a strategy of configs in which every window holds an entry, whatever the dilation."""
    from hypothesis import strategies as st

    from gradcheck.strategies.windows import windows

    return _configs(config, windows(filled=True), rank, st.just(True))


def mean_configs(config: Callable[..., Any], rank: int) -> SearchStrategy[Any]:
    """Return a strategy of configs without dilation, in which padding counts or not."""
    from hypothesis import strategies as st

    from gradcheck.strategies.windows import windows

    return _configs(config, windows(max_dilation=1), rank, st.sampled_from([True, False]))


def _configs(
    config: Callable[..., Any], axis: SearchStrategy[Window], rank: int, count_include_pad: SearchStrategy[bool]
) -> SearchStrategy[Any]:
    from hypothesis import strategies as st

    from gradcheck.strategies.windows import batch_sizes

    def build(batch: int, channels: int, drawn: tuple[Window, ...], ceil_mode: bool, counted: bool) -> Any:
        return config(
            batch=batch,
            channels=channels,
            **geometry(*drawn),
            ceil_mode=ceil_mode,
            count_include_pad=counted,
            dilation=tuple(own.dilation for own in drawn),
        )

    channels = st.sampled_from([1, 2, 3])
    return st.builds(build, batch_sizes(), channels, st.tuples(*[axis] * rank), st.booleans(), count_include_pad)


def pool_primals(config: Pooling, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    """Return x; where windows overlap, one value of one image is the maximum of several of them.

    The other images are left as drawn, with their ties.
    """
    x = values(regime, (config.batch, config.channels, *config.size), rng)
    coverage: Array = reduce(np.multiply.outer, [np.array(axis.coverage) for axis in axes(config)])
    shared = np.argwhere(coverage > 1)
    if len(shared):
        image = x[rng.integers(config.batch), rng.integers(config.channels)]
        image[tuple(shared[rng.integers(len(shared))])] = image.max() + (np.ptp(image) or 1.0)
    return {"x": x}


def max_builder(layer: Callable[..., Any]) -> Callable[[Pooling, Arrays], Subject]:
    """Return what builds the subject of a config with a layer of maxima of that class."""

    def build(config: Pooling, primals: Arrays) -> Subject:
        built = layer(config.kernel_size, config.stride, config.padding, config.ceil_mode, config.dilation)
        return _subject(built, primals)

    return build


def mean_builder(layer: Callable[..., Any]) -> Callable[[Pooling, Arrays], Subject]:
    """Return what builds the subject of a config with a layer of means of that class."""

    def build(config: Pooling, primals: Arrays) -> Subject:
        built = layer(config.kernel_size, config.stride, config.padding, config.ceil_mode, config.count_include_pad)
        return _subject(built, primals)

    return build


def _subject(layer: Any, primals: Arrays) -> Subject:
    return from_reference(layer, primals, traits=[Trait("batch-separable", ("x",))])


def max_laws(config: Pooling) -> tuple[Law, ...]:  # noqa: ARG001 - every kind has this signature
    """Return the laws of maxima."""
    return homogeneous(), shares_sum()


def mean_laws(layer: Callable[..., Any]) -> Callable[[Pooling], tuple[Law, ...]]:
    """Return what gives the laws of means: of an image of ones they are the shares that the padding leaves."""

    def laws(config: Pooling) -> tuple[Law, ...]:
        built = layer(config.kernel_size, config.stride, config.padding, config.ceil_mode, config.count_include_pad)
        return homogeneous(), shares_sum(built.forward({}, np.ones((1, 1, *config.size)))[0])

    return laws


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


def _by_window(config: Pooling, x: Array) -> Array:
    """Return the entries of each window along the last axis; those of the border are -inf."""
    drawn = axes(config)
    around = [(axis.before, axis.after + axis.overhang) for axis in drawn]
    padded = np.pad(x, [(0, 0), (0, 0), *around], constant_values=-np.inf)
    for k, axis in enumerate(drawn):  # the entries of the windows along this axis become the last axis
        taps = np.arange(axis.output_size)[:, None] * axis.stride + np.arange(axis.kernel) * axis.dilation
        padded = np.moveaxis(np.take(padded, taps, axis=2 + k), 3 + k, -1)
    return padded.reshape(*padded.shape[: 2 + len(drawn)], -1)


def _lead(config: Pooling, primals: Arrays) -> Array:
    """Return how far the maximum of each window is above its second."""
    ordered = np.sort(_by_window(config, primals["x"]), axis=-1)
    return ordered[..., -1] - ordered[..., -2] if ordered.shape[-1] > 1 else np.full(1, np.inf)


def _has_ties(config: Pooling, primals: Arrays) -> bool:
    return bool((_lead(config, primals) == 0).any())


def _has_constant_window(config: Pooling, primals: Arrays) -> bool:
    entries = _by_window(config, primals["x"])
    return entries.shape[-1] > 1 and bool((entries.min(axis=-1) == entries.max(axis=-1)).any())


def _has_near_ties(config: Pooling, primals: Arrays) -> bool:
    lead = _lead(config, primals)
    return bool(((lead > 0) & (lead < 1e-2 * np.abs(primals["x"]).max())).any())


def _wins_twice(config: Pooling, primals: Arrays) -> bool:
    """Whether one entry is the maximum of two windows."""
    x = primals["x"]
    position = np.broadcast_to(np.arange(x[0, 0].size, dtype=x.dtype).reshape(config.size), x.shape)
    winner = _by_window(config, x).argmax(axis=-1)[..., None]
    winning = np.take_along_axis(_by_window(config, position), winner, axis=-1)
    return any(np.unique(image).size < image.size for image in winning.reshape(-1, winning[0, 0].size))
