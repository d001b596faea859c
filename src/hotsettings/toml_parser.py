"""The TOML parser: toml_rs, or the standard library's tomllib for whom toml_rs fails. No other module knows either.

toml_rs is quick, and it is compiled to abort the process on a fault of its own. tomllib is some 27 times slower and, before
Python 3.15, reads TOML 1.0 alone, but nothing in it can end a process. Both recurse, and read integers of any length: `guard`
looks at what they are given.
"""

from __future__ import annotations

import _thread
import re
import sys
from typing import Any, Final, Literal, TypeAlias


def _import_toml_rs() -> Any:
    """Import it, or return None where that cannot be.

    Its allocator takes the thread that loads it for the main thread of the process. When that thread ends, the next use in
    another one is a segmentation fault. So if this is not the main thread, it is loaded in one that never ends.
    """
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
        threading.Thread(target=load_and_stay, name="hotsettings: toml_rs", daemon=True).start()
        loaded.acquire()
    return found[0]


_toml_rs = _import_toml_rs()

Parser: TypeAlias = Literal["toml_rs", "tomllib"]

_parser: Parser = "toml_rs"

_NO_1_1: Final = "" if sys.version_info >= (3, 15) else " (tomllib reads TOML 1.0 only)"

# Before Python 3.14 tomllib says only in its text where it stopped. Of the text, nothing is kept that could quote the source:
# keys, as tuples or in quotes, and characters other than the punctuation of TOML.
_TOMLLIB_REPORT = re.compile(r"(?s)(.*) \(at (?:line (\d+), column (\d+)|end of document)\)")
_QUOTED = re.compile(r""" (?!(?:'(?:\]\]?|=|\\)'|"'+")(?: |$))['"(\[].*?(?= twice$|$)""", re.DOTALL)


class ParserError(Exception):
    """Why a text is not read: a message that quotes nothing of it, and the offset of the fault in characters.

    Without an ``offset`` the text is TOML, but holds a date, a time or an integer that Python does not have.
    """

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message, offset)
        self.message = message
        self.offset = offset


def use_parser(parser: Parser) -> None:
    """Read TOML with this parser from now on: ``"toml_rs"``, the default, or ``"tomllib"`` of the standard library.

    Call it once, before anything loads: at the head of the module that defines your settings class, so that the command line
    follows it too. It works where toml_rs cannot be imported, too.

    Args:
        parser: Its name.

    Raises:
        ValueError: There is no parser of this name.
    """
    global _parser  # noqa: PLW0603 - which parser the process uses is a matter of the process
    if parser not in ("toml_rs", "tomllib"):
        raise ValueError(f"the parser is 'toml_rs' or 'tomllib', not {parser!r}")
    _parser = parser


def loads(text: str) -> dict[str, Any]:
    """Parse a TOML text for which `guard.hazard` has found no hazard.

    Raises:
        ParserError: It is not TOML, or holds what Python does not have.
    """
    return _with_tomllib(text) if _parser == "tomllib" else _with_toml_rs(text)


def _with_toml_rs(text: str) -> dict[str, Any]:
    if _toml_rs is None:
        raise ParserError('cannot be parsed: toml_rs cannot be imported; call hotsettings.use_parser("tomllib")', 0)
    try:
        values: dict[str, Any] = _toml_rs.loads(text)
        return values
    except _toml_rs.TOMLDecodeError as error:
        # The report quotes the source and ends in the parser's own words, which are the same for every text.
        words = error.msg.rsplit("\n", 1)[-1]
        offset = len(text.encode()[: error.pos].decode(errors="ignore"))
        raise ParserError(f"not valid TOML: {words}", offset) from None
    except ValueError:
        raise ParserError("a value that Python does not have") from None


def _with_tomllib(text: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        report = _TOMLLIB_REPORT.fullmatch(str(error))
        words, line, column = ("", None, None) if report is None else report.group(1, 2, 3)
        message = f"not valid TOML: {_without_quotes(words)}{_NO_1_1}"
        if line is not None and column is not None:
            raise ParserError(message, _offset(text, int(line), int(column))) from None
        raise ParserError(message, _end(text, words)) from None
    except ValueError:
        raise ParserError("a value that Python does not have") from None


def _end(text: str, words: str) -> int:
    """Where toml_rs puts what lacks its end. A multi-line string goes on to the end of the text."""
    if words == """Expected "'\"""":
        return text.rfind("'")  # no other follows the one that opens
    return len(text if words.startswith(("Unterminated", "Expected")) else text.rstrip())


def _without_quotes(words: str) -> str:
    words = _QUOTED.sub("", words)
    return words[:1].lower() + words[1:]


def _offset(text: str, line: int, column: int) -> int:
    """The offset of a line and a column, which are the same whether lines end with CR LF, as here, or with LF, as in tomllib."""
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1
    return start + column - 1
