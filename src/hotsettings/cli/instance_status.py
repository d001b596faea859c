"""The status of an instance, judged by its report.

A report is text of others. ``printable`` cleans and shortens all of it before a terminal sees it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from . import output

if TYPE_CHECKING:
    from ..nats.report_reader import ReceivedReport
    from ..nats.reports import Report

SILENT = 15.0
"""Seconds without a report after which an instance counts as silent: one and a half report intervals."""
_LONGEST = 500
"""Characters of a text that are shown."""


class InstanceStatus(Struct, frozen=True):
    """The status of an instance: one word for its state, and a detail where there is one.

    ``age`` is the age of its report in seconds. ``differs`` means that most instances of its service have other settings.
    """

    report: Report
    state: str
    detail: str
    colour: str
    age: float
    differs: bool


def age_of(received: ReceivedReport) -> float:
    """Seconds since the store received a report."""
    return max(0.0, (datetime.now(UTC) - received.at).total_seconds())


def is_silent(received: ReceivedReport) -> bool:
    return age_of(received) > SILENT


def rejection_of(received: ReceivedReport) -> str:
    """Why the last reload was rejected; "" if it was not."""
    return printable(received.report.rejection or "")


def printable(text: str) -> str:
    """Make a text of an instance safe to print, and cut it if it is long."""
    return output.plain(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def instance_statuses(reports: Iterable[ReceivedReport]) -> list[InstanceStatus]:
    """Judge all reports; sorted by service and instance."""
    known = sorted(reports, key=lambda each: (each.report.service, each.report.instance))
    usual = _usual_digests(known)
    return [_status(each, each.report.digest != usual[each.report.service]) for each in known]


def _usual_digests(known: list[ReceivedReport]) -> dict[str, str | None]:
    """The digest that more than half of the instances of each service report; None where there is none."""
    counts: dict[str, Counter[str]] = {}
    for each in known:
        counts.setdefault(each.report.service, Counter())[each.report.digest] += 1
    usual: dict[str, str | None] = {}
    for service, digests in counts.items():
        digest, number = digests.most_common(1)[0]
        usual[service] = digest if 2 * number > digests.total() else None
    return usual


def _status(received: ReceivedReport, differs: bool) -> InstanceStatus:
    state, detail, colour = _state(received)
    return InstanceStatus(received.report, state, detail, colour, age_of(received), differs)


def _state(received: ReceivedReport) -> tuple[str, str, str]:
    report = received.report
    waiting = printable(", ".join(report.pending_restart))
    if is_silent(received):
        return "silent", "", "red"
    if report.rejection is not None:
        return "rejected", rejection_of(received), "red"
    if report.source == "copy":
        return "copy", "started from its copy on disk", "yellow"
    if report.source == "offline":
        return "offline", "cannot reach the store", "yellow"
    if report.tried != report.applied:
        return "applying", "", "cyan"
    if not report.healthy:
        return "unhealthy", "", "red"
    return "ok", f"waits for a restart: {waiting}" if waiting else "", "green"
