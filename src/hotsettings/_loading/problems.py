"""Findings become problems: each has its place in the file that is to blame, and shows no secret.

Which file that is depends on all layers: the one whose value won, or for a missing key, the one whose table lacks it. Values
and source lines are shown only if nothing in them is, or could be, a secret.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from typing import Any

from msgspec.structs import replace

from .._layers.layer import Document, Unreadable, in_memory, origin_of
from .._layers.toml.excerpts import excerpt, line_around
from .._layers.toml.keys import ABSENT, Path, dotted, follow
from .._layers.toml.positions import Place, Span, covered
from .._layers.toml.spelling import MisspeltKeys, misspells
from .._redaction import Redactor
from .._schema.codecs import Decoding
from .._schema.schema import Schema
from .._schema.shape import secret_paths, whole_at
from ..errors import MOST_PROBLEMS, NOWHERE, PROGRAM, SHOWN_PROBLEMS, LayerError, Origin, Problem, Problems
from .diagnose import LONGEST_SAID, Finding, Findings, cut, diagnose
from .merge import trace
from .prepare import Prepared

_AROUND = 2_000
"""Characters before and behind a value among which secrets are looked for, much more than an excerpt shows."""

_MANY = 50
"""If a text has all words of more than this many names of several words, it counts as having one of these names."""

_WORD = re.compile(r"[\w-]+")
_QUOTES = re.compile("[\"']+")

_NO_PLACE = Place((0, 0), (0, 0))
"""Values given in code have no place in a text."""

_READING_ORDER = ("base", "override", "secrets")


def layer_error(parts: Sequence[Document | Unreadable], redactor: Redactor) -> LayerError:
    """Return the error for layers of which some could not be read or parsed.

    It shows no line with a secret of any layer. If a secret layer is among those that failed, its secrets are unknown,
    and it shows no line at all.
    """
    redactor.learn([part for part in parts if isinstance(part, Document)])
    failed = [each for part in parts if isinstance(part, Unreadable) for each in (part, *part.others)]
    hidden = any(part.layer.secret for part in failed)
    return LayerError(in_order(_unreadable(part, redactor, hidden) for part in failed))


def _unreadable(part: Unreadable, redactor: Redactor, hidden: bool) -> Problem:
    if not part.text:
        return part.problem
    key = (
        redactor.redact(dotted(_nameable(part.path, redactor.schema, part.layer.secret)))
        if part.path
        else part.problem.key
    )
    problem = replace(part.problem, key=key)
    if hidden or _may_show_secret(part, redactor):
        return replace(problem, message=f"{problem.message} (line hidden)")
    shown = excerpt(part.text, part.offset, part.offset + 1)
    return replace(problem, hint=part.rewrite or problem.hint, excerpt=shown)


def _nameable(path: Path, schema: Schema, in_secrets: bool) -> Path:
    """Return the part of a path that may be named: keys below what is secret as a whole, or unknown, may belong to a value.

    In a broken secrets file, so may a name that is not one of the class: where quotes are not closed, values look like keys.
    """
    shape = schema.shape
    for end, part in enumerate(path):
        if in_secrets and (shape.fields is None or part not in shape.fields):
            return path[:end]
        inner = shape.at((part,))
        if inner is None or inner.is_whole({}):
            return path[: end + 1]
        shape = inner
    return path


def _may_show_secret(part: Unreadable, redactor: Redactor) -> bool:
    """Whether a text could hold a secret: it has a known one, or the key of one, which may be escaped or misspelt."""
    names = redactor.schema.secret_names
    bare = _QUOTES.sub("", part.text)  # a stray quote may be inside of a key
    words = {*_WORD.findall(bare)}
    phrases = [name for name in names if not _WORD.fullmatch(name) and words.issuperset(_WORD.findall(name))]
    named = not words.isdisjoint(names) or len(phrases) > _MANY or any(phrase in bare for phrase in phrases)
    named = named or (bool(names) and ("\\" in bare or misspells(bare, names)))
    return named or redactor.finds(_around(part.text, part.offset))


def _around(text: str, at: int) -> str:
    """The line at this offset, as far as an excerpt could show it and a bit more."""
    first, last = line_around(text, at)
    return text[max(first, at - _AROUND) : min(last, at + _AROUND)]


def problems_in(
    schema: Schema,
    documents: Sequence[Document],
    prepared: Prepared,
    refused: Sequence[tuple[Path, str]],
    settings: Any,
    redactor: Redactor | None = None,
    decoding: Decoding | None = None,
) -> Problems:
    """Explain what is wrong with values that were merged from ``documents``.

    Args:
        schema: What the settings class declares.
        documents: In rising precedence.
        prepared: Their values.
        refused: What a `Check` refuses, or cannot be derived, and why.
        settings: What the values were decoded to. ABSENT if they could not be.
        redactor: Knows other secrets than those of these documents.
        decoding: Knows what it has already decoded.
    """
    decoded = settings is not ABSENT
    if schema.makes_secrets:
        redactor = redactor or Redactor(schema)
        redactor.learn([in_memory(prepared.values)], settings if decoded else None)
    found = Findings([], 0) if decoded else diagnose(schema, prepared, MOST_PROBLEMS, decoding)
    checked = [Finding(path, cut(why), "rule") for path, why in refused]
    first = [*found.first, *checked][:MOST_PROBLEMS]
    return Problems(as_problems(schema, documents, first, redactor), found.total + len(checked))


def as_problems(
    schema: Schema, documents: Sequence[Document], found: Sequence[Finding], redactor: Redactor | None = None
) -> tuple[Problem, ...]:
    """Return findings as problems, sorted by file and place."""
    if not found:
        return ()
    redactor = redactor or Redactor(schema)
    redactor.learn(documents)
    return tuple(_Report(redactor, documents, found).problems())


def warnings_in(schema: Schema, documents: Sequence[Document], prepared: Prepared) -> Problems:
    """Return what should be changed in documents that could be prepared, with the places."""
    by_table: dict[Path, list[Finding]] = {}
    for path in prepared.ignored:
        finding = Finding(path, "unknown key, ignored", "unknown-key", at="key")
        by_table.setdefault(path[:-1], []).append(finding)
    for path, instead in prepared.deprecated:
        by_table.setdefault(path[:-1], []).append(Finding(path, "deprecated", "deprecated", instead, at="key"))
    first = [
        Finding(
            path, f"has its old name, {dotted((old,))}", "renamed", f"rename it to {path[-1]}", "key", document=index
        )
        for index, document in enumerate(documents)
        for path, old in document.former.items()
    ]
    total = len(first)
    values = [document.values for document in documents]
    for table, findings in by_table.items():
        holders = [(index, said) for index, said, counts in trace(values, table, schema.merging) if counts]
        for finding in findings:
            for index, said in holders:
                if finding.path[-1] in said:
                    total += 1
                    if total <= MOST_PROBLEMS:
                        first.append(replace(finding, document=index))
    return Problems(as_problems(schema, documents, first[:MOST_PROBLEMS]), total)


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Sort by file (base, override, secrets, others by name), then by place; what has no file comes last."""
    return sorted(problems, key=lambda problem: _place(problem.origin))


