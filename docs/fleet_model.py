"""What a fleet of 10,000 asks of three servers, on paper: python docs/fleet_model.py writes the table of fleet-model.md.

Every figure comes from a constant of the code, from one that was measured, or from an assumption that is named.
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import NamedTuple

from hotsettings.nats import NatsStore
from hotsettings.nats.companion import _SPREAD as SPREAD  # pyright: ignore[reportPrivateUsage]
from hotsettings.nats.connection import PING_INTERVAL
from hotsettings.nats.reports import RENEWAL
from hotsettings.nats.session import _FIRST_RETRY as FIRST_RETRY  # pyright: ignore[reportPrivateUsage]
from hotsettings.nats.session import _LONGEST_RETRY as LONGEST_RETRY  # pyright: ignore[reportPrivateUsage]
from hotsettings.nats.subscription import _ABANDONED as ABANDONED  # pyright: ignore[reportPrivateUsage]

MEASURED = Path(__file__).with_name("benchmarks") / "fleet.json"
PAGE = Path(__file__).with_name("fleet-model.md")
BEGIN, END = "<!-- model -->\n", "<!-- end of the model -->\n"

CHECK_INTERVAL: float = inspect.signature(NatsStore).parameters["check_interval"].default
HEARTBEAT = 5.0
"""Seconds between two heartbeats of an idle watch: nats-py's."""


class Assumed(NamedTuple):
    """What the model takes for granted."""

    processes: int = 10_000
    nodes: int = 3
    document: int = 10_000
    """Bytes of the document that is published."""
    documents: int = 20_000
    """Bytes of all documents in the bucket, which each new watch is told."""
    link: float = 125e6
    """Bytes that a node sends in a second: a link of 1 Gbit/s."""


class Measured(NamedTuple):
    """Bytes as the server counts them (payloads and headers), and messages. tests/system/nats/test_model.py measures them again."""

    answer: int = 1230
    """Of an answer to a question for the last position, of a stream with three replicas."""
    heartbeat: int = 77
    report: int = 340
    """Of a report, for one document."""
    begin: int = 4
    """Requests with which a new connection begins to follow."""
    first_report: int = 2
    """Requests for the first report of a connection; each later one is one."""


class Cost(NamedTuple):
    """What one more process costs the three nodes together, by the run of `make fleet`."""

    processes: int
    idle: float
    """Seconds of a processor in a second without a publish."""
    publish: float
    """Seconds of a processor for each publish."""
    memory: float
    """Bytes of the largest node."""


PUBLISHES = 10
"""In a second of that run."""


def cost() -> Cost:
    """The difference between one process and the most that were measured, shared out."""
    [figure] = [each for each in json.loads(MEASURED.read_text())["figures"] if each["name"] == "fleet-load"]
    rows = [row for row in figure["rows"] if row["who"] == "hotsettings"]
    sizes = [int(row["group"].split()[0]) for row in rows]
    one, many = rows[sizes.index(1)]["cells"], rows[sizes.index(max(sizes))]["cells"]
    each = {name: (many[name] - one[name]) / (max(sizes) - 1) for name in one if one[name] is not None}
    return Cost(
        max(sizes),
        each["nodes idle"],
        (each["nodes publishing"] - each["nodes idle"]) / PUBLISHES,
        each["memory of a node"],
    )


class Line(NamedTuple):
    what: str
    how: str
    figure: str


def lines(assumed: Assumed, measured: Measured, cost: Cost) -> list[Line]:
    """The table."""
    n, nodes = assumed.processes, assumed.nodes
    questions = n / CHECK_INTERVAL
    lost = n / nodes
    attempts = lost / FIRST_RETRY
    among = f"measured with {cost.processes}"
    requests = measured.begin + measured.first_report
    return [
        Line("connections of a node", "processes / nodes", number(n / nodes)),
        Line("the same while one node is down", "processes / (nodes - 1)", number(n / (nodes - 1))),
        Line("watches, all of them on one stream", "one for each process", number(n)),
        Line("the same after a restart of all processes", f"for {ABANDONED:g} s: twice as many", number(2 * n)),
        Line("**without a publish**", "", ""),
        Line("questions to the leader", f"processes / {CHECK_INTERVAL:g} s (`check_interval`)", per_second(questions)),
        Line("its answers", f"questions times {measured.answer:,} bytes", rate(questions * measured.answer)),
        Line("the same with `check_interval=30`", "", f"{per_second(n / 30)}, {rate(n / 30 * measured.answer)}"),
        Line("heartbeats of the watches", f"processes / {HEARTBEAT:g} s, {measured.heartbeat} bytes each",
             f"{per_second(n / HEARTBEAT)}, {rate(n / HEARTBEAT * measured.heartbeat)}"),
        Line("pings and their answers, over all nodes", f"processes / {PING_INTERVAL:g} s", per_second(n / PING_INTERVAL)),
        Line("reports, into a bucket in memory", f"processes / {RENEWAL:g} s", per_second(n / RENEWAL)),
        Line("memory of all reports, on each replica", f"processes times {measured.report} bytes", size(n * measured.report)),
        Line("memory of a node", f"processes times {cost.memory / 1e3:.0f} kB, {among}", size(n * cost.memory)),
        Line("processors, over all nodes", f"processes times {cost.idle:.2%} of one, {among}", f"{n * cost.idle:.2g}"),
        Line("**a publish**", "", ""),
        Line("messages", "one for each process", number(n)),
        Line("bytes, over all nodes", f"processes times {assumed.document:,} bytes", size(n * assumed.document)),
        Line("the last process has it after", "bytes / nodes / link, at least",
             seconds(n * assumed.document / nodes / assumed.link)),
        Line("reports, for a moment", f"processes / {SPREAD:g} s", per_second(n / SPREAD)),
        Line("time of a processor, over all nodes", f"processes times {cost.publish * 1e6:.0f} µs, {among}",
             seconds(n * cost.publish)),
        Line("**a node dies**", "", ""),
        Line("processes that lose their connection", "processes / nodes", number(lost)),
        Line("new connections, at first", f"those, spread over {FIRST_RETRY:g} s", per_second(attempts)),
        Line("requests for that, on the leaders", f"connections times {requests}", per_second(attempts * requests)),
        Line("bytes, over the nodes that are left", f"those processes times {assumed.documents:,} bytes", size(lost * assumed.documents)),
        Line("attempts, as long as nobody takes them", f"those / {LONGEST_RETRY / 2:g} s: half of {LONGEST_RETRY:g} s on average",
             per_second(lost / (LONGEST_RETRY / 2))),
    ]  # fmt: skip


def number(value: float) -> str:
    """Three digits that count, since no more of them are known."""
    digits = len(str(round(value))) - 3
    return f"{round(value, -max(digits, 0)):,.0f}"


def per_second(value: float) -> str:
    return f"{number(value)} a second"


def size(value: float) -> str:
    return f"{value / 1e6:.3g} MB" if value < 1e9 else f"{value / 1e9:.3g} GB"


def rate(value: float) -> str:
    return f"{size(value)} a second"


def seconds(value: float) -> str:
    return f"{value:.2g} s"


def table() -> str:
    rows = (f"| {line.what} | {line.how} | {line.figure} |\n" for line in lines(Assumed(), Measured(), cost()))
    return "".join(("| what | how it comes about | figure |\n", "|---|---|---|\n", *rows))


def written(page: str) -> str:
    """The page with the table of today."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}{table()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
