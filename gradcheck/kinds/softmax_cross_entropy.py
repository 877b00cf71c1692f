"""Softmax with cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.laws import rows_sum_to_zero
from gradcheck.kinds.windowed import value_conditions
from gradcheck.mutants.by_kind.softmax_mutants import SOFTMAX_CROSS_ENTROPY_MUTANTS
from gradcheck.strategies.values import Regime, values
from gradcheck.subject import Array, Arrays, Subject
from gradcheck.suites.kind import Kind
from reference_layers import SoftmaxCrossEntropy


@dataclass(frozen=True)
class SoftmaxCrossEntropyConfig:
    """Number of classes, true class of each sample, what is done over the batch, and what a sample counts.

    No `class_weights` are ``()``. A target that is `ignore_index` is ignored, be it a class or not.
    """

    classes: int
    targets: tuple[int, ...]
    reduction: Literal["mean", "sum", "none"] = "mean"
    class_weights: tuple[float, ...] = ()
    ignore_index: int = -100
    label_smoothing: float = 0.0

    @property
    def layer(self) -> SoftmaxCrossEntropy:
        """The loss."""
        weights = self.class_weights or None
        return SoftmaxCrossEntropy(self.reduction, weights, self.ignore_index, self.label_smoothing)

    @property
    def counted(self) -> tuple[int, ...]:
        """The targets that are not ignored."""
        return tuple(target for target in self.targets if target != self.ignore_index)


def _configs() -> SearchStrategy[SoftmaxCrossEntropyConfig]:
    def of_classes(classes: int, ignore_index: int) -> SearchStrategy[SoftmaxCrossEntropyConfig]:
        target = st.sampled_from(sorted({*range(classes), ignore_index}, key=lambda t: (t < 0, t)))
        weight = st.sampled_from([1.0, 0.25, 3.0, 0.0])
        return st.builds(
            SoftmaxCrossEntropyConfig,
            st.just(classes),
            st.lists(target, min_size=1, max_size=5).map(tuple),
            st.sampled_from(["mean", "sum", "none"]),
            st.just(()) | st.tuples(*[weight] * classes),
            st.just(ignore_index),
            st.sampled_from([0.0, 0.1, 0.5, 1.0]),
        )

    return st.tuples(st.integers(2, 7), st.sampled_from([-100, -1, 0, 1])).flatmap(lambda drawn: of_classes(*drawn))


def _primals(config: SoftmaxCrossEntropyConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    return {"x": values(regime, (len(config.targets), config.classes), rng)}


def _build(config: SoftmaxCrossEntropyConfig, primals: Arrays) -> Subject:
    # Not batch-separable, even unreduced: the targets stay where they are when samples are moved.
    return from_reference(config.layer, primals, np.array(config.targets))


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
        SoftmaxCrossEntropyConfig(
            4, (3, -100, 0, 3, 1), "mean", (0.5, 1.0, 2.0, 3.0), -100, 0.1
        ),  # all options at once
        SoftmaxCrossEntropyConfig(4, (3, 1, 0, 3, 1), "none", (0.5, 1.0, 2.0, 3.0), 1, 0.3),
        SoftmaxCrossEntropyConfig(5, (4, 0, 1), "mean", (0.25, 3.0, 1.0, 0.0, 0.5)),
        SoftmaxCrossEntropyConfig(3, (-1, 2, 1), "sum", (), -1, 0.2),
        SoftmaxCrossEntropyConfig(3, (0, 2, 1, 1, 2), "mean", (), 1),
        SoftmaxCrossEntropyConfig(3, (2, 0, 1), "mean", (), -100, 1.0),
        SoftmaxCrossEntropyConfig(3, (-100, -100, -100), "mean", (1.0, 2.0, 3.0), -100, 0.1),  # all are ignored
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
        "weights that do not average 1": lambda c, _: bool(c.class_weights) and sum(c.class_weights) != c.classes,
        "a class of weight 0": lambda c, _: 0.0 in c.class_weights,
        "ignored samples": lambda c, _: 0 < len(c.counted) < len(c.targets),
        "ignored samples whose target is no class": lambda c, _: c.ignore_index < 0 and c.ignore_index in c.targets,
        "all samples ignored": lambda c, _: not c.counted,
        "smoothing": lambda c, _: 0 < c.label_smoothing < 1,
        "nothing but smoothing": lambda c, _: c.label_smoothing == 1,
        "weights and ignored samples": lambda c, _: bool(c.class_weights) and c.ignore_index in c.targets,
        "smoothing and ignored samples": lambda c, _: c.label_smoothing > 0 and c.ignore_index in c.targets,
        "smoothing, weights and ignored samples in a mean": lambda c, _: (
            c.reduction == "mean" and c.label_smoothing > 0 and bool(c.class_weights) and c.ignore_index in c.targets
        ),
        "batch ≠ classes": lambda c, _: len(c.targets) != c.classes,
        "batch = classes > 1": lambda c, _: len(c.targets) == c.classes > 1,
        "batch 1": lambda c, _: len(c.targets) == 1,
        "batch ≥ 3": lambda c, _: len(c.targets) >= 3,
        **value_conditions(),
    },
    laws=lambda _: (rows_sum_to_zero(1),),
    layers=(SoftmaxCrossEntropy,),
    mutants=SOFTMAX_CROSS_ENTROPY_MUTANTS,
    sizes=tuple(SoftmaxCrossEntropyConfig(n, tuple(k % n for k in range(8))) for n in (4, 8, 16, 64, 256, 1024)),
)

KINDS = (SOFTMAX_CROSS_ENTROPY,)
