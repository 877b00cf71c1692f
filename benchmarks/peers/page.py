"""The page that the documents show, from results alone."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from peers.results import Cost, Results
from peers.tables import alarms_table, calls_table, checkers_table, cost_table, faults_table, noticed
from peers.targets import DEFAULT, EXHAUSTIVE, PROJECTED, targets_table

#: What is compared with what where the page tells who is faster: checks that do the same work.
ALIKE = {
    PROJECTED: (
        "gradcheck, one trial",
        "torch gradcheck, fast",
        "jax check_grads",
        "autograd check_grads",
        "scipy check_grad, random",
    ),
    EXHAUSTIVE: ("torch gradcheck, slow", "scipy check_grad, all", "plain loop"),
}

_HEAD = """\
# Beside its peers

This page is written by `python benchmarks/peers --write docs/peers.md`, and its figures stand in `docs/peers.json`. Do
not edit it.

The same reference layers, as NumPy functions, are given to gradcheck and to other checkers of gradients. What does a
check cost, which planted mistakes does it find, and how often does it blame a layer that is right?
"""

_RULES = """\
## How it is measured

- **One function for everybody.** Every checker calls the same function, output and pullback, at the same point, in one
  process and with one BLAS thread. How a layer with many outputs is offered to each stands in the table. Settings are
  the defaults of each checker beside what is named there. Upstream gradients are fixed where a checker takes a scalar
  function; the others draw their own.
- **Calls** are counted by the function itself. An output that keeps a cache for its pullback is one forward.
- **Time** is the median, over rounds in which all take turns, of the time of a check divided by that of one forward
  and backward measured right before it. The spread is half of the distance between the quartiles. Wrapping a layer for
  a checker is not timed; the first run, in which libraries load and compile, is not counted.
- **Memory** is what a process of its own grows by at most during one check (`VmHWM` of Linux), the arrays of the
  library included. It is asked for the two convolutions.
- **Not run** is a check that would make too many calls: its time is calculated from these, at half of a forward and
  backward each. So is one that would hold more than 2 GiB at once.
- **Mistakes** are those of `gradcheck/mutants`, planted into one layer of each of
{kinds}
  in one configuration, N(0, 1) in every array. Mistakes of call order, memory and precision are planted into fewer of
  these layers. Mistakes that change no gradient in that configuration are planted apart from these. A checker is not
  asked about mistakes in a layer that it does not accept when it is right.
- **Found** is a mistake where the checker rejects the layer or breaks down with an error of another sort, which people
  notice too. Undecided is not found.
- **Rejected** right layers are counted in the same way.
"""

_COSTS = """\
## What a check costs

Checks along random directions are `gradcheck, projected` (two tangents, two cotangents), `gradcheck, one trial`,
torch's fast mode, those of jax and autograd, and scipy's `random`. Those that compare every entry are
`gradcheck, entry by entry`, torch's slow mode (for every output too), scipy's `all` and the plain loop. The default
check of gradcheck asks for more than the gradient: contracts, laws and exact differences.
"""

_FINDS = """\
## What a check finds
"""

_HIDDEN = """\
{hidden} further mistakes of these kinds change no gradient in that one configuration: a stride that is taken for 1
where it is 1, a tie that never happens. No check at one point can see them. The suites of gradcheck run further
configurations and values: they find {by_suite} of {hidden}.
"""

_ALARMS = """\
## What a check blames wrongly

All layers here are right. In brackets stands the number of cases. Checks that compare with central differences alone
reject ReLU and max pooling where the point is a kink or a tie. Checkers that raise float32 to float64 before they
take differences (gradcheck, scipy) do not meet the difficulty of float32. At 1e4 the softmax, also that of attention,
saturates: its gradient is zero, and so is every difference. Gradcheck says that this tells nothing, the others accept
the layer.
"""

_AGAIN = """\
## Run it again

```sh
python benchmarks/peers                        # prints these tables, in about three minutes
python benchmarks/peers --full                 # every mistake, more right layers
python benchmarks/peers --write docs/peers.md  # writes this page, and the figures beside it
python benchmarks/peers --from docs/peers.json # prints figures that were written before
```

A checker that is not installed is a row that says so.
"""


def page(results: Results) -> str:
    """Return the page: a pure function of the results."""
    machine = ", ".join(f"{name} {value}" for name, value in results.machine.items())
    faults = results.faults
    kinds = textwrap.indent(textwrap.fill(", ".join(f"`{kind}`" for kind in faults.kinds), 115), "  ")
    calls = calls_table(results)
    parts = [
        _HEAD,
        _RULES.replace("{kinds}", kinds),
        f"Measured on: {machine}; {results.seconds:,.0f} s in all.\n",
        "## The checkers\n",
        checkers_table(results).markdown() + "\n",
        "## Targets\n",
        targets_table(results).markdown() + "\n",
        _COSTS,
        *(f"### {table.title}\n\n{table.markdown()}\n" for table in map(cost_table, results.costs)),
        _FINDS,
        f"{sum(faults.groups.values()):,} mistakes of {faults.available:,} that can be planted; found / planted:\n",
        faults_table(results).markdown() + "\n",
        _HIDDEN.replace("{hidden}", str(faults.hidden)).replace("{by_suite}", str(faults.by_suite)),
        f"### {calls.title}\n\n{calls.markdown()}\n",
        "\n".join(f"- {slug}: {sentence}" for slug, sentence in faults.sentences.items()) + "\n",
        _ALARMS,
        alarms_table(results).markdown() + "\n",
        "## Where others are better\n",
        "\n".join(f"- {sentence}" for sentence in better_elsewhere(results)) + "\n",
        _AGAIN,
    ]
    return "\n".join(parts)


def better_elsewhere(results: Results) -> list[str]:
    """Return a sentence for everything in which a checker does better than gradcheck's check of the same sort."""
    return [*_cheaper(results), *_more_found(results), *_surer(results)] or ["Nowhere in this run."]


def _cheaper(results: Results) -> Iterator[str]:
    for costs in results.costs:
        for own, others in ALIKE.items():
            ours = costs.checks.get(own)
            if not isinstance(ours, Cost):
                continue
            measured = {name: costs.checks.get(name) for name in others if not name.startswith("gradcheck")}
            told = [
                f"{name} ({cost.ratio:,.1f} ×)"
                for name, cost in measured.items()
                if isinstance(cost, Cost) and cost.ratio < ours.ratio
            ]
            if told:
                yield f"{costs.layer}: faster than `{own}` ({ours.ratio:,.1f} ×): {', '.join(told)}."


def _more_found(results: Results) -> Iterator[str]:
    for group, by_checker in results.faults.verdicts.items():
        for own in (PROJECTED, DEFAULT):
            ours = noticed(by_checker.get(own, {}))
            others = {name: noticed(counts) for name, counts in by_checker.items() if not name.startswith("gradcheck")}
            told = [f"{name} ({found})" for name, found in others.items() if found > ours]
            if told:
                yield f"{group[0].upper()}{group[1:]}: more found than by `{own}` ({ours}): {', '.join(told)}."


def _surer(results: Results) -> Iterator[str]:
    for situation, by_checker in results.alarms.verdicts.items():
        ours = by_checker.get(DEFAULT, {}).get("accepted", 0)
        told = [
            f"{name} ({counts.get('accepted', 0)})"
            for name, counts in by_checker.items()
            if not name.startswith("gradcheck") and counts.get("accepted", 0) > ours
        ]
        if told:
            cases = results.alarms.cases[situation]
            yield f"{situation}: more of {cases} right layers accepted than by `{DEFAULT}` ({ours}): {', '.join(told)}."
