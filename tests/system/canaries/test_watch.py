"""`hotsettings watch`, a process whose output is read along while secrets are edited, misplaced and broken."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from support.canaries.leaks import Planted, assert_none
from support.canaries.shapes import plant
from support.watch_command import watching, write

APP = """
from collections.abc import Mapping
from msgspec import Struct
from hotsettings import BaseSettings, RestartRequired, Secret

class Db(Struct, frozen=True, forbid_unknown_fields=True):
    password: Secret[str] = ""
    host: str = "db"

class Followed(BaseSettings):
    TOKEN: Secret[str] = ""
    KEY: RestartRequired[Secret[str]] = ""
    PLAIN: RestartRequired[str] = ""
    NAME: str = "shop"
    KEYS: Mapping[str, Secret[str]] = {}
    db: Db = Db()

    def __post_init__(self) -> None:
        if self.NAME == "refused":
            raise ValueError(f"cannot use {self.TOKEN}, {self.KEY[:20]} or {self.db.password!r}")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "followed.py").write_text(APP, encoding="utf-8")
    return tmp_path


def quoted(secret: Planted) -> str:
    from support.canaries.classes import text

    return text(secret.text)


def edits(secrets: list[Planted], random: Random) -> Iterator[tuple[str, str]]:
    """What config.toml and secrets.toml say by turns."""

    def new(key: str, shape: str) -> str:
        secrets.append(plant(key, shape, random))
        return quoted(secrets[-1])

    def values() -> str:
        return (
            f"TOKEN = {new('TOKEN', 'url')}\nKEY = {new('KEY', 'plain')}\nPLAIN = {new('PLAIN', 'plain')}\n"
            f"KEYS = {{ a = {new('KEYS', 'dsn')} }}\ndb.password = {new('db.password', 'quoted')}\n"
        )

    yield "NAME = 'a'\n", values()
    yield "NAME = 'b'\n", values()
    yield "NAME = 'refused'\n", values()
    yield "NAME = 'c'\nPLAIN = 'from the config'\n", values().replace("PLAIN", "# PLAIN")
    yield f"NAME = {quoted(secrets[0])[:-1]}\n", values()
    yield f"NAME = [{quoted(secrets[-4])}]\n", values()
    yield "NAME = 'd'\n", values() + f"TOKNE = {quoted(secrets[0])}\n"
    yield f"NAME = 'e'\nTOKNE = {quoted(secrets[0])}\n", values()
    yield "NAME = 'the end'\n", "# nothing\n"


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["lines", "JSON"])
def test_what_it_prints(folder: Path, options: list[str]) -> None:
    secrets: list[Planted] = []
    lines: list[str] = []
    states = edits(secrets, Random(9))
    config, text = next(states)
    write(folder / "config.toml", config)
    write(folder / "secrets.toml", text)
    with watching(folder, *options) as seen:
        lines.append(seen.line())
        for config, text in states:
            for name, content in (("secrets.toml", text), ("config.toml", config)):
                write(folder / name, content)
                lines.append(seen.line())  # an event for each
        while "the end" not in lines[-1]:
            lines.append(seen.line())
    assert len(lines) > 2
    assert_none([("hotsettings watch", "\n".join(lines))], secrets)
