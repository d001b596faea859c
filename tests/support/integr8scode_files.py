"""The files of all workers, as they are in the repository."""

from __future__ import annotations

import re
from pathlib import Path

from support import ROOT

SECRET = "a-secret-key-that-no-output-may-show"


def write_files(folder: Path, servers: str, unique: str, **more: str) -> None:
    """Copy them into a folder, for these brokers, with topics of the test's own."""
    for path in ROOT.glob("config*.toml"):
        (folder / path.name).write_text(path.read_text())
    (folder / "secrets.toml").write_text(f'SECRET_KEY = "{SECRET}"\n')
    config = folder / "config.toml"
    values = {
        "KAFKA_BOOTSTRAP_SERVERS": f'"{servers}"',
        "KAFKA_ENABLE_AUTO_COMMIT": "false",
        "KAFKA_SESSION_TIMEOUT_MS": "4000",
        "KAFKA_HEARTBEAT_INTERVAL_MS": "1000",
        "LOG_LEVEL": '"INFO"',
        "ENABLE_TRACING": "false",
    } | more
    text = config.read_text()
    for key, value in values.items():
        text = re.sub(rf"(?m)^{key} = .*$", f"{key} = {value}", text)
    config.write_text(f'KAFKA_TOPIC_PREFIX = "{unique}"\n{text}')
