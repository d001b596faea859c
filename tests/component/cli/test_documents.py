"""What is generated from a class: JSON Schema, reference and templates; for the example application and for a small one."""

import json
import math
import re
import types
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, Optional
from uuid import UUID

import jsonschema
import pytest
import toml_rs
from msgspec import Meta, Struct
from support import ROOT
from support.command import CLASS, Run

from hotsettings import (
    BaseSettings,
    Before,
    Deprecated,
    InvalidSettings,
    Renamed,
    RestartRequired,
    Secret,
    Tolerant,
)
from hotsettings._loading.explain import effective
from hotsettings._loading.load import assemble
from hotsettings._schema.schema import schema_of
from hotsettings.cli.commands import template
from hotsettings.cli.commands.reference import markdown
from hotsettings.cli.commands.schema import json_schema
from hotsettings.cli.commands.show import as_toml
from integr8scode.settings import Settings

BACKEND = "integr8scode.settings:Settings"
GENERATED = {"reference": "docs/reference/configuration.md", "schema": "docs/reference/config.schema.json"}

DOCUMENTED = [
    "PROJECT_NAME",
    "DATABASE_NAME",
    "SECRET_KEY",
    "ALGORITHM",
    "ACCESS_TOKEN_EXPIRE_MINUTES",
    "MONGODB_URL",
    "KUBERNETES_CONFIG_PATH",
    "KUBERNETES_CA_CERTIFICATE_PATH",
    "K8S_POD_CPU_LIMIT",
    "K8S_POD_MEMORY_LIMIT",
    "K8S_POD_CPU_REQUEST",
    "K8S_POD_MEMORY_REQUEST",
    "K8S_POD_EXECUTION_TIMEOUT",
    "K8S_NAMESPACE",
    "RATE_LIMITS",
    "KAFKA_BOOTSTRAP_SERVERS",
    "ENABLE_EVENT_STREAMING",
    "EVENT_RETENTION_DAYS",
    "KAFKA_CONSUMER_GROUP_ID",
    "KAFKA_AUTO_OFFSET_RESET",
    "KAFKA_ENABLE_AUTO_COMMIT",
    "KAFKA_SESSION_TIMEOUT_MS",
    "KAFKA_HEARTBEAT_INTERVAL_MS",
    "KAFKA_REQUEST_TIMEOUT_MS",
    "KAFKA_MAX_POLL_RECORDS",
    "SSE_CONSUMER_POOL_SIZE",
    "SSE_HEARTBEAT_INTERVAL",
    "ENABLE_TRACING",
    "JAEGER_AGENT_HOST",
    "JAEGER_AGENT_PORT",
    "TRACING_SERVICE_NAME",
    "TRACING_SERVICE_VERSION",
    "TRACING_SAMPLING_RATE",
    "DLQ_RETRY_MAX_ATTEMPTS",
    "DLQ_RETRY_BASE_DELAY_SECONDS",
    "DLQ_RETRY_MAX_DELAY_SECONDS",
    "DLQ_RETENTION_DAYS",
    "DLQ_WARNING_THRESHOLD",
    "DLQ_CRITICAL_THRESHOLD",
    "APP_URL",
    "SERVICE_NAME",
    "SERVICE_VERSION",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_SERVICE_NAME",
    "OTEL_SERVICE_VERSION",
    "OTEL_RESOURCE_ATTRIBUTES",
    "WEB_CONCURRENCY",
    "WEB_THREADS",
    "WEB_TIMEOUT",
    "WEB_BACKLOG",
    "SERVER_HOST",
    "BCRYPT_ROUNDS",
    "REDIS_MAX_CONNECTIONS",
]


@pytest.mark.parametrize("command", GENERATED)
def test_what_is_generated_is_up_to_date(run: Run, command: str) -> None:
    file = ROOT / GENERATED[command]
    assert file.read_text(encoding="utf-8") == run(command, BACKEND).out, "write it anew with: make docs-reference"


# JSON Schema


