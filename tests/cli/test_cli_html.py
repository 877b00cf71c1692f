"""``--html`` of verify, time and study: one page each, and misuse found out before the run."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("jinja2", reason="jinja2 is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")

COMMANDS = ("verify", "time", "study")


def test_verify_writes_a_page_with_pictures(project: Path, command) -> None:
    assert command("verify", "layers.py:wrong", "--html", "out.html", "--json", "out.json")[0] == 1
    page = (project / "out.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page.count("<svg") == 4
    assert '"picture"' in (project / "out.json").read_text(encoding="utf-8")


def test_without_a_page_no_picture_is_taken(project: Path, command) -> None:
    command("verify", "layers.py:wrong", "--json", "out.json")
    assert '"picture"' not in (project / "out.json").read_text(encoding="utf-8")


def test_time_writes_a_page(project: Path, command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradcheck.cli.time_command.threads_of", lambda _: (1, "test"))
    assert command("time", "layers.py:right", "--budget", "0.1", "--rounds", "1", "--html", "out.html")[0] == 0
    assert (project / "out.html").read_text(encoding="utf-8").count("<svg") == 2  # one size has no growth


def test_study_writes_a_page(project: Path, command) -> None:
    assert command("study", "layers.py:right", "--entries", "2", "--html", "out.html")[0] == 0
    assert (project / "out.html").read_text(encoding="utf-8").count("<svg") == 3


@pytest.mark.parametrize("name", COMMANDS)
def test_a_missing_package_is_told_before_the_run(
    name: str, project: Path, refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gradcheck.reports.html.page.find_spec", lambda _: None)
    message = refused(name, "layers.py", "--html", "out.html")
    assert 'an HTML report needs the package jinja2; install it with: pip install "gradcheck[report]"' in message
    assert not (project / "out.html").exists()


@pytest.mark.parametrize("name", COMMANDS)
def test_two_reports_do_not_go_to_one_file(name: str, refused) -> None:
    message = refused(name, "layers.py", "--html", "out", "--json", "out")
    assert "expected two files for --json and --html, got 'out' for both" in message


def test_a_page_that_cannot_be_written_is_told_before_the_run(refused) -> None:
    assert "got 'missing/out.html'" in refused("verify", "layers.py", "--html", "missing/out.html")
