"""Access to a store: the options that say where it is, calls to it, and the report if they fail."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import anyio
import typer
from msgspec import Struct
from msgspec.structs import replace
from rich.text import Text

from .._extras import install_command
from ..errors import Problems, SettingsError
from . import NOT_THE_FILES, output
from .settings_class import Usage

if TYPE_CHECKING:
    import ssl

    from ..nats.bucket import Bucket
    from ..nats.connection import Servers

T = TypeVar("T")

DEFAULT_URL = "nats://127.0.0.1:4222"
DEFAULT_BUCKET = "settings"


def _option(name: str, metavar: str, about: str, variable: str | None = None) -> Any:
    return typer.Option(f"--{name}", metavar=metavar, help=about, envvar=variable, rich_help_panel="Store")


class BucketAddress(Struct, frozen=True):
    """Which bucket, on which servers."""

    servers: Servers
    name: str

    def label(self, key: str) -> str:
        """How messages name a key."""
        return f"{self.name}/{key}"


class StoreOptions(Struct, frozen=True):
    """Where the store is, and how to log in."""

    url: Annotated[str, _option("url", "URL", "The servers, separated by commas.", "NATS_URL")] = DEFAULT_URL
    bucket: Annotated[str, _option("bucket", "NAME", "The bucket that holds the documents.")] = DEFAULT_BUCKET
    creds: Annotated[str | None, _option("creds", "FILE", "A user's credentials: a token and a key.", "NATS_CREDS")] = (
        None
    )
    nkey: Annotated[str | None, _option("nkey", "FILE", "A user's key.", "NATS_NKEY")] = None
    user: Annotated[str | None, _option("user", "NAME", "A user's name.", "NATS_USER")] = None
    password_file: Annotated[str | None, _option("password-file", "FILE", "A file with that user's password.")] = None
    tlsca: Annotated[str | None, _option("tlsca", "FILE", "Certificates to trust.", "NATS_CA")] = None
    tlscert: Annotated[str | None, _option("tlscert", "FILE", "The certificate to present.", "NATS_CERT")] = None
    tlskey: Annotated[str | None, _option("tlskey", "FILE", "The key of that certificate.", "NATS_KEY")] = None

    def address(self) -> BucketAddress:
        """Return what they describe. A wrong option, and a missing nats-py, end the command with 2."""
        _need("nats", f"this command needs nats-py; install it with: {install_command('nats')}")
        from ..nats.connection import servers

        options: dict[str, Any] = {"name": "hotsettings command"}
        if self.creds or self.nkey:
            _need("nkeys", "--creds and --nkey need nkeys; install it with: pip install nkeys")
        if self.creds:
            options["user_credentials"] = _file("--creds", self.creds)
        elif self.nkey:
            options["nkeys_seed"] = _file("--nkey", self.nkey)
        if self.user is not None:
            options |= {"user": self.user, "password": _password(self.password_file)}
        if self.tlsca or self.tlscert or self.tlskey:
            options["tls"] = _tls(self.tlsca, self.tlscert, self.tlskey)
        urls = [part.strip() for part in self.url.split(",") if part.strip()]
        # A later part with an @ and without a scheme may be the rest of a password that contains a comma.
        if not any("@" in one and "://" not in one for one in urls[1:]):
            try:
                where = servers([one if "://" in one else f"nats://{one}" for one in urls], options)
                return BucketAddress(where, self.bucket)
            except ValueError as error:
                if "@" not in self.url:
                    raise Usage(f"--url: {error}") from None
        # The message quotes nothing of the URL: a part of a password could be taken for something else.
        what = "--url is no URL of a NATS server; begin each with nats://"
        raise Usage(f"{what}, and write / @ : , in a user or password as %2F %40 %3A %2C")


def _need(module: str, otherwise: str) -> None:
    if importlib.util.find_spec(module) is None:
        sys.stderr.write(f"hotsettings: {otherwise}\n")
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
    raise ValueError("the key is protected by a password; use a key without one")


def ask_bucket(address: BucketAddress, question: Callable[[Bucket], Awaitable[T]], *, json: bool = False) -> T:
    """Ask a bucket something, over a connection of its own. If that fails, end as ``ask`` does."""
    from ..nats.bucket import reached

    async def asking() -> T:
        async with reached(address.servers, address.name) as bucket:
            return await question(bucket)

    return ask(asking, json=json)


def ask(work: Callable[[], Coroutine[Any, Any, T]], *, json: bool = False) -> T:
    """Do something with the store. If that fails, print a line that says why, and exit as ``fail`` does."""
    try:
        with _quiet("nats", "asyncio"):
            return anyio.run(work)
    except SettingsError as error:
        fail(error, json=json)


@contextmanager
def _quiet(*names: str) -> Generator[None, None, None]:
    """Keep what is logged of broken connections off the terminal: the error says what matters of it."""
    levels = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def fail(error: SettingsError, *, json: bool = False) -> NoReturn:
    """Print what the store, or the way to it, does not allow. Exits with 1, or with 3 if the store is away."""
    unreachable = error.problems[0].code == "store-unreachable"
    problems = error.problems
    if unreachable:
        hint = "check that it runs, and name it with --url"
        problems = tuple(replace(each, hint=each.hint or hint) for each in problems)
    if json:
        output.problems_json(Problems(problems, error.total))
    else:
        title = "" if unreachable else f"{error.title}: "
        console = output.console(stderr=True)
        for problem in problems:
            output.hanging(console, "", Text(output.plain(f"{title}{problem}"), style="red"), 2)
    away = unreachable or error.problems[0].code == "publish-unknown"
    raise typer.Exit(NOT_THE_FILES if away else 1)
