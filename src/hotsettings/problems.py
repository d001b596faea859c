"""Findings become problems: placed in the file that is to blame, with its line, and without a secret in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import islice

from .decode import Finding, findings
from .errors import Origin, Problem
from .excerpts import excerpt, line_around
from .keys import Path, dotted
from .layers import Document
from .merge import ABSENT, Values, follow, trace
from .positions import Place
from .schema import Schema
from .secrecy import scrub, texts_of

MOST_PROBLEMS = 200
"""Problems reported at once. A file with more of them is not a settings file gone wrong but something else."""

_NOWHERE = Place((0, 0), (0, 0))
"""Values given in code have no place in a text."""

_READING_ORDER = ("base", "override", "secrets")


def problems_in(schema: Schema, documents: Sequence[Document], values: Values) -> list[Problem]:
    """Explain everything that is wrong with ``values``, which were merged from ``documents``."""
    found = list(islice(findings(schema, values), MOST_PROBLEMS + 1))
    problems = in_order(_Report(schema, documents, found[:MOST_PROBLEMS]).problems())
    if len(found) > MOST_PROBLEMS:
        problems.append(Problem("", f"more problems than the {MOST_PROBLEMS} reported here", Origin("")))
    return problems or [Problem("", "the values could not be decoded", Origin(""))]


def tolerated(schema: Schema, documents: Sequence[Document]) -> list[Problem]:
    """Say where top-level keys are written that a class does not know, but tolerates."""
    problems = []
    for document in documents if schema.tolerant else ():
        for path, place in document.locate((key,) for key in document.values.keys() - schema.keys).items():
            problems.append(Problem(dotted(path), "unknown key, ignored", document.origin(place.key[0])))
    return in_order(problems)


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Sort by file (base, override, secrets), then by place; what has no file comes last."""

    def place(problem: Problem) -> tuple[int, int, int]:
        origin = problem.origin
        file = _READING_ORDER.index(origin.layer) if origin.layer in _READING_ORDER else len(_READING_ORDER)
        return file, origin.line or 0, origin.column or 0

    return sorted(problems, key=place)


def secret_texts(schema: Schema, documents: Iterable[Document]) -> Iterator[str]:
    """Yield every spelling of every secret in these documents and in the defaults of the class."""
    for document in documents:
        if document.layer.secret:
            yield from texts_of(list(document.values.values()))
    for leaf in schema.leaves:
        if leaf.secret:
            yield from texts_of(leaf.default if not leaf.required else None)
            for document in documents:
                value, _ = follow(document.values, leaf.path)
                yield from texts_of(None if value is ABSENT else value)


class _Report:
    """Findings of one failed load, each with the document to blame."""

    def __init__(self, schema: Schema, documents: Sequence[Document], found: Sequence[Finding]) -> None:
        self._schema = schema
        self._documents = documents
        self._blamed = [(finding, self._blame(finding)) for finding in found]
        self._places = {index: self._locate(index) for index in {i for _, i in self._blamed if i is not None}}
        self._delicate = {index: list(self._delicate_spans(index)) for index in self._places}

    def problems(self) -> Iterator[Problem]:
        for finding, index in self._blamed:
            if finding.at == "missing":
                yield self._missing(finding, index)
            elif index is None:
                yield Problem(dotted(finding.path), self._message(finding), Origin(""), finding.hint)
            else:
                yield self._placed(finding, index)

    def _blame(self, finding: Finding) -> int | None:
        """The document whose value won, or that holds the table in which a key is missing."""
        path = finding.path[:-1] if finding.at == "missing" else finding.path
        values = [document.values for document in self._documents]
        return next((index for index, _, _ in trace(values, path)), None) if path else None

    def _locate(self, index: int) -> dict[Path, Place]:
        wanted = {f.path[:-1] if f.at == "missing" else f.path for f, i in self._blamed if i == index}
        wanted |= {leaf.path for leaf in self._schema.leaves if leaf.secret}
        return self._documents[index].locate(wanted)

    def _placed(self, finding: Finding, index: int) -> Problem:
        document, leaf = self._documents[index], self._schema.leaf_of(finding.path)
        place = self._places[index].get(finding.path, _NOWHERE)
        start, end = place.key if finding.at == "key" else place.value
        if document.layer.secret or (leaf is not None and leaf.secret):
            key = leaf.path if leaf is not None else finding.path  # below a leaf, the keys are part of its value
            about = " (value hidden)" if finding.at == "value" else ""
            return Problem(dotted(key), self._message(finding) + about, document.origin(start))
        shown = self._excerpt(index, start, end) if finding.at == "value" else ()
        return Problem(dotted(finding.path), self._message(finding), document.origin(start), finding.hint, shown)

    def _delicate_spans(self, index: int) -> Iterator[tuple[int, int]]:
        """Where a document holds values that no excerpt may show: secrets, and those of keys that could be misspelt ones."""
        for leaf in self._schema.leaves:
            if leaf.secret and leaf.path in self._places[index]:
                yield self._places[index][leaf.path].value
        for finding, blamed in self._blamed:
            if finding.at == "key" and blamed == index:
                yield self._places[index].get(finding.path, _NOWHERE).value

    def _excerpt(self, index: int, start: int, end: int) -> tuple[str, ...]:
        text = self._documents[index].text
        if not text:
            return ()
        first, last = line_around(text, start)
        if any(begin < last and first < stop for begin, stop in self._delicate[index]):
            return ()
        return excerpt(text, start, end)

    def _missing(self, finding: Finding, index: int | None) -> Problem:
        key = dotted(finding.path)
        if index is not None:
            document = self._documents[index]
            place = self._places[index].get(finding.path[:-1], _NOWHERE)
            return Problem(key, "required, but missing from this table", document.origin(place.key[0]))
        files = [document for document in self._documents if document.layer.label]
        if not files:
            return Problem(key, "required", Origin("values"))
        looked = ", ".join(file.layer.label + (" (no such file)" if file.missing else "") for file in files)
        leaf = self._schema.leaf_of(finding.path)
        belongs = [file.layer.label for file in files if file.layer.secret == (leaf is not None and leaf.secret)]
        hint = f"set it in {belongs[0]}" if belongs else ""
        return Problem(key, f"required, but not set in {looked}", Origin(""), hint)

    def _message(self, finding: Finding) -> str:
        return scrub(finding.message, self._secrets) if finding.foreign else finding.message

    @cached_property
    def _secrets(self) -> frozenset[str]:
        return frozenset(secret_texts(self._schema, self._documents))
