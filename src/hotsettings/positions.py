"""Where the keys and values of a TOML text stand, found only when somebody asks, such as for an error message.

The parser gives values without their places. This walk trusts that the parser has accepted the text, so it needs
to tell apart only what stands where, not what is right.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

import toml_rs

Path: TypeAlias = tuple[str | int, ...]
"""Keys and, for the elements of arrays and of arrays of tables, indices, from the root on."""

Span: TypeAlias = tuple[int, int]
"""Start and end, half-open, in characters from the start of the text."""

# How deep values may nest here; the texts that come here have passed a lower limit.
_DEEPEST: Final = 100

_GAP = r"(?>(?:[\ \t\r\n]++|\#[^\n]*+)*)"
_BASIC = r'"(?>(?:[^"\\\n]++|\\.)*)"'
_QUOTED = rf"""(?:{_BASIC}|'[^'\n]*+')"""
_BARE = r"[A-Za-z0-9_-]++"
# A date may be parted from its time by a space.
_SCALAR = rf"""(?:(?:[0-9-]{{10}}\ (?=[0-9]{{2}}:))?[^\[\]{{}},"'\s\#=]++
|\"\"\"(?>(?:[^"\\]++|\\[\s\S]|"(?!""))*)"{{3,5}}+|'''(?>(?:[^']++|'(?!''))*)'{{3,5}}+
|"(?!""){_BASIC[1:]}|'(?!'')[^'\n]*+')"""

_COMMA = rf"{_GAP},?{_GAP}"
_PAIR = rf"({_BARE})[\ \t]*+=[\ \t]*+({_SCALAR})"

# A whole `key = scalar` with groups 1 and 2, or the first brackets of a header in group 3, or else nothing but the gap.
_LINE = re.compile(rf"{_GAP}(?:{_PAIR}|(\[\[?+))?", re.VERBOSE)
_FIELD = re.compile(_PAIR + _COMMA, re.VERBOSE)
_ELEMENT = re.compile(rf"({_SCALAR}){_COMMA}", re.VERBOSE)
_BETWEEN = re.compile(_COMMA, re.VERBOSE)
_PART = re.compile(rf"[\ \t]*+({_BARE}|{_QUOTED})[\ \t]*+([.=\]])", re.VERBOSE)
_VALUE = re.compile(rf"{_GAP}(?:({_SCALAR})|([\[{{]))", re.VERBOSE)


class Place(NamedTuple):
    """Where a key and its value stand, each as a half-open span of characters.

    An element of an array is its own key. A table made by a header or by the front part of a dotted key has the span of
    that part, quotes included, for both.
    """

    key: Span
    value: Span


def places(text: str) -> Iterator[tuple[Path, Place]]:
    """Every key, table and array element of a text that `toml_rs.loads` accepts, in the order of the text.

    A container comes before what is in it. A path comes again for each header or dotted key that touches its table. The walk
    is lazy by statements: it costs a consumer who stops early only what stands before.

    Raises:
        ValueError: Some text stands where TOML has none, or nests deeper than 100. The parser would not have accepted it.
    """
    elements: dict[Path, int] = {}
    table: Path = ()
    at = int(text.startswith("\ufeff"))
    while True:
        line = _LINE.match(text, at)
        assert line is not None  # even the empty text matches
        at = line.end()
        if line[1] is not None:
            yield (*table, line[1]), Place(line.span(1), line.span(2))
        elif line[3] is not None:
            parts, at = _key(text, at, "]")
            table = ()
            for name, span in parts[:-1]:
                table = (*table, name)
                yield table, Place(span, span)
                if table in elements:
                    table = (*table, elements[table])
            name, span = parts[-1]
            table = (*table, name)
            yield table, Place(span, span)
            if line[3] == "[[":
                elements[table] = elements.get(table, -1) + 1
                table = (*table, elements[table])
                yield table, Place(span, span)
                at += 1
        elif at < len(text):
            found: list[tuple[Path, Place]] = []
            at = _key_value(text, at, table, found, 0)
            yield from found
        else:
            return


def line_column(text: str, offset: int) -> tuple[int, int]:
    """The line and the column of an offset, both from 1, the column in characters. Lines end with a line feed."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _key(text: str, at: int, end: str) -> tuple[list[tuple[str, Span]], int]:
    """The parts of a key up to the character `end`, each with its span, and the offset behind that character."""
    parts = []
    stop = "."
    while stop == ".":
        part = _PART.match(text, at)
        if part is None:
            raise ValueError(f"no key at offset {at}")
        parts.append((_name(part[1]), part.span(1)))
        stop = part[2]
        at = part.end()
    if stop != end:
        raise ValueError(f"no key at offset {at}")
    return parts, at


def _name(written: str) -> str:
    if written[0] == '"' and "\\" in written:
        (name,) = toml_rs.loads(f"{written}=0")
        return name
    return written[1:-1] if written[0] in "\"'" else written


def _key_value(text: str, at: int, table: Path, found: list[tuple[Path, Place]], depth: int) -> int:
    """Append what `key = value` at this offset holds, and return the offset behind it."""
    parts, at = _key(text, at, "=")
    for name, span in parts[:-1]:
        table = (*table, name)
        found.append((table, Place(span, span)))
    name, span = parts[-1]
    return _value(text, at, (*table, name), span, found, depth)


def _value(text: str, at: int, path: Path, key: Span | None, found: list[tuple[Path, Place]], depth: int) -> int:
    """Append the value at this offset and all in it, and return the offset behind it. An element has no key."""
    value = _VALUE.match(text, at)
    if value is None or depth > _DEEPEST:
        raise ValueError(f"no value at offset {at}")
    if value[1] is not None:
        span = value.span(1)
        found.append((path, Place(key or span, span)))
        return span[1]
    start, at = value.span(2)
    mine = len(found)
    found.append((path, Place((start, at), (start, at))))
    fill = _array if value[2] == "[" else _inline_table
    at = fill(text, _end_of_gap(text, at), path, found, depth + 1)
    found[mine] = path, Place(key or (start, at), (start, at))
    return at


def _array(text: str, at: int, path: Path, found: list[tuple[Path, Place]], depth: int) -> int:
    index = 0
    while not text.startswith("]", at):
        element = _ELEMENT.match(text, at)
        if element is not None:
            span = element.span(1)
            found.append(((*path, index), Place(span, span)))
            at = element.end()
        else:
            at = _end_of_gap(text, _value(text, at, (*path, index), None, found, depth))
        index += 1
    return at + 1


def _inline_table(text: str, at: int, path: Path, found: list[tuple[Path, Place]], depth: int) -> int:
    while not text.startswith("}", at):
        field = _FIELD.match(text, at)
        if field is not None:
            found.append(((*path, field[1]), Place(field.span(1), field.span(2))))
            at = field.end()
        else:
            at = _end_of_gap(text, _key_value(text, at, path, found, depth))
    return at + 1


def _end_of_gap(text: str, at: int) -> int:
    """The offset behind white space, newlines, comments and at most one comma."""
    gap = _BETWEEN.match(text, at)
    assert gap is not None  # even the empty text matches
    return gap.end()
