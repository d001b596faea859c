"""The log that all clients read, and the ids with which they come back to it."""

from __future__ import annotations

import re

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from integr8scode import fanout as fanout_module
from integr8scode.fanout import BATCH, BREATH, PIECE, Fanout, Subscription
from integr8scode.frames import read_id, write_id

CLUSTER = "cluster"


def begun(partitions: int = 2, kept: int = 100) -> Fanout:
    fanout = Fanout(kept)
    fanout.begin(CLUSTER, dict.fromkeys(range(partitions), 0))
    return fanout


def publish(fanout: Fanout, partition: int, offset: int) -> None:
    fanout.publish(CLUSTER, partition, offset, f"{partition}/{offset}".encode())


class Client:
    """Keeps what it was sent, and the id with which it would come back."""

    def __init__(self) -> None:
        self.data: list[str] = []
        self.events: list[str] = []
        self.last_event_id: str | None = None

    def read(self, subscription: Subscription, most: int = 1000) -> None:
        for _ in range(most):
            frames = subscription.take()
            if not frames:
                return
            self.hear(b"".join(frames).decode())

    def hear(self, text: str) -> None:
        for block in text.split("\n\n")[:-1]:
            fields = dict(re.findall(r"^(\w+): (.*)$", block, re.MULTILINE))
            self.last_event_id = fields.get("id", self.last_event_id)
            if "event" in fields:
                self.events.append(fields["event"])
            else:
                self.data.append(fields["data"])


def test_every_client_gets_every_event_once() -> None:
    fanout = begun()
    clients = [Client() for _ in range(3)]
    with fanout.subscribe() as first, fanout.subscribe() as second, fanout.subscribe() as third:
        assert fanout.clients == 3
        for offset in range(2 * BATCH + 1):
            fanout.publish(CLUSTER, 0, offset, str(offset).encode())
            clients[0].read(first, 1)
            if offset == 50:
                clients[2].read(third)
        for client, subscription in zip(clients, (first, second, third), strict=True):
            client.read(subscription)
    assert fanout.clients == 0
    whole = [str(offset) for offset in range(2 * BATCH + 1)]
    assert clients[0].data == whole
    assert clients[0].events == []
    assert clients[1].data == [], "it was away for longer than the log is"
    assert clients[1].events == ["gap"]


def test_an_event_that_two_consumers_have_read_is_published_once() -> None:
    fanout = begun()
    client = Client()
    with fanout.subscribe() as subscription:
        for offset in (0, 1, 0, 1, 2, 2):
            publish(fanout, 0, offset)
        client.read(subscription)
    assert client.data == ["0/0", "0/1", "0/2"]
    assert fanout.positions == {0: 3, 1: 0}
    assert fanout.published == 3


def test_a_record_without_a_value_moves_the_position_only() -> None:
    fanout = begun()
    with fanout.subscribe() as subscription:
        fanout.publish(CLUSTER, 0, 0, None)
        assert subscription.take() == []
    assert fanout.positions[0] == 1


@pytest.mark.parametrize("value", ["a\nb", "a\r\nb", "a\rb"])
def test_a_line_break_does_not_end_an_event(value: str) -> None:
    fanout = begun(1)
    with fanout.subscribe() as subscription:
        fanout.publish(CLUSTER, 0, 0, value.encode())
        assert subscription.take() == [b"id: 0:1\ndata: a\ndata: b\n\n"]


def test_what_is_no_text_is_sent_as_text() -> None:
    fanout = begun(1)
    with fanout.subscribe() as subscription:
        fanout.publish(CLUSTER, 0, 0, b"\xff\x00")
        assert subscription.take() == ["id: 0:1\ndata: \ufffd\x00\n\n".encode()]


def test_a_client_that_is_too_slow_is_told_and_goes_on_with_the_newest() -> None:
    fanout = begun(kept=10)
    slow = Client()
    with fanout.subscribe() as subscription:
        publish(fanout, 0, 0)
        slow.read(subscription)
        for offset in range(1, 12):
            publish(fanout, 0, offset)
        slow.read(subscription)
        publish(fanout, 0, 12)
        slow.read(subscription)
    assert (slow.data, slow.events) == (["0/0", "0/12"], ["gap"])
    assert fanout.gaps == 1


def test_the_id_of_a_gap_leads_past_it() -> None:
    fanout = begun(kept=1)
    client = Client()
    with fanout.subscribe() as subscription:
        for offset in range(3):
            publish(fanout, 0, offset)
        client.read(subscription)
    with fanout.subscribe(client.last_event_id) as subscription:
        publish(fanout, 0, 3)
        client.read(subscription)
    assert (client.data, client.events) == (["0/3"], ["gap"])


