"""What stands in deploy/, and places laid out by it: the paths of a container or host, below a folder of the test's own."""

from __future__ import annotations

import configparser
import json
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import yaml

from support import ROOT

DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
UNITS = DEPLOY / "systemd"
PATIENCE = 30.0


def documents(path: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(path.read_text(encoding="utf-8")) if document]


def resource(path: Path, kind: str) -> dict[str, Any]:
    (found,) = (document for document in documents(path) if document["kind"] == kind)
    return found


def container(path: Path) -> dict[str, Any]:
    """The only container of a Deployment."""
    (found,) = resource(path, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def config_map() -> dict[str, str]:
    """The files of the ConfigMap, as kustomization.yaml names them."""
    (generator,) = documents(KUBERNETES / "kustomization.yaml")[0]["configMapGenerator"]
    files = [KUBERNETES / name for name in generator["files"]]
    return {file.name: file.read_text(encoding="utf-8") for file in files}


def instructions() -> list[str]:
    """The instructions of the Dockerfile, each on one line."""
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"(?m)^#.*\n", "", text).replace("\\\n", " ")
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def instruction(name: str) -> str:
    """What follows the last instruction of this name."""
    return [line.partition(" ")[2] for line in instructions() if line.startswith(f"{name} ")][-1]


def image_links() -> dict[str, str]:
    """The links that the image has, and where they lead."""
    (command,) = (line for line in instructions() if line.startswith("RUN ln -s -t /app "))
    return {f"/app/{Path(target).name}": target for target in shlex.split(command)[5:]}


def host_links() -> dict[str, str]:
    """The links that systemd-tmpfiles makes, and where they lead."""
    lines = [line.split() for line in (UNITS / "integr8scode.conf").read_text(encoding="utf-8").splitlines()]
    return {fields[1]: fields[6] for fields in lines if fields and fields[0] == "L+"}


def unit(name: str) -> dict[str, str]:
    """The [Service] section of a unit."""
    parser = configparser.RawConfigParser(strict=False, delimiters="=", comment_prefixes="#")
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / name, encoding="utf-8")
    return dict(parser["Service"])


def with_values(text: str, values: Mapping[str, Any]) -> str:
    """A TOML text in which these keys have other values; those it does not have come first."""
    for key, value in values.items():
        line, known = f"{key} = {json.dumps(value)}", re.compile(rf"(?m)^{key} = .*$")
        text = known.sub(line.replace("\\", r"\\"), text) if known.search(text) else f"{line}\n{text}"
    return text


class Place:
    """Absolute paths, below a folder."""

    def __init__(self, folder: Path, links: Mapping[str, str]) -> None:
        self.folder = folder
        for link, target in links.items():
            self.at(link).parent.mkdir(parents=True, exist_ok=True)
            self.at(link).symlink_to(self.at(target))

    def at(self, path: str) -> Path:
        assert path.startswith("/")
        return self.folder / path[1:]


class Process:
    """A command of a deployment, run in a place. It listens on the loopback address, on a port of its own."""

    def __init__(self, command: list[str], directory: Path, port: int = 0) -> None:
        self.port = port
        self._log = directory.parent / "output"
        assert Path(command[0]).name == "python"
        words = command[1:]
        if "integr8scode.server" in command:
            words += ["--host", "127.0.0.1", "--port", str(port)]  # the last ones count
        with self._log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, *words], cwd=directory, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def output(self) -> str:
        return self._log.read_text(encoding="utf-8")

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE) as response:
            assert response.status == 200
            return json.load(response)

    def until(self, condition: Callable[[], Any]) -> None:
        deadline = monotonic() + PATIENCE
        while True:
            assert self.process.poll() is None, self.output
            try:
                if condition():
                    return
            except OSError:  # it does not listen yet
                pass
            assert monotonic() < deadline, self.output
            sleep(0.01)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def running(command: list[str], directory: Path, port: int = 0) -> Iterator[Process]:
    process = Process(command, directory, port)
    try:
        yield process
    finally:
        if process.process.poll() is None:
            process.process.kill()
            process.process.wait()
