"""Right layers under difficulties: how many are called wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from peers.cases import SITUATIONS
from peers.function import Function
from peers.peer import Peer
from peers.results import Alarms, Counts, Progress


def ask(peers: Sequence[Peer], progress: Progress, seeds: int) -> Alarms:
    """Return what every checker says of right layers, at so many points of each kind and regime."""
    present = [peer for peer in peers if peer.missing() is None]
    layers = [(situation.name, layer) for situation in SITUATIONS for layer in situation.layers(seeds)]
    verdicts: dict[str, dict[str, Counts]] = {}
    for done, (name, layer) in enumerate(layers):
        progress(done, len(layers))
        for peer in present:
            verdict = peer.check(Function(layer.subject())).verdict
            counts = verdicts.setdefault(name, {}).setdefault(peer.name, {})
            counts[verdict] = counts.get(verdict, 0) + 1
    return Alarms(dict(Counter(name for name, _ in layers)), verdicts)
