"""Findings become problems: placed in the file that is to blame, with its line, and without a secret in them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate, islice
from typing import Any

import msgspec

from .decode import Finding, findings
from .errors import Origin, Problem
from .excerpts import excerpt, line_around
from .keys import Path, dotted, misspells
from .layers import Document
from .merge import ABSENT, Values, follow, trace
from .positions import Place, Span, covered
from .schema import NATIVE, Leaf, Schema
from .secrecy import Scrubber, texts_of

MOST_PROBLEMS = 200
"""Problems reported at once. A file with more of them is not a settings file gone wrong but something else."""

_AROUND = 2_000
"""Characters before and behind a value among which secrets are looked for, much more than an excerpt shows."""

_LONGEST = 4_000
"""Characters of a message of somebody else's that are looked at; of a longer one, half of that is shown."""

_NOWHERE = Place((0, 0), (0, 0))
"""Values given in code have no place in a text."""

_READING_ORDER = ("base", "override", "secrets")


def problems_in(schema: Schema, documents: Sequence[Document], values: Values) -> list[Problem]:
    """Explain everything that is wrong with ``values``, which were merged from ``documents``: nothing, if they are good."""
    found = list(islice(findings(schema, values), MOST_PROBLEMS + 1))
    problems = in_order(_Report(schema, documents, found[:MOST_PROBLEMS]).problems())
    if len(found) > MOST_PROBLEMS:
        problems.append(Problem("", f"more problems than the {MOST_PROBLEMS} reported here", Origin("")))
    return problems


