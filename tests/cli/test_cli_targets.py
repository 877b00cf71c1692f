"""What a target stands for, and the one sentence when it stands for nothing."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, ModuleType

import pytest

import gradcheck
from gradcheck.suites.kind import Kind
from gradcheck.suites.suite import Suite
from gradcheck.targets import TargetError, load

pytestmark = pytest.mark.usefixtures("project")


def names(target: str) -> list[str]:
    return [item.name for item in load(target)]


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return path.name


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("layers.py", ["right [bold]", "wrong"]),
        ("layers.py:wrong", ["wrong"]),
        ("layers.py:_hidden", ["hidden"]),
        ("layers.py:make", ["made"]),
        ("layers.py:both", ["right [bold]", "made"]),
    ],
)
def test_a_file(target: str, expected: list[str], project: Path) -> None:
    assert names(target) == expected
    assert names(str(project / target)) == expected


def test_a_module(project: Path) -> None:
    package = project / "gradcheck_sample"
    package.mkdir()
    write(package / "__init__.py", "")
    write(package / "inner.py", (project / "layers.py").read_text())

    assert names("gradcheck_sample.inner") == ["right [bold]", "wrong"]
    assert names("gradcheck_sample.inner:make") == ["made"]


def test_a_file_imports_what_lies_beside_it_and_leaves_the_path_alone(project: Path) -> None:
    folder = project / "deep"
    folder.mkdir()
    write(folder / "neighbour_of_target.py", (project / "layers.py").read_text())
    write(folder / "numpy.py", "from neighbour_of_target import right")  # a name that must shadow nothing
    before = list(sys.path)

    assert names("deep/numpy.py") == ["right [bold]"]
    assert sys.path == before
    assert sys.modules["numpy"].__name__ == "numpy"


def test_a_subject_of_two_names_counts_once(project: Path) -> None:
    write(project / "twice.py", "from layers import right\nagain = right")

    assert names("twice.py") == ["right [bold]"]


@pytest.mark.usefixtures("kinds")
def test_a_suite_knows_where_it_was_found(project: Path) -> None:
    write(
        project / "suites.py",
        "import gradcheck\n"
        "def build(config, primals): ...\n"
        "mine = gradcheck.suite('square', build)\n"
        "reference = gradcheck.suite('square')\n"
        "def make(): return mine\n"
        "def two(): return [mine, gradcheck.suite('square', build)]\n",
    )

    def origins(target: str) -> list[str | None]:
        return [item.origin for item in load(target) if isinstance(item, Suite)]

    assert origins("suites.py") == ["suites.py:mine", ""]
    assert origins("suites.py:make") == ["suites.py:make"]
    assert origins("suites.py:two") == [None, None]  # one name for both would lead to neither


BROKEN = {
    "raises.py": "import layers\n\nlayers.breaks()",
    "syntax.py": "x = 1\ndef (:\n",
    "exits.py": "import sys\nsys.exit(3)",
    "missing.py": "import no_such_module_anywhere",
    "nothing.py": "number = 3",
    "maker.py": "import layers\ndef maker():\n    return layers.right",
    "empty.py": "def none():\n    return []",
}


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("layrs.py", "expected a Python file, got 'layrs.py', which does not exist; did you mean 'layers.py'?"),
        ("no/layers.py", "expected a Python file, got 'no/layers.py', which does not exist"),
        ("layer", "expected a module, got 'layer', which does not exist; did you mean 'layers'?"),
        ("json.decodr", "expected a module, got 'json.decodr', which does not exist; did you mean 'json.decoder'?"),
        ("json.loads", "expected a module, got 'json.loads', which does not exist; did you mean 'json:loads'?"),
        ("./layers", "expected a target path.py[:name] or package.module[:name], got './layers'"),
        ("layers.py:", "expected a target path.py[:name] or package.module[:name], got 'layers.py:'"),
        ("", "expected a target path.py[:name] or package.module[:name], got ''"),
        ("layers.py:rihgt", "expected a name that layers.py defines, got 'rihgt'; did you mean 'right'?"),
        ("layers.py:number", "expected layers.py:number to be a Subject, a Suite, a list of them or a function"),
        ("layers.py:needs", "to be callable without arguments, got one that needs size"),
        ("layers.py:breaks", "got RuntimeError: no such luck ("),
        ("raises.py", "expected raises.py to import, got RuntimeError: no such luck ("),
        ("raises", "expected raises to import, got RuntimeError: no such luck ("),
        ("syntax.py", "expected syntax.py to import, got SyntaxError: "),
        ("exits.py", "expected exits.py to import, got SystemExit: 3 ("),
        ("missing.py", "got ModuleNotFoundError: No module named 'no_such_module_anywhere' ("),
        ("missing", "got ModuleNotFoundError: No module named 'no_such_module_anywhere' ("),
        ("nothing.py", "or gradcheck.suite(...) in nothing.py, got none"),
        ("maker.py", "got none; or name a function that returns one, such as maker.py:maker"),
        ("empty.py:none", "got an empty list"),
    ],
)
def test_one_sentence(target: str, sentence: str, project: Path) -> None:
    for name, text in BROKEN.items():
        write(project / name, text)
    with pytest.raises(TargetError, match=re.escape(sentence)) as caught:
        load(target)

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("target", "line"),
    [("raises.py", "raises.py, line 3"), ("syntax.py", "syntax.py, line 2"), ("exits.py", "exits.py, line 2")],
)
def test_the_line_of_the_user_is_named(target: str, line: str, project: Path) -> None:
    write(project / target, BROKEN[target])
    with pytest.raises(TargetError, match=re.escape(f"{line})")):
        load(target)


def test_the_line_that_raised_in_a_function_is_named(project: Path) -> None:
    last = len((project / "layers.py").read_text().splitlines())
    with pytest.raises(TargetError, match=re.escape(f"layers.py, line {last})")):
        load("layers.py:breaks")


@pytest.fixture
def layers(kinds: Mapping[str, Kind], monkeypatch: pytest.MonkeyPatch) -> None:
    """A package ``reference_layers`` that holds the layer of the kind ``square`` in a module, and another."""
    monkeypatch.setattr("gradcheck.kinds.full_size.NETWORKS", {})
    package, module, empty = (
        ModuleType(name) for name in ("reference_layers", "reference_layers.square", "reference_layers.windows")
    )
    layer = type("Square", (), {"__module__": "reference_layers.square"})
    module.Square = package.Square = layer  # type: ignore[attr-defined]
    for made in (package, module, empty):
        monkeypatch.setitem(sys.modules, made.__name__, made)
    found = replace(kinds["square"], layers=(layer,))
    monkeypatch.setattr("gradcheck.kinds.KINDS", MappingProxyType({"square": found}))
    monkeypatch.setattr("gradcheck.targets.default_items", lambda: [gradcheck.suite("square"), "digits"])


@pytest.mark.usefixtures("layers")
def test_reference_layers_are_found_by_their_kinds() -> None:
    assert load("reference_layers")[1:] == ["digits"]
    for target in ("reference_layers.square", "reference_layers:Square", "reference_layers.square:Square"):
        assert names(target) == ["square"]


@pytest.mark.usefixtures("layers")
@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (
            "reference_layers:Sqare",
            "expected a layer of reference_layers that a kind verifies, got 'Sqare'; did you mean 'Square'?",
        ),
        ("reference_layers.windows", "got reference_layers.windows, which defines none; reference_layers verifies all"),
    ],
)
def test_reference_layers_without_a_kind(target: str, sentence: str) -> None:
    with pytest.raises(TargetError, match=re.escape(sentence)):
        load(target)
