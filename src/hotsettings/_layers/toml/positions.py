"""Finding where keys and values are in a TOML text. This is done only when it is needed, as for an error message.

The parser returns values without their places. The walk in this module finds the places. It does not validate, and it
has to handle texts that are not TOML to the end: the parser may reject one value before it sees a mistake further on.
The walk ends at such a mistake.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from math import inf
from typing import Any, Final, NamedTuple, TypeAlias

from .parser import ParserError, loads

Path: TypeAlias = tuple[str | int, ...]
"""Keys and, for the elements of arrays and of arrays of tables, indices, from the root on."""

Span: TypeAlias = tuple[int, int]
"""Start and end, half-open, in characters from the start of the text."""

# How deep values may nest here. Texts that get here have passed a lower limit.
_DEEPEST: Final = 110
# Lines are counted in blocks of so many characters.
_BLOCK: Final = 4096

_GAP = r"(?>(?:[\ \t\r\n]++|\#[^\n]*+)*)"
_BASIC = r'"(?>(?:[^"\\\n]++|\\.)*)"'
_QUOTED = rf"""(?:{_BASIC}|'[^'\n]*+')"""
_BARE = r"[A-Za-z0-9_-]++"
# There may be a space between a date and its time.
_SCALAR = rf"""(?:(?:[0-9-]{{10}}\ (?=[0-9]{{2}}:))?[^\[\]{{}},"'\s\#=]++
|\"\"\"(?>(?:[^"\\]++|\\[\s\S]|"(?!""))*)"{{3,5}}+|'''(?>(?:[^']++|'(?!''))*)'{{3,5}}+
|"(?!""){_BASIC[1:]}|'(?!'')[^'\n]*+')"""

_COMMA = rf"{_GAP},?{_GAP}"
_PAIR = rf"({_BARE})[\ \t]*+=[\ \t]*+({_SCALAR})"

# A whole `key = scalar` in groups 1 and 2, or the opening brackets of a header in group 3, or only the gap.
_LINE = re.compile(rf"{_GAP}(?:{_PAIR}|(\[\[?+))?", re.VERBOSE)
_FIELD = re.compile(_PAIR + _COMMA, re.VERBOSE)
_ELEMENT = re.compile(rf"({_SCALAR}){_COMMA}", re.VERBOSE)
_BETWEEN = re.compile(_COMMA, re.VERBOSE)
_PART = re.compile(rf"[\ \t]*+({_BARE}|{_QUOTED})[\ \t]*+([.=\]])", re.VERBOSE)
_KEY = re.compile(rf"(?>(?:[\ \t]*+(?:{_BARE}|{_QUOTED})[\ \t]*+(?:\.|(?==)))*)=", re.VERBOSE)
_VALUE = re.compile(rf"{_GAP}(?:({_SCALAR})|([\[{{]))", re.VERBOSE)

# Text without brackets outside of strings and comments, or brackets around such text, in bites to save memory; then
# brackets of one kind.
_HARMLESS = rf"""(?>[^\[\]{{}}"'\#]++|(?=["']){_SCALAR}|\#[^\n]*+)"""
_FLAT = rf"""\[(?>{_HARMLESS}{{0,99}})\]|\{{(?>{_HARMLESS}{{0,99}})\}}"""
_FLATS = rf"""\[(?>(?:{_HARMLESS}|{_FLAT}){{0,99}})\]|\{{(?>(?:{_HARMLESS}|{_FLAT}){{0,99}})\}}"""
_BRACKETS = re.compile(rf"(?>(?:{_HARMLESS}|{_FLATS}){{0,99}})([\[{{]++|[\]}}]++)?", re.VERBOSE)

_WORD = re.compile(r"[\w-]+")
_WORD_OR_ESCAPE = re.compile(r"[\w-]++|\\")

