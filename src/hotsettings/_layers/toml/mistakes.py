"""What somebody probably did wrong in a text that is not TOML, and the way out.

The parser says where it could not go on, in terms of its grammar. This module looks at the text around that place, and
recognises the usual mistakes: habits from other languages and formats, slips in numbers and dates, quotes and brackets that
are not closed. It is used only after parsing has failed, and takes time proportional to the length of the text.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, TypeAlias

from .excerpts import line_around
from .keys import Path
from .positions import Place, line_column, statement_around, statements


class Mistake(NamedTuple):
    """A mistake that was recognised. ``message`` and ``hint`` quote nothing of the text.

    ``rewrite`` is a better hint that quotes the text. It may be shown only together with the line.
    """

    message: str
    hint: str
    rewrite: str = ""


class Repetition(NamedTuple):
    """A key that is set a second time: its path, and the offsets of the first time and of the second."""

    path: Path
    first: int
    again: int


_LONGEST: Final = 1_000
"""Characters of a line that are looked at."""
_NEAR: Final = 100
"""Characters around a place inside of brackets that are looked at."""
_HEAD: Final = 10_000
"""Characters at the start of a text that tell which format it has."""

_KEY: Final = r"""(?:[A-Za-z0-9_.-]+|"[^"\n]*"|'[^'\n]*')"""
_COMPLETE: Final = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|true|false|[+-]?\d[\w.:+-]*)"""
_QUOTES: Final = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u00ab\u00bb\u00b4"
_COMMENT: Final = r"(?://|;|--|/\*)"

# Of each table, the first pattern that matches tells the mistake. What is last says how to write it, with what was matched.

_LINES: Final = [
    (rf"\s*({_COMMENT}|(?i:rem)\s)", "a comment that does not begin with #", "begin comments with #"),
    (r"\s*export\s+\w+\s*=", "the word export before a key", "leave it out"),
    (rf"\s*{_KEY}\s*(:=?|=>|=\s*=|\+=)", "no single = after a key", "write key = value"),
    (rf"\s*{_KEY}\s*=\s*(\#.*)?$", "a key without a value", 'write the value after the =; "" is an empty string'),
    (rf"""\s*{_KEY}(\s*$|\s+[\["'{{])""", "a key without =", "write key = value"),
    (r"""\s*[^=\s"'\[\]{}][^=]*$""", "a line without =", "write key = value, or # before a comment"),
    (r"\s*=", "a value without a key", "write key = value"),
    (r"""\s*[^="'\[\]{}#]*\.\s*[.=]""", "a key with an empty part", "leave out the dot"),
    (
        r"""\s*(?![A-Za-z0-9_.-]+\s*=)[^=\s"'\[\]{}#][^=]*=""",
        "a key with other characters than letters, digits, _ and -",
        "correct it, or put it in quotes",
    ),
]
"""Patterns for the start of a line."""

_NUMBERS: Final = [
    (
        r"0+(0|[1-7][0-7]*)",
        "a number that begins with 0",
        "leave the 0 out, or write 0o if it is octal",
        r"write \1, or 0o\1 if it is octal",
    ),
    (r"([+-]?)0+(\d[\d_]*(\.\d+)?)", "a number that begins with 0", "leave the 0 out", r"write \1\2"),
    (r"[+-]?\d+(,\d+)+(\.\d+)?", "a number with a comma", "write decimals like 1.5, and thousands like 1_000", ""),
    (r"[+-]?\d{1,3}([ '\xa0]\d{3})+", "a number with a gap", "write thousands like 1_000", ""),
    (
        r"(?=.*\d)(?=.*_)[+-]?[\d_]+(\.[\d_]*)?",
        "a number with a misplaced _",
        "write _ only between digits, like 1_000",
        "",
    ),
    (r"0[XOB][\da-fA-F_]+", "a number with a capital X, O or B", "write 0x, 0o or 0b", ""),
    (r"[+-]0[xob][\da-fA-F_]+", "a sign before a number with 0x, 0o or 0b", "write it in decimal", ""),
    (
        r"0[xob]\w*",
        "a digit that does not fit its prefix",
        "after 0x come 0 to 9 and a to f, after 0o 0 to 7, after 0b 0 and 1",
        "",
    ),
    (r"([+-]?)(\.\d+)", "a number without a digit before the point", "write it like 0.5", r"write \g<1>0\2"),
    (r"([+-]?\d+\.)([eE].*)?", "a number without a digit after the point", "write it like 5.0", r"write \g<1>0\2"),
    (r"[+-]?[\d.]+[eE][+-]?", "an exponent without digits", "write it like 1e3", ""),
]
"""Patterns for a number."""

_VALUES: Final = [
    (r"(?i:none|null|nil|undefined)", "TOML has no null", "leave the key out", ""),
    (r"(?i:true|yes|on|false|no|off)", "a word that TOML does not have", "write true or false", ""),
    (r"(?i:[+-]?(nan|inf|infinity))", "a word that TOML does not have", "write nan or inf", ""),
    *_NUMBERS,
    (
        r"\d{4}-\d\d-\d\d(\s+|[Tt])\d.*",
        "a time that TOML does not have",
        "write it like 2026-01-31T12:00:00Z, with an offset like +02:00 in place of Z",
        "",
    ),
    (
        r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}[Tt]?|\d{1,2}[./-]\d{1,2}[./-]\d{4}|\d{1,2}/\d{1,2}/\d\d",
        "a date that TOML does not have",
        "write it like 2026-01-31",
        "",
    ),
    (r"\d{1,2}:\d\d.*", "a time that TOML does not have", "write it like 12:00:00", ""),
    (
        r"[+-]?\d[\d_.]*[ \t]*[A-Za-z%µ°€$£]+",
        "a number with a unit",
        "write the number alone, or put all of it in quotes",
        "",
    ),
    (rf"{_COMPLETE}\s*;", "a semicolon after a value", "leave it out", ""),
    (rf"{_COMPLETE}\s*{_COMMENT}.*", "a comment that does not begin with #", "begin comments with #", ""),
    (rf"{_COMPLETE}\s*,", "a comma after a value", "leave it out", ""),
    (
        r""""(?:[^"\\]|\\.)*"[^\s#,].*""",
        "a quote inside a string",
        'write it as \\", or put the string in single quotes',
        "",
    ),
    (r"""'[^']*'[^\s#,].*""", "a quote inside a string", "put the string in double quotes", ""),
    (rf"{_COMPLETE}[\s,].*=.*", "two keys on one line", "write each key on its own line", ""),
    (rf"{_COMPLETE}\s.*", "something after a value", "put a string in quotes as a whole", ""),
    (rf"[{_QUOTES}`].*", "quotes that TOML does not have", "write straight quotes: \" or '", ""),
    (r"""'[^']*|"[^"]*""", "a string that is not closed", "close it with the quote that opens it", ""),
    (
        r"[A-Za-z]{1,2}[\"'].*",
        "letters before a string",
        "leave them out; single quotes keep backslashes as they are",
        "",
    ),
    (r"\(.*", "parentheses", "write an array in square brackets", ""),
    (r"[^\s=,\[\]{}#\"'].*", "a string without quotes", "put it in quotes", ""),
]
"""Patterns for a value, to the end of its line."""

