"""What may import what: the core is light, and each room knows only those below it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import gradcheck

ROOT = Path(gradcheck.__file__).parents[1]

#: Room -> rooms of gradcheck it may import at module level; "reference_layers" stands for itself.
ALLOWED = {
    "numeric": {"numeric"},
    "subject": set(),
    "strategies": {"strategies", "subject"},
    "reports": {"reports", "subject"},
    "checks": {"checks", "numeric", "reports", "subject"},
    "adapters": {"adapters", "subject"},
    "kinds": {"kinds", "adapters", "reports", "strategies", "subject", "reference_layers"},
    "suite": {"kinds", "subject"},
    "check": {"checks", "numeric", "reports", "subject"},
    "campaign": {"check", "kinds", "reports", "subject", "suite"},
    "targets": {"kinds", "subject", "suite"},
    "cli": {"reports", "subject", "suite", "targets", "gradcheck", "kinds"},
    "__main__": set(),
    "__init__": {"adapters", "check", "numeric", "reports", "subject", "suite"},
}


def room_of(module: str) -> str | None:
    """Return the room of a module name, or None for other packages."""
    parts = module.split(".")
    if parts[0] == "reference_layers":
        return "reference_layers"
    if parts[0] != "gradcheck":
        return None
    return parts[1] if len(parts) > 1 else "gradcheck"


def module_level_imports(path: Path) -> set[str]:
    """Return the modules that a file imports when it is imported."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def violations(package: Path) -> list[str]:
    """Return every import of the package that the table does not allow."""
    found = []
    for path in sorted(package.rglob("*.py")):
        place = path.relative_to(package)
        room = place.parts[0].removesuffix(".py")
        for module in sorted(module_level_imports(path)):
            target = room_of(module)
            if target is not None and target not in ALLOWED[room]:
                found.append(f"{place} imports {module}")
    return found


def test_each_room_knows_only_those_below_it():
    assert violations(ROOT / "gradcheck") == []


def test_a_planted_import_is_seen(tmp_path):
    (tmp_path / "numeric").mkdir()
    (tmp_path / "numeric" / "plain.py").write_text("from gradcheck.checks.probe import Probe\nimport numpy\n")
    (tmp_path / "checks").mkdir()
    (tmp_path / "checks" / "laws.py").write_text("import reference_layers.conv\n")
    assert violations(tmp_path) == [
        "checks/laws.py imports reference_layers.conv".replace("/", "\\" if sys.platform == "win32" else "/"),
        "numeric/plain.py imports gradcheck.checks.probe".replace("/", "\\" if sys.platform == "win32" else "/"),
    ]


def test_the_layers_know_nothing_of_the_harness():
    imports = {m for path in (ROOT / "reference_layers").rglob("*.py") for m in module_level_imports(path)}
    assert not {module for module in imports if module.startswith("gradcheck")}


def foreign_modules(statement: str) -> set[str]:
    """Return the packages beyond NumPy and the standard library that a statement loads in a fresh interpreter."""
    code = (
        "import sys; before = set(sys.modules)\n"
        f"{statement}\n"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    known = {*sys.stdlib_module_names, "numpy", "gradcheck", "reference_layers"}
    return {name for name in result.stdout.split() if name not in known and not name.startswith(("_", "cython"))}


@pytest.mark.parametrize("statement", ["import gradcheck", "import gradcheck.kinds", "import reference_layers"])
def test_importing_loads_numpy_and_the_standard_library_only(statement):
    assert foreign_modules(statement) == set()


def test_a_check_of_a_subject_loads_nothing_more():
    statement = (
        "import gradcheck, numpy as np\n"
        "gradcheck.check(gradcheck.Subject('x', {'x': np.ones(2)}, lambda p: (p['x'] * 2, lambda g: {'x': 2 * g})))"
    )
    assert foreign_modules(statement) == set()


def test_a_heavy_import_would_be_seen():
    assert "click" in foreign_modules("import gradcheck, click")
    assert "hypothesis" in foreign_modules("from gradcheck.kinds import KINDS\nKINDS['relu'].configs()")