# The keys and indices that lead to the wanted paths. Three trees are special: everything, nothing, and a whole value as
# one place.
_Tree: TypeAlias = dict[str | int, Any]
_ALL: Final[_Tree] = {}
_NONE: Final[_Tree] = {}
_WHOLE: Final[_Tree] = {}


class Place(NamedTuple):
    """Where a key and its value are, each as a half-open span of characters.

    An element of an array is its own key. For a table that is made by a header or by the front part of a dotted key,
    both are the span of that part, quotes included.
    """

    key: Span
    value: Span


class _Lost(Exception):
    """Raised where a text stops being TOML, or nests too deep."""


def places(text: str, wanted: Iterable[Path] | None = None) -> Iterator[tuple[Path, Place]]:
    """Yield every key, table and array element in the order of the text, up to where it stops being TOML.

    A container comes before what is in it. A path comes again for each header or dotted key that adds to its table. The
    walk is lazy, one statement at a time, so a caller that stops early pays only for the text up to there.

    Args:
        text: The text.
        wanted: The paths that the caller needs, which makes the walk several times faster. All of them are found, and
            others may be left out. None means all paths.
    """
    return _Walk(text).places(_ALL if wanted is None else _tree(wanted))


def covered(text: str, paths: Iterable[Path], names: frozenset[str]) -> Iterator[Span]:
    """Yield the spans of values at or below one of these paths, or at or below a key with one of these names.

    A value in brackets is one span, and its parts have none of their own. Spans come in the order of their starts. If
    the text stops being TOML, the rest may contain such a value, so it is the last span.
    """
    walk = _Walk(text, names, covering=True)
    for _, place in walk.places(_tree(paths, _WHOLE)):
        yield place.value
    if walk.read < len(text):
        yield walk.read, len(text)


def statements(text: str, end: int) -> Iterator[list[tuple[Path, Place]]]:
    """Yield what each statement that begins before the offset ``end`` writes: its key or header first, then what is in it."""
    walk, start = _Walk(text), 0
    statement: list[tuple[Path, Place]] = []
    for path, place in walk.places(_ALL):
        if walk.read != start:
            yield statement
            if walk.read >= end:
                return
            statement, start = [], walk.read
        statement.append((path, place))
    yield statement


def statement_around(text: str, offset: int) -> int:
    """Return the offset at which the statement around an offset begins, or the space before it."""
    walk = _Walk(text[:offset])
    list(walk.places(_NONE))  # it asks for nothing, so it only goes on to where the text stops being TOML
    return min(walk.read, text.rfind("\n", 0, offset) + 1)


def line_column(text: str, offset: int) -> tuple[int, int]:
    """The line and the column of an offset, both from 1, the column in characters. Lines end with a line feed."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


class Lines:
    """Finds lines and columns for many offsets in one text.

    It searches the text once, and then only near each offset.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = [1]
        self._starts = [0]
        for at in range(0, len(text), _BLOCK):
            end = at + _BLOCK
            self._lines.append(self._lines[-1] + text.count("\n", at, end))
            self._starts.append(text.rfind("\n", at, end) + 1 or self._starts[-1])

    def place(self, offset: int) -> tuple[int, int]:
        """Return the same as ``line_column``."""
        block = offset // _BLOCK
        first = block * _BLOCK
        start = self._text.rfind("\n", first, offset) + 1 or self._starts[block]
        return self._lines[block] + self._text.count("\n", first, offset), offset - start + 1