_LINE_PATTERNS: Final = [(re.compile(pattern), message, hint) for pattern, message, hint in _LINES]
_Pattern: TypeAlias = tuple[re.Pattern[str], str, str, str]


def _compiled(table: list[tuple[str, str, str, str]]) -> list[_Pattern]:
    return [(re.compile(pattern), message, hint, rewrite) for pattern, message, hint, rewrite in table]


_NUMBER_PATTERNS: Final = _compiled(_NUMBERS)
_VALUE_PATTERNS: Final = _compiled(_VALUES)

_PART: Final = _KEY.replace(".", "")
_ASSIGNED: Final = re.compile(rf"\s*{_PART}(?:\s*\.\s*{_PART})*\s*=\s*")
_UNCOMMENTED: Final = re.compile(r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[^#])*""")
_WORD: Final = re.compile(r"""[^\s,\[\]{}="'#]+""")
_WORD_BEFORE: Final = re.compile(r"""[^\s,\[\]{}="'#]+\Z""")
_PLAIN: Final = re.compile(r"true|false|[+-]?(?:0|[1-9](?:_?\d)*)(?:\.\d+)?")
_TOKEN: Final = re.compile(r""""{3}|'{3}|["']|\#[^\n]*+|[\[\]{}]""")
_ENDS: Final = {
    '"""': re.compile(r'(?>[^"\\]++|\\[\s\S]|"(?!""))*"{3,5}'),
    "'''": re.compile(r"(?>[^']++|'(?!''))*'{3,5}"),
    '"': re.compile(r'(?>[^"\\\n]++|\\.)*"'),
    "'": re.compile(r"[^'\n]*+'"),
}
_HEADER: Final = rf"^[ \t]*\[\[?[ \t]*{_KEY}[ \t]*\]\]?[ \t]*(?:\#.*)?$"
_CLOSING: Final = {
    "[": ("]", re.compile(rf"\]|^[ \t]*{_KEY}[ \t]*=|{_HEADER}", re.MULTILINE)),
    "{": ("}", re.compile(rf"\}}|{_HEADER}", re.MULTILINE)),
}
"""The bracket that closes another, and what comes next: that one, or what shows that it is missing."""
_COLON: Final = re.compile(rf"{_KEY}?\s*:")
_ESCAPE: Final = re.compile(r'\\(?:([btnfre"\\\s]|x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8})|)')

_MERGE_MARKER: Final = re.compile(r"(<{7}|\|{7}|={7}|>{7})( |$)")
_JSON: Final = re.compile(r"""(?>(?:\s++|//[^\n]*+)*)\[?\s*+\{\s*+(\}|("[^"\n]*"|'[^'\n]*'|[\w-]+)\s*:)""")
_XML: Final = re.compile(r"\s*+<[?!A-Za-z]")
_ASSIGNMENT: Final = re.compile(rf"(export\s+)?{_KEY}\s*=\s*")
_SECTION: Final = re.compile(r"\[[^\[\]\"'{},]+\]\s*(#.*)?")
_YAML_LINE: Final = re.compile(rf"---|-\s|-$|{_KEY}\s*:(\s|$)")
_ENV_LINE: Final = re.compile(r"(export\s+)?[A-Z_][A-Z0-9_]*=(?!\s)")
_UNQUOTED: Final = re.compile(r"""(?!(?:true|false|nan|inf)$)[A-Za-z/~$*@%.][^"'\[\]{}=]*""")


def recognise(text: str, offset: int) -> Mistake | None:
    """Recognise the mistake at the place where the parser could not go on. None if it is no usual one."""
    first, last = line_around(text, offset)
    if (whole := _format(text, text[first:last])) is not None:
        return whole
    quote, brackets = _left_open(text, statement_around(text, offset), offset)
    if quote is not None:
        return _in_string(text, quote, offset)
    if (char := text[offset : offset + 1]) and not char.isascii() and not (char.isalnum() or char in _QUOTES):
        better = f"replace the character U+{ord(char):04X}"
        return Mistake("a character that may stand in strings only", "replace it", better)
    if brackets:
        return _in_brackets(text, brackets, offset)
    if text.startswith(("]", "}"), offset):
        return Mistake("a bracket that closes nothing", "leave it out")
    if last - first > _LONGEST:
        return None
    line = text[first:last].rstrip("\r")
    for pattern, message, hint in _LINE_PATTERNS:
        if pattern.match(line):
            return Mistake(message, hint)
    assigned = _ASSIGNED.match(line)
    return None if assigned is None else _in_value(_uncommented(line[assigned.end() :]), _VALUE_PATTERNS)


def number_slip(text: str) -> Mistake | None:
    """Recognise a number that is not written as TOML writes numbers."""
    return _in_value(text, _NUMBER_PATTERNS)


def repeated(text: str, offset: int) -> Repetition | None:
    """Find the key that the statement at this offset sets although it was set before."""
    first: dict[Path, int] = {}
    last: list[tuple[Path, Place]] = []
    for statement in statements(text, offset):
        for path, place in last:
            first.setdefault(path, place.key[0])
        last = statement
    end = next((at for at, (_, place) in enumerate(last) if _is_value(place)), len(last) - 1)
    for path, place in reversed(last[: end + 1]):
        if path in first and isinstance(path[-1], str):
            return Repetition(path, first[path], place.key[0])
    inside: dict[Path, Place] = {}
    for path, place in last:
        if (before := inside.setdefault(path, place)) is not place and (_is_value(before) or _is_value(place)):
            return Repetition(path, before.key[0], place.key[0])
    return None


def _is_value(place: Place) -> bool:
    """Whether it is a key with its value, and not a table that a header or a dotted key leads to."""
    return place.key != place.value


def _format(text: str, line: str) -> Mistake | None:
    """Recognise a text in another format, and one that a merge has left."""
    if _MERGE_MARKER.match(line):
        return Mistake("a merge conflict marker", "resolve the merge first")
    if "\0" in line:
        return Mistake("a NUL character", "save the file as UTF-8")
    head = text[:_HEAD].removeprefix("\ufeff")
    name = "JSON" if _JSON.match(head) else "XML" if _XML.match(head) else _format_of_lines(head)
    return (
        Mistake(f"this looks like {name}", "write key = value, and [table] before the keys of a table")
        if name
        else None
    )


def _format_of_lines(head: str) -> str:
    lines = [stripped for line in head.splitlines() if (stripped := line.strip())]
    comments = sum(line.startswith(";") for line in lines)
    lines = [line for line in lines if not line.startswith(("#", ";"))]
    sections = sum(_SECTION.fullmatch(line) is not None for line in lines)
    values = [line[found.end() :] for line in lines if (found := _ASSIGNMENT.match(line))]
    if not values and not sections:
        yaml = sum(_YAML_LINE.match(line) is not None for line in lines)
        return "YAML" if yaml > 1 and 2 * yaml > len(lines) else ""
    if len(values) + sections < len(lines):
        return ""
    unquoted = sum(_UNQUOTED.fullmatch(value) is not None for value in values)
    if not sections and all(map(_ENV_LINE.match, lines)):
        return "a .env file" if unquoted > 1 or any(line.startswith("export") for line in lines) else ""
    quoted = any(value.startswith(("'", '"')) for value in values)
    return "an INI file" if sections and not quoted and unquoted + comments > 1 else ""


def _left_open(text: str, start: int, offset: int) -> tuple[int | None, list[int]]:
    """Return where a string begins that is not closed before ``offset``, and where brackets do."""
    brackets: list[int] = []
    while token := _TOKEN.search(text, start, offset):
        start = token.end()
        if (end := _ENDS.get(token[0])) is not None:
            string = end.match(text, start, offset)
            if string is None:
                return token.start(), brackets
            start = string.end()
        elif token[0] in _CLOSING:
            brackets.append(token.start())
        elif brackets and not token[0].startswith("#"):
            brackets.pop()
    return None, brackets


def _in_string(text: str, start: int, offset: int) -> Mistake | None:
    opening = text[start : start + 3] if text.startswith(('"""', "'''"), start) else text[start]
    if opening[0] == '"' and any(escape[1] is None for escape in _ESCAPE.finditer(text, start, offset + 1)):
        return Mistake(
            "a backslash that begins no escape", "put the string in single quotes, or write each backslash twice"
        )
    if _ENDS[opening].match(text, start + len(opening)) is None:
        line, _ = line_column(text, start)
        if len(opening) > 1:
            return Mistake(f"the string that begins on line {line} is not closed", f"close it with {opening}")
        if text[start : line_around(text, start)[1]].rstrip().endswith('\\"'):
            return Mistake("a string that is not closed", "after a backslash a quote closes nothing: use single quotes")
        return Mistake("a string that is not closed", f"close it with {opening} on the same line")
    if text[offset].isprintable():
        return None
    return Mistake("a control character in a string", "write it as an escape, such as \\u0007, in double quotes")


def _in_brackets(text: str, brackets: list[int], offset: int) -> Mistake | None:
    bracket = text[brackets[-1]]
    closing, next_ = _CLOSING[bracket]
    found = next_.search(text, offset)
    closed = found is not None and found[0] == closing
    if not text[line_around(text, brackets[0])[0] : brackets[0]].strip():
        if closed and text[offset] not in "\r\n]":
            return Mistake("a header that names no table", "write [table]; an array needs a key")
        return Mistake(
            "a header that is not closed",
            "close it with ]]" if text.startswith("[[", brackets[0]) else "close it with ]",
        )
    if not closed:
        line, _ = line_column(text, brackets[-1])
        return Mistake(f"the {bracket} on line {line} is not closed", f"close it with {closing}")
    if bracket == "{" and (_COLON.match(text, offset) or text[:offset].rstrip().endswith(":")):
        return Mistake("no single = after a key", "write key = value")
    before = _WORD_BEFORE.search(text, max(brackets[-1], offset - _NEAR), offset)
    word = _WORD.match(text, before.start() if before else offset)
    if word and not _PLAIN.fullmatch(word[0][:_NEAR]) and (mistake := _in_value(word[0][:_NEAR], _VALUE_PATTERNS)):
        return mistake
    if text.startswith(",", offset):
        return Mistake("a comma too many", "leave it out")
    if text[offset] in "]}" or (bracket == "{" and text[offset] in "\r\n"):  # tomllib wants an inline table on one line
        return None
    return Mistake("a missing comma", "put one between the values")


def _uncommented(value: str) -> str:
    found = _UNCOMMENTED.match(value)
    assert found is not None  # even the empty text matches
    return found[0].rstrip()


def _in_value(value: str, patterns: list[_Pattern]) -> Mistake | None:
    for pattern, message, hint, rewrite in patterns:
        if found := pattern.fullmatch(value):
            return Mistake(message, hint, found.expand(rewrite))
    return None
