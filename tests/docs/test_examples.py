"""The example that fails prints what a reader needs to go on: where, how far, the smallest case, the way back."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import gradcheck

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run gradcheck as a command in a folder."""
    command = [sys.executable, "-m", "gradcheck", *words]
    environment = {**os.environ, "COLUMNS": "120", "PYTHONIOENCODING": "utf-8"}
    return subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", env=environment, check=False)


@pytest.fixture(scope="module")
def unrotated(tmp_path_factory):
    """Return the exit status, what was printed, and the failures in the JSON report."""
    folder = tmp_path_factory.mktemp("unrotated")
    result = run("verify", str(EXAMPLES / "unrotated.py"), "--json", "out.json", folder=folder)
    report = json.loads((folder / "out.json").read_text(encoding="utf-8"))
    return result, report["subjects"][0]["failures"]


def test_exit_status_is_1_and_there_is_no_traceback(unrotated):
    result, _ = unrotated
    assert result.returncode == 1
    assert "Traceback" not in result.stdout + result.stderr
    assert result.stderr == ""


def test_the_text_names_the_primal_the_worst_entry_and_how_many_are_wrong(unrotated):
    text = unrotated[0].stdout
    number = r"-?[\d.]+(?:e-?\d+)?"
    assert "gradient with respect to `x`" in text
    assert re.search(r"where      \[0, 0, 0, \d\] is worst; (\d+) of \1 entries wrong", text)
    assert re.search(rf"analytic   {number} +numeric  {number} ± {number}", text)
    assert re.search(r"error      absolute .*, relative .*, .* times the error bar", text)


def test_only_the_input_gradient_is_blamed_and_by_far_more_than_its_error_bar(unrotated):
    failures = unrotated[1]
    assert [(failure["check"], failure["primal"]) for failure in failures] == [("gradient", "x")]
    failure = failures[0]
    assert abs(failure["analytic"] - failure["numeric"]) > 1e3 * failure["error_bar"] > 0
    assert not failure["sampled"]


def test_the_case_is_the_smallest_convolution_that_shows_it(unrotated):
    """A 1×1 kernel is its own rotation: two entries in a row are the least that can be wrong."""
    config = dict(unrotated[1][0]["case"]["config"])
    assert sorted(config.pop("kernel_size")) == [1, 2]
    assert sorted(config.pop("size")) == [1, 2]
    assert config == {
        "batch": 1,
        "in_channels": 1,
        "out_channels": 1,
        "stride": [1, 1],
        "padding": [0, 0, 0, 0],
        "dilation": [1, 1],
        "groups": 1,
        "bias": False,
    }


def test_the_command_that_is_printed_shows_it_again(unrotated, tmp_path):
    line = next(line for line in unrotated[0].stdout.splitlines() if line.startswith("  reproduce"))
    command = line.removeprefix("  reproduce").strip()
    assert command == unrotated[1][0]["reproduce"]
    program, verb, *rest = shlex.split(command)
    assert (program, verb) == ("gradcheck", "replay")
    again = run(verb, *rest, folder=tmp_path)
    assert again.returncode == 1
    shown = next(line for line in unrotated[0].stdout.splitlines() if line.startswith("  analytic"))
    assert "gradient with respect to `x`" in again.stdout
    assert shown.split()[1] in again.stdout, "the same case has the same analytic value"


def test_the_same_case_of_the_reference_layer_passes(unrotated, tmp_path):
    result = run("replay", json.dumps(unrotated[1][0]["case"]), folder=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr


def test_verify_raises_with_the_same_text(tmp_path):
    namespace: dict[str, object] = {"__name__": "unrotated"}
    exec(compile((EXAMPLES / "unrotated.py").read_text(encoding="utf-8"), "unrotated.py", "exec"), namespace)
    with pytest.raises(gradcheck.GradientError, match=r"gradient with respect to `x`") as caught:
        gradcheck.verify(namespace["conv"])
    for part in ("is worst", "entries wrong", "analytic", "numeric", "±", "case ", "reproduce"):
        assert part in str(caught.value)
