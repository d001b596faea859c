"""The TOML parser: toml_rs, or the standard library's tomllib instead. No other module knows which one is used.

toml_rs is fast, but it is compiled to abort the process on a bug of its own. tomllib cannot abort a process, but it is
about 27 times slower and, before Python 3.15, reads only TOML 1.0. Both parsers recurse, and read integers of any
length. So `limits` checks every text before it is parsed.
"""

from __future__ import annotations

import _thread
import re
import sys
from typing import Any, Final, Literal, TypeAlias

from ...errors import Code


def _import_toml_rs() -> Any:
    """Return the module, or None if it cannot be imported.

    The allocator of toml_rs takes the thread that imports it for the main thread of the process. Once that thread has
    ended, the next use in another thread is a segmentation fault. So outside of the main thread, a thread that never
    ends imports it. In a forked process that thread is missing, and another one may get its place in memory: see
    ``_with_toml_rs``.
    """
    global _importer  # noqa: PLW0603 - a matter of the process, as the module is
    found: list[Any] = []
    loaded, never = _thread.allocate_lock(), _thread.allocate_lock()

    def load() -> None:
        try:
            import toml_rs

            found.append(toml_rs)
        except ImportError:
            found.append(None)
        finally:
            loaded.release()

    def load_and_stay() -> None:
        load()
        never.acquire()

    loaded.acquire()
    threading = sys.modules.get("threading")
    if threading is None or threading.current_thread() is threading.main_thread():
        load()
    else:
        never.acquire()
        thread = threading.Thread(target=load_and_stay, name="hotsettings: toml_rs", daemon=True)
        thread.start()
        loaded.acquire()
        _importer = thread.ident
    return found[0]


_importer: int | None = None
"""The thread that has imported toml_rs and never ends."""
_toml_rs = _import_toml_rs()

Parser: TypeAlias = Literal["toml_rs", "tomllib"]

_parser: Parser = "toml_rs"

_NO_1_1: Final = "" if sys.version_info >= (3, 15) else " (tomllib reads TOML 1.0 only)"

# Before Python 3.14, only the message of tomllib's exception says where it stopped. Everything in that message that can
# quote the source is cut out: keys, as tuples or in quotes, and characters other than the punctuation of TOML.
_TOMLLIB_REPORT = re.compile(r"(?s)(.*) \(at (?:line (\d+), column (\d+)|end of document)\)")
_TWICE = ("duplicate key", "cannot extend value", "Duplicate", "Cannot ")  # as either parser says it
_QUOTED = re.compile(r""" (?!(?:'(?:\]\]?|=|\\)'|"'+")(?: |$))['"(\[].*?(?= twice$|$)""", re.DOTALL)

# For each dot of a key, tomllib walks again through all parts before it, those of the header included. Each such walk
# costs as much as _PER_DOT parts more. The limit is two thirds of a second.
_PER_DOT: Final = 12
_MOST_PARTS: Final = 3_500_000
_DEEPEST: Final = 32


class ParserError(Exception):
    """Raised when a text cannot be parsed.

    Args:
        message: What is wrong. It quotes nothing of the text.
        offset: Where, in characters. None if the text is TOML, but holds a value that Python cannot represent.
        code: What kind of problem it is.
        note: What to add to the message. A better message needs it too.
    """

    def __init__(self, message: str, offset: int | None = None, code: Code = "invalid-toml", note: str = "") -> None:
        super().__init__(message, offset, code, note)
        self.message = message
        self.offset = offset
        self.code: Code = code
        self.note = note


def use_parser(parser: Parser) -> None:
    """Choose the TOML parser of this process.

    Call it once, before anything loads: at the top of the module that defines your settings class. The command line
    imports that module, so it uses the same parser. ``use_parser("tomllib")`` also helps where toml_rs cannot be
    imported.

    Args:
        parser: ``"toml_rs"``, the default, or ``"tomllib"`` from the standard library.

    Raises:
        ValueError: There is no parser of this name.
    """
    global _parser  # noqa: PLW0603 - which parser the process uses is a matter of the process
    if parser not in ("toml_rs", "tomllib"):
        raise ValueError(f"the parser is 'toml_rs' or 'tomllib', not {parser!r}")
    _parser = parser


