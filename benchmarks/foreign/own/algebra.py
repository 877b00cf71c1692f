"""Linear algebra: factorisations, solves, determinants, norms of matrices, rotations."""

from __future__ import annotations

import numpy as np

from own.drawing import dominant, function, positive, positive_definite, real


def lower(matrix):
    """Return the lower triangle with half of the diagonal."""
    return np.tril(matrix) - np.diag(np.diagonal(matrix)) / 2


@function(a=positive_definite("n n"))
def cholesky(a):
    """Factorise the lower triangle; the upper one is not read."""
    factor = np.linalg.cholesky(a)

    def pullback(g):
        inner = lower(factor.T @ np.tril(g))
        outer = np.linalg.solve(factor.T, np.linalg.solve(factor.T, inner.T).T)
        whole = outer + outer.T
        return {"a": np.tril(whole) - np.diag(np.diagonal(whole)) / 2}

    return factor, pullback


@function(a=dominant("n n"), b=real("n k"))
def solve(a, b):
    x = np.linalg.solve(a, b)

    def pullback(g):
        db = np.linalg.solve(a.T, g)
        return {"a": -db @ x.T, "b": db}

    return x, pullback


@function(a=dominant("n n"), b=real("n"))
def triangular_solve(a, b):
    """Solve with the lower triangle by substitution; the upper one is not read."""
    x = np.zeros_like(b)
    for i in range(len(b)):
        x[i] = (b[i] - a[i, :i] @ x[:i]) / a[i, i]

    def pullback(g):
        db = np.zeros_like(b)
        for i in reversed(range(len(b))):
            db[i] = (g[i] - a[i + 1 :, i] @ db[i + 1 :]) / a[i, i]
        return {"a": -np.tril(np.outer(db, x)), "b": db}

    return x, pullback


@function(a=dominant("n n"))
def log_determinant(a):
    return np.linalg.slogdet(a)[1], lambda g: {"a": g * np.linalg.inv(a).T}


@function(a=dominant("n n"))
def inverse(a):
    y = np.linalg.inv(a)
    return y, lambda g: {"a": -y.T @ g @ y.T}


@function(a=dominant("n n"))
def polar_factor(a):
    """Return the orthogonal factor by twelve of Newton's steps, without a singular value decomposition."""
    steps = [a / np.abs(a).max()]
    for _ in range(12):
        steps.append((steps[-1] + np.linalg.inv(steps[-1]).T) / 2)

    def pullback(g):
        flow = g
        for x in reversed(steps[:-1]):
            other = np.linalg.inv(x)
            flow = (flow - other.T @ flow.T @ other.T) / 2
        place = np.unravel_index(np.abs(a).argmax(), a.shape)
        largest = np.abs(a[place])
        gradient = flow / largest
        gradient[place] -= np.sign(a[place]) * (flow * steps[0]).sum() / largest
        return {"a": gradient}

    return steps[-1], pullback


@function(a=real("n n", limit=0.3))
def matrix_exponential(a):
    """Sum twelve terms of its series."""
    identity = np.eye(len(a), dtype=a.dtype)
    sums = [identity]
    for k in range(12, 0, -1):
        sums.append(identity + a @ sums[-1] / k)

    def pullback(g):
        gradient, flow = np.zeros_like(a), g
        for k, inner in zip(range(1, 13), reversed(sums[:-1]), strict=True):
            gradient += flow @ inner.T / k
            flow = a.T @ flow / k
        return {"a": gradient}

    return sums[-1], pullback


@function(a=real("n n", limit=1e3))
def matrix_cubed(a):
    square = a @ a

    def pullback(g):
        t = a.T
        return {"a": g @ square.T + t @ g @ t + square.T @ g}

    return square @ a, pullback


@function(a=real("m n"))
def spectral_norm(a):
    u, s, vt = np.linalg.svd(a)
    return s[0], lambda g: {"a": g * np.outer(u[:, 0], vt[0])}


