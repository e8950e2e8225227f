"""A guest that the host can turn away: it says why, and is gone."""

# ruff: noqa: ASYNC240 – the files are a test's own, and small

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import discord
import pytest
from discord import app_commands
from discord.ext import commands

from cogs import integrations
from tests.conftest import API_KEY, GUILD_ID, World, message_of, shown, text
from tests.hosts.host import bot_of, plugin
from tests.hosts.traces import only_what_is_new, traces

pytestmark = pytest.mark.quick

__all__ = ["only_what_is_new"]  # a fixture of every file that looks for traces


@asynccontextmanager
async def missing_key(_: World, environment: pytest.MonkeyPatch) -> AsyncIterator[str]:
    environment.delenv("COMPOSIO_API_KEY")
    yield "SettingsError: COMPOSIO_API_KEY is missing: copy the project's API key from Composio's dashboard"
    environment.setenv("COMPOSIO_API_KEY", API_KEY)


@asynccontextmanager
async def shared_with_everybody(_: World, environment: pytest.MonkeyPatch) -> AsyncIterator[str]:
    environment.delenv("INTEGRATIONS_GUILD_IDS")
    yield "SettingsError: INTEGRATIONS_GUILD_IDS is missing: name the servers"
    environment.setenv("INTEGRATIONS_GUILD_IDS", str(GUILD_ID))


@asynccontextmanager
async def broken_catalogue(_: World, environment: pytest.MonkeyPatch) -> AsyncIterator[str]:
    Path("apps.toml").write_text("[[provider]]\n", "utf-8")
    environment.setenv("INTEGRATIONS_CATALOG", "apps.toml")
    yield "CatalogError: INTEGRATIONS_CATALOG is wrong: apps.toml, line 1:"
    environment.delenv("INTEGRATIONS_CATALOG")


@asynccontextmanager
async def senseless_database(_: World, environment: pytest.MonkeyPatch) -> AsyncIterator[str]:
    environment.setenv("INTEGRATIONS_DATABASE_URL", "mysql://nowhere")
    yield "SettingsError: INTEGRATIONS_DATABASE_URL is wrong: this database URL cannot be used"
    environment.setenv("INTEGRATIONS_DATABASE_URL", "sqlite+aiosqlite:///integrations.db")


@asynccontextmanager
async def database_in_memory(_: World, environment: pytest.MonkeyPatch) -> AsyncIterator[str]:
    environment.setenv("INTEGRATIONS_DATABASE_URL", "sqlite+aiosqlite://")
    yield "SettingsError: INTEGRATIONS_DATABASE_URL is wrong: this database is only in memory"
    environment.setenv("INTEGRATIONS_DATABASE_URL", "sqlite+aiosqlite:///integrations.db")


@asynccontextmanager
async def unreachable_database(_: World, environment: pytest.MonkeyPatch) -> AsyncIterator[str]:
    environment.setenv("INTEGRATIONS_DATABASE_URL", "sqlite+aiosqlite:///nowhere/integrations.db")
    yield "SettingsError: INTEGRATIONS_DATABASE_URL cannot be used"
    environment.setenv("INTEGRATIONS_DATABASE_URL", "sqlite+aiosqlite:///integrations.db")


@asynccontextmanager
async def damaged_database(_: World, environment: pytest.MonkeyPatch) -> AsyncIterator[str]:
    Path("integrations.db").write_bytes(b"this is no database" * 400)
    yield "SettingsError: INTEGRATIONS_DATABASE_URL is wrong: the database file is damaged"
    Path("integrations.db").unlink()


@asynccontextmanager
async def the_hosts_own_table(_: World, environment: pytest.MonkeyPatch) -> AsyncIterator[str]:
    Path("integrations.db").unlink()
    with closing(sqlite3.connect("integrations.db")) as database:
        database.execute("CREATE TABLE integrations_provider (name TEXT)")
    yield "SettingsError: INTEGRATIONS_DATABASE_URL is wrong: the database has"
    with closing(sqlite3.connect("integrations.db")) as database:
        [column] = database.execute("SELECT name FROM pragma_table_info('integrations_provider')")
    assert column == ("name",)
    Path("integrations.db").unlink()


@asynccontextmanager
async def taken_command(world: World, _: pytest.MonkeyPatch) -> AsyncIterator[str]:
    async def integrations(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message("the host's own")

    tree = bot_of(world).tree
    tree.add_command(app_commands.Command(name="integrations", description="…", callback=integrations))
    yield "CommandAlreadyRegistered: Command 'integrations' already registered."
    assert tree.remove_command("integrations")


@asynccontextmanager
async def taken_cog(world: World, _: pytest.MonkeyPatch) -> AsyncIterator[str]:
    class Integrations(commands.Cog):
        """The host's own."""

    await bot_of(world).add_cog(Integrations())
    yield "ClientException: Cog named 'Integrations' already loaded"
    assert isinstance(await bot_of(world).remove_cog("Integrations"), Integrations)


CAUSES = (
    missing_key,
    shared_with_everybody,
    broken_catalogue,
    senseless_database,
    database_in_memory,
    unreachable_database,
    damaged_database,
    the_hosts_own_table,
    taken_command,
    taken_cog,
)
Cause = Callable[[World, pytest.MonkeyPatch], AbstractAsyncContextManager[str]]


@pytest.mark.parametrize("cause", CAUSES)
async def test_loading_that_fails_says_why_and_leaves_nothing_behind(
    world: World, environment: pytest.MonkeyPatch, cause: Cause
) -> None:
    async with cause(world, environment) as why:
        before = traces(world.env)

        said = await plugin(world, "load")

        assert said.startswith(f"Extension 'cogs.integrations' raised an error: {why}")
        assert traces(world.env) == before
        assert shown(await world.member.slash(world.channel, "ping")) == "pong"


@pytest.mark.parametrize("cause", CAUSES)
async def test_loading_works_once_the_cause_is_gone(
    world: World, environment: pytest.MonkeyPatch, cause: Cause
) -> None:
    async with cause(world, environment):
        await plugin(world, "load")

    assert await plugin(world, "load") == "done"
    assert "**0 of 8** connected" in shown(await world.member.slash(world.channel, "integrations list"))


async def test_a_reload_that_fails_leaves_nothing_behind_and_can_be_made_good(
    world: World, environment: pytest.MonkeyPatch
) -> None:
    before = traces(world.env)
    await plugin(world, "load")

    async with missing_key(world, environment) as why:
        said = await plugin(world, "reload")

    assert why == f"SettingsError: {said}"
    assert traces(world.env) == before
    assert await plugin(world, "load") == "done"


async def test_adding_it_twice_fails_and_the_first_one_works_on(world: World) -> None:
    await plugin(world, "load")
    listed = message_of(await world.member.slash(world.channel, "integrations list"))

    with pytest.raises(discord.ClientException):
        await integrations.add_to(bot_of(world))

    world.composio.connect("gmail")
    await world.member.click(listed, label="Sync from Composio")
    assert "**1 of 8** connected" in text(listed)
