"""`fleet` and --wait: what a fleet reports, with a real server."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.command import CLASS, Result, Run, Store
from support.nats_server import Server

from hotsettings import Origin
from hotsettings.nats.reports import ReportedProblem

pytestmark = pytest.mark.slow

COMMAND = str(Path(sys.executable).with_name("hotsettings"))
HOSTILE = "\x1b[2J\x9b2J\x07[bold red]gone[/]\r\n"


def test_nobody_reports(run: Run, store: Store) -> None:
    assert run("fleet", *store.options) == Result(0, "No instance reports.\n", "")
    assert run("fleet", "--json", *store.options) == Result(0, "[]\n", "")
    store.make_reports()
    assert run("fleet", *store.options) == Result(0, "No instance reports.\n", "")
    missing = run("fleet", *store.options[:3], "nothing")
    assert (missing.code, missing.out) == (1, "")
    assert "there is no such bucket" in missing.err


def report_many(store: Store) -> None:
    store.report("host/1", applied={"config.toml": 7, "eu.toml": 3}, generation=4)
    store.report("host/2", pending_restart=("PORT", "db.host"))
    store.report("host/3", digest="b" * 64)
    store.report("host/4", tried={"config.toml": 2})
    why = "settings/config.toml@2:1:1  PORT: unknown key"
    problem = ReportedProblem(
        "PORT", "unknown-key", Origin("config.toml", "settings/config.toml", 1, 1, 2), "unknown key"
    )
    store.report("host/5", tried={"config.toml": 2}, rejection=why, rejected_by="settings", problems=(problem,))
    store.report("host/6", source="offline")
    store.report("host/7", source="copy", healthy=False)
    store.report("host/8", healthy=False)
    store.report("job/1", service="jobs", digest="c" * 64)


def test_in_a_pipe(run: Run, store: Store) -> None:
    report_many(store)
    result = run("fleet", *store.options)
    assert result.code == 0
    lines = [re.split(r" {2,}", line) for line in result.out.splitlines()]
    assert lines[0] == ["INSTANCE", "SERVICE", "GENERATION", "APPLIED", "DIGEST", "AGE", "STATE"]
    assert [(line[0], line[1], line[4], line[6]) for line in lines[1:-1]] == [
        ("job/1", "jobs", "cccccccc", "ok"),
        ("host/1", "web", "aaaaaaaa", "ok"),
        ("host/2", "web", "aaaaaaaa", "ok: waits for a restart: PORT, db.host"),
        ("host/3", "web", "≠bbbbbbbb", "ok"),
        ("host/4", "web", "aaaaaaaa", "applying"),
        ("host/5", "web", "aaaaaaaa", ["rejected: settings/config.toml@2:1:1", "PORT: unknown key"][0]),
        ("host/6", "web", "aaaaaaaa", "offline: cannot reach the store"),
        ("host/7", "web", "aaaaaaaa", "copy: started from its copy on disk"),
        ("host/8", "web", "aaaaaaaa", "unhealthy"),
    ]
    assert lines[2][2:4] == ["4", "config.toml@7 eu.toml@3"]
    assert all(re.fullmatch(r"\d+ s", line[5]) for line in lines[1:-1])
    assert result.out.splitlines()[-1] == (
        "9 instances, 1 applying, 1 rejected, 1 offline, 1 copy, 1 unhealthy, "
        "1 whose settings differ from most of their service (≠)"
    )
    one = run("fleet", "--service", "jobs", *store.options).out.splitlines()
    assert (len(one), one[-1]) == (3, "1 instance")


def test_as_json(run: Run, store: Store) -> None:
    report_many(store)
    found = run("fleet", "--json", "--service", "web", *store.options).json()
    assert [each["instance"] for each in found] == [f"host/{number}" for number in range(1, 9)]
    states = ["ok", "ok", "ok", "applying", "rejected", "offline", "copy", "unhealthy"]
    assert [each["state"] for each in found] == states
    assert [each["differs"] for each in found] == [False, False, True, *[False] * 5]
    assert found[0]["applied"] == {"config.toml": 7, "eu.toml": 3}
    assert found[1]["pending_restart"] == ["PORT", "db.host"]
    assert found[4]["rejection"] == "settings/config.toml@2:1:1  PORT: unknown key"
    assert (found[4]["rejected_by"], found[3]["rejected_by"], found[3]["problems"]) == ("settings", "", [])
    place = {
        "layer": "config.toml",
        "file": "settings/config.toml",
        "line": 1,
        "column": 1,
        "revision": 2,
        "kind": "layer",
    }
    assert found[4]["problems"] == [{"key": "PORT", "code": "unknown-key", "message": "unknown key", **place}]
    assert all(0 <= each["age"] < 60 for each in found)


def test_where_no_digest_has_a_majority_all_stand_out(run: Run, store: Store) -> None:
    for number, digest in enumerate("aabb"):
        store.report(f"host/{number}", digest=digest * 64)
    found = run("fleet", "--json", *store.options).json()
    assert [each["differs"] for each in found] == [True] * 4


def test_what_is_no_report_is_passed_over(run: Run, store: Store) -> None:
    store.report("host/1")
    store.report_bytes("host/2", b"\xff")
    store.report_bytes("host/3", b'{"instance": "host/3"}')
    store.report("host/4")
    store.report_bytes("host/4", None)
    store.report("host/5", instance="host/1")
    assert [each["instance"] for each in run("fleet", "--json", *store.options).json()] == ["host/1"]


@pytest.mark.thorough
def test_nothing_that_an_instance_says_reaches_the_terminal(run: Run, store: Store) -> None:
    store.report(
        "host/1",
        service=HOSTILE,
        digest=HOSTILE,
        applied={HOSTILE: 1, "config.toml": 0},
        tried={"config.toml": 9},
        rejection=HOSTILE * 100,
        rejected_by=HOSTILE,
        problems=(ReportedProblem(HOSTILE, HOSTILE, Origin(HOSTILE, HOSTILE), HOSTILE),),
        pending_restart=(HOSTILE,),
    )
    result = run("fleet", *store.options)
    json = run("fleet", "--json", *store.options)
    waited = run("publish", CLASS, "config.toml", "--wait", "--timeout", "9", *store.options)
    assert waited.code == 1
    for said in (result.out, json.out, waited.out, waited.err):
        assert not {"\x1b", "\x9b", "\x07", "\r"} & set(said)
        assert "u001b" not in said
    assert "[bold red]gone[/]" in result.out
    assert "host/1  has rejected it:" in waited.err
    assert len(waited.err.splitlines()[-1]) < 600


@contextmanager
def waiting(store: Store, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """A publish that waits, in a process of its own."""
    command = [COMMAND, "publish", CLASS, "config.toml", "--wait", *options, *store.options]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(process: "subprocess.Popen[str]", said: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.rstrip("\n") == said:
            return
    raise AssertionError(f"it has not said {said!r}")


def test_waiting_until_all_have_it(folder: Path, store: Store) -> None:
    label = f"{store.bucket}/config.toml"
    old = store.put("config.toml", 'NAME = "old"\n')
    for number in range(3):
        store.report(f"host/{number}", applied={"config.toml": old})
    store.report("other/1", applied={"other.toml": 1})
    with waiting(store) as process:
        until(process, f"0 of 3 have applied {label}@2")
        store.report("host/0", applied={"config.toml": 2})
        until(process, f"1 of 3 have applied {label}@2")
        store.report_bytes("host/1", None)
        until(process, f"1 of 2 have applied {label}@2")
        store.report("host/3", applied={"config.toml": 5})
        until(process, f"2 of 3 have applied {label}@2")
        store.report("host/2", applied={"config.toml": 2})
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out.splitlines()[-1]) == (0, f"All 3 instances have applied {label}@2.")
    assert "Traceback" not in err


def test_who_has_not_applied_it_and_why(folder: Path, store: Store) -> None:
    old = store.put("config.toml", 'NAME = "old"\n')
    store.report("host/1", applied={"config.toml": old})
    store.report("host/2", applied={"config.toml": old}, tried={"config.toml": 2}, rejection="x.toml@2:1:1  A: no")
    store.report("host/3", applied={"config.toml": old}, source="offline")
    store.report("host/4", applied={"config.toml": 2})
    store.report("host/5", applied={"config.toml": old}, tried={"config.toml": 2})
    store.report("host/6", applied={"config.toml": 0}, tried={"config.toml": old}, rejection="that was another one")
    with waiting(store, "--timeout", "2") as process:
        out, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"Published {store.bucket}/config.toml@2\n1 of 6 have applied" in out
    assert err.splitlines()[-6:] == [
        f"5 of 6 have not applied {store.bucket}/config.toml@2:",
        "  host/1  it has revision 1",
        "  host/2  has rejected it: x.toml@2:1:1  A: no",
        "  host/3  cannot reach the store; it has revision 1",
        "  host/5  is applying it; it has revision 1",
        "  host/6  it has none",
    ]


@pytest.mark.thorough
def test_where_all_others_have_rejected_it_there_is_nothing_to_wait_for(folder: Path, store: Store) -> None:
    store.put("config.toml", 'NAME = "old"\n')
    store.report("host/1", tried={"config.toml": 2}, rejection="no")
    with waiting(store, "--timeout", "500") as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err.endswith("  host/1  has rejected it: no\n")


def test_a_silent_instance(run: Run, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """As seen by a clock that is ahead by a minute: the store's own cannot be turned on."""
    from hotsettings.cli import instance_status as standing

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Later":
            later = datetime.now(UTC) + timedelta(minutes=1)
            return cls.fromtimestamp(later.timestamp(), UTC)

    monkeypatch.setattr(standing, "datetime", Later)
    store.put("config.toml", 'NAME = "old"\n')
    store.report("host/1")
    [found] = run("fleet", "--json", *store.options).json()
    assert found["state"] == "silent"
    result = run("publish", CLASS, "config.toml", "--wait", "--timeout", "1", *store.options)
    assert result.code == 1
    assert re.search(r"  host/1  has not reported since \d\d:\d\d:\d\d UTC, 6\d s ago; it has revision 1\n", result.err)


