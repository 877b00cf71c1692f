"""Dropout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.laws import homogeneous
from gradcheck.kinds.windowed import shape_conditions, value_conditions
from gradcheck.mutants.by_kind.dropout_mutants import DROPOUT_MUTANTS
from gradcheck.strategies.values import Regime, values
from gradcheck.subject import Array, Arrays, Subject, Trait
from gradcheck.suites.kind import Kind
from reference_layers import Dropout


@dataclass(frozen=True)
class DropoutConfig:
    """A dropout, the shape of its input, and the seed of its mask."""

    shape: tuple[int, ...]
    p: float
    training: bool = True
    seed: int = 0


def _configs() -> SearchStrategy[DropoutConfig]:
    shapes = st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple)
    probabilities = st.sampled_from([0.0, 0.3, 0.5, 0.8, 1.0])
    return st.builds(DropoutConfig, shapes, probabilities, st.booleans(), st.integers(0, 99))


def _primals(config: DropoutConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    return {"x": values(regime, config.shape, rng)}


def _layer(config: DropoutConfig) -> Dropout:
    return Dropout(config.p, config.training, config.seed)


def _build(config: DropoutConfig, primals: Arrays) -> Subject:
    # Not batch-separable in training: the mask stays where it is when samples are moved.
    return from_reference(_layer(config), primals, traits=[] if config.training else [Trait("batch-separable", ("x",))])


def _kept(config: DropoutConfig) -> Array:
    return _layer(config).mask(config.shape)


DROPOUT = Kind(
    name="dropout",
    config=DropoutConfig,
    configs=_configs,
    corners=(
        DropoutConfig((3, 7), 0.3),
        DropoutConfig((3, 2, 5, 4), 0.8, seed=1),
        DropoutConfig((5, 4, 3), 0.5, seed=2),
        DropoutConfig((3, 5), 0.3, training=False),
        DropoutConfig((3, 4), 0.0),
        DropoutConfig((3, 4), 1.0),
        DropoutConfig((5,), 0.3, seed=3),
        DropoutConfig((1,), 0.3, seed=4),
    ),
    primals=_primals,
    build=_build,
    conditions={
        **shape_conditions(),
        "drops some and keeps some": lambda c, _: bool(_kept(c).any() and not _kept(c).all()),
        "drops everything": lambda c, _: not _kept(c).any(),
        "p above 0, drops nothing": lambda c, _: c.p > 0 and bool(_kept(c).all()),
        "p = 0 in training": lambda c, _: c.p == 0 and c.training,
        "p neither 0, 1/2 nor 1, in training": lambda c, _: c.p not in (0, 0.5, 1) and c.training,
        "not in training": lambda c, _: not c.training,
        "a zero is kept": lambda c, p: bool(((p["x"] == 0) & _kept(c)).any()),
        **value_conditions(),
    },
    laws=lambda _: (homogeneous(),),
    layers=(Dropout,),
    mutants=DROPOUT_MUTANTS,
    sizes=tuple(DropoutConfig((8, n), 0.3) for n in (4, 8, 16, 64, 256, 1024)),
)

KINDS = (DROPOUT,)
