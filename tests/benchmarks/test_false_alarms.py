"""The script that counts false alarms counts, spreads its cases, and tells of an alarm so that it can be seen again."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.kinds import KINDS
from reference_layers import ReLU

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "false_alarms.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("false_alarms", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


script = load()


@dataclass(frozen=True)
class Doubled(ReLU):
    """A ReLU whose gradient is twice what it should be."""

    def backward(self, params: Any, cache: Any, grad_output: Any) -> Any:
        gradient, none = super().backward(params, cache, grad_output)
        return 2 * gradient, none


@pytest.fixture
def faulty(monkeypatch):
    """Return the name of a layer that is wrong."""

    def build(config, primals):
        from gradcheck.adapters.reference import from_reference

        return from_reference(Doubled(), primals)

    monkeypatch.setitem(script.LAYERS, "doubled", replace(KINDS["relu"], build=build, regimes=("normal",)))
    return "doubled"


def call(capsys, *words):
    """Run the script in this process; return its exit status and what it prints."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        script.main(list(words))
    return ended.value.code, capsys.readouterr()


def test_a_handful_of_cases_by_two_workers():
    words = ["--cases", "10", "--workers", "2", "--only", "relu", "--only", "affine"]
    result = subprocess.run([sys.executable, SCRIPT, *words], capture_output=True, encoding="utf-8", check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stderr == ""
    assert re.search(
        r"^10 cases of right layers: 0 false alarms, \d+ inconclusive; \d+ s with 2 workers$", result.stdout, re.M
    )
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in result.stdout.splitlines() if "│" in line]
    counts = {tuple(row[:2]): [int(cell) for cell in row[2:7]] for row in rows}
    assert [counts[layer, mode][0] for layer in ("relu", "affine") for mode in script.MODES] == [2, 2, 2, 2, 1, 1]
    assert all(sum(row[1:]) == row[0] and row[3:] == [0, 0] for row in counts.values())
    assert sum(counts["all layers", mode][0] for mode in script.MODES) == 10


def test_a_false_alarm_is_counted_told_and_seen_again(faulty, capsys):
    status, printed = call(capsys, "--cases", "24", "--only", faulty)
    assert status == 1
    told = re.search(r"24 cases of right layers: (\d+) false alarms", printed.out)
    assert int(told[1]) >= 12
    assert len(re.findall(r"^doubled, float", printed.out, re.MULTILINE)) == script.SHOWN

    line = next(line for line in printed.out.splitlines() if line.startswith("  reproduce"))
    python, name, *words = shlex.split(line.removeprefix("  reproduce"))
    assert (python, SCRIPT.parents[1] / name) == ("python", SCRIPT)
    status, again = call(capsys, *words)
    assert status == 1
    assert line in again.out.splitlines()
    shown = [text for text in printed.out.splitlines() if text.startswith("  analytic")]
    assert shown[0] in again.out.splitlines()


def test_every_mode_is_told_from_the_others(faulty, capsys):
    printed = call(capsys, "--cases", "3", "--only", faulty)[1].out
    assert [mode for mode in script.MODES if f"doubled, {mode}\n" in printed] == list(script.MODES)


def test_a_case_of_a_right_layer_passes(capsys):
    case = '{"layer": "√|x|", "mode": "float32 only", "config": {"shape": [3, 2]}, "regime": "normal", "seed": 1}'
    status, printed = call(capsys, "--case", case)
    assert status == 0
    assert printed.out.startswith("√|x|: passed")


@pytest.mark.parametrize(
    ("words", "fragment"),
    [
        (["--only", "rellu"], "got 'rellu'; did you mean 'relu'?"),
        (["--cases", "0"], "0 is not in the range"),
        (["--case", "{"], "expected a case as a false alarm prints it (expected JSON"),
        (["--case", "{}"], "expected a case as a false alarm prints it ('layer')"),
        (
            ["--case", '{"layer": "relu", "mode": "float32", "config": {}, "regime": "normal", "seed": 0}'],
            "expected the fields",
        ),
        (
            ["--case", '{"layer": "relu", "mode": "f", "config": {"shape": [1]}, "regime": "normal", "seed": 0}'],
            "in mode 'f'",
        ),
    ],
)
def test_misuse_is_told(words, fragment, capsys):
    status, printed = call(capsys, *words)
    assert status == 2
    assert fragment in printed.err


@given(st.lists(st.sampled_from(list(script.LAYERS)), min_size=1, max_size=5, unique=True), st.integers(1, 5000))
def test_cases_are_spread_evenly(layers, cases):
    parts = script.chunks(layers, cases)
    assert sum(part.cases for part in parts) == cases
    assert len({part[:3] for part in parts}) == len(parts)
    assert all(1 <= part.cases <= script.CHUNK for part in parts)
    each = Counter()
    for part in parts:
        each[part.layer, part.mode] += part.cases
    pairs = len(layers) * len(script.MODES)
    assert max(each.values()) - (min(each.values()) if len(each) == pairs else 0) <= 1


def test_chunks_have_cases_of_their_own_and_always_the_same():
    first, again, other = (script.draw_cases(KINDS["affine"], number, 20) for number in (0, 0, 1))
    assert len(first) == len(other) == 20
    assert first == again
    assert len({case.seed for case in first} & {case.seed for case in other}) <= 5


def test_every_kind_is_there():
    assert set(KINDS) < set(script.LAYERS)


def test_a_narrowed_layer_computes_in_float32():
    case = script.draw_cases(KINDS["affine"], 0, 1)[0]
    primals = case.primals()
    outputs, pullback = script.narrowed(case.kind.build)(case.config, primals).vjp(primals)
    assert outputs.dtype == "float32"
    assert all(gradient.dtype == "float32" for gradient in pullback(outputs).values())
