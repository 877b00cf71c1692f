"""Hypothesis profiles and a random generator for every test."""

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    # The matrices of tests are small: threads that wait for each other would take most of the time.
    os.environ.setdefault(name, "1")

from importlib import metadata, util

import numpy as np
import pytest
from hypothesis import settings

from gradcheck.diagnosis.explanations import Diagnosis
from gradcheck.runs import causes

pytest_plugins = ["pytester"]
if not metadata.entry_points(group="pytest11", name="gradcheck") and util.find_spec("_gradcheck_pytest"):
    pytest_plugins.append("_gradcheck_pytest")  # sources newer than what is installed

settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile("ci", max_examples=20, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


@pytest.fixture
def rng() -> np.random.Generator:
    """Return a generator with a fixed seed."""
    return np.random.default_rng(20_260_401)


@pytest.fixture
def no_causes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let failures be told without their causes: for tests that ask whether a fault is found, which ends sooner."""
    monkeypatch.setattr(causes, "diagnose", lambda *_: Diagnosis())
