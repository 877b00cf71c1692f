"""How much a process grows during a check, each in a process of its own; libraries' own arrays are counted too."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from gradcheck.kinds.affine import AffineConfig
from peers.cases import Layer
from peers.function import Function
from peers.peer import Peer, judged

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_TINY = Layer("affine", AffineConfig((2,), 3, 2))


def peaks(peers: Sequence[Peer], layer: Layer) -> dict[str, float | None]:
    """Return by how many MiB a process grows at most while each check runs; None where the system does not tell."""
    if not _RESET.exists():
        return dict.fromkeys((peer.name for peer in peers), None)
    with ProcessPoolExecutor(1, get_context("spawn"), max_tasks_per_child=1) as pool:
        names = [peer.name for peer in peers]
        return dict(zip(names, pool.map(grown, names, [layer] * len(names)), strict=True))


def grown(name: str, layer: Layer) -> float:
    """Return by how many MiB this process grows at most while one check runs (Linux)."""
    from peers.checkers import PEERS

    peer = next(one for one in PEERS if one.name == name)
    peer.check(Function(_TINY.subject()))  # whatever is loaded when it is first used
    function = Function(layer.subject())
    function.forward_and_backward()
    check = peer.prepare(function)
    gc.collect()
    _RESET.write_text("5", encoding="ascii")  # the peak begins anew
    before = _kibibytes("VmRSS")
    judged(function, check)
    return max(0, _kibibytes("VmHWM") - before) / 1024


def _kibibytes(field: str) -> int:
    line = next(line for line in _STATUS.read_text(encoding="ascii").splitlines() if line.startswith(field))
    return int(line.split()[1])
