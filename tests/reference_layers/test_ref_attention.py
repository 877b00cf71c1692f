"""Attention: loops by the definition, answers by hand, large scores, empty batches, refusals."""

import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck.kinds import KINDS
from reference_layers import ScaledDotProductAttention, ShapeError

configs = st.one_of(st.sampled_from(KINDS["attention"].corners), KINDS["attention"].configs())


def attend(q, k, v, scale, allowed):
    """Return weights and output of one query."""
    scores = [scale * sum(a * b for a, b in zip(q, key, strict=True)) for key in k]
    largest = max((score for score, may in zip(scores, allowed, strict=True) if may), default=0.0)
    parts = [math.exp(score - largest) if may else 0.0 for score, may in zip(scores, allowed, strict=True)]
    weights = [part / (sum(parts) or 1.0) for part in parts]
    return weights, sum((w * value for w, value in zip(weights, v, strict=True)), np.zeros(v.shape[1]))


def by_loops(config, primals, g):
    """Return output and gradients by the definition, one query at a time."""
    q, k, v = (primals[name] for name in "qkv")
    scale = config.scale[0] if config.scale else 1 / math.sqrt(config.dim)
    mask = np.broadcast_to(True if config.mask is None else config.mask, config.score_shape)
    y = np.zeros(g.shape)
    due = {name: np.zeros(array.shape) for name, array in primals.items()}
    for n, h, i in np.ndindex(*config.score_shape[:3]):
        own = n, h // config.group
        allowed = [bool(mask[n, h, i, j]) and sees(config, i, j) for j in range(config.len_k)]
        weights, y[n, h, i] = attend(q[n, h, i], k[own], v[own], scale, allowed)
        for a in range(config.len_k):
            due["v"][own][a] += weights[a] * g[n, h, i]
            for b in range(config.len_k):  # ∂P_a/∂S_b = P_a (δ_ab − P_b)
                slope = (g[n, h, i] @ v[own][a]) * weights[a] * ((a == b) - weights[b]) * scale
                due["q"][n, h, i] += slope * k[own][b]
                due["k"][own][b] += slope * q[n, h, i]
    return y, due


def sees(config, i, j):
    if config.causal == "top-left":
        return j <= i
    return config.causal == "none" or config.len_k - 1 - j >= config.len_q - 1 - i


@settings(max_examples=40)
@given(configs, st.integers(0, 99))
def test_attention_is_its_definition(config, seed):
    primals = KINDS["attention"].primals(config, np.random.default_rng(seed), "normal")
    given_mask = () if config.mask is None else (config.mask,)
    y, cache = config.layer.forward({}, tuple(primals[name] for name in "qkv"), *given_mask)
    g = np.random.default_rng(seed + 1).standard_normal(y.shape)
    gradients, no_params = config.layer.backward({}, cache, g)
    due_y, due = by_loops(config, primals, g)
    assert no_params == {}
    assert y == pytest.approx(due_y, abs=1e-12)
    for name, gradient in zip("qkv", gradients, strict=True):
        assert gradient == pytest.approx(due[name], abs=1e-12), name


@given(configs)
def test_what_may_attend_is_what_the_kind_says(config):
    """The conditions of the kind count what the layer does."""
    mask = np.broadcast_to(True if config.mask is None else config.mask, config.score_shape)
    due = [bool(mask[n, h, i, j]) and sees(config, i, j) for n, h, i, j in np.ndindex(*config.score_shape)]
    assert config.allowed.ravel().tolist() == due


def heads_of(*rows):
    """Return rows as an array of one sample and one head."""
    return np.array(rows, dtype=float)[None, None]


def test_scores_that_are_logarithms_give_their_quotients_as_weights():
    q, k = heads_of([1.0]), heads_of([math.log(3)], [0.0])
    layer = ScaledDotProductAttention(scale=1.0)
    y, cache = layer.forward({}, (q, k, heads_of([4.0], [8.0])))
    assert y.ravel() == pytest.approx([3 / 4 * 4 + 1 / 4 * 8])
    (dq, dk, dv), _ = layer.backward({}, cache, heads_of([1.0]))
    assert dv.ravel() == pytest.approx([3 / 4, 1 / 4])
    slope = 3 / 4 * 1 / 4 * (4 - 8)  # of the output, by the first score
    assert dk.ravel() == pytest.approx([slope, -slope])
    assert dq.ravel() == pytest.approx([slope * math.log(3)])


