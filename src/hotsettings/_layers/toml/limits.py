"""The limits of a TOML text. The TOML parser has none: it recurses to any depth, and reads integers of any length.

`hazard` checks the text, so that the parser never gets one that could overflow the stack or take too long.
`unfit` checks the parsed values, and applies the limits exactly.
"""

import re
from collections.abc import Collection
from typing import Any, Final, NamedTuple

MAX_DEPTH: Final = 32
"""How many tables and arrays may be around a value, the root not counted."""

TOO_LONG: Final = "an integer outside 64 bits"

_LEAST, _GREATEST = -(2**63), 2**63 - 1
_CONTAINERS = {dict, list}
_MANY = 40

# 327 nested inline tables overflow a stack of 512 KiB in toml_rs.
_SAFE_DEPTH = 100
# No key of 500 parts and no integer of 1,000 digits fits into a line of this length, in characters.
_SAFE_LINE = 1_000
_FEW_DOTS = 300
# A whole text of this length cannot keep the parser busy, whatever its keys and numbers are.
_SAFE_LENGTH = 4_000
# One of so many characters is checked for digits. A prime, because texts repeat patterns.
_STRIDE = 97
_LONG_NUMBER = re.compile(rf"[0-9_]{{{_SAFE_LINE // _STRIDE}}}")

_HEADER = re.compile(r"""\[(\[)?[^\[\]{}#"']*+\](?(1)\])""")
# Brackets that surely match: there are only atoms and complete plain strings between them, no other brackets or
# comments.
_PLAIN = r"""[^\[\]{}\#"']*+(?>(?:(?<=[\[{,=\ \t\n])(?:"(?!"")[^"\\\n\[{]*+"|'(?!'')[^'\n\[{]*+')[^\[\]{}\#"']*+)*)"""
_FLAT = re.compile(rf"\[(\[)?{_PLAIN}\](?(1)\])|\{{{_PLAIN}\}}", re.VERBOSE)

# The lexer of toml_rs, with its mistakes: a string may lack its end, and a quote within an atom does not open a string.
# Repeated groups are atomic and not possessive, because Python 3.11.0 to 3.11.4 match possessive groups wrongly.
_PART = r"""(?:[^.=,\[\]{}\ \t\#\r\n"'][^.=,\[\]{}\ \t\#\r\n]*+
|"(?>""(?>(?:[^"\\]++|\\["\\]?+|"(?!""))*)"{0,5}+|(?!"")(?>(?:[^"\\\n]++|\\["\\]?+)*)"?+)
|'(?>''(?>(?:[^']++|'(?!''))*)'{0,5}+|(?!'')[^'\n]*+'?+))"""
_DOTS = rf"(?>(?:\.[\ \t]*+(?>{_PART}?)[\ \t]*+){{1,{MAX_DEPTH}}})(?!\.)"
_NUMBER = rf"[+\-]?+[0-9_]{{{_SAFE_LINE},}}+(?![.eE])"
# One match is brackets, a long number, or a dot with too many dots after it, together with the harmless text before.
# Harmless text is matched in bites, to save memory.
_TOKEN = re.compile(
    rf"""(?>(?:[\ \t\r\n,]++|\#[^\r\n]*+|(?!{_NUMBER}){_PART}|=(?![\ \t]*+[\[{{+\-0-9_])|{_DOTS}){{0,99}})
    (=[\ \t]*+)?([\[\]{{}}]++|{_NUMBER}|(?!{_DOTS})\.)?""",
    re.VERBOSE,
)


class Hazard(NamedTuple):
    """Where and why a text is dangerous.

    Args:
        offset: Where, in characters from the start of the text.
        reason: Why. It quotes nothing of the text.
    """

    offset: int
    reason: str


def hazard(text: str) -> Hazard | None:
    """Say why this text must not be passed to `toml_rs.loads`. None if it may.

    None means that the parser needs at most 512 KiB of stack, and reads 1 MiB in a time that depends only on its
    length, whether the text is TOML or not. All TOML that nests at most `MAX_DEPTH` deep and has integers of 64 bits
    may be parsed. So may some texts that nest a little deeper, which `unfit` rejects.
    """
    # To look for a character takes a twentieth of the time that it takes to count it.
    openers = text.count("[") + (text.count("{") if "{" in text else 0)
    nests_little = openers <= _SAFE_DEPTH or _nests_little(text, openers)
    if nests_little and (len(text) <= _SAFE_LENGTH or not _has_long_line(text)):
        return None
    return _first_hazard(text)


def _nests_little(text: str, openers: int) -> bool:
    """Whether only few brackets are left without those that surely match. Such a pair adds at most two levels."""
    if text.count("[[") - text.count("\n[[") > _SAFE_DEPTH + 1:
        return False  # the first of two brackets on a line would be left
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
    """Read the text as the parser's lexer does.

    A closing bracket closes the innermost open one only if it is of the same kind.
    """
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
            # Digits are a number after `=` or in an array. In a header or an inline table they are a key.
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
    """Return the path of the first parsed value that exceeds a limit, and which one. None if there is no such value.

    The limits: `MAX_DEPTH` tables and arrays may nest, the root not counted, and an integer has to fit into 64 bits.
    The path has keys and, for array elements, indices. The walk goes no deeper than `MAX_DEPTH`.
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
            if value and (found := _unfit(value, room - 1)) is not None:
                return (key, *found[0]), found[1]
    return None


def _harmless(values: Collection[Any]) -> bool:
    """Whether a check of all values at once shows that none exceeds a limit. For many values that is much faster."""
    kinds = set(map(type, values))
    if not kinds.isdisjoint(_CONTAINERS):
        return False
    integers = [value for value in values if type(value) is int] if int in kinds else ()
    return not integers or (min(integers) >= _LEAST and max(integers) <= _GREATEST)
