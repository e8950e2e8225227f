"""Which servers the plugin keeps in memory: those that the bot is in, from the moment that it knows of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import discord
import pytest
from discord.ext import commands
from simcord.backend.serializers import guild_create_payload
from simcord.env import Env

from cogs import integrations
from cogs.integrations.guard import AnyBot
from tests.conftest import GUILD_ID, execute, shown
from tests.hosts.conftest import Owned
from tests.hosts.host import EXTENSION, make, running
from tests.hosts.work import Work

pytestmark = pytest.mark.quick

OTHER = GUILD_ID + 1
WITHOUT_INTENTS: list[dict[str, Any]] = [
    {"kind": commands.Bot},
    {"kind": commands.AutoShardedBot, "shard_count": 1},
]


@pytest.fixture(autouse=True)
def a_user_for_each_server(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("INTEGRATIONS_COMPOSIO_USER_ID", "team-{guild_id}")
    environment.delenv("INTEGRATIONS_GUILD_IDS")


@asynccontextmanager
async def loaded(kind: type[AnyBot] = commands.Bot, **options: Any) -> AsyncIterator[Env]:
    """A host that runs in one server, and loads the plugin then."""
    async with running(make(kind, **options)) as env:
        await env.bot.add_cog(Work())  # type: ignore[attr-defined]
        await load(env)
        await env.bot.tree.sync()  # type: ignore[attr-defined]
        yield env
    env.raise_errors()


async def load(env: Env) -> None:
    """As part of the bot's own work."""
    member = env.guild.add_member(env.create_user("ada"))
    channel = env.guild.create_text_channel("general")
    assert shown(await member.slash(channel, "plugin", action="load")) == "done"


def connect(guild_id: int) -> None:
    """What another process, or this one before it was started again, has stored."""
    execute(
        "INSERT INTO integrations_provider (composio_user_id, provider, state, enabled, toolkit, usable_accounts,"
        " revision) VALUES (?, 'github', 'connected', 1, 'github', 1, 1)",
        f"team-{guild_id}",
    )


def toolkits(env: Env, guild_id: int) -> list[str]:
    """What is known without another look."""
    bot: Any = env.bot
    return integrations.of(bot).enabled_toolkits(guild_id)


async def reload(env: Env) -> None:
    bot: Any = env.bot
    await bot.unload_extension(EXTENSION)
    member = env.guild.add_member(env.create_user("eve"))
    channel = next(iter(env.guild.channels.values()))
    assert shown(await member.slash(channel, "plugin", action="load")) == "done"


async def test_a_plugin_that_is_loaded_into_a_running_bot_learns_its_servers() -> None:
    async with loaded() as env:
        connect(GUILD_ID)
        await reload(env)

        assert toolkits(env, GUILD_ID) == ["github"]


async def test_a_server_is_learned_when_the_bot_joins_it() -> None:
    async with loaded() as env:
        connect(OTHER)

        env.create_guild("Elsewhere", id=OTHER)
        await env.settle()

        assert toolkits(env, OTHER) == ["github"]


async def test_a_server_that_the_bot_is_not_in_is_never_learned() -> None:
    async with loaded() as env:
        connect(OTHER)

        assert toolkits(env, OTHER) == []
        await env.advance_time(10)

        assert toolkits(env, OTHER) == []


async def test_a_server_is_forgotten_when_the_bot_is_removed_from_it() -> None:
    async with loaded() as env:
        connect(OTHER)
        env.create_guild("Elsewhere", id=OTHER)
        await env.settle()

        env.backend.remove_guild(OTHER)
        await env.settle()

        assert toolkits(env, OTHER) == []
        await env.advance_time(10)
        assert toolkits(env, OTHER) == []


async def test_a_server_that_comes_back_is_known_again() -> None:
    async with loaded() as env:
        connect(OTHER)
        env.create_guild("Elsewhere", id=OTHER)
        await env.settle()
        env.backend.emit("GUILD_DELETE", {"id": str(OTHER)})
        await env.settle()
        assert toolkits(env, OTHER) == []

        env.backend.emit("GUILD_CREATE", guild_create_payload(env.backend, env.backend.get_guild(OTHER)))
        await env.settle()

        assert toolkits(env, OTHER) == ["github"]


async def test_an_outage_of_a_server_forgets_nothing() -> None:
    async with loaded() as env:
        connect(GUILD_ID)
        await reload(env)

        env.backend.emit("GUILD_DELETE", {"id": str(GUILD_ID), "unavailable": True})
        await env.settle()

        assert toolkits(env, GUILD_ID) == ["github"]


@pytest.mark.parametrize("options", WITHOUT_INTENTS, ids=["Bot", "AutoShardedBot"])
async def test_without_the_guilds_intent_a_server_is_learned_at_the_first_question(
    options: dict[str, Any],
) -> None:
    async with loaded(**options, intents=discord.Intents.none()) as env:
        connect(GUILD_ID)
        await reload(env)

        assert toolkits(env, GUILD_ID) == []
        async with asyncio.timeout(5):
            while toolkits(env, GUILD_ID) != ["github"]:  # noqa: ASYNC110 – there is nothing to wait for
                await asyncio.sleep(0)


async def test_without_the_guilds_intent_a_server_is_learned_at_the_first_interaction() -> None:
    async with loaded(intents=discord.Intents.none()) as env:
        connect(GUILD_ID)
        await reload(env)
        member = env.guild.add_member(env.create_user("max"))
        channel = next(iter(env.guild.channels.values()))

        assert shown(await member.slash(channel, "issues")) == "12 issues"

        assert toolkits(env, GUILD_ID) == ["github"]


async def test_without_the_guilds_intent_a_command_of_ours_teaches_the_server_too() -> None:
    async with loaded(intents=discord.Intents.none()) as env:
        connect(GUILD_ID)
        await reload(env)
        member = env.guild.add_member(env.create_user("max"))

        await member.slash(next(iter(env.guild.channels.values())), "integrations list")

        assert toolkits(env, GUILD_ID) == ["github"]


async def test_without_the_guilds_intent_an_app_that_a_person_brought_along_teaches_no_server(
    owned: Owned,
) -> None:
    async with loaded(intents=discord.Intents.none()) as env:
        connect(GUILD_ID)
        await reload(env)
        member = env.guild.add_member(env.create_user("max"))
        owned({"1": str(member.id)})

        await member.slash(next(iter(env.guild.channels.values())), "integrations list")

        assert toolkits(env, GUILD_ID) == []
