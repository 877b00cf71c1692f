"""Losses beside the softmax with cross-entropy: of probabilities, and of single entries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.windowed import Condition, shape_conditions, value_conditions
from gradcheck.mutants.by_kind.losses_mutants import (
    BCE_MUTANTS,
    CROSS_ENTROPY_MUTANTS,
    HUBER_MUTANTS,
    MEAN_SQUARED_ERROR_MUTANTS,
)
from gradcheck.strategies.shapes import shapes
from gradcheck.strategies.values import Regime, values
from gradcheck.subject import Array, Arrays, Law, Subject
from gradcheck.suites.kind import Kind
from reference_layers import BinaryCrossEntropyWithLogits, CrossEntropy, Huber, MeanSquaredError, softmax

Reduction: TypeAlias = Literal["mean", "sum", "none"]
_REDUCTIONS: tuple[Reduction, ...] = ("mean", "sum", "none")


@dataclass(frozen=True)
class CrossEntropyConfig:
    """Number of classes, true class of each sample, and what is done over the batch."""

    classes: int
    targets: tuple[int, ...]
    reduction: Reduction = "mean"


@dataclass(frozen=True)
class ElementwiseLossConfig:
    """Shape of input and targets, what is done over their entries, and the seed of the targets."""

    shape: tuple[int, ...]
    reduction: Reduction = "mean"
    target_seed: int = 0

    @property
    def targets(self) -> Array:
        """Whole numbers from -2 to 2, so that inputs of whole numbers meet them."""
        return np.asarray(np.random.default_rng(self.target_seed).integers(-2, 3, self.shape).astype(np.float64))

    @property
    def binary_targets(self) -> Array:
        """Both classes, and soft targets between."""
        return np.random.default_rng(self.target_seed).choice([0.0, 1.0, 0.25, 0.5], self.shape)


@dataclass(frozen=True)
class HuberConfig(ElementwiseLossConfig):
    """Beside these, the error from which on the loss is linear."""

    delta: float = 1.0


def _cross_entropy_configs() -> SearchStrategy[CrossEntropyConfig]:
    def of_classes(classes: int) -> SearchStrategy[CrossEntropyConfig]:
        targets = st.lists(st.integers(0, classes - 1), min_size=1, max_size=5).map(tuple)
        return st.builds(CrossEntropyConfig, st.just(classes), targets, st.sampled_from(_REDUCTIONS))

    return st.integers(1, 7).flatmap(of_classes)


def _elementwise_configs() -> SearchStrategy[ElementwiseLossConfig]:
    return st.builds(ElementwiseLossConfig, shapes(), st.sampled_from(_REDUCTIONS), st.integers(0, 99))


def _huber_configs() -> SearchStrategy[HuberConfig]:
    deltas = st.sampled_from([1.0, 0.5, 2.0])
    return st.builds(HuberConfig, shapes(), st.sampled_from(_REDUCTIONS), st.integers(0, 99), deltas)


def _probabilities(config: CrossEntropyConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    """Return softmax rows, halved logits keeping them so far from 0 that no step leads there."""
    return {"x": softmax(values(regime, (len(config.targets), config.classes), rng) / 2)}


def _primals(config: Any, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    return {"x": values(regime, config.shape, rng)}


# No loss here is batch-separable, even unreduced: the targets stay where they are when samples are moved.


def _build_cross_entropy(config: CrossEntropyConfig, primals: Arrays) -> Subject:
    return from_reference(CrossEntropy(config.reduction), primals, np.array(config.targets))


def _build_mean_squared_error(config: ElementwiseLossConfig, primals: Arrays) -> Subject:
    return from_reference(MeanSquaredError(config.reduction), primals, config.targets)


def _build_binary(config: ElementwiseLossConfig, primals: Arrays) -> Subject:
    return from_reference(BinaryCrossEntropyWithLogits(config.reduction), primals, config.binary_targets)


def _build_huber(config: HuberConfig, primals: Arrays) -> Subject:
    return from_reference(Huber(config.reduction, config.delta), primals, config.targets)


def _cross_entropy_laws(config: CrossEntropyConfig) -> tuple[Law, ...]:
    count = len(config.targets)

    def terms(p: Arrays, y: Array, g: Array, d: Arrays) -> Array:  # noqa: ARG001 - every law has this signature
        each = np.broadcast_to(g / count if config.reduction == "mean" else g, count)
        return np.concatenate([p["x"] * d["x"], each[:, None]], axis=1)

    return (Law("scale-x", "⟨x, dx⟩ = -g for each sample, /N in a mean: log(t·x) = log t + log x", terms, ("x",)),)


def _mean_squared_error_laws(config: ElementwiseLossConfig) -> tuple[Law, ...]:
    def terms(p: Arrays, y: Array, g: Array, d: Arrays) -> Array:
        return np.append((p["x"] - config.targets) * d["x"], -2 * g * y)

    return (Law("scale-x", "⟨x - target, dx⟩ = 2⟨g, y⟩", terms, ("x",)),)


def _reductions() -> Mapping[str, Condition]:
    def of(reduction: Reduction) -> Condition:
        return lambda c, _: c.reduction == reduction

    return {f"reduction {reduction}": of(reduction) for reduction in _REDUCTIONS}


def _elementwise_conditions() -> Mapping[str, Condition]:
    return {
        **_reductions(),
        **shape_conditions(),
        "several entries per sample in a mean": lambda c, p: c.reduction == "mean" and p["x"].size > c.shape[0] > 1,
        "one entry": lambda _, p: p["x"].size == 1,
        **value_conditions(),
    }


def _corners(config: Callable[..., Any], *more: Any) -> tuple[Any, ...]:
    """Return corner configurations whose fields after the seed are `more`."""
    return (
        config((3, 7), "mean", 1, *more),
        config((5, 2), "sum", 2, *more),
        config((3, 4), "none", 3, *more),
        config((3, 2, 5, 4), "mean", 4, *more),
        config((5,), "none", 5, *more),
        config((3, 4, 2), "sum", 9, *more),
        config((1,), "mean", 6, *more),
    )


CROSS_ENTROPY = Kind(
    name="cross_entropy",
    config=CrossEntropyConfig,
    configs=_cross_entropy_configs,
    corners=(
        CrossEntropyConfig(7, (3, 0, 6)),
        CrossEntropyConfig(4, (3, 0, 3, 1, 2), "sum"),
        CrossEntropyConfig(5, (1, 4, 0), "none"),
        CrossEntropyConfig(2, (1, 0, 1)),
        CrossEntropyConfig(3, (2, 0, 1)),  # square
        CrossEntropyConfig(3, (2,)),
        CrossEntropyConfig(1, (0, 0, 0)),
    ),
    primals=_probabilities,
    build=_build_cross_entropy,
    conditions={
        **_reductions(),
        "one class": lambda c, _: c.classes == 1,
        "equal probabilities in a row": lambda _, p: bool((np.diff(np.sort(p["x"])) == 0).any()),
        "a small probability": lambda _, p: bool((p["x"] < 0.1).any()),
        "a class twice": lambda c, _: len(set(c.targets)) < len(c.targets),
        "a class never": lambda c, _: len(set(c.targets)) < c.classes,
        "batch ≠ classes": lambda c, _: len(c.targets) != c.classes,
        "batch = classes > 1": lambda c, _: len(c.targets) == c.classes > 1,
        "batch 1": lambda c, _: len(c.targets) == 1,
        "batch ≥ 3": lambda c, _: len(c.targets) >= 3,
    },
    # The softmax of large logits rounds to 0, where the loss is infinite.
    regimes=("normal", "integers", "zeros", "near_ties", "tiny", "offset"),
    laws=_cross_entropy_laws,
    layers=(CrossEntropy,),
    mutants=CROSS_ENTROPY_MUTANTS,
    sizes=tuple(CrossEntropyConfig(n, tuple(k % n for k in range(8))) for n in (4, 8, 16, 64, 256, 1024)),
)

MEAN_SQUARED_ERROR = Kind(
    name="mean_squared_error",
    config=ElementwiseLossConfig,
    configs=_elementwise_configs,
    corners=_corners(ElementwiseLossConfig),
    primals=_primals,
    build=_build_mean_squared_error,
    conditions={
        "an error of exactly 0": lambda c, p: bool((p["x"] == c.targets).any()),
        **_elementwise_conditions(),
    },
    laws=_mean_squared_error_laws,
    layers=(MeanSquaredError,),
    mutants=MEAN_SQUARED_ERROR_MUTANTS,
    sizes=tuple(ElementwiseLossConfig((8, n)) for n in (4, 8, 16, 64, 256, 1024)),
)

BCE_WITH_LOGITS = Kind(
    name="bce_with_logits",
    config=ElementwiseLossConfig,
    configs=_elementwise_configs,
    corners=_corners(ElementwiseLossConfig),
    primals=_primals,
    build=_build_binary,
    conditions={
        "a target of 0": lambda c, _: bool((c.binary_targets == 0).any()),
        "a target of 1": lambda c, _: bool((c.binary_targets == 1).any()),
        "a target between": lambda c, _: bool((c.binary_targets % 1 > 0).any()),
        "a logit beyond the range of exp": lambda _, p: bool((np.abs(p["x"]) > 750).any()),
        **_elementwise_conditions(),
    },
    layers=(BinaryCrossEntropyWithLogits,),
    mutants=BCE_MUTANTS,
    sizes=MEAN_SQUARED_ERROR.sizes,
)

HUBER = Kind(
    name="huber",
    config=HuberConfig,
    configs=_huber_configs,
    corners=(
        *_corners(HuberConfig, 0.5),
        HuberConfig((3, 5), "mean", 7, 1.0),
        HuberConfig((3, 5), "sum", 8, 2.0),
    ),
    primals=_primals,
    build=_build_huber,
    conditions={
        "an error of exactly 0": lambda c, p: bool((p["x"] == c.targets).any()),
        "an error of exactly delta": lambda c, p: bool((np.abs(p["x"] - c.targets) == c.delta).any()),
        "errors on both sides of delta": lambda c, p: bool(
            (np.abs(p["x"] - c.targets) > c.delta).any() and (np.abs(p["x"] - c.targets) < c.delta).any()
        ),
        "delta below 1": lambda c, _: c.delta < 1,
        "delta above 1": lambda c, _: c.delta > 1,
        **_elementwise_conditions(),
    },
    layers=(Huber,),
    mutants=HUBER_MUTANTS,
    sizes=tuple(HuberConfig((8, n)) for n in (4, 8, 16, 64, 256, 1024)),
)

KINDS = (CROSS_ENTROPY, MEAN_SQUARED_ERROR, BCE_WITH_LOGITS, HUBER)