def tolerated(schema: Schema, documents: Sequence[Document]) -> list[Problem]:
    """Say where top-level keys are written that a class does not know, but tolerates."""
    problems = []
    for document in documents if schema.tolerant else ():
        unknown = [(key,) for key in document.values if key not in schema.keys]
        places = document.locate(unknown)
        for path in unknown:
            origin = document.origin(places.get(path, _NOWHERE).key[0])
            problems.append(Problem(dotted(path), "unknown key, ignored", origin))
    return in_order(problems)


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Sort by file (base, override, secrets, others by name), then by place; what has no file comes last."""

    def place(problem: Problem) -> tuple[int, bool, str, int, int]:
        origin = problem.origin
        known = _READING_ORDER.index(origin.layer) if origin.layer in _READING_ORDER else len(_READING_ORDER)
        return known, origin.file is None, origin.file or "", origin.line or 0, origin.column or 0

    return sorted(problems, key=place)


def secret_texts(schema: Schema, documents: Iterable[Document]) -> Iterator[str]:
    """Yield every spelling of every secret in these documents and in the defaults of the class."""
    for document in documents:
        if document.layer.secret:
            yield from texts_of(list(_values_in(schema, document.values, ())))
        for leaf in schema.leaves:
            value = follow(document.values, leaf.path)
            if (leaf.secret or document.layer.secret) and value is not ABSENT:
                if not document.layer.secret:
                    yield from texts_of(value)
                if (decoded := _decoded(leaf, value)) != value:
                    yield from texts_of(decoded)
    for leaf in schema.leaves:
        if leaf.secret:
            yield from texts_of([default for default in leaf.defaults if default is not msgspec.NODEFAULT])


def _values_in(schema: Schema, values: Values, path: Path) -> Iterator[Any]:
    """Yield what is written to leaves and to unknown keys; the names of tables and fields are no secret."""
    for key, value in values.items():
        if isinstance(value, dict) and schema.leaf_of((*path, key)) is None:
            yield from _values_in(schema, value, (*path, key))
        else:
            yield value


def _decoded(leaf: Leaf, value: Any) -> Any:
    """What the settings would hold, which need not look like what is written: bytes, for example."""
    try:
        return msgspec.convert(value, leaf.annotation, builtin_types=NATIVE, str_keys=True)
    except Exception:  # its text may hold secrets, and nothing depends on it
        return None


class _Spans:
    """Spans of a text, in the order of their starts."""

    def __init__(self, spans: Iterable[Span]) -> None:
        found = list(spans)
        self._starts = [start for start, _ in found]
        self._reach = list(accumulate((stop for _, stop in found), max))

    def meet(self, first: int, last: int) -> bool:
        """Whether any of them has something between these two offsets."""
        before = bisect_left(self._starts, last)
        return before > 0 and self._reach[before - 1] > first


class _Report:
    """Findings of one failed load, each with the document to blame."""

    def __init__(self, schema: Schema, documents: Sequence[Document], found: Sequence[Finding]) -> None:
        self._schema = schema
        self._documents = documents
        self._blamed = [(finding, self._blame(finding)) for finding in found]
        self._places = {index: self._locate(index) for index in {i for _, i in self._blamed if i is not None}}
        self._delicate: dict[int, _Spans] = {}

    def problems(self) -> Iterator[Problem]:
        for finding, index in self._blamed:
            if finding.at == "missing":
                yield self._missing(finding, index)
            elif index is None:
                hidden = self._hidden(finding, index)
                hint = finding.hint if hidden is None else ""
                key = dotted(hidden or finding.path)
                yield Problem(key, self._message(finding), Origin(""), hint, foreign=finding.foreign)
            else:
                yield self._placed(finding, index)

    def _blame(self, finding: Finding) -> int | None:
        """The document whose value won, or that holds the table in which a key is missing: one where the key belongs."""
        path = finding.path[:-1] if finding.at == "missing" else finding.path
        if not path:
            return None
        leaf = self._schema.leaf_of(finding.path)
        holders = [
            index for index, _, counts in trace([document.values for document in self._documents], path) if counts
        ]
        if finding.at == "missing" and leaf is not None:
            holders.sort(key=lambda index: self._documents[index].layer.secret != leaf.secret)
        return holders[0] if holders else None

    def _locate(self, index: int) -> dict[Path, Place]:
        wanted = {f.path[:-1] if f.at == "missing" else f.path for f, i in self._blamed if i == index}
        return self._documents[index].locate(wanted)

    def _placed(self, finding: Finding, index: int) -> Problem:
        document = self._documents[index]
        place = self._places[index].get(finding.path, _NOWHERE)
        start, end = place.key if finding.at == "key" else place.value
        if (key := self._hidden(finding, index)) is not None:
            about = " (value hidden)" if finding.at == "value" else ""
            hint = finding.hint if finding.at == "key" and key == finding.path else ""
            told = self._message(finding) + about
            return Problem(dotted(key), told, document.origin(start), hint, foreign=finding.foreign)
        shown = self._excerpt(index, start, end) if finding.at == "value" else ()
        told = self._message(finding)
        return Problem(dotted(finding.path), told, document.origin(start), finding.hint, shown, finding.foreign)

    def _hidden(self, finding: Finding, index: int | None) -> Path | None:
        """The key to name where the value must not be shown: the leaf's, because keys below a leaf are part of its value."""
        leaf = self._schema.leaf_of(finding.path)
        in_secrets = index is not None and self._documents[index].layer.secret
        if in_secrets or (leaf is not None and leaf.secret):
            return finding.path if leaf is None else leaf.path
        return None

    def _delicate_spans(self, index: int) -> _Spans:
        """Where a document holds values that no excerpt may show: secrets, and what could be misplaced or misspelt ones."""
        if index in self._delicate:
            return self._delicate[index]
        names = frozenset(self._schema.secret_names)
        delicate: set[Path] = {leaf.path for leaf in self._schema.leaves if leaf.secret}
        for finding, blamed in self._blamed:
            below = self._schema.leaves_below(finding.path)
            if blamed == index and (finding.at == "key" or any(leaf.secret for leaf in below)):
                delicate.add(finding.path)
        self._delicate[index] = _Spans(covered(self._documents[index].text, delicate, names))
        return self._delicate[index]

    def _excerpt(self, index: int, start: int, end: int) -> tuple[str, ...]:
        text = self._documents[index].text
        if not text:
            return ()
        first, last = line_around(text, start)
        around = text[max(first, start - _AROUND) : min(last, start + _AROUND)]
        if self._delicate_spans(index).meet(first, last) or self._secrets.finds(around):
            return ()
        if misspells(around, self._schema.secret_names, {part for leaf in self._schema.leaves for part in leaf.path}):
            return ()  # in a table that takes no notice of unknown keys
        return excerpt(text, start, end)

    def _missing(self, finding: Finding, index: int | None) -> Problem:
        key = dotted(finding.path)
        if index is not None:
            document = self._documents[index]
            origin = document.origin(self._places[index].get(finding.path[:-1], _NOWHERE).key[0])
            hidden = self._hidden(finding, index)
            if hidden is not None and hidden != finding.path:
                return Problem(
                    dotted(hidden), f"{finding.path[-1]} is required, but missing from a table in it", origin
                )
            return Problem(key, "required, but missing from this table", origin)
        files = [document for document in self._documents if document.layer.label]
        if not files:
            return Problem(key, "required", Origin("values"))
        looked = ", ".join(file.layer.label + (" (no such file)" if file.missing else "") for file in files)
        leaf = self._schema.leaf_of(finding.path)
        belongs = [file.layer.label for file in files if file.layer.secret == (leaf is not None and leaf.secret)]
        hint = f"set it in {belongs[0]}" if belongs else ""
        return Problem(key, f"required, but not set in {looked}", Origin(""), hint)

    def _message(self, finding: Finding) -> str:
        if not finding.foreign:
            return finding.message
        said = self._secrets.clear(finding.message[:_LONGEST])
        if len(finding.message) > _LONGEST:
            said = said[: -_LONGEST // 2] + "…"  # at the end, only a part of a secret could be left
        return "".join(char if char.isprintable() else " " for char in said)

    @cached_property
    def _secrets(self) -> Scrubber:
        return Scrubber(secret_texts(self._schema, self._documents))
