"""The fleet's run finds what it looks for, and a small fleet survives a cluster that fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from support import ROOT

pytest.importorskip("psutil", reason="the benchmarks' own dependencies are not installed")

from benchmarks import report
from benchmarks.figures import Results
from benchmarks.fleet import __main__ as command
from benchmarks.fleet import faults, judging, measuring, refusing, surviving, tables
from benchmarks.fleet.documents import Newer, document
from benchmarks.fleet.publishing import Accepted, Ledger
from benchmarks.fleet.records import BASE, SERVICE, Log, Shown, Stamp
from benchmarks.fleet.scale import QUICK

FOLDER = ROOT / "docs" / "benchmarks"
SMALL = QUICK._replace(processes=8, publishes=30, pace=0.2, shortest=0.3, longest=1.2, silent=9.0, between=0.2)


def accepted(key: str, number: int, expected: int, revision: int, attempt: int = 1) -> Accepted:
    return Accepted(key, Stamp(number, attempt), expected, revision, revision * 10**9, revision * 10**9 + 5)


def shown(generation: int, base: tuple[int, int], service: tuple[int, int], at: int = 0) -> Shown:
    """Pairs of a number and its revision."""
    (base_number, base_revision), (service_number, service_revision) = base, service
    stamps = (Stamp(base_number, 1), Stamp(service_number, 1))
    position = max(base_revision, service_revision)
    return Shown(at, position, generation, stamps, (base_revision, service_revision), whole=True, place="w00")


LEDGER = Ledger(
    [
        accepted(BASE, 1, 0, 1),
        accepted(SERVICE, 2, 0, 2),
        accepted(BASE, 3, 1, 3),
        accepted(SERVICE, 4, 2, 5),
        accepted(BASE, 6, 3, 6),
    ],
    refused=[Stamp(5, 1), Stamp(6, 2)],
    denied={Stamp(5, 1)},
)
GOOD = [
    shown(1, (1, 1), (2, 2)),
    shown(2, (3, 3), (2, 2)),
    shown(3, (3, 3), (4, 5)),
    shown(4, (6, 6), (4, 5)),
]


def found(records: list[Shown], ledger: Ledger = LEDGER) -> set[str]:
    return {kind for kind, each in judging.judge(ledger, {"w00": records}).items() if each}


def test_nothing_is_found_where_all_is_right() -> None:
    assert found(GOOD) == set()
    skipping = [replace(record, generation=number) for number, record in enumerate((GOOD[1], GOOD[3]), 1)]
    assert found(skipping) == set()


@pytest.mark.parametrize(
    ("kinds", "spoil"),
    [
        ({"never published"}, lambda records: [replace(records[0], whole=False), *records[1:]]),
        ({"never published"}, lambda records: [replace(records[0], revisions=(2, 2)), *records[1:]]),
        ({"never published"}, lambda records: [replace(records[0], stamps=(Stamp(1, 2), Stamp(2, 1))), *records[1:]]),
        ({"mixed"}, lambda records: [*records[:3], shown(4, (1, 1), (4, 5)), replace(records[3], generation=5)]),
        ({"gaps"}, lambda records: [records[0], *records[2:]]),
        ({"gaps"}, lambda records: records[1:]),
        ({"gaps", "back"}, lambda records: [*records[:2], records[0], *records[2:]]),
        ({"behind"}, lambda records: records[:3]),
        ({"behind"}, lambda records: []),
        ({"strangers"}, lambda records: [replace(records[0], place="w01"), *records[1:]]),
    ],
)
def test_what_is_wrong_in_a_process_is_found(kinds: set[str], spoil: Callable[[list[Shown]], list[Shown]]) -> None:
    assert kinds <= found(spoil(GOOD))


def test_a_refused_publish_is_found_where_it_is_shown() -> None:
    stamps = (Stamp(3, 1), Stamp(5, 1))
    assert found([*GOOD[:3], replace(GOOD[3], stamps=stamps)]) >= {"refused", "never published"}


def test_what_is_wrong_in_the_ledger_is_found() -> None:
    without = Ledger([*LEDGER.accepted[:2], *LEDGER.accepted[3:]], [], set())
    assert "lost" in found(GOOD, Ledger([*LEDGER.accepted[:4], accepted(BASE, 6, 1, 6)], [], set()))
    assert "lost" not in found(GOOD)
    assert "never published" in found(GOOD, without)
    assert "denied" in found(GOOD, Ledger(LEDGER.accepted, [], {Stamp(4, 1)}))


def test_a_history_that_lacks_or_has_more_is_found() -> None:
    kept = {
        key: {each.revision: document(key, each.stamp) for each in LEDGER.accepted if each.key == key}
        for key in (BASE, SERVICE)
    }
    assert judging.lost_from(kept, LEDGER.accepted) == []
    first = kept[BASE].pop(1)
    assert judging.lost_from(kept, LEDGER.accepted) == []  # no longer kept
    kept[BASE][3] = first
    assert judging.lost_from(kept, LEDGER.accepted) == [f"{BASE}@3 is not in both, or not the same"]
    del kept[BASE][3]
    kept[BASE][4] = first
    kept[BASE][1] = first
    assert len(judging.lost_from(kept, LEDGER.accepted)) == 2


def test_latency_is_that_of_the_last_process_and_a_later_state_counts() -> None:
    def log(*arrivals: tuple[int, int]) -> list[Shown]:
        return [replace(GOOD[0], at=at, position=position) for at, position in arrivals]

    publishes = [accepted(BASE, 1, 0, 1), accepted(BASE, 2, 1, 2)]  # acknowledged at 1 s and 2 s, and 5 ns
    one, other = log((1_500_000_005, 1), (2_250_000_005, 2)), log((3_000_000_005, 2))
    assert judging.arrivals(publishes, one) == [0.5, 0.25]
    assert judging.to_the_last(publishes, [one, other]) == [2.0, 1.0]


def test_a_log_is_read_as_far_as_it_is_written(tmp_path: Path) -> None:
    log = Log(tmp_path / "log", Shown)
    assert log.last() is None
    line = msgspec.json.encode(GOOD[0])
    log.path.write_bytes(line + b"\n" + line[:10])
    assert log.last() == GOOD[0]
    log.path.write_bytes(line + b"\n" + line + b"\n")
    assert log.last() == GOOD[0]
    assert log.records == [GOOD[0], GOOD[0]]


def test_a_seed_decides_the_faults_and_every_kind_comes() -> None:
    def some(seed: int) -> list[faults.Fault]:
        schedule = faults.schedule(seed, 1.0, 2.0, 9.0)
        return [next(schedule) for _ in range(2 * len(faults.KINDS))]

    assert some(1) == some(1) != some(2)
    assert {fault.kind for fault in some(3)[: len(faults.KINDS)]} == {*faults.KINDS}
    assert all(1.0 <= fault.seconds <= 2.0 or fault.kind == faults.GIVEN_UP for fault in some(4))


def test_documents_fit_the_class_that_reads_them(tmp_path: Path) -> None:
    texts = [document(BASE, Stamp(7)), document(SERVICE, Stamp(8)), b'PLACE = "here"\n']
    paths = [tmp_path / str(number) for number in range(3)]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text)
    settings: Any = Newer(paths[0], secrets_path=paths[1], override_path=paths[2])
    assert (Stamp(7), Stamp(8), "here") == (settings.BASE, settings.SERVICE, settings.PLACE)


def test_the_table_says_what_the_results_say_and_all_that_had_to_hold_did() -> None:
    results = msgspec.json.decode((FOLDER / "fleet.json").read_bytes(), type=Results)
    assert not results.quick
    assert report.markdown(results) == (FOLDER / "fleet.md").read_text(encoding="utf-8")
    assert command.good(results.figures)


def test_the_page_quotes_the_table_and_shows_every_plot() -> None:
    assert report.quoted(command.PAGE, report.FLEET) == (FOLDER / "fleet.md").read_text(encoding="utf-8")
    shown = set(re.findall(r'(?:src|srcset)="benchmarks/([^"]+)"', command.PAGE.read_text(encoding="utf-8")))
    assert shown == {path.name for path in FOLDER.glob("fleet-*.svg")}


@pytest.mark.slow
def test_a_small_fleet_shows_only_what_was_published_while_nodes_fail() -> None:
    survived = command.on_a_cluster(surviving.survive, SMALL)
    assert {kind: each for kind, each in survived.wrong.items() if each} == {}
    assert {each.kind for each in survived.happened} == {*faults.KINDS}
    assert len(survived.logs) == SMALL.processes
    assert len(tables.counted(survived)) >= SMALL.publishes
    assert command.good([tables.survival(survived, SMALL)])


@pytest.mark.slow
def test_exactly_those_who_refuse_are_named_and_a_rollback_heals_them() -> None:
    refused = command.on_a_cluster(refusing.refuse, SMALL)
    assert {kind: each for kind, each in refused.wrong.items() if each} == {}
    assert refused.count == {"older": 1, "stricter": 1, "newer": 6}
    assert refused.named == {"older": 1, "stricter": 1}
    assert command.good([tables.refusal(refused)])


@pytest.mark.slow
def test_what_it_costs_can_be_measured(tmp_path: Path) -> None:
    scale = SMALL._replace(publishes=3, apart=0.01, sizes=(1, 2), loads=(1, 2), idle=0.5)
    ours = command.on_a_cluster(measuring.settings_growth, scale)
    bare = command.on_a_cluster(measuring.bare_growth, scale)
    begun = [faults.Happened("killed", 0, 10**10)]
    survived = surviving.Survived(LEDGER, {"w00": GOOD}, begun, {kind: list[str]() for kind in surviving.WRONG})
    figures = [
        tables.latency(ours, bare, survived, scale),
        tables.growth(ours, bare, scale),
        tables.survival(survived, scale),
        tables.loads(ours, bare, scale),
    ]
    for figure in figures:
        assert figure.rows
        assert all(row.cells.keys() <= figure.columns.keys() for row in figure.rows)
    assert figures[3].rows[0].cells["connections"] == 1
    command.write(Results({}, quick=True, seconds=1.0, figures=figures), tmp_path)
    plots = {f"{figure.name}-{theme}.svg" for figure in figures for theme in ("light", "dark")}
    assert {path.name for path in tmp_path.iterdir()} == {"fleet.json", "fleet.md"} | plots
