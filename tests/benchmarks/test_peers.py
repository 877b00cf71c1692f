"""The comparison with other checkers counts rightly, asks each the same, and its page follows from its figures."""

from __future__ import annotations

import mmap
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import peers.checkers
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from peers import cost, false_alarms, faults, memory
from peers.cases import COST, FAULTY, SITUATIONS, Layer, faulty_layer
from peers.checkers import PEERS
from peers.command import main
from peers.cost import measure
from peers.function import Function
from peers.page import better_elsewhere, page
from peers.peer import Peer, Rejected, Undecided, judged
from peers.results import Alarms, Checker, Cost, Costs, Faults, Results
from peers.tables import alarms_table, all_tables, calls_table, cost_table, faults_table, share
from peers.targets import PROJECTED, targets

import gradcheck
from gradcheck.kinds.affine import AffineConfig
from gradcheck.mutants.generic import GENERIC
from gradcheck.mutants.mutant import planted

ROOT = Path(__file__).parents[2]
PAGE, FIGURES = ROOT / "docs" / "peers.md", ROOT / "docs" / "peers.json"

TINY = Layer("affine", AffineConfig((2,), 3, 2))
ENTRIES = 2 * 3 + 2 * 3 + 2
NAMED = {peer.name: peer for peer in PEERS}
each_peer = pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)


def installed(peer: Peer) -> Peer:
    if peer.missing():
        pytest.skip(f"{peer.package} is not installed")
    return peer


def silent(done: int, of: int) -> None:
    pass


# Checkers


@each_peer
def test_a_right_layer_is_accepted(peer):
    outcome = installed(peer).check(Function(TINY.subject()))
    assert (outcome.verdict, outcome.words) == ("accepted", "")
    assert outcome.forwards >= 2
    assert outcome.pullbacks >= 1


@each_peer
@pytest.mark.parametrize("slug", ["scale:-1", "upstream-ignored"])
def test_a_planted_mutant_is_found(peer, slug):
    mutant = next(one for one in GENERIC if one.slug == slug)
    outcome = installed(peer).check(Function(planted(mutant, TINY.subject(), TINY.config, "weight")))
    assert outcome.verdict == "rejected"
    assert outcome.words


@each_peer
def test_a_pullback_that_raises_is_no_rejection(peer):
    right = TINY.subject()

    def vjp(primals):
        def pullback(cotangent):
            raise ArithmeticError("out of order")

        return right.vjp(primals)[0], pullback

    outcome = installed(peer).check(Function(replace(right, vjp=vjp)))
    assert outcome.verdict == "crashed"
    assert "out of order" in outcome.words


@pytest.mark.parametrize(
    ("name", "forwards", "pullbacks"),
    [("plain loop", 2 * ENTRIES + 1, 1), (PROJECTED, 5, 2), ("gradcheck, one trial", 3, 1)],
)
def test_calls_are_counted(name, forwards, pullbacks):
    function = Function(TINY.subject())
    for _ in range(2):
        outcome = NAMED[name].check(function)
        assert (outcome.forwards, outcome.pullbacks) == (forwards, pullbacks)


def test_our_own_report_counts_the_same_calls():
    function = Function(TINY.subject())
    outcome = NAMED["gradcheck, default"].check(function)
    told = gradcheck.check(function.subject).subjects[0].evaluations
    assert (told.forward, told.pullback) == (outcome.forwards, outcome.pullbacks)


@pytest.mark.parametrize("peer", [peer for peer in PEERS if peer.calls], ids=lambda peer: peer.name)
def test_calls_that_are_foretold_are_not_exceeded(peer):
    outcome = installed(peer).check(Function(TINY.subject()))
    assert outcome.forwards + outcome.pullbacks <= peer.calls(ENTRIES, 4)


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(0, 99))
def test_a_function_is_its_subject(batch, features_in, features_out, seed):
    layer = Layer("affine", AffineConfig((batch,), features_in, features_out), seed=seed)
    subject, function = layer.subject(), Function(layer.subject())
    due, pullback = subject.vjp(subject.primals)
    output, own = function.call(*function.arrays())
    assert np.array_equal(output, due)
    gradients = pullback(function.weights())
    assert all(np.array_equal(gradients[n], g) for n, g in zip(function.names, own(function.weights()), strict=True))
    assert (function.forwards, function.pullbacks) == (1, 1)
    assert (function.inputs, function.outputs) == (sum(a.size for a in subject.primals.values()), due.size)


@pytest.mark.parametrize(
    ("raised", "verdict"),
    [(None, "accepted"), (Rejected("no"), "rejected"), (Undecided("?"), "undecided"), (AssertionError(), "crashed")],
)
def test_how_a_check_ends(raised, verdict):
    def check():
        warnings.warn("loud", stacklevel=1)
        if raised is not None:
            raise raised

    before = list(warnings.filters)
    assert judged(Function(TINY.subject()), check).verdict == verdict
    assert warnings.filters == before


# A checker that is not there


