"""Nothing that stands in a file can be more than text on the page."""

from __future__ import annotations

import pytest
from hypothesis import given
from support.markup import hostile, seen

from hotsettings.integrations.page.markup import cut, join, tag, visible


@given(hostile, hostile)
def test_no_text_becomes_markup(child: str, attribute: str) -> None:
    found = seen(tag("p", child, tag("b", child), title=attribute, data_part=True))
    assert [(name, [key for key, _ in attributes]) for name, attributes in found.tags] == [
        ("p", ["title", "data-part"]),
        ("b", []),
    ]
    assert found.other == 0
    assert found.text == 2 * shown(child)
    assert dict(found.tags[0][1])["title"] == shown(attribute)


def shown(text: str) -> str:
    """What a person reads: what could not be seen is written out."""
    return "".join(char if char.isprintable() else visible(char) for char in text)


@given(hostile)
def test_everything_can_be_seen(text: str) -> None:
    written = visible(text)
    assert written.isprintable()
    written.encode()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("\u202egnp.exe", "\\u202Egnp.exe"),
        ("a\u2028b", "a\\u2028b"),
        ("a\x00b\n", "a\\u0000b\\n"),
        ("\udc80", "\\uDC80"),
        ("\U000e0001", "\\U000E0001"),
        ("שלום ümlaut 日本", "שלום ümlaut 日本"),
        ("""<'&">""", "&lt;&#x27;&amp;&quot;&gt;"),
    ],
)
def test_what_it_looks_like(text: str, written: str) -> None:
    assert visible(text) == written


def test_markup_stays_what_it_is() -> None:
    assert tag("p", "<", tag("b", "&"), class_="x", hidden=False) == '<p class="x">&lt;<b>&amp;</b></p>'
    assert join("<", tag("b")) == "&lt;<b></b>"


def test_a_long_text_is_cut() -> None:
    assert cut("a" * 300) == "a" * 300
    assert cut("a" * 12_345) == "a" * 300 + "… (12,345 characters)"
