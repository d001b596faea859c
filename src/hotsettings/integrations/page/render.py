"""The page as it stands: everything that a visitor sees, written as HTML on the server."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from msgspec.structs import replace

from ... import (
    Described,
    InvalidSettings,
    LayerError,
    LayerStatus,
    Live,
    Origin,
    Problem,
    Rejection,
    Status,
    UnforeseenError,
)
from ...errors import SHOWN_PROBLEMS, counted, unshown
from .markup import Html, cut, join, tag
from .record import ChangedKey, HistoryEntry, Record, RejectedEntry, shown, waiting

LONGEST_REASON = 20_000
"""Characters of the text of a rejection that are shown."""

_TITLES = {
    "layers": LayerError.title,
    "settings": InvalidSettings.title,
    "restart": InvalidSettings.title,
    "hotsettings": UnforeseenError.title,
}
_COLUMNS = ("Key", "Value", "Origin", "Default", "Change")


def content(live: Live[Any], record: Record) -> dict[str, Html]:
    """The parts of the page, by the names that the template has for them."""
    settings, status, cls = live.describe(), live.status, type(live.current)
    pending = {each.key: waiting(each) for each in settings if each.waiting_origin is not None}
    record.hide({each.key for each in settings if each.hidden})
    entries = [_redacted(entry, live) for entry in reversed(record.entries)]
    return {
        "name": join(f"{cls.__module__}:{cls.__qualname__}"),
        "summary": _summary(status),
        "rejection": _rejection(status),
        "pending": _pending(pending),
        "count": join(f"{len(settings)} settings"),
        "settings": join(*_sections(settings, pending)),
        "latest": join(_sentence(entries[0]) if entries else ""),
        "history": _history(entries),
    }


def _summary(status: Status) -> Html:
    state = ("good", "Healthy") if status.healthy else ("bad", "Not healthy")
    facts = [
        ("State", tag("strong", state[1], class_=f"state {state[0]}")),
        ("Generation", join(str(status.generation))),
        ("Live since", _time(status.loaded_at)),
    ]
    if status.callback_failures:
        facts.append(("Callbacks that failed", join(str(status.callback_failures))))
    rows = [tag("div", tag("dt", name), tag("dd", value)) for name, value in facts]
    layers = [tag("li", *_layer(layer)) for layer in status.layers]
    files = tag("div", tag("dt", "Files, the last one wins"), tag("dd", tag("ol", *layers))) if layers else Html()
    return tag("dl", *rows, files, class_="summary", data_part=True)


def _part(*children: str) -> Html:
    """What the script replaces as a whole."""
    return tag("div", *children, data_part=True)


def _panel(name: str, kind: str, title: Html, *children: str) -> Html:
    """A section with a heading, which names it for screen readers."""
    return tag("section", tag("h2", title, id=name), *children, class_=f"panel {kind}", aria_labelledby=name)


def _layer(layer: LayerStatus) -> Iterator[Html]:
    yield tag("span", layer.name, class_=f"layer {layer.name}")
    if layer.file:
        yield join(" ")
        yield tag("code", layer.file)
    if layer.state != "read":
        yield tag("span", f" {layer.state}", class_="quiet" if layer.state == "missing" else "warning")


def _rejection(status: Status) -> Html:
    """What `hotsettings check` would print; "" while nothing is wrong with the files."""
    if status.rejection is None:
        return _part()
    title = f"The last edit was not applied: generation {status.generation} stays live"
    times = f" ({status.consecutive_failures} attempts)" if status.consecutive_failures > 1 else ""
    return _part(_panel("rejected", "bad", join(title, tag("small", times)), _problems(status.rejection)))


def _problems(rejection: Rejection) -> Html:
    shown: list[Html] = []
    room = LONGEST_REASON
    for kind, line in _lines(rejection):
        shown.append(tag("span", cut(line, room), class_=kind))
        room -= len(line)
        if room <= 0:
            break
    return tag("pre", *shown, tabindex="0", role="group", aria_label="Problems")


def _lines(rejection: Rejection) -> Iterator[tuple[str, str]]:
    """Yield the lines of a rejection, each after the class of its style."""
    if not rejection.problems:
        yield from (("problem", line) for line in rejection.reason.split("\n"))
        return
    yield "problem", f"{_TITLES.get(rejection.by, rejection.by)}: {counted(rejection.total)}"
    for problem in rejection.problems[:SHOWN_PROBLEMS]:
        yield "problem", f"  {problem}"
        yield from zip(("source", "carets"), (f"  {line}" for line in problem.excerpt), strict=False)
    yield from (("problem", f"  {line}") for line in unshown(rejection.total))


def _pending(pending: dict[str, ChangedKey]) -> Html:
    if not pending:
        return _part()
    items = [tag("li", _change(change)) for change in pending.values()]
    wait = "1 setting waits" if len(items) == 1 else f"{len(items)} settings wait"
    return _part(_panel("pending", "waits", join(f"{wait} for a restart"), tag("ul", *items, class_="changes")))


def _sections(settings: Sequence[Described], pending: dict[str, ChangedKey]) -> Iterator[Html]:
    groups = groupby(settings, key=lambda setting: setting.section)
    for number, (title, group) in enumerate(groups):
        heading = f"section-{number}"
        head = tag("tr", *(tag("th", name, scope="col", role="columnheader") for name in _COLUMNS), role="row")
        rows = [_row(setting, pending.get(setting.key)) for setting in group]
        parts = tag("thead", head, role="rowgroup"), tag("tbody", *rows, role="rowgroup")
        table = tag("table", *parts, role="table", aria_labelledby=heading)
        yield tag("section", tag("h3", title or "Settings", id=heading), table, class_="group")


def _row(setting: Described, waits: ChangedKey | None) -> Html:
    about = " ".join(setting.description.split())
    change = ("restart", "needs a restart") if setting.restart else ("hot", "applied while running")
    is_default = setting.origin.kind == "default"
    return tag(
        "tr",
        tag("th", tag("code", setting.key), " ", tag("p", about) if about else "", scope="row", role="rowheader"),
        tag("td", *_value(setting, waits), role="cell", data_part=True, class_="default" if is_default else "value"),
        tag("td", _origin(setting.origin), role="cell", data_part=True, class_="origin"),
        tag("td", _default(setting), role="cell", class_="default"),
        tag("td", tag("span", change[0], class_=f"badge {change[0]}", title=change[1]), role="cell", class_="how"),
        role="row",
    )


def _value(setting: Described, waits: ChangedKey | None) -> Iterator[Html]:
    yield tag("code", shown(setting.value), class_="set")
    if setting.hidden:
        yield join(" ", tag("span", "secret", class_="badge secret"))
    if waits is not None:
        yield join(" ", tag("p", "after a restart: ", tag("code", waits.new), class_="waits"))


def _default(setting: Described) -> Html:
    if setting.required:
        return tag("span", "required", class_="quiet")
    return tag("code", shown(setting.default))


def _origin(origin: Origin) -> Html:
    if origin.file is None:
        return tag("span", str(origin), class_="quiet")
    return tag("code", str(origin), class_=f"layer {origin.layer}", title=f"layer: {origin.layer}")


def _history(entries: Sequence[HistoryEntry]) -> Html:
    if not entries:
        return _part(tag("p", "Nothing has changed since this page was set up.", class_="quiet"))
    return _part(tag("ol", *(tag("li", *_entry(entry)) for entry in entries)))


def _redacted(entry: HistoryEntry, live: Live[Any]) -> HistoryEntry:
    """A text of before may hold what has become a secret since."""
    if not isinstance(entry, RejectedEntry):
        return entry
    told = entry.rejection
    problems = tuple(_redacted_problem(problem, live) for problem in told.problems[:SHOWN_PROBLEMS])
    return replace(entry, rejection=replace(told, reason=live.redact(told.reason), problems=problems))


def _redacted_problem(problem: Problem, live: Live[Any]) -> Problem:
    return replace(
        problem,
        key=problem.key if problem.key in live.snapshot.origins else live.redact(problem.key),
        message=live.redact(problem.message),
        hint=live.redact(problem.hint),
        excerpt=() if any(live.redact(line) != line for line in problem.excerpt) else problem.excerpt,
    )


def _entry(entry: HistoryEntry) -> Iterator[Html]:
    if isinstance(entry, RejectedEntry):
        times = f", {entry.times} times" if entry.times > 1 else ""
        yield tag("h3", tag("span", f"Rejected{times}", class_="bad"), " ", _time(entry.rejection.at))
        yield _problems(entry.rejection)
        return
    title = f"Generation {entry.generation}" if entry.changes else "No live value changed"
    yield tag("h3", title, " ", _time(entry.at))
    changes = [tag("li", _change(change)) for change in entry.changes]
    further = [tag("li", f"and {entry.further} more")] if entry.further else []
    waits = [tag("li", _change(change), tag("p", "waits for a restart", class_="waits")) for change in entry.waiting]
    if changes or waits:
        yield tag("ul", *changes, *further, *waits, class_="changes")


def _change(change: ChangedKey) -> Html:
    values = (
        tag("del", tag("span", "was ", class_="unseen"), tag("code", change.old)),
        tag("span", " → ", aria_hidden="true"),
        tag("ins", tag("span", " now ", class_="unseen"), tag("code", change.new)),
    )
    place = tag("span", str(change.origin), class_="place")
    return join(tag("code", change.key, class_="key"), tag("span", *values, class_="from-to"), place)


def _sentence(entry: HistoryEntry) -> str:
    """What a screen reader says when it happens."""
    if isinstance(entry, RejectedEntry):
        _, first = next(_lines(entry.rejection))
        return f"An edit was rejected. {first}"
    keys = [change.key for change in entry.changes]
    if keys:
        named = ", ".join(keys[:5]) + (" and more" if len(keys) > 5 else "")
        return f"Generation {entry.generation} is live. Changed: {named}"
    return "Waiting for a restart" if entry.waiting else "The files are good again"


def _time(at: datetime.datetime) -> Html:
    utc = at.astimezone(datetime.UTC)
    return tag("time", f"{utc:%Y-%m-%d %H:%M:%S} UTC", datetime=utc.isoformat(timespec="seconds"))
