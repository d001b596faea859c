"""The work of redaction, counted in steps: it grows with the text, whatever the secrets are."""

from collections.abc import Iterator
from itertools import product
from typing import TypeVar

import pytest
from support.examples import first
from support.redacting import CANARY, document, knowing, redact
from support.steps import steps

from hotsettings._redaction import redactor
from hotsettings._schema.masking import MASK

T = TypeVar("T")


class TestWork:
    def test_a_long_text_loses_its_middle(self) -> None:
        shown = redact(f"first {CANARY} " + "x" * 100_000 + f" {CANARY} last", CANARY)
        assert len(shown) < 34_000
        assert shown.startswith(f"first {MASK} xxx")
        assert shown.endswith(f"xxx {MASK} last")
        assert f"... {100_000 + 2 * len(CANARY) + 13 - 32 * 1024} characters left out ..." in shown

    @pytest.mark.parametrize(
        "like",
        first(2, [("hunter2-c", 500), ("hunter2-", 1), *product(["h", "hunter2-canary"], [1, 500])]),
    )
    def test_it_grows_with_the_length_of_the_text(self, like: tuple[str, int]) -> None:
        """However the text is like the secrets."""
        unit, count = like
        known = knowing(*[f"{unit * 40}{CANARY}{number}" for number in range(count)])
        known.redact("")

        def work(size: int) -> int:
            return steps(lambda: known.redact((unit * size)[:size]))

        assert work(16_000) < 2.3 * work(8_000)
        assert work(200_000) < 1.1 * work(100_000)

    def test_it_hardly_grows_with_the_number_of_secrets(self) -> None:
        text = "what a Zq12345Quagga12345 says is " + "long " * 500

        def work(count: int) -> int:
            known = knowing(*[f"Zq{number:05}Quagga{number:05}" for number in range(count)])
            known.redact("")
            return steps(lambda: known.redact(text))

        assert work(2_000) < 1.2 * work(200)

    @pytest.mark.parametrize("values", [[f"{n}-canary" for n in range(21_000)], ["canary" * 200_000]])
    def test_where_there_are_too_many_nothing_is_shown(self, values: list[str]) -> None:
        known = knowing(*values)
        assert known.finds("anything")
        assert known.redact("anything") == f"{MASK} (there are too many secrets to look for)"
        known.learn([document({"name": "few-canaries"})])
        assert known.redact("few-canaries or anything") == f"{MASK} or anything"

    def test_nothing_is_done_until_a_text_is_redacted(self, monkeypatch: pytest.MonkeyPatch) -> None:
        looked: list[str] = []

        def credentials_in(text: str, key: str) -> Iterator[str]:
            looked.append(text)
            yield from ()

        monkeypatch.setattr(redactor, "credentials_in", credentials_in)
        known = knowing(CANARY)
        assert looked == []
        known.redact("")
        known.redact("")
        assert looked == [CANARY]
