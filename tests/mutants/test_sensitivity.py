"""Mistakes planted into a person's own layer: what its cases would have shown, and what they would not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stateful import Linear, subject

import gradcheck
from gradcheck.checks.stages import Settings
from gradcheck.mutants.call_mutants import CALL_MUTANTS, CORE_CALL_MUTANTS
from gradcheck.mutants.generic import CORE_MUTANTS
from gradcheck.mutants.mutant import Mutant, planted
from gradcheck.mutants.sensitivity import try_core_mutants
from gradcheck.runs import Options, run

ACCUMULATES = gradcheck.Trait("accumulates", ("w", "b"))
OVERWRITES = gradcheck.Trait("overwrites", ("w", "b"))
SLUGS = {mutant.slug for mutant in (*CORE_MUTANTS, *CORE_CALL_MUTANTS)}
UNCHANGED = Mutant("unchanged", "nothing is wrong", lambda question: question.gradients)
SLIGHT = Mutant("slight", "x is a billionth too large", lambda q: {"x": q.gradients["x"] * (1 + 1e-9)})


class Overwriting(Linear):
    def add(self, dw, db):
        self.dw[...], self.db[...] = dw, db


def linear(seed=0, layer=Linear, trait=ACCUMULATES):
    rng = np.random.default_rng(seed)
    primals = {"x": rng.standard_normal((5, 4)), "w": rng.standard_normal((3, 4)), "b": rng.standard_normal(3)}
    return subject(layer(4, 3), primals, trait)


def square(primals):
    x = primals["x"]
    return x**2, lambda cotangent: {"x": 2 * x * cotangent}


def squared(**options):
    return gradcheck.Subject("square", {"x": np.linspace(-2, 2, 12).reshape(3, 4)}, square, **options)


def sine(primals):
    x = primals["x"]
    return np.sin(x), lambda cotangent: {"x": np.cos(x) * cotangent}


def verified(*items, **options):
    return run(items, Options(examples=2, self_test=True, settings=Settings(**options))).subjects[0]


@pytest.mark.parametrize(("layer", "trait"), [(Linear, ACCUMULATES), (Overwriting, OVERWRITES)])
def test_planting_itself_is_no_mutant_where_arrays_are_kept(layer, trait):
    assert gradcheck.check(planted(UNCHANGED, linear(0, layer, trait))).passed


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), shape=st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_planting_itself_is_no_mutant(seed, shape):
    x = np.random.default_rng(seed).standard_normal(shape)
    right = gradcheck.Subject("square", {"x": x}, square)
    assert gradcheck.check(planted(UNCHANGED, right), seed=seed).failures == ()


@pytest.mark.parametrize("seed", range(3))
def test_all_canaries_are_caught_in_a_plain_subject(seed):
    found = try_core_mutants([(linear(seed), seed)], Settings())
    assert found.outcomes.keys() == SLUGS
    assert "survived" not in found.outcomes.values()
    assert found.outcomes["same-buffer"] == "not applicable"  # the subject declares to keep its arrays
    assert found.outcomes["last-cache"] == "caught"
    assert found.notes == []


@pytest.mark.parametrize(
    "call_mutant",
    [call_mutant for call_mutant in CALL_MUTANTS if call_mutant.accumulates],
    ids=lambda call_mutant: call_mutant.slug,
)
def test_mutants_of_adding_up_are_caught(call_mutant):
    assert call_mutant.applies(linear())
    assert not call_mutant.applies(squared())
    assert gradcheck.check(call_mutant.plant(linear())).verdict == "failed"


def test_a_run_tells_of_its_canaries():
    report = verified(squared())
    assert (report.verdict, set(report.canaries)) == ("passed", SLUGS)
    assert set(report.canaries.values()) == {"caught", "not applicable"}
    assert report.canaries["exchanged"] == "not applicable"  # one primal has nobody to exchange with


def test_a_run_without_them_tells_nothing():
    assert run([squared()], Options()).subjects[0].canaries == {}


@pytest.mark.parametrize(
    "kind", ["conv2d", "max_pool2d", "avg_pool2d", "softmax", "batch_norm", "attention", "reshape"]
)
def test_no_canary_survives_a_suite(kind):
    report = verified(gradcheck.suite(kind))
    assert report.verdict == "passed", report.notes
    assert list(report.canaries.values()).count("caught") >= 7


SMOOTH = [gradcheck.Subject("sine", {"x": np.linspace(-2, 2, 12)}, sine), gradcheck.suite("tanh")]


@pytest.mark.parametrize("item", SMOOTH, ids=["subject", "suite"])
def test_a_survivor_makes_a_run_inconclusive(item, monkeypatch):
    monkeypatch.setattr("gradcheck.mutants.sensitivity.CORE_MUTANTS", (*CORE_MUTANTS, SLIGHT))
    report = verified(item)
    assert report.verdict == "inconclusive"
    assert report.canaries["slight"] == "survived"
    (note,) = [note for note in report.notes if "the mutant" in note]
    assert "'slight'" in note
    assert "for 'x'" in note
    assert "x is a billionth too large" in note


def test_what_fails_has_no_canaries():
    wrong = gradcheck.Subject("wrong", {"x": np.ones(3)}, lambda p: (p["x"] * 2, lambda g: {"x": g}))
    report = verified(wrong)
    assert (report.verdict, report.canaries) == ("failed", {})


def test_what_was_switched_off_is_not_held_against_a_subject():
    report = verified(squared(without={"overwritten": "the buffer is known to be shared"}))
    assert report.canaries["same-buffer"] in ("caught", "not applicable")
    assert report.verdict == "passed"
    report = verified(squared(), without={"contracts": "they take too long"})
    assert report.canaries["noise"] == report.canaries["stale-cache"] == "not applicable"
    assert report.canaries["scale:2"] == "caught"
    assert report.verdict == "passed"


def test_a_layer_whose_gradient_is_constant_has_no_cache_to_mutant():
    double = gradcheck.Subject("double", {"x": np.ones(3)}, lambda p: (p["x"] * 2, lambda g: {"x": 2 * g}))
    report = verified(double)
    assert report.canaries["last-cache"] == report.canaries["stale-cache"] == "not applicable"
    assert report.verdict == "passed"


def test_of_many_primals_some_are_spoiled():
    names = [f"p{k}" for k in range(30)]
    primals = {name: np.array([1.0 + k, 2.0]) for k, name in enumerate(names)}

    def vjp(arrays):
        return sum(array**2 for array in arrays.values()), lambda g: {n: 2 * a * g for n, a in arrays.items()}

    report = verified(gradcheck.Subject("many", primals, vjp))
    assert report.canaries["scale:-1"] == "caught"
    assert report.verdict == "passed"


def test_a_layer_that_refuses_other_points_is_no_obstacle():
    def log(primals):
        x = primals["x"]
        if (x <= 0).any():
            raise ValueError("expected x above 0")
        return np.log(x), lambda g: {"x": g / x}

    report = verified(gradcheck.Subject("log", {"x": np.linspace(0.5, 3, 6)}, log))
    assert (report.verdict, report.canaries["stale-cache"]) == ("passed", "caught")