def validator(cls: type[Any]) -> jsonschema.Draft202012Validator:
    schema = json.loads(json_schema(schema_of(cls)))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def toml_file(name: str) -> dict[str, Any]:
    return toml_rs.loads((ROOT / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", [*sorted(path.name for path in ROOT.glob("config*.toml")), "secrets.example.toml"])
def test_the_schema_takes_the_files(file: str) -> None:
    assert not list(validator(Settings).iter_errors(toml_file(file)))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("K8S_POD_EXECUTION_TIMEOUT", "5s"),
        ("K8S_POD_EXECUTION_TIMEOUT", 0),
        ("ENABLE_TRACING", 1),
        ("KAFKA_AUTO_OFFSET_RESET", "newest"),
        ("APP_URL", "localhost"),
        ("TRACING_SAMPLING_RATE", 1.5),
        ("KAFKA_CONSUMER_GRUOP_ID", "x"),
        ("SUPPORTED_RUNTIMES", {"python": {"versions": ["3.12"], "file_ext": "py", "extra": 1}}),
        ("SUPPORTED_RUNTIMES", {"python": {"versions": "3.12", "file_ext": "py"}}),
        ("REDIS_PASSWORD", None),
    ],
)
def test_the_schema_refuses(key: str, value: Any) -> None:
    errors = list(validator(Settings).iter_errors({**toml_file("config.toml"), key: value}))
    assert len(errors) == 1
    assert key in [*errors[0].path, *re.findall("'(.*?)' was unexpected", errors[0].message)]


def test_config_toml_names_the_schema() -> None:
    first = (ROOT / "config.toml").read_text(encoding="utf-8").partition("\n")[0]
    assert (ROOT / first.removeprefix("#:schema ")).samefile(ROOT / GENERATED["schema"])


def test_the_schema_says_what_is_secret_and_what_needs_a_restart(run: Run) -> None:
    schema = json.loads(run("schema", CLASS).out)
    properties = schema["properties"]
    assert properties["TOKEN"]["writeOnly"]
    assert properties["TOKEN"]["description"] == "Signs things. Secret: it belongs in the secrets file."
    assert properties["WORKERS"]["description"] == "A change needs a restart."
    assert "writeOnly" not in properties["NAME"]
    assert properties["PROXY"] == {"type": "string"}
    assert schema["$defs"]["Database"]["properties"]["password"]["writeOnly"]
    assert "null" not in json.dumps(schema)


def test_a_schema_without_nested_tables_has_no_definitions() -> None:
    class Flat(BaseSettings):
        A: int = 1

    assert "$defs" not in json.loads(json_schema(schema_of(Flat)))


class Inner(Struct, frozen=True):
    a: int = 1


class Closed(Struct, frozen=True):
    a: int = 1


class Marked(BaseSettings):
    strict: Closed = Closed()
    loose: Tolerant[Mapping[str, Inner] | None] = None
    new: Annotated[int, Renamed("old", "older"), Meta(description="What it is")] = 1
    wait: Annotated[int, Before(int), Meta(description="In seconds.")] = 1
    gone: Annotated[int, Deprecated("use new")] = 1


def test_the_schema_knows_the_marks() -> None:
    accepts = validator(Marked).is_valid
    assert not accepts({"strict": {"b": 1}})  # although Closed does not say so
    assert accepts({"loose": {"x": {"unknown": 1}}, "old": 2, "wait": "30"})
    assert not accepts({"old": "2"})
    properties = json.loads(json_schema(schema_of(Marked)))["properties"]
    for former in (properties["old"], properties["older"]):
        assert former == {"type": "integer", "deprecated": True, "description": "What it is. Renamed: write new."}
    assert properties["new"] == {"type": "integer", "default": 1, "description": "What it is"}
    assert properties["gone"]["deprecated"]
    assert properties["gone"]["description"] == "Deprecated: use new."
    assert properties["wait"] == {"description": "In seconds.", "default": 1}


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


class Circle(Struct, frozen=True, array_like=True, tag="circle"):
    radius: int
    label: str = ""


class Named(BaseSettings):
    by_size: Mapping[Size, int] = {}
    by_word: Annotated[Mapping[Literal["a", "b"], tuple[int, ...]] | None, Meta(description="What it is.")] = None
    deep: tuple[Mapping[Literal[1, 2], str], ...] = ()
    plain: Mapping[str, int] = {}
    shape: Circle | None = None


