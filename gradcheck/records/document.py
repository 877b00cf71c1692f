"""A record that is a file of its own: its header, then its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from gradcheck.records.codec import from_plain, to_plain
from gradcheck.records.json_text import to_json


class Document:
    """What records that are written as a file of their own have in common.

    Attributes
    ----------
    header : type
        The record that the file begins with; its defaults are what this version writes.
    """

    header: ClassVar[type[Any]]

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain data, in its schema: see ``gradcheck/reports/*schema.json``."""
        return {**to_plain(self.header()), **to_plain(self)}

    def to_json(self) -> str:
        """Return the record as JSON text."""
        return to_json(self.to_dict())

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the record that plain data describe.

        Raises
        ------
        ValueError
            If they are not of schema 1; the message names the path, what was expected there and what came.
        """
        from_plain(cls.header, data)  # another schema explains every other difference
        return from_plain(cls, data)
