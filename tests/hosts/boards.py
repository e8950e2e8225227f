"""A board in a server: posted, read, counted, and refused."""

from __future__ import annotations

from collections import Counter

import discord
from simcord.builders import ChannelHandle

from tests.conftest import World, execute, shown, text_of

CONNECTED, OFF, BROKEN = (f"{sign} **GitHub**" for sign in "🟢🟡🟠")


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


def sent(world: World) -> Counter[str]:
    """How often the bot has sent, edited and deleted messages that are no answers."""
    return Counter(request.method for request in world.env.http_requests if request.path.startswith("/channels/"))


async def toggle(world: World, *, on: bool) -> None:
    """Move the switch, and give the bot the time to notice what it has written."""
    await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=on)
    await world.env.advance_time(5)


def stored() -> tuple[int | None, int | None]:
    """Where the board stands, as the database has it."""
    found = execute("SELECT board_channel_id, board_message_id FROM integrations_server")
    [(channel_id, message_id)] = found
    return channel_id, message_id


def refuse(world: World, method: str, code: int, status: int = 403, times: int | None = None) -> None:
    """Let Discord refuse what the bot does to messages by itself."""
    path = "/channels/*/messages" + ("" if method == "POST" else "/*")
    world.env.inject_error(method, path, status=status, code=code, times=times)


def allow(world: World) -> None:
    """Let it do everything again."""
    world.env.backend.faults.clear()