def test_the_schema_knows_the_keys_of_mappings_and_the_tags_of_arrays() -> None:
    accepts = validator(Named).is_valid
    assert accepts({"by_size": {"s": 1}, "by_word": {"a": [1]}, "deep": [{"2": "x"}], "plain": {"x": 1}})
    assert not accepts({"by_size": {"m": 1}})
    assert not accepts({"by_word": {"c": [1]}})
    assert not accepts({"by_word": {"a": ["1"]}})
    assert not accepts({"deep": [{"3": "x"}]})
    assert json.loads(json_schema(schema_of(Named)))["properties"]["by_word"]["description"] == "What it is."
    assert accepts({"shape": ["circle", 5]})
    assert accepts({"shape": ["circle", 5, "x"]})
    assert not accepts({"shape": ["circle"]})
    assert not accepts({"shape": [5, "x"]})


# Reference


def test_the_reference_covers_every_key() -> None:
    text = markdown(schema_of(Settings))
    assert len(DOCUMENTED) == len(set(DOCUMENTED)) == 53
    keys = [leaf.key for leaf in schema_of(Settings).leaves]
    for key in [*DOCUMENTED, *keys]:
        assert text.count(f"| `{key}` | ") == 1
    for line in text.splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)\|", line)) == 7, line
    assert f"{len(keys)} keys" in text


def test_the_reference_of_a_small_class(run: Run) -> None:
    lines = run("reference", CLASS).out.splitlines()
    assert lines[0] == "# Configuration reference"
    assert "## Storage" in lines
    assert '| `NAME` | What it is called. | `"demo"` | `str` |  | hot |' in lines
    assert "| `TOKEN` | Signs things. | required | `str`, secret | length at least 8 | hot |" in lines
    assert "| `KEYS` |  | hidden | `table of str`, secret |  | hot |" in lines
    assert "| `WORKERS` |  | `4` | `int` |  | restart |" in lines
    assert "| `PROXY` |  | not set | `str` |  | hot |" in lines


def test_the_reference_is_good_markdown_whatever_the_texts_say() -> None:
    class Odd(BaseSettings):
        A: Annotated[str, Meta(description="One | two\nand <b>three</b>", pattern="^a|`b``$")] = "a"

    row = markdown(schema_of(Odd)).splitlines()[-1]
    assert row == r'| `A` | One \| two and &lt;b>three&lt;/b> | `"a"` | `str` | matches ``` ^a\|`b``$ ``` | hot |'


# Templates


def uncommented(template: str) -> list[str]:
    """The template once for each commented key, with this one set."""
    lines = template.splitlines()
    commented = [number for number, line in enumerate(lines) if re.match(r"#[^ :]", line)]
    return ["\n".join([*lines[:number], lines[number][1:], *lines[number + 1 :]]) for number in commented]


def load(folder: Path, cls: type[Any], config: str, secrets: str) -> Any:
    (folder / "config.toml").write_text(config, encoding="utf-8")
    (folder / "secrets.toml").write_text(secrets, encoding="utf-8")
    return cls(folder / "config.toml", secrets_path=folder / "secrets.toml")


def test_the_templates_of_the_backend_load_to_its_defaults(tmp_path: Path) -> None:
    schema = schema_of(Settings)
    config, secrets = template.config(schema), template.secrets_example(schema)
    assert set(toml_rs.loads(config)) == set()
    assert set(toml_rs.loads(secrets)) == {"SECRET_KEY"}
    settings = load(tmp_path, Settings, config, secrets)
    for leaf in schema.leaves:
        if not leaf.required:
            assert leaf.value_in(settings) == leaf.default
    examples = uncommented(config)
    assert len(examples) == len([leaf for leaf in schema.leaves if not leaf.secret])
    for text in examples:
        [(key, value)] = toml_rs.loads(text).items()
        loaded = load(tmp_path, Settings, text, secrets)
        [leaf] = [leaf for leaf in schema.leaves if leaf.key == key]
        if leaf.default is None:
            assert getattr(loaded, key) == value
        else:
            assert loaded == settings, key
    for text in uncommented(secrets):
        load(tmp_path, Settings, config, text)


def test_the_templates_pass_a_check_together(run: Run, folder: Path) -> None:
    for cls in (CLASS, BACKEND):
        (folder / "config.toml").write_text(run("template", cls).out, encoding="utf-8")
        (folder / "secrets.toml").write_text(run("template", cls, "--secrets").out, encoding="utf-8")
        result = run("check", cls)
        assert result.code == 0
        assert "Warnings" not in result.out


