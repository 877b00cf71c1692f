"""The residual block, its shortcut the identity or a projection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.laws import balanced, homogeneous_jointly
from gradcheck.kinds.windowed import parameter, value_conditions
from gradcheck.mutants.by_kind.residual_mutants import RESIDUAL_MUTANTS
from gradcheck.strategies.values import Regime, values
from gradcheck.strategies.windows import batch_sizes
from gradcheck.subject import Array, Arrays, Law, Subject, Trait
from gradcheck.suites.kind import Kind
from reference_layers import BatchNorm, Conv2d, ReLU, ResidualBlock, Sequential


@dataclass(frozen=True)
class ResidualBlockConfig:
    """A block of two 3×3 convolutions over images of that size; with a projection where the shape changes."""

    batch: int
    in_channels: int
    out_channels: int
    size: tuple[int, int]
    stride: int = 1
    normalised: bool = False

    @property
    def is_identity(self) -> bool:
        """Whether the shortcut is the input itself."""
        return self.stride == 1 and self.in_channels == self.out_channels

    @property
    def block(self) -> ResidualBlock:
        """The layers."""
        body = (
            *self._convolved("1", self.in_channels, 3, self.stride),
            ("relu", ReLU()),
            *self._convolved("2", self.out_channels, 3, 1),
        )
        beside = None if self.is_identity else Sequential(self._convolved("", self.in_channels, 1, self.stride))
        return ResidualBlock(Sequential(body), beside)

    def _convolved(
        self, suffix: str, channels: int, kernel: int, stride: int
    ) -> tuple[tuple[str, Conv2d | BatchNorm], ...]:
        conv = Conv2d(channels, self.out_channels, kernel, stride, kernel // 2, bias=not self.normalised)
        norm = ((f"norm{suffix}", BatchNorm(self.out_channels)),) if self.normalised else ()
        return ((f"conv{suffix}", conv), *norm)


def _configs() -> SearchStrategy[ResidualBlockConfig]:
    channels = st.integers(1, 3)
    # A normalised channel needs several values: with three images it has them, whatever their size.
    plain = st.builds(
        ResidualBlockConfig, batch_sizes(), channels, channels, st.tuples(st.integers(1, 5), st.integers(1, 4)),
        st.integers(1, 2), st.just(False)
    )  # fmt: skip
    normalised = st.builds(
        ResidualBlockConfig, st.just(3), channels, channels, st.tuples(st.integers(2, 4), st.integers(2, 3)),
        st.integers(1, 2), st.just(True)
    )  # fmt: skip
    return plain | normalised


def _primals(config: ResidualBlockConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    x = values(regime, (config.batch, config.in_channels, *config.size), rng)
    initial = config.block.init(rng)
    return {"x": x, **{name: parameter(array.shape, regime, rng) for name, array in initial.items()}}


def _build(config: ResidualBlockConfig, primals: Arrays) -> Subject:
    traits = [] if config.normalised else [Trait("batch-separable", ("x",))]
    return from_reference(config.block, primals, traits=traits)


def _laws(config: ResidualBlockConfig) -> tuple[Law, ...]:
    if config.normalised:
        return ()
    beside = () if config.is_identity else ("shortcut.conv.bias",)
    whole = homogeneous_jointly("x", "body.conv1.bias", "body.conv2.bias", *beside)
    return balanced("body.conv1", "body.conv2"), whole


RESIDUAL_BLOCK = Kind(
    name="residual_block",
    config=ResidualBlockConfig,
    configs=_configs,
    corners=(
        ResidualBlockConfig(3, 2, 2, (4, 5)),
        ResidualBlockConfig(3, 2, 3, (5, 4)),
        ResidualBlockConfig(3, 2, 2, (4, 5), 2),
        ResidualBlockConfig(3, 2, 2, (4, 3), normalised=True),
        ResidualBlockConfig(3, 2, 3, (3, 4), 2, normalised=True),
        ResidualBlockConfig(1, 1, 1, (1, 1)),
    ),
    primals=_primals,
    build=_build,
    conditions={
        "identity shortcut": lambda c, _: c.is_identity,
        "projection for the channels": lambda c, _: c.in_channels != c.out_channels,
        "projection for the stride": lambda c, _: c.stride > 1,
        "normalised": lambda c, _: c.normalised,
        "input h ≠ w": lambda c, _: c.size[0] != c.size[1],
        "batch 1": lambda c, _: c.batch == 1,
        "batch ≥ 3": lambda c, _: c.batch >= 3,
        **value_conditions(),
    },
    laws=_laws,
    layers=(ResidualBlock,),
    mutants=RESIDUAL_MUTANTS,
    sizes=tuple(ResidualBlockConfig(2, c, c, (6, 6), 1, False) for c in (1, 2, 4, 8, 16)),
)

KINDS = (RESIDUAL_BLOCK,)
