"""Layers that belong to no kind, written as people write them, and the same layers with an edited backward pass."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import gradcheck

Vjp = Callable[[Mapping[str, Any]], tuple[Any, Callable[[Any], dict[str, Any]]]]


def affine(primals):
    x, w, b = primals["x"], primals["w"], primals["b"]

    def pullback(g):
        dx = g @ w.T
        dw = x.T @ g
        db = g.sum(axis=0)
        return {"x": dx, "w": dw, "b": db}

    return x @ w + b, pullback


def perceptron(primals):
    x, w1, b1, w2, b2 = (primals[name] for name in ("x", "w1", "b1", "w2", "b2"))
    h = np.tanh(x @ w1 + b1)

    def pullback(g):
        dh = g @ w2.T
        dz = dh * (1 - h**2)
        dw2 = h.T @ g
        db2 = g.sum(axis=0)
        dw1 = x.T @ dz
        db1 = dz.sum(axis=0)
        dx = dz @ w1.T
        return {"x": dx, "w1": dw1, "b1": db1, "w2": dw2, "b2": db2}

    return h @ w2 + b2, pullback


def conv(primals):
    """Correlate (N, C, H, W) with (O, C, kh, kw): stride (2, 1), padding (0, 1)."""
    x, w, b = primals["x"], primals["w"], primals["b"]
    (sh, sw), (ph, pw), (kh, kw) = (2, 1), (0, 1), w.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    oh, ow = (padded.shape[2] - kh) // sh + 1, (padded.shape[3] - kw) // sw + 1
    y = np.zeros((len(x), len(w), oh, ow))
    for i in range(oh):
        for j in range(ow):
            window = padded[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw]
            y[:, :, i, j] = np.einsum("nchw,ochw->no", window, w) + b

    def pullback(g):
        dpadded, dw = np.zeros_like(padded), np.zeros_like(w)
        for i in range(oh):
            for j in range(ow):
                window = padded[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw]
                spread = np.einsum("no,ochw->nchw", g[:, :, i, j], w)
                dpadded[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw] += spread
                dw += np.einsum("no,nchw->ochw", g[:, :, i, j], window)
        dx = dpadded[:, :, ph : ph + x.shape[2], pw : pw + x.shape[3]].copy()
        return {"x": dx, "w": dw, "b": g.sum(axis=(0, 2, 3))}

    return y, pullback


def layer_norm(primals):
    x, gamma, beta = primals["x"], primals["gamma"], primals["beta"]
    inv = 1 / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-3)
    hat = (x - x.mean(axis=-1, keepdims=True)) * inv

    def pullback(g):
        dgamma = (g * hat).sum(axis=(0, 1))
        dbeta = g.sum(axis=(0, 1))
        d = g * gamma
        dx = inv * (d - d.mean(axis=-1, keepdims=True) - hat * (d * hat).mean(axis=-1, keepdims=True))
        return {"x": dx, "gamma": dgamma, "beta": dbeta}

    return gamma * hat + beta, pullback


def attention(primals):
    """One head: (T, D), (S, D), (S, E)."""
    q, k, v = primals["q"], primals["k"], primals["v"]
    scores = q @ k.T / np.sqrt(q.shape[1])
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    a = e / e.sum(axis=1, keepdims=True)

    def pullback(g):
        dv = a.T @ g
        da = g @ v.T
        ds = a * (da - (da * a).sum(axis=1, keepdims=True)) / np.sqrt(q.shape[1])
        dq = ds @ k
        dk = ds.T @ q
        return {"q": dq, "k": dk, "v": dv}

    return a @ v, pullback


def lstm_cell(primals):
    """Return two outputs, the new hidden state and the new cell."""
    x, h, c, w, u, b = (primals[name] for name in ("x", "h", "c", "w", "u", "b"))
    zi, zf, zg, zo = np.split(x @ w + h @ u + b, 4, axis=1)
    i, f, o = (1 / (1 + np.exp(-z)) for z in (zi, zf, zo))
    n = np.tanh(zg)
    c2 = f * c + i * n
    t = np.tanh(c2)

    def pullback(cotangents):
        dh2, dc2 = cotangents
        dc2 = dc2 + dh2 * o * (1 - t**2)
        di, df, dn, do = dc2 * n, dc2 * c, dc2 * i, dh2 * t
        dz = np.concatenate([di * i * (1 - i), df * f * (1 - f), dn * (1 - n**2), do * o * (1 - o)], axis=1)
        dc = dc2 * f
        return {"x": dz @ w.T, "h": dz @ u.T, "c": dc, "w": x.T @ dz, "u": h.T @ dz, "b": dz.sum(axis=0)}

    return (o * t, c2), pullback


def gather(primals):
    """Take rows of a table, some of them twice."""
    table = primals["table"]
    rows = np.array([0, 2, 2, 4, 0, 3])

    def pullback(g):
        d = np.zeros_like(table)
        np.add.at(d, rows, g)
        return {"table": d}

    return table[rows], pullback


def cross_entropy(primals):
    """Return the mean over the rows."""
    x = primals["x"]
    t = np.arange(len(x)) % x.shape[1]
    e = np.exp(x - x.max(axis=1, keepdims=True))
    s = e / e.sum(axis=1, keepdims=True)

    def pullback(g):
        onehot = np.eye(x.shape[1])[t]
        return {"x": g * (s - onehot) / len(x)}

    return np.asarray(-np.log(s[np.arange(len(x)), t]).mean()), pullback


SHAPES: dict[Vjp, dict[str, tuple[int, ...]]] = {
    affine: {"x": (5, 3), "w": (3, 4), "b": (4,)},
    perceptron: {"x": (5, 3), "w1": (3, 7), "b1": (7,), "w2": (7, 2), "b2": (2,)},
    conv: {"x": (2, 2, 5, 4), "w": (3, 2, 3, 2), "b": (3,)},
    layer_norm: {"x": (2, 3, 5), "gamma": (5,), "beta": (5,)},
    attention: {"q": (5, 3), "k": (7, 3), "v": (7, 2)},
    lstm_cell: {"x": (5, 3), "h": (5, 2), "c": (5, 2), "w": (3, 8), "u": (2, 8), "b": (8,)},
    gather: {"table": (5, 3)},
    cross_entropy: {"x": (7, 5)},
}


def plain_subject(layer: Vjp, shapes: Mapping[str, tuple[int, ...]] | None = None, seed: int = 0, **more: Any):
    """Return a subject of a layer at a random point."""
    rng = np.random.default_rng(seed)
    primals = {name: rng.standard_normal(shape) for name, shape in (shapes or SHAPES[layer]).items()}
    return gradcheck.Subject(layer.__name__, primals, layer, **more)


def edited(layer: Vjp, *edits: tuple[str, str]) -> Vjp:
    """Return a layer with its backward pass changed, each time at the one place where a text occurs in it."""
    head, marker, tail = inspect.getsource(layer).partition("    def pullback(")
    assert marker
    for old, new in edits:
        assert tail.count(old) == 1, f"{old!r} occurs {tail.count(old)} times in the backward pass of {layer.__name__}"
        tail = tail.replace(old, new)
    namespace: dict[str, Any] = {"np": np}
    exec(compile(head + marker + tail, f"<{layer.__name__}, edited>", "exec"), namespace)
    made: Vjp = namespace[layer.__name__]
    return made


def edited_subject(layer: Vjp, *edits: tuple[str, str], seed: int = 0):
    """Return a subject with an edited backward pass, and the forward as it was."""
    return plain_subject(edited(layer, *edits), SHAPES[layer], seed)
