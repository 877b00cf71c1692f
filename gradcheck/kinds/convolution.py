"""What the kinds of convolution share, over however many axes of space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.windowed import (
    Condition,
    Windowed,
    axes,
    dilation_conditions,
    geometry,
    group_conditions,
    parameter,
    tile_conditions,
    value_conditions,
    window_conditions,
)
from gradcheck.strategies.values import Regime, values
from gradcheck.strategies.windows import Channels
from gradcheck.subject import Array, Arrays, Subject, Trait

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from gradcheck.strategies.windows import Window


class Convolution(Windowed, Protocol):
    """A config of a convolution and the size of its input."""

    @property
    def in_channels(self) -> int: ...
    @property
    def out_channels(self) -> int: ...
    @property
    def dilation(self) -> tuple[int, ...]: ...
    @property
    def groups(self) -> int: ...
    @property
    def bias(self) -> bool: ...


def conv_configs(config: Callable[..., Any], *windows: SearchStrategy[Window], **limits: int) -> SearchStrategy[Any]:
    """Return a strategy of configs: windows along each axis, and channels within `limits`."""
    from hypothesis import strategies as st

    from gradcheck.strategies.windows import batch_sizes, channels

    def build(batch: int, layer: Channels, drawn: tuple[Window, ...], bias: bool) -> Any:
        return config(
            batch=batch,
            in_channels=layer.in_channels,
            out_channels=layer.out_channels,
            **geometry(*drawn),
            dilation=tuple(axis.dilation for axis in drawn),
            groups=layer.groups,
            bias=bias,
        )

    return st.builds(build, batch_sizes(), channels(**limits), st.tuples(*windows), st.booleans())


def conv_primals(config: Convolution, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    """Return x, the weight and, with a bias, that.

    Raises
    ------
    ValueError
        If no convolution has that geometry, as in a case that somebody wrote by hand.
    """
    # Both refuse what is impossible when they are made.
    Channels(config.groups, config.in_channels, config.out_channels)
    axes(config)
    weight_shape = (config.out_channels, config.in_channels // config.groups, *config.kernel_size)
    primals = {
        "x": values(regime, (config.batch, config.in_channels, *config.size), rng),
        "weight": parameter(weight_shape, regime, rng),
    }
    return primals | ({"bias": parameter((config.out_channels,), regime, rng)} if config.bias else {})


def conv_builder(layer: Callable[..., Any]) -> Callable[[Convolution, Arrays], Subject]:
    """Return what builds the subject of a config with a layer of that class."""

    def build(config: Convolution, primals: Arrays) -> Subject:
        built = layer(
            config.in_channels,
            config.out_channels,
            config.kernel_size,
            config.stride,
            config.padding,
            config.dilation,
            config.groups,
            config.bias,
        )
        return from_reference(built, primals, traits=[Trait("batch-separable", ("x",))])

    return build


def conv_conditions(rank: int) -> Mapping[str, Condition]:
    """Return the conditions that convolutions over `rank` axes should meet."""
    return {
        **window_conditions(rank),
        **dilation_conditions(rank),
        **group_conditions(),
        "a window in the padding alone": lambda c, _: any(axis.leaves_the_input for axis in axes(c)),
        "no bias": lambda c, _: not c.bias,
        **tile_conditions(),
        **value_conditions(),
    }
