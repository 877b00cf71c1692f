"""Every known mistake, planted into the reference layer of its kind, is caught; what is none is argued."""

import re

import numpy as np
import pytest

from gradcheck.checks.stages import Settings
from gradcheck.kinds import KINDS, find_kind
from gradcheck.mutants.by_kind import convolution_mutants, normalization_mutants, pooling_mutants
from gradcheck.mutants.call_mutants import CALL_MUTANTS, CORE_CALL_MUTANTS
from gradcheck.mutants.generic import CORE_MUTANTS, GENERIC
from gradcheck.mutants.mutant import Mutant, Question, planted
from gradcheck.mutants.self_test import prove_kind
from gradcheck.runs.check_case import check_case
from gradcheck.suites.cases import corner_cases
from gradcheck.suites.suite import suite

#: Of every family one kind, for a short run; all of them are proven by the slow one.
SAMPLE = (
    "conv1d",
    "max_pool1d",
    "affine",
    "softmax_cross_entropy",
    "layer_norm",
    "gelu",
    "embedding",
    "multiply",
    "huber",
)


def slugs(proof, outcome):
    return {result.slug for result in proof.results if result.outcome == outcome}


@pytest.mark.parametrize("name", SAMPLE)
def test_every_mutant_is_caught(name):
    proof = prove_kind(find_kind(name), examples=0)
    assert proof.survivors == ()
    assert proof.count("caught") > 30
    own = {mutant.slug for mutant in KINDS[name].mutants}
    assert own & slugs(proof, "caught")


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
def test_every_mutant_of_every_kind_is_caught(name):
    proof = prove_kind(find_kind(name))
    assert proof.survivors == ()


def test_conventions_and_equivalents_are_argued():
    pool, relu, mean = (prove_kind(find_kind(name), examples=0) for name in ("max_pool2d", "relu", "avg_pool1d"))
    assert slugs(pool, "convention") == {"ties-split", "last-tie-wins"}
    assert slugs(relu, "convention") == {"slope-1-at-zero"}
    assert "mask-from-output" in slugs(relu, "equivalent")
    assert slugs(mean, "equivalent") == {"last-cache", "stale-cache"}
    assert all(result.argument for result in (*pool.argued, *relu.argued, *mean.argued))


def test_a_survivor_is_told():
    """What is called a mistake, and is none, survives: a proof that cannot fail would prove nothing."""
    slight = Mutant("slight", "a billionth too large", lambda q: {"x": q.gradients["x"] * (1 + 2e-9)})
    kind = find_kind("tanh")
    altered = type(kind)(**{**vars(kind), "mutants": (slight,)})
    proof = prove_kind(altered, examples=0)
    assert [result.slug for result in proof.survivors] == ["slight"]
    assert proof.survivors[0].tried > 10


def test_the_baseline_misses_what_shows_between_calls():
    proof = prove_kind(find_kind("affine"), examples=0, baseline=True)
    missed = {result.slug for result in proof.results if result.outcome == "caught" and not result.by_baseline}
    assert {"last-cache", "stale-cache", "same-buffer", "one-entry-slightly"} <= missed
    assert "weight-not-transposed" not in missed
    assert proof.rejected == 0


@pytest.mark.parametrize("name", KINDS)
def test_slugs_are_unique_and_sentences_plain(name):
    mutants = KINDS[name].mutants
    assert len({mutant.slug for mutant in mutants}) == len(mutants)
    assert not {mutant.slug for mutant in mutants} & {mutant.slug for mutant in (*GENERIC, *CALL_MUTANTS)}
    for mutant in mutants:
        assert re.fullmatch(r"[a-z0-9-]+|scale:\S+", mutant.slug), mutant.slug
        assert mutant.sentence
        assert not mutant.sentence.endswith(".")


def questions(name):
    """Yield the question of every corner, and what the layer answers."""
    for case in corner_cases(suite(name), 0):
        subject = suite(name).subject(case)
        outputs, pullback = subject.vjp(subject.primals)
        g = np.random.default_rng(case.seed).standard_normal(outputs.shape)
        right = pullback(g)
        yield Question(case.config, subject.primals, outputs, g, right, subject.vjp)


