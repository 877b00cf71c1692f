"""Normalisation of channels, axis 1: over the batch, in groups, one by one, and by their neighbours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.normalization import (
    affine_laws,
    affine_parameters,
    epsilons,
    has_uneven_beta,
    holding,
    norm_conditions,
    norm_laws,
    scale_conditions,
)
from gradcheck.kinds.windowed import Condition, value_conditions
from gradcheck.mutants.by_kind.normalization_mutants import (
    BATCH_NORM_MUTANTS,
    EVALUATION_MUTANTS,
    GROUP_NORM_MUTANTS,
    INSTANCE_NORM_MUTANTS,
    LOCAL_RESPONSE_MUTANTS,
)
from gradcheck.strategies.values import Regime, values
from gradcheck.strategies.windows import Channels, batch_sizes, channels
from gradcheck.subject import Array, Arrays, Law, Subject, Trait
from gradcheck.suites.kind import Kind
from reference_layers import BatchNorm, GroupNorm, InstanceNorm, LocalResponseNorm


@dataclass(frozen=True)
class BatchNormConfig:
    """A batch normalisation in training; `size` holds the axes behind the channels."""

    batch: int
    channels: int
    size: tuple[int, ...]
    eps: float = 1e-5
    affine: bool = True


@dataclass(frozen=True)
class BatchNormEvalConfig:
    """A batch normalisation by running statistics, which are drawn by a seed."""

    batch: int
    channels: int
    size: tuple[int, ...]
    eps: float = 1e-5
    affine: bool = True
    statistics_seed: int = 0


@dataclass(frozen=True)
class GroupNormConfig:
    """A group normalisation; `size` holds the axes behind the channels."""

    batch: int
    groups: int
    channels: int
    size: tuple[int, ...]
    eps: float = 1e-5
    affine: bool = True


@dataclass(frozen=True)
class InstanceNormConfig:
    """An instance normalisation; `size` holds the axes behind the channels."""

    batch: int
    channels: int
    size: tuple[int, ...]
    eps: float = 1e-5
    affine: bool = True


@dataclass(frozen=True)
class LocalResponseNormConfig:
    """A local response normalisation, and the shape of its input."""

    shape: tuple[int, ...]
    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    k: float = 1.0


def running_statistics(config: BatchNormEvalConfig) -> tuple[Array, Array]:
    """Return a running mean of N(0, 1) and a running variance from 0.5 to 2: not those of any batch."""
    rng = np.random.default_rng(config.statistics_seed)
    return rng.standard_normal(config.channels), rng.uniform(0.5, 2.0, config.channels)


def _sizes(least: int) -> SearchStrategy[tuple[int, ...]]:
    return st.lists(st.integers(1, 4), min_size=least, max_size=2).map(tuple)


def _batch_norm_configs() -> SearchStrategy[BatchNormConfig]:
    def build(batch: int, channels: int, size: tuple[int, ...], eps: float, affine: bool) -> BatchNormConfig:
        *_, several = holding(3, (*size, batch))
        return BatchNormConfig(several, channels, size, eps, affine)

    return st.builds(build, batch_sizes(), st.integers(1, 5), _sizes(0), epsilons(), st.booleans())


def _batch_norm_eval_configs() -> SearchStrategy[BatchNormEvalConfig]:
    seeds = st.integers(0, 99)
    return st.builds(BatchNormEvalConfig, batch_sizes(), st.integers(1, 5), _sizes(0), epsilons(), st.booleans(), seeds)


def _group_norm_configs() -> SearchStrategy[GroupNormConfig]:
    def build(batch: int, layer: Channels, size: tuple[int, ...], eps: float, affine: bool) -> GroupNormConfig:
        _, *several = holding(3, (layer.in_channels // layer.groups, *size))
        return GroupNormConfig(batch, layer.groups, layer.in_channels, tuple(several), eps, affine)

    return st.builds(build, batch_sizes(), channels(), _sizes(1), epsilons(), st.booleans())


def _instance_norm_configs() -> SearchStrategy[InstanceNormConfig]:
    several = _sizes(1).map(partial(holding, 3))
    return st.builds(InstanceNormConfig, batch_sizes(), st.integers(1, 5), several, epsilons(), st.booleans())


def _local_response_norm_configs() -> SearchStrategy[LocalResponseNormConfig]:
    shape = st.builds(
        lambda batch, channels, size: (batch, channels, *size), batch_sizes(), st.integers(1, 7), _sizes(0)
    )
    return st.builds(
        LocalResponseNormConfig,
        shape,
        st.integers(1, 6),
        st.sampled_from([1e-4, 0.5, 3.0]),
        st.sampled_from([0.75, 0.5, 1.0]),
        st.sampled_from([1.0, 2.0, 0.25]),
    )


def _primals(config: Any, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    x = values(regime, (config.batch, config.channels, *config.size), rng)
    return {"x": x, **affine_parameters(config.affine, (config.channels,), rng)}


def _local_response_norm_primals(
    config: LocalResponseNormConfig, rng: np.random.Generator, regime: Regime
) -> dict[str, Array]:
    return {"x": values(regime, config.shape, rng)}


def _build_batch_norm(config: BatchNormConfig, primals: Arrays) -> Subject:
    # Not batch-separable: every sample takes part in the statistics.
    return from_reference(BatchNorm(config.channels, config.eps, True, config.affine), primals)


def _build_batch_norm_eval(config: BatchNormEvalConfig, primals: Arrays) -> Subject:
    layer = BatchNorm(config.channels, config.eps, False, config.affine)
    return from_reference(layer, primals, *running_statistics(config), traits=[Trait("batch-separable", ("x",))])


def _build_group_norm(config: GroupNormConfig, primals: Arrays) -> Subject:
    layer = GroupNorm(config.groups, config.channels, config.eps, config.affine)
    return from_reference(layer, primals, traits=[Trait("batch-separable", ("x",))])


def _build_instance_norm(config: InstanceNormConfig, primals: Arrays) -> Subject:
    layer = InstanceNorm(config.channels, config.eps, config.affine)
    return from_reference(layer, primals, traits=[Trait("batch-separable", ("x",))])


def _build_local_response_norm(config: LocalResponseNormConfig, primals: Arrays) -> Subject:
    layer = LocalResponseNorm(config.size, config.alpha, config.beta, config.k)
    return from_reference(layer, primals, traits=[Trait("batch-separable", ("x",))])


def _channel_conditions() -> Mapping[str, Condition]:
    return {
        "rank 3": lambda c, _: len(c.size) == 1,
        "rank 4": lambda c, _: len(c.size) == 2,
        "height ≠ width": lambda c, _: len(c.size) == 2 and c.size[0] != c.size[1],
        "batch ≠ channels": lambda c, _: c.batch != c.channels,
        "batch = channels": lambda c, _: c.batch == c.channels,
        "one channel": lambda c, _: c.channels == 1,
        "beta not constant": has_uneven_beta,
        "no affine": lambda c, _: not c.affine,
        "batch 1": lambda c, _: c.batch == 1,
        "batch ≥ 3": lambda c, _: c.batch >= 3,
        **value_conditions(),
    }


def _statistics_differ(config: BatchNormEvalConfig, primals: Arrays) -> bool:
    mean, variance = running_statistics(config)
    rows = _by_channel(config, primals["x"])
    return bool((np.abs(rows.mean(axis=1) - mean) > 0.1).all() and (np.abs(rows.var(axis=1) - variance) > 0.1).all())


def _by_channel(_config: Any, x: Array) -> Array:
    return np.moveaxis(x, 1, 0).reshape(x.shape[1], -1)


def _by_group(config: GroupNormConfig, x: Array) -> Array:
    return x.reshape(config.batch * config.groups, -1)


def _by_instance(config: InstanceNormConfig, x: Array) -> Array:
    return x.reshape(config.batch * config.channels, -1)


def _batch_norm_laws(config: BatchNormConfig) -> tuple[Law, ...]:
    return norm_laws(config, partial(_by_channel, config), 1)


def _group_norm_laws(config: GroupNormConfig) -> tuple[Law, ...]:
    return norm_laws(config, partial(_by_group, config), 1)


def _instance_norm_laws(config: InstanceNormConfig) -> tuple[Law, ...]:
    return norm_laws(config, partial(_by_instance, config), 1)


def _batch_norm_eval_laws(config: BatchNormEvalConfig) -> tuple[Law, ...]:
    middle = running_statistics(config)[0][:, None]

    def terms(p: Arrays, y: Array, g: Array, d: Arrays) -> Array:
        x, dx, given, g_y = (_by_channel(config, array) for array in (p["x"], d["x"], g, g * y))
        beta = p["beta"][:, None] * given if config.affine else 0 * given
        return np.concatenate([(x - middle) * dx, -g_y, beta], axis=1)

    linear = Law("scale-x", "⟨x - running mean, dx⟩ = ⟨g, y - beta⟩ in each channel", terms, ("x",))
    return (linear, *affine_laws(1)) if config.affine else (linear,)


def _local_response_norm_laws(config: LocalResponseNormConfig) -> tuple[Law, ...]:
    before, after = config.size // 2, (config.size - 1) // 2

    def terms(p: Arrays, y: Array, g: Array, d: Arrays) -> Array:
        squares = np.pad(p["x"] ** 2, [(0, 0), (before, after), *[(0, 0)] * (y.ndim - 2)])
        sums = config.alpha / config.size * np.lib.stride_tricks.sliding_window_view(squares, config.size, 1).sum(-1)
        share = 1 - 2 * config.beta * sums / (config.k + sums)
        return np.moveaxis(np.concatenate([p["x"] * d["x"], -share * g * y], axis=1), 1, -1)

    formula = "⟨x, dx⟩ = ⟨g, (1 - 2β(D - k)/D)·y⟩ over the channels, where y = x / D^β"
    return (Law("scale-x", formula, terms, ("x",)),)


BATCH_NORM = Kind(
    name="batch_norm",
    config=BatchNormConfig,
    configs=_batch_norm_configs,
    corners=(
        BatchNormConfig(5, 4, ()),
        BatchNormConfig(3, 2, (4,)),
        BatchNormConfig(3, 2, (5, 4)),
        BatchNormConfig(3, 5, (2, 2), 0.5),
        BatchNormConfig(5, 2, (), 1e-8),
        BatchNormConfig(3, 3, (3, 3)),  # square throughout
        BatchNormConfig(3, 4, (2,), affine=False),
        BatchNormConfig(2, 3, (), 0.5),  # but for ε, x̂ is ±1 whatever x is
        BatchNormConfig(1, 2, (3,)),
        BatchNormConfig(3, 1, ()),
    ),
    primals=_primals,
    build=_build_batch_norm,
    conditions={
        "rank 2": lambda c, _: not c.size,
        **norm_conditions(_by_channel),
        **_channel_conditions(),
    },
    laws=_batch_norm_laws,
    layers=(BatchNorm,),
    mutants=BATCH_NORM_MUTANTS,
    sizes=tuple(BatchNormConfig(8, n, ()) for n in (4, 8, 16, 64, 256, 1024)),
)

BATCH_NORM_EVAL = Kind(
    name="batch_norm_eval",
    config=BatchNormEvalConfig,
    configs=_batch_norm_eval_configs,
    corners=(
        BatchNormEvalConfig(5, 4, ()),
        BatchNormEvalConfig(3, 2, (4,), statistics_seed=1),
        BatchNormEvalConfig(3, 2, (5, 4), statistics_seed=2),
        BatchNormEvalConfig(3, 5, (2, 2), 0.5, statistics_seed=3),
        BatchNormEvalConfig(3, 3, (3, 3), statistics_seed=4),
        BatchNormEvalConfig(3, 4, (2,), affine=False, statistics_seed=5),
        BatchNormEvalConfig(1, 3, (), statistics_seed=6),  # one value per channel: refused in training alone
        BatchNormEvalConfig(1, 1, ()),
    ),
    primals=_primals,
    build=_build_batch_norm_eval,
    conditions={
        "rank 2": lambda c, _: not c.size,
        "one value per channel": lambda c, _: c.batch * math.prod(c.size) == 1,
        "running statistics differ from the batch's": _statistics_differ,
        **scale_conditions(),
        **_channel_conditions(),
    },
    laws=_batch_norm_eval_laws,
    layers=(BatchNorm,),
    mutants=EVALUATION_MUTANTS,
    sizes=tuple(BatchNormEvalConfig(8, n, ()) for n in (4, 8, 16, 64, 256, 1024)),
)

GROUP_NORM = Kind(
    name="group_norm",
    config=GroupNormConfig,
    configs=_group_norm_configs,
    corners=(
        GroupNormConfig(3, 2, 4, (5,)),
        GroupNormConfig(3, 2, 6, (5, 4)),
        GroupNormConfig(5, 3, 6, (2, 1), 0.5),
        GroupNormConfig(3, 1, 4, (2,)),
        GroupNormConfig(3, 4, 4, (5,)),
        GroupNormConfig(3, 2, 4, (3,), 1e-8),
        GroupNormConfig(4, 2, 4, (4, 4)),  # groups of the wrong channels fit
        GroupNormConfig(3, 2, 4, (5,), affine=False),
        GroupNormConfig(3, 2, 4, (1,), 0.5),  # but for ε, x̂ is ±1 whatever x is
        GroupNormConfig(3, 4, 4, (1, 1)),  # nothing depends on x
        GroupNormConfig(1, 1, 1, (3,)),
    ),
    primals=_primals,
    build=_build_group_norm,
    conditions={
        "one group of several channels": lambda c, _: c.groups == 1 < c.channels,
        "groups between 1 and channels": lambda c, _: 1 < c.groups < c.channels,
        "as many groups as channels": lambda c, _: c.groups == c.channels > 1,
        "groups ≠ channels per group, both > 1": lambda c, _: 1 < c.groups != c.channels // c.groups > 1,
        "one value per group": lambda c, _: c.channels // c.groups * math.prod(c.size) == 1,
        **norm_conditions(_by_group),
        **_channel_conditions(),
    },
    laws=_group_norm_laws,
    layers=(GroupNorm,),
    mutants=GROUP_NORM_MUTANTS,
    sizes=tuple(GroupNormConfig(4, 2, n, (4,)) for n in (4, 8, 16, 64, 256, 1024)),
)

INSTANCE_NORM = Kind(
    name="instance_norm",
    config=InstanceNormConfig,
    configs=_instance_norm_configs,
    corners=(
        InstanceNormConfig(3, 2, (5,)),
        InstanceNormConfig(3, 2, (5, 4)),
        InstanceNormConfig(5, 3, (2, 4), 0.5),
        InstanceNormConfig(3, 2, (4,), 1e-8),
        InstanceNormConfig(3, 3, (3, 3)),
        InstanceNormConfig(3, 4, (5,), affine=False),
        InstanceNormConfig(3, 2, (2, 1), 0.5),  # but for ε, x̂ is ±1 whatever x is
        InstanceNormConfig(1, 1, (3,)),
    ),
    primals=_primals,
    build=_build_instance_norm,
    conditions={**norm_conditions(_by_instance), **_channel_conditions()},
    laws=_instance_norm_laws,
    layers=(InstanceNorm,),
    mutants=INSTANCE_NORM_MUTANTS,
    sizes=tuple(InstanceNormConfig(4, n, (8,)) for n in (4, 8, 16, 64, 256, 1024)),
)

LOCAL_RESPONSE_NORM = Kind(
    name="local_response_norm",
    config=LocalResponseNormConfig,
    configs=_local_response_norm_configs,
    corners=(
        LocalResponseNormConfig((3, 7, 2), 5, 0.5),
        LocalResponseNormConfig((3, 5, 2, 4), 3, 3.0, 0.5, 2.0),
        LocalResponseNormConfig((3, 6, 2), 4, 3.0),  # an even window reaches further to one side
        LocalResponseNormConfig((3, 5, 2), 2, 0.5, 1.0, 0.25),
        LocalResponseNormConfig((3, 7, 2, 2), 5, 1e-4, 0.75, 2.0),  # AlexNet's numbers
        LocalResponseNormConfig((3, 2, 4), 6, 3.0),  # a window beyond all channels
        LocalResponseNormConfig((5, 4), 3, 0.5),
        LocalResponseNormConfig((3, 4, 2), 1, 0.5),
        LocalResponseNormConfig((1, 1, 1), 1, 0.5),
    ),
    primals=_local_response_norm_primals,
    build=_build_local_response_norm,
    conditions={
        "rank 2": lambda c, _: len(c.shape) == 2,
        "rank 3": lambda c, _: len(c.shape) == 3,
        "rank 4": lambda c, _: len(c.shape) == 4,
        "even window": lambda c, _: c.size % 2 == 0 and c.shape[1] > 1,
        "odd window": lambda c, _: c.size % 2 == 1 < c.size,
        "window of one channel": lambda c, _: c.size == 1,
        "window beyond all channels": lambda c, _: c.size // 2 >= c.shape[1],
        "more channels than the window": lambda c, _: c.shape[1] > c.size > 1,
        "squares outweigh k": lambda c, p: bool(c.alpha / c.size * (p["x"] ** 2).max() > c.k),
        "beta 1": lambda c, _: c.beta == 1,
        "beta not 1": lambda c, _: c.beta != 1,
        "k not 1": lambda c, _: c.k != 1,
        "batch 1": lambda c, _: c.shape[0] == 1,
        "batch ≥ 3": lambda c, _: c.shape[0] >= 3,
        **value_conditions(),
    },
    laws=_local_response_norm_laws,
    layers=(LocalResponseNorm,),
    mutants=LOCAL_RESPONSE_MUTANTS,
    sizes=tuple(LocalResponseNormConfig((4, n, 2), 5) for n in (4, 8, 16, 64, 256, 1024)),
)

KINDS = (BATCH_NORM, BATCH_NORM_EVAL, GROUP_NORM, INSTANCE_NORM, LOCAL_RESPONSE_NORM)
