"""The page on adding a contract is followed to the letter, in a copy of the sources."""

import pytest
from support.followed_pages import follow, read_page, run, run_tests

PAGE = read_page("adding_a_contract.md")
TESTS, VERIFY = PAGE.commands


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Return a folder with copies of the sources and what the page adds to them."""
    return follow(PAGE, tmp_path_factory.mktemp("copy"), "docs", "tests/contracts", "tests/docs/test_contracts_page.py")


def test_its_fault_is_caught_right_subjects_pass_and_its_row_stands_in_the_table(copy):
    assert run_tests(TESTS, copy) >= 25


def test_reference_layers_pass_it(copy):
    result = run(VERIFY, copy)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_reason_switches_it_off(copy):
    (copy / "loud.py").write_text(
        "import gradcheck, numpy as np\n"
        "def square(p):\n"
        "    np.seterr(over='ignore')\n"
        "    return p['x'] ** 2, lambda g: {'x': 2 * g * p['x']}\n"
        "layer = gradcheck.Subject('square', {'x': np.arange(3.0)}, square)\n",
        encoding="utf-8",
    )
    blamed = run("python -m gradcheck verify loud.py", copy)
    assert blamed.returncode == 1, blamed.stdout + blamed.stderr
    assert "leave NumPy with other error handling, over='ignore'" in " ".join(blamed.stdout.split())
    excused = run("python -m gradcheck verify loud.py --without error-handling='the program is meant to'", copy)
    assert excused.returncode == 0, excused.stdout + excused.stderr
