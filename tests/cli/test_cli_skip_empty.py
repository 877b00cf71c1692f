"""Many files, of which some hold nothing: what a pre-commit hook hands over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Command = Callable[..., tuple[int, str, str]]
PLAIN = "raise RuntimeError('it was run')\n"
WORD = "# says gradcheck, and has no suite\nnumber = 3\n"


def test_files_without_anything_to_verify_pass_without_a_word(project: Path, command: Command) -> None:
    (project / "plain.py").write_text(PLAIN, encoding="utf-8")
    (project / "word.py").write_text(WORD, encoding="utf-8")
    assert command("verify", "--skip-empty", "plain.py", "word.py") == (0, "", "")


def test_the_others_are_verified(project: Path, command: Command) -> None:
    (project / "plain.py").write_text(PLAIN, encoding="utf-8")
    status, out, err = command("verify", "--skip-empty", "plain.py", "layers.py")
    assert (status, err) == (1, "")
    assert "2 subjects: 1 passed, 1 failed" in out


def test_a_report_is_written_all_the_same(project: Path, command: Command) -> None:
    (project / "plain.py").write_text(PLAIN, encoding="utf-8")
    status, _, _ = command("verify", "--skip-empty", "plain.py", "--json", "out.json")
    assert status == 0
    assert '"subjects": []' in (project / "out.json").read_text(encoding="utf-8")


def test_without_the_option_a_file_without_suites_says_what_to_write(
    project: Path, refused: Callable[..., str]
) -> None:
    (project / "word.py").write_text(WORD, encoding="utf-8")
    sentence = refused("verify", "word.py")
    assert "expected a module-level gradcheck.Subject(...) or gradcheck.suite(...) in word.py, got none" in sentence
    assert sentence.endswith("write, for instance, conv = gradcheck.suite('conv2d', build)")


@pytest.mark.parametrize("broken", ["import gradcheck\n1 / 0\n", "import gradcheck.no_such\n"])
def test_a_file_that_names_gradcheck_and_does_not_import_is_refused(
    broken: str, project: Path, refused: Callable[..., str]
) -> None:
    (project / "broken.py").write_text(broken, encoding="utf-8")
    assert "expected broken.py to import, got " in refused("verify", "--skip-empty", "broken.py")


def test_a_missing_file_is_refused(project: Path, refused: Callable[..., str]) -> None:
    assert "expected a Python file, got 'none.py', which does not exist" in refused("verify", "--skip-empty", "none.py")