def _place(origin: Origin) -> tuple[int, bool, str, int, int]:
    known = _READING_ORDER.index(origin.layer) if origin.layer in _READING_ORDER else len(_READING_ORDER)
    return known, origin.file is None, origin.file or "", origin.line or 0, origin.column or 0


def _name_of(document: Document) -> str:
    return document.layer.label or document.layer.name


class _Spans:
    """Spans of a text, sorted by their starts."""

    def __init__(self, spans: Iterable[Span]) -> None:
        found = list(spans)
        self._starts = [start for start, _ in found]
        self._reach = list(accumulate((stop for _, stop in found), max))

    def meet(self, first: int, last: int) -> bool:
        """Whether any of them has a character between these two offsets."""
        before = bisect_left(self._starts, last)
        return before > 0 and self._reach[before - 1] > first


class _Report:
    """Findings of one failed load, each with the document to blame, if there is one."""

    def __init__(self, redactor: Redactor, documents: Sequence[Document], found: Sequence[Finding]) -> None:
        self._redactor = redactor
        self._schema = redactor.schema
        self._documents = documents
        self._blamed = [(finding, self._blame(finding)) for finding in found]
        self._places = {index: self._locate(index) for index in {i for _, i in self._blamed if i is not None}}
        self._delicate: dict[int, _Spans] = {}

    def problems(self) -> Iterator[Problem]:
        """Yield them in order. Only the first 100 have an excerpt: finding out whether one may be shown takes long."""
        found = [(self._problem(finding, index), finding, index) for finding, index in self._blamed]
        found.sort(key=lambda each: _place(each[0].origin))
        for number, (problem, finding, index) in enumerate(found):
            shown = number < SHOWN_PROBLEMS and finding.at == "value" and self._hidden(finding, index) is None
            lines = self._excerpt(finding, index) if shown and index is not None else ()
            yield replace(problem, excerpt=lines, hint=finding.rewrite or problem.hint) if lines else problem

    def _blame(self, finding: Finding) -> int | None:
        """The document whose value won. For a missing key, one whose table lacks it, best the one where it belongs."""
        path = finding.path[:-1] if finding.at == "missing" else finding.path
        if finding.document is not None or not path:
            return finding.document
        leaf = self._schema.leaf_of(finding.path)
        holders = [
            index
            for index, _, counts in trace([document.values for document in self._documents], path, self._schema.merging)
            if counts
        ]
        if finding.at == "missing" and leaf is not None:
            holders.sort(key=lambda index: self._documents[index].layer.secret != leaf.secret)
        return holders[0] if holders else None

    def _locate(self, index: int) -> dict[Path, Place]:
        wanted = {f.path[:-1] if f.at == "missing" else f.path for f, i in self._blamed if i == index}
        return self._documents[index].locate(wanted)

    def _origin(self, finding: Finding, index: int | None) -> Origin:
        if index is None:
            return NOWHERE
        place = self._places[index].get(finding.path[:-1] if finding.at == "missing" else finding.path, _NO_PLACE)
        return self._documents[index].origin(place.value[0] if finding.at == "value" else place.key[0])

    def _hidden(self, finding: Finding, index: int | None) -> Path | None:
        """The key to name if the value must not be shown. Keys below what is secret as a whole belong to its value."""
        document = None if index is None else self._documents[index]
        values = {} if document is None else document.values
        whole = whole_at(self._schema.shape, values, finding.path)
        if whole is not None or (document is not None and document.layer.secret):
            return finding.path if whole is None else whole
        shape, value = self._schema.shape.at(finding.path, values), follow(values, finding.path)
        if shape is None or shape.fields is not None or isinstance(value, dict):
            return None
        return finding.path if shape.hides(value) else None

    def _problem(self, finding: Finding, index: int | None) -> Problem:
        if finding.at == "missing":
            return self._missing(finding, index)
        origin, message, hint = self._origin(finding, index), self._message(finding), finding.hint
        hidden = self._hidden(finding, index)
        key = dotted(hidden or finding.path)
        if hidden is None and finding.at == "key":  # a key of the user's own, which may be a secret in the wrong place
            own = dotted(finding.path[-1:])
            key = key.removesuffix(own) + self._redactor.redact(own)
        if hidden is not None and finding.at == "value":
            message += " (value hidden)"
        if hidden is not None and (finding.at == "value" or hidden != finding.path):
            hint = ""
        return Problem(key, message, origin, hint, finding.code)

    def _missing(self, finding: Finding, index: int | None) -> Problem:
        key, hidden = dotted(finding.path), self._hidden(finding, index)
        if index is not None and hidden is not None and hidden != finding.path:
            key, message, hint = dotted(hidden), f"{finding.path[-1]} is required, but missing from a table in it", ""
        elif index is not None:
            message, hint = "required, but missing from this table", ""
        elif not (files := [document for document in self._documents if origin_of(document.layer) != PROGRAM]):
            return Problem(key, "required", PROGRAM, code=finding.code)
        else:
            looked = ", ".join(_name_of(file) + (" (no such file)" if file.missing else "") for file in files)
            belongs = [_name_of(file) for file in files if file.layer.secret == (hidden is not None)]
            message, hint = f"required, but not set in {looked}", f"set it in {belongs[0]}" if belongs else ""
        return Problem(key, message, self._origin(finding, index), hint, finding.code)

    def _message(self, finding: Finding) -> str:
        if finding.code != "rule":
            shape = self._schema.shape.at(finding.path) if finding.brief else None
            return finding.brief if shape is not None and shape.holds_secret else finding.message
        said = self._redactor.redact(finding.message[:LONGEST_SAID])
        if len(finding.message) > LONGEST_SAID:
            said = said[: -LONGEST_SAID // 2] + "…"  # where it was cut, a part of a secret could be left
        return "".join(char if char.isprintable() else " " for char in said)

    def _excerpt(self, finding: Finding, index: int) -> tuple[str, ...]:
        text = self._documents[index].text
        if not text:
            return ()
        start, end = self._places[index].get(finding.path, _NO_PLACE).value
        around = _around(text, start)
        if self._delicate_spans(index).meet(*line_around(text, start)) or self._redactor.finds(around):
            return ()
        if self._misspelt.found_in(around):
            return ()  # a table that ignores unknown keys has no finding for it
        return self._documents[index].excerpt(start, end)

    def _delicate_spans(self, index: int) -> _Spans:
        """The spans that no excerpt may show: secrets, and what could be a misplaced or misspelt secret."""
        if index in self._delicate:
            return self._delicate[index]
        names = frozenset(self._schema.secret_names)
        delicate = set(secret_paths(self._schema.shape, self._documents[index].values))
        delicate |= {finding.path for finding, blamed in self._blamed if blamed == index and finding.at == "key"}
        self._delicate[index] = _Spans(covered(self._documents[index].text, delicate, names))
        return self._delicate[index]

    @cached_property
    def _misspelt(self) -> MisspeltKeys:
        return MisspeltKeys(self._schema.secret_names, self._schema.names)