def test_nobody_to_wait_for(run: Run, store: Store) -> None:
    result = run("publish", CLASS, "config.toml", "--wait", "--timeout", "1", *store.options)
    assert result.code == 0
    assert result.out.endswith(
        "waiting for the first report\nNo instance reports config.toml: there is nobody to wait for.\n"
    )


WORKER = """
import sys, anyio
from demo_app import Settings
from hotsettings import FileLayer
from hotsettings.nats import NatsStore

class Strict(Settings):
    def __post_init__(self):
        if self.NAME == "bad":
            raise ValueError(f"cannot use {self.TOKEN} and {self.NAME}")

async def main(url, bucket):
    store = NatsStore(url, bucket, service="worker", instance="worker-1")
    async with Strict.watch(layers=[store.layer("config.toml"), FileLayer("secrets.toml", secret=True)]):
        print("ready", flush=True)
        await anyio.sleep_forever()

anyio.run(main, *sys.argv[1:])
"""


def test_with_a_real_process(run: Run, store: Store, folder: Path) -> None:
    (folder / "worker.py").write_text(WORKER, encoding="utf-8")
    label = f"{store.bucket}/config.toml"
    assert run("publish", CLASS, "config.toml", *store.options).code == 0
    command = [sys.executable, "worker.py", store.server.url, store.bucket]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        try:
            until(worker, "ready")
            (folder / "config.toml").write_text('NAME = "good"\n', encoding="utf-8")
            good = run("publish", CLASS, "config.toml", "--wait", *store.options)
            assert (good.code, good.out.splitlines()[-1]) == (0, f"The one instance has applied {label}@2.")
            again = run("publish", CLASS, "config.toml", "--wait", *store.options)
            assert (again.code, again.out.splitlines()[-1]) == (0, f"The one instance has applied {label}@2.")
            [found] = run("fleet", "--json", *store.options).json()
            assert (found["instance"], found["service"], found["state"]) == ("worker-1", "worker", "ok")
            assert found["applied"] == {"config.toml": 2}

            (folder / "config.toml").write_text('NAME = "bad"\n', encoding="utf-8")
            bad = run("publish", CLASS, "config.toml", "--wait", *store.options)
            assert bad.code == 1
            assert f"1 of 1 have not applied {label}@3:\n  worker-1  has rejected it: " in bad.err
            assert "open-sesame" not in bad.out + bad.err
            [found] = run("fleet", "--json", *store.options).json()
            assert (found["state"], found["applied"]) == ("rejected", {"config.toml": 2})

            healed = run("rollback", CLASS, "config.toml", "2", "--wait", *store.options)
            assert (healed.code, healed.out.splitlines()[-1]) == (0, f"The one instance has applied {label}@4.")
        finally:
            worker.terminate()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Store]:
    """A store that may be killed."""
    with Server(tmp_path / "server") as server:
        store = Store(server, "settings")
        store.make()
        yield store


