"""What the kinds with windows over images share: geometry in a config, and conditions on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from gradcheck.strategies.windows import Window
from gradcheck.subject import Array, Arrays

Condition = Callable[[Any, Arrays], bool]


class Windowed(Protocol):
    """A config with windows: pairs are (height, width), padding is (top, bottom, left, right)."""

    @property
    def batch(self) -> int: ...
    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def kernel_size(self) -> tuple[int, int]: ...
    @property
    def stride(self) -> tuple[int, int]: ...
    @property
    def padding(self) -> tuple[int, int, int, int]: ...


def axes(config: Windowed) -> tuple[Window, Window]:
    """Return the windows along height and width."""
    dilation: tuple[int, int] = getattr(config, "dilation", (1, 1))
    first, second = (
        Window(
            config.size[k],
            config.kernel_size[k],
            config.stride[k],
            dilation[k],
            config.padding[2 * k],
            config.padding[2 * k + 1],
        )
        for k in range(2)
    )
    return first, second


def geometry(height: Window, width: Window) -> dict[str, Any]:
    """Return the fields of a config that two drawn windows determine."""
    return {
        "size": (height.size, width.size),
        "kernel_size": (height.kernel, width.kernel),
        "stride": (height.stride, width.stride),
        "padding": (height.before, height.after, width.before, width.after),
    }


def window_conditions() -> Mapping[str, Condition]:
    """Return the conditions that any layer with windows should meet."""
    return {
        "stride h ≠ w": lambda c, _: c.stride[0] != c.stride[1],
        "kernel h ≠ w": lambda c, _: c.kernel_size[0] != c.kernel_size[1],
        "input h ≠ w": lambda c, _: c.size[0] != c.size[1],
        "output h ≠ w": lambda c, _: axes(c)[0].output_size != axes(c)[1].output_size,
        "stride leaves a remainder": lambda c, _: any(axis.remainder for axis in axes(c)),
        "a remainder of 2 or more": lambda c, _: any(axis.remainder > 1 for axis in axes(c)),
        "stride > kernel": lambda c, _: any(axis.stride > axis.kernel for axis in axes(c)),
        "windows overlap": lambda c, _: any(a.stride < a.kernel and a.output_size > 1 for a in axes(c)),
        "four different paddings": lambda c, _: len(set(c.padding)) == 4,
        "padding begin ≠ end": lambda c, _: c.padding[0] != c.padding[1] or c.padding[2] != c.padding[3],
        "no padding": lambda c, _: not any(c.padding),
        "kernel = padded input": lambda c, _: all(axis.slack == 0 for axis in axes(c)),
        "1×1 kernel": lambda c, _: c.kernel_size == (1, 1),
        "1×1 input": lambda c, _: c.size == (1, 1),
        "1×1 output": lambda c, _: all(axis.output_size == 1 for axis in axes(c)),
        "batch 1": lambda c, _: c.batch == 1,
        "batch ≥ 3": lambda c, _: c.batch >= 3,
    }


def value_conditions() -> Mapping[str, Condition]:
    """Return the conditions on values that any layer should meet."""
    return {
        "exact zeros in x": lambda _, primals: bool((primals["x"] == 0).any()),
        "equal values in x": lambda _, primals: np.unique(primals["x"]).size < primals["x"].size,
        "x of order 1e3 or more": lambda _, primals: bool(np.abs(primals["x"]).max() > 1e3),
        "x of order 1e-4": lambda _, primals: bool(np.abs(primals["x"]).max() < 1e-3),
        "x far from zero, close together": lambda _, primals: bool(
            abs(primals["x"].mean()) > 100 * np.ptp(primals["x"]) > 0
        ),
    }


def parameter(shape: tuple[int, ...], regime: str, rng: np.random.Generator) -> Array:
    """Return a random parameter: integers where the regime wants exact ties, else N(0, 1); never all zeros."""
    if regime == "integers":
        return rng.choice([-2.0, -1.0, 1.0, 2.0], shape)
    return rng.standard_normal(shape)
