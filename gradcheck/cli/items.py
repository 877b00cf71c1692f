"""What the targets of a command hold, and where another process finds each of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gradcheck.cli.exit_status import misuse
from gradcheck.runs.source import Source, located
from gradcheck.targets import Item, load


@dataclass(frozen=True, kw_only=True)
class Found:
    """What targets hold, and where another process finds each item."""

    items: Sequence[Item]
    sources: Sequence[Source]


def load_all(targets: Iterable[str], find: Callable[[str], list[Item]] = load) -> list[Item]:
    """Return what several targets stand for."""
    with misuse(ValueError):
        return [item for target in dict.fromkeys(targets) for item in find(target)]


def find_all(targets: Iterable[str], find: Callable[[str], list[Item]]) -> Found:
    """Return what targets hold, none of them twice."""
    held = [(target, load_all([target], find)) for target in dict.fromkeys(map(_relative, targets))]
    return Found(
        items=[item for _, items in held for item in items],
        sources=[located(item, target, index) for target, items in held for index, item in enumerate(items)],
    )


def _relative(target: str) -> str:
    """A target below the current folder as seen from there: reports name no folders of the person who ran them."""
    here = f"{Path.cwd()}{os.sep}"
    return target.removeprefix(here)
