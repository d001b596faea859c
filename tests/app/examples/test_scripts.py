"""Scripts: load once, watch and print, several classes, the tracer."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable

import pytest
from support.example_process import SECRET, Example

Make = Callable[[str], Example]


def test_load_once(example: Make) -> None:
    script = example("load_once")
    missing = script.run()
    assert missing.returncode == 1
    assert "TOKEN: required" in missing.stderr
    assert "Traceback" not in missing.stderr

    script.write("secrets.toml", f'TOKEN = "{SECRET}"\n')
    done = script.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "Good morning",
        "Settings(GREETING='Good morning', TIMES=1, TOKEN=********)",
    ]
    assert script.run("config.loud.toml").stdout.count("GOOD MORNING\n") == 3
    absent = script.run("absent.toml")
    assert (absent.returncode, absent.stderr.count("absent.toml")) == (1, 1)


def test_load_once_with_what_is_meant_to_be_copied(example: Make) -> None:
    script = example("load_once")
    (script.folder / "secrets.example.toml").rename(script.folder / "secrets.toml")
    assert script.run().returncode == 0


def test_watch_and_print(example: Make) -> None:
    script = example("watch_and_print")
    script.write("secrets.toml", f'PASSWORD = "{SECRET}"\n')
    script.start()
    script.until_said("generation 1: Settings(")
    script.edit("config.toml", BATCH="250")
    script.until_said("generation 2\nBATCH\n  → 250  base     config.toml:2:9\n    100  default")
    script.edit("config.toml", BATCH="0")
    script.until_said("rejected: Invalid settings: 1 problem\n  config.toml:2:9  BATCH: expected int >= 1")
    script.edit("config.toml", BATCH="250", WORKERS="8")
    script.until_said("WORKERS\n    8  base", "  → 4  live until the restart")
    script.write("secrets.toml", f'PASSWORD = "another{SECRET}"\n')
    script.until_said("generation 3\nPASSWORD\n  → ********")
    assert script.end(signal.SIGINT) == 0
    assert script.err == ""


def test_derived_keys(example: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    script = example("derived_keys")
    missing = script.run("coordinator")
    assert missing.returncode == 1
    assert "SECRET_KEY: required, but not set in" in missing.stderr
    monkeypatch.setenv("SECRET_KEY", SECRET * 2)
    monkeypatch.setenv("MONGO_PASSWORD", SECRET)
    script.start("k8s-worker")
    script.until_said(
        "MONGODB_URL\n  → ********  derived from MONGO_HOST, MONGO_PORT, MONGO_USER, MONGO_PASSWORD, MONGO_DB\n",
        "REDIS_PASSWORD\n  → ********  config.k8s-worker.toml",
        "k8s-worker: pods may take 0:10:00",
    )
    script.edit("config.toml", MONGO_PORT="27018")
    script.until_said("connects to mongo:27018")
    script.edit("config.k8s-worker.toml", POD_TIMEOUT='"90s"')
    script.until_said("pods may take 0:01:30")
    script.edit("config.toml", MONGO_HOST="9")
    script.edit("config.toml", MONGO_HOST='"db"')
    script.until_said("connects to db:27018")
    assert script.end(signal.SIGINT) == 0
    assert SECRET not in script.out + script.err


def test_several_classes(example: Make) -> None:
    script = example("several_classes")
    script.write("secrets.mail.toml", f'PASSWORD = "{SECRET}"\n')
    script.start()
    script.until_said("mail through mail.internal", "20 results from search.internal")
    script.edit("search.toml", RESULTS="5")
    script.until_said("5 results instead of 20")
    assert script.out.count("mail through") == 1
    script.write("secrets.mail.toml", f'PASSWORD = "another{SECRET}"\n')
    script.until_said("mail through mail.internal, PASSWORD changed")
    script.edit("mail.toml", RESULTS="1")
    script.until_said("mail.toml:1:1  RESULTS: unknown key")
    script.edit("search.toml", RESULTS="6")
    script.until_said("6 results instead of 5")
    assert script.end(signal.SIGINT) == 0


def spans(script: Example) -> int:
    """How many traces have been exported whole."""
    return script.out.count('"name": "work"')


def test_tracer(example: Make) -> None:
    script = example("tracer")
    script.edit("config.toml", SAMPLING_RATE="0", INTERVAL="0.01", SERVICE_NAME='"tried"')
    script.start()
    # The first edit starts it with none; every one that is told now was sampled after the second.
    script.edit("config.toml", SAMPLING_RATE="1", INTERVAL="0.02")
    script.until(lambda: spans(script) > 3)
    script.edit("config.toml", SAMPLING_RATE="0")
    script.until(lambda: quiet(script))
    script.edit("config.toml", SAMPLING_RATE="2")
    script.until_said("SAMPLING_RATE: expected float <= 1")
    script.edit("config.toml", SAMPLING_RATE="1")
    before = spans(script)
    script.until(lambda: spans(script) > before + 3)
    assert script.end(signal.SIGINT) == 0
    told = [json.loads(text + "}") for text in script.out.split("\n}\n")[:-1]]
    assert {span["resource"]["attributes"]["service.name"] for span in told} == {"tried"}
    children = [span["parent_id"] for span in told if span["name"] == "part of it"]
    assert children
    assert all(children)


def quiet(script: Example) -> bool:
    """Whether nothing is exported for as long as many spans would need."""
    before = spans(script)
    script.lives_on(0.3)
    return spans(script) == before


@pytest.mark.parametrize(
    "name", ["watch_and_print", "worker", "kafka_consumer", "event_stream", "tracer", "many_processes", "web_service"]
)
def test_files_that_are_wrong_are_said_to_be(example: Make, name: str) -> None:
    script = example(name)
    script.write("config.toml", "NOBODY_KNOWS = 1\n")
    done = script.run()
    assert done.returncode == 1
    assert "config.toml:1:1  NOBODY_KNOWS: unknown key" in done.stderr
    assert "Traceback" not in done.stderr
