"""The files of the demo: copies, in a folder that is removed at its end."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]

BROKEN = """\
# Four mistakes.
KAFKA_CONSUMER_GRUOP_ID = "execution-coordinator"
K8S_POD_EXECUTION_TIMEOUT = "5s"
KAFKA_AUTO_OFFSET_RESET = "newest"
TRACING_SAMPLING_RATE = 1.5
"""
ON_THE_MOCK = """\
# For the demo: the mock broker, whose groups want a short session timeout, and no collector of spans.
KAFKA_BOOTSTRAP_SERVERS = "{servers}"
KAFKA_SESSION_TIMEOUT_MS = 4000
KAFKA_HEARTBEAT_INTERVAL_MS = 1000
KAFKA_ENABLE_AUTO_COMMIT = false
ENABLE_TRACING = false
"""
LOCALLY = """\
# For the demo: this machine only, and plain HTTP.
SERVER_HOST = "127.0.0.1"
SERVER_PORT = 8000
SSL_CERTFILE = ""
"""


class Files:
    """The three layers of the coordinator and of the API, which share the first two."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.toml"
        self.coordinator = folder / "config.coordinator.toml"
        self.api = folder / "config.api.toml"
        self.broken = folder / "config.broken.toml"
        self.password = folder / "settings-password"
        shutil.copyfile(ROOT / "config.toml", self.config)
        shutil.copyfile(ROOT / "config.coordinator.toml", self.coordinator)
        self._write_privately("secrets.toml", (ROOT / "secrets.example.toml").read_text(encoding="utf-8"))
        self._write_privately(self.password.name, secrets.token_urlsafe(12))
        self.broken.write_text(BROKEN, encoding="utf-8")

    def use_broker(self, servers: str) -> None:
        """Write the address of the broker into the overrides."""
        kafka = ON_THE_MOCK.format(servers=servers)
        with self.coordinator.open("a", encoding="utf-8") as override:
            override.write(f"\n{kafka}")
        self.api.write_text(f"{kafka}\n{LOCALLY}", encoding="utf-8")

    def edit(self, **values: str) -> list[str]:
        """Change keys of config.toml, as an editor does. The values are TOML. Return the places as file:line."""
        text = self.config.read_text(encoding="utf-8")
        places: list[str] = []
        for key, value in values.items():
            found = re.search(rf"(?m)^{key} = .*$", text)
            assert found is not None, key
            text = f"{text[: found.start()]}{key} = {value}{text[found.end() :]}"
            places.append(f"{self.config.name}:{text.count(chr(10), 0, found.start()) + 1}")
        written = self.folder / "config.toml~"
        written.write_text(text, encoding="utf-8")
        os.replace(written, self.config)
        return places

    def _write_privately(self, name: str, text: str) -> None:
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")


@contextmanager
def copied(*, to_edit: bool) -> Generator[Files, None, None]:
    """A folder with the files. It is in the checkout if a person is to find and edit them."""
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir=ROOT if to_edit else None))
    try:
        yield Files(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
