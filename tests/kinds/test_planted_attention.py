"""Faults that backward passes of attention really have, planted into ours: all must be found."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

import gradcheck
from gradcheck.kinds.attention import INPUTS, AttentionConfig
from gradcheck.runs import Options, run
from reference_layers import softmax


@dataclass(frozen=True)
class Faulty:
    """The attention of a configuration with another backward: ``fault(config, q, k, v, mask, g)``."""

    config: AttentionConfig
    fault: Callable

    def forward(self, params, x, *mask):
        return self.config.layer.forward(params, x, *mask)[0], x

    def backward(self, params, cache, g):
        return self.fault(self.config, *cache, g), {}


def suite_of(fault):
    def build(config, primals):
        constants = () if config.mask is None else (config.mask,)
        return gradcheck.from_reference(Faulty(config, fault), primals, *constants, input_name=INPUTS)

    return gradcheck.suite("attention", build)


def scale_of(c):
    return c.scale[0] if c.scale else c.dim**-0.5


def weights_of(c, q, k, allowed):
    scores = np.where(allowed, scale_of(c) * q @ k.swapaxes(2, 3), -1e30)
    return np.where(allowed, softmax(scores), 0.0)


def repeated(c, array):
    return np.repeat(array, c.group, axis=1)


def summed(c, array):
    """Return the sum over the query heads of a group."""
    return array.reshape(c.batch, c.kv_heads, c.group, *array.shape[2:]).sum(axis=2)


def textbook(c, q, k, v, g, allowed=None, jacobian=None, scale=None, collect=summed, spread=repeated):
    """Return the gradients, in the words of a textbook, with one of its parts exchanged."""
    allowed = c.allowed if allowed is None else allowed
    scale = scale_of(c) if scale is None else scale
    k, v = spread(c, k), spread(c, v)
    p = weights_of(c, q, k, allowed)
    dp = g @ v.swapaxes(2, 3)
    ds = (jacobian or (lambda p, dp: p * (dp - (dp * p).sum(axis=3, keepdims=True))))(p, dp) * scale
    return ds @ k, collect(c, ds.swapaxes(2, 3) @ q), collect(c, p.swapaxes(2, 3) @ g)


def with_part(**parts):
    """Return a fault: ``part(config)`` stands for a part of the textbook's formulas."""
    return lambda c, q, k, v, g: textbook(c, q, k, v, g, **{name: part(c) for name, part in parts.items()})


def seen_from(offset):
    """Return what causal masks of another offset allow, beside the mask."""

    def allowed(c):
        if c.causal == "none":
            return c.allowed
        seen = np.tri(c.len_q, c.len_k, offset(c), dtype=bool)
        return np.broadcast_to(seen if c.mask is None else seen & c.mask, c.score_shape)

    return allowed


def unmasked(c):
    seen = replace(c, mask_shape=())
    return seen.allowed


def mask_inverted(c):
    return c.allowed if c.mask is None else replace(c, mask_shape=()).allowed & ~c.mask


def mask_of_first_sample(c):
    return np.broadcast_to(c.allowed[:1], c.score_shape)


def heads_by_remainder(c, array):
    """Return the sum over the query heads h with equal ``h % Hkv``."""
    return array.reshape(c.batch, c.group, c.kv_heads, *array.shape[2:]).sum(axis=1)


def part_of_group(pick):
    return lambda _: lambda c, array: pick(array.reshape(c.batch, c.kv_heads, c.group, *array.shape[2:]))


def queries_and_keys_exchanged(c, q, k, v, g):
    dq, dk, dv = textbook(c, q, k, v, g)
    return (dk, dq, dv) if dq.shape == dk.shape else (dq, dk, dv)


def keys_and_values_exchanged(c, q, k, v, g):
    dq, dk, dv = textbook(c, q, k, v, g)
    return (dq, dv, dk) if dv.shape == dk.shape else (dq, dk, dv)


def spoiled(name, change):
    """Return a fault of one gradient: ``change(config, gradient)``."""

    def fault(c, q, k, v, g):
        gradients = dict(zip(INPUTS, textbook(c, q, k, v, g), strict=True))
        return tuple((gradients | {name: change(c, gradients[name])}).values())

    return fault


def one_weight_for_all_without_a_key(c, q, k, v, g):
    """Let a query without a key attend to all of them alike, as a softmax of equal, low scores does."""
    nobody = ~c.allowed.any(axis=3, keepdims=True)
    dq, dk, dv = textbook(c, q, k, v, g)
    return dq, dk, dv + summed(c, np.broadcast_to(nobody / c.len_k, c.score_shape).swapaxes(2, 3) @ g)


