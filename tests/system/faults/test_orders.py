"""Another file is put in the place of a settings file, and written to before, meanwhile or after: no half of it is seen."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

import pytest
from support.examples import some_of
from support.faults.harness import NEVER, SETTLE, Party, Place
from support.faults.orders import ARRIVALS, ORDERS, Arrival, Order, is_knowable, torn
from support.faults.tagged import State, text, whole

kinds = pytest.mark.parametrize("kind", ARRIVALS, ids=lambda kind: kind.__name__)


@kinds
def test_every_order(party: Party, place: Place, kind: type[Arrival]) -> None:
    check(party, place, kind, some_of(order for order in ORDERS if order.arrival is kind))


@kinds
def test_where_the_kernel_does_not_say_who_writes(strangers: Party, open_place: Place, kind: type[Arrival]) -> None:
    """Then one who rests for longer than ``settle`` may have finished, and what is put in its place is taken for complete."""
    orders = some_of(order for order in ORDERS if order.arrival is kind and is_knowable(order))
    check(strangers, open_place, kind, orders, may_rest=0.9 * SETTLE)


def check(party: Party, place: Place, kind: type[Arrival], orders: Iterable[Order], may_rest: float = math.inf) -> None:
    """Half a file may go live only if its writer was killed, or has rested for longer than it may."""
    arrival = kind(place.folder)
    place.config.unlink()
    arrival.begin(text(1))
    place.config = arrival.path
    published: set[State] = {whole(1)}
    tag = 1
    with party.follow(place, rescan_interval=NEVER) as followers:
        for order in orders:
            tag += 2
            arrival.prepare(text(tag - 1))
            published |= {whole(tag - 1), whole(tag)}
            last = whole(tag)
            if order.ends == "killed":  # what it has left behind is what there is
                last = torn(tag)
                published.add(last)
            if order.run(arrival, text(tag)) >= may_rest:
                published.add(torn(tag))
            followers.reach(last, time.monotonic(), SETTLE + 0.05)
            for following in followers:
                wrong = following.states - published
                assert not wrong, following.watched.story(following.id, f"{order}: {sorted(wrong)}")
