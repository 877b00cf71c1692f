"""The fully connected layer of two inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.laws import bias_is_summed, equal_shares, euler
from gradcheck.kinds.windowed import parameter, rank_conditions, value_conditions
from gradcheck.mutants.by_kind.affine_mutants import BILINEAR_MUTANTS
from gradcheck.strategies.values import Regime, values
from gradcheck.strategies.windows import batch_sizes
from gradcheck.subject import Array, Arrays, Law, Subject, Trait
from gradcheck.suites.kind import Kind
from reference_layers import Bilinear


@dataclass(frozen=True)
class BilinearConfig:
    """A bilinear layer, and the axes of its inputs x and x2 before the last."""

    batch_shape: tuple[int, ...]
    in1_features: int
    in2_features: int
    out_features: int
    bias: bool = True


def _configs() -> SearchStrategy[BilinearConfig]:
    leading = st.lists(batch_sizes(), min_size=1, max_size=3).map(tuple)
    features = st.integers(1, 5)
    return st.builds(BilinearConfig, leading, features, features, features, st.booleans())


def _primals(config: BilinearConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    weight_shape = (config.out_features, config.in1_features, config.in2_features)
    primals = {
        "x": values(regime, (*config.batch_shape, config.in1_features), rng),
        "x2": parameter((*config.batch_shape, config.in2_features), regime, rng),
        "weight": parameter(weight_shape, regime, rng),
    }
    return primals | ({"bias": parameter((config.out_features,), regime, rng)} if config.bias else {})


def _build(config: BilinearConfig, primals: Arrays) -> Subject:
    layer = Bilinear(config.in1_features, config.in2_features, config.out_features, config.bias)
    inputs = ("x", "x2")
    return from_reference(layer, primals, input_name=inputs, traits=[Trait("batch-separable", inputs)])


def _laws(config: BilinearConfig) -> tuple[Law, ...]:
    laws = (*euler("weight", "x", "bias" if config.bias else None), equal_shares("weight", "x2"))
    return (*laws, bias_is_summed("bias", -1)) if config.bias else laws


BILINEAR = Kind(
    name="bilinear",
    config=BilinearConfig,
    configs=_configs,
    corners=(
        BilinearConfig((3,), 4, 2, 5),
        BilinearConfig((5,), 3, 3, 3),  # all equal: exchanged inputs have the right shape
        BilinearConfig((3, 4), 2, 5, 3),
        BilinearConfig((3, 2, 5), 2, 3, 4),
        BilinearConfig((3,), 2, 4, 3, bias=False),
        BilinearConfig((1,), 3, 2, 4),
        BilinearConfig((1,), 1, 1, 1),
    ),
    primals=_primals,
    build=_build,
    conditions={
        **rank_conditions(lambda c: len(c.batch_shape) + 1, 2, 3, 4),
        "all features equal": lambda c, _: c.in1_features == c.in2_features == c.out_features,
        "inputs of equal width": lambda c, _: c.in1_features == c.in2_features,
        "all features different": lambda c, _: len({c.in1_features, c.in2_features, c.out_features}) == 3,
        "no bias": lambda c, _: not c.bias,
        "batch 1": lambda c, _: c.batch_shape[0] == 1,
        "batch ≥ 3": lambda c, _: c.batch_shape[0] >= 3,
        **value_conditions(),
    },
    laws=_laws,
    layers=(Bilinear,),
    mutants=BILINEAR_MUTANTS,
    sizes=tuple(BilinearConfig((4,), n, n, n) for n in (2, 4, 6, 8, 12, 16)),
)

KINDS = (BILINEAR,)
