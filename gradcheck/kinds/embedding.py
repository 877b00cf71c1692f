"""The table of vectors that is looked up by indices."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from gradcheck.kinds.laws import homogeneous
from gradcheck.kinds.windowed import parameter
from gradcheck.mutants.by_kind.embedding_mutants import EMBEDDING_MUTANTS
from gradcheck.strategies.values import Regime
from gradcheck.subject import Array, Arrays, Law, Pullback, Subject
from gradcheck.suites.kind import Kind
from reference_layers import Embedding


@dataclass(frozen=True)
class EmbeddingConfig:
    """A table, the indices row by row with their shape and dtype, and the padding row as a tuple, ``()`` for none."""

    num_embeddings: int
    embedding_dim: int
    index_shape: tuple[int, ...]
    indices: tuple[int, ...]
    padding_idx: tuple[int, ...] = ()
    index_dtype: Literal["int64", "int32"] = "int64"

    @property
    def layer(self) -> Embedding:
        """The table."""
        return Embedding(self.num_embeddings, self.embedding_dim, next(iter(self.padding_idx), None))

    @property
    def rows(self) -> tuple[int, ...]:
        """The indices counted from 0."""
        return tuple(index % self.num_embeddings for index in self.indices)

    @property
    def samples(self) -> tuple[tuple[int, ...], ...]:
        """The indices counted from 0, those of one sample together."""
        each = len(self.rows) // self.index_shape[0]
        return tuple(self.rows[k : k + each] for k in range(0, len(self.rows), each))

    @property
    def padding_row(self) -> int | None:
        """The padding row counted from 0."""
        return next((index % self.num_embeddings for index in self.padding_idx), None)


def _configs() -> SearchStrategy[EmbeddingConfig]:
    def of_sizes(rows: int, shape: tuple[int, ...]) -> SearchStrategy[EmbeddingConfig]:
        index = st.integers(-rows, rows - 1)
        size = math.prod(shape)
        return st.builds(
            EmbeddingConfig,
            st.just(rows),
            st.integers(1, 5),
            st.just(shape),
            st.lists(index, min_size=size, max_size=size).map(tuple),
            st.just(()) | index.map(lambda padding: (padding,)),
            st.sampled_from(["int64", "int32"]),
        )

    shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple)
    return st.tuples(st.integers(1, 7), shapes).flatmap(lambda drawn: of_sizes(*drawn))


def _primals(config: EmbeddingConfig, rng: np.random.Generator, regime: Regime) -> dict[str, Array]:
    return {"weight": parameter((config.num_embeddings, config.embedding_dim), regime, rng)}


def _build(config: EmbeddingConfig, primals: Arrays) -> Subject:
    layer, indices = config.layer, np.array(config.indices, config.index_dtype).reshape(config.index_shape)

    def vjp(arrays: Arrays) -> tuple[Array, Pullback]:
        y, cache = layer.forward(dict(arrays), indices)
        return y, lambda cotangent: layer.backward(dict(arrays), cache, np.asarray(cotangent))[1]

    # The indices have no gradient: the weight is all there is to differentiate.
    return Subject(repr(layer), primals, vjp, lambda arrays: layer.forward(dict(arrays), indices)[0])


def _is_shared(config: EmbeddingConfig) -> bool:
    """Whether two samples have a row in common."""
    different = [row for sample in config.samples for row in set(sample)]
    return len(set(different)) < len(different)


def _laws(config: EmbeddingConfig) -> tuple[Law, ...]:
    """Return the laws of rows that are copied, but for the padding row, wherever they are asked for."""
    copied = np.array(config.rows) != config.padding_row

    def terms(p: Arrays, y: Array, g: Array, d: Arrays) -> Array:  # noqa: ARG001 - every law has this signature
        return np.concatenate([d["weight"], -g.reshape(-1, config.embedding_dim)[copied]]).T

    rows = Law(
        "sum-weight", "Σ dweight over the rows = Σ g over the indices (those of padding left out)", terms, ("weight",)
    )
    return homogeneous("weight"), rows


EMBEDDING = Kind(
    name="embedding",
    config=EmbeddingConfig,
    configs=_configs,
    corners=(
        EmbeddingConfig(7, 4, (3,), (5, 0, 2)),
        EmbeddingConfig(4, 3, (5,), (3, 1, 3, 3, 1), index_dtype="int32"),
        EmbeddingConfig(4, 3, (5,), (-1, 1, 3, -4, 0)),  # rows under both of their names
        EmbeddingConfig(5, 2, (2, 3), (1, 4, 1, 0, 1, 4), (1,)),
        EmbeddingConfig(5, 2, (3,), (-1, 4, 0), (-1,)),
        EmbeddingConfig(5, 2, (3,), (3, 2, 0), (1,)),
        EmbeddingConfig(3, 4, (2, 1, 3), (2, 0, 2, -3, 2, 1)),
        EmbeddingConfig(3, 3, (3,), (2, 0, 1)),  # square, every row once
        EmbeddingConfig(2, 3, (3,), (1, 1, 1), (1,)),  # padding alone: the gradient is zero
        EmbeddingConfig(1, 1, (1,), (0,)),
    ),
    primals=_primals,
    build=_build,
    conditions={
        "indices of rank 1": lambda c, _: len(c.index_shape) == 1,
        "indices of rank 2": lambda c, _: len(c.index_shape) == 2,
        "indices of rank 3": lambda c, _: len(c.index_shape) == 3,
        "a row twice": lambda c, _: len(set(c.rows)) < len(c.rows),
        "a row twice in one sample": lambda c, _: any(len(set(rows)) < len(rows) for rows in c.samples),
        "a row in two samples": lambda c, _: len(c.index_shape) > 1 and _is_shared(c),
        "a row three times": lambda c, _: max(map(c.rows.count, c.rows)) > 2,
        "every row at most once": lambda c, _: len(set(c.rows)) == len(c.rows),
        "a row never": lambda c, _: len(set(c.rows)) < c.num_embeddings,
        "not in order": lambda c, _: list(c.rows) != sorted(c.rows),
        "negative indices": lambda c, _: min(c.indices) < 0,
        "a row under both of its names": lambda c, _: len(set(c.rows)) < len(set(c.indices)),
        "more indices than rows": lambda c, _: len(c.indices) > c.num_embeddings,
        "fewer indices than rows": lambda c, _: len(c.indices) < c.num_embeddings,
        "padding that is met": lambda c, _: c.padding_row in c.rows,
        "padding that is met twice": lambda c, _: c.rows.count(c.padding_row) > 1,
        "padding that is not met": lambda c, _: bool(c.padding_idx) and c.padding_row not in c.rows,
        "padding beside other rows": lambda c, _: c.padding_row in c.rows and len(set(c.rows)) > 1,
        "negative padding_idx": lambda c, _: any(index < 0 for index in c.padding_idx),
        "one row": lambda c, _: c.num_embeddings == 1,
        "one column": lambda c, _: c.embedding_dim == 1,
        "rows, columns and indices all equal": lambda c, _: c.num_embeddings == c.embedding_dim == len(c.indices) > 1,
        "32-bit indices": lambda c, _: c.index_dtype == "int32",
        "64-bit indices": lambda c, _: c.index_dtype == "int64",
    },
    # Rows are copied, whatever they hold: other values would show nothing more.
    regimes=("normal", "integers"),
    laws=_laws,
    layers=(Embedding,),
    mutants=EMBEDDING_MUTANTS,
    sizes=tuple(EmbeddingConfig(n, 8, (8,), tuple(k % n for k in range(8))) for n in (4, 8, 16, 64, 256, 1024)),
)

KINDS = (EMBEDDING,)
