"""Softmax with cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.kind import Kind
from gradcheck.kinds.laws import rows_sum_to_zero
from gradcheck.kinds.windowed import value_conditions
from gradcheck.strategies.values import Regime, values
from gradcheck.subject import Array, Arrays, Subject
from reference_layers import SoftmaxCrossEntropy

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


@dataclass(frozen=True)
class SoftmaxCrossEntropyConfig:
    """Number of classes, true class of each sample, and what is done over the batch."""

    classes: int
    targets: tuple[int, ...]
    reduction: Literal["mean", "sum", "none"] = "mean"


def _configs() -> SearchStrategy[SoftmaxCrossEntropyConfig]:
    from hypothesis import strategies as st

    def of_classes(classes: int) -> SearchStrategy[SoftmaxCrossEntropyConfig]:
        targets = st.lists(st.integers(0, classes - 1), min_size=1, max_size=5).map(tuple)
        reductions = st.sampled_from(["mean", "sum", "none"])
        return st.builds(SoftmaxCrossEntropyConfig, st.just(classes), targets, reductions)

    return st.integers(2, 7).flatmap(of_classes)


def _primals(config: SoftmaxCrossEntropyConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    return {"x": values(regime, (len(config.targets), config.classes), rng)}


def _build(config: SoftmaxCrossEntropyConfig, primals: Arrays) -> Subject:
    # Not batch-separable, even unreduced: the targets stay where they are when samples are moved.
    return from_reference(SoftmaxCrossEntropy(config.reduction), primals, np.array(config.targets))


SOFTMAX_CROSS_ENTROPY = Kind(
    name="softmax_cross_entropy",
    config=SoftmaxCrossEntropyConfig,
    configs=_configs,
    corners=(
        SoftmaxCrossEntropyConfig(7, (3, 0, 6)),
        SoftmaxCrossEntropyConfig(4, (3, 0, 3, 1, 2), "sum"),
        SoftmaxCrossEntropyConfig(5, (1, 4, 0), "none"),
        SoftmaxCrossEntropyConfig(2, (1, 0, 1)),
        SoftmaxCrossEntropyConfig(3, (2,)),
        SoftmaxCrossEntropyConfig(1, (0, 0, 0)),  # one class: the gradient is zero
    ),
    primals=_primals,
    build=_build,
    conditions={
        "reduction mean": lambda c, _: c.reduction == "mean",
        "reduction sum": lambda c, _: c.reduction == "sum",
        "reduction none": lambda c, _: c.reduction == "none",
        "one class": lambda c, _: c.classes == 1,
        "equal logits in a row": lambda _, p: bool((np.diff(np.sort(p["x"])) == 0).any()),
        "a row beyond the range of exp": lambda _, p: bool((np.ptp(p["x"], axis=1) > 750).any()),
        "a class twice": lambda c, _: len(set(c.targets)) < len(c.targets),
        "a class never": lambda c, _: len(set(c.targets)) < c.classes,
        "batch ≠ classes": lambda c, _: len(c.targets) != c.classes,
        "batch 1": lambda c, _: len(c.targets) == 1,
        "batch ≥ 3": lambda c, _: len(c.targets) >= 3,
        **value_conditions(),
    },
    laws=lambda _: (rows_sum_to_zero(1),),
    layers=(SoftmaxCrossEntropy,),
)
