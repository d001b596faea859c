"""How to test an application that follows its settings. Run pytest in this folder.

Most tests need no files: ``live`` makes other settings go live, as a reload would. For tests with real files, hotsettings
brings the pytest fixture ``settings_workspace``. The marker anyio comes with anyio.
"""

import pytest
from limiter import Limiter, Settings

from hotsettings import InvalidSettings, Rejected
from hotsettings.testing import Workspace, live

SETTINGS = Settings.from_values(CALLS=2, API_KEY="only-for-tests")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_a_client_may_make_so_many_calls() -> None:
    async with live(SETTINGS) as held:
        limiter = Limiter(held)
        assert [limiter.allows("ann") for _ in range(3)] == [True, True, False]


@pytest.mark.anyio
async def test_another_number_counts_from_the_beginning() -> None:
    async with live(SETTINGS) as held:
        limiter = Limiter(held)
        assert [limiter.allows("ann") for _ in range(3)] == [True, True, False]
        await held.publish(SETTINGS.replace(CALLS=1))
        await held.wait_applied()  # the callback has returned
        assert [limiter.allows("ann") for _ in range(2)] == [True, False]


@pytest.mark.anyio
async def test_a_state_that_blocks_everybody_is_refused() -> None:
    async with live(SETTINGS) as held:
        limiter = Limiter(held)
        with pytest.raises(Rejected, match="nobody would be left"):
            await held.publish(SETTINGS.replace(BLOCKED=["*"]))
        assert limiter.allows("ann")
        assert not held.status.healthy


@pytest.mark.anyio
async def test_with_real_files(settings_workspace: Workspace) -> None:
    settings_workspace.write({"CALLS": 1}, secrets={"API_KEY": "only-for-tests"})
    async with Settings.watch(**settings_workspace.paths) as held:
        limiter = Limiter(held)
        assert [limiter.allows("ann") for _ in range(2)] == [True, False]
        settings_workspace.write({"CALLS": 1, "BLOCKED": ["bob"]})
        await held.reload()  # or wait for held.changes(...): the files are watched
        assert not limiter.allows("bob")
        settings_workspace.write({"CALLS": "many"})
        with pytest.raises(Rejected, match="CALLS: expected int, got str"):
            await held.reload()


def test_what_a_deployment_would_be_told() -> None:
    with pytest.raises(InvalidSettings, match="API_KEY: expected str of length >= 8") as raised:
        Settings.from_values(CALLS=0, API_KEY="short")
    assert [problem.key for problem in raised.value.problems] == ["CALLS", "API_KEY"]
    assert "short" not in str(raised.value)
