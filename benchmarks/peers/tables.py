"""Results as tables of text: the terminal and the page show the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from peers.faults import ANY, CALLS, OWN
from peers.results import Cost, Costs, Results

NOT_RUN = "–"


@dataclass(frozen=True)
class Table:
    """Rows of text under headings; the first `left` columns are words, the others numbers."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1

    def markdown(self) -> str:
        """Return the table as Markdown, without its title."""
        rule = ("---",) * self.left + ("--:",) * (len(self.headings) - self.left)
        lines = (self.headings, rule, *self.rows)
        return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)

    def rich(self) -> Any:
        """Return the table for the terminal."""
        from rich.table import Table as RichTable

        table = RichTable(title=self.title, title_justify="left")
        for k, heading in enumerate(self.headings):
            table.add_column(heading, justify="left" if k < self.left else "right", overflow="fold")
        for row in self.rows:
            table.add_row(*row)
        return table


def checkers_table(results: Results) -> Table:
    """Return who is compared, and how a function is offered to each."""
    rows = tuple((one.name, one.missing or one.version or NOT_RUN, one.offered) for one in results.checkers)
    return Table("Checkers", ("checker", "version", "how a layer is offered"), rows, left=3)


def cost_table(costs: Costs) -> Table:
    """Return calls, time and memory of each check of one layer."""
    title = (
        f"{costs.layer}: {costs.inputs:,} inputs, {costs.outputs:,} outputs; "
        f"forward {costs.forward:.3f} ms, forward + backward {costs.both:.3f} ms"
    )
    headings = ("check", "forwards", "pullbacks", "× forward + backward", "spread", "ms", "peak MiB")
    return Table(title, headings, tuple((name, *_cost_cells(cost)) for name, cost in costs.checks.items()))


def _cost_cells(cost: Cost | str) -> tuple[str, ...]:
    if isinstance(cost, str):
        return (cost, *(NOT_RUN,) * 5)
    spread = f"± {100 * cost.spread:.0f} %" if cost.rounds > 1 else NOT_RUN
    peak = NOT_RUN if cost.peak is None else f"{cost.peak:,.1f}"
    ratio = f"{cost.ratio:,.1f}" if cost.ratio < 100 else f"{cost.ratio:,.0f}"
    if cost.verdict != "accepted":
        ratio += f" ({cost.verdict})"
    return f"{cost.forwards:,}", f"{cost.pullbacks:,}", ratio, spread, f"{cost.milliseconds:,.2f}", peak


def faults_table(results: Results) -> Table:
    """Return how many mistakes each checker found."""
    groups = (OWN, ANY, CALLS)
    faults = results.faults

    def cells(name: str) -> tuple[str, ...]:
        counts = [faults.verdicts.get(group, {}).get(name, {}) for group in groups]
        found = [f"{noticed(one)} / {sum(one.values())}" for one in counts]
        return (*found, share(sum(map(noticed, counts)), sum(sum(one.values()) for one in counts)))

    title = f"Mistakes found: {sum(faults.groups.values()):,} of {faults.available:,} that can be planted"
    return Table(title, ("checker", *groups, "all"), _rows(results, cells, 4))


def calls_table(results: Results) -> Table:
    """Return, mistake by mistake, how often each of call order, memory and precision was found."""
    present = [one.name for one in results.checkers if one.missing is None]
    rows = tuple(
        (slug, *(_found_of(counts.get(name, {})) for name in present)) for slug, counts in results.faults.slugs.items()
    )
    return Table(f"{CALLS[0].upper()}{CALLS[1:]}: found / planted", ("mistake", *present), rows)


def alarms_table(results: Results) -> Table:
    """Return the share of right layers that each checker rejects."""
    alarms = results.alarms

    def cells(name: str) -> tuple[str, ...]:
        return tuple(_blamed(alarms.verdicts.get(situation, {}).get(name, {})) for situation in alarms.cases)

    headings = tuple(f"{situation} ({count})" for situation, count in alarms.cases.items())
    title = "Right layers rejected, as a share of so many cases"
    return Table(title, ("checker", *headings), _rows(results, cells, len(headings)))


def _rows(results: Results, cells: Callable[[str], Iterable[str]], width: int) -> tuple[tuple[str, ...], ...]:
    """Return a row for each checker; of one that is missing, the reason."""
    return tuple(
        (one.name, one.missing, *(NOT_RUN,) * (width - 1)) if one.missing else (one.name, *cells(one.name))
        for one in results.checkers
    )


def noticed(counts: Mapping[Any, int]) -> int:
    """Return in how many cases something was said against a layer: rejected, or the check broke down."""
    return counts.get("rejected", 0) + counts.get("crashed", 0)


def share(part: int, whole: int) -> str:
    """Return a percentage; one that is not whole is never shown as 0 or 100."""
    if not whole:
        return NOT_RUN
    percent = 100 * part / whole
    return f"{percent:.0f} %" if percent in (0, 100) or 0.5 <= percent < 99.5 else f"{percent:.1f} %"


def _found_of(counts: Mapping[Any, int]) -> str:
    return f"{noticed(counts)} / {sum(counts.values())}" if counts else NOT_RUN


def _blamed(counts: Mapping[Any, int]) -> str:
    whole = sum(counts.values())
    undecided = counts.get("undecided", 0)
    told = share(noticed(counts), whole)
    return f"{told}; {share(undecided, whole)} undecided" if undecided else told


def all_tables(results: Results) -> list[Table]:
    """Return every table in the order of the terminal."""
    from peers.targets import targets_table

    return [
        checkers_table(results),
        *map(cost_table, results.costs),
        faults_table(results),
        calls_table(results),
        alarms_table(results),
        targets_table(results),
    ]
