"""Faults that are in no catalogue: no cause is named, or a true one, and it is told where the error lives."""

import numpy as np
import pytest
from support.plain_layers import (
    affine,
    attention,
    conv,
    cross_entropy,
    edited_subject,
    gather,
    layer_norm,
    lstm_cell,
    perceptron,
)

import gradcheck
from gradcheck.kinds import find_kind
from gradcheck.mutants.generic import GENERIC
from gradcheck.mutants.mutant import planted
from gradcheck.runs import Options, explain_case
from gradcheck.runs.check_case import check_case
from gradcheck.suites.cases import corner_cases
from gradcheck.suites.suite import suite

#: Layer, what stands in its backward pass and what is written there instead, a primal whose gradient that spoils, and
#: what must be told of it.
UNEXPLAINED = {
    "+ for -": (perceptron, "1 - h**2", "1 + h**2", "w1", "the gradient of `w2` and `b2` is right"),
    "- dropped": (perceptron, "(1 - h**2)", "h**2", "x", "in every entry"),
    "power dropped": (perceptron, "1 - h**2", "1 - h", "b1", "in every entry"),
    "slope dropped": (perceptron, "dh * (1 - h**2)", "dh", "w1", "in every entry"),
    "slope dropped for one": (perceptron, "x.T @ dz", "x.T @ dh", "w1", "all other gradients are right"),
    "sign of an operand": (affine, "x.T @ g", "np.abs(x.T) @ g", "w", "the gradient of `x` and `b` is right"),
    "a constant more": (affine, "g @ w.T", "(g + 1) @ w.T", "x", "the gradient of `w` and `b` is right"),
    "= for +=, kernel": (conv, "dw += np", "dw = np", "w", "the gradient of `x` and `b` is right"),
    "mean term dropped": (layer_norm, "d - d.mean(axis=-1, keepdims=True) - hat", "d - hat", "x",
                          "what is added to it is the same along axis 2"),
    "mean term added": (layer_norm, "d - d.mean", "d + d.mean", "x", "what is added to it is the same along axis 2"),
    "deviation twice": (layer_norm, "dx = inv *", "dx = inv**2 *", "x", "multiplied by is the same along axis 2"),
    "deviation dropped": (layer_norm, "dx = inv *", "dx =", "x", "multiplied by is the same along axis 2"),
    "wrong operand": (layer_norm, "(g * hat).sum", "(g * x).sum", "gamma", "the gradient of `x` and `beta` is right"),
    "wrong axis": (attention, "da * a).sum(axis=1", "da * a).sum(axis=0", "q", "the gradient of `v` is right"),
    "- for + in a sum": (attention, "- (da", "+ (da", "k", "the gradient of `v` is right"),
    "factor dropped": (attention, "ds = a * (da", "ds = (da", "q", "the gradient of `v` is right"),
    "not normalised": (attention, "a.T @ g", "e.T @ g", "v", "the gradient of `q` and `k` is right"),
    "arguments swapped": (lstm_cell, "dc2 * n, dc2 * c,", "dc2 * c, dc2 * n,", "w", "indices 0 to 3 of 8 along axis 1"),
    "slope of one gate": (lstm_cell, "i * (1 - i)", "i * (1 + i)", "u", "at the indices 0 to 1 of 8 along axis 1"),
    "slope of the new cell": (lstm_cell, "dn * (1 - n**2)", "dn", "b", "at the indices 4 to 5 of 8 along axis 0"),
    "operand of one gate": (lstm_cell, "dh2 * t", "dh2 * n", "w", "at the indices 6 to 7 of 8 along axis 1"),
    "other gate": (lstm_cell, "dc = dc2 * f", "dc = dc2 * i", "c", "all other gradients are right"),
    "sign of a term": (cross_entropy, "s - onehot", "s + onehot", "x", "in 7 of 35 entries: [0, 0], [1, 1]"),
    "term dropped": (cross_entropy, "(s - onehot)", "s", "x", "in 7 of 35 entries: [0, 0], [1, 1]"),
}  # fmt: skip

