"""How another process finds what is to be verified: by import, never by pickling it."""

from __future__ import annotations

import hashlib
import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from gradcheck.subject import Deferred
from gradcheck.suites.suite import Suite, suite
from gradcheck.targets import Item, load

#: What is unpacked stays until this process ends.
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []


@dataclass(frozen=True)
class Source:
    """Where an item is found.

    Attributes
    ----------
    target : str
        What the command line takes, ``path.py[:name]`` or ``package.module[:name]``; empty for the reference layer of
        a kind.
    kind : str or None
        The kind whose suite it is, where a target holds several items and `index` does not say which.
    index : int or None
        Its place in what the target holds.
    text : str or None
        What the file holds, for workers without the same disk.
    """

    target: str
    kind: str | None = None
    index: int | None = None
    text: str | None = None

    @property
    def is_reference(self) -> bool:
        """Whether it is a layer that comes with gradcheck."""
        return not self.target

    @property
    def file(self) -> Path | None:
        """The file that is imported, if the target is one."""
        name = self.target if self.target.endswith(".py") else self.target.rpartition(":")[0]
        return Path(name) if name.endswith(".py") else None

    def shipped(self) -> Source:
        """Return this source with what its file holds."""
        return (
            self
            if self.file is None or self.text is not None
            else replace(self, text=self.file.read_text(encoding="utf-8"))
        )

    def digest(self) -> str | None:
        """Return a fingerprint of the file, if the target is one."""
        return None if self.file is None else hashlib.sha256(self.file.read_bytes()).hexdigest()


def source_of(item: Item) -> Source:
    """Return where another process finds an item of this one.

    Raises
    ------
    ValueError
        If it was made in this session and is in no file.
    """
    if isinstance(item, Suite) and item.origin is not None:
        return Source(item.origin, item.kind_name)
    what = "suite" if isinstance(item, Suite) else "subject"
    raise ValueError(
        f"expected a {what} that a worker can import again, got {item.name!r}, which was made in this session; put it "
        f"into a file, and give its source: gradcheck.runs.source.load_with_sources('layers.py')"
    )


def load_with_sources(targets: Sequence[str]) -> tuple[list[Item], list[Source]]:
    """Return what targets hold, and where another process finds each of them.

    Raises
    ------
    TargetError
        If a target leads nowhere.

    Examples
    --------
    >>> items, sources = load_with_sources(["reference_layers:ReLU"])
    >>> items[0].name, sources[0]
    ('relu', Source(target='', kind='relu', index=None, text=None))
    """
    found = [(item, target, index) for target in targets for index, item in enumerate(load(target))]
    return [item for item, _, _ in found], [located(item, target, index) for item, target, index in found]


def located(item: Item, target: str, index: int) -> Source:
    """Return the source of an item that a target holds at some place."""
    if isinstance(item, Suite) and item.origin == "":
        return Source("", item.kind_name)
    return Source(target, None, index)


@lru_cache(maxsize=1)
def find_item(source: Source) -> Item:
    """Return the item, imported in this process.

    Raises
    ------
    ValueError
        If it is not there.
    """
    if source.is_reference:
        return suite(source.kind)
    if source.file is None or source.text is None:
        return _chosen(load(source.target), source)
    copy = _unpacked(source.file.name, source.text)
    home = str(source.file)
    item = _chosen(load(f"{copy}{source.target.removeprefix(home)}"), source)
    return _named_as_at_home(item, copy, home)


def _chosen(items: Sequence[Item], source: Source) -> Item:
    if source.index is None:
        return next(item for item in items if isinstance(item, Suite) and item.kind_name == source.kind)
    if source.index >= len(items):
        raise ValueError(f"expected item {source.index} of {source.target}, got a worker where it holds {len(items)}")
    return items[source.index]


def _unpacked(name: str, text: str) -> str:
    """Write a file, of which only the text came, into a folder of its own that goes with this process."""
    folder = tempfile.TemporaryDirectory(prefix="gradcheck-")
    _FOLDERS.append(folder)
    copy = Path(folder.name) / name
    copy.write_text(text, encoding="utf-8")
    return str(copy)


def _named_as_at_home(item: Item, copy: str, home: str) -> Item:
    """Return the item, whose commands name the file of the user and not the copy of it."""
    if isinstance(item, Deferred):
        return item
    if isinstance(item, Suite):
        return replace(item, origin=None if item.origin is None else item.origin.replace(copy, home))
    return replace(item, reproduce=item.reproduce.replace(shlex.quote(copy), shlex.quote(home)))