def test_the_template_of_a_small_class(run: Run) -> None:
    assert run("template", CLASS).out.startswith(
        "# Settings of demo_app:Settings.\n"
        "# A key shows its default, or an example where it has none. To set it, remove the # in front of it.\n"
        "\n"
        "# ---- Core ----\n"
        "\n"
        "# What it is called.\n"
        "# str\n"
        '#NAME = "demo"\n'
        "\n"
        "# Signs things.\n"
        "# str, length at least 8, required\n"
        "# TOKEN belongs in the secrets file.\n"
    )
    assert '\n# str\nTOKEN = "CHANGE-ME"\n' not in run("template", CLASS, "--secrets").out
    assert '\n# str, length at least 8, required\nTOKEN = "CHANGE-ME"\n' in run("template", CLASS, "--secrets").out


class Colour(Enum):
    RED = "red"


class Point(Struct, frozen=True):
    x: int
    y: Annotated[int, Meta(ge=1)]
    label: str = ""


TYPES: list[Any] = [
    str,
    Annotated[str, Meta(min_length=40)],
    Annotated[str, Meta(max_length=3)],
    Annotated[str, Meta(min_length=9, max_length=9)],
    Annotated[str, Meta(pattern="^x+$", examples=["xx"])],
    bytes,
    bool,
    int,
    Annotated[int, Meta(ge=3)],
    Annotated[int, Meta(gt=3)],
    Annotated[int, Meta(gt=3, multiple_of=5)],
    Annotated[int, Meta(gt=5, multiple_of=5)],
    Annotated[int, Meta(le=-3)],
    Annotated[int, Meta(lt=0)],
    Annotated[int, Meta(lt=-5, multiple_of=5)],
    Annotated[int, Meta(ge=-10, le=-5)],
    Annotated[int, Meta(ge=1, le=65535)],
    float,
    Annotated[float, Meta(gt=0, le=1)],
    Annotated[float, Meta(gt=0, lt=1)],
    Literal["a", "b"],
    Literal[3, 4],
    Colour,
    datetime,
    Annotated[datetime, Meta(tz=True)],
    Annotated[datetime, Meta(tz=False)],
    date,
    time,
    timedelta,
    Decimal,
    UUID,
    tuple[int, str],
    tuple[str, ...],
    Annotated[tuple[int, ...], Meta(min_length=2)],
    frozenset[str],
    Mapping[str, int],
    Annotated[Mapping[str, int], Meta(min_length=2)],
    Mapping[str, Point],
    Annotated[tuple[Point, ...], Meta(min_length=1)],
    Point,
    Any,
    str | None,
    Optional[Annotated[int, Meta(ge=3)]],  # noqa: UP045 - an Annotated takes no | at run time, pyright says
    int | str,
]


@pytest.mark.parametrize("kind", TYPES, ids=str)
@pytest.mark.parametrize("mark", [RestartRequired, Secret], ids=["config", "secrets"])
def test_an_example_for_every_type(tmp_path: Path, kind: Any, mark: Any) -> None:
    body = {"__module__": __name__, "__annotations__": {"KEY": mark[kind]}}
    cls = types.new_class("Case", (BaseSettings,), exec_body=lambda namespace: namespace.update(body))
    schema = schema_of(cls)
    load(tmp_path, cls, template.config(schema), template.secrets_example(schema))


PATTERNS = [
    ("^x+$", {}),
    (r"^[a-z]{2}-[a-z]+-\d$", {}),
    (r"^(?=.*[A-Z])(?=.*\d).{8,}$", {}),
    ("^[a-z]", {"min_length": 20}),
    (r"^\d{3,5}$", {"min_length": 4, "max_length": 4}),
    (r"^(a|b)\1$", {}),
    (r"^[^\s@]+@[^\s@]+\.[a-z]{2,}$", {"min_length": 12, "max_length": 40}),
    (r"^(?!0)\d+$", {}),
    (r"^[à-ÿ]+$", {"min_length": 3}),
    (r"^(?!.*foo)[fo]+$", {"min_length": 3, "max_length": 5}),
    (r"\bfoo\b", {"min_length": 5, "max_length": 5}),
]


@pytest.mark.parametrize(("pattern", "lengths"), PATTERNS, ids=str)
def test_a_text_is_found_for_a_pattern(tmp_path: Path, pattern: str, lengths: dict[str, int]) -> None:
    class Strict(BaseSettings):
        KEY: Annotated[str, Meta(pattern=pattern, **lengths)]

    text = template.config(schema_of(Strict))
    assert text == template.config(schema_of(Strict))
    load(tmp_path, Strict, text, "")


