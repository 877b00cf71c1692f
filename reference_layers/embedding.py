"""A table of vectors, looked up by indices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from reference_layers.layer import Array, Params, is_int, require_positive, require_shape


@dataclass(frozen=True)
class Embedding:
    """``y = weight[indices]``.

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        Rows and columns of the weight.
    padding_idx : int, optional
        Row that stands for nothing: where an index is this row the output is 0, whatever the weight holds there, and
        the row gets no gradient. Negative ones count from the last row.

    Notes
    -----
    indices: ints of any shape, weight (num_embeddings, embedding_dim), y (…, embedding_dim)::

        ∂/∂weight[r] = Σ g[i] over all i with indices[i] = r

    Indices are those of NumPy: −1 is the last row, and so another name of the row num_embeddings − 1. They have no
    gradient; `backward` gives None in its place. The rows of one index are summed in float64.

    Frameworks that output the row of `padding_idx` itself, and yet give it no gradient, do not return the derivative of
    their forward; with zeros in its place the two agree.

    References
    ----------
    Derived here: what is used several times receives the sum of the gradients.

    Examples
    --------
    >>> layer = Embedding(3, 2, padding_idx=0)
    >>> params = {"weight": np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])}
    >>> y, cache = layer.forward(params, np.array([2, 0, -1]))
    >>> y.tolist(), layer.backward(params, cache, np.ones((3, 2)))[1]["weight"].tolist()
    ([[5.0, 6.0], [0.0, 0.0], [5.0, 6.0]], [[0.0, 0.0], [0.0, 0.0], [2.0, 2.0]])
    """

    num_embeddings: int
    embedding_dim: int
    padding_idx: int | None = None

    def __post_init__(self) -> None:
        require_positive(num_embeddings=self.num_embeddings, embedding_dim=self.embedding_dim)
        if self.padding_idx is None:
            return
        n = self.num_embeddings
        if not is_int(self.padding_idx) or not -n <= self.padding_idx < n:
            raise ValueError(
                f"expected padding_idx to be None or an int from {-n} to {n - 1}, got padding_idx={self.padding_idx!r}"
            )
        object.__setattr__(self, "padding_idx", int(self.padding_idx) % n)

    def init(self, rng: np.random.Generator) -> Params:
        """Return a weight of variance 1, the row of `padding_idx` zero."""
        weight = rng.standard_normal((self.num_embeddings, self.embedding_dim))
        if self.padding_idx is not None:
            weight[self.padding_idx] = 0.0
        return {"weight": weight}

    def forward(self, params: Params, indices: Any) -> tuple[Array, Array]:
        """Return the rows, in the dtype of the weight, and the indices counted from 0.

        Raises
        ------
        ShapeError
            If the weight does not have the shape above.
        ValueError
            If an index is no row.
        """
        require_shape("weight", params["weight"], (self.num_embeddings, self.embedding_dim))
        rows = self._rows(np.asarray(indices))
        y = np.asarray(params["weight"][rows])
        if self.padding_idx is not None:
            y[rows == self.padding_idx] = 0.0
        return y, rows

    def backward(self, params: Params, cache: Array, grad_output: Array) -> tuple[None, Params]:
        """Return None for the indices, and ``{"weight": …}``."""
        require_shape("grad_output", grad_output, (*cache.shape, self.embedding_dim))
        rows, upstream = cache.ravel(), grad_output.reshape(-1, self.embedding_dim)
        order = np.argsort(rows, kind="stable")  # what belongs to one row lies together
        used, starts = np.unique(rows[order], return_index=True)
        gradient = np.zeros(params["weight"].shape, grad_output.dtype)
        gradient[used] = np.add.reduceat(upstream[order], starts, axis=0, dtype=np.float64)
        if self.padding_idx is not None:
            gradient[self.padding_idx] = 0.0
        return None, {"weight": gradient}

    def _rows(self, indices: Array) -> Array:
        """Return a copy of the indices counted from 0, or refuse them."""
        n = self.num_embeddings
        if not np.issubdtype(indices.dtype, np.integer):
            raise ValueError(f"expected integer indices, got dtype={indices.dtype}")
        wrong = np.argwhere((indices < -n) | (indices >= n))
        if len(wrong):
            place = tuple(wrong[0].tolist())
            raise ValueError(f"expected indices from {-n} to {n - 1}, got {indices[place]} at index {place}")
        rows = indices.astype(np.intp)
        return np.asarray(np.where(rows < 0, rows + n, rows))
