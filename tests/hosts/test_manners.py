"""A guest that leaves the house as it found it."""

# ruff: noqa: ASYNC240 – the files are a test's own, and small

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import discord
import pytest
import sqlalchemy as sa
from discord.ext import commands
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bot.sandbox.faults import Meanwhile
from bot.sandbox.standin import StandIn
from cogs import integrations
from cogs.integrations.guard import AnyBot
from tests.conftest import World, live, message_of, shown, text
from tests.hosts.host import EXTENSION, bot_of, make, plugin, running, tools
from tests.hosts.test_loading_fails import taken_cog
from tests.hosts.traces import only_what_is_new, traces

pytestmark = pytest.mark.quick

__all__ = ["only_what_is_new"]  # a fixture of every file that looks for traces


async def use(world: World) -> None:
    """A bit of everything, and a question that nobody answers."""
    await world.env.advance_time(10)
    world.composio.connect("github", alias="ci")
    assert "Synced" in shown(await world.admin.slash(world.channel, "integrations sync"))
    listed = message_of(await world.admin.slash(world.channel, "integrations list"))
    card = message_of(await world.admin.select(listed, ["github"]))
    await world.admin.click(card, label="Disable")
    await world.admin.slash(world.channel, "integrations howto", provider="gmail")
    await world.admin.slash(world.channel, "integrations toggle", provider="github", enabled=True)
    await world.admin.slash(world.channel, "integrations history")
    question = message_of(await world.admin.slash(world.channel, "integrations revoke", provider="github"))
    await world.admin.click(question, label="Revoke 1 account")
    world.composio.connect("notion")
    asked = await world.admin.slash(world.channel, "integrations revoke", provider="notion")
    assert "Revoke Notion?" in shown(asked)


async def test_loading_using_reloading_and_unloading_leaves_nothing_behind(world: World) -> None:
    await world.admin.slash(world.channel, "ping")
    before = traces(world.env)

    assert await plugin(world, "load") == "done"
    await use(world)
    assert await plugin(world, "reload") == "done"
    await use(world)
    assert await plugin(world, "unload") == "done"

    assert traces(world.env) == before
    assert not [name for name in sys.modules if name.startswith(EXTENSION)]


async def test_while_it_is_loaded_all_handlers_and_the_logging_are_the_hosts(world: World) -> None:
    await world.admin.slash(world.channel, "ping")
    before = traces(world.env)

    await plugin(world, "load")
    await use(world)

    loaded = traces(world.env)
    for name in ("handlers", "loop", "process", "warnings", "logging"):
        assert loaded[name] == before[name]