def loads(text: str) -> dict[str, Any]:
    """Parse a TOML text in which `limits.hazard` has found no hazard.

    Raises:
        ParserError: It is not TOML, or holds a value that Python cannot represent.
    """
    return _with_tomllib(text) if _parser == "tomllib" else _with_toml_rs(text)


def _with_toml_rs(text: str) -> dict[str, Any]:
    if _toml_rs is None:
        message = 'cannot be parsed: toml_rs cannot be imported; call hotsettings.use_parser("tomllib")'
        raise ParserError(message, 0, "no-parser")
    if _thread.get_ident() == _importer:  # in a forked process: a thread that takes its place, and may end
        return _in_another_thread(text)
    try:
        values: dict[str, Any] = _toml_rs.loads(text)
        return values
    except _toml_rs.TOMLDecodeError as error:
        # The report quotes the source and ends in the parser's own words, which are the same for every text.
        words = error.msg.rsplit("\n", 1)[-1]
        offset = len(text.encode()[: error.pos].decode(errors="ignore"))
        raise ParserError(f"not valid TOML: {words}", offset, _code(words)) from None
    except ValueError:
        raise ParserError("a value that Python does not have") from None


def _in_another_thread(text: str) -> dict[str, Any]:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as another:
        return another.submit(_with_toml_rs, text).result()


def _with_tomllib(text: str) -> dict[str, Any]:
    import tomllib

    if (start := _too_dotted(text)) is not None:
        raise ParserError("more dotted keys than tomllib can read in time; put them below [table] headers", start)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        report = _TOMLLIB_REPORT.fullmatch(str(error))
        words, line, column = ("", None, None) if report is None else report.group(1, 2, 3)
        message = f"not valid TOML: {_without_quotes(words)}"
        if line is not None and column is not None:
            raise ParserError(message, _offset(text, int(line), int(column)), _code(words), _NO_1_1) from None
        raise ParserError(message, _end(text, words), _code(words), _NO_1_1) from None
    except ValueError:
        raise ParserError("a value that Python does not have") from None


def _code(words: str) -> Code:
    return "duplicate-key" if words.startswith(_TWICE) else "invalid-toml"


def _too_dotted(text: str) -> int | None:
    """Return the start of the line up to which dotted keys would take too long, or None if they do not.

    A line that only looks like a header or a key, as one of a string may, counts as well.
    """
    if text.count(".") * (_PER_DOT + 2 * _DEEPEST) <= _MOST_PARTS:
        return None
    parts = above = start = 0
    for line in text.split("\n"):
        if line.lstrip().startswith("["):
            above = min(line.count("."), _DEEPEST)
        elif "=" in line:
            key = line.partition("=")[0]
            dots = min((line if '"' in key or "'" in key else key).count("."), _DEEPEST)
            parts += dots * (_PER_DOT + above + dots)
            if parts > _MOST_PARTS:
                return start
        start += len(line) + 1
    return None


def _end(text: str, words: str) -> int:
    """Return where toml_rs reports something unterminated. A multi-line string goes on to the end of the text."""
    if words == """Expected "'\"""":
        return text.rfind("'")  # the opening quote is the last one in the text
    return len(text if words.startswith(("Unterminated", "Expected")) else text.rstrip())


def _without_quotes(words: str) -> str:
    words = _QUOTED.sub("", words)
    return words[:1].lower() + words[1:]


def _offset(text: str, line: int, column: int) -> int:
    """Return the offset of a line and a column. tomllib replaces CR LF by LF, which changes neither of them."""
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    return start + column - 1
