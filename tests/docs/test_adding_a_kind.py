"""The page on adding a kind is followed to the letter, in a copy of both packages."""

import re

import pytest
from support.followed_pages import copy_into, follow, read_page, run, run_tests

PAGE = read_page("adding_a_kind.md")
LAYER = "reference_layers/squared_relu.py"
KIND = "gradcheck/kinds/squared_relu.py"


@pytest.fixture
def copy(tmp_path):
    """Return a folder with copies of both packages and what the page adds to them."""
    return follow(PAGE, tmp_path)


def test_the_page_shows_two_files_and_one_line_of_registration():
    assert list(PAGE.files) == [LAYER, KIND]
    assert PAGE.added_lines == 1


def test_the_new_kind_verifies_until_a_fault_is_planted(copy):
    verify = PAGE.commands[0]
    result = run(verify, copy)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"^squared_relu +passed", result.stdout, re.MULTILINE)
    assert "never met" not in result.stdout

    layer = copy / LAYER
    right = "return 2 * cache * grad_output"
    text = layer.read_text(encoding="utf-8")
    assert text.count(right) == 1
    layer.write_text(text.replace(right, right.replace("2", "3")), encoding="utf-8")
    result = run(verify, copy)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "squared_relu: failed (`x`)" in result.stdout


def test_the_new_kind_is_listed(copy):
    result = run(PAGE.commands[1], copy)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^squared_relu +SquaredReLU +4 ", result.stdout, re.MULTILINE)


def test_the_tests_of_all_kinds_take_it_up(copy):
    copy_into(copy, "tests/kinds/test_kinds.py")
    assert run_tests(PAGE.commands[2], copy) >= 10
    assert run_tests(PAGE.commands[3], copy) == 1
