"""Whether what the processes of a fleet have shown is what was published: pure, over the ledger and the logs."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from msgspec import Struct

from .documents import document
from .publishing import Accepted, Ledger
from .records import BASE, KEYS, SERVICE, Arrival, Shown, Stamp


class Stood(Struct, frozen=True):
    """What stood together after one publish."""

    stamps: tuple[Stamp, Stamp]
    revisions: tuple[int, int]


FAULTS = {
    "never published": "states that were never published",
    "mixed": "states mixed from documents that did not stand together",
    "refused": "states with a publish that was refused",
    "back": "positions that went back",
    "gaps": "gaps in the generations",
    "strangers": "states with another process's local file",
    "behind": "processes that ended on another state than the last",
    "lost": "acknowledged publishes that were lost",
    "denied": "publishes that were said to be refused, and were taken",
}
"""What may be wrong, in words."""


class Truth:
    """What was published, and what was not."""

    def __init__(self, ledger: Ledger) -> None:
        self._published = {(publish.key, publish.stamp, publish.revision) for publish in ledger.accepted}
        self._refused = {*ledger.refused}
        self._stood = history(ledger.accepted)
        self.last = self._stood[max(self._stood)]

    def faults_of(self, record: Shown, name: str) -> Iterator[str]:
        """What is wrong with one state."""
        if not record.whole or not self._published.issuperset(zip(KEYS, record.stamps, record.revisions, strict=True)):
            yield "never published"
        elif self._stood.get(record.position) != Stood(record.stamps, record.revisions):
            yield "mixed"
        if not self._refused.isdisjoint(record.stamps):
            yield "refused"
        if record.place != name:
            yield "strangers"


def judge(ledger: Ledger, logs: Mapping[str, Sequence[Shown]]) -> dict[str, list[str]]:
    """Each kind of fault, with what was found of it."""
    truth = Truth(ledger)
    found: dict[str, list[str]] = {kind: [] for kind in FAULTS}
    found["lost"] += lost(ledger.accepted)
    found["denied"] += [str(publish) for publish in ledger.accepted if publish.stamp in ledger.denied]
    for name, records in logs.items():
        for record in records:
            for kind in truth.faults_of(record, name):
                found[kind].append(f"{name}: {record}")
        for one, other in pairwise(records):
            if other.position <= one.position:
                found["back"].append(f"{name}: from {one} to {other}")
            if other.generation != one.generation + 1:
                found["gaps"].append(f"{name}: from {one} to {other}")
        if records and records[0].generation != 1:
            found["gaps"].append(f"{name}: begins with {records[0]}")
        end = Stood(records[-1].stamps, records[-1].revisions) if records else None
        if end != truth.last:
            found["behind"].append(f"{name}: {end}, not {truth.last}")
    return found


def history(accepted: Sequence[Accepted]) -> dict[int, Stood]:
    """What stood together at each position of the stream, once all keys were there."""
    stood: dict[int, Stood] = {}
    newest: dict[str, Accepted] = {}
    for publish in sorted(accepted, key=lambda publish: publish.revision):
        newest[publish.key] = publish
        if newest.keys() == {*KEYS}:
            base, service = newest[BASE], newest[SERVICE]
            stood[publish.revision] = Stood((base.stamp, service.stamp), (base.revision, service.revision))
    return stood


def lost(accepted: Sequence[Accepted]) -> list[str]:
    """Publishes on which the next one under the key was not made: the store takes one only on what stands there."""
    found: list[str] = []
    for key in KEYS:
        chain = [publish for publish in accepted if publish.key == key]
        found += [
            f"{other} does not follow {one}"
            for one, other in pairwise(chain)
            if other.expected != one.revision or other.revision <= one.revision
        ]
    return found


def lost_from(kept: Mapping[str, Mapping[int, bytes]], accepted: Sequence[Accepted]) -> list[str]:
    """How the history that the bucket keeps differs from what was acknowledged since it begins."""
    found: list[str] = []
    for key, entries in kept.items():
        acknowledged = {
            publish.revision: document(key, publish.stamp)
            for publish in accepted
            if publish.key == key and publish.revision >= min(entries)
        }
        found += [
            f"{key}@{revision} is not in both, or not the same"
            for revision in acknowledged.keys() | entries.keys()
            if acknowledged.get(revision) != entries.get(revision)
        ]
    return found


def arrivals(accepted: Sequence[Accepted], records: Sequence[Arrival]) -> list[float]:
    """Seconds from each acknowledgement until one process showed that state or a later one."""
    positions = [record.position for record in records]
    return [(records[bisect_left(positions, publish.revision)].at - publish.acknowledged) / 1e9 for publish in accepted]


def to_the_last(accepted: Sequence[Accepted], logs: Sequence[Sequence[Arrival]]) -> list[float]:
    """Seconds from each acknowledgement until the last process showed that state or a later one."""
    return [max(times) for times in zip(*(arrivals(accepted, records) for records in logs), strict=True)]
