"""What mappings, arrays and unions hold is shown, compared and checked leaf by leaf."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command import Run

APP = """
from collections.abc import Mapping
from msgspec import Struct
from hotsettings import BaseSettings, Secret

class Db(Struct, frozen=True, forbid_unknown_fields=True):
    host: str
    password: Secret[str] = ""

class S3(Struct, frozen=True, tag_field="kind", tag="s3", forbid_unknown_fields=True):
    bucket: str
    key: Secret[str] = ""

class Disk(Struct, frozen=True, tag_field="kind", tag="disk", forbid_unknown_fields=True):
    path: str

class S(BaseSettings):
    dbs: Mapping[str, Db] = {}
    upstreams: tuple[Db, ...] = ()
    storage: S3 | Disk = Disk("/tmp")
"""
CONFIG = """
[dbs.main]
host = "db-1"
[dbs.other]
host = "db-2"
[[upstreams]]
host = "up-1"
[[upstreams]]
host = "up-2"
[storage]
kind = "s3"
bucket = "b"
"""
SECRETS = """
dbs.main.password = "hunter2-canary"
storage.key = "hunter2-canary"
"""
CLASS = "leaves_app:S"


@pytest.fixture
def edit(folder: Path) -> Callable[[str, str, str], None]:
    def edit(old: str, new: str, name: str = "config.toml") -> None:
        Path(name).write_text(CONFIG.replace(old, new))

    (folder / "leaves_app.py").write_text(APP)
    (folder / "config.toml").write_text(CONFIG)
    (folder / "secrets.toml").write_text(SECRETS)
    (folder / "secrets.toml").chmod(0o600)
    return edit


@pytest.mark.usefixtures("edit")
def test_show_is_toml_leaf_by_leaf(run: Run) -> None:
    out = run("show", CLASS).out
    assert tomllib.loads(out) == {
        "dbs": {"main": {"host": "db-1"}, "other": {"host": "db-2"}},
        "upstreams": [{"host": "up-1"}, {"host": "up-2"}],
        "storage": {"kind": "s3", "bucket": "b"},
    }
    assert 'dbs.main.host = "db-1"  # config.toml:3:8\n# dbs.main.password = ********  # secrets.toml:2:21\n' in out
    assert "# upstreams[1].password = ********  # default\n" in out
    found = run("show", CLASS, "--json").json()
    assert found["upstreams[1].host"]["line"] == 9
    assert found["storage.key"] == {**found["storage.key"], "value": "********", "file": "secrets.toml"}


@pytest.mark.usefixtures("edit")
def test_check_asks_for_each_leaf_whether_it_is_secret(run: Run) -> None:
    assert "Warnings" not in run("check", CLASS).out
    Path("secrets.toml").write_text('dbs.main.host = "x"\n')
    Path("config.toml").write_text('[[upstreams]]\nhost = "x"\npassword = "hunter2-canary"\n')
    out = run("check", CLASS).out
    assert "upstreams[0].password: SECRET IN A FILE" in out
    assert "dbs.main.host: in the secrets file, but not declared Secret" in out
    assert "canary" not in out


def test_diff_shows_what_differs_inside(run: Run, edit: Callable[[str, str, str], None]) -> None:
    edit("db-1", "db-9", "other.toml")
    assert run("diff", CLASS, "--to-config", "other.toml").out == (
        'dbs.main.host\n  - "db-1"  # config.toml:3:8\n  + "db-9"  # other.toml:3:8\n'
    )
    edit('[[upstreams]]\nhost = "up-2"\n', "", "other.toml")
    assert run("diff", CLASS, "--to-config", "other.toml", "--json").json().keys() == {
        "upstreams[1].host",
        "upstreams[1].password",
    }
    Path("new.toml").write_text('dbs.main.password = "another-canary"\nstorage.key = "hunter2-canary"\n')
    assert run("diff", CLASS, "--to-secrets", "new.toml").out.splitlines()[0] == "dbs.main.password"


@pytest.mark.usefixtures("edit")
def test_explain_a_leaf_inside(run: Run) -> None:
    assert run("explain", CLASS, "upstreams[1].host").out == 'upstreams[1].host\n  → "up-2"  base  config.toml:9:8\n'
    assert "********  secrets" in run("explain", CLASS, "dbs.main.password").out
    assert "no key" in run("explain", CLASS, "upstreams.host").err


@pytest.mark.usefixtures("edit")
def test_the_template_says_what_can_be_set_inside(run: Run, folder: Path) -> None:
    (folder / "leaves_app.py").write_text(
        APP.replace(
            "    path: str", '    path: Annotated[str, Meta(min_length=2, description="Where")]\n    size: int = 5'
        )
        .replace("import Struct", "import Meta, Struct")
        .replace("from collections", "from typing import Annotated\nfrom collections")
    )
    lines = run("template", CLASS).out.splitlines()
    at = lines.index('# table { kind: "s3", bucket: str, key: str } or table { kind: "disk", path: str, size: int }')
    assert lines[at + 1 : at + 5] == [
        '# storage (kind = "s3").bucket: str, required',
        '# storage (kind = "s3").key: str, secret',
        '# storage (kind = "disk").path: str, length at least 2, required; Where',
        '# storage (kind = "disk").size: int, default 5',
    ]


@pytest.mark.usefixtures("edit")
def test_the_reference_has_a_row_for_each_leaf_inside(run: Run) -> None:
    out = run("reference", CLASS).out
    rows = {row.split("|")[1].strip(): row for row in out.splitlines() if row.startswith("| `")}
    assert list(rows) == [
        "`dbs`",
        "`dbs.<name>.host`",
        "`dbs.<name>.password`",
        "`upstreams`",
        "`upstreams[].host`",
        "`upstreams[].password`",
        "`storage`",
        '`storage (kind = "s3").bucket`',
        '`storage (kind = "s3").key`',
        '`storage (kind = "disk").path`',
    ]
    assert "| required | `str` |" in rows["`dbs.<name>.host`"]
    assert "| hidden | `str`, secret |" in rows["`dbs.<name>.password`"]
    assert "secret" not in rows["`dbs`"]
    assert '`{ kind = "disk", path = "/tmp" }`' in rows["`storage`"]


ROWS = """
from msgspec import Struct
from hotsettings import BaseSettings, Secret

