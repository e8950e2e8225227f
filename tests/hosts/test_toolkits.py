"""What an agent is given, from memory, and what a host hears of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from bot.sandbox.faults import Refuse
from cogs import integrations
from cogs.integrations import Condition, IntegrationChange, of
from storage.integrations import Action, Store, open_engine
from tests.conftest import GUILD_ID, USER_ID, World, message_of, shown, synced
from tests.hosts.host import bot_of, plugin, tools
from tests.hosts.work import Work, connected, needs_reconnecting, one_answer


@pytest.fixture(autouse=True)
async def work(world: World) -> None:
    """The host's commands, and the plugin."""
    await bot_of(world).add_cog(Work())
    await plugin(world, "load")


# What an agent is given


async def test_the_toolkits_follow_each_sync_switch_and_revoke(world: World) -> None:
    here = of(bot_of(world))
    seen = [here.enabled_toolkits(GUILD_ID)]
    world.composio.connect("github")
    world.composio.connect("googledrive")
    await synced(world)
    seen.append(here.enabled_toolkits(GUILD_ID))
    await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=False)
    seen.append(here.enabled_toolkits(GUILD_ID))
    await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=True)
    seen.append(here.enabled_toolkits(GUILD_ID))
    question = message_of(await world.admin.slash(world.channel, "integrations revoke", provider="github"))
    await world.admin.click(question, label="Revoke 1 account")
    seen.append(here.enabled_toolkits(GUILD_ID))

    both = ["googledrive", "github"]
    assert seen == [[], both, ["googledrive"], both, ["googledrive"]]


async def test_the_toolkits_are_those_that_are_connected(world: World) -> None:
    await needs_reconnecting(world)
    world.composio.connect("slack")
    await synced(world)

    assert of(bot_of(world)).enabled_toolkits(GUILD_ID) == []


async def test_the_user_is_the_one_of_the_server(world: World, environment: pytest.MonkeyPatch) -> None:
    assert of(bot_of(world)).composio_user_id(GUILD_ID) == USER_ID

    environment.setenv("INTEGRATIONS_COMPOSIO_USER_ID", "team-{guild_id}")
    await plugin(world, "reload")

    assert of(bot_of(world)).composio_user_id(GUILD_ID) == f"team-{GUILD_ID}"


@pytest.fixture
async def statements(world: World, tmp_path: Path) -> AsyncIterator[list[str]]:
    """Everything that is sent to the database."""
    await plugin(world, "unload")
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'host.db'}")
    sent: list[str] = []
    sa.event.listen(engine.sync_engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
    await integrations.add_to(bot_of(world), engine=engine)
    await tools(world).sync()
    await _started(bot_of(world).get_cog("Integrations"))
    yield sent
    await bot_of(world).remove_cog("Integrations")
    await engine.dispose()


async def _started(cog: Any) -> None:
    """Let what a start begins of itself end: the servers arrive, and what is old is looked for."""
    await cog._servers.settled()  # noqa: SLF001
    cleaning = cog._clean.get_task()  # noqa: SLF001
    cleaning.cancel()
    await asyncio.wait({cleaning})


async def test_no_question_of_the_host_reaches_the_database(world: World, statements: list[str]) -> None:
    await connected(world)
    assert statements
    statements.clear()

    assert shown(await world.member.slash(world.channel, "issues")) == "12 issues"
    assert of(bot_of(world)).enabled_toolkits(GUILD_ID) == ["github"]
    assert of(bot_of(world)).composio_user_id(GUILD_ID) == USER_ID

    assert statements == []


@pytest.fixture
async def other_process(environment: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """The queries of another process, over the same database."""
    engine = open_engine("sqlite+aiosqlite:///integrations.db")
    yield Store(engine)
    await engine.dispose()


async def test_another_process_is_heard_of_within_five_seconds(world: World, other_process: Store) -> None:
    await connected(world)
    await other_process.set_enabled(USER_ID, "github", GUILD_ID, False)
    at_once = shown(await world.member.slash(world.channel, "issues"))

    await world.env.advance_time(5)

    assert at_once == "12 issues"
    assert "switched off here" in one_answer(await world.member.slash(world.channel, "issues"))
    assert of(bot_of(world)).enabled_toolkits(GUILD_ID) == []


# What the host hears


def heard(world: World) -> list[tuple[str, Action, Condition, Condition]]:
    return [(c.provider, c.action, c.before, c.after) for c in tools(world).changes]


async def test_the_host_hears_of_each_sync_switch_and_revoke_that_changes_something(world: World) -> None:
    await connected(world)
    await world.manager.slash(world.channel, "integrations toggle", provider="github")
    await world.manager.slash(world.channel, "integrations toggle", provider="github")
    question = message_of(await world.admin.slash(world.channel, "integrations revoke", provider="github"))
    await world.admin.click(question, label="Revoke 1 account")

    assert heard(world) == [
        ("github", Action.SYNC, Condition.NOT_CONNECTED, Condition.CONNECTED),
        ("github", Action.TOGGLE, Condition.CONNECTED, Condition.DISABLED),
        ("github", Action.TOGGLE, Condition.DISABLED, Condition.CONNECTED),
        ("github", Action.REVOKE, Condition.CONNECTED, Condition.NOT_CONNECTED),
    ]
    assert [change.person_id for change in tools(world).changes] == [
        world.admin.id,
        world.manager.id,
        world.manager.id,
        world.admin.id,
    ]
    assert {change.guild_id for change in tools(world).changes} == {GUILD_ID}
    assert {change.composio_user_id for change in tools(world).changes} == {USER_ID}


async def test_the_host_hears_of_an_app_that_was_gone_when_it_was_to_be_revoked(world: World) -> None:
    account = world.composio.connect("github")
    await synced(world)
    world.composio.remove(account.id)
    tools(world).changes.clear()

    result = await world.admin.slash(world.channel, "integrations revoke", provider="github")

    assert "There is nothing to revoke." in shown(result)
    assert heard(world) == [("github", Action.SYNC, Condition.CONNECTED, Condition.NOT_CONNECTED)]


async def test_the_host_hears_nothing_where_nothing_changed(world: World) -> None:
    await connected(world)
    tools(world).changes.clear()

    await synced(world)
    await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=True)
    question = message_of(await world.admin.slash(world.channel, "integrations revoke", provider="github"))
    world.composio.fail(Refuse(500), method="POST", path="*/revoke")
    await world.admin.click(question, label="Revoke 1 account")

    assert heard(world) == []


async def test_what_the_host_hears_is_known_already(world: World) -> None:
    known: list[list[str]] = []

    async def listener(_: IntegrationChange) -> None:
        known.append(of(bot_of(world)).enabled_toolkits(GUILD_ID))

    bot_of(world).add_listener(listener, "on_integration_change")
    await connected(world)
    await world.manager.slash(world.channel, "integrations toggle", provider="github")

    assert known == [["github"], []]
