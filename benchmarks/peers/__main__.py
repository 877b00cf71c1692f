"""``python benchmarks/peers``: gradcheck beside its peers, in one process with one thread."""

import os
import sys
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"  # of JAX
# The folder itself is what Python looks into first; its files are a package, and some are called like the checkers.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from peers.command import main

main(prog_name="python benchmarks/peers")