@pytest.mark.parametrize(
    ("causal", "seen"),
    [
        ("none", [[1, 1, 1], [1, 1, 1]]),
        ("top-left", [[1, 0, 0], [1, 1, 0]]),
        ("bottom-right", [[1, 1, 0], [1, 1, 1]]),
    ],
)
def test_the_two_causal_masks_differ_where_lengths_do(causal, seen):
    q, k, v = np.zeros((1, 1, 2, 1)), np.zeros((1, 1, 3, 1)), np.eye(3)[None, None]
    y, _ = ScaledDotProductAttention(causal).forward({}, (q, k, v))
    seen = np.array(seen)
    assert y[0, 0] == pytest.approx(seen / seen.sum(axis=1, keepdims=True))


def test_for_equal_lengths_the_two_causal_masks_are_one(rng):
    x = tuple(rng.standard_normal((3, 2, 4, 5)) for _ in range(3))
    first, second = (ScaledDotProductAttention(causal).forward({}, x)[0] for causal in ("top-left", "bottom-right"))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("layer", [ScaledDotProductAttention("bottom-right"), ScaledDotProductAttention()])
def test_a_query_without_a_key_has_output_and_gradients_of_zero(layer, rng):
    q, k, v = (rng.standard_normal((2, 1, length, 3)) for length in (5, 3, 3))
    mask = np.arange(5)[:, None] >= np.array([2, 2, 2])
    y, cache = layer.forward({}, (q, k, v), mask)
    g = rng.standard_normal(y.shape)
    alone = g * np.array([1.0, 1.0, 0.0, 0.0, 0.0])[:, None]  # the cotangent of the queries that have no key
    gradients, _ = layer.backward({}, cache, g)
    assert not y[:, :, :2].any()
    assert y[:, :, 2:].all()
    assert not gradients[0][:, :, :2].any()
    assert not any(gradient.any() for gradient in layer.backward({}, cache, alone)[0])


def test_query_heads_of_a_group_share_a_head_of_keys(rng):
    """Repeating the heads of k and v gives the same, and the gradients of a group's heads add up."""
    q, k, v = (rng.standard_normal((3, heads, 4, 2)) for heads in (6, 2, 2))
    layer = ScaledDotProductAttention()
    y, cache = layer.forward({}, (q, k, v))
    repeated, own_cache = layer.forward({}, (q, np.repeat(k, 3, axis=1), np.repeat(v, 3, axis=1)))
    g = rng.standard_normal(y.shape)
    gradients, own = layer.backward({}, cache, g)[0], layer.backward({}, own_cache, g)[0]
    assert y == pytest.approx(repeated)
    assert gradients[0] == pytest.approx(own[0])
    for gradient, each in zip(gradients[1:], own[1:], strict=True):
        assert gradient == pytest.approx(each.reshape(3, 2, 3, 4, 2).sum(axis=2))


def test_attending_to_one_key_gives_its_value_and_no_gradient_of_scores(rng):
    q, k, v = (rng.standard_normal((3, 2, length, 4)) for length in (5, 1, 1))
    y, cache = ScaledDotProductAttention().forward({}, (q, k, v))
    np.testing.assert_array_equal(y, np.broadcast_to(v, y.shape))
    (dq, dk, dv), _ = ScaledDotProductAttention().backward({}, cache, np.ones_like(y))
    assert not dq.any()
    assert not dk.any()
    np.testing.assert_array_equal(dv, np.full(v.shape, 5.0))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_large_scores_neither_overflow_nor_leave_the_largest(dtype):
    q = np.full((1, 1, 1, 4), 200, dtype)
    k = np.stack([np.full(4, 250), np.full(4, 200), np.full(4, -250)])[None, None].astype(dtype)
    v = np.array([1, 2, 3], dtype)[None, None, :, None]
    y, cache = ScaledDotProductAttention().forward({}, (q, k, v))
    (dq, dk, dv), _ = ScaledDotProductAttention().backward({}, cache, np.ones_like(y))
    assert y.tolist() == [[[[1.0]]]]
    assert dv.ravel().tolist() == [1.0, 0.0, 0.0]
    assert not dq.any()
    assert not dk.any()