def test_a_client_comes_back_and_has_missed_nothing() -> None:
    fanout = begun()
    client = Client()
    with fanout.subscribe() as subscription:
        publish(fanout, 0, 0)
        client.read(subscription)
    fanout.tell("paused", "while nobody listens")
    publish(fanout, 1, 0)
    publish(fanout, 0, 1)
    with fanout.subscribe(client.last_event_id) as subscription:
        publish(fanout, 0, 2)
        client.read(subscription)
    assert client.data == ["0/0", "1/0", "0/1", "0/2"]
    assert client.events == []


@pytest.mark.parametrize("wrong", ["?", "0", "0:", "0:x", "0:1,", "a:1", ":", "0:1:2", "0:" + "9" * 5000])
def test_an_id_that_says_nothing_is_a_gap(wrong: str) -> None:
    fanout = begun()
    client = Client()
    with fanout.subscribe(wrong) as subscription:
        publish(fanout, 0, 0)
        client.read(subscription)
    assert (client.data, client.events) == ([], ["gap"])


@pytest.mark.parametrize(
    ("last_event_id", "why"),
    [
        ("0:3,1:0", "some of what came after it is gone from the log"),
        ("0:200", "the topic was made anew, it is not a bit ahead"),
        ("1:0", "nothing is known of where it was in the other partition"),
    ],
)
def test_who_was_away_for_too_long_is_told(last_event_id: str, why: str) -> None:
    fanout = begun(kept=5)
    client = Client()
    for offset in range(10):
        publish(fanout, 0, offset)
    with fanout.subscribe(last_event_id) as subscription:
        client.read(subscription)
        publish(fanout, 0, 10)
        client.read(subscription)
    assert (client.data, client.events) == (["0/10"], ["gap"]), why


def test_a_process_that_began_later_knows_of_no_events_before() -> None:
    fanout = Fanout()
    fanout.begin(CLUSTER, {0: 100})
    client = Client()
    with fanout.subscribe("0:99") as subscription:
        client.read(subscription)
    assert client.events == ["gap"]
    with fanout.subscribe("0:100") as subscription:
        publish(fanout, 0, 100)
        client.read(subscription)
    assert client.data == ["0/100"]


def test_another_cluster_is_a_gap_and_its_events_are_no_doubles() -> None:
    fanout = begun(1)
    client, reading = Client(), Client()
    with fanout.subscribe() as subscription, fanout.subscribe() as up_to_date:
        for offset in range(5):
            publish(fanout, 0, offset)
        reading.read(up_to_date)
        fanout.begin("another", {0: 2})
        publish(fanout, 0, 5)  # a consumer of the old one that is not closed yet
        fanout.jump(CLUSTER, 0, 50)
        fanout.publish("another", 0, 2, b"new")
        client.read(subscription)
        reading.read(up_to_date)
    assert (client.data, client.events) == ([], ["gap"]), "it was behind already, and goes on with the newest"
    assert (reading.data[5:], reading.events) == ([], ["gap"])
    assert fanout.positions == {0: 3}


def test_events_that_kafka_has_deleted_are_a_gap_for_everybody() -> None:
    fanout = begun()
    client = Client()
    with fanout.subscribe() as subscription:
        publish(fanout, 0, 0)
        client.read(subscription)
        fanout.jump(CLUSTER, 0, 10)
        client.read(subscription)
        publish(fanout, 0, 10)
        client.read(subscription)
    assert (client.data, client.events) == (["0/0", "0/10"], ["gap"])
    assert client.last_event_id == "0:11,1:0"


def test_a_partition_that_is_added_is_followed_from_its_beginning() -> None:
    fanout = begun(1)
    client = Client()
    with fanout.subscribe() as subscription:
        publish(fanout, 0, 0)
        client.read(subscription)
    fanout.begin(CLUSTER, {1: 0})
    publish(fanout, 1, 0)
    with fanout.subscribe(client.last_event_id) as subscription:
        client.read(subscription)
    assert client.data == ["0/0", "1/0"]


LARGE = b"x" * 10_000


def test_the_log_is_bounded_in_bytes() -> None:
    fanout = Fanout(kept_bytes=100_000)
    fanout.begin(CLUSTER, {0: 0})
    client = Client()
    with fanout.subscribe() as subscription:
        for offset in range(50):
            fanout.publish(CLUSTER, 0, offset, LARGE)
            assert fanout.size <= 100_000
        client.read(subscription)
    assert client.events == ["gap"]
    assert fanout.end - fanout.first == 9
    fanout.publish(CLUSTER, 0, 50, b"y" * 200_000)
    assert fanout.end - fanout.first == 1, "one that is larger than all is kept alone"
    fanout.jump(CLUSTER, 0, 100)
    assert fanout.size == 0


