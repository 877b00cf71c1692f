"""What may import what: the core is light, and each room knows only those below it."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

import pytest

import gradcheck

ROOT = Path(gradcheck.__file__).parents[1]

#: Room -> rooms of gradcheck that it may import while it is being imported, or for its types. Every room may import
#: itself; "gradcheck" is the public API, "reference_layers" stands for itself.
ALLOWED = {
    "__init__": {"adapters", "check", "numeric", "records", "reports", "subject", "suites", "version"},
    "__main__": set(),
    "adapters": {"messages", "subject"},
    "campaign": {"reports", "runs", "targets"},
    "check": {"adapters", "checks", "numeric", "reports", "subject", "suites"},
    "checks": {"messages", "numeric", "records", "subject"},
    "cli": {
        *("checks", "kinds", "messages", "mutants", "records", "reports", "runs", "study", "suites", "targets"),
        *("timing", "version"),
    },
    "diagnosis": {"checks", "mutants", "numeric", "records", "subject"},
    "execution": {"runs"},
    "kinds": {"adapters", "messages", "mutants", "reference_layers", "strategies", "subject", "suites"},
    "messages": set(),
    "mutants": {"checks", "numeric", "records", "reference_layers", "runs", "subject", "suites"},
    "numeric": set(),
    "pytest_plugin": {"check", "checks", "messages", "records", "reports", "runs", "subject", "suites", "targets"},
    "records": {"messages", "version"},
    "reports": {"messages", "records"},
    "runs": {
        *("checks", "diagnosis", "messages", "mutants", "records", "reports", "subject", "suites", "targets"),
        "version",
    },
    "strategies": {"numeric"},
    "study": {"checks", "messages", "numeric", "records", "reports", "subject", "suites", "timing"},
    "subject": {"messages"},
    "suites": {"adapters", "messages", "mutants", "records", "strategies", "subject"},
    "targets": {"messages", "subject", "suites"},
    "timing": {"checks", "messages", "numeric", "records", "reports", "subject", "suites"},
    "version": set(),
}
#: Rooms that its functions may import beside those, when they are called.
LATER = {
    "__main__": {"cli"},
    "check": {"runs"},
    "pytest_plugin": {"timing"},
    "reports": {"version"},
    "suites": {"kinds"},
    "targets": {"kinds"},
    "timing": {"version"},
}
#: Room -> the modules alone of another room that it may import.
MODULES = {
    ("__init__", "numeric"): {"gradcheck.numeric.plain"},
    ("__init__", "records"): {"gradcheck.records.run_record"},
    ("__init__", "reports"): {"gradcheck.reports.run_report"},
    ("check", "checks"): {"gradcheck.checks.one_subject", "gradcheck.checks.stages"},
    ("check", "numeric"): {"gradcheck.numeric.precision"},
    ("check", "reports"): {"gradcheck.reports.run_report"},
    ("checks", "records"): {"gradcheck.records.run_record"},
    ("cli", "checks"): {"gradcheck.checks.stages"},
    ("cli", "mutants"): {"gradcheck.mutants.self_test"},
    ("diagnosis", "checks"): {"gradcheck.checks.answers", "gradcheck.checks.probe"},
    ("diagnosis", "mutants"): {"gradcheck.mutants.generic", "gradcheck.mutants.mutant"},
    ("diagnosis", "numeric"): {
        *("gradcheck.numeric.function", "gradcheck.numeric.precision", "gradcheck.numeric.space")
    },
    ("diagnosis", "records"): {"gradcheck.records.run_record"},
    ("kinds", "adapters"): {"gradcheck.adapters.reference"},
    ("kinds", "suites"): {"gradcheck.suites.kind"},
    ("mutants", "checks"): {"gradcheck.checks.one_subject", "gradcheck.checks.stages"},
    ("mutants", "numeric"): {"gradcheck.numeric.plain"},
    ("mutants", "runs"): {"gradcheck.runs.check_case"},
    ("pytest_plugin", "checks"): {"gradcheck.checks.stages"},
    ("runs", "checks"): {"gradcheck.checks.one_subject", "gradcheck.checks.stages"},
    ("runs", "mutants"): {"gradcheck.mutants.sensitivity"},
    ("runs", "reports"): {"gradcheck.reports.run_report"},
    ("strategies", "numeric"): {"gradcheck.numeric.array_layouts"},
    ("study", "checks"): {
        *("gradcheck.checks.answers", "gradcheck.checks.one_subject"),
        *("gradcheck.checks.probe", "gradcheck.checks.stages"),
    },
    ("suites", "mutants"): {"gradcheck.mutants.mutant"},
    ("suites", "records"): {"gradcheck.records.run_record"},
    ("timing", "checks"): {"gradcheck.checks.one_subject", "gradcheck.checks.stages"},
    ("timing", "numeric"): {"gradcheck.numeric.plain", "gradcheck.numeric.precision"},
}
#: Room -> foreign packages beyond NumPy that it may import, and whether that may be while it is being imported.
FOREIGN = {
    "cli": {"click": True, "rich": True},
    "kinds": {"hypothesis": True},
    "pytest_plugin": {"_gradcheck_pytest": True, "hypothesis": False, "pytest": True},
    "reports": {"jinja2": False, "matplotlib": False},
    "runs": {"hypothesis": False},
    "strategies": {"hypothesis": False},
    "suites": {"hypothesis": False},
    "timing": {"hypothesis": False},
}


class Import(NamedTuple):
    """One import statement: the module it names, and when it is executed."""

    module: str
    when: str  # "import", "types" or "call"


def imports(path: Path, package: str) -> Iterator[Import]:
    """Yield every import of a file, those inside functions and those for type checkers among them."""
    yield from _imports(ast.parse(path.read_text(encoding="utf-8")), package, "import")


def _imports(tree: ast.AST, package: str, when: str) -> Iterator[Import]:
    for node in ast.iter_child_nodes(tree):
        inside = when
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            inside = "call"
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            inside = "types"
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, when) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (Import(name, when) for name in _from(node, package))
        yield from _imports(node, package, inside)


def _from(node: ast.ImportFrom, package: str) -> list[str]:
    """Return the modules of ``from … import``; a room taken out of the package itself is named in full."""
    base = node.module or ""
    if node.level:
        above = package.split(".")[: len(package.split(".")) - node.level + 1]
        base = ".".join([*above, base] if base else above)
    if base != "gradcheck":
        return [base]
    return [f"gradcheck.{alias.name}" if alias.name in ALLOWED else "gradcheck" for alias in node.names]


def room_of(module: str) -> str | None:
    """Return the room of a module name, or None for other packages."""
    parts = module.split(".")
    if parts[0] != "gradcheck":
        return "reference_layers" if parts[0] == "reference_layers" else None
    return parts[1] if len(parts) > 1 else "gradcheck"


def complaint(room: str, found: Import) -> str | None:
    """Return what the tables have against an import, or None."""
    target = room_of(found.module)
    if target is None:
        name = found.module.split(".")[0]
        if name in {*sys.stdlib_module_names, "numpy"}:
            return None
        allowed = FOREIGN.get(room, {})
        if name not in allowed:
            return f"imports {found.module}"
        return None if allowed[name] or found.when != "import" else f"imports {found.module} too early"
    if target == room:
        return None
    if target not in ALLOWED[room]:
        if target not in LATER.get(room, set()):
            return f"imports {found.module}"
        return None if found.when == "call" else f"imports {found.module} too early"
    modules = MODULES.get((room, target), {found.module})
    return None if found.module in modules else f"imports {found.module}"


def violations(package: Path) -> list[str]:
    """Return every import of a tree laid out as the package that the tables do not allow."""
    found = []
    for path in sorted(package.rglob("*.py")):
        place = PurePath(path.relative_to(package))
        room = place.parts[0].removesuffix(".py")
        within = ".".join(["gradcheck", *place.parts[:-1]])
        complaints = {complaint(room, one) for one in imports(path, within)} - {None}
        found += [f"{place.as_posix()} {text}" for text in sorted(complaints)]
    return found


def test_each_room_knows_only_those_below_it():
    assert violations(ROOT / "gradcheck") == []


def test_the_tables_name_the_rooms_that_there_are():
    rooms = {path.relative_to(ROOT / "gradcheck").parts[0].removesuffix(".py") for path in _modules("gradcheck")}
    assert rooms == set(ALLOWED)
    assert {*LATER, *FOREIGN} <= rooms


def test_no_room_is_allowed_more_than_it_uses():
    used: dict[str, set[str]] = {room: set() for room in ALLOWED}
    for path in _modules("gradcheck"):
        place = path.relative_to(ROOT / "gradcheck")
        within = ".".join(["gradcheck", *place.parts[:-1]])
        room = place.parts[0].removesuffix(".py")
        used[room] |= {room_of(one.module) for one in imports(path, within)} - {None, room}
    assert used == {room: ALLOWED[room] | LATER.get(room, set()) for room in ALLOWED}


PLANTED = {
    "numeric/plain.py": ("from gradcheck.checks.probe import Probe\nimport numpy\n", "imports gradcheck.checks.probe"),
    "checks/check_laws.py": ("import reference_layers.conv\n", "imports reference_layers.conv"),
    "checks/text.py": ("from gradcheck.reports.text import WIDTH\n", "imports gradcheck.reports.text"),
    "adapters/frameworks/torch.py": ("import torch\n", "imports torch"),
    "strategies/images.py": ("def images():\n    from gradcheck.kinds import KINDS\n", "imports gradcheck.kinds"),
    "suites/early.py": ("from hypothesis import given\n", "imports hypothesis too early"),
    "reports/html.py": ("from ..checks import probe\n", "imports gradcheck.checks"),
    "check.py": ("from gradcheck import runs\n", "imports gradcheck.runs too early"),
    "records/run_record.py": ("from gradcheck.reports.text import WIDTH\n", "imports gradcheck.reports.text"),
    "subject.py": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from gradcheck.suites.suite import Suite\n",
        "imports gradcheck.suites.suite",
    ),
}


@pytest.mark.parametrize("place", PLANTED)
def test_a_planted_import_is_seen(place, tmp_path):
    text, expected = PLANTED[place]
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text(text, encoding="utf-8")
    assert violations(tmp_path) == [f"{place} {expected}"]


# Circles between files


def file_imports(package: Path) -> dict[str, set[str]]:
    """Return the modules of a tree laid out as the package, each with those that it imports, whenever it does."""
    modules = {_module_name(path.relative_to(package)): path for path in sorted(package.rglob("*.py"))}
    found = {}
    for name, path in modules.items():
        within = name if path.name == "__init__.py" else name.rpartition(".")[0]
        named = {target for node in ast.walk(ast.parse(path.read_text("utf-8"))) for target in _targets(node, within)}
        found[name] = (named & modules.keys()) - {name}
    return found


def _module_name(place: PurePath) -> str:
    parts = place.parts[:-1] if place.name == "__init__.py" else (*place.parts[:-1], place.stem)
    return ".".join(("gradcheck", *parts))


def _targets(node: ast.AST, within: str) -> list[str]:
    """Return the modules that a statement imports; a name taken out of a package may be a module of it."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    base = node.module or ""
    if node.level:
        above = within.split(".")[: len(within.split(".")) - node.level + 1]
        base = ".".join([*above, base] if base else above)
    return [base, *(f"{base}.{alias.name}" for alias in node.names)]


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the groups of modules of which each leads to all others of its group."""
    led_to = {name: _led_to(graph, name) for name in graph}
    groups = {tuple(sorted(other for other in led_to[name] if name in led_to[other])) for name in graph}
    return sorted(list(group) for group in groups if group)


def _led_to(graph: dict[str, set[str]], name: str) -> set[str]:
    """Return all modules that a module imports, by way of others too."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        new = graph[waiting.pop()] - found
        found |= new
        waiting += new
    return found


