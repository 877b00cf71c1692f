"""Real handwritten digits, a few dozen of them."""

from __future__ import annotations

from importlib.resources import files

import numpy as np

from reference_layers.layer import Array, is_int

#: Images that are shipped.
AVAILABLE = 64


def load_digits(count: int = 16) -> tuple[Array, Array]:
    """Return handwritten digits at 28×28, and what they show.

    Parameters
    ----------
    count : int
        1 to 64.

    Returns
    -------
    images : ndarray, shape (count, 1, 28, 28), float64
        Grey levels from 0 (paper) to 1 (ink).
    labels : ndarray, shape (count,), int64

    Raises
    ------
    ValueError
        If there are not so many.

    Notes
    -----
    The originals are 8×8 counts from 0 to 16; they are enlarged by linear interpolation.

    References
    ----------
    E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998,
    https://doi.org/10.24432/C50P49, CC BY 4.0.

    Examples
    --------
    >>> images, labels = load_digits(16)
    >>> images.shape, labels.tolist()
    ((16, 1, 28, 28), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5])
    """
    if not is_int(count) or not 1 <= count <= AVAILABLE:
        raise ValueError(f"expected count to be an int from 1 to {AVAILABLE}, got count={count!r}")
    with (files("reference_layers") / "data" / "digits.csv").open(encoding="utf-8") as lines:
        rows = np.loadtxt(lines, delimiter=",", dtype=np.int64, skiprows=1, max_rows=count)
    rows = rows.reshape(count, -1)
    images = rows[:, 2:].reshape(count, 8, 8) / 16.0
    return enlarge(images, 28)[:, None], rows[:, 1]


def enlarge(images: Array, size: int) -> Array:
    """Enlarge square images (N, H, H) to (N, size, size) by linear interpolation; corners keep their values.

    Examples
    --------
    >>> enlarge(np.array([[[0.0, 1.0], [1.0, 2.0]]]), 3)[0].tolist()
    [[0.0, 0.5, 1.0], [0.5, 1.0, 1.5], [1.0, 1.5, 2.0]]
    """
    weights = _interpolation(images.shape[1], size)
    return np.asarray(weights @ images @ weights.T)


def _interpolation(old: int, new: int) -> Array:
    """Return the matrix (new, old) that interpolates linearly between equally spaced samples."""
    places = np.linspace(0, old - 1, new)
    return np.maximum(0.0, 1.0 - np.abs(places[:, None] - np.arange(old)))
