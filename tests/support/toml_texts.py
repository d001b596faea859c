"""Hypothesis strategies for TOML texts: valid documents in many styles, and soup of the characters that matter."""

import random
from typing import Final, TypeAlias

from hypothesis import strategies as st

# A scalar as it is written, an array, or a table.
Node: TypeAlias = "str | list[Node] | dict[str, Node]"

SCALARS: Final = [
    *("0", "-17", "+1_000", "0xDEAD_beef", "0o17", "0b10", "9223372036854775807", "-9223372036854775808"),
    *("1.5", "-0.0", "6.02e+23", "1e3", "inf", "-inf", "nan", "1_0.0_1", "true", "false"),
    *("1979-05-27", "07:32:00", "07:32", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00.25-07:00", "1979-05-27 07:32"),
    *('""', '"a"', '"tab\\t \\"quoted\\" \\\\"', '"]} # [[{"', '"\\u00e9\\U0001F600\\e\\x41"', '"é = 😀"', '"a\'b"'),
    *("''", "'a'", "'\"[{\\'", "'# no comment'", "'é😀'"),
    *(
        '""""""',
        '"""a"""',
        '"""\n[x]\nk = 1\n"""',
        '"""two "" quotes"""',
        '"""five"""""',
        '"""\\""" # \\\n  {"""',
        '"""\\\\"""',
    ),
    *(
        "''''''",
        "'''a'''",
        "'''\n[[x]]\nk = '1'\n'''",
        "'''two '' quotes'''",
        "'''five'''''",
        "'''\\'''",
        "'''é\n😀 # {['''",
    ),
]
KEYS: Final = [
    "a",
    "b",
    "c",
    "key-1",
    "_",
    "1979",
    "1",
    "true",
    "a.b",
    "",
    " ",
    "é",
    "😀",
    'q"',
    "q'",
    "#",
    "[x]",
    "\\",
    "\t",
    "\n",
]

nodes: st.SearchStrategy[Node] = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
tables: st.SearchStrategy[dict[str, Node]] = st.dictionaries(st.sampled_from(KEYS), nodes, max_size=5)


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A valid TOML 1.1 document, without a byte order mark."""
    style = Style(draw(st.randoms(use_true_random=False)))
    text = "".join(style.body(draw(tables), ()))
    if draw(st.booleans()):
        text = text.removesuffix("\n")
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


class Style:
    """Writes tables, deciding anew each time how."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def key(self, key: str) -> str:
        escaped = "".join(f"\\u{ord(c):04x}" if ord(c) < 0x10000 else f"\\U{ord(c):08x}" for c in key)
        ways = [f'"{escaped}"']
        if key and all(c.isascii() and (c.isalnum() or c in "-_") for c in key):
            ways += [key] * 4
        if "'" not in key and "\n" not in key:
            ways.append(f"'{key}'")
        if not any(c in '"\\\n' for c in key):
            ways.append(f'"{key}"')
        return self.rng.choice(ways)

    def dotted(self, path: tuple[str, ...]) -> str:
        return f"{self.space()}.{self.space()}".join(map(self.key, path))

    def space(self) -> str:
        return self.rng.choice(["", "", " ", "\t", "  "])

    def gap(self) -> str:
        """What may stand between the elements of an array, or of an inline table of TOML 1.1."""
        return self.rng.choice(["", "", " ", "\n", "  # ]}\"'[{ é\n\t", "\n\n#\n"])

    def end(self) -> str:
        return self.space() + self.rng.choice(["\n", "\n", "\n\n", '# [no] = "header\n', "#\n \t\n"])

    def value(self, node: Node) -> str:
        if isinstance(node, str):
            return node
        items = [self.value(item) for item in node] if isinstance(node, list) else self.pairs(node, ())
        text = ",".join(self.gap() + item + self.gap() for item in items)
        if items and self.rng.random() < 0.3:
            text += "," + self.gap()
        return f"[{text or self.gap()}]" if isinstance(node, list) else f"{{{text or self.gap()}}}"

    def pairs(self, table: dict[str, Node], path: tuple[str, ...]) -> list[str]:
        """`key = value` for all in the table, some of its tables being spread over dotted keys."""
        found = []
        for key, node in table.items():
            if isinstance(node, dict) and node and self.rng.random() < 0.4:
                found += self.pairs(node, (*path, key))
            else:
                found.append(f"{self.dotted((*path, key))}{self.space()}={self.space()}{self.value(node)}")
        return found

    def body(self, table: dict[str, Node], path: tuple[str, ...]) -> list[str]:
        """Lines for the table at this path. Those with headers of their own come last."""
        below = {k: v for k, v in table.items() if self.may_have_header(v) and self.rng.random() < 0.7}
        lines = [pair + self.end() for pair in self.pairs({k: v for k, v in table.items() if k not in below}, ())]
        for key, node in below.items():
            here = (*path, key)
            for item in node if isinstance(node, list) else [node]:
                assert isinstance(item, dict)
                content = self.body(item, here)
                mark = 2 if isinstance(node, list) else 1
                lines.append(
                    f"{self.space()}{'[' * mark}{self.space()}{self.dotted(here)}{self.space()}{']' * mark}{self.end()}"
                )
                # A table that only holds tables needs no header of its own.
                if mark == 1 and content and content[0].lstrip(" \t").startswith("[") and self.rng.random() < 0.5:
                    lines.pop()
                lines += content
        return lines

    def may_have_header(self, node: Node) -> bool:
        return isinstance(node, dict) or (
            isinstance(node, list) and node != [] and all(isinstance(n, dict) for n in node)
        )


PIECES: Final = [
    *(
        "[",
        "]",
        "{",
        "}",
        "=",
        ",",
        ".",
        "[[",
        "]]",
        "a=[",
        "a={",
        "{a=",
        "[{",
        "]}",
        "\n",
        "\r\n",
        "\r",
        " ",
        "\t",
        "#",
        "\\",
    ),
    *(
        '"',
        "'",
        '"""',
        "'''",
        '""',
        "''",
        '""""',
        "'''''",
        '\\"',
        "a",
        "1",
        "-",
        "é",
        'a"',
        "\x0b",
        "\xa0",
        "\ufeff",
        "\x85",
    ),
    *("\na = ", "\n[t]\n", "# x\n", '"s"', "'s'", "a.b", "1.5", "x" * 30),
]
soups: st.SearchStrategy[str] = st.lists(st.sampled_from(PIECES), max_size=60).map("".join)
"""Texts that are hardly ever valid, of pieces on which the lexer changes its mind."""
