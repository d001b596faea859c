"""How an instance stands by its report. What it says of itself is the text of others: nothing in it reaches a terminal as it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct

from . import output

if TYPE_CHECKING:
    from ..nats.report_reader import Reported
    from ..nats.reports import Report

SILENT = 15.0
"""Seconds without a report from which on an instance counts as silent: one and a half of the time between two."""
_LONGEST = 500


class Standing(Struct, frozen=True):
    """How an instance stands: one word for its state, and more where there is more to say.

    ``age`` is in seconds. ``differs`` tells that most instances of its service have other settings.
    """

    report: Report
    state: str
    detail: str
    colour: str
    age: float
    differs: bool


def age_of(reported: Reported) -> float:
    """Seconds since the store got a report."""
    return max(0.0, (datetime.now(UTC) - reported.at).total_seconds())


def is_silent(reported: Reported) -> bool:
    return age_of(reported) > SILENT


def rejection_of(reported: Reported) -> str:
    """Why the last reload was not applied, "" if it was."""
    return said(reported.report.rejection or "")


def said(text: str) -> str:
    """What an instance says, so that it can be printed."""
    return output.plain(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


def standings(reports: Iterable[Reported]) -> list[Standing]:
    """How all of them stand, by service and name."""
    known = sorted(reports, key=lambda each: (each.report.service, each.report.instance))
    usual = _usual_digests(known)
    return [_standing(each, each.report.digest != usual[each.report.service]) for each in known]


def _usual_digests(known: list[Reported]) -> dict[str, str | None]:
    """What most instances of a service have; None where no digest has more than half of them."""
    counts: dict[str, Counter[str]] = {}
    for each in known:
        counts.setdefault(each.report.service, Counter())[each.report.digest] += 1
    usual: dict[str, str | None] = {}
    for service, digests in counts.items():
        digest, number = digests.most_common(1)[0]
        usual[service] = digest if 2 * number > digests.total() else None
    return usual


def _standing(reported: Reported, differs: bool) -> Standing:
    state, detail, colour = _state(reported)
    return Standing(reported.report, state, detail, colour, age_of(reported), differs)


def _state(reported: Reported) -> tuple[str, str, str]:
    report = reported.report
    waiting = said(", ".join(report.pending_restart))
    if is_silent(reported):
        return "silent", "", "red"
    if report.rejection is not None:
        return "rejected", rejection_of(reported), "red"
    if report.source == "copy":
        return "copy", "started from its copy on disk", "yellow"
    if report.source == "offline":
        return "offline", "cannot reach the store", "yellow"
    if report.tried != report.applied:
        return "applying", "", "cyan"
    if not report.healthy:
        return "unhealthy", "", "red"
    return "ok", f"waits for a restart: {waiting}" if waiting else "", "green"