def test_no_files_import_each_other_in_a_circle():
    assert circles(file_imports(ROOT / "gradcheck")) == []


@pytest.mark.parametrize(
    "back",
    [
        "from gradcheck.checks import laws\n",
        "def later():\n    from gradcheck.checks.laws import law\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .laws import law\n",
    ],
    ids=["at once", "when called", "for types"],
)
def test_a_planted_circle_is_seen(back, tmp_path):
    (tmp_path / "checks").mkdir()
    (tmp_path / "top.py").write_text("import gradcheck.checks.probe\n", encoding="utf-8")
    (tmp_path / "checks" / "laws.py").write_text("from gradcheck.checks.probe import probe\n", encoding="utf-8")
    (tmp_path / "checks" / "probe.py").write_text("import gradcheck.leaf\n", encoding="utf-8")
    (tmp_path / "leaf.py").write_text("import numpy\n", encoding="utf-8")
    assert circles(file_imports(tmp_path)) == []
    (tmp_path / "checks" / "probe.py").write_text(f"import gradcheck.leaf\n{back}", encoding="utf-8")
    assert circles(file_imports(tmp_path)) == [["gradcheck.checks.laws", "gradcheck.checks.probe"]]


def test_the_layers_know_nothing_of_the_harness():
    known = {*sys.stdlib_module_names, "numpy", "reference_layers"}
    for path in _modules("reference_layers"):
        strangers = {one.module for one in imports(path, "reference_layers") if one.module.split(".")[0] not in known}
        assert not strangers, f"{path.name} imports {', '.join(sorted(strangers))}"