def test_values_with_a_large_mean_do_not_drown_small_weights():
    """Where a weight is nearly 1, its gradient is a difference of nearly equal numbers."""
    q, k = heads_of([1.0]), heads_of([0.0], [-30.0])
    layer = ScaledDotProductAttention(scale=1.0)
    _, cache = layer.forward({}, (q, k, heads_of([1000.5], [1000.3])))
    dk = layer.backward({}, cache, heads_of([1.0]))[0][1].ravel()
    small = math.exp(-30) / (1 + math.exp(-30))
    assert dk == pytest.approx(small * (1 - small) * np.array([0.2, -0.2]), rel=1e-9)


@pytest.mark.parametrize("lengths", [(0, 3, 4), (3, 0, 4), (3, 4, 0)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_batches_queries_and_keys_may_be_none(lengths, dtype):
    batch, queries, keys = lengths
    x = tuple(np.ones((batch, heads, length, 2), dtype) for heads, length in ((4, queries), (2, keys), (2, keys)))
    layer = ScaledDotProductAttention("bottom-right", 2.0)
    y, cache = layer.forward({}, x, np.ones((queries, keys), bool))
    gradients, _ = layer.backward({}, cache, np.ones_like(y))
    assert [array.shape for array in (y, *gradients)] == [x[0].shape, *(array.shape for array in x)]
    assert {array.dtype for array in (y, *gradients)} == {np.dtype(dtype)}
    assert not any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"causal": True}, "'top-left' (as is_causal of torch) or 'bottom-right', got causal=True"),
        ({"causal": "top_left"}, "got causal='top_left'"),
        ({"scale": math.nan}, "scale=nan"),
        ({"scale": "1"}, "scale='1'"),
    ],
)
def test_impossible_options_are_refused(options, sentence):
    with pytest.raises(ValueError, match=re.escape(sentence)):
        ScaledDotProductAttention(**options)


@pytest.mark.parametrize(
    ("shapes", "sentence"),
    [
        (((3, 4, 2), (3, 2, 4, 2), (3, 2, 4, 2)), "expected q of shape (N, Hq, Lq, D), got shape=(3, 4, 2)"),
        (((3, 2, 4, 2), (3, 2, 4, 5), (3, 2, 4, 2)), "expected k of shape (3, Hkv, Lk, 2), got shape=(3, 2, 4, 5)"),
        (((3, 2, 4, 2), (1, 2, 4, 2), (3, 2, 4, 2)), "expected k of shape (3, Hkv, Lk, 2), got shape=(1, 2, 4, 2)"),
        (((3, 2, 4, 2), (3, 2, 5, 2), (3, 2, 4, 2)), "expected v of shape (3, 2, 5, Dv), got shape=(3, 2, 4, 2)"),
        (((3, 3, 4, 2), (3, 2, 4, 2), (3, 2, 4, 2)), "multiple of those of k and v, got Hq=3 and Hkv=2"),
        (((3, 2, 4, 2), (3, 0, 4, 2), (3, 0, 4, 2)), "got Hq=2 and Hkv=0"),
        (((3, 0, 4, 2), (3, 2, 4, 2), (3, 2, 4, 2)), "got Hq=0 and Hkv=2"),
        (((3, 2, 4, 0), (3, 2, 4, 0), (3, 2, 4, 2)), "at least one feature, got shapes=((3, 2, 4, 0), (3, 2, 4, 0))"),
    ],
)
def test_inputs_that_do_not_fit_together_are_refused(shapes, sentence):
    with pytest.raises(ShapeError, match=re.escape(sentence)):
        ScaledDotProductAttention().forward({}, tuple(map(np.zeros, shapes)))


def test_masks_that_do_not_fit_are_refused(rng):
    x = tuple(rng.standard_normal((3, 2, length, 2)) for length in (4, 5, 5))
    with pytest.raises(ShapeError, match=re.escape("(N, Hq, Lq, Lk) = (3, 2, 4, 5), got shape=(5, 4)")):
        ScaledDotProductAttention().forward({}, x, np.ones((5, 4), bool))
    with pytest.raises(ValueError, match=re.escape("dtype bool, True where a query may attend, got dtype=float64")):
        ScaledDotProductAttention().forward({}, x, np.zeros((4, 5)))


def test_a_cotangent_of_another_shape_is_refused(rng):
    x = tuple(rng.standard_normal((3, 2, 4, width)) for width in (2, 2, 5))
    _, cache = ScaledDotProductAttention().forward({}, x)
    with pytest.raises(ShapeError, match=re.escape("grad_output of shape (3, 2, 4, 5), got shape=(3, 2, 4, 2)")):
        ScaledDotProductAttention().backward({}, cache, np.zeros((3, 2, 4, 2)))
