"""Exact identities that families of layers obey, whatever the cotangent g; d is what the pullback makes of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from gradcheck.subject import Array, Arrays, Law

#: Makes a matrix of an array: what is normalised together is a row.
Rows: TypeAlias = Callable[[Array], Array]


def euler(weight: str, x: str, bias: str | None = None) -> tuple[Law, ...]:
    """Return Euler's identity of a layer that is linear in its weight and in its input, and one with its outputs.

    Both sides of the first are ``Σ g·(y - b)``; the second says which of the two gradients is at fault.
    """
    names = (weight, x, bias) if bias else (weight, x)

    def whole(p: Arrays, y: Any, g: Any, d: Arrays) -> Array:
        parts = [(p[weight] * d[weight]).ravel(), -(g * y).ravel()]
        return _sum(*parts, (p[bias] * d[bias]).ravel()) if bias else _sum(*parts)

    shift = f" - ⟨{bias}, d{bias}⟩" if bias else ""
    return (
        equal_shares(weight, x),
        Law(f"euler-{weight}", f"⟨{weight}, d{weight}⟩ = ⟨g, y⟩{shift}", whole, tuple(n for n in names if n != x)),
    )


def equal_shares(first: str, second: str) -> Law:
    """Return Euler's identity of a layer that knows two primals by their product alone."""

    def terms(p: Arrays, y: Any, g: Any, d: Arrays) -> Array:  # noqa: ARG001 - every law has this signature
        return _sum((p[first] * d[first]).ravel(), -(p[second] * d[second]).ravel())

    formula = f"⟨{first}, d{first}⟩ = ⟨{second}, d{second}⟩"
    return Law(f"euler-{first}-{second}", formula, terms, (first, second))


def homogeneous(x: str = "x", degree: int = 1) -> Law:
    """Return Euler's identity of a layer with ``f(t·x) = tⁿ·f(x)`` for t > 0, n being its degree."""

    def terms(p: Arrays, y: Any, g: Any, d: Arrays) -> Array:
        return _sum((p[x] * d[x]).ravel(), -degree * np.asarray(g * y).ravel())

    return Law(f"euler-{x}", f"⟨{x}, d{x}⟩ = {degree if degree > 1 else ''}⟨g, y⟩", terms, (x,))


def homogeneous_jointly(*names: str) -> Law:
    """Return Euler's identity of a layer with ``f(t·x, t·x2) = t·f(x, x2)`` for t > 0."""

    def terms(p: Arrays, y: Any, g: Any, d: Arrays) -> Array:
        return _sum(*((p[name] * d[name]).ravel() for name in names), -np.asarray(g * y).ravel())

    return Law("euler", f"{' + '.join(f'⟨{name}, d{name}⟩' for name in names)} = ⟨g, y⟩", terms, names)


def balanced(before: str, after: str) -> Law:
    """Return Euler's identity of two linear layers with nothing but ReLU and pooling between them.

    Both sides are ⟨h, dh⟩, for h the output of the one and for h the input of the other.
    """
    names, taken = (f"{before}.weight", f"{before}.bias"), f"{after}.weight"

    def terms(p: Arrays, y: Any, g: Any, d: Arrays) -> Array:  # noqa: ARG001 - every law has this signature
        return _sum(*((p[name] * d[name]).ravel() for name in names), -(p[taken] * d[taken]).ravel())

    formula = f"{' + '.join(f'⟨{name}, d{name}⟩' for name in names)} = ⟨{taken}, d{taken}⟩"
    return Law(f"balance-{before}-{after}", formula, terms, (*names, taken))


def linear_in_weight(config: Any) -> tuple[Law, ...]:
    """Return the laws of a layer with x, a weight and, where its config says so, a bias for each channel (axis 1)."""
    if not config.bias:
        return euler("weight", "x")
    return (*euler("weight", "x", "bias"), bias_is_summed("bias", 1))