def _modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


# What is really loaded, in a fresh interpreter


def foreign_modules(statement: str, *folders: Path) -> set[str]:
    """Return the packages beyond NumPy and the standard library that a statement loads in a fresh interpreter."""
    code = (
        "import sys; before = set(sys.modules)\n"
        f"sys.path[:0] = {[str(folder) for folder in folders]!r}\n"
        f"{statement}\n"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    known = {*sys.stdlib_module_names, "numpy", "gradcheck", "reference_layers"}
    # Compiled modules of NumPy register helpers of their compiler under names of their own.
    return {name for name in result.stdout.split() if name not in known and not name.startswith(("_cython", "cython"))}


@pytest.mark.parametrize(
    "statement",
    [
        "import gradcheck",
        "import gradcheck.kinds",
        "import gradcheck.runs, gradcheck.targets",
        "import reference_layers",
    ],
)
def test_importing_loads_numpy_and_the_standard_library_only(statement):
    assert foreign_modules(statement) == set()


def test_the_plugin_loads_nothing_that_pytest_does_not():
    assert foreign_modules("import pytest\nbefore |= set(sys.modules)\nimport _gradcheck_pytest") == {
        "_gradcheck_pytest"
    }
    statement = "import pytest, _gradcheck_pytest\nassert not {'numpy', 'hypothesis', 'gradcheck'} & set(sys.modules)"
    assert "pytest" in foreign_modules(statement)


def test_a_check_of_a_subject_loads_nothing_more():
    statement = (
        "import gradcheck, numpy as np\n"
        "gradcheck.check(gradcheck.Subject('x', {'x': np.ones(2)}, lambda p: (p['x'] * 2, lambda g: {'x': 2 * g})))"
    )
    assert foreign_modules(statement) == set()


def test_the_layers_load_nothing_of_the_harness():
    statement = "import reference_layers\nassert 'gradcheck' not in sys.modules"
    assert foreign_modules(statement) == set()


def test_a_heavy_import_would_be_seen(tmp_path):
    (tmp_path / "heavy").mkdir()
    (tmp_path / "heavy" / "__init__.py").write_text("import gradcheck\nimport click\n", encoding="utf-8")
    assert foreign_modules("import heavy", tmp_path) == {"heavy", "click"}
    assert "hypothesis" in foreign_modules("from gradcheck.kinds import KINDS\nKINDS['relu'].configs()")