def test_a_pattern_that_nothing_matches_is_found_by_the_check(tmp_path: Path) -> None:
    class Strict(BaseSettings):
        KEY: Annotated[str, Meta(pattern="a{3}", max_length=2)]

    with pytest.raises(InvalidSettings) as caught:
        load(tmp_path, Strict, template.config(schema_of(Strict)), "")
    assert [problem.key for problem in caught.value.problems] == ["KEY"]


class Db(Struct, frozen=True):
    host: str
    password: Secret[str]
    port: int = 5432


class S3(Struct, frozen=True, tag_field="kind", tag="s3"):
    bucket: str
    key: Secret[str]


class Local(Struct, frozen=True, tag_field="kind", tag="local"):
    path: str


class Maybe(Struct, frozen=True, tag_field="kind", tag="maybe"):
    token: Secret[str | None] = None


class Pair(Struct, frozen=True, array_like=True):
    left: int
    right: str = ""


class Level(Enum):
    LOW = 1
    HIGH = 2


class Everywhere(BaseSettings):
    dbs: Mapping[str, Db]
    storage: S3 | Local
    numbered: Mapping[int, Local]
    by_level: Mapping[Level, Pair]
    chosen: Annotated[Mapping[Literal["a", "b"], int], Meta(min_length=2)]
    pair: Pair
    upstreams: Annotated[tuple[Db, ...], Meta(min_length=1)]
    named: Annotated[Mapping[Annotated[str, Meta(pattern="^[A-Z]{3}$")], int], Meta(min_length=1)]


def test_a_secret_inside_belongs_in_the_secrets_file_and_nothing_else_does(tmp_path: Path) -> None:
    config, secrets = template.config(schema_of(Everywhere)), template.secrets_example(schema_of(Everywhere))
    load(tmp_path, Everywhere, config, secrets)
    found = toml_rs.loads(config)
    assert found["dbs"] == {"name": {"host": "CHANGE-ME"}}
    assert found["storage"] == {"kind": "s3", "bucket": "CHANGE-ME"}
    assert found["by_level"] == {}
    hidden = toml_rs.loads(secrets)
    assert hidden["dbs"] == {"name": {"password": "CHANGE-ME"}}
    assert hidden["storage"] == {"key": "CHANGE-ME"}
    assert set(hidden) == {"dbs", "storage", "upstreams"}  # layers do not merge arrays
    assert not list(validator(Everywhere).iter_errors(found))


class WithDefaults(BaseSettings):
    storage: S3 | Local = Local("/srv")
    dbs: Mapping[str, Db] = {}
    stores: Mapping[str, S3 | Local] = {"media": Local("/media")}
    mirror: S3 | Local = S3("b", "default-canary")
    sources: Annotated[tuple[S3 | Local | Maybe, ...], Meta(min_length=1, examples=[[{"kind": "maybe"}]])]


def test_a_default_without_a_secret_is_shown_and_no_other(tmp_path: Path) -> None:
    schema = schema_of(WithDefaults)
    config, secrets = template.config(schema), template.secrets_example(schema)
    assert load(tmp_path, WithDefaults, config, secrets) == WithDefaults.from_values(sources=[{"kind": "maybe"}])
    assert "canary" not in config + secrets
    said = "\n".join(line[1:] for line in config.splitlines() if re.match(r"#[^ :]", line))
    assert toml_rs.loads(said) == {
        "storage": {"kind": "local", "path": "/srv"},
        "dbs": {"name": {"host": "CHANGE-ME"}},
        "stores": {"media": {"kind": "local", "path": "/media"}},
        "mirror": {"kind": "s3", "bucket": "CHANGE-ME"},
    }
    assert "# storage.key belongs in the secrets file." not in config
    hidden = "\n".join(line[1:] for line in secrets.splitlines() if re.match(r"#[^ :]", line))
    required = "sources = [{ kind = 'maybe' }]\n"
    assert load(tmp_path, WithDefaults, required + said, hidden).storage == Local("/srv")
    assert toml_rs.loads(hidden) == {
        "dbs": {"name": {"password": "CHANGE-ME"}},
        "mirror": {"key": "CHANGE-ME"},
    }
    assert '# storage (kind = "s3").key: str, secret, required' in secrets.splitlines()


