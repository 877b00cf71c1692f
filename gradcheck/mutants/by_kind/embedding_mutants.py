"""What backward passes of tables that are looked up get wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradcheck.mutants.mutant import Mutant, Question
from gradcheck.subject import Array, Arrays


def _rows(config: Any) -> Array:
    return np.array(config.rows)


def _added(question: Question, rows: Array, counts: Array) -> Arrays:
    """Add g, those indices that count alone, to the rows."""
    gradient: Array = np.zeros(question.primals["weight"].shape)
    g = np.asarray(question.cotangent).reshape(-1, gradient.shape[1])
    np.add.at(gradient, rows[counts], g[counts])
    return {"weight": gradient}


def _counting(question: Question) -> Array:
    """Return which indices are not padding."""
    return np.asarray(_rows(question.config) != question.config.padding_row)


def _with(change: Callable[[Any], Array]) -> Callable[[Question], Arrays]:
    """Return the mistake to add to other rows."""
    return lambda question: _added(question, change(question.config), _counting(question))


def _assigned(question: Question) -> Arrays:
    gradient: Array = np.zeros(question.primals["weight"].shape)
    g = np.asarray(question.cotangent).reshape(-1, gradient.shape[1])
    for row, own, counts in zip(_rows(question.config), g, _counting(question), strict=True):
        gradient[row] = own if counts else 0
    return {"weight": gradient}


def _first_counts(question: Question) -> Arrays:
    rows = _rows(question.config)
    first = np.isin(np.arange(rows.size), np.unique(rows, return_index=True)[1])
    return _added(question, rows, first & _counting(question))


def _averaged(question: Question) -> Arrays:
    counts = np.bincount(_rows(question.config), minlength=question.config.num_embeddings)
    return {"weight": question.gradients["weight"] / np.maximum(counts, 1)[:, None]}


def _by_number_of_indices(question: Question) -> Arrays:
    return {"weight": question.gradients["weight"] / len(question.config.indices)}


def _negative_lost(question: Question) -> Arrays:
    return _added(question, _rows(question.config), _counting(question) & (np.array(question.config.indices) >= 0))


def _padding_counts(question: Question) -> Arrays:
    rows = _rows(question.config)
    return _added(question, rows, np.ones(rows.size, bool))


def _first_row_is_padding(question: Question) -> Arrays:
    rows = _rows(question.config)
    return _added(question, rows, _counting(question) & (rows != 0))


def _last_sample(question: Question) -> Arrays:
    rows = _rows(question.config)
    own = len(rows) // question.config.index_shape[0]
    return _added(question, rows, _counting(question) & (np.arange(rows.size) >= rows.size - own))


def _without_sign(config: Any) -> Array:
    return np.asarray(np.abs(np.array(config.indices)) % config.num_embeddings)


EMBEDDING_MUTANTS = (
    Mutant("duplicates-overwrite", "of several gradients for one row the last overwrites the others", _assigned),
    Mutant("duplicates-lost", "of several gradients for one row the first alone counts", _first_counts),
    Mutant("divided-by-count", "a row's gradient is divided by how often it was looked up", _averaged),
    Mutant("divided-by-indices", "the gradient is divided by the number of indices", _by_number_of_indices),
    Mutant("row-off-by-one", "the gradient goes to the next row", _with(lambda c: (_rows(c) + 1) % c.num_embeddings)),
    Mutant("negative-lost", "negative indices receive no gradient", _negative_lost),
    Mutant(
        "negative-without-sign",
        "negative indices are taken without their sign",
        _with(_without_sign),
    ),
    Mutant("negative-as-0", "negative indices are taken as 0", _with(lambda c: np.maximum(np.array(c.indices), 0))),
    Mutant("padding-receives", "the padding row receives a gradient", _padding_counts),
    Mutant("row-0-is-padding", "row 0 is taken to be padding", _first_row_is_padding),
    Mutant("last-sample-only", "the indices of the last sample alone are used", _last_sample),
    Mutant("rows-from-the-end", "rows are counted from the end", _with(lambda c: c.num_embeddings - 1 - _rows(c))),
)