def test_a_missing_package_is_a_visible_row(monkeypatch):
    for package in ("torch", "scipy"):
        monkeypatch.setitem(sys.modules, package, None)
    asked = [NAMED[name] for name in ("torch gradcheck, fast", "scipy check_grad, random", "plain loop")]
    monkeypatch.setattr(faults, "FAULTY", ("leaky_relu",))
    monkeypatch.setattr(faults, "CALLED", ("affine",))
    monkeypatch.setattr(false_alarms, "SITUATIONS", (replace(SITUATIONS[1], kinds=("relu",)),))
    costs = measure("tiny", TINY, asked, 1.0, rounds=1)
    found, alarms = faults.ask(asked, silent, 8), false_alarms.ask(asked, silent, 2)
    results = Results({}, tuple(map(Checker.of, asked)), (costs,), found, alarms, 1.0)

    why = {"torch gradcheck, fast": "torch", "scipy check_grad, random": "scipy"}
    for table in (cost_table(costs), faults_table(results), alarms_table(results)):
        rows = {row[0]: row[1:] for row in table.rows}
        assert list(rows) == [peer.name for peer in asked]
        for name, package in why.items():
            assert rows[name][0] == f"not installed (pip install {package})"
        assert not any("installed" in cell for cell in rows["plain loop"])
    assert "| not installed (pip install torch) |" in page(results)
    assert calls_table(results).headings == ("mistake", "plain loop")

    # What is there is asked all the same: the loop rejects a right ReLU at a kink, and misses what no values show.
    assert alarms.verdicts == {SITUATIONS[1].name: {"plain loop": {"rejected": 2}}}
    assert found.verdicts[faults.OWN]["plain loop"] == {"rejected": found.groups[faults.OWN]}
    assert found.slugs["last-cache"]["plain loop"] == {"accepted": 1}
    assert found.by_suite == found.hidden == 3


def test_a_check_that_would_take_too_long_is_not_run():
    costs = measure("tiny", TINY, [NAMED["plain loop"], NAMED[PROJECTED]], budget=0.0, rounds=3)
    assert re.fullmatch(r"not run: 30 calls, about 0 s", costs.checks["plain loop"])
    ours = costs.checks[PROJECTED]
    assert (ours.forwards, ours.pullbacks, ours.rounds, ours.verdict) == (5, 2, 3, "accepted")
    assert ours.ratio > 1


def test_a_check_that_would_hold_too_much_is_not_run(monkeypatch):
    most = 2 * ENTRIES * 4 * 8 / 2**30
    slow = Peer("slow", None, "", NAMED["plain loop"].prepare, keeps=NAMED["torch gradcheck, slow"].keeps)
    monkeypatch.setattr(cost, "MOST_GIBIBYTES", 0.99 * most)
    assert measure("tiny", TINY, [slow], 1.0, rounds=1).checks == {"slow": "not run: would hold 0 GiB"}
    monkeypatch.setattr(cost, "MOST_GIBIBYTES", most)
    assert measure("tiny", TINY, [slow], 1.0, rounds=1).checks["slow"].verdict == "accepted"


# Cases


def test_mutants_of_the_sample_show_in_gradients():
    chosen = faults.sample(faults.results(), 150)
    assert {one.group for one in chosen} == {faults.OWN, faults.ANY, faults.CALLS}
    for result in chosen:
        if result.group == faults.CALLS:
            continue
        function, right = Function(result.make()), Function(faulty_layer(result.kind).subject())
        pairs = zip(*(f.call(*f.arrays())[1](f.weights()) for f in (function, right)), strict=True)
        assert any(a.shape != b.shape or not np.allclose(a, b, rtol=1e-9, atol=0) for a, b in pairs), result.slug


def test_every_layer_can_be_made():
    kinds = {layer.kind for situation in SITUATIONS for layer in situation.layers(1)}
    for layer in (*COST.values(), *map(faulty_layer, (*FAULTY, *kinds))):
        assert Function(layer.subject()).outputs >= 1


def test_inputs_are_scaled_and_narrowed():
    layer = Layer("affine", AffineConfig((2,), 3, 2), dtype="float32", scale=1e4)
    primals, plain = layer.subject().primals, TINY.subject().primals
    assert {array.dtype for array in primals.values()} == {np.dtype(np.float32)}
    assert np.allclose(primals["x"], 1e4 * plain["x"])
    assert np.allclose(primals["weight"], plain["weight"])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the peak memory is asked of Linux")
def test_memory_that_a_check_takes_is_seen(monkeypatch):
    # Asked of the system itself: an allocator may serve an array of any size from what was freed before.
    def touch_much():
        with mmap.mmap(-1, 128 * 2**20) as fresh:
            for offset in range(0, len(fresh), mmap.PAGESIZE):
                fresh[offset] = 1

    def prepare(function):
        return touch_much if function.inputs > ENTRIES else lambda: None

    monkeypatch.setattr(peers.checkers, "PEERS", (Peer("hungry", None, "", prepare),))
    larger = Layer("affine", AffineConfig((3,), 3, 2))
    assert 120 < memory.grown("hungry", larger) < 160
    assert memory.grown("hungry", TINY) < 10


