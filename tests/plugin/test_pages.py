"""The pages on pytest and on continuous integration: what they show is run as it stands there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support.modules import RIGHT

from gradcheck.reports.run_report import report_from_json
from gradcheck.suites.limits import BEHAVIOUR_LIMITS, CONFIG_LIMITS

ROOT = Path(__file__).parents[2]
PYTEST = (ROOT / "docs" / "pytest.md").read_text(encoding="utf-8")
CI = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
HOOKS = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
FILES = re.findall(r"```yaml\n(.*?)```", CI, re.DOTALL)
_VARYING = re.compile(r"\d[\d,]*(?:\.\d+)?(?:e-?\d+)?|\.{3,}|\s+|[=_]{3,}")


def blocks(language, text=PYTEST):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(text):
    """Return the commands of a CI file, each a line after ``run:`` or a dash of a script."""
    lines = re.findall(r"^ +(?:run:|-) ((?:python|gradcheck|pytest) .*)$", text, re.MULTILINE)
    return [line.replace("${{ github.run_number }}", "12") for line in lines if " pip install " not in line]


def shell(line, folder):
    """Run a command with this interpreter, whatever is installed as ``gradcheck`` or ``pytest``."""
    program, *words = shlex.split(line)
    start = [sys.executable, *([] if program == "python" else ["-m", program])]
    return subprocess.run([*start, *words], cwd=folder, capture_output=True, encoding="utf-8", check=False)


def shortened(line, examples):
    """Return a command with few examples: how many there are is not what these tests are about."""
    fewer = re.sub(r"(examples) \d+", rf"\1 {examples}", line)
    return fewer if fewer != line or "pytest" not in line else f"{line} --gradcheck-examples {examples}"


def same(shown, came):
    """Whether two texts are the same but for numbers and the width of the terminal."""
    return _VARYING.sub(" ", shown).split() == _VARYING.sub(" ", came).split()


@pytest.fixture
def reader(project):
    """Return the folder of a reader of the page on pytest, with its first block as the test module."""
    project.path.joinpath("test_layers.py").write_text(blocks("python")[0], encoding="utf-8")
    project.path.joinpath("layers.py").unlink()
    return project.path


@pytest.mark.parametrize("block", blocks("console"), ids=lambda block: block.splitlines()[0][2:])
def test_what_the_page_shows_comes_out(block, reader):
    command, _, output = block.removeprefix("$ ").partition("\n")
    wrong = "FAILURES" in output
    if wrong:
        text = blocks("python")[0].replace("grad.sum(axis=0)", "grad.mean(axis=0)")
        (reader / "test_layers.py").write_text(text, encoding="utf-8")
    result = shell(command, reader)
    assert result.returncode == int(wrong), result.stdout + result.stderr
    came = result.stdout.split("\ngradcheck: ")[0] if wrong else result.stdout
    if "--co" in command:
        came = came.split("\n\n")[0]
    assert same(output, came), came


def test_the_marker_and_the_fixture_of_the_page_work(reader):
    (reader / "test_layers.py").write_text("\n".join(blocks("python")[:3]), encoding="utf-8")
    result = shell("pytest -q -p no:randomly -k 'not corners' --gradcheck-json out.json", reader)
    assert result.returncode == 0, result.stdout
    subjects = report_from_json((reader / "out.json").read_text(encoding="utf-8")).subjects
    assert {subject.name: subject.cases for subject in subjects} == {
        **{f"dense::{group}": 30 for group in ("forward", "gradient", "contracts", "laws")},
        "square": 1,
    }


def test_every_word_for_a_limit_is_told():
    told = set(re.findall("`([^`]+)`", PYTEST.split("## What a layer cannot do")[1].split("\n## ")[0]))
    assert set(CONFIG_LIMITS) <= told
    assert told & set(BEHAVIOUR_LIMITS) >= {"float32 only", "float16 only", "last forward only"}


def test_the_table_of_options_is_that_of_the_plugin(project):
    told = set(re.findall(r"^\| `(--gradcheck-\w+)", PYTEST, re.MULTILINE))
    shown = project.runpytest_inprocess("--help").stdout.str()
    assert told == set(re.findall(r"--gradcheck-\w+", shown.split("gradients (gradcheck):")[1].split("\n\n")[0]))


# Continuous integration


@pytest.fixture
def repository(project):
    """Return a repository whose layers are in ``layers.py``, with tests of its own."""
    layers = (project.path / "layers.py").read_text(encoding="utf-8") + RIGHT.partition("\n")[2]
    project.path.joinpath("layers.py").write_text(layers, encoding="utf-8")
    tests = project.path / "tests"
    tests.mkdir()
    (tests / "test_layers.py").write_text("from layers import conv, point\n", encoding="utf-8")
    return project.path


COMMANDS = list(dict.fromkeys(line for text in FILES[:2] for line in commands(text)))


def test_both_services_verify_and_test():
    for text in FILES[:2]:
        assert any(line.startswith("gradcheck verify layers.py") for line in commands(text))
        assert any(line.startswith("python -m pytest") for line in commands(text))


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_run_as_written(line, repository):
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    result = shell(shortened(line, 20), repository)
    assert result.returncode == 0, result.stdout + result.stderr
    words = shlex.split(line)
    for option in ("--json", "--gradcheck-json"):
        if option in words:
            written = (repository / words[words.index(option) + 1]).read_text(encoding="utf-8")
            assert report_from_json(written).passed
    for option in ("--junit", "--junit-xml"):
        if option in words:
            assert ElementTree.parse(repository / words[words.index(option) + 1]).find(".//property") is not None


def test_a_fault_makes_the_commands_fail(repository):
    layers = (repository / "layers.py").read_text(encoding="utf-8").replace("cube()\n", "cube(2)\n")
    (repository / "layers.py").write_text(layers, encoding="utf-8")
    for line in (shortened(line, 5) for line in COMMANDS[:2]):
        assert shell(f"{line} --seed 0" if line.startswith("gradcheck") else line, repository).returncode == 1


def test_what_a_failure_in_the_tests_shows_is_replayed_from_the_top(repository):
    layers = (repository / "layers.py").read_text(encoding="utf-8").replace("builder(Conv2d)", "builder(Unrotated)")
    (repository / "layers.py").write_text(layers, encoding="utf-8")
    shown = shell("python -m pytest -q -k 'conv and gradient' --gradcheck-examples 5", repository).stdout
    (command,) = re.findall(r"reproduce  (gradcheck replay --target tests/test_layers.py:conv .*)", shown)
    again = shell(command, repository)
    assert again.returncode == 1
    assert "`x`" in again.stdout, again.stdout + again.stderr


def test_the_artifacts_are_what_the_commands_write():
    for text in FILES[:2]:
        written = {re.split("[ =]", part)[1] for part in re.findall(r"--(?:gradcheck-)?j\S+ \S+", text)}
        kept = text.split("artifact")[-1]
        assert all(name in kept or f"{name.split('.')[0]}.*" in kept for name in written)


@pytest.mark.parametrize("text", [*FILES, HOOKS])
def test_the_files_are_laid_out_as_yaml(text):
    """Keys and list items alone, indented by twos with spaces, deeper only below what opens a block."""
    opened = [0]
    for line in filter(str.strip, text.splitlines()):
        assert "\t" not in line
        indent = len(line) - len(line.lstrip())
        assert indent % 2 == 0
        assert indent <= max(opened)
        assert re.fullmatch(r" *(- )*(([\w.-]+|\"[^\"]+\"):( .+)?|[^:]+|[\w.*]+|- .+)", line), line
        opens = line.rstrip().endswith((":", "|")) or line.lstrip().startswith("- ")
        opened = [0, indent, indent + 2] if opens else [*range(0, indent + 1, 2)]


def test_the_hook_is_a_command_that_there_is(project):
    for text in (HOOKS, FILES[2]):
        (entry,) = re.findall(r"entry: (.*)", text)
        assert re.search(r"id: gradcheck$", text, re.MULTILINE)
        project.path.joinpath("plain.py").write_text("raise SystemExit('it was run')\n", encoding="utf-8")
        silent = shell(f"{entry} plain.py", project.path)
        assert (silent.returncode, silent.stdout, silent.stderr) == (0, "", "")
        project.path.joinpath("mine.py").write_text(RIGHT.replace("cube()", "cube(2)"), encoding="utf-8")
        failed = shell(f"{entry} --examples 2 plain.py mine.py", project.path)
        assert failed.returncode == 1
        assert "2 subjects: 1 passed, 1 failed" in failed.stdout