class Token(Struct, frozen=True):
    value: Secret[str] = ""
    header: str = "Authorization"
    scope: str | None = None

class Rule(Struct, frozen=True):
    above: float | None = None
    below: float | None = None

class Disk(Struct, frozen=True, tag="disk"):
    path: str

class S3(Struct, frozen=True, tag="s3"):
    bucket: str

class S(BaseSettings):
    tokens: tuple[Token, ...] = ()
    rules: tuple[Rule, ...] = ()
    storage: S3 | Disk | None = None
    rule: Rule | None = None
"""


@pytest.fixture
def rows(folder: Path) -> None:
    (folder / "rows_app.py").write_text(ROWS)
    (folder / "config.toml").write_text("rules = [{}, { above = 1 }]\n")
    (folder / "secrets.toml").write_text('[[tokens]]\nvalue = "hunter2-canary"\n')


@pytest.mark.usefixtures("rows")
def test_show_writes_no_array_of_which_only_defaults_are_left(run: Run) -> None:
    out = run("show", "rows_app:S").out
    assert tomllib.loads(out) == {"rules": [{}, {"above": 1.0}]}
    assert "# tokens[0].value = ********  # secrets.toml:2:9\n" in out
    assert '# tokens[0].header = "Authorization"  # default\n' in out
    Path("secrets.toml").write_text('[[tokens]]\nvalue = "hunter2-canary"\nheader = "X-canary"\n')
    assert "tokens" not in tomllib.loads(run("show", "rows_app:S").out)
    Path("secrets.toml").write_text("")
    Path("config.toml").write_text(
        '[[tokens]]\nvalue = "hunter2-canary"\nheader = "X"\n[[tokens]]\nvalue = "x"\nheader = "Y"'
    )
    assert tomllib.loads(run("show", "rows_app:S").out)["tokens"] == [{"header": "X"}, {"header": "Y"}]


@pytest.mark.usefixtures("rows")
def test_diff_of_what_one_side_does_not_have(run: Run) -> None:
    Path("other.toml").write_text(
        'rules = [{}, { above = 1 }, { below = 2 }]\nstorage = { type = "disk", path = "/" }\n'
    )
    assert run("diff", "rows_app:S", "--to-config", "other.toml").out == (
        "rules[2].below\n  - not set\n  + 2.0  # other.toml:1:39\n"
        'storage.type\n  - not set\n  + "disk"  # other.toml:2:20\n'
        'storage.path\n  - not set\n  + "/"  # other.toml:2:35\n'
    )
    assert run("diff", "rows_app:S", "--config", "other.toml", "--to-config", "config.toml").out == (
        "rules[2].below\n  - 2.0  # other.toml:1:39\n  + not set\n"
        'storage.type\n  - "disk"  # other.toml:2:20\n  + not set\n'
        'storage.path\n  - "/"  # other.toml:2:35\n  + not set\n'
    )
    Path("third.toml").write_text('rules = []\nstorage = { type = "s3", bucket = "b" }\n')
    found = run("diff", "rows_app:S", "--config", "other.toml", "--to-config", "third.toml", "--json").json()
    assert list(found) == [
        *("rules[1].above", "rules[2].below", "storage.type", "storage.path", "storage.bucket"),
    ]


DERIVED = """
from hotsettings import BaseSettings, Secret, derived

class S(BaseSettings):
    HOST: str = "h"
    PASSWORD: Secret[str] = "p"

    @derived("HOST")
    def address(self) -> str:
        return f"{self.HOST}:80"

    @derived("HOST", "PASSWORD")
    def url(self) -> str:
        return f"{self.PASSWORD}@{self.HOST}"
"""


def test_diff_shows_derived_values(run: Run, folder: Path) -> None:
    (folder / "derived_app.py").write_text(DERIVED)
    (folder / "config.toml").write_text('HOST = "a"\n')
    (folder / "other.toml").write_text('HOST = "b"\n')
    (folder / "secrets.toml").write_text("")
    found = run("diff", "derived_app:S", "--to-config", "other.toml", "--json").json()
    assert {key: (each["old"]["value"], each["new"]["value"]) for key, each in found.items()} == {
        "HOST": ("a", "b"),
        "address": ("a:80", "b:80"),
        "url": ("********", "********"),
    }
