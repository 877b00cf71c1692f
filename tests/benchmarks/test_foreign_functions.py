"""The functions of our own making are right by a method that knows nothing of gradcheck; a sample is judged."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "foreign"
sys.path.insert(0, str(FOLDER))  # the scripts import what stands beside them

script = importlib.import_module("functions")
confirm = importlib.import_module("own.confirm")
FUNCTIONS, REGIMES = script.FUNCTIONS, script.REGIMES

#: What differences tell of a right gradient: at worst 2e-6, where the forward cancels to 1e-8 of what it subtracts.
AGREEMENT = 1e-5
#: Of float32: some forty times its roundoff.
ROUNDING = 5e-6


def call(capsys, *words):
    """Run the script in this process; return its exit status and what it prints."""
    with pytest.raises(SystemExit) as ended:
        script.main(list(words))
    return ended.value.code, capsys.readouterr()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_vjp_agrees_with_differences_in_extended_precision(name):
    for seed in range(2):
        assert confirm.largest_disagreement(FUNCTIONS[name].subject("float64", "normal", seed)) < AGREEMENT


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_vjp_loses_nothing_in_float32(name):
    with np.errstate(under="ignore"):
        assert confirm.largest_rounding(FUNCTIONS[name].subject("float32", "normal", 1)) < ROUNDING
        assert (
            confirm.largest_rounding(FUNCTIONS[name].subject("float32", "offset", 2)) < ROUNDING
            or name == "log_sigmoid"
        )


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_regime_stays_in_the_domain(name):
    for number, regime in enumerate(REGIMES):
        for dtype in script.DTYPES:
            subject = FUNCTIONS[name].subject(dtype, regime, number)
            outputs, pullback = subject.vjp(subject.primals)
            assert outputs.dtype == dtype
            assert np.isfinite(outputs).all()
            for primal, gradient in pullback(np.ones_like(outputs)).items():
                assert gradient.dtype == dtype
                assert gradient.shape == subject.primals[primal].shape
                assert np.isfinite(gradient).all()


def test_the_second_method_sees_a_wrong_vjp():
    right = FUNCTIONS["log_cosh"].subject("float64", "normal", 0)

    def vjp(primals):
        outputs, pullback = right.vjp(primals)
        return outputs, lambda g: {"x": 1.001 * pullback(g)["x"]}

    assert 0.5e-3 < confirm.largest_disagreement(replace(right, vjp=vjp)) < 2e-3


def test_a_sample_passes(capsys):
    chosen = ("sort", "sinkhorn", "rotary_attention", "cholesky", "student_t", "prefix_products")
    status, printed = call(capsys, "--cases", "24", *(f"--only={name}" for name in chosen))
    assert status == 0
    assert re.search(r"^24 cases, 0 blamed; \d+ s$", printed.out, re.MULTILINE)
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.out.splitlines() if "|" in line]
    rows = {row[0]: row[1:] for row in cells}
    assert [rows[name][0] for name in chosen] == ["4"] * 6
    assert [rows[f"dtype {dtype}"][0] for dtype in script.DTYPES] == ["12", "12"]
    assert rows["all"][0] == "24"


def test_what_is_blamed_is_told_and_seen_again(capsys, monkeypatch):
    right = FUNCTIONS["log_cosh"].vjp

    def doubled(x):
        y, pullback = right(x)
        return y, lambda g: {"x": 2 * pullback(g)["x"]}

    monkeypatch.setitem(FUNCTIONS, "log_cosh", replace(FUNCTIONS["log_cosh"], vjp=doubled))
    status, printed = call(capsys, "--cases", "2", "--only", "log_cosh")
    assert status == 1
    line = next(line for line in printed.out.splitlines() if line.startswith("python"))
    assert "# gradient: scale:2; second method: differences 1e+00, rounding" in line
    python, path, *words = shlex.split(line, comments=True)
    assert (python, path) == ("python", "benchmarks/foreign/functions.py")
    status, again = call(capsys, *words)
    assert status == 1
    assert again.out.startswith("doubled: failed (`x`)")


def test_cases_are_spread_over_regimes_and_dtypes():
    cases = script.cases_of(["sort", "median"], 44, seed=3)
    assert len(set(cases)) == 44
    assert {tuple(case.split("/")[1:3]) for case in cases if case.startswith("sort/")} == {
        (dtype, regime) for dtype in script.DTYPES for regime in REGIMES
    }
    assert cases[0] == "sort/float64/normal/3000000"


def test_misuse_is_told(capsys):
    status, printed = call(capsys, "--only", "sinkhron")
    assert status == 2
    assert "did you mean 'sinkhorn'?" in printed.err