class _Walk:
    """One walk through a text.

    The values of keys with one of the `names` are found wherever they are. When `covering`, a value is yielded as a
    whole, and the tables that lead to it are not. Up to the offset `read`, every statement is valid.
    """

    __slots__ = ("_covering", "_found", "_hints", "_names", "_text", "read")

    def __init__(self, text: str, names: frozenset[str] = frozenset(), *, covering: bool = False) -> None:
        self.read = 0
        self._text = text
        self._names = names
        self._covering = covering
        self._found: list[tuple[Path, Place]] = []
        self._hints: list[int] | None = None

    def places(self, tree: _Tree) -> Iterator[tuple[Path, Place]]:
        try:
            yield from self._statements(tree)
        except _Lost:
            if not self._covering:  # when covering, the whole statement is covered
                yield from self._found

    def _statements(self, tree: _Tree) -> Iterator[tuple[Path, Place]]:
        text = self._text
        elements: dict[Path, int] = {}
        table: Path = ()
        inside = tree
        at = int(text.startswith("\ufeff"))
        while True:
            self.read = at
            line = _LINE.match(text, at)
            assert line is not None  # even the empty text matches
            at = line.end()
            if line[1] is not None:
                if self._asked(self._below(inside, line[1])):
                    yield (*table, line[1]), Place(line.span(1), line.span(2))
            elif line[3] is not None:
                parts, at = self._key(at, "]")
                table, inside = (), tree
                for name, span in parts[:-1]:
                    table, inside = (*table, name), self._below(inside, name)
                    if self._asked(inside):
                        yield table, Place(span, span)
                    if table in elements:
                        index = elements[table]
                        table, inside = (*table, index), self._below(inside, index)
                name, span = parts[-1]
                table, inside = (*table, name), self._below(inside, name)
                if self._asked(inside):
                    yield table, Place(span, span)
                if line[3] == "[[":
                    index = elements.get(table, -1) + 1
                    elements[table] = index
                    table, inside = (*table, index), self._below(inside, index)
                    if self._asked(inside):
                        yield table, Place(span, span)
                    at += 1
            elif at < len(text):
                at = self._key_value(at, table, inside, 0)
                yield from self._found
                self._found.clear()
            else:
                self.read = at
                return

    def _below(self, tree: _Tree, part: str | int) -> _Tree:
        if tree is _ALL:
            return _ALL
        return _WHOLE if tree is _WHOLE or part in self._names else tree.get(part, _NONE)

    def _asked(self, tree: _Tree) -> bool:
        return tree is _WHOLE if self._covering else tree is not _NONE

    def _key(self, at: int, end: str) -> tuple[list[tuple[str, Span]], int]:
        """Return the parts of a key up to the character `end`, with their spans, and the offset after that character."""
        parts = []
        stop = "."
        while stop == ".":
            part = _PART.match(self._text, at)
            if part is None:
                raise _Lost
            parts.append((_name(part[1]), part.span(1)))
            stop = part[2]
            at = part.end()
        if stop != end:
            raise _Lost
        return parts, at

    def _key_value(self, at: int, table: Path, tree: _Tree, depth: int) -> int:
        """Find everything in the `key = value` at this offset, and return the offset after it."""
        key, first = _KEY.match(self._text, at), _PART.match(self._text, at)
        if key is None or first is None:
            raise _Lost
        if self._below(tree, _name(first[1])) is _NONE and not self._may_name(at, key.end()):
            return self._value(key.end(), (), None, _NONE, depth)
        parts, at = self._key(at, "=")
        for name, span in parts[:-1]:
            table, tree = (*table, name), self._below(tree, name)
            if self._asked(tree):
                self._found.append((table, Place(span, span)))
        name, span = parts[-1]
        return self._value(at, (*table, name), span, self._below(tree, name), depth)

    def _value(self, at: int, path: Path, key: Span | None, tree: _Tree, depth: int) -> int:
        """Find the value at this offset and all in it, and return the offset after it.

        An element of an array has no key.
        """
        value = _VALUE.match(self._text, at)
        if value is None or depth > _DEEPEST:
            raise _Lost
        if value[1] is not None:
            span = value.span(1)
            if self._asked(tree):
                self._found.append((path, Place(key or span, span)))
            return span[1]
        start, at = value.span(2)
        fill = self._array if value[2] == "[" else self._inline_table
        if tree is _NONE:
            end = 0 if depth and self._names else _end_of_brackets(self._text, at)
            if not end or self._may_name(start, end):
                return fill(_end_of_gap(self._text, at), path, tree, depth + 1)
            return end
        mine = len(self._found)
        if self._asked(tree):
            self._found.append((path, Place((start, at), (start, at))))
        if tree is _ALL or tree:
            at = fill(_end_of_gap(self._text, at), path, tree, depth + 1)
        else:
            at = _end_of_brackets(self._text, at)
        if self._asked(tree):
            self._found[mine] = path, Place(key or (start, at), (start, at))
        return at

    def _may_name(self, start: int, end: int) -> bool:
        """Whether one of the names could be a key in this range, perhaps written with escapes."""
        if not self._names:
            return False
        if self._hints is None:
            self._hints = _hints(self._text, self._names)
        at = bisect_left(self._hints, start)
        return at < len(self._hints) and self._hints[at] < end

    def _array(self, at: int, path: Path, tree: _Tree, depth: int) -> int:
        index = 0
        everything = tree is _ALL or tree is _WHOLE or self._names
        last = inf if everything else max((part for part in tree if isinstance(part, int)), default=-1)
        while not self._text.startswith("]", at):
            if index > last:
                return _end_of_brackets(self._text, at)
            element = _ELEMENT.match(self._text, at)
            below = self._below(tree, index)
            if element is None:
                at = _end_of_gap(self._text, self._value(at, (*path, index), None, below, depth))
            else:
                if self._asked(below):
                    span = element.span(1)
                    self._found.append(((*path, index), Place(span, span)))
                at = element.end()
            index += 1
        return at + 1

    def _inline_table(self, at: int, path: Path, tree: _Tree, depth: int) -> int:
        while not self._text.startswith("}", at):
            field = _FIELD.match(self._text, at)
            if field is None:
                at = _end_of_gap(self._text, self._key_value(at, path, tree, depth))
            else:
                if self._asked(self._below(tree, field[1])):
                    self._found.append(((*path, field[1]), Place(field.span(1), field.span(2))))
                at = field.end()
        return at + 1


