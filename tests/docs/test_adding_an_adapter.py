"""The page on adding an adapter is followed to the letter, in a copy of the sources."""

import pytest
from support.followed_pages import follow, read_page, run_tests

PAGE = read_page("adding_an_adapter.md")
OWN_TESTS, RULES = PAGE.commands


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Return a folder with copies of the sources and what the page adds to them."""
    return follow(PAGE, tmp_path_factory.mktemp("copy"), "tests/rules", "tests/docs/test_adapter_pages.py")


def test_the_page_adds_two_lines_to_one_file():
    assert {place for place, _ in PAGE.hunks} == {"gradcheck/adapters/__init__.py"}
    assert PAGE.added_lines == 2


def test_its_own_tests_its_page_and_its_docstring_pass(copy):
    assert run_tests(OWN_TESTS, copy) == 5 + 1 + 1


def test_it_keeps_to_the_import_rules(copy):
    assert run_tests(f"{RULES} -k 'each_room or in_a_circle'", copy) == 2
