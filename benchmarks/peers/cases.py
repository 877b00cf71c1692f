"""The layers that all checkers are asked about: reference layers, each at a point that follows from a few values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gradcheck import Subject
from gradcheck.kinds import KINDS
from gradcheck.kinds.affine import AffineConfig
from gradcheck.kinds.channel_normalization import BatchNormConfig
from gradcheck.kinds.convolution import Conv2dConfig
from gradcheck.kinds.softmax_cross_entropy import SoftmaxCrossEntropyConfig
from gradcheck.strategies.values import Regime
from gradcheck.suites.kind import Kind


@dataclass(frozen=True)
class Layer:
    """A reference layer in one configuration, at the point that a regime and a seed draw."""

    kind: str
    config: Any
    regime: Regime = "normal"
    seed: int = 0
    dtype: str = "float64"
    scale: float = 1.0

    def subject(self) -> Subject:
        """Return the layer with its laws; `scale` multiplies its first primal, the input."""
        kind = KINDS[self.kind]
        primals = kind.primals(self.config, np.random.default_rng(self.seed), self.regime)
        first = next(iter(primals))
        primals[first] = primals[first] * self.scale
        built = kind.build(self.config, {name: array.astype(self.dtype) for name, array in primals.items()})
        right: Subject = replace(built, laws=kind.laws(self.config))
        return right


def first_corner(kind: Kind) -> Any:
    """Return the configuration that stands for a kind: the first that it names, with no two sizes alike."""
    return kind.corners[0]


# What a check costs

_TARGETS = tuple(int(k) for k in np.random.default_rng(0).integers(0, 10, 64))
#: The first two are those of the targets.
SMALL, LARGE = "conv 2×3×16×16 → 8×14×14", "conv 4×8×32×32 → 16×32×32"
COST: dict[str, Layer] = {
    SMALL: Layer("conv2d", Conv2dConfig(2, 3, 8, (16, 16), (3, 3))),
    LARGE: Layer("conv2d", Conv2dConfig(4, 8, 16, (32, 32), (3, 3), padding=(1, 1, 1, 1))),
    "affine 32×64 → 32": Layer("affine", AffineConfig((32,), 64, 32)),
    "batch norm 8×8×6×6": Layer("batch_norm", BatchNormConfig(8, 8, (6, 6))),
    "softmax cross-entropy 64×10": Layer("softmax_cross_entropy", SoftmaxCrossEntropyConfig(10, _TARGETS)),
}

# What a check finds

#: One kind of each family; each at its first corner, with N(0, 1) in every array.
FAULTY = (
    "conv2d",
    "conv_transpose2d",
    "max_pool2d",
    "avg_pool2d",
    "affine",
    "embedding",
    "leaky_relu",
    "gelu",
    "softmax",
    "softmax_cross_entropy",
    "layer_norm",
    "batch_norm",
    "dropout",
    "attention",
    "residual_block",
)
#: Mistakes of call order, memory and precision are planted into these.
CALLED = ("conv2d", "gelu", "batch_norm")


def faulty_layer(kind: str) -> Layer:
    """Return the layer of a kind into which mistakes are planted."""
    return Layer(kind, first_corner(KINDS[kind]))


# What a check blames wrongly

_SMOOTH = ("conv2d", "affine", "avg_pool2d", "gelu", "softmax", "layer_norm", "batch_norm", "attention")
_KINKED = ("relu", "leaky_relu", "max_pool2d", "max_pool1d")


@dataclass(frozen=True)
class Situation:
    """Right layers under one difficulty."""

    name: str
    kinds: tuple[str, ...]
    regimes: tuple[Regime, ...] = ("normal",)
    dtype: str = "float64"
    scale: float = 1.0

    def layers(self, seeds: int) -> Iterator[Layer]:
        """Yield the layers, at so many points each."""
        for kind in self.kinds:
            for regime in self.regimes:
                for seed in range(seeds):
                    yield Layer(kind, first_corner(KINDS[kind]), regime, seed, self.dtype, self.scale)


SITUATIONS: tuple[Situation, ...] = (
    Situation("smooth, N(0, 1)", _SMOOTH),
    Situation("ties and kinks: whole numbers −2 … 2", _KINKED, ("integers",)),
    Situation("exact zeros: a third of the entries, first row whole", _KINKED, ("zeros",)),
    Situation("float32, smooth", _SMOOTH, dtype="float32"),
    Situation("inputs of about 1e4", (*_SMOOTH, *_KINKED), scale=1e4),
)
