"""Leaves inside mappings, arrays and unions: each has an origin, and a secret hides itself and nothing else."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import pytest
from msgspec import Struct

from hotsettings import BaseSettings, Before, Check, InvalidSettings, Secret
from hotsettings._layers.layer import Layer, in_memory
from hotsettings._loading.explain import effective, explain, origins, parse_key
from hotsettings._loading.load import assemble
from hotsettings._loading.merge import merge, trace, winners
from hotsettings._redaction import Redactor
from hotsettings._schema.describe import type_name
from hotsettings._schema.masking import HIDDEN
from hotsettings._schema.schema import schema_of
from hotsettings._schema.shape import Shape, masked, parts_of, secret_paths, whole_at
from hotsettings.cli.commands.schema import json_schema


class Db(Struct, frozen=True, forbid_unknown_fields=True):
    host: str
    password: Secret[str] = ""
    port: int = 5432


class S3(Struct, frozen=True, tag_field="kind", tag="s3", forbid_unknown_fields=True):
    bucket: str
    key: Secret[str] = ""


class Disk(Struct, frozen=True, tag_field="kind", tag="disk", forbid_unknown_fields=True):
    path: str


class Upstream(Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    token: Secret[str] | None = None


class S(BaseSettings):
    dbs: Mapping[str, Db] = {}
    upstreams: tuple[Upstream, ...] = ()
    storage: S3 | Disk = Disk("/tmp")
    logins: Mapping[str, Secret[str]] = {}
    vault: Secret[Mapping[str, str]] = {}  # noqa: RUF012
    hosts: tuple[str, ...] = ()
    anything: Any = None


SHAPE = schema_of(S).shape


def test_leaves_are_told_apart_and_a_secret_hides_itself_only() -> None:
    values = {
        "dbs": {"main": {"host": "db-1", "password": "hunter2"}},
        "upstreams": [{"url": "u"}, {"url": "v", "token": "t"}],
        "storage": {"kind": "s3", "bucket": "b", "key": "k"},
        "logins": {"someone": "x"},
        "vault": {"name": "x"},
        "hosts": ["a", "b"],
        "unknown": 1,
    }
    assert {part.path: part.hidden for part in parts_of(SHAPE, values)} == {
        ("dbs", "main", "host"): False,
        ("dbs", "main", "password"): True,
        ("upstreams", 0, "url"): False,
        ("upstreams", 1, "url"): False,
        ("upstreams", 1, "token"): True,
        ("storage", "kind"): False,
        ("storage", "bucket"): False,
        ("storage", "key"): True,
        ("logins", "someone"): True,
        ("vault",): True,
        ("hosts",): False,
        ("unknown",): True,
    }
    assert masked(SHAPE, values) == {
        "dbs": {"main": {"host": "db-1", "password": HIDDEN}},
        "upstreams": [{"url": "u"}, {"url": "v", "token": HIDDEN}],
        "storage": {"kind": "s3", "bucket": "b", "key": HIDDEN},
        "logins": {"someone": HIDDEN},
        "vault": HIDDEN,
        "hosts": ["a", "b"],
        "unknown": HIDDEN,
    }
    assert set(secret_paths(SHAPE, values)) == {
        part.path for part in parts_of(SHAPE, values) if part.hidden and part.path != ("unknown",)
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"dbs": "x"}, {"dbs": HIDDEN}),
        ({"dbs": []}, {"dbs": []}),
        ({"dbs": {}}, {"dbs": {}}),
        ({"dbs": [{"password": "x"}]}, {"dbs": HIDDEN}),
        ({"storage": {"kind": "other", "key": "x"}}, {"storage": {"kind": "other", "key": HIDDEN}}),
        ({"storage": {"kind": [1], "key": "x"}}, {"storage": {"kind": [1], "key": HIDDEN}}),
        ({"vault": {}}, {"vault": HIDDEN}),
        ({"logins": {"a": {"b": "x"}}}, {"logins": {"a": HIDDEN}}),
        ({"anything": {"a": [{"b": 1}]}}, {"anything": {"a": [{"b": 1}]}}),
        ({"upstreams": [["x"]]}, {"upstreams": HIDDEN}),
        ({"hosts": [{"a": 1}]}, {"hosts": [{"a": 1}]}),
    ],
)
def test_values_that_do_not_fit_show_no_secret(value: Any, shown: Any) -> None:
    assert masked(SHAPE, value) == shown


def test_what_is_secret_as_a_whole_hides_its_keys() -> None:
    values = {"vault": {"name": "x"}, "dbs": {"main": {"password": "x"}}}
    assert whole_at(SHAPE, values, ("vault", "name")) == ("vault",)
    assert whole_at(SHAPE, values, ("dbs", "main", "password")) == ("dbs", "main", "password")
    assert whole_at(SHAPE, values, ("dbs", "main", "host")) is None
    assert Shape(Mapping[Secret[str], int]).is_whole({"a": 1})


def test_a_path_without_a_value_may_lead_into_any_member_of_a_union() -> None:
    for path in (("storage", "bucket"), ("storage", "path"), ("storage", "kind"), ("upstreams", 7, "url")):
        assert SHAPE.at(path) is not None
    assert SHAPE.at(("storage", "path"), {"storage": {"kind": "s3"}}) is None
    assert SHAPE.at(("storage", "key")).holds_secret  # type: ignore[union-attr]
    assert SHAPE.at(("upstreams", "x")) is None
    assert SHAPE.at(("upstreams", 10**15, "token")) is not None  # no element is counted on the way
    assert SHAPE.at(("dbs", 0)) is None


def document(name: str, values: dict[str, Any], secret: bool = False) -> Any:
    made = in_memory(values)
    return type(made)(Layer(name=name, label=f"{name}.toml", secret=secret), "", values)


def test_show_and_explain_by_leaf() -> None:
    documents = (
        document("base", {"dbs": {"main": {"host": "db-1"}, "other": {"host": "db-2"}}}),
        document("secrets", {"dbs": {"main": {"password": "hunter2-canary"}}}, secret=True),
    )
    it = assemble(schema_of(S), documents)
    shown = {setting.key: (setting.value, setting.origin.layer) for setting in effective(it)}
    assert shown["dbs.main.host"] == ("db-1", "base")
    assert shown["dbs.main.password"] == (HIDDEN, "secrets")
    assert shown["dbs.main.port"] == (5432, "default")
    assert shown["dbs.other.password"] == (HIDDEN, "default")
    assert origins(it)["dbs.main.password"].layer == "secrets"
    assert explain(it, "dbs.main.host").winner.value == "db-1"
    assert explain(it, "dbs.main.port").winner.value == 5432
    assert explain(it, "dbs.main").entries[0].value == {"password": HIDDEN}
    with pytest.raises(ValueError, match="no key"):
        explain(it, "dbs[0]")


@pytest.mark.parametrize(
    ("key", "path"),
    [
        ("upstreams[2].token", ("upstreams", 2, "token")),
        ("a[1][22]", ("a", 1, 22)),
        ("a . 'b.c' [0]", ("a", "b.c", 0)),
        ('"\\u0061".b', ("a", "b")),
        ("a[x]", None),
        ("a.", None),
        (".a", None),
        ("[1]", None),
        ("a b", None),
        ('"\\q"', None),
        ("a" * 2000, None),
        ("", None),
    ],
)
def test_keys_with_indices(key: str, path: Any) -> None:
    assert parse_key(key) == path


def test_winners_agree_with_trace() -> None:
    layers: list[dict[str, Any]] = [
        {"dbs": {"a": {"host": "x"}, "b": {"host": "y"}}, "hosts": ["x"], "anything": {"t": 1}},
        {"dbs": {"a": {"port": 1}}, "anything": 5},
        {"dbs": {"a": {"port": 2}}, "hosts": ["y"], "anything": {"u": 1}},
    ]
    tree = winners(layers, SHAPE)
    for path in [part.path for part in parts_of(SHAPE, merge(layers))]:
        inside: Any = tree
        winner = None
        for name in path:
            if inside is None:
                break
            winner = inside[name]
            inside = winner.inside
        assert winner is not None
        assert winner.layer == next(trace(layers, path))[0]


class Login(Struct, frozen=True, tag="login", array_like=True):
    password: Secret[str]
    port: Annotated[int, Check(lambda port: refuse(port == 13))]
    hosts: tuple[Db, ...] = ()


class Token(Struct, frozen=True, tag="token", array_like=True):
    host: str
    token: Secret[str] = ""
    retries: Annotated[int, Before(int)] = 0


class Arrays(BaseSettings):
    one: Login | None = None
    either: Login | Token | None = None


def refuse(refused: bool) -> None:
    if refused:
        raise ValueError("unlucky")


def of_arrays(**values: Any) -> Any:
    return assemble(schema_of(Arrays), [document("base", values)])


def test_the_tag_of_an_array_comes_before_its_fields() -> None:
    it = of_arrays(one=["login", "hunter2", 1, [{"host": "h"}]], either=["token", "h", "hunter2", "3"])
    assert [(setting.key, setting.value) for setting in effective(it)] == [
        ("one[0]", "login"),
        ("one[1]", HIDDEN),
        ("one[2]", 1),
        ("one[3][0].host", "h"),
        ("one[3][0].password", HIDDEN),
        ("one[3][0].port", 5432),
        ("either", HIDDEN),
    ]
    assert it.settings.either == Token("h", "hunter2", 3), (
        "Before was called for its field, and not for the one before it"
    )
    redactor = Redactor(schema_of(Arrays))
    redactor.learn(it.documents)
    assert redactor.redact("hunter2 login") == "******** login"
    entry = json.loads(json_schema(schema_of(Arrays)))["$defs"]["Login"]
    assert [each.get("enum", each.get("type")) for each in entry["prefixItems"]] == [
        ["login"],
        "string",
        "integer",
        "array",
    ]
    assert entry["minItems"] == 3
    assert type_name(Arrays.__annotations__["either"]).endswith('or array of "token", str, str, int')


@pytest.mark.parametrize("key", ["one", "either"])
def test_an_array_without_its_tag_is_hidden_as_a_whole(key: str) -> None:
    """Somebody may have written the secret where the tag should be."""
    value = ["hunter2", 1, [{"host": "h"}]]
    shape = Arrays.__annotations__[key]
    assert masked(Shape(shape), value) == HIDDEN
    assert whole_at(schema_of(Arrays).shape, {key: value}, (key, 0)) == (key,)
    redactor = Redactor(schema_of(Arrays))
    redactor.learn([document("base", {key: value})])
    assert redactor.redact("it is hunter2") == "it is ********"


@pytest.mark.parametrize(
    ("value", "key", "message"),
    [
        (["login", "hunter2", 13], "either[2]", "unlucky"),
        (["login", "hunter2", "13"], "either[2]", "expected int, got str"),
        (["login", "hunter2", 1, [{}]], "either[3][0].host", "required, but missing from this table"),
        (["token", 5], "either[1]", "expected str, got int"),
        (["token", "h", 5], "either[2]", "expected str, got int (value hidden)"),
        (["token", "h", "", "x"], "either[3]", "invalid literal for int() with base 10: 'x'"),
        (["login", "hunter2"], "either", "expected array of at least length 3, got 2 (value hidden)"),
        (["hunter2", 1], "either", "invalid value (value hidden)"),
        (["hunter2", 1, []], "one", "invalid value (value hidden)"),
    ],
)
def test_a_mistake_in_an_array_has_its_index(value: Any, key: str, message: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        of_arrays(**{key.partition("[")[0]: value})
    assert [(problem.key, problem.message) for problem in caught.value.problems] == [(key, message)]
