"""Subjects that are made when their turn comes: the networks of full size."""

import weakref

import numpy as np
import pytest

import gradcheck
from gradcheck.kinds.full_size import NETWORKS
from gradcheck.runs import Options, run
from gradcheck.subject import Deferred
from gradcheck.targets import load

FULL_SIZE = ["LeNet", "AlexNet", "ResNet-18", "ResNet-50"]


def square(wrong=1.0):
    def vjp(primals):
        return primals["x"] ** 2, lambda g: {"x": wrong * 2 * primals["x"] * g}

    return gradcheck.Subject("square", {"x": np.array([1.0, -2.0, 3.0])}, vjp)


def test_it_is_made_once_when_its_turn_comes_and_forgotten():
    made = []

    def make():
        assert all(reference() is None for reference in made), "the one before is gone"
        subject = square()
        made.append(weakref.ref(subject))
        return subject

    items = [Deferred("first", make), Deferred("second", make)]
    assert not made
    report = run(items, Options(examples=0))
    assert len(made) == 2
    assert [one.verdict for one in report.subjects] == ["passed", "passed"]


def test_a_wrong_one_fails():
    assert run([Deferred("wrong", lambda: square(1.01))], Options(examples=0)).subjects[0].verdict == "failed"


def test_the_module_of_networks_holds_all_five():
    assert [item.name for item in load("reference_layers.networks")] == ["five_layer_cnn", *FULL_SIZE]
    assert [item.name for item in load("reference_layers.networks:ResNet")] == ["ResNet-18", "ResNet-50"]
    assert [item.name for many in NETWORKS.values() for item in many] == FULL_SIZE


@pytest.mark.parametrize("name", ["LeNet"])
def test_a_network_passes_and_tells_what_it_does_without(name):
    (item,) = load(f"reference_layers.networks:{name}")
    (found,) = run([item]).subjects
    assert (found.verdict, found.evaluations.forward, found.evaluations.pullback) == ("passed", 5, 2)
    assert list(found.without) == ["contracts"]
    assert found.limits == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["AlexNet", "ResNet"])
def test_every_network_passes(name):
    assert run(load(f"reference_layers.networks:{name}")).passed


@pytest.mark.slow
def test_a_wrong_gradient_of_a_residual_network_is_found_and_named():
    (network, _) = load("reference_layers.networks:ResNet")
    right = network.make()
    primal = "stage2.block1.body.conv1.weight"

    def vjp(primals):
        y, pullback = right.vjp(primals)
        return y, lambda g: {**(gradients := pullback(g)), primal: 1.05 * gradients[primal]}

    wrong = gradcheck.Subject("wrong", right.primals, vjp, right.forward, without=right.without)
    failures = gradcheck.check(wrong).failures
    assert [failure.primal for failure in failures] == [primal]
    assert "1.05 × numeric" in failures[0].explanation


def test_all_checks_beside_the_gradient_are_switched_off_by_one_name():
    found = gradcheck.check(square(), without={"contracts": "too slow"}).subjects[0]
    assert list(found.checks) == ["gradient"]
    assert dict(found.without) == {"contracts": "too slow"}
