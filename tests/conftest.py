"""The parts that tests share: a stand-in for Composio, and the real bot in a simulated Discord beside it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import discord
import httpx
import pytest
from simcord.actors import MemberActor
from simcord.builders import ChannelHandle, GuildHandle
from simcord.env import Env
from simcord.results import InteractionResult, ResponseMessage
from sqlalchemy import create_engine

import cogs.integrations.assembly  # noqa: F401 – the first time takes seconds, longer than SimCord's patience
from bot.client import Bot
from bot.sandbox.standin import StandIn
from storage.integrations.migrations import upgrade

GUILD_ID = 4_000_000_000_000_000_001
USER_ID = "peterbot-user"
API_KEY = "ak_sandbox"


@dataclass
class World:
    """A server with people in it, the bot, and Composio."""

    env: Env
    composio: StandIn
    guild: GuildHandle
    channel: ChannelHandle
    admin: MemberActor
    manager: MemberActor
    member: MemberActor

    async def restart(self) -> None:
        """Stop the bot and start a new one over the same database; messages stay."""
        await self.env.bot.close()
        await self.env.restart_bot(Bot([GUILD_ID]))


def message_of(result: InteractionResult) -> ResponseMessage:
    """The answer: the response, or else what followed last."""
    message = result.response or (result.followups[-1] if result.followups else None)
    assert message is not None, "the bot has not answered"
    return message


def shown(result: InteractionResult) -> str:
    """Everything that a person reads in the answer, but for its buttons."""
    return text(message_of(result))


def text(message: ResponseMessage) -> str:
    """Everything that a person reads in a message, but for its buttons."""
    return text_of(message.content, message.embeds)


def text_of(content: str, embeds: list[discord.Embed]) -> str:
    """Content, titles, descriptions, fields and footers, one a line."""
    parts = [content]
    for embed in embeds:
        parts += [embed.title or "", embed.description or "", embed.footer.text or ""]
        parts += [f"{field.name}: {field.value}" for field in embed.fields]
    return "\n".join(part for part in parts if part).replace("\u00a0", " ")


def labels(result: InteractionResult) -> list[str]:
    """The labels of the answer's buttons."""
    return labels_of(message_of(result))


def labels_of(message: ResponseMessage) -> list[str]:
    """The labels of a message's buttons."""
    items = [item for row in message.components for item in row["components"]]
    return [item["label"] for item in items if item["type"] == discord.ComponentType.button.value]


async def synced(world: World) -> None:
    """A sync, and time for the cool-down to pass."""
    await world.admin.slash(world.channel, "integrations sync")
    await world.env.advance_time(10)


async def card_of(world: World, person: MemberActor, provider: str) -> InteractionResult:
    """The card that somebody opens from a list of their own."""
    listed = message_of(await person.slash(world.channel, "integrations list"))
    return await person.select(listed, [provider])


def execute(statement: str, *values: object) -> list[Any]:
    """Write to the bot's database past everything that the bot knows, or read it."""
    with closing(sqlite3.connect("integrations.db")) as database, database:
        return database.execute(statement, values).fetchall()


@pytest.fixture
async def composio() -> AsyncIterator[StandIn]:
    async with StandIn(api_key=API_KEY, user_id=USER_ID) as stand_in:
        yield stand_in


@pytest.fixture(scope="session")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database file of the newest version. Most tests begin with a copy: to migrate takes much longer."""
    file = tmp_path_factory.mktemp("newest") / "integrations.db"
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        upgrade(connection)
    engine.dispose()
    return file


@pytest.fixture
def environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, composio: StandIn, newest: Path
) -> pytest.MonkeyPatch:
    """The plugin's settings, for a working directory without a `.env`; tests change them further."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(newest, "integrations.db")
    # What commands of the test files themselves want: a start would ask Composio for it, and SimCord, whose clock
    # stands still, would wait until that request's connection is let go, as long as it waits for anything.
    monkeypatch.setattr(live("guard"), "WISHES", set())
    monkeypatch.delenv("INTEGRATIONS_CATALOG", raising=False)
    monkeypatch.setenv("INTEGRATIONS_SYNC_INTERVAL", "0")  # what happens by itself has tests of its own
    monkeypatch.setenv("COMPOSIO_API_KEY", API_KEY)
    monkeypatch.setenv("COMPOSIO_BASE_URL", composio.base_url)
    monkeypatch.setenv("INTEGRATIONS_COMPOSIO_USER_ID", USER_ID)
    monkeypatch.setenv("INTEGRATIONS_GUILD_IDS", str(GUILD_ID))
    monkeypatch.setenv("INTEGRATIONS_DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path / 'integrations.db'}")
    monkeypatch.setenv("INTEGRATIONS_DASHBOARD_URL", "https://app.composio.dev/accounts")
    return monkeypatch


def live(name: str) -> ModuleType:
    """A module of the plugin as the bot has it now: each one that was unloaded leaves its old ones behind."""
    return import_module(f"cogs.integrations.{name}")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that asks once and waits for a tenth of a second: failures show at once."""
    module = live("assembly")
    quick = partial(module.ComposioGateway, read_retries=0, timeout=httpx.Timeout(0.1))
    monkeypatch.setattr(module, "ComposioGateway", quick)


@asynccontextmanager
async def simulated(bot: discord.Client) -> AsyncIterator[Env]:
    """A running bot in one server, without an error at its end.

    SimCord takes a test's clock from it; a longer settling would wait for idle timers.
    """
    env = Env(bot, settle_timeout=4.0)
    env.create_guild("Workshop", id=GUILD_ID)
    await env.start()
    try:
        yield env
    finally:
        await env.bot.close()  # which a restart may have replaced
        await env.shutdown()
        env.raise_errors()


@pytest.fixture
async def env(environment: pytest.MonkeyPatch) -> AsyncIterator[Env]:
    """The ready-made bot, running."""
    async with simulated(Bot([GUILD_ID])) as env:
        yield env


@pytest.fixture
def world(env: Env, composio: StandIn) -> World:
    composio.clock = env.now  # one time for all
    guild = env.guild
    admins = guild.create_role("Administrators", permissions=discord.Permissions(administrator=True))
    managers = guild.create_role("Managers", permissions=discord.Permissions(manage_guild=True))
    return World(
        env=env,
        composio=composio,
        guild=guild,
        channel=guild.create_text_channel("general"),
        admin=guild.add_member(env.create_user("ada"), roles=[admins]),
        manager=guild.add_member(env.create_user("mia"), roles=[managers]),
        member=guild.add_member(env.create_user("max")),
    )