def test_no_more_is_taken_at_once_than_a_piece_unless_one_frame_is_larger() -> None:
    fanout = begun(1)
    with fanout.subscribe() as subscription:
        for offset, value in enumerate([LARGE] * 10 + [b"y" * (2 * PIECE)] + [b"small"] * 3):
            fanout.publish(CLUSTER, 0, offset, value)
        assert [len(subscription.take()) for _ in range(4)] == [6, 4, 1, 3]


def test_all_clients_are_sent_the_same_object() -> None:
    fanout = begun(1)
    with fanout.subscribe() as one, fanout.subscribe() as other:
        fanout.publish(CLUSTER, 0, 0, LARGE)
        assert one.take()[0] is other.take()[0]


async def feed(fanout: Fanout, offsets: range) -> None:
    for offset in offsets:
        await fanout.feed(CLUSTER, 0, offset, LARGE)


@pytest.fixture
def small() -> Fanout:
    """One that is full with nine large events."""
    fanout = Fanout(kept_bytes=100_000)
    fanout.begin(CLUSTER, {0: 0})
    return fanout


@pytest.mark.anyio
async def test_a_burst_waits_for_clients_that_read(small: Fanout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout_module, "HOLD", 3600.0)
    clients = [Client(), Client()]
    with small.subscribe() as one, small.subscribe() as other, anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(feed, small, range(200))
            while small.published < 200 or len(clients[1].data) < 200:
                clients[0].read(one)
                await anyio.sleep(BREATH / 2)
                clients[1].read(other)
                assert small.size <= 100_000
        clients[0].read(one)
    assert [len(client.data) for client in clients] == [200, 200]
    assert [client.events for client in clients] == [[], []]


@pytest.mark.anyio
async def test_who_reads_too_slowly_is_waited_for_no_longer_than_held(
    small: Fanout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout_module, "HOLD", 0.1)
    slow = Client()
    with small.subscribe() as subscription, anyio.fail_after(30):
        await feed(small, range(10))
        assert subscription.next < small.first
        monkeypatch.setattr(fanout_module, "HOLD", 3600.0)
        await feed(small, range(10, 50))  # it has fallen behind: nobody waits for it
        slow.read(subscription)
    assert slow.events == ["gap"]


@pytest.mark.anyio
async def test_cancelled_while_it_waits_nothing_has_been_added(small: Fanout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout_module, "HOLD", 3600.0)
    with small.subscribe():
        with anyio.move_on_after(0.1):
            await feed(small, range(10))
        assert small.positions == {0: 9}
    with anyio.fail_after(30):
        await feed(small, range(9, 20))  # who has left is not waited for


@pytest.mark.anyio
async def test_news_wakes_everybody_and_an_end_too() -> None:
    fanout = begun()
    heard: list[str] = []

    async def follow(name: str) -> None:
        with fanout.subscribe() as subscription:
            while not subscription.ended:
                await subscription.news()
                heard.extend(name for _ in subscription.take())

    async with anyio.create_task_group() as tasks:
        for name in "ab":
            tasks.start_soon(follow, name)
        await anyio.wait_all_tasks_blocked()
        publish(fanout, 0, 0)
        fanout.wake()
        await anyio.wait_all_tasks_blocked()
        assert sorted(heard) == ["a", "b"]
        fanout.close()
    with fanout.subscribe() as late:
        assert late.ended
        await late.news()


@given(st.dictionaries(st.integers(0, 500), st.integers(0, 2**63 - 1), min_size=1))
def test_ids_are_read_back(positions: dict[int, int]) -> None:
    assert read_id(write_id(positions)) == positions


@given(st.data())
def test_exactly_once_through_any_processes(data: st.DataObject) -> None:
    """Two processes see the same partitions, interleaved differently; a client is sent from one to the other at any time."""
    partitions = 3
    processes = [begun(partitions), begun(partitions)]
    client = Client()
    client.last_event_id = write_id(dict.fromkeys(range(partitions), 0))
    for _ in range(data.draw(st.integers(1, 8), label="connections")):
        process = processes[data.draw(st.integers(0, 1), label="process")]
        with process.subscribe(client.last_event_id) as subscription:
            for step in data.draw(st.lists(st.integers(0, partitions), max_size=12), label="steps"):
                if step == partitions:
                    client.read(subscription, 1)
                else:
                    publish(process, step, process.positions[step])
            client.read(subscription, data.draw(st.integers(0, 1), label="reads what is left"))
    last = processes[0]
    with last.subscribe(client.last_event_id) as subscription:
        for partition in range(partitions):
            while last.positions[partition] < 100:
                publish(last, partition, last.positions[partition])
                client.read(subscription)
    for partition in range(partitions):
        heard = [int(each.split("/")[1]) for each in client.data if each.startswith(f"{partition}/")]
        assert heard == list(range(100))
    assert client.events == []
