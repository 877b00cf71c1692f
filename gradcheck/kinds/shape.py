"""Layers that arrange entries anew, and sums and products of two arrays that are broadcast."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gradcheck.adapters.reference import from_reference
from gradcheck.kinds.laws import adds, equal_shares, homogeneous, homogeneous_jointly, joins, moves
from gradcheck.kinds.windowed import Condition, parameter, rank_conditions, shape_conditions, value_conditions
from gradcheck.mutants.by_kind.shape_mutants import ADD_MUTANTS, CONCAT_MUTANTS, MULTIPLY_MUTANTS, RESHAPE_MUTANTS
from gradcheck.strategies.shapes import broadcastable_pairs, shapes
from gradcheck.strategies.values import Regime, values
from gradcheck.subject import Array, Arrays, Law, Subject, Trait
from gradcheck.suites.kind import Kind
from reference_layers import Add, Concat, Multiply, Reshape


@dataclass(frozen=True)
class ReshapeConfig:
    """The shape of the input and that of the output, where one size may be -1."""

    shape: tuple[int, ...]
    new_shape: tuple[int, ...]


@dataclass(frozen=True)
class ConcatConfig:
    """The sizes of the inputs along the axis, which are x, x2, x3, …, and their shape without it."""

    sizes: tuple[int, ...]
    beside: tuple[int, ...]
    axis: int = 1

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each input, by its name."""
        place = self.axis % (len(self.beside) + 1)
        names = ("x", *(f"x{k}" for k in range(2, len(self.sizes) + 1)))
        return {
            name: (*self.beside[:place], size, *self.beside[place:])
            for name, size in zip(names, self.sizes, strict=True)
        }


@dataclass(frozen=True)
class BroadcastConfig:
    """The shapes of x and of x2; with `twice` there is no x2, and x itself stands in both places."""

    shape: tuple[int, ...]
    shape2: tuple[int, ...]
    twice: bool = False

    @property
    def out_shape(self) -> tuple[int, ...]:
        """The shape of the output."""
        return np.broadcast_shapes(self.shape, self.shape2)


@dataclass(frozen=True)
class _WithItself:
    """A layer of two arrays with one array in both places, whose gradient is the sum of those of the places."""

    layer: Add | Multiply

    def forward(self, params: Arrays, x: Array) -> tuple[Array, Any]:
        return self.layer.forward(dict(params), (x, x))

    def backward(self, params: Arrays, cache: Any, grad_output: Array) -> tuple[Array, Arrays]:
        (first, second), gradients = self.layer.backward(dict(params), cache, grad_output)
        return np.asarray(first + second), gradients