#: For each kind with formulas of its own for wrong gradients: what they give where nothing is wrong.
UNALTERED = {
    "conv1d": lambda q: convolution_mutants._pulled(lambda axes: axes, q),
    "conv2d": lambda q: convolution_mutants._pulled(lambda axes: axes, q),
    "conv3d": lambda q: convolution_mutants._pulled(lambda axes: axes, q),
    "true_conv2d": lambda q: convolution_mutants._true_pulled(lambda axes: axes, q),
    "conv_transpose2d": lambda q: convolution_mutants._transposed_pulled(lambda axes: axes, q),
    "max_pool2d": lambda q: pooling_mutants._max_pulled(lambda axes: axes, q),
    "max_pool1d": lambda q: pooling_mutants._max_pulled(lambda axes: axes, q),
    "avg_pool2d": lambda q: pooling_mutants._mean_pulled(lambda axes: axes, q),
    "avg_pool1d": lambda q: pooling_mutants._mean_pulled(lambda axes: axes, q),
    "layer_norm": normalization_mutants._input(normalization_mutants._trailing, normalization_mutants._right),
    "batch_norm": normalization_mutants._input(normalization_mutants._per_channel, normalization_mutants._right),
    "group_norm": normalization_mutants._input(normalization_mutants._per_group, normalization_mutants._right),
    "instance_norm": normalization_mutants._input(normalization_mutants._per_instance, normalization_mutants._right),
    "rms_norm": normalization_mutants._input(
        normalization_mutants._trailing, normalization_mutants._right_rms, centred=False
    ),
    "local_response_norm": normalization_mutants._response(),
}


@pytest.mark.parametrize("name", UNALTERED)
def test_what_is_altered_is_right_as_long_as_nothing_is(name):
    """A mistake must differ from the right gradient by itself alone, not by a slip in how it was planted."""
    for question in questions(name):
        if np.abs(question.primals["x"]).max() > 100:
            continue  # formulas of means lose their digits far from zero
        for primal, gradient in UNALTERED[name](question).items():
            np.testing.assert_allclose(gradient, question.gradients[primal], rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ["batch_norm", "batch_norm_eval", "group_norm", "instance_norm"])
def test_gamma_can_lose_all_places_but_the_first(name):
    (mutant,) = (mutant for mutant in KINDS[name].mutants if mutant.slug == "gamma-first-place-only")
    for q in questions(name):
        if "gamma" in q.primals and np.abs(q.primals["gamma"]).min() > 0:
            gamma, beta = (q.primals[k].reshape(1, -1, *(1,) * (q.outputs.ndim - 2)) for k in ("gamma", "beta"))
            first = (..., *(0,) * (q.outputs.ndim - 2))
            due = (q.cotangent * (q.outputs - beta) / gamma)[first].sum(axis=0)
            np.testing.assert_allclose(mutant.gradients(q)["gamma"], due, rtol=1e-6, atol=1e-9)


def test_a_planted_subject_is_right_where_the_mutant_does_not_apply():
    nowhere = Mutant("nowhere", "wrong nowhere", lambda q: {"x": 2 * q.gradients["x"]}, lambda config, primals: False)
    case = next(corner_cases(suite("affine"), 0))
    subject = suite("affine").subject(case)
    spoiled = suite("affine", lambda config, primals: planted(nowhere, subject, config))
    assert check_case(spoiled, case, None, Settings()).verdict == "passed"


def test_canaries_are_among_the_mutants():
    assert {mutant.slug for mutant in CORE_MUTANTS} <= {mutant.slug for mutant in GENERIC}
    assert len({*(m.slug for m in CORE_MUTANTS), *(f.slug for f in CORE_CALL_MUTANTS)}) == len(CORE_MUTANTS) + len(
        CORE_CALL_MUTANTS
    )
