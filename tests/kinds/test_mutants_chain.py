"""The mistakes of chains and of residual blocks: what is written out is right as long as no layer is replaced."""

from functools import cache

import numpy as np
import pytest

from gradcheck.kinds import KINDS
from gradcheck.mutants.by_kind.chain_mutants import chained
from gradcheck.mutants.by_kind.residual_mutants import blocked
from gradcheck.mutants.mutant import Question
from gradcheck.suites.cases import corner_cases
from gradcheck.suites.suite import suite

UNALTERED = {
    "sequential": chained(lambda config: (config.chain, ()))({}),
    "five_layer_cnn": chained(lambda config: (config.network.layers, (np.array(config.targets),)))({}),
    "residual_block": blocked(),
}


@cache
def corners(name):
    """Return the questions of all corners, of ordinary values."""
    asked = []
    for case in corner_cases(suite(name), 0):
        if case.regime == "normal":
            subject = suite(name).subject(case)
            outputs, pullback = subject.vjp(subject.primals)
            g = np.random.default_rng(case.seed).standard_normal(outputs.shape)
            asked.append(Question(case.config, subject.primals, outputs, g, dict(pullback(g)), subject.vjp))
    return asked


@pytest.mark.parametrize("name", UNALTERED)
def test_what_is_written_out_is_right_as_long_as_nothing_is_replaced(name):
    for question in corners(name):
        found = UNALTERED[name](question)
        assert found.keys() == question.gradients.keys()
        for primal, gradient in found.items():
            np.testing.assert_array_equal(gradient, question.gradients[primal])


@pytest.mark.parametrize(("name", "slug"), [(name, m.slug) for name in UNALTERED for m in KINDS[name].mutants])
def test_every_mutant_changes_a_gradient(name, slug):
    (mutant,) = (mutant for mutant in KINDS[name].mutants if mutant.slug == slug)
    assert any(
        np.abs(array - question.gradients[primal]).max() > 1e-6 * np.abs(question.gradients[primal]).max()
        for question in corners(name)
        for primal, array in mutant.gradients(question).items()
    )


def test_a_layer_shows_in_what_comes_before_it_alone():
    """A layer that passes the gradient on wrongly leaves its own parameters right, and those of later layers."""
    wrong = {mutant.slug: mutant for mutant in KINDS["five_layer_cnn"].mutants}["relu3-passed-by"]
    question = corners("five_layer_cnn")[0]
    same = {
        name for name, array in wrong.gradients(question).items() if np.array_equal(array, question.gradients[name])
    }
    assert same == {"o5.weight", "o5.bias"}