def _name(written: str) -> str:
    if written[0] == '"' and "\\" in written:
        try:
            (name,) = loads(f"{written}=0")
        except ParserError:
            raise _Lost from None
        return name
    return written[1:-1] if written[0] in "\"'" else written


def _hints(text: str, names: frozenset[str]) -> list[int]:
    """Return the offsets near which one of the names could be a key: those of the first words of names, and of escapes.

    A key is never part of a longer word. A name that contains no word could be anywhere.
    """
    words = [_WORD.search(name) for name in names]
    if None in words:
        return list(range(len(text)))
    first = {word[0] for word in words if word is not None}
    return [word.start() for word in _WORD_OR_ESCAPE.finditer(text) if word[0] in first or word[0] == "\\"]


def _end_of_brackets(text: str, at: int) -> int:
    """Return the offset after the bracket that closes the one before this offset."""
    depth = 1
    while True:
        brackets = _BRACKETS.match(text, at)
        assert brackets is not None  # even the empty text matches
        if brackets.end() == at:
            raise _Lost
        at = brackets.end()
        if brackets[1] is not None:
            step = at - brackets.start(1)
            if text[at - 1] in "[{":
                depth += step
            elif step < depth:
                depth -= step
            else:
                return at - step + depth


def _end_of_gap(text: str, at: int) -> int:
    """Return the offset after white space, newlines, comments and at most one comma."""
    gap = _BETWEEN.match(text, at)
    assert gap is not None  # even the empty text matches
    return gap.end()


def _tree(wanted: Iterable[Path], end: _Tree | None = None) -> _Tree:
    """Return the tree that leads to these paths.

    If there is an `end`, it is the node of each path, and covers all below it.
    """
    root: _Tree = {}
    for path in wanted:
        node = root
        for part in path[:-1]:
            node = node.setdefault(part, {})
            if node is end:
                break
        else:
            for part in path[-1:]:
                node[part] = node.get(part, {}) if end is None else end
    return root
