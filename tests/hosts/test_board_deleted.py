"""A board in a bot that hears of messages: when it is deleted, it is over at once."""

from __future__ import annotations

from collections.abc import AsyncIterator

import discord
import pytest
from simcord.env import Env

from tests.conftest import World
from tests.hosts.boards import placed, stored
from tests.hosts.host import make, plugin, running


@pytest.fixture
async def env(environment: pytest.MonkeyPatch) -> AsyncIterator[Env]:
    """A running host with the intent, which is not a privileged one."""
    async with running(make(intents=discord.Intents(guilds=True, guild_messages=True))) as simulated:
        yield simulated
    simulated.raise_errors()


async def test_deleting_the_message_ends_it_at_once(world: World) -> None:
    await plugin(world, "load")
    message = await placed(world)

    await world.admin.delete(message)
    await world.env.settle()

    assert stored() == (None, None)


async def test_deleting_another_message_does_not(world: World) -> None:
    await plugin(world, "load")
    message = await placed(world)
    other = await world.admin.send(world.channel, "hello")

    await world.admin.delete(other)
    await world.env.settle()

    assert stored() == (world.channel.id, message.id)
