"""``pytest --gradcheck-html``: the page of the command line, of everything that a test run verified."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from support.modules import WRONG

pytest.importorskip("jinja2", reason="jinja2 is not installed")
pytest.importorskip("matplotlib", reason="matplotlib is not installed")


def test_the_page_shows_what_failed_with_pictures(runs_apart, project):
    workers = ["-n2"] if find_spec("xdist") else []  # what these verified is sent to the process that writes
    result = runs_apart(WRONG, "--gradcheck-html=out.html", "--gradcheck-seed=4", "-k", "gradient or forward", *workers)
    result.assert_outcomes(failed=1, passed=1)
    page = (project.path / "out.html").read_text(encoding="utf-8")
    assert "conv::gradient</h2>" in page
    assert "conv::forward</h2>" in page
    assert page.count('<svg class="chart"') == 4


def test_a_page_that_cannot_be_written_is_misuse(runs):
    result = runs(WRONG, "--gradcheck-html=no/such/out.html")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--gradcheck-html: expected a file that can be written, got 'no/such/out.html'" in result.stderr.str()


def test_a_missing_package_is_told_before_the_run(runs_apart, project):
    project.makeconftest("import importlib.util\nimportlib.util.find_spec = lambda name: None\n")
    result = runs_apart(WRONG, "--gradcheck-html=out.html", "-p", "no:cacheprovider")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert 'needs the package jinja2; install it with: pip install "gradcheck[report]"' in result.stderr.str()
    assert "Traceback" not in result.stderr.str()
