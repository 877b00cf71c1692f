"""``gradcheck self-test`` and ``gradcheck verify --self-test``, as a user runs them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gradcheck.kinds import KINDS
from gradcheck.mutants.generic import CORE_MUTANTS
from gradcheck.mutants.mutant import Mutant

Command = Callable[..., tuple[int, str, str]]
SINE = """\
import numpy as np
import gradcheck


def vjp(primals):
    x = primals["x"]
    return np.sin(x), lambda cotangent: {"x": np.cos(x) * cotangent}


sine = gradcheck.Subject("sine", {"x": np.linspace(-2.0, 2.0, 12)}, vjp)
"""
SLIGHT = Mutant("slight", "x is a billionth too large", lambda q: {"x": q.gradients["x"] * (1 + 2e-9)})


def test_the_table_of_planted_mutants(shell: Callable[..., subprocess.CompletedProcess[str]], project: Path) -> None:
    result = shell("self-test", "--kind", "relu", "--kind", "tanh", "--examples", "0", "--json", "proof.json")

    assert (result.returncode, result.stderr) == (0, "")
    assert "survived" in result.stdout
    assert "relu: slope-1-at-zero is a convention: " in result.stdout
    assert "relu: mask-from-output is no mistake: " in result.stdout
    data = json.loads((project / "proof.json").read_text(encoding="utf-8"))
    assert [kind["kind"] for kind in data["kinds"]] == ["relu", "tanh"]
    assert all(kind["survived"] == 0 < kind["caught"] for kind in data["kinds"])
    assert f"2 kinds · {sum(kind['planted'] for kind in data['kinds'])} planted" in result.stdout
    found = {one["slug"]: one for one in data["kinds"][0]["plantings"]}
    assert found["mask-inverted"]["outcome"] == "caught"
    assert found["mask-inverted"]["case"]["kind"] == "relu"
    assert found["mask-inverted"]["by_baseline"] is None


def test_the_baseline_stands_beside(command: Command, tmp_path: Path) -> None:
    status, out, _ = command(
        "self-test", "--kind", "tanh", "--examples", "0", "--baseline", "--json", tmp_path / "proof.json"
    )

    (kind,) = json.loads((tmp_path / "proof.json").read_text(encoding="utf-8"))["kinds"]
    assert status == 0
    assert 0 < kind["baseline"] < kind["caught"]
    assert f"baseline: {kind['baseline']} of {kind['caught']}" in out


def test_a_survivor_is_named_and_fails(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradcheck.kinds.KINDS", {"tanh": replace(KINDS["tanh"], mutants=(SLIGHT,))})

    status, out, _ = command("self-test", "--examples", "0")

    assert status == 1
    assert "tanh: slight for x survived" in out
    assert "1 survived" in out


def test_an_unknown_kind_is_refused(refused: Callable[..., str]) -> None:
    assert "did you mean 'conv2d'?" in refused("self-test", "--kind", "conv2")


def test_verify_tells_of_planted_mutants(command: Command, project: Path) -> None:
    status, out, _ = command("verify", "layers.py:right", "--self-test", "--json", "report.json")

    (subject,) = json.loads((project / "report.json").read_text(encoding="utf-8"))["subjects"]
    assert (status, subject["verdict"]) == (0, "passed")
    assert subject["canaries"]["scale:2"] == "caught"
    assert subject["canaries"]["exchanged"] == "not applicable"
    assert "planted mutants killed" in out


def test_a_planted_mutant_that_survives_is_named(
    command: Command, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradcheck.mutants.sensitivity.CORE_MUTANTS", (*CORE_MUTANTS, SLIGHT))
    (project / "sine.py").write_text(SINE, encoding="utf-8")

    status, out, _ = command("verify", "sine.py", "--self-test", "--json", "report.json")

    (subject,) = json.loads((project / "report.json").read_text(encoding="utf-8"))["subjects"]
    assert (status, subject["verdict"], subject["canaries"]["slight"]) == (1, "inconclusive", "survived")
    assert "not slight" in out
    assert "the mutant 'slight' survived" in out


def test_without_the_option_nothing_is_planted(command: Command, project: Path) -> None:
    status, out, _ = command("verify", "layers.py:right", "--json", "report.json")

    (subject,) = json.loads((project / "report.json").read_text(encoding="utf-8"))["subjects"]
    assert (status, subject["canaries"]) == (0, {})
    assert "planted" not in out