def test_tables_of_a_default_have_no_key_without_a_value(tmp_path: Path) -> None:
    class Peer(Struct, frozen=True):
        host: str
        proxy: str | None = None

    class Peers(BaseSettings):
        peers: tuple[Peer, ...] = (Peer("a"),)

    [text] = uncommented(template.config(schema_of(Peers)))
    assert load(tmp_path, Peers, text, "") == Peers.from_values()


class Sets(BaseSettings):
    plain: frozenset[str] = frozenset({"b", "a", "c"})
    pairs: tuple[frozenset[int | str], int] = (frozenset({10, 9, "x"}), 3)
    tables: Mapping[str, frozenset[str] | int] = {"b": frozenset({"z", "y"}), "a": 1}
    array: Annotated[tuple[frozenset[tuple[int, str]], ...], Meta(max_length=9)] = (frozenset({(2, "b"), (1, "a")}),)
    none: frozenset[str] | int = 4
    empty: tuple[frozenset[str], ...] = ()


class Sparse(Struct, frozen=True):
    port: int | None
    host: str | None = None
    token: Secret[str] = ""


class WithoutValues(BaseSettings):
    ports: tuple[int | None, ...] = (None, 1)
    by_name: Mapping[str, tuple[int | None, ...]] = {"a": (None,)}
    mode: Literal["fast", None] = None
    example: Annotated[tuple[int | None, ...], Meta(examples=[[None], [2]])] = ()
    hosts: tuple[Sparse, ...] = (Sparse(1), Sparse(2))
    gaps: tuple[Sparse | None, ...] = (None, Sparse(1))
    tables: Mapping[str, Sparse] = {"a": Sparse(None)}
    values: Mapping[str, int | None] = {"a": None, "b": 1}
    limit: float = math.inf


def test_what_toml_cannot_express_is_left_out(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    schema = schema_of(WithoutValues)
    lines = template.config(schema).splitlines()
    assert "#ports = []" in lines
    assert "#by_name = {}" in lines
    assert '#mode = "fast"' in lines
    assert "#example = []" in lines
    as_toml(effective(assemble(schema, [])))
    shown = [line.partition("  #")[0] for line in capsys.readouterr().out.splitlines()]
    assert "# ports = [not set, 1]" in shown
    assert "# by_name.a = [not set]" in shown
    assert "hosts = [{ port = 1 }, { port = 2 }]" in shown
    assert "# hosts[1].token = ********" in shown
    assert [line for line in shown if "gaps" in line] == [
        "# gaps[0] = not set",
        "# gaps[1].port = 1",
        "# gaps[1].host = not set",
        "# gaps[1].token = ********",
    ]
    assert "# tables.a.port = not set" in shown
    assert [line for line in shown if line.startswith("# values")] == ["# values.a = not set", "# values.b = 1"]
    properties = json.loads(json_schema(schema))["properties"]
    assert [key for key, entry in properties.items() if "default" in entry] == ["example", "values"]
    assert properties["values"]["default"] == {"b": 1}
    assert "`[not set, 1]`" in markdown(schema)


def test_decimals_may_be_numbers() -> None:
    class Prices(BaseSettings):
        price: tuple[Decimal | None, ...] = ()

    assert Prices.from_values(price=[1, 2.5, "3"]).price == tuple(map(Decimal, ("1", "2.5", "3")))
    assert validator(Prices).is_valid({"price": [1, 2.5, "3"]})
    assert not validator(Prices).is_valid({"price": [True]})


def test_sets_are_written_in_one_order() -> None:
    said = [
        line[1:] for line in template.config(schema_of(Sets)).splitlines() if line.startswith("#") and line[1] != " "
    ]
    assert said == [
        'plain = ["a", "b", "c"]',
        'pairs = [[9, 10, "x"], 3]',
        'tables = { b = ["y", "z"], a = 1 }',
        'array = [[[1, "a"], [2, "b"]]]',
        "none = 4",
        "empty = []",
    ]
    for line in said:
        assert f"`{line.partition(' = ')[2]}`" in markdown(schema_of(Sets))
    properties = json.loads(json_schema(schema_of(Sets)))["properties"]
    assert [entry["default"] for entry in properties.values()] == [
        ["a", "b", "c"],
        [[9, 10, "x"], 3],
        {"b": ["y", "z"], "a": 1},
        [[[1, "a"], [2, "b"]]],
        4,
        [],
    ]