# Tables and the page


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_a_share_is_whole_only_where_it_is(part, whole):
    part = min(part, whole)
    told = share(part, whole)
    assert (told == "0 %") == (part == 0)
    if part < whole and whole < 1000:
        assert told != "100 %"
    assert abs(float(told.split()[0]) - 100 * part / whole) <= 0.5


costs_of_a_check = st.builds(
    Cost,
    *(st.integers(1, 10**5),) * 2,
    st.floats(0.1, 1e5),
    st.floats(0, 2),
    st.floats(1e-3, 1e5),
    st.integers(1, 31),
    st.sampled_from(["accepted", "rejected"]),
    st.none() | st.floats(0, 1e4),
)


@st.composite
def some_results(draw):
    """Return results of few checkers, some of them missing or not run."""
    checkers = tuple(
        Checker(peer.name, "1.0", peer.offered, draw(st.sampled_from([None, "not installed (pip install it)"])))
        for peer in PEERS
    )
    counts = st.dictionaries(st.sampled_from(["accepted", "undecided", "rejected", "crashed"]), st.integers(1, 50))
    by_checker = {one.name: draw(counts) for one in checkers if one.missing is None}
    costs = tuple(
        Costs(layer, 5, 6, 0.1, 0.2, {one.name: one.missing or draw(costs_of_a_check) for one in checkers})
        for layer in COST
    )
    found = Faults(("affine",), {faults.CALLS: 5}, {faults.CALLS: by_checker}, {"a": by_checker}, {"a": "b|c"}, 3, 2, 9)
    return Results({"cores": "2"}, checkers, costs, found, Alarms({"ties": 7}, {"ties": by_checker}), 12.5)


@settings(max_examples=15)
@given(some_results())
def test_the_page_follows_from_recorded_figures(results):
    again = Results.from_json(results.to_json())
    assert again == results
    assert page(again) == page(results)
    for table in all_tables(results):
        assert {len(row) for row in table.rows} == {len(table.headings)}
        assert table.markdown() in page(results)


def test_targets_are_judged_by_figures():
    def judge(ratio):
        one = Cost(5, 2, ratio, 0.1, 1.0, 9, "accepted", 1.0)
        costs = tuple(Costs(name, 1, 1, 1.0, 1.0, {PROJECTED: one, "plain loop": one}) for name in COST)
        faults_ = Faults((), {"values": 2}, {"values": {"gradcheck, default": {"rejected": 1}}}, {}, {}, 4, 4, 2)
        results = Results({}, (), costs, faults_, Alarms({"ties": 3}, {"ties": {"plain loop": {"rejected": 3}}}), 1.0)
        return [(one.due, one.verdict) for one in targets(results)]

    assert ("≤ 6 × forward + backward", "met") in judge(5.9)
    assert ("≤ 6 × forward + backward", "gap") in judge(6.1)
    assert ("all found by the default check", "gap") in judge(1.0)
    assert ("all found by the suite", "met") in judge(1.0)
    assert ("≤ 2 ×", "not judged") in judge(1.0)


def test_who_is_better_is_told():
    def told(ours, theirs):
        checks = {PROJECTED: replace(one, ratio=ours), "autograd check_grads": replace(one, ratio=theirs)}
        return better_elsewhere(Results({}, (), (Costs("conv", 1, 1, 1.0, 1.0, checks),), faults_, Alarms({}, {}), 1.0))

    one, faults_ = Cost(5, 2, 1.0, 0.1, 1.0, 9, "accepted"), Faults((), {}, {}, {}, {}, 0, 0, 0)
    assert told(8.0, 5.0) == ["conv: faster than `gradcheck, projected` (8.0 ×): autograd check_grads (5.0 ×)."]
    assert told(5.0, 8.0) == ["Nowhere in this run."]


def test_the_page_of_the_documents_is_that_of_its_figures():
    results = Results.from_json(FIGURES.read_text(encoding="utf-8"))
    assert PAGE.read_text(encoding="utf-8") == page(results)
    assert [one.name for one in results.checkers] == list(NAMED)
    assert [costs.layer for costs in results.costs] == list(COST)
    assert list(results.alarms.cases) == [situation.name for situation in SITUATIONS]


def test_recorded_figures_are_printed_and_written(tmp_path):
    target = tmp_path / "page.md"
    words = [sys.executable, ROOT / "benchmarks" / "peers", "--from", FIGURES, "--write", target]
    ran = subprocess.run(words, capture_output=True, encoding="utf-8", check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert all(f"│ {name}" in ran.stdout for name in NAMED)
    assert target.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")
    assert target.with_suffix(".json").read_text(encoding="utf-8") == FIGURES.read_text(encoding="utf-8")


def test_a_file_without_figures_is_refused(tmp_path):
    (tmp_path / "none.json").write_text("{}", encoding="utf-8")
    ran = CliRunner().invoke(main, ["--from", str(tmp_path / "none.json")])
    assert ran.exit_code == 1
    assert "expected figures that --write wrote" in ran.output
