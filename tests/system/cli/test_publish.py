"""`publish` and `rollback`, with a real server."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support.command import CLASS, Run, Store

pytestmark = pytest.mark.slow

COMMAND = str(Path(sys.executable).with_name("hotsettings"))
BASE = 'NAME = "shop"\ndb.port = 5433\n'


def write(name: str, text: str) -> None:
    Path(name).write_text(text, encoding="utf-8")


def test_publish(run: Run, store: Store) -> None:
    result = run("publish", CLASS, "config.toml", *store.options)
    label = f"{store.bucket}/config.toml"
    assert result.code == 0
    assert result.out == (
        f'NAME\n  - not set  # {label}\n  + "shop"  # config.toml:1:8\n'
        f"db.port\n  - not set  # {label}\n  + 5433  # config.toml:2:11\n"
        f"Published {label}@1\n"
    )
    assert result.err == "TOKEN must come from other layers. To check rules across keys too, name those: --with FILE\n"
    assert store.texts("config.toml") == [BASE]

    write("config.toml", '# new\nNAME = "shop"\ndb.port = 5434\nWORKERS = 2\n')
    result = run("publish", CLASS, "config.toml", "--with", "secrets.toml", *store.options)
    assert result.out == (
        f"db.port\n  - 5433  # {label}@1:2:11\n  + 5434  # config.toml:3:11\n"
        f"WORKERS  needs a restart\n  - not set  # {label}@1\n  + 2  # config.toml:4:11\n"
        f"Published {label}@2\n"
    )
    assert result.err == ""
    assert len(store.texts("config.toml")) == 2


def test_nothing_differs(run: Run, store: Store) -> None:
    store.put("config.toml", BASE)
    result = run("publish", CLASS, "config.toml", *store.options)
    assert (result.code, store.texts("config.toml")) == (0, [BASE])
    assert result.out == f"Nothing differs from {store.bucket}/config.toml@1. Nothing was published.\n"
    write("config.toml", f"# a comment\n{BASE}")
    assert "No key differs, but the text does.\nPublished" in run("publish", CLASS, "config.toml", *store.options).out
    assert len(store.texts("config.toml")) == 2


def test_under_another_key(run: Run, store: Store) -> None:
    assert run("publish", CLASS, "config.toml", "--key", "eu/config.toml", *store.options).code == 0
    assert store.texts("eu/config.toml") == [BASE]
    assert store.texts("config.toml") == []
    result = run("publish", CLASS, "config.toml", "--key", "a b", *store.options)
    assert result.code == 1
    assert result.err.endswith(
        "'a b' cannot be a key; use letters, digits and - / _ = ., as in config.toml; --key names it\n"
    )


def test_a_dry_run(run: Run, store: Store) -> None:
    result = run("publish", CLASS, "config.toml", "--dry-run", "--wait", *store.options)
    assert result.code == 0
    assert result.out.endswith("  + 5433  # config.toml:2:11\n")
    assert store.texts("config.toml") == []


def test_what_is_wrong_is_not_published(run: Run, store: Store) -> None:
    write("config.toml", "NAME = 3\nWORKERZ = 7\ndb.port = 0\n")
    result = run("publish", CLASS, "config.toml", *store.options)
    assert result.code == 1
    assert "Invalid settings: 3 problems\n  config.toml:1:8  NAME: expected str" in result.err
    assert "TOKEN" not in result.err
    write("config.toml", "NAME = \n")
    assert "config.toml:1:8  not valid TOML" in run("publish", CLASS, "config.toml", *store.options).err
    assert "nothing.toml  no such file" in run("publish", CLASS, "nothing.toml", *store.options).err
    write("config.toml", "")
    empty = run("publish", CLASS, "config.toml", *store.options)
    assert empty.code == 1
    assert (
        "  config.toml  it is empty, and processes would take that for a failed write; "
        "if you mean it, write a comment into it\n" in empty.err
    )
    write("config.toml", "# nothing")
    assert run("publish", CLASS, "config.toml", "--dry-run", *store.options).code == 0
    assert store.texts("config.toml") == []


def test_with_the_other_layers_everything_has_to_be_there(run: Run, store: Store, folder: Path) -> None:
    with (folder / "demo_app.py").open("a", encoding="utf-8") as app:
        app.write("""
    def __post_init__(self) -> None:
        if self.NAME in self.TOKEN:
            raise ValueError(f"NAME must not be in {self.TOKEN}")
