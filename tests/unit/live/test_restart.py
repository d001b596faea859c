"""RestartRequired keys keep their first value, and everything else is applied."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given as over
from hypothesis import strategies as st
from msgspec import Struct

from hotsettings import BaseSettings, InvalidSettings, Rejected, RestartRequired, Secret
from hotsettings._layers.layer import Document, Layer
from hotsettings._layers.layer import in_memory as document
from hotsettings._live.reload.restart import keep_first
from hotsettings._loading.explain import explain
from hotsettings._loading.load import Loaded, assemble
from hotsettings._redaction import Redactor
from hotsettings._schema.masking import HIDDEN
from hotsettings._schema.schema import schema_of
from hotsettings.testing import live


class Inner(Struct, frozen=True):
    fixed: RestartRequired[int] = 0
    hot: int = 0


class Outer(Struct, frozen=True):
    inner: Inner | None = None
    hot: int = 0
    fixed: RestartRequired[str] = ""


class Settings(BaseSettings):
    FIXED: RestartRequired[int] = 0
    HOT: int = 0
    table: Outer = Outer()
    maybe: Inner | None = None
    whole: RestartRequired[Inner] = Inner()
    RENAMED: RestartRequired[tuple[int, ...]] = ()

    def __post_init__(self) -> None:
        if self.HOT > 90 and self.FIXED < self.HOT:
            raise ValueError("HOT over 90 needs a FIXED that is as large")


def loaded(values: dict[str, Any]) -> Loaded:
    schema, documents = schema_of(Settings), (document(values),)
    return assemble(schema, documents)


small = st.integers(0, 2)
inner = st.fixed_dictionaries({}, optional={"fixed": small, "hot": small})
values = st.fixed_dictionaries(
    {},
    optional={
        "FIXED": small,
        "HOT": small,
        "table": st.fixed_dictionaries(
            {}, optional={"inner": inner, "hot": small, "fixed": st.sampled_from(["a", "b"])}
        ),
        "maybe": inner,
        "whole": inner,
        "RENAMED": st.lists(small, max_size=2),
    },
)


def model(first: Any, new: Any, restart: frozenset[str], at: str = "") -> Any:
    """What should be live, as plain nested values: written down anew, without schemas and leaves."""
    if not (isinstance(first, Struct) and isinstance(new, Struct)):
        optional_table = isinstance(first, Struct) or isinstance(new, Struct)
        fixed_inside = optional_table and plain_fixed(first) != plain_fixed(new)
        return plain(first) if at in restart or fixed_inside else plain(new)
    if at in restart:
        return plain(first)
    names = new.__struct_fields__
    return {n: model(getattr(first, n), getattr(new, n), restart, f"{at}.{n}" if at else n) for n in names}


def plain(value: Any) -> Any:
    return {n: plain(getattr(value, n)) for n in value.__struct_fields__} if isinstance(value, Struct) else value


def plain_fixed(table: Any) -> Any:
    """The part of an optional table that counts: None reads as None for each of its keys."""
    return None if table is None else table.fixed


FIXED = frozenset({"FIXED", "table.inner.fixed", "table.fixed", "maybe.fixed", "whole", "RENAMED"})


@over(values, values)
def test_against_a_model(before: dict[str, Any], after: dict[str, Any]) -> None:
    first, new = loaded(before), loaded(after)
    kept = keep_first(first, new)
    assert plain(kept.settings) == model(first.settings, new.settings, FIXED)
    waiting = {
        leaf.key for leaf in schema_of(Settings).leaves if leaf.value_in(kept.settings) != leaf.value_in(new.settings)
    }
    assert kept.pending == waiting, "exactly what the files say and what is not live"
    assert keep_first(first, first).pending == frozenset()
    assert keep_first(first, first).settings == first.settings


class Proxy(Struct, frozen=True):
    host: RestartRequired[str | None] = None
    retries: int | None = None


class WithProxies(BaseSettings):
    partly: Proxy | None = None
    whole: RestartRequired[Proxy | None] = None


def test_an_optional_table_that_comes_empty() -> None:
    schema = schema_of(WithProxies)
    first, new = assemble(schema, ()), assemble(schema, (document({"partly": {}, "whole": {}}),))
    kept = keep_first(first, new)
    assert kept.settings == WithProxies.from_values(partly={})
    assert kept.pending == {"whole.host", "whole.retries"}
    kept = keep_first(new, first)
    assert kept.settings == WithProxies.from_values(whole={})
    assert kept.pending == {"whole.host", "whole.retries"}


class Rows(BaseSettings):
    rows: RestartRequired[tuple[Inner, ...]] = ()
    table: RestartRequired[Mapping[str, int] | None] = None


def test_what_a_secret_layer_said_at_first_is_masked_when_no_layer_says_it_any_more() -> None:
    schema = schema_of(Rows)
    said = {"rows": [{"fixed": 4711, "hot": 1}, {"hot": 4711}], "table": {"a": 4711}}
    first = assemble(schema, [Document(Layer(name="secrets", secret=True), "", said)])
    kept = keep_first(first, assemble(schema, [document({})]))
    for key in ("rows", "rows[0]", "rows[1].hot", "table", "table.a"):
        assert "4711" not in repr(explain(kept, key)) + str(explain(kept, key))
    shown = explain(kept, "rows").kept
    assert shown is not None
    assert shown.value == [{"fixed": HIDDEN, "hot": HIDDEN}, {"fixed": 0, "hot": HIDDEN}]


def test_what_goes_live_must_be_valid_as_a_whole() -> None:
    first = loaded({"FIXED": 1})
    with pytest.raises(InvalidSettings, match="needs a FIXED"):
        keep_first(first, loaded({"FIXED": 95, "HOT": 95}))


class Server(BaseSettings):
    workers: RestartRequired[int] = 4
    name: RestartRequired[str] = "a"
    peer: RestartRequired[str | None] = None
    TOKEN: RestartRequired[Secret[str]] = "of the class"
    debug: bool = False

    def __post_init__(self) -> None:
        if self.debug and self.workers != 1:
            raise ValueError(f"debug needs workers = 1 and knows {self.TOKEN}")


def server(config: dict[str, Any], secrets: dict[str, Any]) -> Loaded:
    layers = (Layer(name="base", label="config.toml"), Layer(name="secrets", label="secrets.toml", secret=True))
    documents = tuple(Document(layer, "", values) for layer, values in zip(layers, (config, secrets), strict=True))
    schema = schema_of(Server)
    return assemble(schema, documents)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (({}, {}), ({"workers": 1}, {}), "while workers stays 4 until a restart"),
        (
            ({"peer": "p" * 90}, {}),
            ({"workers": 1, "name": "b"}, {}),
            'while workers stays 4 and name stays "a" and peer stays as it is until a restart',
        ),
        (({"peer": "p"}, {}), ({"peer": "q", "workers": 1}, {}), 'while workers stays 4 and peer stays "p" until'),
        (({}, {}), ({"peer": "q", "workers": 1}, {}), "while workers stays 4 and peer stays not set until"),
        (({}, {"name": "4711"}), ({"workers": 1}, {}), "and name stays ******** until a restart"),
        (({"name": "4711"}, {}), ({"workers": 1}, {"name": "b"}), "and name stays ******** until a restart"),
        (({}, {"TOKEN": "4711"}), ({"workers": 1}, {}), "and TOKEN stays ******** until a restart"),
        (
            ({"name": "x 4711-4711 y"}, {"TOKEN": "4711-4711"}),
            ({"workers": 1}, {}),
            'name stays "x ******** y" and TOKEN',
        ),
    ],
)
def test_a_rule_that_fails_only_because_of_a_pending_restart_says_so(before: Any, after: Any, why: str) -> None:
    first, new = (
        server(*before),
        server(*({**layer, "debug": True} if at == 0 else layer for at, layer in enumerate(after))),
    )
    redactor = Redactor(schema_of(Server))
    redactor.learn(first.documents, first.settings)
    with pytest.raises(InvalidSettings) as caught:
        keep_first(first, new, redactor)
    [problem] = caught.value.problems
    assert caught.value.while_waiting
    assert why in problem.message
    assert "4711" not in str(caught.value)


def test_of_very_many_keys_that_wait_some_are_named() -> None:
    names = [f"k{number}" for number in range(9)]

    class Many(BaseSettings):
        debug: bool = False
        if TYPE_CHECKING:
            k0: int
        __annotations__ |= dict.fromkeys(names, RestartRequired[int])
        vars().update(dict.fromkeys(names, 1))

        def __post_init__(self) -> None:
            if self.debug and self.k0:
                raise ValueError("no")

    schema = schema_of(Many)
    first, new = [assemble(schema, [document(values)]) for values in ({}, {"debug": True} | dict.fromkeys(names, 0))]
    with pytest.raises(InvalidSettings, match="and k4 stays 1 and 4 more stay as they are until a restart"):
        keep_first(first, new)


@pytest.mark.anyio
async def test_pending_and_back() -> None:
    def make(**values: Any) -> Settings:
        return Settings.from_values(**values)

    async with live(make(FIXED=1)) as held:
        change = await held.publish(make(FIXED=2, HOT=5))
        assert change is not None
        assert (change.keys, held.current.FIXED, held.current.HOT) == (frozenset({"HOT"}), 1, 5)
        assert held.status.pending_restart == {"FIXED"}
        assert held.status.healthy
        assert "live until the restart" in str(held.explain("FIXED"))
        with pytest.raises(Rejected, match="needs a FIXED") as caught:
            await held.publish(make(FIXED=95, HOT=95))
        rejection = held.status.rejection
        assert rejection is not None
        assert caught.value.by == rejection.by == "restart"
        assert held.status.pending_restart == {"FIXED"}, "what was rejected does not count"
        assert held.status.last_error is not None
        assert await held.publish(make(FIXED=1, HOT=5)) is None
        assert held.status.rejection is None
        assert held.status.pending_restart == frozenset()
        assert held.status.healthy
