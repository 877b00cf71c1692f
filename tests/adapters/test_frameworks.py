"""What all adapters of frameworks share: arguments sorted out, packages asked for, frameworks recognised."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.adapters import framework_of, from_autograd, from_jax, from_thinc, from_torch
from gradcheck.adapters.frameworks.framework_arguments import arguments_of
from gradcheck.adapters.frameworks.optional_packages import optional_package
from gradcheck.adapters.frameworks.recognise import MAKERS
from gradcheck.adapters.signatures import parameters_of
from gradcheck.adapters.subject_from import subject_from


def called_with(a, b=2, /, c=3, *, d=4):
    """Return what came."""
    return a, b, c, d


@given(st.permutations("abcd"), st.integers(0, 4))
def test_arguments_go_to_the_parameters_of_their_names(order, constants):
    values = {name: np.full(1, float(k)) for k, name in enumerate("abcd")}
    primals = {name: values[name] for name in order[constants:]}
    others = {name: values[name] for name in order[:constants]}
    arguments = arguments_of(parameters_of(called_with), primals, others)
    assert arguments.call(called_with, values) == (0, 1, 2, 3)
    assert (arguments.primals, arguments.constants) == (primals, others)


@given(st.permutations("wxyz"))
def test_other_names_are_given_in_their_order(order):
    primals = {name: np.ones(1) for name in order}
    arguments = arguments_of(parameters_of(lambda *anything: anything), primals, {})
    assert arguments.call(lambda *anything: anything, {name: name for name in order}) == tuple(order)


@given(st.permutations(["x", "c", "d", "y"]))
def test_other_names_go_to_the_parameters_that_are_left(order):
    arguments = arguments_of(parameters_of(called_with), {name: np.ones(1) for name in order}, {})
    first, second = [name for name in order if name in "xy"]
    assert arguments.call(called_with, {name: name for name in order}) == (first, second, "c", "d")


def test_names_without_a_parameter_are_kept_where_any_name_is_taken():
    def function(x, **others):
        return x, others

    arguments = arguments_of(parameters_of(function), {name: np.ones(1) for name in ("x", "weight", "bias")}, {})
    assert arguments.call(function, {"x": 1, "weight": 2, "bias": 3}) == (1, {"weight": 2, "bias": 3})


def test_a_parameter_left_out_keeps_its_default():
    arguments = arguments_of(parameters_of(called_with), {"a": np.ones(1), "c": np.ones(1)}, {})
    assert arguments.call(called_with, {"a": 5, "c": 6}) == (5, 2, 6, 4)


def test_a_parameter_passed_by_keyword_alone_takes_what_is_left():
    def function(x, stride=1, *, weight):
        return x, stride, weight

    arguments = arguments_of(parameters_of(function), {"x": np.ones(1), "w": np.ones(1)}, {})
    assert arguments.call(function, {"x": 5, "w": 6}) == (5, 1, 6)


def test_arrays_of_integers_and_booleans_are_constants():
    given_arrays = {"x": np.ones(1), "rows": np.arange(2), "mask": np.array([True])}
    arguments = arguments_of([], given_arrays, {"scale": np.ones(2), "stride": 2})
    assert list(arguments.primals) == ["x"]
    assert list(arguments.constants) == ["rows", "mask", "scale", "stride"]
    subject = subject_from(
        "f", arguments.primals, len, name=None, traits=(), reproduce="", constants=arguments.constants
    )
    assert list(subject.constants) == ["rows", "mask", "scale"]


def test_misuse_is_told_in_a_sentence():
    with pytest.raises(
        TypeError, match=r"expected primals to be a mapping .*'x': array.*, got primals of type ndarray"
    ):
        arguments_of([], np.ones(1), {})
    with pytest.raises(ValueError, match="expected each name as a primal or as a constant, got 'x' as both"):
        arguments_of([], {"x": np.ones(1)}, {"x": 1})


@pytest.mark.parametrize("package", MAKERS)
def test_a_missing_package_is_one_sentence(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"{package}.api", raising=False)
    with pytest.raises(
        ModuleNotFoundError, match=rf'needs the package {package};.* pip install "gradcheck\[{package}\]"'
    ):
        MAKERS[package](len, {"x": np.ones(1)})


def test_a_package_that_itself_lacks_something_says_so(tmp_path, monkeypatch):
    (tmp_path / "half_installed.py").write_text("import nowhere_to_be_found\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="No module named 'nowhere_to_be_found'"):
        optional_package("half_installed")


def test_every_framework_has_its_maker():
    assert list(MAKERS.values()) == [from_torch, from_jax, from_autograd, from_thinc]


@pytest.mark.parametrize("thing", [len, None, 3, object, np.sin, np.ones(2)])
def test_what_is_of_no_framework_is_not_taken_for_one(thing):
    assert framework_of(thing) is None


def test_nothing_is_recognised_of_a_package_that_is_not_loaded(monkeypatch):
    for package in ("torch", "jax", "autograd", "thinc.model"):
        monkeypatch.delitem(sys.modules, package, raising=False)
    assert framework_of(type("Module", (), {"_is_autograd_primitive": True})()) is None
    assert not {"torch", "jax", "autograd", "thinc.model"} & sys.modules.keys()
