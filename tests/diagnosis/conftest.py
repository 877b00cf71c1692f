"""What every test of the diagnosis needs."""

import pytest

from gradcheck.diagnosis import explanations


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Give the diagnosis all the time it wants: what it finds must not depend on the machine."""
    monkeypatch.setattr(explanations, "SECONDS", 600.0)
