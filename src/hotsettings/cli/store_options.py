"""How the commands that speak with a store are told where it is, and what they say when it does not answer."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import anyio
import typer
from msgspec import Struct
from msgspec.structs import replace
from rich.text import Text

from ..errors import Problems, SettingsError
from . import output
from .target import Usage

if TYPE_CHECKING:
    import ssl

    from ..nats.connection import Servers

T = TypeVar("T")


def _option(name: str, metavar: str, about: str, variable: str | None = None) -> Any:
    said = f"{about}; or {variable}." if variable else f"{about}."
    return typer.Option(f"--{name}", metavar=metavar, help=said, envvar=variable, rich_help_panel="Store")


Url = Annotated[str, _option("url", "URL", "Its servers, separated by commas", "NATS_URL")]
BucketName = Annotated[str, _option("bucket", "NAME", "The bucket that holds the documents")]
Creds = Annotated[str | None, _option("creds", "FILE", "Credentials of a user: a token and a key", "NATS_CREDS")]
Nkey = Annotated[str | None, _option("nkey", "FILE", "The key of a user", "NATS_NKEY")]
User = Annotated[str | None, _option("user", "NAME", "The name of a user", "NATS_USER")]
PasswordFile = Annotated[str | None, _option("password-file", "FILE", "A file with the password of that user")]
TlsCa = Annotated[str | None, _option("tlsca", "FILE", "Certificates to trust", "NATS_CA")]
TlsCert = Annotated[str | None, _option("tlscert", "FILE", "The certificate to show", "NATS_CERT")]
TlsKey = Annotated[str | None, _option("tlskey", "FILE", "The key of that certificate", "NATS_KEY")]
DEFAULT_URL = "nats://127.0.0.1:4222"
DEFAULT_BUCKET = "settings"


class Store(Struct, frozen=True):
    """Which bucket on which servers."""

    where: Servers
    bucket: str

    def label(self, key: str) -> str:
        """A key as everything calls it."""
        return f"{self.bucket}/{key}"


def store(
    url: str,
    bucket: str,
    creds: str | None,
    nkey: str | None,
    user: str | None,
    password_file: str | None,
    tls: tuple[str | None, str | None, str | None],
) -> Store:
    """The store that the options describe; where one of them cannot be right, or nats-py is missing, the command ends."""
    if importlib.util.find_spec("nats") is None:
        sys.stderr.write("hotsettings: this command needs nats-py; install it with: pip install 'hotsettings[nats]'\n")
        raise typer.Exit(2)
    from ..nats.connection import servers

    options: dict[str, Any] = {"name": "hotsettings command"}
    if creds or nkey:
        _need_nkeys()
        options |= {"user_credentials": _file("--creds", creds)} if creds else {"nkeys_seed": _file("--nkey", nkey)}
    if user is not None:
        options |= {"user": user, "password": _password(password_file)}
    if any(tls):
        options["tls"] = _tls(*tls)
    urls = [part.strip() for part in url.split(",") if part.strip()]
    # A later one with credentials and without a scheme may as well be the rest of a password that has a comma.
    if not any("@" in one and "://" not in one for one in urls[1:]):
        try:
            return Store(servers([one if "://" in one else f"nats://{one}" for one in urls], options), bucket)
        except ValueError as error:
            if "@" not in url:
                raise Usage(f"--url: {error}") from None
    # Whatever is wrong with it, a part of a password could be taken for something else, and shown.
    raise Usage(
        "--url is no URL of a NATS server; begin each with nats://, and write / @ : , in a user or password as %2F %40 %3A %2C"
    )


def _need_nkeys() -> None:
    if importlib.util.find_spec("nkeys") is None:
        sys.stderr.write("hotsettings: --creds and --nkey need nkeys; install it with: pip install nkeys\n")
        raise typer.Exit(2)


def _file(option: str, path: str | None) -> str:
    if path is None or not os.path.isfile(path):
        raise Usage(f"{option}: no such file: {path}")
    return path


def _password(path: str | None) -> str:
    try:
        with open(_file("--password-file", path or ""), encoding="utf-8") as file:
            return file.read().removesuffix("\n")
    except (OSError, UnicodeDecodeError):
        raise Usage(f"--password-file: {path} cannot be read") from None


def _tls(ca: str | None, certificate: str | None, key: str | None) -> ssl.SSLContext:
    if bool(certificate) != bool(key):
        raise Usage("--tlscert and --tlskey belong together")
    import ssl

    try:
        context = ssl.create_default_context(cafile=ca)
        if certificate:
            context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        raise Usage(f"--tlsca, --tlscert, --tlskey: {getattr(error, 'strerror', None) or error}") from None
    return context


def _no_password() -> str:
    raise ValueError("the key wants a password, which nobody could give to a program")


def ask(work: Callable[[], Coroutine[Any, Any, T]], *, json: bool = False) -> T:
    """Do something with the store. Ends the command with 1 where that fails, with one line that says why."""
    try:
        with _quiet("nats", "asyncio"):
            return anyio.run(work)
    except SettingsError as error:
        fail(error, json=json)


@contextmanager
def _quiet(*names: str) -> Generator[None, None, None]:
    """Keep from the terminal what is logged of broken connections: what matters of it is in the error."""
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def fail(error: SettingsError, *, json: bool = False) -> NoReturn:
    """Report what the store, or the way to it, keeps a command from."""
    problems = [
        replace(each, hint=each.hint or "see that it runs, and name it with --url")
        if each.code == "store-unreachable"
        else each
        for each in error.problems
    ]
    if json:
        output.problems_json(Problems(tuple(problems), error.total))
    else:
        title = f"{error.title}: " if problems[0].code != "store-unreachable" else ""
        console = output.console(stderr=True)
        for problem in problems:
            output.hanging(console, "", Text(output.plain(f"{title}{problem}"), style="red"), 2)
    raise typer.Exit(1)
