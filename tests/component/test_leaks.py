"""Secrets appear nowhere: canaries are planted wherever a secret can stand, everything is broken, and all that is told is searched."""

import base64
import enum
import io
import json
import os
import pickle
import sys
import types
import urllib.parse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, Optional, TypeVar

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import strategies as st
from msgspec import Meta, Struct, field
from rich.console import Console
from rich.pretty import pretty_repr
from support.examples import examples
from support.layer_files import load, write
from support.told import chain, everything_told, library_frames, reachable, rich_traceback

import hotsettings
from hotsettings import BaseSettings, Secret, SettingsError
from hotsettings._layers.default_layers import file_layers
from hotsettings._loading.load import load as load_layers
from hotsettings._schema.frozen import freeze
from hotsettings._schema.key_patterns import select
from hotsettings._schema.marks import SECRET
from hotsettings._schema.schema import schema_of

T = TypeVar("T")

CANARY = "Zq7Quagga9Xylem4"
"""In what is secret. No eight characters of it may be told."""

PIN = 918273645546372819
PARTS = {
    *(CANARY[start : start + 8].casefold() for start in range(len(CANARY) - 7)),
    *(str(PIN), f"{PIN:_}", f"{PIN:,}", base64.b64encode(CANARY.encode()).decode()[:12].casefold()),
}


def assert_clean(*texts: str) -> None:
    for text in texts:
        folded = text.casefold()
        assert not [part for part in PARTS if part in folded], text


class Colour(enum.Enum):
    RED = "red"


class Account(Struct, frozen=True, forbid_unknown_fields=True):
    user: str
    password: Secret[Annotated[str, Meta(min_length=3)]]
    port: int = 1
    nested: Optional["Account"] = None


class Pool(Struct, frozen=True):
    size: int = 1
    label: str = ""


class Box(Struct, Generic[T], frozen=True, forbid_unknown_fields=True):
    content: T


class Login(Struct, frozen=True, tag="login", forbid_unknown_fields=True):
    password: Secret[str]
    port: int = 1


class Token(Struct, frozen=True, tag="token", forbid_unknown_fields=True):
    token: Secret[str]


class Fixed(Struct, frozen=True, array_like=True):
    host: str
    password: Secret[str]


class Settings(BaseSettings):
    NAME: str = "app"
    PORT: int = 1
    MODE: Literal["a", "b"] = "a"
    OPEN: Mapping[str, int] = {}
    ANY: Any = None
    TOKEN: Secret[Annotated[str, Meta(min_length=20, pattern="^[a-z]*$")]] = "a" * 20
    PIN: Secret[Annotated[int, Meta(le=5)]] = 0
    KIND: Secret[Literal["a", "b"]] = "a"
    NUMBERED: Secret[Literal[1, 2]] | bool = 1
    COLOUR: Secret[Colour] = Colour.RED
    HOSTS: Secret[tuple[int, ...]] = ()
    PAIR: Secret[tuple[int, str]] = (1, "a")
    LOGINS: Mapping[str, Secret[Annotated[str, Meta(max_length=3)]]] = {}
    BY_TOKEN: Mapping[Secret[Annotated[str, Meta(max_length=3)]], int] = {}
    BY_PIN: Secret[Mapping[int, int]] = {}  # noqa: RUF012
    ACCOUNTS: tuple[Account, ...] = ()
    NAMED: Mapping[str, Account] = {}
    VAULT: Secret[Pool] = Pool()
    VAULTS: Secret[Mapping[str, Pool]] = {}  # noqa: RUF012
    KEY: Secret[bytes] = b""
    UNION: Login | Token | None = None
    FIXED: Fixed | None = None
    BOX: Box[Secret[int]] | None = None
    db: Account | None = None
    pool: Pool = Pool()


