"""The steps of the demo. Each step waits until what it announces has happened."""

from __future__ import annotations

import json
import re
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from signal import SIGINT
from typing import Any

from .files import ROOT, Files
from .processes import Failed, Interrupted, Process, Processes

CLASS = "integr8scode.settings:Settings"
SHOWN = ("SECRET_KEY", "KAFKA_CONSUMER_GROUP_ID", "KAFKA_MAX_POLL_RECORDS", "RATE_LIMIT_ALGORITHM")
IN_USE = "address already in use"
RECORD = re.compile(r"\S+ (?P<time>[\d:]+),\d+ [A-Z]+ (?P<logger>[\w.]+): (?P<message>.*)")
OF_INTEREST = ("hotsettings", "integr8scode")
"""Loggers that are repeated while somebody edits; the others tell of requests and connections."""

DIRECTLY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Never by the proxy that the environment may name."""


def say(*lines: str) -> None:
    print(*lines, sep="\n", flush=True)


def step(text: str) -> None:
    say("", f"# {text}", "")


class Tour:
    def __init__(self, files: Files, processes: Processes) -> None:
        self._files = files
        self._processes = processes
        self._url = ""
        self._events = 0

    def go(self, *, stay: bool) -> None:
        self._values()
        self._mistakes()
        coordinator = self._application()
        self._event(coordinator)
        self._good_edit(coordinator)
        self._bad_edit(coordinator)
        self._repair(coordinator)
        if stay:
            self._stay()

    def _values(self) -> None:
        step("1. What the coordinator runs with: three files put together. Each value tells where it was written.")
        printed = self._hotsettings("show", self._files.coordinator.name, status=0).splitlines()
        values = [line for line in printed if " = " in line]
        chosen = [line for line in values if line.removeprefix("# ").split(" = ")[0] in SHOWN]
        say(*chosen, f"... and {len(values) - len(chosen)} more")

    def _mistakes(self) -> None:
        step("2. The same with an override that somebody got wrong: all mistakes at once, each in its place.")
        say(self._hotsettings("check", self._files.broken.name, status=1).rstrip())
        say("", "The exit status is 1, so this can stand in a git hook or before a deployment.")

    def _hotsettings(self, command: str, override: str, *, status: int) -> str:
        say(f"$ hotsettings {command} {CLASS} --override {override}")
        script = Path(sysconfig.get_path("scripts"), "hotsettings")
        return self._processes.run(
            *(str(script), command, CLASS, "--override", override), folder=self._files.folder, status=status
        )

    def _application(self) -> Process:
        step("3. The example application on these files: a mock of Kafka, the API, and the coordinator, a worker.")
        broker = self._start("mock broker", "mock_broker")
        servers = self._said(broker, r'KAFKA_BOOTSTRAP_SERVERS = "(.+)"')
        self._files.use_broker(servers)
        coordinator = self._start("coordinator", "worker", "coordinator")
        password = ("--override", self._files.api.name, "--settings-page", self._files.password.name)
        api = self._start("API", "server", *password)
        self._url = self._said(api, rf"listening on (\S+)|({IN_USE})")
        if self._url == IN_USE:
            self._processes.forget(api)
            say("      port 8000 is taken, so it gets a free one")
            self._url = self._said(self._start("API", "server", *password, "--port", "0"), r"listening on (\S+)")
        self._said(coordinator, "reading (.*)")
        say("", *self._where_to_look())
        return coordinator

    def _start(self, name: str, module: str, *arguments: str) -> Process:
        say(" ".join(("$ python -m", f"integr8scode.{module}", *arguments)))
        return self._processes.start(name, f"integr8scode.{module}", *arguments, folder=self._files.folder)

    def _where_to_look(self) -> list[str]:
        password = self._files.password.read_text(encoding="utf-8")
        return [
            f"  {self._url}/health     is it well, and which generation of the settings is live",
            f"  {self._url}/metrics    the same for Prometheus",
            f"  {self._url}/events     a stream of events (curl -N); {self._url}/ shows it in a browser",
            f"  {self._url}/settings/  the settings page; any user name, password {password}",
        ]

    def _event(self, coordinator: Process) -> None:
        step("4. An event goes through Kafka to the coordinator.")
        self._publish(coordinator)

    def _publish(self, coordinator: Process) -> None:
        self._events += 1
        event = {"execution_id": f"e-{self._events}", "kind": "execution.requested"}
        say(f"POST /api/v1/events {json.dumps(event)}")
        status, _ = self._request("/api/v1/events", json.dumps(event).encode())
        if status != 202:
            raise Failed(f"The event was answered with {status}.")
        self._says(coordinator, rf"execution\.requested of execution e-{self._events} .*")

    def _good_edit(self, coordinator: Process) -> None:
        step("5. An edit is live in both processes, with no restart.")
        self._edit(K8S_POD_EXECUTION_TIMEOUT="9")
        self._health(lambda health: health["generation"] == 2)
        self._says(coordinator, "generation 2 is live.*")
        limits = json.loads(self._request("/api/v1/k8s-limits")[1])
        say(f"  GET /api/v1/k8s-limits: execution_timeout {limits['execution_timeout']}")

    def _bad_edit(self, coordinator: Process) -> None:
        step("6. A bad edit changes nothing. Both log what is wrong, and work on with what they have.")
        self._edit(KAFKA_MAX_POLL_RECORDS='"many"')
        self._health(lambda health: health["status"] == "degraded")
        self._says(coordinator, "reload rejected.*")
        self._says(coordinator, r"\S+  KAFKA_MAX_POLL_RECORDS: .*")
        self._publish(coordinator)

    def _repair(self, coordinator: Process) -> None:
        step(
            "7. Repaired, and a setting changed that only a new process can take up: it waits for one, the rest is live."
        )
        self._edit(KAFKA_MAX_POLL_RECORDS="100", WEB_TIMEOUT="90")
        self._health(lambda health: health["status"] == "ok")
        self._says(coordinator, "generation 3 is live.*")
        self._says(coordinator, "waiting for a restart.*")

    def _edit(self, **values: str) -> None:
        places = self._files.edit(**values)
        for place, (key, value) in zip(places, values.items(), strict=True):
            say(f"edit  {place}  {key} = {value}")

    def _health(self, expected: Callable[[Any], bool]) -> None:
        """Wait for this state of /health, and print it."""

        def look() -> tuple[int, Any] | None:
            status, body = self._request("/health")
            health = json.loads(body)
            return (status, health) if expected(health) else None

        status, health = self._processes.until(look, "another health of the API")
        say(f"  GET /health: {status}, {health['status']}, generation {health['generation']}")

    def _says(self, process: Process, pattern: str) -> None:
        """Wait until the process prints this, and repeat the line."""
        say(f"  {process.name}: {self._said(process, f'({pattern})')}")

    def _said(self, process: Process, pattern: str) -> str:
        found = self._processes.until(lambda: process.find(pattern), f"{pattern!r} from the {process.name}")
        return next(group for group in found.groups() if group is not None)

    def _request(self, path: str, data: bytes | None = None) -> tuple[int, bytes]:
        request = urllib.request.Request(f"{self._url}{path}", data)
        try:
            with DIRECTLY.open(request, timeout=10) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def _stay(self) -> None:
        folder = self._files.folder.relative_to(ROOT)
        self._processes.pass_over()
        step("Now it is yours, until you press Ctrl-C. Edit these copies; what happens is shown here.")
        say(
            f"  {folder}/config.toml              for both: SSE_HEARTBEAT_INTERVAL, RATE_LIMITS, or make a mistake",
            f"  {folder}/config.coordinator.toml  for the coordinator only",
            f"  {folder}/config.api.toml          for the API only",
            "",
            *self._where_to_look(),
            "",
            f'  curl -d \'{{"execution_id": "mine", "kind": "execution.started"}}\' {self._url}/api/v1/events',
            "",
        )
        try:
            self._repeat()
        except Interrupted as told:
            if told.number != SIGINT:
                raise
            say("")

    def _repeat(self) -> None:
        """Repeat the lines of the processes about settings and events."""
        silent: set[Process] = set()
        for process, line in self._processes.follow():
            record = RECORD.match(line)
            if record is not None:
                logger = record["logger"]
                (silent.discard if logger.startswith(OF_INTEREST) else silent.add)(process)
                line = f"{record['time']} {process.name}: {record['message']}"
            if process not in silent:
                say(line)