""")
    write("secrets.toml", 'TOKEN = "workshop-88"\n')
    assert run("publish", CLASS, "config.toml", "--dry-run", *store.options).code == 0
    result = run("publish", CLASS, "config.toml", "--with", "secrets.toml", *store.options)
    assert result.code == 1
    assert "NAME must not be in ********" in result.err
    assert "workshop" not in result.out + result.err
    result = run("publish", CLASS, "config.toml", "--with", "worker.toml", *store.options)
    assert result.code == 1
    assert "TOKEN: required, but not set in config.toml, worker.toml" in result.err
    write("worker.toml", 'TOKEN = "long-enough"\nNAME = "x"\n')
    result = run("publish", CLASS, "secrets.toml", "--over", "worker.toml", "--force-secrets", *store.options)
    assert result.code == 0
    assert (
        "nothing.toml  no such file"
        in run("publish", CLASS, "config.toml", "--with", "nothing.toml", *store.options).err
    )


def test_what_only_an_array_could_hold_is_no_other_layers_matter(run: Run, store: Store, folder: Path) -> None:
    text = (folder / "demo_app.py").read_text(encoding="utf-8")
    host = "class Host(Struct, frozen=True):\n    name: str\n\n\nclass Settings"
    (folder / "demo_app.py").write_text(
        text.replace("class Settings", host) + "    HOSTS: tuple[Host, ...] = ()\n    ONE: Host | None = None\n",
        encoding="utf-8",
    )
    write("config.toml", "HOSTS = [{}]\nONE = {}\n")
    result = run("publish", CLASS, "config.toml", *store.options)
    assert result.code == 1
    assert "Invalid settings: 1 problem\n  config.toml:1:10  HOSTS[0].name: required" in result.err


def test_arrays_and_tables_are_compared_by_content_and_type(run: Run, store: Store, folder: Path) -> None:
    with (folder / "demo_app.py").open("a", encoding="utf-8") as app:
        app.write("    NUMBERS: tuple[float, ...] = ()\n")
    store.put("config.toml", "NUMBERS = [1, 2]\nLABELS = { a = '1', b = '2' }\n")
    write("config.toml", "NUMBERS = [1,2] # same\nLABELS.b = '2'\nLABELS.a = '1'\n")
    result = run("publish", CLASS, "config.toml", "--dry-run", *store.options)
    assert result.out == "No key differs, but the text does.\n"
    write("config.toml", "NUMBERS = [1.0, 2]\nLABELS = { a = '1', c = '2' }\n")
    result = run("publish", CLASS, "config.toml", "--dry-run", *store.options)
    assert [line for line in result.out.splitlines() if line[0] != " "] == ["LABELS.b", "LABELS.c", "NUMBERS"]


def test_secrets_are_refused(run: Run, store: Store) -> None:
    write("config.toml", 'NAME = "a"\nTOKEN = "cAnArY-token"\ndb.password = "cAnArY"\n')
    result = run("publish", CLASS, "config.toml", "--with", "secrets.toml", *store.options)
    assert (result.code, result.out, store.texts("config.toml")) == (1, "", [])
    assert (
        "  config.toml:2:9  TOKEN: SECRET IN A FILE THAT IS NOT FOR SECRETS; move it to secrets.toml and" in result.err
    )
    assert "  config.toml:3:15  db.password: SECRET" in result.err
    assert result.err.endswith("Not published. To publish them all the same: --force-secrets\n")
    forced = run("publish", CLASS, "config.toml", "--force-secrets", *store.options)
    assert (forced.code, len(store.texts("config.toml"))) == (0, 1)
    assert "TOKEN\n  - not set  # " in forced.out
    assert "\n  + ********  # config.toml:2:9\n" in forced.out
    write("config.toml", 'NAME = "a"\nTOKEN = "cAnArY-other"\n')
    again = run("publish", CLASS, "config.toml", "--force-secrets", *store.options)
    assert f"TOKEN\n  - ********  # {store.bucket}/config.toml@1:2:9\n  + ********  # config.toml:2:9\n" in again.out
    for each in (result, forced, again):
        assert "cAnArY" not in each.out + each.err


def test_what_the_bucket_holds_may_be_anything(run: Run, store: Store) -> None:
    store.put("config.toml", 'TOKN = "cAnArY"\ndb = 3\nNAME = "\\u001b[2J"\n')
    result = run("publish", CLASS, "config.toml", *store.options)
    assert result.code == 0
    assert 'NAME\n  - "\\u001B[2J"  # ' in result.out
    store.put("config.toml", "cAnArY = \x1b[2J \n")
    other = run("publish", CLASS, "config.toml", *store.options)
    assert other.code == 0
    assert re.search(rf"Cannot be compared\n  {store.bucket}/config.toml@3:1:1\d  not valid TOML: ", other.err)
    store.put("config.toml", 'TOKN = "cAnArY"\ndb = 3\n')
    third = run("publish", CLASS, "config.toml", *store.options)
    assert f"TOKN\n  - ********  # {store.bucket}/config.toml@5:1:8\n  + not set  # config.toml\n" in third.out
    for each in (result, other, third):
        assert "\x1b" not in each.out + each.err
        assert "cAnArY" not in result.out + third.out


def test_only_on_top_of_the_expected_revision(run: Run, store: Store) -> None:
    assert run("publish", CLASS, "config.toml", "--expect", "0", *store.options).code == 0
    write("config.toml", 'NAME = "b"\n')
    result = run("publish", CLASS, "config.toml", "--expect", "0", *store.options)
    assert (result.code, result.out) == (1, "")
    assert re.search(
        r"Not published: \S+/config.toml  revision 1 \(.* UTC\) has come in between; compare again", result.err
    )
    assert run("publish", CLASS, "config.toml", "--expect", "1", *store.options).code == 0


def test_two_at_once(run: Run, store: Store, folder: Path) -> None:
    """Of many that publish different files over the same revision exactly one wins, or they came one after the other."""
    names = [f"file-{number}.toml" for number in range(6)]
    for name in names:
        write(name, f'NAME = "{name}"\n')
    command = [COMMAND, "publish", CLASS]
    options = ["--key", "config.toml", "--expect", "0", *store.options]
    running = [subprocess.Popen([*command, name, *options], stderr=subprocess.PIPE, text=True) for name in names]
    ended = [(process.communicate()[1], process.returncode) for process in running]
    assert sorted(code for _, code in ended) == [0, 1, 1, 1, 1, 1]
    assert all("revision 1 (" in said for said, code in ended if code == 1)
    [text] = store.texts("config.toml")
    winner = next(name for name, (_, code) in zip(names, ended, strict=True) if code == 0)
    assert text == f'NAME = "{winner}"\n'


def test_a_bucket_is_made_only_on_demand(run: Run, store: Store) -> None:
    options = [*store.options[:3], f"{store.bucket}-new"]
    result = run("publish", CLASS, "config.toml", *options)
    assert result.code == 1
    assert result.err.endswith(
        f"Not possible: {store.server.url} {store.bucket}-new  there is no such bucket; "
        "name another with --bucket, or make it: hotsettings publish --create-bucket\n"
    )
    dry = run("publish", CLASS, "config.toml", "--create-bucket", "--dry-run", *options)
    assert dry.code == 0
    assert run("publish", CLASS, "config.toml", *options).code == 1
    made = run("publish", CLASS, "config.toml", "--create-bucket", *options)
    assert made.out.startswith(f"Made the bucket {store.bucket}-new.\nNAME\n")
    assert made.out.endswith(f"Published {store.bucket}-new/config.toml@1\n")
    third = run(
        "publish", CLASS, "config.toml", "--create-bucket", "--replicas", "3", *options[:3], f"{store.bucket}-x"
    )
    assert third.code == 1
    assert "the bucket cannot be made" in third.err


def test_rollback(run: Run, store: Store) -> None:
    for number in (1, 2):
        store.put("config.toml", f'NAME = "{number}"\n')
    label = f"{store.bucket}/config.toml"
    result = run("rollback", CLASS, "config.toml", "1", *store.options)
    assert result.code == 0
    assert result.out == f'NAME\n  - "2"  # {label}@2:1:8\n  + "1"  # {label}@1:1:8\nPublished {label}@3\n'
    assert store.texts("config.toml") == ['NAME = "1"\n', 'NAME = "2"\n', 'NAME = "1"\n']
    result = run("rollback", CLASS, "config.toml", "1", *store.options)
    assert result.out == f"Nothing differs from {label}@3. Nothing was published.\n"


def test_rollback_of_what_does_not_fit_any_more(run: Run, store: Store) -> None:
    store.put("config.toml", 'OLD_KEY = "cAnArY"\nNAME = "1"\n')
    store.put("config.toml", 'NAME = "2"\n')
    label = f"{store.bucket}/config.toml"
    result = run("rollback", CLASS, "config.toml", "1", *store.options)
    assert (result.code, len(store.texts("config.toml"))) == (1, 2)
    assert f"Invalid settings: 1 problem\n  {label}@1:1:1  OLD_KEY: unknown key" in result.err
    forced = run("rollback", CLASS, "config.toml", "1", "--force", *store.options)
    assert forced.code == 0
    assert f"The class no longer accepts this revision\n  {label}@1:1:1  OLD_KEY: unknown key" in forced.err
    assert store.texts("config.toml")[0] == 'OLD_KEY = "cAnArY"\nNAME = "1"\n'
    assert "cAnArY" not in forced.out + forced.err
    store.put("config.toml", "", delete=True)
    gone = run("rollback", CLASS, "config.toml", "4", *store.options)
    assert gone.code == 1
    assert f"{label}@4  this revision deleted the key; take an earlier one" in gone.err
    assert run("rollback", CLASS, "config.toml", "2", *store.options).code == 0
    missing = run("rollback", CLASS, "config.toml", "77", *store.options)
    assert missing.code == 1
    assert "there is no revision 77, or it is no longer kept; hotsettings history lists" in missing.err


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--url", "nats://u:cAnArY@127.0.0.1:1"], 3, "nats://127.0.0.1:1 cannot be reached: connection refused; check that it runs"),
        (["--url", "u:cAnArY@127.0.0.1:1"], 3, "nats://127.0.0.1:1 cannot be reached"),
        (["--url", "u:cAn/ArY@127.0.0.1:1"], 2, "as %2F %40 %3A %2C"),
        (["--url", "nats://u:cAn,ArY@127.0.0.1:1"], 2, "as %2F %40 %3A %2C"),
        (["--url", "http://u:cAnArY@127.0.0.1:1"], 2, "--url is no URL of a NATS server"),
        (["--url", "http://127.0.0.1:1"], 2, "--url: 'http://127.0.0.1:1' is no URL of a NATS server"),
        (["--url", ","], 2, "no URL of a NATS server is given"),
        (["--creds", "nothing"], 2, "--creds: no such file: nothing"),
        (["--nkey", "nothing"], 2, "--nkey: no such file: nothing"),
        (["--user", "u"], 2, "--password-file: no such file"),
        (["--tlsca", "nothing"], 2, "--tlsca, --tlscert, --tlskey: No such file"),
        (["--tlscert", "nothing"], 2, "--tlscert and --tlskey belong together"),
        (["--bucket", "a.b"], 1, "'a.b' cannot be a bucket; use letters, digits, - and _"),
    ],
)  # fmt: skip
def test_a_store_that_cannot_be_used(run: Run, store: Store, options: list[str], code: int, said: str) -> None:
    pairs = zip(store.options[::2], store.options[1::2], strict=True)
    known = [part for pair in pairs if pair[0] not in options for part in pair]
    result = run("history", CLASS, "config.toml", *known, *options)
    assert (result.code, result.out) == (code, "")
    assert said in " ".join(result.err.split())
    assert "cAn" not in result.err
    assert len(result.err.splitlines()) == (4 if code == 2 else 1)


def test_without_nats(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    find: Callable[..., object] = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "nats" else find(name, *more))
    result = run("fleet")
    assert result.code == 2
    assert re.fullmatch(
        r"hotsettings: this command needs nats-py; install it with: pip install 'nats-py>=[\d.]+'\n", result.err
    )


@pytest.mark.parametrize("command", [["--help"], ["publish", "--help"], ["show", CLASS], ["check", CLASS]])
def test_nothing_else_imports_nats(folder: Path, command: list[str]) -> None:
    code = (
        "import sys; from hotsettings.cli.app import app\n"
        "try: app(sys.argv[1:], prog_name='hotsettings')\n"
        "except SystemExit: pass\n"
        "assert not {'nats', 'hotsettings.nats'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, *command], check=True, stdout=subprocess.DEVNULL, env={**os.environ})
