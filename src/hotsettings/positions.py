"""Where the keys and values of a TOML text stand, found only when somebody asks, such as for an error message.

The parser gives values without their places. This walk trusts that the parser has accepted the text, so it needs
to tell apart only what stands where, not what is right.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeAlias

import toml_rs

Path: TypeAlias = tuple[str | int, ...]
"""Keys and, for the elements of arrays and of arrays of tables, indices, from the root on."""

Span: TypeAlias = tuple[int, int]
"""Start and end, half-open, in characters from the start of the text."""

# How deep values may nest here; the texts that come here have passed a lower limit.
_DEEPEST: Final = 110

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

# What holds no bracket but in strings and comments, or brackets around just that, in bites for the sake of memory; then
# brackets of one kind.
_HARMLESS = rf"""(?>[^\[\]{{}}"'\#]++|(?=["']){_SCALAR}|\#[^\n]*+)"""
_FLAT = rf"""\[(?>{_HARMLESS}{{0,99}})\]|\{{(?>{_HARMLESS}{{0,99}})\}}"""
_BRACKETS = re.compile(rf"(?>(?:{_HARMLESS}|{_FLAT}){{0,99}})([\[{{]++|[\]}}]++)?", re.VERBOSE)

# The keys and indices that lead to the paths that are wanted. None stands for all there are.
_Tree: TypeAlias = "dict[str | int, _Tree] | None"
_NONE: Final[_Tree] = {}


class Place(NamedTuple):
    """Where a key and its value stand, each as a half-open span of characters.

    An element of an array is its own key. A table made by a header or by the front part of a dotted key has the span of
    that part, quotes included, for both.
    """

    key: Span
    value: Span


def places(text: str, wanted: Iterable[Path] | None = None) -> Iterator[tuple[Path, Place]]:
    """Every key, table and array element of a text that `toml_rs.loads` accepts, in the order of the text.

    A container comes before what is in it. A path comes again for each header or dotted key that touches its table. The walk
    is lazy by statements: it costs a consumer who stops early only what stands before. It is several times faster when told
    the paths that are `wanted`; then these are sure to come, and others may be left out.

    Raises:
        ValueError: Some text stands where TOML has none, or nests deeper than 110. The parser would not have accepted it.
    """
    tree = _tree(wanted)
    elements: dict[Path, int] = {}
    table: Path = ()
    inside = tree
    at = int(text.startswith("\ufeff"))
    while True:
        line = _LINE.match(text, at)
        assert line is not None  # even the empty text matches
        at = line.end()
        if line[1] is not None:
            if inside is None or line[1] in inside:
                yield (*table, line[1]), Place(line.span(1), line.span(2))
        elif line[3] is not None:
            parts, at = _key(text, at, "]")
            table, inside = (), tree
            for name, span in parts[:-1]:
                table, inside = (*table, name), _below(inside, name)
                yield table, Place(span, span)
                if table in elements:
                    index = elements[table]
                    table, inside = (*table, index), _below(inside, index)
            name, span = parts[-1]
            table, inside = (*table, name), _below(inside, name)
            yield table, Place(span, span)
            if line[3] == "[[":
                index = elements.get(table, -1) + 1
                elements[table] = index
                table, inside = (*table, index), _below(inside, index)
                yield table, Place(span, span)
                at += 1
        elif at < len(text):
            found: list[tuple[Path, Place]] = []
            at = _key_value(text, at, table, inside, found, 0)
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


def _key_value(text: str, at: int, table: Path, tree: _Tree, found: list[tuple[Path, Place]], depth: int) -> int:
    """Append what `key = value` at this offset holds, and return the offset behind it."""
    parts, at = _key(text, at, "=")
    for name, span in parts[:-1]:
        table, tree = (*table, name), _below(tree, name)
        found.append((table, Place(span, span)))
    name, span = parts[-1]
    return _value(text, at, (*table, name), span, _below(tree, name), found, depth)


def _value(
    text: str, at: int, path: Path, key: Span | None, tree: _Tree, found: list[tuple[Path, Place]], depth: int
) -> int:
    """Append the value at this offset and all in it, and return the offset behind it. An element has no key."""
    value = _VALUE.match(text, at)
    if value is None or depth > _DEEPEST:
        raise ValueError(f"no value at offset {at}")
    if value[1] is not None:
        span = value.span(1)
        if tree is not _NONE:
            found.append((path, Place(key or span, span)))
        return span[1]
    start, at = value.span(2)
    if tree is _NONE:
        return _end_of_brackets(text, at)
    mine = len(found)
    found.append((path, Place((start, at), (start, at))))
    if tree == {}:
        at = _end_of_brackets(text, at)
    else:
        fill = _array if value[2] == "[" else _inline_table
        at = fill(text, _end_of_gap(text, at), path, tree, found, depth + 1)
    found[mine] = path, Place(key or (start, at), (start, at))
    return at


def _array(text: str, at: int, path: Path, tree: _Tree, found: list[tuple[Path, Place]], depth: int) -> int:
    index = 0
    while not text.startswith("]", at):
        element = _ELEMENT.match(text, at)
        if element is not None:
            if tree is None or index in tree:
                span = element.span(1)
                found.append(((*path, index), Place(span, span)))
            at = element.end()
        else:
            at = _end_of_gap(text, _value(text, at, (*path, index), None, _below(tree, index), found, depth))
        index += 1
    return at + 1


def _inline_table(text: str, at: int, path: Path, tree: _Tree, found: list[tuple[Path, Place]], depth: int) -> int:
    while not text.startswith("}", at):
        field = _FIELD.match(text, at)
        if field is not None:
            if tree is None or field[1] in tree:
                found.append(((*path, field[1]), Place(field.span(1), field.span(2))))
            at = field.end()
        else:
            at = _end_of_gap(text, _key_value(text, at, path, tree, found, depth))
    return at + 1


def _end_of_brackets(text: str, at: int) -> int:
    """The offset behind the bracket that closes the one before this offset."""
    depth = 1
    while True:
        brackets = _BRACKETS.match(text, at)
        assert brackets is not None  # even the empty text matches
        if brackets.end() == at:
            raise ValueError(f"no closing bracket at offset {at}")
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
    """The offset behind white space, newlines, comments and at most one comma."""
    gap = _BETWEEN.match(text, at)
    assert gap is not None  # even the empty text matches
    return gap.end()


def _tree(wanted: Iterable[Path] | None) -> _Tree:
    if wanted is None:
        return None
    root: dict[str | int, Any] = {}
    for path in wanted:
        node = root
        for part in path:
            node = node.setdefault(part, {})
    return root


def _below(tree: _Tree, part: str | int) -> _Tree:
    return None if tree is None else tree.get(part, _NONE)