def _reshape_configs() -> SearchStrategy[ReshapeConfig]:
    def of_shape(shape: tuple[int, ...]) -> SearchStrategy[ReshapeConfig]:
        size = math.prod(shape)
        even = [(d, size // d) for d in range(2, size) if size % d == 0]
        news = [(size,), (-1,), shape[::-1], (*shape[:1], -1), (-1, *shape[1:]), (1, size, 1), (shape[-1], -1), *even]
        return st.builds(ReshapeConfig, st.just(shape), st.sampled_from(news))

    return shapes().flatmap(of_shape)


def _concat_configs() -> SearchStrategy[ConcatConfig]:
    def of_rank(beside: tuple[int, ...]) -> SearchStrategy[ConcatConfig]:
        sizes = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)
        return st.builds(ConcatConfig, sizes, st.just(beside), st.integers(-len(beside) - 1, len(beside)))

    return st.lists(st.integers(1, 4), max_size=3).map(tuple).flatmap(of_rank)


def _broadcast_configs() -> SearchStrategy[BroadcastConfig]:
    apart = broadcastable_pairs().map(lambda pair: BroadcastConfig(*pair))
    return st.booleans().flatmap(lambda twice: shapes().map(_of_itself) if twice else apart)


def _of_itself(shape: tuple[int, ...]) -> BroadcastConfig:
    return BroadcastConfig(shape, shape, twice=True)


def _reshape_primals(config: ReshapeConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    return {"x": values(regime, config.shape, rng)}


def _concat_primals(config: ConcatConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    (name, shape), *others = config.shapes.items()
    return {name: values(regime, shape, rng), **{key: parameter(own, regime, rng) for key, own in others}}


def _broadcast_primals(config: BroadcastConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    primals = {"x": np.asarray(values(regime, config.shape, rng))}
    return primals if config.twice else primals | {"x2": np.asarray(parameter(config.shape2, regime, rng))}


def _build_reshape(config: ReshapeConfig, primals: Arrays) -> Subject:
    separable = config.new_shape[:1] == (-1,) and math.prod(config.new_shape[1:]) == math.prod(config.shape[1:])
    traits = [Trait("batch-separable", ("x",))] if separable else []
    return from_reference(Reshape(config.new_shape), primals, traits=traits)


def _build_concat(config: ConcatConfig, primals: Arrays) -> Subject:
    names = tuple(config.shapes)
    traits = [Trait("batch-separable", names)] if config.axis % (len(config.beside) + 1) else []
    return from_reference(Concat(config.axis), primals, input_name=names, traits=traits)


def _build_add(config: BroadcastConfig, primals: Arrays) -> Subject:
    return _build_of_two(Add(), config, primals)


def _build_multiply(config: BroadcastConfig, primals: Arrays) -> Subject:
    return _build_of_two(Multiply(), config, primals)


def _build_of_two(layer: Add | Multiply, config: BroadcastConfig, primals: Arrays) -> Subject:
    if config.twice:
        return from_reference(_WithItself(layer), primals, traits=[Trait("batch-separable", ("x",))])
    return from_reference(layer, primals, input_name=("x", "x2"), traits=_broadcast_traits(config))


def _broadcast_traits(config: BroadcastConfig) -> list[Trait]:
    """Return the trait of the arrays that have the first axis of the output, where each has it or lacks it."""
    full = [len(shape) == len(config.out_shape) > 0 for shape in (config.shape, config.shape2)]
    if all(full) and config.shape[0] == config.shape2[0]:
        return [Trait("batch-separable", ("x", "x2"))]
    if full[0] and not full[1]:
        return [Trait("batch-separable", ("x",))]
    return [Trait("batch-separable", ("x2",))] if full[1] and not full[0] else []


def _add_laws(config: BroadcastConfig) -> tuple[Law, ...]:
    if config.twice:
        return homogeneous(), adds("x", 2)
    return homogeneous_jointly("x", "x2"), adds("x"), adds("x2")


def _multiply_laws(config: BroadcastConfig) -> tuple[Law, ...]:
    return (homogeneous(degree=2),) if config.twice else (homogeneous(), equal_shares("x", "x2"))


def _added(small: tuple[int, ...], out: tuple[int, ...]) -> bool:
    """Whether broadcasting to that shape adds axes."""
    return len(small) < len(out)


def _repeated(small: tuple[int, ...], out: tuple[int, ...]) -> bool:
    """Whether broadcasting to that shape repeats an axis of size 1."""
    return any(size == 1 < due for size, due in zip(small[::-1], out[::-1], strict=False))


def _broadcast_conditions() -> Mapping[str, Condition]:
    return {
        "equal shapes": lambda c, _: c.shape == c.shape2,
        "a leading axis added to x2": lambda c, _: _added(c.shape2, c.out_shape),
        "a leading axis added to x": lambda c, _: _added(c.shape, c.out_shape),
        "an axis of size 1 of x2 repeated": lambda c, _: _repeated(c.shape2, c.out_shape),
        "an axis of size 1 of x repeated": lambda c, _: _repeated(c.shape, c.out_shape),
        "axes of x2 added and repeated": lambda c, _: (
            _added(c.shape2, c.out_shape) and _repeated(c.shape2, c.out_shape)
        ),
        "axes of both repeated": lambda c, _: _repeated(c.shape, c.out_shape) and _repeated(c.shape2, c.out_shape),
        "x2 is 0-dimensional": lambda c, _: c.shape2 == () != c.shape,
        "x is 0-dimensional": lambda c, _: c.shape == () != c.shape2,
        "an axis of size 1 that stays": lambda c, _: 1 in c.out_shape,
        "x twice": lambda c, _: c.twice,
        **rank_conditions(lambda c: len(c.out_shape), 1, 2, 3, 4),
        **value_conditions(),
    }


_BROADCAST_CORNERS = (
    BroadcastConfig((3, 4), (3, 4)),
    BroadcastConfig((3, 5, 4), (4,)),
    BroadcastConfig((3, 5, 4), (3, 1, 4)),
    BroadcastConfig((3, 5, 4), (5, 1)),  # leading and inner axis at once
    BroadcastConfig((3, 1), (1, 4)),
    BroadcastConfig((2,), (3, 5, 2)),
    BroadcastConfig((5,), (5,)),
    BroadcastConfig((3, 1, 5, 2), (4, 1, 1)),
    BroadcastConfig((3, 2), ()),
    BroadcastConfig((), (3, 2)),
    BroadcastConfig((1, 1), (1,)),
    BroadcastConfig((3, 4), (3, 4), twice=True),
    BroadcastConfig((), (), twice=True),
)

RESHAPE = Kind(
    name="reshape",
    config=ReshapeConfig,
    configs=_reshape_configs,
    corners=(
        ReshapeConfig((3, 2, 5, 4), (-1, 4, 10)),
        ReshapeConfig((3, 4), (4, 3)),  # a transposition has the right shape
        ReshapeConfig((3, 4), (2, -1)),
        ReshapeConfig((3, 3), (3, 3)),
        ReshapeConfig((5,), (1, 5, 1)),
        ReshapeConfig((3, 2, 5), (-1,)),
        ReshapeConfig((1, 1), ()),
    ),
    primals=_reshape_primals,
    build=_build_reshape,
    conditions={
        "a size of -1": lambda c, _: -1 in c.new_shape,
        "more axes": lambda c, _: len(c.new_shape) > len(c.shape),
        "fewer axes": lambda c, _: len(c.new_shape) < len(c.shape),
        "axes exchanged": lambda c, _: c.new_shape == c.shape[::-1] != c.shape,
        "the same shape": lambda c, _: c.new_shape == c.shape,
        "the batch stays": lambda c, _: c.new_shape[:1] == c.shape[:1] and len(c.shape) > 1,
        "0-dimensional": lambda c, _: c.new_shape == (),
        **shape_conditions(),
        **value_conditions(),
    },
    laws=lambda _: (moves(),),
    layers=(Reshape,),
    mutants=RESHAPE_MUTANTS,
    sizes=tuple(ReshapeConfig((2, c, 4, 4), (-1, 16)) for c in (1, 4, 16, 64, 256)),
)

CONCAT = Kind(
    name="concat",
    config=ConcatConfig,
    configs=_concat_configs,
    corners=(
        ConcatConfig((2, 4), (3,)),
        ConcatConfig((1, 3, 2), (3, 4), 1),
        ConcatConfig((2, 1, 3, 2), (3, 4, 2), -1),
        ConcatConfig((3, 2), (4,), 0),
        ConcatConfig((3, 3), (3,), 0),  # all sizes equal: exchanged pieces have the right shape
        ConcatConfig((2, 5), (), 0),
        ConcatConfig((4,), (3, 2), 1),
    ),
    primals=_concat_primals,
    build=_build_concat,
    conditions={
        "one input": lambda c, _: len(c.sizes) == 1,
        "two inputs": lambda c, _: len(c.sizes) == 2,
        "three inputs or more": lambda c, _: len(c.sizes) > 2,
        "different sizes": lambda c, _: len(set(c.sizes)) > 1,
        "equal sizes": lambda c, _: len(c.sizes) > 1 == len(set(c.sizes)),
        "first axis": lambda c, _: c.axis % (len(c.beside) + 1) == 0,
        "last axis": lambda c, _: c.axis % (len(c.beside) + 1) == len(c.beside) > 0,
        "an axis between": lambda c, _: 0 < c.axis % (len(c.beside) + 1) < len(c.beside),
        "axis counted from the last": lambda c, _: c.axis < 0,
        **rank_conditions(lambda c: len(c.beside) + 1, 1, 2, 3, 4),
        **value_conditions(),
    },
    laws=lambda config: (joins(tuple(config.shapes), config.axis),),
    layers=(Concat,),
    mutants=CONCAT_MUTANTS,
    sizes=tuple(ConcatConfig((n, n), (8,), 1) for n in (4, 8, 16, 64, 256, 1024)),
)

ADD = Kind(
    name="add",
    config=BroadcastConfig,
    configs=_broadcast_configs,
    corners=_BROADCAST_CORNERS,
    primals=_broadcast_primals,
    build=_build_add,
    conditions=_broadcast_conditions(),
    laws=_add_laws,
    layers=(Add,),
    mutants=ADD_MUTANTS,
    sizes=tuple(BroadcastConfig((8, n), (8, n)) for n in (4, 8, 16, 64, 256, 1024)),
)

MULTIPLY = Kind(
    name="multiply",
    config=BroadcastConfig,
    configs=_broadcast_configs,
    corners=_BROADCAST_CORNERS,
    primals=_broadcast_primals,
    build=_build_multiply,
    conditions=_broadcast_conditions(),
    laws=_multiply_laws,
    layers=(Multiply,),
    mutants=MULTIPLY_MUTANTS,
    sizes=ADD.sizes,
)

KINDS = (RESHAPE, CONCAT, ADD, MULTIPLY)
