"""What the kinds with windows over images share: geometry in a config, and conditions on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from gradcheck.strategies.windows import Window
from gradcheck.subject import Array, Arrays

Condition = Callable[[Any, Arrays], bool]


class Windowed(Protocol):
    """A config with windows: a number per axis of space, for images (height, width), and two of padding.

    Where it has a `dilation` or a `ceil_mode`, these count.
    """

    @property
    def batch(self) -> int: ...
    @property
    def size(self) -> tuple[int, ...]: ...
    @property
    def kernel_size(self) -> tuple[int, ...]: ...
    @property
    def stride(self) -> tuple[int, ...]: ...
    @property
    def padding(self) -> tuple[int, ...]: ...


def axes(config: Windowed) -> tuple[Window, ...]:
    """Return the windows along each axis of space."""
    dilation: tuple[int, ...] = getattr(config, "dilation", (1,) * len(config.size))
    ceil: bool = getattr(config, "ceil_mode", False)
    ends = config.padding[::2], config.padding[1::2]
    numbers = zip(config.size, config.kernel_size, config.stride, dilation, *ends, strict=True)
    return tuple(Window(n, k, s, d, before, after, ceil) for n, k, s, d, before, after in numbers)


def geometry(*drawn: Window) -> dict[str, Any]:
    """Return the fields of a config that drawn windows, one per axis, determine."""
    return {
        "size": tuple(axis.size for axis in drawn),
        "kernel_size": tuple(axis.kernel for axis in drawn),
        "stride": tuple(axis.stride for axis in drawn),
        "padding": tuple(end for axis in drawn for end in (axis.before, axis.after)),
        "dilation": tuple(axis.dilation for axis in drawn),
    }


def window_conditions(rank: int = 2) -> Mapping[str, Condition]:
    """Return the conditions that any layer with windows over `rank` axes should meet."""
    one = "×".join("1" * rank)
    return {
        **({} if rank == 1 else _differences(" ≠ ".join("dhw"[-rank:]), rank)),
        "stride leaves a remainder": lambda c, _: any(axis.remainder for axis in axes(c)),
        "a remainder of 1": lambda c, _: any(axis.remainder == 1 for axis in axes(c)),
        "a remainder of 2 or more": lambda c, _: any(axis.remainder > 1 for axis in axes(c)),
        "stride 1": lambda c, _: set(c.stride) == {1},
        "stride > kernel": lambda c, _: any(axis.stride > axis.kernel for axis in axes(c)),
        "entries that no window touches": lambda c, _: any(0 in axis.coverage for axis in axes(c)),
        "windows overlap": lambda c, _: any(a.stride < a.kernel and a.output_size > 1 for a in axes(c)),
        **({"four different paddings": lambda c, _: len(set(c.padding)) == 4} if rank == 2 else {}),
        "padding begin ≠ end": lambda c, _: c.padding[::2] != c.padding[1::2],
        "no padding": lambda c, _: not any(c.padding),
        "kernel = padded input": lambda c, _: all(axis.slack == 0 for axis in axes(c)),
        f"{one} kernel": lambda c, _: set(c.kernel_size) == {1},
        f"{one} input": lambda c, _: set(c.size) == {1},
        f"{one} output": lambda c, _: all(axis.output_size == 1 for axis in axes(c)),
        "batch 1": lambda c, _: c.batch == 1,
        "batch ≥ 3": lambda c, _: c.batch >= 3,
    }


def _differences(names: str, rank: int) -> Mapping[str, Condition]:
    """Return the conditions that no two axes are alike."""
    return {
        f"stride {names}": lambda c, _: len(set(c.stride)) == rank,
        f"kernel {names}": lambda c, _: len(set(c.kernel_size)) == rank,
        f"input {names}": lambda c, _: len(set(c.size)) == rank,
        f"output {names}": lambda c, _: len({axis.output_size for axis in axes(c)}) == rank,
    }


def dilation_conditions(rank: int) -> Mapping[str, Condition]:
    """Return the conditions that any layer with dilated windows over `rank` axes should meet."""
    unequal = {2: "dilation h ≠ w", 3: "dilations differ"}
    return {
        "dilation > 1": lambda c, _: max(c.dilation) > 1,
        **({unequal[rank]: lambda c, _: len(set(c.dilation)) > 1} if rank > 1 else {}),
        "stride ≠ dilation, both > 1 somewhere": lambda c, _: (
            c.stride != c.dilation and max(c.stride) > 1 and max(c.dilation) > 1
        ),
    }


def group_conditions() -> Mapping[str, Condition]:
    """Return the conditions on channels that any convolution should meet."""
    return {
        "one group of several channels": lambda c, _: c.groups == 1 < c.in_channels,
        "groups > 1": lambda c, _: c.groups > 1,
        "groups between 1 and in_channels": lambda c, _: 1 < c.groups < c.in_channels,
        "depthwise": lambda c, _: c.groups == c.in_channels > 1,
        "depthwise, several maps per channel": lambda c, _: c.out_channels > c.groups == c.in_channels > 1,
        "groups > 1 and stride > 1": lambda c, _: c.groups > 1 and max(c.stride) > 1,
        "groups > 1 and dilation > 1": lambda c, _: c.groups > 1 and max(c.dilation) > 1,
        "in_channels ≠ out_channels": lambda c, _: c.in_channels != c.out_channels,
        "all sizes equal": lambda c, _: len({c.in_channels, c.out_channels, *c.kernel_size}) == 1,
        "all sizes different": lambda c, _: (
            len({c.in_channels, c.out_channels, *c.kernel_size}) == 2 + len(c.kernel_size)
        ),
    }


def shape_conditions() -> Mapping[str, Condition]:
    """Return the conditions that layers of any shape should meet, whose configs hold the `shape` of x."""
    return {
        **rank_conditions(lambda c: len(c.shape), 1, 2, 3, 4),
        "batch 1": lambda c, _: c.shape[0] == 1,
        "batch ≥ 3": lambda c, _: c.shape[0] >= 3,
    }


def rank_conditions(rank: Callable[[Any], int], *ranks: int) -> Mapping[str, Condition]:
    """Return the conditions that each of these ranks comes up."""

    def of(wanted: int) -> Condition:
        return lambda c, _: rank(c) == wanted

    return {f"rank {wanted}": of(wanted) for wanted in ranks}


def tile_conditions() -> Mapping[str, Condition]:
    """Return the condition that unmasks code which works in blocks and forgets the rest."""
    return {"one more than a block of 8, 16, 32 or 64": lambda _, p: not {9, 17, 33, 65}.isdisjoint(p["x"].shape)}


def value_conditions() -> Mapping[str, Condition]:
    """Return the conditions on values that any layer should meet."""
    return {
        "exact zeros in x": lambda _, primals: bool((primals["x"] == 0).any()),
        "a sample of zeros": lambda _, primals: _has_zero_sample(primals["x"]),
        "equal values in x": lambda _, primals: np.unique(primals["x"]).size < primals["x"].size,
        "x of order 1e3 or more": lambda _, primals: bool(np.abs(primals["x"]).max() > 1e3),
        "x of order 1e-4": lambda _, primals: bool(np.abs(primals["x"]).max() < 1e-3),
        "x far from zero, close together": lambda _, primals: bool(
            abs(primals["x"].mean()) > 100 * np.ptp(primals["x"]) > 0
        ),
    }


def _has_zero_sample(x: Array) -> bool:
    return x.ndim > 1 and not x.reshape(len(x), -1).any(axis=1).all()


def parameter(shape: tuple[int, ...], regime: str, rng: np.random.Generator) -> Array:
    """Return a random parameter: integers where the regime wants exact ties, else N(0, 1); never all zeros."""
    if regime == "integers":
        return rng.choice([-2.0, -1.0, 1.0, 2.0], shape)
    return rng.standard_normal(shape)