class Call:
    """A call whose arguments no frame shows."""

    def __init__(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._call = (function, args, kwargs)

    def __call__(self) -> BaseException:
        try:
            self._call[0](*self._call[1], **self._call[2])
        except Exception as error:
            return error
        raise AssertionError("it should have failed")


def fails(folder: Path, cls: Any = Settings, **texts: Any) -> SettingsError:
    write(folder, **{"secrets": "", "override": "", **texts})
    error = Call(
        cls, folder / "config.toml", override_path=folder / "override.toml", secrets_path=folder / "secrets.toml"
    )()
    assert isinstance(error, SettingsError)
    assert not list(chain(error))[1:]
    assert len(list(library_frames(error))) == 2
    assert_clean(*everything_told(error))
    assert_clean(*(str(found) for found in reachable(error, set())))
    return error


class Open(BaseSettings):
    """Says what it should not: nothing in it is declared Secret."""

    TOKEN: int = 1


def test_this_would_find_a_canary(tmp_path: Path) -> None:
    write(tmp_path, f"TOKEN = '{CANARY}'")
    error = Call(Open, tmp_path / "config.toml", secrets_path=None)()
    for text in (str(error), rich_traceback(error), pickle.dumps(error).decode("latin-1")):
        with pytest.raises(AssertionError):
            assert_clean(text)
    assert any(CANARY in text for text in everything_told(error))
    assert any(CANARY in str(text) for text in reachable(error, set()))
    error = Call(select, [CANARY], ["other"])()  # here a frame of the library holds it
    assert_clean(str(error))
    for texts in (everything_told(error), [rich_traceback(error)]):
        with pytest.raises(AssertionError):
            assert_clean(*texts)


# Each holds the canary where a secret stands, and something is wrong with that value.
WRONG_SECRETS = [
    f"TOKEN = '{CANARY}'",
    f"TOKEN = ['{CANARY}']",
    f"TOKEN = {{ {CANARY} = '{CANARY}' }}",
    f"TOKEN.{CANARY}.{CANARY} = '{CANARY}'",
    f"[TOKEN]\n{CANARY} = '{CANARY}'",
    f"[[TOKEN]]\n{CANARY} = '{CANARY}'",
    f"TOKEN = {PIN}",
    f"PIN = {PIN}",
    f"PIN = '{CANARY}'",
    f"PIN = '{PIN}'",
    f"KIND = '{CANARY}'",
    f"NUMBERED = {PIN}",
    f"NUMBERED = '{CANARY}'",
    f"COLOUR = '{CANARY}'",
    f"HOSTS = [1, '{CANARY}', {PIN}]",
    f"HOSTS = [1,\n  [{PIN}],\n  '{CANARY}']",
    f"PAIR = ['{CANARY}', {PIN}]",
    f"PAIR = ['{PIN}']",
    f"LOGINS = {{ someone = '{CANARY}' }}",
    f"LOGINS.someone = {PIN}",
    f"[LOGINS]\n'x y' = '''\n{CANARY}'''",
    f"BY_TOKEN.{CANARY} = 1",
    f"BY_TOKEN.a = '{CANARY}'",
    f"BY_PIN = {{ {CANARY} = 1 }}",
    f"BY_PIN.{PIN} = '{CANARY}'",
    f"ACCOUNTS = [{{ user = '{CANARY}', password = 5, port = '{CANARY}' }}]",
    f"[[ACCOUNTS]]\nuser = 'x'\npassword = '{CANARY}'\nunknown = '{CANARY}'",
    f"[[ACCOUNTS]]\npassword = '{CANARY}'",
    f"NAMED.main = {{ password = ['{CANARY}'], user = 'x' }}",
    f"NAMED.main.unknown = '{CANARY}'",
    f"NAMED.main = '{CANARY}'",
    f"VAULT.size = '{CANARY}'",
    f"VAULT = '{CANARY}'",
    f"VAULTS.{CANARY}.size = '{CANARY}'",
    f"VAULTS.{CANARY} = {PIN}",
    f"KEY = '{CANARY}!'",
    f"KEY = {PIN}",
    f"UNION = {{ type = '{CANARY}', password = '{CANARY}' }}",
    f"UNION = {{ type = {PIN}, password = '{CANARY}' }}",
    f"UNION = {{ type = ['{CANARY}'], password = '{CANARY}' }}",
    f"UNION = {{ type = 'login', password = ['{CANARY}'], unknown = '{CANARY}' }}",
    f"UNION = {{ password = '{CANARY}' }}",
    f"UNION = '{CANARY}'",
    f"FIXED = ['h', ['{CANARY}']]",
    f"FIXED = ['{CANARY}']",
    f"FIXED = {{ password = '{CANARY}' }}",
    f"BOX.content = '{CANARY}'",
    f"BOX = {{ content = 1, unknown = '{CANARY}' }}",
    f"db = {{ user = 5, password = ['{CANARY}'] }}",
    f"db.password = '{CANARY}'",
    f"db = '{CANARY}'",
    f"db = ['{CANARY}']",
    f"db = [{{ password = '{CANARY}' }}]",
    f"[[db]]\npassword = '{CANARY}'",
    f"[db]\nuser = 'u'\npassword = ['{CANARY}']",
    f"[db.nested]\npassword = '{CANARY}'\nuser = 5",
    f"db.nested.nested.password = ['{CANARY}']",
    f"db = {{ user = 'u', password = 'p', nested = '{CANARY}' }}",
    f"db = {{ user = 'u', password = 'p', nested = {{ unknown = '{CANARY}' }} }}",
]

# The canary is a fine secret here, but something beside it, most often in the same line, is wrong.
WRONG_BESIDE_A_SECRET = [
    f"db = {{ user = 'u', password = '{CANARY}', port = 'x' }}",
    f"db = {{ password = '{CANARY}', user = 5 }}",
    f"db = {{ user = 'u', password = '{CANARY}', prot = 5 }}",
    f"db = {{ password = '{CANARY}' }}",
    f"db = {{ user = 'u', port = 'x',\n  password = '{CANARY}' }}",
    f"db = {{ user = 'u',\n  password = '{CANARY}', port = 'x' }}",
    f"db = {{ user = 'u', password = '''\n{CANARY}''', port = 'x' }}",
    f"pool = {{ size = 'x' }}\nKEY = '{CANARY}'",
    f"PORT = 'x'\nKEY = '{CANARY}'",
    f"VAULTS = {{ a.label = '{CANARY}',\n b.label = '{CANARY}' }}\nPORT = 'x'",
    # A dotted secret table whose second half stands in the line of a mistake (inline tables may have newlines in TOML 1.1).
    f"pool = {{ size = 'x', TOKEN.a = '{CANARY}',\n TOKEN.b = '{CANARY}', label = 5 }}",
    f"pool = {{ unknown.a = '{CANARY}',\n unknown.b = '{CANARY}', label = 5 }}",
    # The secret was written in a table below, or with a spelling that nobody knows.
    f"PORT = 'x'\n[pool]\nTOKEN = '{CANARY}'",
    f"pool = {{ TOKEN = '{CANARY}', size = 'x' }}",
    f"[OPEN]\nTOKEN = '{CANARY}'",
    f"OPEN = {{ TOKEN = '{CANARY}' }}",
    f"OPEN = {{ a = 'x', password = '{CANARY}' }}",
    f"TOKNE = '{CANARY}'",
    f"TOKNE = '{CANARY}'\nPORT = 'x'",
    f"pool = {{ passwrod = '{CANARY}', size = 'x' }}\ndb = {{ user = 5, passwrod = '{CANARY}' }}",
    f"db = {{ user = 5, passwrod = '{CANARY}', password = 'p' }}",
    f"pool = {{ size = 'x', passwrod = '{CANARY}' }}",
    f"OPEN = {{ passwrod = '{CANARY}' }}",
    f"[OPEN]\nTOKNE = '{CANARY}'",
    # A value that is shown, and that happens to be the secret.
    f"KEY = '{CANARY}'\nPORT = '{CANARY}'",
    f"KEY = '{CANARY}'\nMODE = '{CANARY}'",
    f"KEY = '{CANARY}'\nPORT = 'https://u:{CANARY}@host'",
    f"KEY = '{CANARY}'\nPORT = '''\n{CANARY}'''",
    f"KEY = '{CANARY}'\nPORT = 'x' # {CANARY}",
]

PADDING = "K" * 300


@pytest.mark.parametrize("text", WRONG_SECRETS, ids=range(len(WRONG_SECRETS)))
def test_a_wrong_secret_is_not_told(tmp_path: Path, text: str) -> None:
    for texts in ({"config": text}, {"config": "", "override": text}, {"config": "", "secrets": text}):
        error = fails(tmp_path, **texts)
    assert_clean(rich_traceback(error))
    fails(tmp_path, config=f"{text}\r\n".replace("\n", "\r\n").replace("\r\r", "\r"))


def test_names_are_no_secrets_and_a_secret_hides_itself_only(tmp_path: Path) -> None:
    text = f"[NAMED.main]\nuser = 5\npassword = ['{CANARY}']\nprot = 1\n[LOGINS]\nsomeone = '{CANARY}'\n"
    error = fails(tmp_path, config=text)
    assert [str(problem).rpartition("config.toml:")[2] for problem in error.problems] == [
        "2:8  NAMED.main.user: expected str, got int; put it in quotes",
        "3:12  NAMED.main.password: expected str, got array (value hidden)",
        "4:1  NAMED.main.prot: unknown key; did you mean NAMED.main.port?",
        "6:11  LOGINS.someone: expected str of length <= 3 (value hidden)",
    ]
    assert [len(problem.excerpt) for problem in error.problems] == [2, 0, 0, 0]


@pytest.mark.parametrize("text", WRONG_BESIDE_A_SECRET, ids=range(len(WRONG_BESIDE_A_SECRET)))
def test_a_secret_beside_a_mistake_is_not_told(tmp_path: Path, text: str) -> None:
    for texts in ({"config": text}, {"config": "", "override": text}, {"config": "", "secrets": text}):
        fails(tmp_path, **texts)


@pytest.mark.parametrize(
    "text",
    [
        f"PORT = '{CANARY}'",
        f"PORT = ['{CANARY}']",
        f"MODE = '{CANARY}'",
        f"NAME = [['{CANARY}'], {PIN}]",
        f"NAME = {PIN}",
        f"OPEN.a = '{CANARY}'",
        f"OPEN.a = {PIN}.5",
        f"pool = '{CANARY}'",
        f"pool.size = '{CANARY}'",
        f"UNKNOWN = '{CANARY}'",
        f"[UNKNOWN.more]\na = '{CANARY}'",
        f"PORT = 'x' # {CANARY}",
        f"# {CANARY}\nPORT = 'x'",
    ],
)
def test_nothing_that_the_secrets_file_says_is_told(tmp_path: Path, text: str) -> None:
    fails(tmp_path, config="", secrets=text)
    fails(tmp_path, config="PORT = 5\n[OPEN]\na = 1", secrets=text, override="PORT = 'x'\nOPEN = { b = 'x' }")


SECRETS_FILE = f"""\
# {CANARY}
TOKEN = "{CANARY}"
LOGINS = {{ someone = '{CANARY}' }} # {CANARY}
HOSTS = ["{CANARY}", '{CANARY}', 1]
unknown = {PIN}
KEY = '''
{CANARY}'''
[db]
user = \"\"\"{CANARY}\\
  {CANARY}\\u0041\"\"\"
password.{CANARY} = 2024-01-01T00:00:00Z
[[unknowns]]
a = '{CANARY}'
"""


def test_every_prefix_of_a_secrets_file(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets.toml"
    (tmp_path / "config.toml").touch()
    call = Call(Settings, tmp_path / "config.toml", secrets_path=secrets)
    for end in range(1, len(SECRETS_FILE) + 1):
        for rest in ("", "\x00"):
            secrets.write_text(SECRETS_FILE[:end] + rest)
            if end < len("# " + CANARY + "\n") + 1 and not rest:
                continue  # nothing but a comment: that is fine
            error = call()
            assert isinstance(error, SettingsError)
            assert_clean(str(error), repr(error), pickle.dumps(error).decode("latin-1"))
            assert_clean(*(str(found) for found in reachable(error, set())))


def test_every_prefix_of_a_config_file_with_a_secret(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    text = (
        f'PORT = 5\n"TOK\\u0045N" = "{CANARY}" # {CANARY}\nTOKEN = ["""{CANARY}\n{CANARY}""", \'{CANARY}\']\nPORT = 6'
    )
    call = Call(Settings, config, secrets_path=None)
    for end in range(text.index("\n") + 2, len(text) + 1):
        config.write_text(text[:end])
        error = call()
        assert isinstance(error, SettingsError), text[:end]
        assert_clean(str(error), repr(error), pickle.dumps(error).decode("latin-1"))


BROKEN = [
    f'TOKEN = "{CANARY}',
    f'TOKEN = """\n{CANARY}\n',
    f"TOKEN = '''{CANARY}\nPORT = 5\n",
    f"TOKEN = {CANARY}",
    f"TOKEN = '{CANARY}' '{CANARY}'",
    f"TOKEN = '{CANARY}'\nTOKEN = '{CANARY}'",
    f"TOKEN = '{CANARY}'\n[TOKEN]",
    f'TOKEN = "\\q{CANARY}"',
    f'TOKEN = "{CANARY}\\u12"',
    f'TOKEN = "{CANARY}\\uD800"',
    f"TOKEN = [ '{CANARY}'",
    f"TOKEN = {{ {CANARY} = 1, {CANARY} = 2 }}",
    f"TOKEN = '{CANARY}\x00'",
    f"TOKEN = '{CANARY}\x1b[31m'",
    f"TOKEN = '{CANARY}",
    f"TOKNE = '{CANARY}",
    f'TOKNE = """\n{CANARY}\n\n',
    f"db.pasword = {CANARY}",
    f"token = {CANARY}",
    f"TOKNE: '{CANARY}'",
    f"TOKEN: '{CANARY}'",
    f"TOKEN '{CANARY}'",
    f'"TOK\\u0045N" = "{CANARY}',
    f'"\\x54OKEN" = "{CANARY}',
    f"db = {{ password = '{CANARY}', }}, '{CANARY}'",
    f"[db]\npassword = {CANARY}-{CANARY}",
    f"[db]\npassword = '{CANARY}'\n[db]\n",
    f"TOKEN = {'[' * 40}'{CANARY}'{']' * 40}",
    f"TOKEN = {PIN}{PIN}",
    f"[TOKEN]\n{'.'.join([CANARY] * 40)} = 1",
    f"PIN = {PIN}{'0' * 5000}",
]


@pytest.mark.parametrize("text", BROKEN, ids=range(len(BROKEN)))
def test_a_secret_in_a_file_that_is_no_toml(tmp_path: Path, text: str) -> None:
    for texts in ({"config": text}, {"config": "", "override": text}, {"config": "", "secrets": text}):
        fails(tmp_path, **texts)
    fails(tmp_path, config=text + "\r\n")
    fails(tmp_path, config=f"{text}\n# {PADDING}")


def test_files_that_are_no_text(tmp_path: Path) -> None:
    fails(tmp_path, config=f"TOKEN = '{CANARY}".encode() + b"\xff'")
    fails(tmp_path, config=f"TOKEN = '{CANARY}'".encode("utf-16"))
    for data in (
        f"TOKEN = '{CANARY}".encode() + b"\xff'",
        CANARY.encode() * 100_000,
        f"TOKEN='{CANARY}'".encode("utf-16"),
    ):
        fails(tmp_path, config="", secrets=data)


@examples(80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_damage_to_a_secrets_file(tmp_path: Path, data: st.DataObject) -> None:
    damaged = SECRETS_FILE
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(damaged)))
        piece = data.draw(
            st.sampled_from(["", "\n", "'", '"', "[", "]", "=", ".", "\\", "#", "\x00", "'''", "{", "}", ","])
        )
        damaged = damaged[:at] + piece + damaged[at + data.draw(st.integers(0, 3)) :]
    (tmp_path / "secrets.toml").write_text(damaged)
    (tmp_path / "config.toml").touch()
    error = Call(Settings, tmp_path / "config.toml", secrets_path=tmp_path / "secrets.toml")()
    assert isinstance(error, SettingsError)
    assume(
        not any(CANARY[:3] in problem.key for problem in error.problems)
    )  # then it is a key of its own, and keys are told
    assert_clean(str(error), repr(error), pickle.dumps(error).decode("latin-1"))


FORMS: list[Callable[[str], str]] = [
    str, repr, ascii, json.dumps, urllib.parse.quote, urllib.parse.quote_plus, str.upper, str.lower, str.strip,
    lambda secret: repr({"token": secret}),
    lambda secret: repr(secret.encode()),
    lambda secret: f"postgres://user:{secret}@host/db",
    lambda secret: f"postgres://user:{urllib.parse.quote(secret, safe='')}@host/db",
    lambda secret: secret[:9] + "...",
    lambda secret: "..." + secret[-9:],
    lambda secret: f"{secret[:8]}…{secret[-8:]}",
    lambda secret: "\n".join(secret.split()),
]  # fmt: skip


class Ruled(BaseSettings):
    TOKEN: Secret[str] = CANARY
    HOSTS: Secret[tuple[str, ...]] = ()
    LOGINS: Mapping[str, Secret[str]] = freeze({})
    KEY: Secret[bytes] = b""
    URL: Secret[str] = ""
    PIN: Secret[int] = 0
    NAME: str = "app"
    db: Account = Account("u", "ppp")
    form: int = 0

    def __post_init__(self) -> None:
        form = FORMS[self.form]
        bare = urllib.parse.urlsplit(self.URL).password or ""
        told = [
            self.TOKEN,
            *self.HOSTS,
            *self.LOGINS,
            *self.LOGINS.values(),
            self.NAME,
            self.db.password,
            bare,
            self.URL,
        ]
        words = " | ".join(map(form, filter(None, told)))
        raised = ValueError(f"no: {words} {self.KEY!r} {self.KEY.decode(errors='replace')} {self.PIN}")
        raised.add_note(words)
        raise raised from KeyError(words)


AWKWARD = f"{CANARY} 'ä\" \\/\n{CANARY}"


@pytest.mark.parametrize("form", range(len(FORMS)))
@pytest.mark.parametrize("secret", [CANARY, AWKWARD])
def test_a_rule_that_quotes_secrets(tmp_path: Path, form: int, secret: str) -> None:
    written = json.dumps(secret)
    key = base64.b64encode(secret.encode()).decode()
    rest = f"form = {form}\nHOSTS = [{written}]\nLOGINS = {{ {written} = {written} }}\nKEY = '{key}'\nPIN = {PIN}\n"
    rest += (
        f"URL = 'https://me:{urllib.parse.quote(secret, safe='')}@host/'\ndb = {{ user = 'u', password = {written} }}"
    )
    for texts in (
        {"config": rest},
        {"config": "", "override": rest},
        {"config": "", "secrets": f"{rest}\nNAME = {written}"},
    ):
        error = fails(tmp_path, Ruled, **texts)
        assert "no: " in str(error)
    # The default of the class is a secret too.
    fails(tmp_path, Ruled, config=f"form = {form}")


class Inner(Struct, frozen=True):
    token: Secret[str] = ""
    label: str = ""

    def __post_init__(self) -> None:
        if self.token:
            raise RuntimeError(f"not {self.token} of {self!r}")


class Picky(enum.Enum):
    A = "a"

    @classmethod
    def _missing_(cls, value: object) -> Any:
        raise LookupError(f"never {value}")


class Nested(BaseSettings):
    inner: Inner = Inner()
    inners: tuple[Inner, ...] = ()
    named: Mapping[str, Inner] = {}
    picky: Secret[Picky] = Picky.A


@pytest.mark.parametrize(
    "text",
    [
        f"inner.token = '{CANARY}'",
        f"inners = [{{ token = '{CANARY}' }}]",
        f"[named.main]\ntoken = '{CANARY}'",
        f"picky = '{CANARY}'",
    ],
)
def test_rules_of_nested_tables_that_quote_secrets(tmp_path: Path, text: str) -> None:
    for texts in ({"config": text}, {"config": "", "secrets": text}):
        fails(tmp_path, Nested, **texts)


def test_values_given_in_code(tmp_path: Path) -> None:
    made = Settings.from_values(TOKEN="a" * 20)
    for call in (
        Call(Settings.from_values, TOKEN=CANARY, PORT="x"),
        Call(Settings.from_values, PIN=PIN, HOSTS=[CANARY, object()]),
        Call(Settings.from_values, LOGINS={"someone": CANARY}),
        Call(Settings.from_values, NAMED={"main": {"unknown": CANARY}}),
        Call(Settings.from_values, KEY=CANARY.encode(), TOKEN=CANARY.encode()),
        Call(Settings.from_values, db=Account(CANARY, "p")),
        Call(made.replace, TOKEN=CANARY),
        Call(made.replace, VAULT={"size": CANARY}),
        Call(Ruled.from_values, TOKEN=CANARY),
    ):
        error = call()
        assert isinstance(error, SettingsError)
        assert_clean(rich_traceback(error), *everything_told(error))
        assert_clean(*(str(found) for found in reachable(error, set())))


def test_values_given_as_arguments_by_mistake() -> None:
    error = Call(Settings, TOKEN=CANARY)()
    assert isinstance(error, TypeError)
    assert_clean(*everything_told(error))


def test_assigning_to_settings() -> None:
    made = Settings.from_values(LOGINS={CANARY[:3]: "abc"})
    for call in (Call(setattr, made, "TOKEN", CANARY), Call(made.LOGINS.update, {CANARY: CANARY})):  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
        error = call()
        assert_clean(*everything_told(error))


def test_defaults_that_do_not_fit() -> None:
    for annotation, default in (
        (Secret[int], CANARY),
        (Annotated[Literal["a"], SECRET], CANARY),
        (tuple[Secret[int], ...], (CANARY,)),
        (Mapping[str, Secret[int]], {CANARY: CANARY}),
        (Secret[int], field(default_factory=lambda: CANARY)),
    ):
        body = {"__annotations__": {"x": annotation}, "x": default}
        error = Call(
            types.new_class, "S", (BaseSettings,), exec_body=lambda namespace, body=body: namespace.update(body)
        )()
        assert isinstance(error, TypeError)
        assert_clean(str(error), repr(error), *map(str, chain(error)))


class Tolerant(Settings, forbid_unknown_fields=False):
    pass


def test_warnings(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load(Tolerant, tmp_path, f"NEW = '{CANARY}'", secrets=f"NEW = '{CANARY}'\nTOKNE = ['{CANARY}']")
    assert len(caplog.records) == 3
    assert_clean(caplog.text, *(repr(vars(record)) for record in caplog.records))


def test_settings_themselves(tmp_path: Path) -> None:
    text = (
        f"KEY = '{base64.b64encode(CANARY.encode()).decode()}'\nVAULT.label = '{CANARY}'\nLOGINS = {{ {CANARY} = 'a' }}\n"
        f"NAMED.a = {{ user = 'u', password = '{CANARY}', nested = {{ user = 'u', password = '{CANARY}' }} }}\n"
        f"UNION = {{ type = 'token', token = '{CANARY}' }}\nFIXED = ['h', '{CANARY}']\nBOX.content = {PIN}\n"
        f"ACCOUNTS = [{{ user = 'u', password = '{CANARY}' }}]\ndb = {{ user = 'u', password = '{CANARY}' }}"
    )
    loaded = load(Settings, tmp_path, secrets=text)
    assert CANARY in str(vars(type("Plain", (), {"a": loaded.VAULT.label})))
    for value in (loaded, [loaded], loaded.db, loaded.NAMED, loaded.ACCOUNTS, loaded.UNION, loaded.FIXED, (loaded,)):
        stream = io.StringIO()
        Console(file=stream, width=200).print(value)
        assert_clean(repr(value), str(value), f"{value!r:>5}", pretty_repr(value), stream.getvalue())


def test_a_process_that_dies_of_it(tmp_path: Path) -> None:
    """What the interpreter itself prints, and what pdb or a debugger would find last."""
    (tmp_path / "config.toml").write_text(f"TOKEN = ['{CANARY}']\nPORT = 'x'")
    before = Path.cwd()
    os.chdir(tmp_path)
    hook, sys.stderr = sys.stderr, io.StringIO()
    try:
        error = Call(Settings)()
        sys.excepthook(type(error), error, error.__traceback__)
        assert_clean(sys.stderr.getvalue())
        assert "TOKEN: expected str, got array (value hidden)" in sys.stderr.getvalue()
    finally:
        sys.stderr = hook
        os.chdir(before)


def test_what_was_read_shows_nothing_of_itself(tmp_path: Path) -> None:
    """Tracebacks with local variables, and rich, print documents and what was loaded from them."""
    canary = "canary-that-nobody-may-see-anywhere"
    paths = [tmp_path / "config.toml", tmp_path / "secrets.toml"]
    paths[0].write_text(f'TOKEN = "{canary}"\n', encoding="utf-8")
    paths[1].write_text(f'TOKEN = "{canary}"\n', encoding="utf-8")

    class Holder(hotsettings.BaseSettings):
        TOKEN: hotsettings.Secret[str]

    schema = schema_of(Holder)
    loaded = load_layers(schema, file_layers(paths[0], paths[1], None))
    for shown in (loaded, *loaded.documents):
        for text in (repr(shown), str(shown), pretty_repr(shown), f"{[shown]}"):
            assert canary not in text
            assert canary[:8] not in text
