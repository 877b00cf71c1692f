"""The fully connected layer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.laws import bias_is_summed, euler
from gradcheck.kinds.windowed import parameter, rank_conditions, tile_conditions, value_conditions
from gradcheck.mutants.by_kind.affine_mutants import AFFINE_MUTANTS
from gradcheck.strategies.values import Regime, values
from gradcheck.strategies.windows import batch_sizes
from gradcheck.subject import Array, Arrays, Law, Subject, Trait
from gradcheck.suites.kind import Kind
from reference_layers import Affine


@dataclass(frozen=True)
class AffineConfig:
    """A fully connected layer and the axes of its input before the last."""

    batch_shape: tuple[int, ...]
    in_features: int
    out_features: int
    bias: bool = True


def _configs() -> SearchStrategy[AffineConfig]:
    leading = st.lists(batch_sizes(), min_size=1, max_size=3).map(tuple)
    features = st.integers(1, 8)
    return st.builds(AffineConfig, leading, features, features, st.booleans())


def _primals(config: AffineConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    primals = {
        "x": values(regime, (*config.batch_shape, config.in_features), rng),
        "weight": parameter((config.out_features, config.in_features), regime, rng),
    }
    return primals | ({"bias": parameter((config.out_features,), regime, rng)} if config.bias else {})


def _build(config: AffineConfig, primals: Arrays) -> Subject:
    layer = Affine(config.in_features, config.out_features, config.bias)
    return from_reference(layer, primals, traits=[Trait("batch-separable", ("x",)), Trait("any-rank", ("x",))])


def _laws(config: AffineConfig) -> tuple[Law, ...]:
    laws = euler("weight", "x", "bias" if config.bias else None)
    return (*laws, bias_is_summed("bias", -1)) if config.bias else laws


AFFINE = Kind(
    name="affine",
    config=AffineConfig,
    configs=_configs,
    corners=(
        AffineConfig((3,), 7, 5),
        AffineConfig((5,), 4, 4),  # square: a transposed weight has the right shape
        AffineConfig((3, 4), 5, 2),
        AffineConfig((3, 2, 5), 4, 7),
        AffineConfig((3,), 5, 2, bias=False),
        AffineConfig((1,), 3, 2),
        AffineConfig((1,), 1, 1),
        AffineConfig((9,), 17, 33),
    ),
    primals=_primals,
    build=_build,
    conditions={
        **rank_conditions(lambda c: len(c.batch_shape) + 1, 2, 3, 4),
        "square": lambda c, _: c.in_features == c.out_features,
        "not square": lambda c, _: c.in_features != c.out_features,
        "batch, in and out all different": lambda c, _: len({c.batch_shape[0], c.in_features, c.out_features}) == 3,
        "no bias": lambda c, _: not c.bias,
        "batch 1": lambda c, _: c.batch_shape[0] == 1,
        "batch ≥ 3": lambda c, _: c.batch_shape[0] >= 3,
        **tile_conditions(),
        **value_conditions(),
    },
    laws=_laws,
    layers=(Affine,),
    mutants=AFFINE_MUTANTS,
    sizes=tuple(AffineConfig((8,), n, n) for n in (4, 8, 16, 32, 64, 128)),
)

KINDS = (AFFINE,)
