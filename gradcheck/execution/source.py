"""The former place of what `gradcheck.runs.source` holds."""

from gradcheck.runs.source import Source, load_with_sources

__all__ = ["Source", "load_with_sources"]