if os.name == "posix":
    from support.terminal import ESCAPE, Terminal

    def test_live_on_a_terminal(folder: Path, store: Store) -> None:
        report_many(store)
        with Terminal([COMMAND, "fleet", *store.options], width=140) as terminal:
            seen = terminal.until("9 instances, 1 applying")
            assert "\x1b[1;31m≠bbbbbbbb" in seen
            store.report("host/9")
            terminal.until("10 instances")
            terminal.type("x")
            store.report("host/10")
            terminal.until("11 instances")
            terminal.type("q")
            assert terminal.ended() == 0
        assert max(len(line) for line in ESCAPE.sub("", terminal.seen).splitlines()) <= 140

    def test_ctrl_c_ends_it(folder: Path, store: Store) -> None:
        with Terminal([COMMAND, "fleet", *store.options]) as terminal:
            terminal.until("No instance reports.")
            terminal.type("\x03")
            assert terminal.ended() in (0, 1, 130)
            assert "Traceback" not in terminal.seen

    @pytest.mark.parametrize(
        ("answer", "code", "said"), [("y\n", 0, "Published "), ("n\n", 1, "Nothing was published.")]
    )
    def test_it_asks_on_a_terminal(folder: Path, store: Store, answer: str, code: int, said: str) -> None:
        with Terminal([COMMAND, "publish", CLASS, "config.toml", *store.options]) as terminal:
            terminal.until("Publish? [y/N]: ")
            terminal.type(answer)
            terminal.until(said)
            assert terminal.ended() == code
        assert len(store.texts("config.toml")) == 1 - code

    def test_yes_asks_nothing(folder: Path, store: Store) -> None:
        with Terminal([COMMAND, "publish", CLASS, "config.toml", "--yes", *store.options]) as terminal:
            terminal.until("Published ")
            assert terminal.ended() == 0
        assert "Publish?" not in terminal.seen

    def test_who_answers_late_is_told_of_what_came_in_between(folder: Path, store: Store) -> None:
        with Terminal([COMMAND, "publish", CLASS, "config.toml", *store.options]) as terminal:
            terminal.until("Publish? [y/N]: ")
            store.put("config.toml", 'NAME = "faster"\n')
            terminal.type("y\n")
            terminal.until("has come in")
            assert terminal.ended() == 1
        assert store.texts("config.toml") == ['NAME = "faster"\n']

    def test_a_bar_on_a_terminal(folder: Path, store: Store) -> None:
        for number in range(3):
            store.report(f"host/{number}")
        with Terminal([COMMAND, "publish", CLASS, "config.toml", "-y", "--wait", *store.options]) as terminal:
            terminal.until("All 3 instances have applied")
            assert terminal.ended() == 0

    def test_a_server_that_is_killed_while_somebody_thinks(own: Store, folder: Path) -> None:
        with Terminal([COMMAND, "publish", CLASS, "config.toml", *own.options]) as terminal:
            terminal.until("Publish? [y/N]: ")
            own.server.kill()
            terminal.type("y\n")
            own.server.start()
            terminal.until("Published ")
            assert terminal.ended() == 0
        assert len(own.texts("config.toml")) == 1

    def test_the_table_lives_through_an_outage(own: Store, folder: Path) -> None:
        own.report("host/1")
        with Terminal([COMMAND, "fleet", *own.options]) as terminal:
            terminal.until("1 instance")
            own.server.kill()
            terminal.until("cannot be reached")
            own.server.start()
            own.report("host/2")  # those of before were held in memory
            own.report("host/3")
            terminal.until("2 instances")
            terminal.type("q")
            assert terminal.ended() == 0
        assert "Traceback" not in terminal.seen
        assert "Task" not in terminal.seen