def exponentials_unshifted(c, q, k, v, g):
    """Return gradients by exponentials of the scores themselves, where these do not overflow."""
    scores = scale_of(c) * q @ repeated(c, k).swapaxes(2, 3)
    shift = np.clip(scores.max(axis=3, keepdims=True), 0, 80)  # what a library would clip to
    parts = np.where(c.allowed, np.exp(np.clip(scores - shift, -700, 0)), 0.0)
    p = parts / np.maximum(parts.sum(axis=3, keepdims=True), 1e-300)
    dp = g @ repeated(c, v).swapaxes(2, 3)
    ds = p * (dp - (dp * p).sum(axis=3, keepdims=True)) * scale_of(c)
    return ds @ repeated(c, k), summed(c, ds.swapaxes(2, 3) @ q), summed(c, p.swapaxes(2, 3) @ g)


FAULTS = {
    "scale missing": with_part(scale=lambda _: 1.0),
    "scale missing in dq": spoiled("q", lambda c, d: d / scale_of(c)),
    "scale missing in dk": spoiled("k", lambda c, d: d / scale_of(c)),
    "scale twice": with_part(scale=lambda c: scale_of(c) ** 2),
    "scale by the width of v": with_part(scale=lambda c: scale_of(c) if c.scale else c.dim_v**-0.5),
    "own scale forgotten": with_part(scale=lambda c: c.dim**-0.5),
    "scale in dv": spoiled("v", lambda c, d: d * scale_of(c)),
    "softmax without row sum": with_part(jacobian=lambda _: lambda p, dp: p * dp),
    "diagonal of softmax": with_part(jacobian=lambda _: lambda p, dp: p * (1 - p) * dp),
    "row sum without weights": with_part(jacobian=lambda _: lambda p, dp: p * (dp - dp.sum(axis=3, keepdims=True))),
    "row sum over the queries": with_part(
        jacobian=lambda _: lambda p, dp: p * (dp - (dp * p).sum(axis=2, keepdims=True))
    ),
    "sign of the row sum": with_part(jacobian=lambda _: lambda p, dp: p * (dp + (dp * p).sum(axis=3, keepdims=True))),
    "weights twice": with_part(jacobian=lambda _: lambda p, dp: p * p * (dp - (dp * p).sum(axis=3, keepdims=True))),
    "mask missing": with_part(allowed=unmasked),
    "mask inverted": with_part(allowed=mask_inverted),
    "mask of the first sample": with_part(allowed=mask_of_first_sample),
    "causal missing": with_part(allowed=lambda c: replace(c, causal="none").allowed),
    "causal from the other corner": with_part(
        allowed=seen_from(lambda c: 0 if c.causal == "bottom-right" else c.len_k - c.len_q)
    ),
    "causal from the top left": with_part(allowed=seen_from(lambda _: 0)),
    "causal without the diagonal": with_part(
        allowed=seen_from(lambda c: (c.len_k - c.len_q if c.causal == "bottom-right" else 0) - 1)
    ),
    "causal one too far": with_part(
        allowed=seen_from(lambda c: (c.len_k - c.len_q if c.causal == "bottom-right" else 0) + 1)
    ),
    "first head of a group alone": with_part(collect=part_of_group(lambda heads: heads[:, :, 0])),
    "last head of a group alone": with_part(collect=part_of_group(lambda heads: heads[:, :, -1])),
    "mean over the group": with_part(collect=part_of_group(lambda heads: heads.mean(axis=2))),
    "groups by remainder": with_part(collect=lambda _: heads_by_remainder),
    "keys by remainder": with_part(spread=lambda _: lambda c, array: np.tile(array, (1, c.group, 1, 1))),
    "dk of one query head": spoiled("k", lambda c, d: d / c.group),
    "dv of one query head": spoiled("v", lambda c, d: d / c.group),
    "dq and dk exchanged": queries_and_keys_exchanged,
    "dk and dv exchanged": keys_and_values_exchanged,
    "a query without a key attends to all": one_weight_for_all_without_a_key,
    "scores clipped": exponentials_unshifted,
    "upstream ignored": lambda c, q, k, v, g: textbook(c, q, k, v, np.ones_like(g)),
    "first sample alone": spoiled("v", lambda _, d: np.concatenate([d[:1], 0 * d[1:]])),
}
#: Gradients that a fault leaves as they are.
RIGHT = {
    "scale missing in dq": "kv",
    "scale missing in dk": "qv",
    "scale in dv": "qk",
    "softmax without row sum": "v",
    "dk of one query head": "qv",
    "dv of one query head": "qk",
    "a query without a key attends to all": "qk",
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_corners_find_a_planted_fault(name):
    suite = suite_of(FAULTS[name])
    few = replace(suite, kind=replace(suite.kind, regimes=("normal", "integers", "large")))
    report = run([few], Options(examples=0))
    assert report.verdict == "failed", str(report)
    assert not {failure.primal for failure in report.failures} & {*RIGHT.get(name, "")}


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_drawn_cases_alone_find_a_planted_fault(name):
    suite = suite_of(FAULTS[name])
    assert gradcheck.check(replace(suite, kind=replace(suite.kind, corners=()))).verdict == "failed"


def test_without_a_fault_the_textbook_passes():
    report = run([suite_of(textbook)], Options())
    assert report.verdict == "passed", str(report)
