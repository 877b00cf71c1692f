"""What users may import is what is promised, and it is all in the distribution."""

import re
import tomllib
from importlib import metadata, resources
from pathlib import Path
from types import ModuleType

import pytest

import gradcheck
import reference_layers


@pytest.mark.parametrize("package", [gradcheck, reference_layers])
def test_public_names_are_sorted_and_are_all_there_is(package):
    assert package.__all__ == sorted(package.__all__)
    public = {
        name
        for name, value in vars(package).items()
        if not name.startswith("_") and (not isinstance(value, ModuleType) or name in package.__all__)
    }
    assert public == set(package.__all__)


def test_promised_names_are_there():
    for name in ("Subject", "check", "verify", "numeric_gradient", "suite", "adapt", "GradientError", "Report"):
        assert callable(getattr(gradcheck, name))


def test_data_files_are_installed():
    assert (resources.files("gradcheck") / "reports" / "schema.json").is_file()
    assert (resources.files("gradcheck") / "py.typed").is_file()
    assert (resources.files("reference_layers") / "py.typed").is_file()
    assert (resources.files("reference_layers") / "data" / "digits.csv").is_file()
    assert "CC BY 4.0" in (resources.files("reference_layers") / "data" / "README.md").read_text(encoding="utf-8")


def test_one_version_everywhere():
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert gradcheck.__version__ == project["version"] == metadata.version("gradcheck")
    changelog = (Path(__file__).parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[?{re.escape(project['version'])}", changelog, re.MULTILINE)


def test_errors_are_assertions_or_values():
    assert issubclass(gradcheck.GradientError, AssertionError)
    assert issubclass(reference_layers.ShapeError, ValueError)
