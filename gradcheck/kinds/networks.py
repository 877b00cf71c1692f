"""Layers in a chain: small drawn ones, and the five-layer network of the articles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.laws import balanced, equal_shares, homogeneous_jointly, sums_to_zero
from gradcheck.kinds.windowed import parameter, value_conditions
from gradcheck.mutants.by_kind.chain_mutants import FIVE_LAYER_MUTANTS, SEQUENTIAL_MUTANTS
from gradcheck.strategies.values import Regime, values
from gradcheck.strategies.windows import Window
from gradcheck.subject import Array, Arrays, Law, Subject, Trait
from gradcheck.suites.kind import Kind
from reference_layers import (
    Affine,
    AvgPool2d,
    Conv2d,
    FiveLayerCNN,
    Flatten,
    MaxPool2d,
    ReLU,
    Sequential,
    load_digits,
)


@dataclass(frozen=True)
class SequentialConfig:
    """A chain conv → ReLU → pool → flatten → affine over images of that size."""

    batch: int
    in_channels: int
    maps: int
    size: tuple[int, int]
    kernel_size: tuple[int, int]
    pool: Literal["mean", "max"]
    pool_size: tuple[int, int]
    out_features: int

    @property
    def features(self) -> int:
        """Entries per sample before the affine layer."""
        pooled = 1
        for size, kernel, pool in zip(self.size, self.kernel_size, self.pool_size, strict=True):
            pooled *= Window(Window(size, kernel).output_size, pool, pool).output_size
        return self.maps * pooled

    @property
    def chain(self) -> Sequential:
        """The layers."""
        pool = MaxPool2d if self.pool == "max" else AvgPool2d
        return Sequential(
            (
                ("conv", Conv2d(self.in_channels, self.maps, self.kernel_size)),
                ("relu", ReLU()),
                ("pool", pool(self.pool_size)),
                ("flatten", Flatten()),
                ("affine", Affine(self.features, self.out_features)),
            )
        )


@dataclass(frozen=True)
class FiveLayerCNNConfig:
    """The five-layer network, and the true class of each image."""

    targets: tuple[int, ...]
    pool: Literal["mean", "max"] = "mean"
    image_size: int = 28
    maps: tuple[int, int] = (6, 12)
    kernel_size: int = 5
    classes: int = 10
    reduction: Literal["mean", "sum", "none"] = "mean"

    @property
    def network(self) -> FiveLayerCNN:
        """The layers."""
        return FiveLayerCNN(self.pool, self.image_size, self.maps, self.kernel_size, self.classes, self.reduction)


def _sequential_configs() -> SearchStrategy[SequentialConfig]:
    small = st.integers(1, 3)

    def build(
        batch: int, channels: int, maps: int, pool: Literal["mean", "max"], rows: int, columns: int, outputs: int
    ) -> SequentialConfig:
        size = (2 * rows + 2, 2 * columns + 1)
        return SequentialConfig(batch, channels, maps, size, (3, 2), pool, (2, 2), outputs)

    return st.builds(build, small, small, small, st.sampled_from(["mean", "max"]), small, small, st.integers(1, 4))


def _five_layer_configs() -> SearchStrategy[FiveLayerCNNConfig]:
    def build(
        targets: list[int], pool: Literal["mean", "max"], size: int, maps: tuple[int, int], reduction: str
    ) -> FiveLayerCNNConfig:
        return FiveLayerCNNConfig(tuple(targets), pool, size, maps, 3, 4, reduction)  # type: ignore[arg-type]

    return st.builds(
        build,
        st.lists(st.integers(0, 3), min_size=1, max_size=3),
        st.sampled_from(["mean", "max"]),
        st.sampled_from([10, 12, 14]),
        st.tuples(st.integers(1, 3), st.integers(1, 4)),
        st.sampled_from(["mean", "sum", "none"]),
    )


def _parameters(network: Sequential | FiveLayerCNN, regime: Regime, rng: np.random.Generator) -> dict[str, Array]:
    """Return random parameters of about the sizes that training starts from, biases among them.

    They are scaled by powers of 2: sums of integers stay exact, and ties stay ties.
    """

    def scale(array: Array) -> float:
        return 0.125 if array.ndim == 1 else float(np.exp2(np.round(np.log2(array.std() or 1.0))))

    return {name: parameter(array.shape, regime, rng) * scale(array) for name, array in network.init(rng).items()}


def _sequential_primals(config: SequentialConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    x = values(regime, (config.batch, config.in_channels, *config.size), rng)
    return {"x": x, **_parameters(config.chain, regime, rng)}


def _five_layer_primals(config: FiveLayerCNNConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    x = values(regime, (len(config.targets), 1, config.image_size, config.image_size), rng)
    return {"x": x, **_parameters(config.network, regime, rng)}


def _build_sequential(config: SequentialConfig, primals: Arrays) -> Subject:
    return from_reference(config.chain, primals, traits=[Trait("batch-separable", ("x",))])


def _build_five_layer(config: FiveLayerCNNConfig, primals: Arrays) -> Subject:
    return from_reference(config.network, primals, np.array(config.targets))


def digits_subject(count: int = 16, pool: Literal["mean", "max"] = "mean", seed: int = 0) -> Subject:
    """Return the five-layer network, its parameters random, on a batch of real handwritten digits.

    Parameters
    ----------
    count : int
        Images.
    pool : {"mean", "max"}
    seed : int
        Of the parameters.
    """
    images, labels = load_digits(count)
    network = FiveLayerCNN(pool)
    primals = {"x": images, **_parameters(network, "normal", np.random.default_rng(seed))}
    name = f"{count} digits, {pool} pools"
    return from_reference(network, primals, labels, name=name, reproduce="gradcheck verify --seed {seed}")


def _sequential_laws(config: SequentialConfig) -> tuple[Law, ...]:  # noqa: ARG001 - every kind has this signature
    return (
        equal_shares("conv.weight", "x"),
        balanced("conv", "affine"),
        homogeneous_jointly("x", "conv.bias", "affine.bias"),
    )


def _five_layer_laws(config: FiveLayerCNNConfig) -> tuple[Law, ...]:  # noqa: ARG001
    def over_classes(array: Array) -> Array:
        return array.T

    return (
        equal_shares("c1.weight", "x"),
        balanced("c1", "c3"),
        balanced("c3", "o5"),
        sums_to_zero(over_classes, "the classes", "o5.weight"),
        sums_to_zero(over_classes, "the classes", "o5.bias"),
    )


SEQUENTIAL = Kind(
    name="sequential",
    config=SequentialConfig,
    configs=_sequential_configs,
    corners=(
        SequentialConfig(3, 2, 3, (7, 6), (3, 2), "mean", (2, 2), 4),
        SequentialConfig(3, 2, 3, (7, 6), (3, 2), "max", (2, 2), 4),
        SequentialConfig(1, 1, 1, (3, 3), (1, 1), "max", (3, 2), 1),
    ),
    primals=_sequential_primals,
    build=_build_sequential,
    conditions={
        "mean pooling": lambda c, _: c.pool == "mean",
        "max pooling": lambda c, _: c.pool == "max",
        "input h ≠ w": lambda c, _: c.size[0] != c.size[1],
        "in_channels, maps and outputs all different": lambda c, _: len({c.in_channels, c.maps, c.out_features}) == 3,
        "batch 1": lambda c, _: c.batch == 1,
        "batch ≥ 3": lambda c, _: c.batch >= 3,
        **value_conditions(),
    },
    laws=_sequential_laws,
    layers=(Sequential,),
    mutants=SEQUENTIAL_MUTANTS,
    sizes=tuple(SequentialConfig(2, 1, c, (10, 10), (3, 3), "mean", (2, 2), 10) for c in (1, 2, 4, 8, 16, 32)),
)

FIVE_LAYER_CNN = Kind(
    name="five_layer_cnn",
    config=FiveLayerCNNConfig,
    configs=_five_layer_configs,
    corners=(
        FiveLayerCNNConfig((3, 9, 1)),
        FiveLayerCNNConfig((4, 0, 7), "max"),
        FiveLayerCNNConfig((1, 0), "mean", 12, (2, 3), 3, 3, "none"),
        FiveLayerCNNConfig((2,), "max", 10, (2, 3), 3, 4, "sum"),
    ),
    primals=_five_layer_primals,
    build=_build_five_layer,
    conditions={
        "mean pooling": lambda c, _: c.pool == "mean",
        "max pooling": lambda c, _: c.pool == "max",
        "full size": lambda c, _: c.image_size == 28 and c.maps == (6, 12),
        "reduction mean": lambda c, _: c.reduction == "mean",
        "reduction sum": lambda c, _: c.reduction == "sum",
        "reduction none": lambda c, _: c.reduction == "none",
        "batch 1": lambda c, _: len(c.targets) == 1,
        "batch ≥ 3": lambda c, _: len(c.targets) >= 3,
        "exact zeros in x": lambda _, primals: bool((primals["x"] == 0).any()),
    },
    regimes=("normal", "zeros"),
    laws=_five_layer_laws,
    layers=(FiveLayerCNN,),
    mutants=FIVE_LAYER_MUTANTS,
    sizes=tuple(FiveLayerCNNConfig((3,), maps=(c, 2 * c)) for c in (1, 2, 3, 6, 12, 24)),
)

KINDS = (SEQUENTIAL, FIVE_LAYER_CNN)
