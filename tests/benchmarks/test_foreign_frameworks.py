"""The scripts that judge functions of other projects: a sample of each, where the project is installed."""

from __future__ import annotations

import importlib
import re
import shlex
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks" / "foreign"
sys.path.insert(0, str(FOLDER))  # the scripts import what stands beside them


def script(name, *needed):
    """Return a script; skip the test where something that it needs is missing."""
    for package in needed:
        pytest.importorskip(package, reason=f'{package} is missing: pip install "gradcheck[foreign]"')
    return importlib.import_module(name)


@pytest.fixture
def autograd_functions():
    return script("autograd_functions", "autograd", "scipy")


@pytest.fixture
def jax_functions():
    return script("jax_functions", "jax")


@pytest.fixture
def torch_operators():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.warn", lambda *args, **kwargs: None)  # torch warns of its own tests while they load
        return script("torch_operators", "torch", "expecttest", "psutil", "packaging", "scipy")


def call(capsys, main, *words):
    """Run a script in this process; return its exit status and what it prints."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return ended.value.code, capsys.readouterr().out


def rows_of(printed):
    """Return the rows of all printed tables by their first cell."""
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in printed.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows}


def test_autograd_has_its_fifty_functions(autograd_functions):
    assert len(autograd_functions.FUNCTIONS) >= 50


def test_right_functions_of_autograd_pass(autograd_functions, capsys):
    words = [f"--only={name}" for name in ("np.logaddexp", "linalg.cholesky", "fft.fft", "special.gammaln")]
    status, printed = call(capsys, autograd_functions.main, *words, "--cases", "4")
    assert status == 0
    assert rows_of(printed)["all"] == ["4", "4", "0", "0", "0", "0"]


def test_real_faults_of_autograd_are_told_from_right_functions(autograd_functions, capsys):
    words = ["--only=np.mean", "--only=stats.chi2", "--cases", "4"]
    status, printed = call(capsys, autograd_functions.main, *words)
    assert status == 0
    rows = rows_of(printed)
    assert rows["np.mean"][-1] == "argument 0 is float32, its gradient float64"
    assert "differs from plain differences by 100%" in rows["stats.chi2"][-1]
    assert rows["all"] == ["4", "1", "0", "0", "0", "3"]


def test_jax_has_its_hundred_functions(jax_functions):
    assert len(jax_functions.FUNCTIONS) >= 100


@pytest.mark.filterwarnings("ignore")
def test_right_functions_of_jax_pass(jax_functions, capsys):
    status, printed = call(capsys, jax_functions.main, "--only", "jnp.sin", "--cases", "2")
    assert status == 0
    assert rows_of(printed)["jnp.sin"][:5] == ["2", "2", "0", "0", "0"]


@pytest.mark.filterwarnings("ignore")
def test_a_real_fault_of_jax_is_told_from_right_functions(jax_functions):
    outcome = jax_functions.Outcome(case="special.spence/float64/187", verdict="blamed", reason="finite: no cause")
    assert jax_functions.fault_of(outcome) == "the gradient of argument 0 is not finite"
    assert jax_functions.fault_of(jax_functions.Outcome(case="jnp.sin/float64/0", verdict="blamed")) == ""


def test_the_database_of_torch_is_accounted_for(torch_operators, capsys):
    words = [f"--only={name}" for name in ("addmm", "isnan", "nn.functional.dropout", "fft.fft")]
    status, printed = call(capsys, torch_operators.main, *words, "--samples", "1", "--dtype", "float64")
    assert status == 0
    rows = rows_of(printed)
    for name in ("addmm", "nn.functional.dropout", "fft.fft"):
        assert rows[name] == ["2", "2", "0", "0", "0", "0", "0", "0", ""]
    assert rows["isnan"] == ["2", "0", "0", "0", "0", "0", "2", "0", f"{torch_operators.NO_AUTOGRAD} (2)"]
    assert re.search(r"^8 cases, 0 blamed; \d+ s$", printed, re.MULTILINE)


def test_faults_planted_into_operators_of_torch_are_caught(torch_operators, capsys):
    words = ["--plant", "--only=addmm", "--only=sin", "--samples", "1", "--dtype", "float64"]
    status, printed = call(capsys, torch_operators.main, *words)
    assert status == 0
    rows = [line.split("|")[2:6] for line in printed.splitlines() if line.startswith("| float64")]
    found = {fault.strip(): (int(operators), int(caught)) for fault, operators, caught, _ in rows}
    assert found == dict.fromkeys(torch_operators.FAULTS, (2, 2))


def test_a_planted_fault_is_judged_again(torch_operators, capsys):
    words = shlex.split("--case 'addmm/float64/sign/0'")
    status, printed = call(capsys, torch_operators.main, *words)
    assert status == 1
    assert "scale:-1" in printed


def test_an_operator_that_is_not_there_is_told(torch_operators, capsys):
    with pytest.raises(SystemExit) as ended:
        torch_operators.main(["--only", "adddmm"])
    assert ended.value.code == 2
    assert "got 'adddmm'" in capsys.readouterr().err
