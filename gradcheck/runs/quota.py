"""What a case may take, and what it is called when it takes more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: What tells how much address space this process holds, in pages; Linux has it.
_HELD = Path("/proc/self/statm")


@dataclass(frozen=True)
class Quota:
    """What a case may take.

    Attributes
    ----------
    seconds : float or None
        Wall time; finding the item in a new worker is not counted.
    memory : int or None
        MiB of address space beside what the worker holds when the case begins.

    Raises
    ------
    ValueError
        If a limit is not above zero, or cannot be kept on this system.
    """

    seconds: float | None = None
    memory: int | None = None

    def __post_init__(self) -> None:
        if self.seconds is not None and not 0 < self.seconds < float("inf"):
            raise ValueError(f"expected a timeout above 0 seconds, got timeout={self.seconds!r}")
        if self.memory is not None and self.memory < 1:
            raise ValueError(f"expected a memory limit of at least 1 MiB, got memory={self.memory!r}")
        if self.memory is not None and not _HELD.exists():
            raise ValueError(
                f"expected a system that can limit the memory of a case, which Linux can, got memory={self.memory}; "
                f"timeout limits a case everywhere"
            )


def limit_memory(mebibytes: int) -> None:
    """Let this process take so many MiB more than it holds."""
    import resource

    held = int(_HELD.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (held + mebibytes * 2**20, most))


def lift_memory_limit() -> None:
    """Let this process take what it wants again."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
