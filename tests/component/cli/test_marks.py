"""What the commands say of marks and derived values."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from support.command import Run

pytestmark = pytest.mark.usefixtures("_app")

APP = '''
from typing import Annotated

from msgspec import Struct

from hotsettings import BaseSettings, Before, Deprecated, Renamed, Secret, Tolerant, derived


class Db(Struct, frozen=True):
    host: Annotated[str, Renamed("hostname")] = "h"
    pool: int = 1


class Loose(Struct, frozen=True):
    port: int = 1


class Settings(BaseSettings):
    WAIT: Annotated[int, Before(lambda text: int(text.rstrip("s")))] = 1
    GONE: Annotated[int, Deprecated("use WAIT")] = 1
    db: Db = Db(pool=9)
    loose: Tolerant[Loose] = Loose()
    TOKEN: Secret[str] = "default-token"

    @derived("db")
    def URL(self) -> str:
        """Where it is."""
        return f"db://{self.db.host}:{self.db.pool}"

    @derived("TOKEN")
    def HEADER(self) -> str:
        return self.TOKEN.upper()
'''


@pytest.fixture
def _app(folder: Path) -> None:
    (folder / "secrets.toml").write_text("# none\n")
    Path("marked_app.py").write_text(APP)
    Path("config.toml").write_text("WAIT = '5s'\nGONE = 2\n[db]\nhostname = 'x'\n[loose]\nmore = 1\n")


def test_check_lists_every_warning_with_its_code(run: Run) -> None:
    found = run("check", "marked_app:Settings", "--format", "json").json()
    assert found["problems"] == []
    assert [(each["code"], each["key"], each["line"]) for each in found["warnings"]] == [
        ("deprecated", "GONE", 2),
        ("renamed", "db.host", 4),
        ("unknown-key", "loose.more", 6),
    ]
    assert "Warnings: 3" in run("check", "marked_app:Settings").out
    assert run("check", "marked_app:Settings", "--format", "github").out.count("::warning") == 3


def test_the_reference_and_the_template_name_former_keys_and_what_is_deprecated(run: Run) -> None:
    app = Path("marked_app.py").read_text().replace("db: Db =", "db: Annotated[Db, Renamed('database', 'old')] =")
    Path("marked_app.py").write_text(app + "    dbs: tuple[Db, ...] = ()\n")
    rows = run("reference", "marked_app:Settings").out
    assert "| `GONE` | Deprecated: use WAIT. | `1` |" in rows
    assert "| `db.host` | Formerly `database.host`. Formerly `old.host`. Formerly `db.hostname`. | " in rows
    assert "| `dbs[].host` | Formerly `hostname`. | " in rows
    assert "| `URL` | Where it is. | `db.host`, `db.pool` |" in rows
    template = run("template", "marked_app:Settings").out
    assert "# int, deprecated: use WAIT\n#GONE = 1\n" in template
    assert "# str, formerly database.host, formerly old.host, formerly db.hostname\n#db.host = " in template


def test_show_and_explain(run: Run) -> None:
    shown = run("show", "marked_app:Settings").out
    assert 'db.host = "x"  # config.toml:4:12' in shown
    assert "db.pool = 9  # default" in shown
    assert '# URL = "db://x:9"  # derived from db.host, db.pool' in shown
    assert "# HEADER = ********" in shown
    assert "DEFAULT-TOKEN" not in shown
    assert run("show", "marked_app:Settings", "--json").json()["URL"] == {
        "value": "db://x:9",
        "layer": "derived",
        "file": None,
        "line": None,
        "column": None,
        "kind": "derived",
        "keys": ["db.host", "db.pool"],
    }
    assert "derived from db.host, db.pool" in run("explain", "marked_app:Settings", "URL").out


def test_the_schema_accepts_what_loading_does_and_refuses_what_it_does_not(run: Run) -> None:
    schema = json.loads(run("schema", "marked_app:Settings").out)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid({"WAIT": "5s", "db": {"hostname": "x"}, "loose": {"more": 1}})
    assert not validator.is_valid({"db": {"more": 1}})
    assert not validator.is_valid({"db": {"hostname": 5}})
    assert not validator.is_valid({"URL": "x"})
    assert schema["properties"]["GONE"]["deprecated"] is True
    assert schema["$defs"]["Db"]["properties"]["hostname"]["deprecated"] is True
