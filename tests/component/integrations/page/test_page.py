"""What the page shows: values, origins, defaults, what waits, what was rejected, what has changed, and no secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import anyio
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from msgspec import Meta
from support.asking import ask, asking, until_told
from support.examples import examples
from support.live import idle
from support.markup import NASTY, Seen, hostile, seen

from hotsettings import BaseSettings, FileLayer, Rejected, RestartRequired, Secret, Section, ValuesLayer
from hotsettings.integrations.page import record as page_record
from hotsettings.integrations.page import render as page_render
from hotsettings.integrations.page import settings_page
from hotsettings.testing import Workspace, live

pytestmark = pytest.mark.anyio


class Settings(BaseSettings):
    HOST: Annotated[str, Section("Network"), Meta(description="Where it <listens>.")] = "localhost"
    PORT: Annotated[int, Meta(ge=1)] = 80
    REQUIRED: str
    LABELS: Annotated[Mapping[str, str], Section("Other")] = {}
    TOKEN: Secret[str] = "default-token"
    PLAIN: str = "plain-default"
    WORKERS: RestartRequired[int] = 4
    KEY: Annotated[RestartRequired[Secret[str]], Meta(min_length=5)] = "first-key"


def everybody(_: Any) -> bool:
    return True


def text_of(html: str) -> str:
    return " ".join(seen(html.partition("<body")[2].partition("<script>")[0]).text.split())


def rows(html: str) -> dict[str, list[str]]:
    """The cells of each row, by key."""
    found = {}
    for row in re.findall(r"<tr role=.row.><th scope=.row.*?</tr>", html):
        key, *cells = [" ".join(seen(cell).text.split()) for cell in re.findall(r"<t[hd][ >].*?</t[hd]>", row)]
        found[key.split()[0]] = cells
    return found


async def test_values_origins_and_defaults(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write("REQUIRED = 'x'\nPORT = 81\n", secrets="PLAIN = 'said-by-secrets'\n", override="\nPORT = 82\n")
    async with Settings.watch(**workspace.paths) as held:
        html = (await ask(settings_page(held, authorize=everybody))).text
    found = rows(html)
    assert list(found) == ["HOST", "PORT", "REQUIRED", "LABELS", "TOKEN", "PLAIN", "WORKERS", "KEY"]
    assert found["HOST"] == ['"localhost"', "default", '"localhost"', "hot"]
    assert found["PORT"] == ["82", f"{workspace.override}:2:8", "80", "hot"]
    assert found["REQUIRED"] == ['"x"', f"{workspace.config}:1:12", "required", "hot"]
    assert found["TOKEN"] == ["******** secret", "default", "********", "hot"]
    assert found["PLAIN"] == ["******** secret", f"{workspace.secrets}:1:9", '"plain-default"', "hot"]
    assert found["WORKERS"] == ["4", "default", "4", "restart"]
    assert "Where it &lt;listens&gt;." in html
    assert re.findall(r"<h3 id=.section-\d+.>(.*?)</h3>", html) == ["Network", "Other"]
    assert "Healthy" in text_of(html)


async def test_a_layer_that_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("REQUIRED = 'x'\n")
    layers = [FileLayer(path), ValuesLayer({"PORT": 82}, name="command line")]
    async with Settings.watch(layers=layers) as held:
        html = (await ask(settings_page(held, authorize=everybody))).text
    assert rows(html)["PORT"] == ["82", "command line", "80", "hot"]
    shown = [re.sub("<.*?>", "", item) for item in re.findall("<li>(.*?)</li>", html)]
    assert shown == [f"config.toml {path}", "command line"]


async def test_a_comment_above_moves_the_origins(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write("REQUIRED = 'x'\n")
    async with Settings.watch(**workspace.paths) as held:
        app = settings_page(held, authorize=everybody)
        assert rows((await ask(app)).text)["REQUIRED"][1] == f"{workspace.config}:1:12"
        workspace.write("# new\nREQUIRED = 'x'\n")
        await held.reload()
        assert rows((await ask(app)).text)["REQUIRED"][1] == f"{workspace.config}:2:12"


async def test_a_rejection_is_shown_as_check_prints_it_until_it_is_mended(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write("REQUIRED = 'x'\n")
    async with Settings.watch(**workspace.paths) as held:
        app = settings_page(held, authorize=everybody)
        workspace.write("REQUIRED = 'x'\nPORT = 0\n")
        with pytest.raises(Rejected):
            await held.reload()
        html = (await ask(app)).text
        panel = re.findall(r'<section class="panel bad".*?</section>', html)[0]
        lines = [seen(line).text for line in re.findall(r'<span class="(?:problem|source|carets)">.*?</span>', panel)]
        assert lines == (held.status.last_error or "").split("\n")
        assert lines[1:] == [
            f"  {workspace.config}:2:8  PORT: expected int >= 1",
            "       2 | PORT = 0",
            " " * 9 + "|        ^",
        ]
        assert "generation 1 stays live" in panel
        workspace.write("REQUIRED = 'x'\nPORT = 1\n")
        await held.reload()
        await idle()
        html = (await ask(app)).text
        assert 'class="panel bad"' not in html
        assert "Rejected" in text_of(html)  # among what has happened


async def test_what_waits_for_a_restart() -> None:
    async with live(Settings.from_values(REQUIRED="x")) as held:
        app = settings_page(held, authorize=everybody)
        await held.publish(Settings.from_values(REQUIRED="x", WORKERS=8, KEY="second-key"))
        html = (await ask(app)).text
        assert "2 settings wait for a restart" in html
        assert rows(html)["WORKERS"][0] == "4 after a restart: 8"
        assert rows(html)["KEY"][0] == "******** secret after a restart: ********"
        assert "first-key" not in html
        assert "second-key" not in html
        await held.publish(Settings.from_values(REQUIRED="x"))
        await idle()
        assert "panel waits" not in (await ask(app)).text


async def test_the_last_changes_are_kept_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_record, "KEPT", 5)
    async with live(Settings.from_values(REQUIRED="x")) as held:
        app = settings_page(held, authorize=everybody)
        for port in range(100, 112):
            await held.publish(Settings.from_values(REQUIRED="x", PORT=port))
            await idle()
        history = (await ask(app)).text.partition("Recent changes")[2]
    assert re.findall(r"<h3>Generation (\d+)", history) == ["13", "12", "11", "10", "9"]
    assert "was 110 → now 111" in text_of("<body>" + history).replace("  ", " ")


async def test_the_same_rejection_again_and_again_is_one_entry() -> None:
    async with live(Settings.from_values(REQUIRED="x")) as held:
        app = settings_page(held, authorize=everybody)

        def veto(_: Any) -> None:
            raise ConnectionError("nobody answers")

        held.prepare(veto)
        for _ in range(3):
            with pytest.raises(Rejected):
                await held.publish(Settings.from_values(REQUIRED="x", PORT=9))
        await idle()
        html = (await ask(app)).text
    assert text_of(html).count("Rejected") == 1
    assert "Rejected, 3 times" in text_of(html)
    assert "(3 attempts)" in text_of(html)


async def test_a_long_rejection_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_render, "LONGEST_REASON", 30)
    async with live(Settings.from_values(REQUIRED="x")) as held:
        app = settings_page(held, authorize=everybody)

        def veto(_: Any) -> None:
            raise ValueError("first line that is too long\nsecond line")

        held.prepare(veto)
        with pytest.raises(Rejected):
            await held.publish(Settings.from_values(REQUIRED="x", PORT=9))
        panel = (await ask(app)).text.partition('aria-label="Problems"')[2].partition("</pre>")[0]
    assert "characters)" in panel
    assert "second line" not in panel


async def test_a_change_that_cannot_be_shown_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Any) -> str:
        raise ValueError("no text for default-token")

    async with live(Settings.from_values(REQUIRED="x")) as held:
        app = settings_page(held, authorize=everybody)
        with monkeypatch.context() as patch:
            patch.setattr(page_record, "shown", fail)
            await held.publish(Settings.from_values(REQUIRED="x", PORT=81))
            await idle()
        await held.publish(Settings.from_values(REQUIRED="x", PORT=82))
        await idle()
        html = (await ask(app)).text
    assert "was 80 → now 82" in text_of(html).replace("  ", " ")
    [record] = [record for record in caplog.records if record.getMessage().startswith("the settings page: ")]
    assert "ValueError: no text for ********" in record.getMessage()


async def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "config.toml"
    config.write_text("REQUIRED = 'x'\n", encoding="utf-8")
    async with Settings.watch() as held:
        summary = text_of((await ask(settings_page(held, authorize=everybody))).text)
    assert "base config.tomlsecrets secrets.toml missing" in summary


SECRETS = (
    "t0k3n-of-the-first",
    "t0k3n-of-the-second",
    "hidden-in-secrets",
    "labelled-in-secrets",
    "the-0ld-key",
    "the-n3w-key",
)


async def test_no_secret_in_any_byte(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    first: dict[str, Any] = {"TOKEN": SECRETS[0], "PLAIN": SECRETS[2], "LABELS": {"a": SECRETS[3]}, "KEY": SECRETS[4]}
    workspace.write({"REQUIRED": "x"}, secrets=first)
    said = b""
    async with Settings.watch(**workspace.paths) as held:
        app = settings_page(held, authorize=everybody)

        def veto(change: Any) -> None:
            if change.new.PORT == 99:
                raise ConnectionError(f"cannot log in with {change.new.TOKEN} and {change.new.PLAIN}")

        held.prepare(veto)
        async with asking(app, "/events") as (stream, _):
            for number, secrets in enumerate(
                [first, {**first, "TOKEN": SECRETS[1], "KEY": SECRETS[5]}, {**first, "KEY": 1}]
            ):
                for port in (80, 99):
                    workspace.write({"REQUIRED": "x", "PORT": port}, secrets=secrets)
                    try:
                        await held.reload()
                    except Rejected:
                        pass
                    await idle()
                    said += (await ask(app)).body
                await until_told(stream, number + 1)
        said += stream.body
    assert b"KEY: expected str" in said
    assert b"cannot log in with ********" in said
    for secret in (*SECRETS, "default-token", "first-key"):
        assert secret.encode() not in said


async def test_what_moves_into_the_secrets_file_is_masked_in_the_past_too(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.write({"REQUIRED": "x", "PLAIN": "not-hidden-0"})
    async with Settings.watch(**workspace.paths) as held:
        app = settings_page(held, authorize=everybody)
        workspace.write({"REQUIRED": "x", "PLAIN": "not-hidden-1"})
        await held.reload()
        await idle()
        assert (await ask(app)).text.count("not-hidden-") == 3

        def veto(change: Any) -> None:
            raise ValueError(f"{change.new.PLAIN} does not go with {change.new.PORT}")

        hook = held.prepare(veto)
        workspace.write({"REQUIRED": "x", "PLAIN": "not-hidden-1", "PORT": 2})
        with pytest.raises(Rejected):
            await held.reload()
        hook.cancel()
        await idle()
        assert "not-hidden-1 does not go with 2" in (await ask(app)).text
        workspace.write({"REQUIRED": "x"}, secrets={"PLAIN": "not-hidden-1"})
        await held.reload()
        html = (await ask(app)).text
        assert "not-hidden" not in html
        assert "******** does not go with 2" in html
        assert "********" in html.partition("Recent changes")[2]


def skeleton(page: str) -> list[tuple[str, list[tuple[str, str | None]]]]:
    """Every tag with the names of its attributes, and the values of those that could do something."""
    found: Seen = seen(page.partition("<script>")[0])
    return [
        (
            name,
            sorted(
                (key, value if key in ("href", "src", "style") or key.startswith("on") else None)
                for key, value in attributes
            ),
        )
        for name, attributes in found.tags
        if name != "b"
    ]


async def page_with(values: dict[str, Any], text: str) -> str:
    """The page after these values went live, then a rejection that quotes the text."""
    async with live(Settings.from_values(REQUIRED="x")) as held:
        app = settings_page(held, authorize=everybody)
        await held.publish(Settings.from_values(**values))
        await idle()

        def veto(_: Any) -> None:
            raise ValueError(" ".join(f"x{text}".split("\n")))

        held.prepare(veto)
        with pytest.raises(Rejected):
            await held.publish(Settings.from_values(REQUIRED="another", PORT=2))
        await idle()
        return (await ask(app)).text


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_hostile_value_adds_no_tag_and_no_attribute(anyio_backend: str, data: st.DataObject) -> None:
    text = data.draw(hostile.filter(lambda text: "\udc80" not in text))

    def values(text: str) -> dict[str, Any]:
        return {"REQUIRED": f"x{text}!", "LABELS": {f"k{text}": text}, "PLAIN": f"{text}!"}

    plain = anyio.run(page_with, values("plain"), "plain")
    page = anyio.run(page_with, values(text), text)
    assert skeleton(page) == skeleton(plain)


@pytest.mark.parametrize("text", NASTY[:-1])
async def test_hostile_values_are_read_as_text(text: str) -> None:
    page = await page_with({"REQUIRED": f"({text})"}, text)
    assert not re.search("[\x00-\x09\x0b-\x1f\u2028\u2029\u202e\u2066\ufeff\u200b]", page)
    if text.isprintable() and '"' not in text:
        assert f"({text})" in rows(page)["REQUIRED"][0]


async def test_a_very_long_value_is_cut() -> None:
    async with live(Settings.from_values(REQUIRED="long" * 100_000)) as held:
        html = (await ask(settings_page(held, authorize=everybody))).text
    assert "… (400,002 characters)" in html
    assert len(html) < 60_000
