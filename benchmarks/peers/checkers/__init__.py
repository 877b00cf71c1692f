"""The checkers, a file for each package; none is imported before it is asked for."""

from __future__ import annotations

from peers.checkers.autograd import AUTOGRAD
from peers.checkers.gradcheck import GRADCHECK
from peers.checkers.jax import JAX
from peers.checkers.plain_loop import PLAIN_LOOP
from peers.checkers.scipy import SCIPY
from peers.checkers.torch import TORCH
from peers.peer import Peer

__all__ = ["PEERS"]

PEERS: tuple[Peer, ...] = (*GRADCHECK, *TORCH, *JAX, *AUTOGRAD, *SCIPY, *PLAIN_LOOP)
