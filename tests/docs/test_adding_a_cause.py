"""The page on adding a cause is followed to the letter, in a copy of the sources."""

import re

import pytest
from support.followed_pages import follow, read_page, run, run_tests

PAGE = read_page("adding_a_cause.md")
SELF_TEST, TANH, SCALE, SLUGS = PAGE.commands
MUTANT, FAMILY = "square-of-cosh-missing", "running-sum:0:+1"


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Return a folder with copies of the sources and what the page adds to them."""
    return follow(PAGE, tmp_path_factory.mktemp("copy"), "docs", "tests/diagnosis")


def test_the_mutant_is_planted_and_killed(copy):
    result = run(f"{SELF_TEST} --json proofs.json", copy)
    assert result.returncode == 0, result.stdout + result.stderr
    assert MUTANT in (copy / "proofs.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(("command", "slug"), [(TANH, MUTANT), (SCALE, FAMILY)], ids=["mutant", "family"])
def test_a_layer_with_that_mistake_fails_and_names_it(copy, command, slug):
    result = run(command, copy)
    assert result.returncode == 1, result.stdout + result.stderr
    assert re.search(rf"^  cause +{re.escape(slug)}$", result.stdout, re.MULTILINE), result.stdout


def test_its_slug_stands_in_the_table(copy):
    assert run_tests(SLUGS, copy) >= 30
