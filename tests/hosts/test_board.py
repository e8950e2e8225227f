"""The board, as a server sees it: real discord.py, a real database, and a Composio that is a stand-in."""

from __future__ import annotations

import discord
import pytest
from simcord.builders import ChannelHandle

from tests.conftest import World, shown, text_of
from tests.hosts.host import plugin
from tests.hosts.work import connected

CONNECTED = "🟢 **GitHub** · Connected"


@pytest.fixture(autouse=True)
async def loaded(world: World, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("INTEGRATIONS_SYNC_INTERVAL", "900")
    await plugin(world, "load")


async def placed(world: World, channel: ChannelHandle | None = None) -> discord.Message:
    """Post the board; returns its message."""
    options = {"channel": channel} if channel else {}
    result = await world.manager.slash(world.channel, "integrations board", **options)
    assert "stays true by itself" in shown(result)
    await world.env.settle()
    return boards(channel or world.channel)[-1]


def boards(channel: ChannelHandle) -> list[discord.Message]:
    """The messages that are no answer to anybody."""
    return [message for message in channel.history() if message.interaction_metadata is None and message.embeds]


def board(channel: ChannelHandle) -> str:
    """What the only one says."""
    [message] = boards(channel)
    return text_of(message.content, message.embeds)


def edits(world: World) -> int:
    """How often the bot has edited a message that is no answer."""
    return sum(sent.method == "PATCH" and "/channels/" in sent.path for sent in world.env.http_requests)


async def test_it_is_the_list_as_a_message_of_the_bot(world: World) -> None:
    await connected(world)

    await placed(world)

    listed = shown(await world.member.slash(world.channel, "integrations list"))
    assert board(world.channel) == listed


async def test_it_follows_a_sync_and_a_switch(world: World) -> None:
    await placed(world)
    assert "Never synced" in board(world.channel)

    await connected(world)
    assert CONNECTED in board(world.channel)

    await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=False)
    await world.env.advance_time(10)
    assert "🟡 **GitHub**" in board(world.channel)
