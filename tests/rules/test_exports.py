"""What users may import is what is promised, and it is all in the distribution."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata, resources
from pathlib import Path
from types import ModuleType

import pytest

import gradcheck
import reference_layers

ROOT = Path(__file__).parents[2]
PACKAGES = ("gradcheck", "reference_layers")
#: The light half of the pytest plugin, which importing the package would make heavy.
MODULE = "_gradcheck_pytest.py"


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
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert gradcheck.__version__ == project["version"] == metadata.version("gradcheck")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[?{re.escape(project['version'])}", changelog, re.MULTILINE)


def _can_build() -> bool:
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"][0]
    try:
        return int(metadata.version("setuptools").split(".")[0]) >= int(needed.removeprefix("setuptools>="))
    except metadata.PackageNotFoundError:
        return False


def _build_wheel(folder: Path) -> set[str]:
    """Build a wheel from a copy of the sources, which stay as they are, and return the names of its files."""
    for name in PACKAGES:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", MODULE):
        shutil.copy(ROOT / name, folder)
    code = "from setuptools.build_meta import build_wheel; build_wheel('out')"
    result = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    (wheel,) = (folder / "out").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def _installed_files() -> set[str]:
    """Return what an installed distribution holds of the packages; nothing where it points at the sources."""
    names = {file.as_posix() for file in metadata.files("gradcheck") or ()}
    return {name for name in names if name.split("/")[0] in (*PACKAGES, MODULE)}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """Return the names of the files that users get."""
    if _can_build():
        return _build_wheel(tmp_path_factory.mktemp("wheel"))
    if installed := _installed_files():
        return installed
    pytest.skip("neither is setuptools here to build a wheel, nor is gradcheck installed from one")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_of_the_packages_is_shipped(package, shipped):
    there = [path.relative_to(ROOT) for path in (ROOT / package).rglob("*") if path.is_file()]
    kept = {path.as_posix() for path in there if not any(part.startswith((".", "__pycache__")) for part in path.parts)}
    assert kept <= shipped


def test_nothing_else_is_shipped(shipped):
    tops = {name.split("/")[0] for name in shipped}
    assert {name for name in tops if not name.endswith(".dist-info")} == {*PACKAGES, MODULE}


def test_the_command_is_installed():
    (script,) = metadata.entry_points(group="console_scripts", name="gradcheck")
    assert script.load().__module__ == "gradcheck.__main__"


def test_the_plugin_is_installed():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    assert declared["pytest11"] == {"gradcheck": MODULE.removesuffix(".py")}


def test_errors_are_assertions_or_values():
    assert issubclass(gradcheck.GradientError, AssertionError)
    assert issubclass(reference_layers.ShapeError, ValueError)