@function(a=real("m n"))
def frobenius_norm(a):
    norm = np.sqrt((a * a).sum())
    return norm, lambda g: {"a": g * a / norm if norm else np.zeros_like(a)}


@function(v=positive("m n", least=1e-3), scale=real("m"))
def weight_norm(v, scale):
    norm = np.sqrt((v * v).sum(axis=1, keepdims=True))
    unit = v / norm

    def pullback(g):
        along = (g * unit).sum(axis=1, keepdims=True)
        return {"v": scale[:, None] * (g - unit * along) / norm, "scale": along[:, 0]}

    return scale[:, None] * unit, pullback


@function(x=real("m n"), v=positive("n", least=1e-2))
def reflection(x, v):
    square = v @ v
    along = x @ v

    def pullback(g):
        back = g @ v
        scale = 2 / square
        by_v = -scale * (along @ g + back @ x) + 2 * scale * (along @ back) / square * v
        return {"x": g - scale * back[:, None] * v, "v": by_v}

    return x - 2 * along[:, None] * v / square, pullback


@function(a=real("m 3"), b=real("m 3"))
def cross_product(a, b):
    return np.cross(a, b), lambda g: {"a": np.cross(b, g), "b": np.cross(g, a)}


@function(q=positive("4", least=0.1), x=real("m 3"))
def quaternion_rotation(q, x):
    norm = np.sqrt(q @ q)
    w, u = q[0] / norm, q[1:] / norm
    turned = np.cross(u, x)
    y = x + 2 * w * turned + 2 * np.cross(u, turned)

    def pullback(g):
        d_turned = 2 * w * g + 2 * np.cross(g, u)
        dw = 2 * (g * turned).sum()
        du = (2 * np.cross(turned, g) + np.cross(x, d_turned)).sum(axis=0)
        d_unit = np.concatenate([np.asarray([dw]), du])
        direction = q / norm
        return {"q": (d_unit - direction * (direction @ d_unit)) / norm, "x": g + np.cross(d_turned, u)}

    return y, pullback


@function(x=real("m"), a=real("m n"), y=real("n"))
def bilinear_form(x, a, y):
    return x @ a @ y, lambda g: {"x": g * (a @ y), "a": g * np.outer(x, y), "y": g * (a.T @ x)}


@function(a=real("b m k"), b=real("b k n"))
def batched_product(a, b):
    return a @ b, lambda g: {"a": g @ np.swapaxes(b, -1, -2), "b": np.swapaxes(a, -1, -2) @ g}


@function(a=real("m n"), b=real("k l"))
def kronecker_product(a, b):
    def pullback(g):
        blocks = g.reshape(a.shape[0], b.shape[0], a.shape[1], b.shape[1])
        return {"a": np.einsum("ikjl,kl->ij", blocks, b), "b": np.einsum("ikjl,ij->kl", blocks, a)}

    return np.kron(a, b), pullback


@function(x=real("m n"), s=positive_definite("n n"))
def mahalanobis(x, s):
    solved = np.linalg.solve(s, x.T).T

    def pullback(g):
        flow = g[:, None] * solved
        return {"x": flow + np.linalg.solve(s.T, (g[:, None] * x).T).T, "s": -np.linalg.solve(s.T, x.T * g) @ solved}

    return (x * solved).sum(axis=1), pullback


@function(a=positive("m N", least=1e-2))
def columns_without_the_first(a):
    """Take out of every other column its part along the first, which is divided by √(1 + its square)."""
    first, rest = a[:, 0], a[:, 1:]
    norm = np.sqrt((first * first).sum() + 1)
    unit = first / norm
    along = unit @ rest

    def pullback(g):
        d_unit, d_rest = (
            g[:, 0] - rest @ (unit @ g[:, 1:]) - g[:, 1:] @ along,
            g[:, 1:] - np.outer(unit, unit @ g[:, 1:]),
        )
        return {"a": np.column_stack([(d_unit - unit * (unit @ d_unit)) / norm, d_rest])}

    return np.column_stack([unit, rest - np.outer(unit, along)]), pullback
