"""The commands that speak with a store: `publish`, `history`, `rollback` and `fleet`."""

from __future__ import annotations

from typing import Annotated

import typer

from .commands import history
from .commands import publish as publishing
from .commands.publish import Layers, Manner
from .help import Command
from .options import Json, Target, find
from .store_access import (
    DEFAULT_BUCKET,
    DEFAULT_URL,
    BucketName,
    Creds,
    Nkey,
    PasswordFile,
    TlsCa,
    TlsCert,
    TlsKey,
    Url,
    User,
    store,
)

With = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="FILE",
        help="A file that the processes lay over it, such as their secrets; repeatable. Nothing in it is shown.",
        rich_help_panel="Files",
    ),
]
Over = Annotated[
    list[str] | None,
    typer.Option(
        "--over",
        metavar="FILE",
        help="A file that it is laid over by the processes; repeatable.",
        rich_help_panel="Files",
    ),
]
Key = Annotated[
    str, typer.Argument(metavar="KEY", help="A key of the bucket, such as config.toml.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. In a pipe nothing is asked.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Validate and show, but write nothing.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until every instance that has the key has applied it.")]
Timeout = Annotated[float, typer.Option("--timeout", metavar="SECONDS", min=0, help="How long to wait at most. [60]")]


def _publish(
    target: Target,
    file: Annotated[str, typer.Argument(metavar="FILE", help="The TOML file to publish.", show_default=False)],
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="The key to write; without it, the file's name.")
    ] = None,
    above: With = None,
    below: Over = None,
    expect: Annotated[
        int | None,
        typer.Option("--expect", metavar="REVISION", min=0, help="Only on top of this revision; 0 for a new key."),
    ] = None,
    force_secrets: Annotated[
        bool, typer.Option("--force-secrets", help="Publish keys that are declared Secret, too.")
    ] = False,
    create_bucket: Annotated[bool, typer.Option("--create-bucket", help="Make the bucket if there is none.")] = False,
    replicas: Annotated[
        int, typer.Option("--replicas", metavar="NUMBER", min=1, max=5, help="On how many servers to make it. [1]")
    ] = 1,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: Wait = False,
    timeout: Timeout = 60,
    url: Url = DEFAULT_URL,
    bucket: BucketName = DEFAULT_BUCKET,
    creds: Creds = None,
    nkey: Nkey = None,
    user: User = None,
    password_file: PasswordFile = None,
    tlsca: TlsCa = None,
    tlscert: TlsCert = None,
    tlskey: TlsKey = None,
) -> None:
    """Validate a file, show what would change, and publish it to all processes.

    It is written only on top of the revision that it was compared with: of two who publish at the same time, one is told
    of the other. Required keys that the file leaves to other layers are no problem, unless --with or --over names those.
    """
    where = store(url, bucket, creds, nkey, user, password_file, (tlsca, tlscert, tlskey))
    manner = Manner(yes, dry_run, timeout if wait else None, force_secrets=force_secrets, expect=expect)
    layers = Layers(tuple(below or ()), tuple(above or ()))
    publishing.publish(find(target), where, file, key, layers, manner, replicas if create_bucket else None)


def _history(
    target: Target,
    key: Key,
    json: Json = False,
    url: Url = DEFAULT_URL,
    bucket: BucketName = DEFAULT_BUCKET,
    creds: Creds = None,
    nkey: Nkey = None,
    user: User = None,
    password_file: PasswordFile = None,
    tlsca: TlsCa = None,
    tlscert: TlsCert = None,
    tlskey: TlsKey = None,
) -> None:
    """Show the revisions of a key, the newest first, and what each changed.

    Secrets are masked.
    """
    where = store(url, bucket, creds, nkey, user, password_file, (tlsca, tlscert, tlskey))
    history.show(find(target), where, key, json)


def _rollback(
    target: Target,
    key: Key,
    revision: Annotated[
        int, typer.Argument(metavar="REVISION", min=1, help="The revision to go back to.", show_default=False)
    ],
    above: With = None,
    below: Over = None,
    force: Annotated[bool, typer.Option("--force", help="Even if it does not fit the class of today.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    wait: Wait = False,
    timeout: Timeout = 60,
    url: Url = DEFAULT_URL,
    bucket: BucketName = DEFAULT_BUCKET,
    creds: Creds = None,
    nkey: Nkey = None,
    user: User = None,
    password_file: PasswordFile = None,
    tlsca: TlsCa = None,
    tlscert: TlsCert = None,
    tlskey: TlsKey = None,
) -> None:
    """Publish again what a key held at an old revision.

    It becomes a new revision, validated and shown as `publish` does it. Nothing is lost: what it replaces stays in the
    history.
    """
    where = store(url, bucket, creds, nkey, user, password_file, (tlsca, tlscert, tlskey))
    manner = Manner(yes, dry_run, timeout if wait else None, force_secrets=True, force=force)
    publishing.rollback(find(target), where, key, revision, Layers(tuple(below or ()), tuple(above or ())), manner)


def _fleet(
    service: Annotated[
        str | None, typer.Option("--service", metavar="NAME", help="Only the instances of this service.")
    ] = None,
    json: Json = False,
    url: Url = DEFAULT_URL,
    bucket: BucketName = DEFAULT_BUCKET,
    creds: Creds = None,
    nkey: Nkey = None,
    user: User = None,
    password_file: PasswordFile = None,
    tlsca: TlsCa = None,
    tlscert: TlsCert = None,
    tlskey: TlsKey = None,
) -> None:
    """Show what every process has applied, and which do not agree.

    On a terminal it stays and keeps up to date until q is pressed; in a pipe it prints once. Needs no class, and shows no
    value. ≠ marks instances whose settings are others than those of most of their service.
    """
    from .commands import fleet  # what draws tables is slow to import

    fleet.show(store(url, bucket, creds, nkey, user, password_file, (tlsca, tlscert, tlskey)), service, json)


def register(app: typer.Typer) -> None:
    """Add them to the command."""
    publish_examples = """
        hotsettings publish app.settings:Settings config.toml
        hotsettings publish app.settings:Settings config.toml --with secrets.toml --wait
        hotsettings publish app.settings:Settings config.toml --dry-run
    """
    history_examples = "hotsettings history app.settings:Settings config.toml"
    rollback_examples = "hotsettings rollback app.settings:Settings config.toml 17 --wait"
    fleet_examples = """
        hotsettings fleet
        hotsettings fleet --json | jq '.[] | select(.state != "ok")'
    """
    app.command("publish", cls=Command, epilog=publish_examples)(_publish)
    app.command("history", cls=Command, epilog=history_examples)(_history)
    app.command("rollback", cls=Command, epilog=rollback_examples)(_rollback)
    app.command("fleet", cls=Command, epilog=fleet_examples)(_fleet)
