"""Tests of kinds ask whether faults are found; why a gradient is wrong is asked in ``tests/diagnosis``."""

import pytest


@pytest.fixture(autouse=True)
def _found_or_not(no_causes: None) -> None:
    """Nothing here looks at causes."""
