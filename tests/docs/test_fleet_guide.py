"""The figures of the guide to fleets are those of the code. Its blocks are run by tests/test_docs.py."""

from __future__ import annotations

import inspect

import pytest
from support import ROOT

from hotsettings.nats import NatsStore
from hotsettings.nats.connection import PING_INTERVAL
from hotsettings.nats.publishing import HISTORY
from hotsettings.nats.reporter import _SPREAD  # pyright: ignore[reportPrivateUsage]
from hotsettings.nats.reports import RENEWAL, TTL
from hotsettings.nats.session import _FIRST_RETRY, _LONGEST_RETRY  # pyright: ignore[reportPrivateUsage]
from hotsettings.nats.subscription import _ABANDONED  # pyright: ignore[reportPrivateUsage]

GUIDE = " ".join((ROOT / "docs/fleet.md").read_text(encoding="utf-8").split())
OPTIONS = inspect.signature(NatsStore).parameters


@pytest.mark.parametrize(
    "said",
    [
        f"every `check_interval` seconds ({OPTIONS['check_interval'].default:g}, and a quarter more or less at random)",
        f"no answer within `start_timeout` seconds ({OPTIONS['start_timeout'].default:g}) starts from this copy",
        f"leaves two pings of {PING_INTERVAL:g} seconds unanswered",
        f"spread over {_SPREAD:g} s, and every {RENEWAL:g} seconds",
        f"gone after {TTL:g} seconds",
        f"`nats kv add settings-reports --ttl {TTL:g}s --storage memory`",
        f"ends after {HISTORY} revisions of each key",
    ],
)
def test_it_says_what_the_code_does(said: str) -> None:
    assert said in GUIDE


def test_in_words() -> None:
    assert _ABANDONED == 30
    assert "The server forgets what it kept for a process half a minute later" in GUIDE
    delays = [_FIRST_RETRY]
    while delays[-1] < _LONGEST_RETRY:
        delays.append(min(2 * delays[-1], _LONGEST_RETRY))
    assert delays == [0.5, 1, 2, 4, 5]
    assert "after half a second at most, then after up to 1, 2, 4 and 5 seconds" in GUIDE
