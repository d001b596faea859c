"""What must be refused before and after the TOML parser, which recurses without limit and reads integers of any length.

`hazard` looks at the text, so that the parser is never given one that could overflow the stack or keep it busy.
`unfit` looks at the parsed values and holds the limits exactly.
"""

import re
from collections.abc import Collection
from typing import Any, Final, NamedTuple

MAX_DEPTH: Final = 32
"""How many tables and arrays may stand around a value, the root not counted."""

TOO_LONG: Final = "an integer outside 64 bits"

_LEAST, _GREATEST = -(2**63), 2**63 - 1
_CONTAINERS = {dict, list}
_MANY = 40

# toml_rs dies of 327 nested inline tables on a stack of 512 KiB.
_SAFE_DEPTH = 100
# No key of 500 parts and no integer of 1,000 digits fits into a line of this length, in characters.
_SAFE_LINE = 1_000
_FEW_DOTS = 300
# Nor can a whole text of this length keep the parser busy, whatever its keys and numbers.
_SAFE_LENGTH = 4_000
# Every so many characters are looked at for digits, a prime because texts have rhythms.
_STRIDE = 97
_LONG_NUMBER = re.compile(rf"[0-9_]{{{_SAFE_LINE // _STRIDE}}}")

_HEADER = re.compile(r"""\[(\[)?[^\[\]{}#"']*+\](?(1)\])""")
# Brackets that surely close what they open: around atoms and whole, plain strings, not around other brackets or comments.
_PLAIN = r"""[^\[\]{}\#"']*+(?>(?:(?<=[\[{,=\ \t\n])(?:"(?!"")[^"\\\n\[{]*+"|'(?!'')[^'\n\[{]*+')[^\[\]{}\#"']*+)*)"""
_FLAT = re.compile(rf"\[(\[)?{_PLAIN}\](?(1)\])|\{{{_PLAIN}\}}", re.VERBOSE)

# The lexer of toml_rs, mistakes included: a string may lack its end, and a quote within an atom opens no string. Groups that
# repeat are atomic rather than possessive, which Python 3.11.0 to 3.11.4 get wrong.
_PART = r"""(?:[^.=,\[\]{}\ \t\#\r\n"'][^.=,\[\]{}\ \t\#\r\n]*+
|"(?>""(?>(?:[^"\\]++|\\["\\]?+|"(?!""))*)"{0,5}+|(?!"")(?>(?:[^"\\\n]++|\\["\\]?+)*)"?+)
|'(?>''(?>(?:[^']++|'(?!''))*)'{0,5}+|(?!'')[^'\n]*+'?+))"""
_DOTS = rf"(?>(?:\.[\ \t]*+(?>{_PART}?)[\ \t]*+){{1,{MAX_DEPTH}}})(?!\.)"
_NUMBER = rf"[+\-]?+[0-9_]{{{_SAFE_LINE},}}+(?![.eE])"
# One match is brackets, a long number or a dot with too many behind it, and what stands before; what is harmless is eaten in
# bites, for the sake of memory.
_TOKEN = re.compile(
    rf"""(?>(?:[\ \t\r\n,]++|\#[^\r\n]*+|(?!{_NUMBER}){_PART}|=(?![\ \t]*+[\[{{+\-0-9_])|{_DOTS}){{0,99}})
    (=[\ \t]*+)?([\[\]{{}}]++|{_NUMBER}|(?!{_DOTS})\.)?""",
    re.VERBOSE,
)


class Hazard(NamedTuple):
    """Where a text becomes dangerous, in characters from its start, and why, in words that quote nothing of it."""

    offset: int
    reason: str


def hazard(text: str) -> Hazard | None:
    """Why this text must not be given to `toml_rs.loads`, or None if that is safe.

    None means: the parser stays within a thread's stack of 512 KiB and reads 1 MiB in a time that grows with its length alone,
    whether the text is TOML or not. Any TOML that nests at most `MAX_DEPTH` deep and has integers of 64 bits gets None. Some
    texts that nest a little deeper get it too: see `unfit`.
    """
    # Looking first whether there is any takes a twentieth of counting.
    openers = text.count("[") + (text.count("{") if "{" in text else 0)
    nests_little = openers <= _SAFE_DEPTH or _nests_little(text, openers)
    if nests_little and (len(text) <= _SAFE_LENGTH or not _has_long_line(text)):
        return None
    return _first_hazard(text)


