"""Layers that hang, crash, print, eat memory and lie where the batch is even and x has four axes, and else are right.

``gradcheck verify examples/hostile/misbehaving.py --examples 4 --timeout 5 --memory 1024`` comes to an end, tells which
case did what, and leaves the verdicts on ``before`` and ``after`` as they are. Without ``--timeout`` it never would.
"""

import ctypes
import os
import re
import signal
import sys
import threading
import time
import warnings

import numpy as np

import gradcheck
from reference_layers import ReLU


def suite(name, strike, *, backward=None):
    """Return the suite of a ReLU whose forward, or backward, does something else on some cases."""

    class Misbehaving(ReLU):
        def forward(self, params, x):
            outputs, cache = super().forward(params, x)
            if backward is None and strikes(x):
                replaced = strike(x, outputs)
                outputs = outputs if replaced is None else replaced
            return outputs, cache

        def backward(self, params, cache, grad_output):
            if backward is not None and strikes(grad_output):
                backward()
            return super().backward(params, cache, grad_output)

    return gradcheck.suite("relu", lambda *_: Misbehaving(), name=name)


def strikes(x):
    """Whether this is one of the cases that go wrong."""
    return x.ndim == 4 and x.shape[0] % 2 == 0


def endless(*_):
    """Never return, in Python."""
    while True:
        time.sleep(0.01)


def backtrack(*_):
    """Never return, and never let another thread of the process run."""
    re.match(r"(a+)+$", "a" * 60 + "b")


def crash(*_):
    """Read memory that is not there."""
    ctypes.string_at(0)


def leave(*_):
    """End the process as if all were well."""
    os._exit(0)


def die(*_):
    """End the process as the system does when memory runs out."""
    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))


def devour(*_):
    """Take all the memory there is, two gigabytes at a time."""
    held = []
    while True:
        held.append(np.ones(2**28))


def shout(*_):
    """Print a million letters at every call."""
    print("a" * 10**6)


def shout_below(*_):
    """Write past Python's own streams."""
    os.write(1, b"b" * 10**6)


def complain(*_):
    """Warn a hundred times at every call."""
    for number in range(100):
        warnings.warn(f"that is {number % 7} too many", RuntimeWarning, stacklevel=1)


def refuse(*_):
    """Raise."""
    raise ValueError("no such luck")


def quit_politely(*_):
    """Raise what ends Python."""
    sys.exit(0)


def flood(_, y):
    """Return nothing but NaN."""
    return np.full_like(y, np.nan)


def overwrite(x, _):
    """Write into what is somebody else's."""
    x.flags.writeable = True
    x[...] = 0.0


def forget_thread(*_):
    """Leave a thread behind."""
    if not any(thread.name == "forgotten" for thread in threading.enumerate()):
        threading.Thread(target=time.sleep, args=(3600,), name="forgotten").start()


def recurse(x, y):
    """Call oneself until there is no stack left."""
    return recurse(x, y)


def rearrange(*_):
    """Change what all code of the process shares."""
    os.chdir(os.sep)
    np.seterr(all="raise")
    np.maximum = np.minimum


before = gradcheck.suite("relu", lambda *_: ReLU(), name="before")
hang = suite("hang", endless)
hang_in_c = suite("hang in C", backtrack)
segfault = suite("segfault", crash)
exits = suite("os._exit", leave)
killed = suite("killed", die)
out_of_memory = suite("out of memory", devour)
huge_output = suite("huge output", shout)
output_from_c = suite("output from C", shout_below)
many_warnings = suite("many warnings", complain)
exception_forward = suite("exception, forward", refuse)
exception_backward = suite("exception, backward", None, backward=refuse)
sys_exit = suite("sys.exit", quit_politely)
nan_flood = suite("NaN flood", flood)
mutation = suite("mutation", overwrite)
thread_left = suite("thread left behind", forget_thread)
recursion = suite("recursion", recurse)
global_state = suite("global state", rearrange)
after = gradcheck.suite("relu", lambda *_: ReLU(), name="after")