def bias_is_summed(bias: str, *axes: int) -> Law:
    """Return the law of a bias that is added along axes of the output: its gradient sums g over all others."""

    def terms(p: Arrays, y: Any, g: Any, d: Arrays) -> Array:  # noqa: ARG001
        return np.concatenate([d[bias].reshape(-1, 1), -_by_entry(g, axes)], axis=1)

    return Law(f"sum-{bias}", f"d{bias} is g, summed over all axes but that of {bias}", terms, (bias,))


def linear_in_parameters(names: tuple[str, ...], *axes: int) -> Law:
    """Return Euler's identity, entry by entry, of parameters that lie along axes of the output: ``y = Σ p·∂y/∂p``."""

    def terms(p: Arrays, y: Any, g: Any, d: Arrays) -> Array:
        own = [(p[name] * d[name]).reshape(-1, 1) for name in names]
        return np.concatenate([*own, -_by_entry(g * y, axes)], axis=1)

    formula = f"{' + '.join(f'{name}·d{name}' for name in names)} = g·y, summed over all axes but theirs"
    return Law(f"euler-{names[0]}", formula, terms, names)


def _by_entry(array: Array, axes: tuple[int, ...]) -> Array:
    """Return a matrix with a row for each place along the axes."""
    front = np.moveaxis(array, axes, range(len(axes)))
    return front.reshape(int(np.prod(front.shape[: len(axes)])), -1)


def moves(x: str = "x") -> Law:
    """Return the law of a layer that only moves entries: its gradient holds the cotangent's."""

    def terms(p: Arrays, y: Any, g: Any, d: Arrays) -> Array:  # noqa: ARG001
        return np.stack([d[x].ravel(), -np.asarray(g).ravel()], axis=1)

    return Law(f"moves-{x}", f"d{x} is g in another shape", terms, (x,))


def joins(names: tuple[str, ...], axis: int) -> Law:
    """Return the law of a layer that joins its inputs along an axis: their gradients, so joined, are the cotangent."""

    def terms(p: Arrays, y: Any, g: Any, d: Arrays) -> Array:  # noqa: ARG001
        return np.stack([np.concatenate([d[name] for name in names], axis), -g], axis=-1)

    return Law("moves", f"{', '.join(f'd{name}' for name in names)}, joined along the axis, are g", terms, names)


def adds(x: str = "x", times: int = 1) -> Law:
    """Return the law of what is added to the output, so many times, wherever broadcasting repeats it to."""

    def terms(p: Arrays, y: Any, g: Any, d: Arrays) -> Array:  # noqa: ARG001
        return _sum(d[x].ravel(), -times * np.asarray(g).ravel())

    return Law(f"sum-{x}", f"Σ d{x} = {times if times > 1 else ''}Σ g", terms, (x,))


def shares_sum(counts: Array | None = None, x: str = "x") -> Law:
    """Return the law of pooling: in each sample and channel, dx sums up to what g gives away.

    Parameters
    ----------
    counts : ndarray, optional
        For every place of a map the share of g that entries of the input receive, where others fall into the padding.
    x : str
    """

    def terms(p: Arrays, y: Any, g: Any, d: Arrays) -> Array:  # noqa: ARG001
        maps = d[x].shape[:2]
        given = g if counts is None else g * counts
        return np.concatenate([d[x].reshape(*maps, -1), -given.reshape(*maps, -1)], axis=2)

    return Law(f"sum-{x}", f"Σ d{x} = Σ g (what falls into the padding left out), per sample and channel", terms, (x,))


def rows_sum_to_zero(axis: int, x: str = "x", over: str = "the classes of each sample") -> Law:
    """Return the law of a softmax along one axis: adding the same to all its logits changes nothing."""
    return sums_to_zero(lambda array: np.moveaxis(array, axis, -1), over, x)


def sums_to_zero(rows: Rows, over: str, x: str = "x") -> Law:
    """Return the law of a layer to which adding the same to all entries of a row of x changes nothing."""

    def terms(p: Arrays, y: Any, g: Any, d: Arrays) -> Array:  # noqa: ARG001
        return rows(d[x])

    return Law(f"zero-sum-{x}", f"Σ d{x} = 0 over {over}", terms, (x,))


def _sum(*parts: Array) -> Array:
    return np.concatenate(parts)
