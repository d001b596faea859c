"""No value of a secret comes out of any command, in any format, whatever is wrong with the files."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import APP, Run
from support.examples import some_of

CANARY = "cAnArY"
"""Part of everything that must stay hidden."""

CANARY_APP = (
    APP.replace("password: Secret[str | None] = None", f'password: Secret[str | None] = "{CANARY}-nested"').replace(
        "KEYS: Secret[Mapping[str, str]] = {}", f'KEYS: Secret[Mapping[str, str]] = {{"{CANARY}": "k"}}'
    )
    + f"""
    PIN: Secret[int] = 4711471147114711
    HOOK: Secret[str] = "https://user:{CANARY}@example.org/{CANARY}"
    TURNS: Secret[tuple[str, ...]] = ("{CANARY}-one", "{CANARY}-two")

    def __post_init__(self) -> None:
        if self.NAME == "fails":
            raise ValueError(f"cannot use {{self.TOKEN}} or {{self.db.password!r}} or {{self.PIN}} or {{self.HOOK}}")
"""
)

GOOD_CONFIG = 'NAME = "shop"\n'
GOOD_SECRETS = f'TOKEN = "{CANARY}-token"\n'

CASES: dict[str, dict[str, str]] = {
    "valid": {},
    "a secret of the wrong type": {"secrets.toml": f'TOKEN = ["{CANARY}"]\n'},
    "a secret that is too short": {"secrets.toml": "TOKEN = 'cAnArY'\n"},
    "a secret inside a table of the wrong type": {"secrets.toml": f'{GOOD_SECRETS}KEYS = {{ a = ["{CANARY}"] }}\n'},
    "an unknown key in the secrets file": {"secrets.toml": f'{GOOD_SECRETS}TOKEM = "{CANARY}"\n'},
    "a plain key in the secrets file": {"secrets.toml": f'{GOOD_SECRETS}NAME = "{CANARY}"\nPROXY = "{CANARY}"\n'},
    "a plain key of the wrong type in the secrets file": {"secrets.toml": f'{GOOD_SECRETS}RATE = "{CANARY}"\n'},
    "a value not allowed in the secrets file": {"secrets.toml": f'{GOOD_SECRETS}LEVEL = "{CANARY}"\n'},
    "tables in the secrets file": {"secrets.toml": f'{GOOD_SECRETS}LABELS.x = "{CANARY}"\n[db]\nhost = "{CANARY}"\n'},
    "a secrets file that is not TOML": {"secrets.toml": f'TOKEN = "{CANARY}\n'},
    "a secrets file without quotes": {"secrets.toml": f"TOKEN = {CANARY}-token\n"},
    "a secrets file that repeats a key": {"secrets.toml": f'{GOOD_SECRETS}TOKEN = "{CANARY}"\n'},
    "a secrets file that is not UTF-8": {"secrets.toml": f'TOKEN = "{CANARY}\udcff"\n'},
    "a secrets file too deep": {"secrets.toml": f'TOKEN = {"[" * 40}"{CANARY}"{"]" * 40}\n'},
    "a secret in the config": {"config.toml": f'TOKEN = "{CANARY}-config"\n'},
    "a secret in the config, and a mistake": {"config.toml": f'RATE = -1\nTOKEN = "{CANARY}-config"\n'},
    "a secret of the wrong type in the config": {"config.toml": f'db = {{ password = ["{CANARY}"], port = 0 }}\n'},
    "a config that is not TOML": {"config.toml": f'NAME = \nTOKEN = "{CANARY}"\n'},
    "a config that is not TOML where the secret stands": {"config.toml": f'TOKEN = "{CANARY}\n'},
    "a misspelt secret in the config": {"config.toml": f'TOKN = "{CANARY}"\nRATE = -1\n'},
    "a secret in the override": {"worker.toml": f'TOKEN = "{CANARY}-worker"\nKEYS.a = "{CANARY}"\n'},
    "a rule that quotes secrets": {"worker.toml": 'NAME = "fails"\n'},
}

FILES = ["--config", "config.toml", "--secrets", "secrets.toml", "--override", "worker.toml"]
OTHER = ["--to-config", "good.toml", "--to-secrets", "good-secrets.toml", "--to-override", ""]


def commands(name: str) -> Iterator[list[str]]:
    for report in ("text", "json", "github"):
        yield ["check", name, *FILES, "--format", report]
    keys = (
        "TOKEN",
        "NAME",
        "PROXY",
        "db",
        "db.host",
        "db.password",
        "KEYS",
        "KEYS.a",
        "LABELS",
        "LABELS.x",
        "PIN",
        "HOOK",
    )
    for more in ([], ["--json"]):
        yield ["show", name, *FILES, *more]
        yield ["diff", name, *FILES, *OTHER, *more]
        for key in some_of(keys) if more else keys:
            yield ["explain", name, key, *FILES, *more]
    for command in ("schema", "reference", "template"):
        yield [command, name]
    yield ["template", name, "--secrets"]


@pytest.mark.parametrize("case", CASES)
def test_no_secret_comes_out(run: Run, folder: Path, case: str) -> None:
    (folder / "quiet_app.py").write_text(CANARY_APP, encoding="utf-8")
    files = {"config.toml": GOOD_CONFIG, "secrets.toml": GOOD_SECRETS, "worker.toml": "WORKERS = 2\n", **CASES[case]}
    files |= {"good.toml": GOOD_CONFIG, "good-secrets.toml": 'TOKEN = "another-token"\n'}
    for name, text in files.items():
        (folder / name).write_bytes(text.encode(errors="surrogateescape"))
    said = 0
    for command in commands("quiet_app:Settings"):
        result = run(*command)
        assert result.code in (0, 1), command
        for shown in (result.out, result.err):
            assert CANARY.casefold() not in shown.casefold(), command
            assert "4711" not in shown, command
            said += len(shown)
        if "--json" in command or "json" in command:
            result.json()
    assert said > 1000


@pytest.mark.parametrize(
    "statement",
    [
        "raise RuntimeError('cannot reach ' + Settings().TOKEN)",
        "{}[Settings().db.password + Settings().TOKEN]",
        "password = Settings().TOKEN\nraise ExceptionGroup('several', [ValueError(password)])",
        "try:\n    raise ValueError(Settings().TOKEN)\nexcept ValueError as error:\n    raise KeyError('x') from error",
        "import sys\nsys.exit(Settings().TOKEN)",
    ],
)
def test_no_secret_in_the_traceback_of_a_module_that_fails(run: Run, folder: Path, statement: str) -> None:
    (folder / "secrets.toml").write_text(f"{GOOD_SECRETS}db.password = 'pw-{CANARY}'\n", encoding="utf-8")
    (folder / "careless_app.py").write_text(f"{APP}\n\n{statement}\n", encoding="utf-8")
    for command in some_of(commands("careless_app:Settings")):
        result = run(*command)
        assert result.code == 2
        assert "careless_app" in result.err
        assert CANARY not in result.out + result.err


@pytest.mark.parametrize("command", ["check", "show", "template"])
def test_a_rule_that_calls_exit_is_a_problem(run: Run, folder: Path, command: str) -> None:
    """Else it would decide the exit code of the command, and write what it likes."""
    rule = (
        "\n    def __post_init__(self) -> None:\n        raise SystemExit(0 if self.NAME == 'zero' else self.TOKEN)\n"
    )
    (folder / "exiting.py").write_text(APP + rule, encoding="utf-8")
    for name in ("zero", "one"):
        (folder / "config.toml").write_text(f'NAME = "{name}"\n', encoding="utf-8")
        (folder / "secrets.toml").write_text(GOOD_SECRETS, encoding="utf-8")
        result = run(command, "exiting:Settings")
        assert CANARY not in result.out + result.err
        assert result.code == (0 if command == "template" else 1)
        assert command == "template" or "SystemExit: " in result.out + result.err
