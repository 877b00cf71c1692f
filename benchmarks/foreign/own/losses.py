"""Losses: of margins, of classes, of pairs; their targets are constants or primals."""

from __future__ import annotations

import numpy as np

from own.drawing import count, function, index, positive, real, sign
from own.elementwise import sigmoid
from own.reductions import log_sum_exp_of, over, softmax


@function(score=real("m n"), label=sign("m n"))
def hinge_sum(score, label):
    label = label.astype(score.dtype)
    return np.maximum(0, 1 - label * score).sum(), lambda g: {"score": -g * label * (label * score < 1)}


@function(score=real("m n"), label=sign("m n"))
def squared_hinge(score, label):
    label = label.astype(score.dtype)
    gap = np.maximum(0, 1 - label * score)
    return (gap**2).sum(), lambda g: {"score": -g * 2 * label * gap}


@function(score=real("m N"), label=index("m", below="N"))
def multiclass_hinge(score, label):
    rows = np.arange(len(score))
    gap = np.maximum(0, score - score[rows, label][:, None] + 1)
    gap[rows, label] = 0

    def pullback(g):
        gradient = g[:, None] * (gap > 0)
        gradient[rows, label] = -gradient.sum(axis=1)
        return {"score": gradient}

    return gap.sum(axis=1), pullback


@function(score=real("m n"), label=sign("m n"))
def logistic_loss(score, label):
    label = label.astype(score.dtype)
    margin = label * score
    return np.logaddexp(0, -margin).astype(score.dtype), lambda g: {"score": -g * label * sigmoid(-margin)}


@function(prediction=real("m n"), target=real("m n"))
def huber_loss(prediction, target):
    gap = prediction - target
    size = np.abs(gap)
    y = np.where(size <= 1, gap * gap / 2, size - 0.5).astype(gap.dtype)

    def pullback(g):
        slope = g * np.clip(gap, -1, 1)
        return {"prediction": slope, "target": -slope}

    return y, pullback


@function(prediction=real("m n"), target=real("m n"))
def pinball_loss(prediction, target):
    gap = target - prediction
    slope = np.where(gap > 0, 0.3, -0.7).astype(gap.dtype)

    def pullback(g):
        return {"prediction": -g * slope, "target": g * slope}

    return gap * slope, pullback


@function(prediction=real("m n"), target=real("m n"))
def squared_error_mean(prediction, target):
    gap = prediction - target

    def pullback(g):
        slope = g * 2 * gap / gap.size
        return {"prediction": slope, "target": -slope}

    return (gap * gap).mean(), pullback


@function(prediction=positive("m n", least=1e-2), target=positive("m n", least=1e-2), accumulates_in="float64")
def squared_logarithmic_error(prediction, target):
    gap = np.log1p(prediction) - np.log1p(target)
    return (gap * gap).sum(), lambda g: {
        "prediction": g * 2 * gap / (1 + prediction),
        "target": -g * 2 * gap / (1 + target),
    }


@function(p=positive("n", least=1e-2, limit=1), q=positive("n", least=1e-2, limit=1))
def soft_dice(p, q):
    both, total = (p * q).sum(), (p + q).sum()
    y = 1 - 2 * both / total

    def pullback(g):
        share = 2 * both / total**2
        return {"p": g * (share - 2 * q / total), "q": g * (share - 2 * p / total)}

    return y, pullback


@function(a=real("m d", limit=3), b=real("m d", limit=3), accumulates_in="float64")
def contrastive_cross_entropy(a, b):
    """Cross-entropy of the similarities of all pairs, of which the pairs of one row belong together."""
    scores = a @ b.T
    share = softmax(scores)

    def pullback(g):
        flow = g[:, None] * (share - np.eye(len(a), dtype=a.dtype))
        return {"a": flow @ b, "b": flow.T @ a}

    return log_sum_exp_of(scores) - np.diagonal(scores), pullback


@function(anchor=real("m d"), near=real("m d"), far=real("m d"), accumulates_in="float64")
def triplet_margin(anchor, near, far):
    to_near, to_far = anchor - near, anchor - far
    length_near = np.sqrt((to_near**2).sum(axis=1, keepdims=True))
    length_far = np.sqrt((to_far**2).sum(axis=1, keepdims=True))
    gap = (length_near - length_far)[:, 0] + 1

    def pullback(g):
        active = (g * (gap > 0))[:, None]
        pull, push = active * over(to_near, length_near), active * over(to_far, length_far)
        return {"anchor": pull - push, "near": -pull, "far": push}

    return np.maximum(gap, 0), pullback


@function(score=real("m n", limit=20), label=count("m n"))
def focal_loss(score, label):
    """−(1 − p)² log p of the label's probability p = sigmoid(±score)."""
    signs = (2 * (label % 2) - 1).astype(score.dtype)
    margin = signs * score
    log_p = -np.logaddexp(0, -margin).astype(score.dtype)
    p, rest = sigmoid(margin), sigmoid(-margin)
    return -(rest**2) * log_p, lambda g: {"score": g * signs * rest**2 * (2 * p * log_p - rest)}


@function(score=real("m n"))
def margin_ranking_of_neighbours(score):
    """Every row's score should exceed that of the row before by 0.5."""
    gap = 0.5 - np.diff(score, axis=0)

    def pullback(g):
        flow = g * (gap > 0)
        gradient = np.zeros_like(score)
        gradient[1:] -= flow
        gradient[:-1] += flow
        return {"score": gradient}

    return (np.maximum(gap, 0)).sum(), pullback


@function(p=real("m n", limit=20), q=real("m n", limit=20), accumulates_in="float64")
def jensen_shannon(p, q):
    """Divergence of two softmaxes from their mean."""
    a, b = softmax(p), softmax(q)
    log_a, log_b = p - log_sum_exp_of(p)[:, None], q - log_sum_exp_of(q)[:, None]
    log_mean = np.logaddexp(log_a, log_b) - np.log(np.asarray(2, p.dtype))
    first, second = log_a - log_mean, log_b - log_mean
    y = ((a * first).sum(axis=1) + (b * second).sum(axis=1)) / 2

    def pullback(g):
        weight = g[:, None] / 2
        return {
            "p": weight * a * (first - (a * first).sum(axis=1, keepdims=True)),
            "q": weight * b * (second - (b * second).sum(axis=1, keepdims=True)),
        }

    return y, pullback