#: Faults of which a cause is named that is true: the layer, the edit, the primal, and the cause.
NAMED = {
    "cache overwritten": (attention, "dv = a.T @ g", "dv = a.T @ g; a[0] = 0", "q", "sample-left-out"),
    "- for +=": (conv, "] += spread", "] -= spread", "x", "scale:-1"),
    "one window too few": (conv, "for j in range(ow)", "for j in range(ow - 1)", "w", "last-output-left-out"),
    "parameter dropped": (layer_norm, "d = g * gamma", "d = g", "x", "gamma-as-ones"),
    "root dropped": (attention, " / np.sqrt(q.shape[1])", "", "q", "scale:√q.shape[1]"),
    "output dropped": (lstm_cell, "dc2 = dc2 + dh2", "dc2 = dh2", "u", "output-1-left-out"),
    "mean dropped": (cross_entropy, " / len(x)", "", "x", "scale:N"),
    "other channels": (conv, "i, j], w)", "i, j], np.roll(w, 1, 0))", "x", "upstream-rolled:1:-1"),
    "one operand backwards": (perceptron, "h.T @ g", "h.T[:, ::-1] @ g", "w2", "upstream-flipped:0"),
    "index + 1": (conv, "i, j], window", "i - 1, j], window", "w", "upstream-rolled:2:+1"),
    "= for +=, input": (conv, "] += spread", "] = spread", "x", "last-contribution-alone"),
    "duplicates overwrite": (gather, "np.add.at(d, rows, g)", "d[rows] = g", "table", "last-contribution-alone"),
    "duplicates counted once": (gather, "np.add.at(d, rows, g)", "d[rows] += g", "table", "last-contribution-alone"),
}


def failure_of(report, primal):
    """Return the first failure that is about values of the gradient of a primal."""
    return next(one for one in report.failures if one.primal == primal and one.check not in ("alias", "mutates"))


@pytest.mark.parametrize("name", UNEXPLAINED)
def test_an_edited_layer_fails_and_it_is_told_where(name):
    layer, old, new, primal, words = UNEXPLAINED[name]
    failure = failure_of(gradcheck.check(edited_subject(layer, (old, new))), primal)
    assert failure.cause is None
    assert words in failure.explanation


@pytest.mark.parametrize("name", NAMED)
def test_an_edited_layer_gets_the_cause_that_is_true(name):
    layer, old, new, primal, slug = NAMED[name]
    assert failure_of(gradcheck.check(edited_subject(layer, (old, new))), primal).cause == slug


def mutant_called(kind, slug):
    return next(mutant for mutant in (*kind.mutants, *GENERIC) if mutant.slug == slug)


#: Kind, primal, and two mistakes that are made together.
TOGETHER = [
    ("conv2d", "x", "kernel-not-rotated", "border-dropped"),
    ("conv_transpose2d", "x", "last-window-dropped", "upstream-ignored"),
    ("affine", "x", "weight-as-ones", "upstream-sign"),
    ("embedding", "weight", "last-sample-only", "flipped-first"),
    ("embedding", "weight", "negative-as-0", "last-sample-alone"),
    ("add", "x", "first-entry-only", "upstream-sign"),
    ("concat", "x2", "offset-missing", "last-row-dropped"),
    ("relu", "x", "threshold-wrong", "last-column-dropped"),
    ("silu", "x", "input-factor-missing", "flipped-first"),
    ("gelu", "x", "derivative-squared", "sample-left-out"),
    ("batch_norm_eval", "beta", "beta-first-place-only", "last-column-dropped"),
    ("huber", "x", "sign-alone", "flipped-first"),
    ("gru", "x", "upstream-of-directions-exchanged", "final-state-left-out"),
    ("residual_block", "x", "last-mask-missing-in-both", "rolled-first"),
]


@pytest.mark.parametrize(("name", "primal", "first", "second"), TOGETHER)
def test_two_mutants_at_once_are_not_taken_for_another(name, primal, first, second):
    kind = find_kind(name)
    one, other = mutant_called(kind, first), mutant_called(kind, second)

    def build(config, primals):
        return planted(other, planted(one, kind.build(config, primals), config, primal), config, primal)

    wrong = suite(name, build)
    for case in corner_cases(wrong, 7):
        report = check_case(wrong, case, None, Options().settings)
        failures = [f for f in report.failures if f.primal == primal and f.check == "gradient"]
        if failures and np.prod(case.primals()[primal].shape) > 4:
            break
    failure = failure_of(explain_case(report, wrong, case, Options()), primal)
    assert failure.cause is None
    assert "the error lies" in failure.explanation


def test_the_nearest_case_that_is_right_is_told():
    kind = find_kind("conv2d")

    def build(config, primals):
        """Forget the stride, but only where there is padding."""
        right = kind.build(config, primals)
        if config.stride == (1, 1):
            return right
        return planted(mutant_called(kind, "upstream-sign"), planted(GENERIC[0], right, config, "x"), config, "x")

    wrong = suite("conv2d", build)
    case = next(one for one in corner_cases(wrong, 7) if one.config.stride == (2, 2))
    report = explain_case(check_case(wrong, case, None, Options().settings), wrong, case, Options())
    assert "with stride=(1, 1) it is right" in failure_of(report, "x").explanation