class Held(Meanwhile):
    """An answer of Composio's that comes when it is let go; `arrived` is when somebody waits for it."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.go = asyncio.Event()
        super().__init__(self._hold)

    async def _hold(self) -> None:
        self.arrived.set()
        await self.go.wait()


async def test_unloading_while_a_sync_runs_answers_first_and_leaves_nothing_behind(world: World) -> None:
    before = traces(world.env)
    await plugin(world, "load")
    listed = message_of(await world.member.slash(world.channel, "integrations list"))
    world.composio.connect("gmail")
    held = Held()
    world.composio.fail(held)

    async def unload() -> None:
        await held.arrived.wait()
        asyncio.get_running_loop().call_soon(held.go.set)
        await bot_of(world).unload_extension(EXTENSION)

    pressed, _ = await asyncio.gather(world.member.click(listed, label="Sync from Composio"), unload())

    assert "Synced: 1 added" in text(pressed.followups[0])
    assert traces(world.env) == before


async def test_unloading_ends_though_composio_does_not_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = traces(world.env)
    await plugin(world, "load")
    monkeypatch.setattr(live("mirror.running").Running.close, "__defaults__", (0.05,))
    monkeypatch.setattr(live("chat.context"), "CLOSE_SECONDS", 0.05)
    held = Held()
    world.composio.fail(held)

    async def unload() -> None:
        await held.arrived.wait()
        await bot_of(world).unload_extension(EXTENSION)

    await asyncio.gather(world.member.slash(world.channel, "integrations sync"), unload())

    assert traces(world.env) == before


async def test_nothing_of_the_plugin_stays_in_memory(world: World) -> None:
    await plugin(world, "load")
    await use(world)
    cog = weakref.ref(bot_of(world).get_cog("Integrations"))

    await plugin(world, "unload")

    gc.collect()
    assert cog() is None


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (commands.Bot, {"intents": discord.Intents.none()}),
        (commands.AutoShardedBot, {"intents": discord.Intents.none(), "shard_count": 1}),
    ],
    ids=["Bot", "AutoShardedBot"],
)
async def test_no_intent_is_needed_in_any_kind_of_bot(
    kind: type[AnyBot], options: dict[str, Any], environment: pytest.MonkeyPatch, composio: StandIn
) -> None:
    async with running(make(kind, **options)) as env:
        member = env.guild.add_member(env.create_user("max"))
        channel = env.guild.create_text_channel("general")
        before = traces(env)

        await member.slash(channel, "plugin", action="load")
        listed = message_of(await member.slash(channel, "integrations list"))
        composio.connect("gmail")
        await member.click(listed, label="Sync from Composio")
        await member.slash(channel, "plugin", action="unload")

        assert "**1 of 8** connected" in text(listed)
        assert traces(env) == before


# An engine of the host's own


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    opened = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'host.db'}")
    async with opened.begin() as connection:
        await connection.execute(sa.text("CREATE TABLE notes (text)"))
        await connection.execute(sa.text("INSERT INTO notes VALUES ('buy milk')"))
    yield opened
    await opened.dispose()


async def notes(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        return list(await connection.scalars(sa.text("SELECT text FROM notes")))


async def test_an_engine_that_was_handed_over_is_used_and_stays_open(world: World, engine: AsyncEngine) -> None:
    Path("integrations.db").unlink()
    pool = engine.pool
    await integrations.add_to(bot_of(world), engine=engine)
    await tools(world).sync()
    world.composio.connect("gmail")
    assert "Synced: 1 added" in shown(await world.member.slash(world.channel, "integrations sync"))

    await bot_of(world).remove_cog("Integrations")

    assert engine.pool is pool  # disposing would have put a new one in its place
    assert await notes(engine) == ["buy milk"]
    assert not Path("integrations.db").exists()


async def test_an_engine_that_was_handed_over_stays_open_when_loading_fails(
    world: World, engine: AsyncEngine
) -> None:
    pool = engine.pool

    async with taken_cog(world, pytest.MonkeyPatch()):
        with pytest.raises(discord.ClientException):
            await integrations.add_to(bot_of(world), engine=engine)

    assert engine.pool is pool
    assert await notes(engine) == ["buy milk"]


async def test_an_engine_with_a_table_named_like_ours_is_refused_as_an_engine(
    world: World, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await connection.execute(sa.text("CREATE TABLE integrations_provider (name TEXT)"))

    with pytest.raises(
        live("mirror.errors").SettingsError, match=r"^the engine is wrong: the database has .*provider"
    ):
        await integrations.add_to(bot_of(world), engine=engine)

    assert await notes(engine) == ["buy milk"]


async def test_a_host_that_imported_us_before_a_reload_catches_our_errors_after_it(
    world: World, environment: pytest.MonkeyPatch
) -> None:
    assert integrations.SettingsError.__name__ == "SettingsError"
    await plugin(world, "load")
    await plugin(world, "unload")
    environment.delenv("COMPOSIO_API_KEY")

    with pytest.raises(integrations.SettingsError, match="COMPOSIO_API_KEY is missing"):
        await integrations.add_to(bot_of(world))


async def test_removing_the_cog_leaves_no_task_even_for_a_moment(world: World, engine: AsyncEngine) -> None:
    before = asyncio.all_tasks()
    await integrations.add_to(bot_of(world), engine=engine)

    await bot_of(world).remove_cog("Integrations")

    assert asyncio.all_tasks() == before