def _nests_little(text: str, openers: int) -> bool:
    """Whether few brackets are left when those that surely close are taken away. Such a pair adds one level or two at most."""
    for pattern in _HEADER, _FLAT:
        flat = pattern.findall(text)
        if openers - len(flat) - flat.count("[") <= _SAFE_DEPTH:
            return True
    return False


def _has_long_line(text: str) -> bool:
    """Whether a line could hold a key of too many parts or an integer of too many digits."""
    start = 0
    while len(text) - start > _SAFE_LINE:
        end = text.rfind("\n", start, start + _SAFE_LINE)
        if end < 0:
            end = text.find("\n", start + _SAFE_LINE)
            end = len(text) if end < 0 else end
            if text.count(".", start, end) > _FEW_DOTS or _LONG_NUMBER.search(text[start:end:_STRIDE]):
                return True
        start = end + 1
    return False


def _first_hazard(text: str) -> Hazard | None:
    """Read the text as the parser's lexer does. As in the parser, a closer ends the innermost bracket only if of its kind."""
    # A byte order mark is skipped at the start; anywhere else it belongs to an atom.
    tokens = _TOKEN.finditer(text, text.startswith("\ufeff"))
    closers: list[str] = []
    in_value = False
    for match in tokens:
        token = match[2]
        if not token:
            continue
        if token == ".":
            return Hazard(match.start(2), f"a key of more than {MAX_DEPTH + 1} dotted parts")
        if token[0] not in "[]{}":
            # Digits are a number behind `=` or in an array, but a key in a header or an inline table.
            if match[1] or (in_value and closers[-1:] == ["]"]):
                return Hazard(match.start(2), TOO_LONG)
            continue
        if not closers:
            in_value = match[1] is not None
        for index, bracket in enumerate(token):
            if bracket == "[" or bracket == "{":
                if len(closers) == MAX_DEPTH:
                    return Hazard(match.start(2) + index, f"nested more than {MAX_DEPTH} levels deep")
                closers.append("]" if bracket == "[" else "}")
            elif closers and closers[-1] == bracket:
                closers.pop()
    return None


def unfit(values: dict[str, Any]) -> tuple[tuple[str | int, ...], str] | None:
    """The path and the reason of the first parsed value that is not served, or None if all are.

    That is a table or array with more than 31 others around it (so `MAX_DEPTH` may nest, the root not counted), or an integer
    outside of signed 64 bits. A path has keys and, for array elements, indices. The walk ends at `MAX_DEPTH` however deep
    the values are.
    """
    return _unfit(values, MAX_DEPTH)


def _unfit(container: dict[str, Any] | list[Any], room: int) -> tuple[tuple[str | int, ...], str] | None:
    if len(container) >= _MANY and _harmless(container.values() if isinstance(container, dict) else container):
        return None
    for key, value in container.items() if isinstance(container, dict) else enumerate(container):
        kind = type(value)
        if kind is str:
            continue
        if kind is int:
            if not _LEAST <= value <= _GREATEST:
                return (key,), TOO_LONG
        elif kind is dict or kind is list:
            if not room:
                return (key,), f"nested more than {MAX_DEPTH} levels deep"
            found = _unfit(value, room - 1)
            if found is not None:
                return (key, *found[0]), found[1]
    return None


def _harmless(values: Collection[Any]) -> bool:
    """Whether a look at all values at once shows that none can be unfit. Of many, that is far quicker than one at each."""
    kinds = set(map(type, values))
    if not kinds.isdisjoint(_CONTAINERS):
        return False
    integers = [value for value in values if type(value) is int] if int in kinds else ()
    return not integers or (min(integers) >= _LEAST and max(integers) <= _GREATEST)
