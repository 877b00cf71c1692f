"""The pages on adapters run as they stand, from top to bottom, and stay short."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[2] / "docs" / "adapters").glob("*.md"))
#: Packages that a page may need and a machine may not have.
OPTIONAL = ("autograd", "jax", "thinc", "torch")
#: A style is verified in so many lines beside the layer, the imports and the arrays.
MOST_LINES = 5


def python_blocks(text: str) -> list[tuple[int, str]]:
    """Return the Python blocks of a page, each with the number of the line before it."""
    found = re.finditer(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    return [(text.count("\n", 0, match.start(1)), match[1]) for match in found]


def needed(source: str) -> set[str]:
    """Return the optional packages that a block imports."""
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in imports if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names} & set(OPTIONAL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_runs(page):
    blocks = python_blocks(page.read_text(encoding="utf-8"))
    assert blocks
    for package in {package for _, source in blocks for package in needed(source)}:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    namespace: dict[str, object] = {"__name__": page.stem}
    for line, source in blocks:
        exec(compile("\n" * line + source, str(page), "exec"), namespace)


def lines_beside_the_layer(source: str) -> int:
    """Count lines that are neither an import, a definition, a comment, nor empty."""
    spans = [
        node.end_lineno - node.lineno + 1
        for node in ast.parse(source).body
        if not isinstance(node, ast.Import | ast.ImportFrom | ast.ClassDef | ast.FunctionDef)
    ]
    return sum(spans)


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem in ("objects", "layouts")], ids=lambda p: p.stem)
def test_each_style_takes_few_lines(page):
    for line, source in python_blocks(page.read_text(encoding="utf-8")):
        assert lines_beside_the_layer(source) <= MOST_LINES, f"{page.name}:{line}"


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+\.md)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name} links to {target}"
