"""The page on contracts tells of every contract, every limit and every law, and of no others."""

import re
from pathlib import Path

from gradcheck.checks.contracts import CONTRACTS
from gradcheck.kinds import KINDS
from gradcheck.subject import LIMITS

PAGE = (Path(__file__).parents[2] / "docs" / "contracts.md").read_text(encoding="utf-8")


def section(title):
    """Return the first cells of the table of a section."""
    text = PAGE.split(f"## {title}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row] for row in rows]


def test_every_contract_stands_in_its_order():
    assert [row[0].strip("`") for row in section("What is checked")] == [contract.name for contract in CONTRACTS]


def test_limits_that_excuse_exist():
    named = {name for row in section("What is checked") for name in re.findall("`([a-z-]+)`", row[2])}
    assert named <= set(LIMITS)


def test_every_limit_is_told():
    assert {name for row in section("Limits") for name in re.findall("`([a-z-]+)`", row[0])} == set(LIMITS)


def test_every_law_is_told():
    laws = {law.name for kind in KINDS.values() for config in kind.corners for law in kind.laws(config)}
    assert {row[2].strip("`").removeprefix("law:") for row in section("Laws")} == laws
