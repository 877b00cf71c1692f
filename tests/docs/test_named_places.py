"""Files, modules and public names that the documents name are there."""

import re
from pkgutil import resolve_name

import pytest
from support.followed_pages import ROOT, read_page

DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
_FOLDERS = r"(?:gradcheck|reference_layers|tests|benchmarks|examples|docs|\.ci)"
#: A file or folder, from the root of the repository; "*" stands for any name.
_PATH = re.compile(rf"(?<![\w./-]){_FOLDERS}/(?:\*?[\w.-]+/?)*(?<!\.)")
#: What a reader puts the name of a file in the place of.
_PLACEHOLDER = re.compile(r"/(FILE|NAME)\b")
_DOTTED = re.compile(r"(?<![\w./-])gradcheck(?:\.[A-Za-z_]\w*)+(?![\w/-])")
#: Files of a reader's project, not modules.
_SUFFIXES = (".json", ".html", ".xml", ".txt")


def dead_paths(text: str) -> set[str]:
    """Return the places in this repository that a text names and that are not there."""
    named = {found[0].rstrip("/") for found in _PATH.finditer(text)}
    return {path for path in named if not _PLACEHOLDER.search(path) and not any(ROOT.glob(path))}


def dead_names(text: str) -> set[str]:
    """Return the modules, functions and classes of gradcheck that a text names and that are not there."""
    named = {found[0] for found in _DOTTED.finditer(text) if not found[0].endswith(_SUFFIXES)}
    return {name for name in named if not _resolves(name)}


def _resolves(name: str) -> bool:
    try:
        resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_place_and_every_name_is_there(document):
    text = document.read_text(encoding="utf-8")
    created = set(read_page(document.name).files) if document.parent == ROOT / "docs" else set()
    assert dead_paths(text) - created == set()
    assert dead_names(text) - {path.removesuffix(".py").replace("/", ".") for path in created} == set()


def test_what_the_changelog_says_of_modules_that_moved_is_true():
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1:3] for line in changelog.splitlines() if line.startswith("  | ")][1:]
    new = [name for _, cell in rows for name in _full_names(cell)]
    kept = [name for cell, _ in rows if "too" in cell for name in _full_names(cell)]
    assert min(len(new), len(kept)) > 3
    assert [name for name in (*new, *kept) if not _resolves(name)] == []


def _full_names(cell: str) -> list[str]:
    """Return the modules in a cell; one that begins with a dot stands beside the one before."""
    names: list[str] = []
    for name in re.findall(r"`(gradcheck[\w.]*|\.\w+)`", cell):
        names.append(names[-1].rpartition(".")[0] + name if name.startswith(".") else name)
    return names


def test_what_is_not_there_would_be_seen():
    text = "`gradcheck/crew.py`, gradcheck/checks/probe.py. `gradcheck.canaries` and gradcheck.checks.probe.Probe."
    assert dead_paths(text) == {"gradcheck/crew.py"}
    assert dead_names(text) == {"gradcheck.canaries"}
