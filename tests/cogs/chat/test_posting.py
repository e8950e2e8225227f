"""What the bot posts by itself comes to one of seven outcomes, whatever Discord answers."""

from __future__ import annotations

import asyncio
from typing import Any

import discord
import pytest

from cogs.integrations.chat import posting
from cogs.integrations.chat.answer import Answer
from cogs.integrations.chat.buttons import ActionButton, row_of
from cogs.integrations.chat.posting import Outcome, Poster
from tests.conftest import World

MARK = "0123456789abcdef"
ANSWER = Answer(text="@everyone", view=row_of(ActionButton("alerted", MARK, label="Show all")))
MESSAGES, MESSAGE = "/channels/*/messages", "/channels/*/messages/*"


@pytest.fixture
def poster(world: World) -> Poster:
    bot: Any = world.env.bot
    return Poster(bot)


async def test_a_message_is_sent_edited_found_and_deleted(world: World, poster: Poster) -> None:
    role = world.guild.create_role("on-call", mentionable=True)
    began = world.env.now()
    posted = await poster.send(world.guild.id, world.channel.id, ANSWER, nonce=MARK, role_id=role.id)
    assert (posted.outcome, posted.message_id is not None) == (Outcome.DONE, True)
    [message] = world.channel.history()
    assert [found.id for found in message.role_mentions] == [role.id]
    assert not message.mention_everyone
    body: Any = next(entry.json for entry in world.env.http_requests if entry.path.endswith("/messages"))
    assert (body["nonce"], body["enforce_nonce"]) == (MARK, True)

    assert await poster.find(world.channel.id, began, MARK) == posted
    assert (await poster.find(world.channel.id, began, "another")).outcome is Outcome.MESSAGE_GONE

    assert posted.message_id
    green = Answer(discord.Embed(title="green"))
    assert await poster.edit(world.channel.id, posted.message_id, green) is Outcome.DONE
    assert world.channel.history()[0].content == f"<@&{role.id}> @everyone"
    assert await poster.delete(world.channel.id, posted.message_id) is Outcome.DONE
    assert await poster.delete(world.channel.id, posted.message_id) is Outcome.MESSAGE_GONE


@pytest.mark.parametrize(
    ("status", "code", "sent", "edited"),
    [
        (404, 10008, Outcome.MESSAGE_GONE, Outcome.MESSAGE_GONE),
        (404, 10003, Outcome.CHANNEL_GONE, Outcome.CHANNEL_GONE),
        (403, 50001, Outcome.CLOSED, Outcome.CLOSED),
        (403, 50013, Outcome.CLOSED, Outcome.CLOSED),
        (403, 0, Outcome.CLOSED, Outcome.CLOSED),
        (400, 50083, Outcome.CLOSED, Outcome.CLOSED),
        (429, 30046, Outcome.LATER, Outcome.REFUSED),
        (429, 0, Outcome.LATER, Outcome.REFUSED),
        (400, 50035, Outcome.LATER, Outcome.LATER),
        (503, 0, Outcome.UNCLEAR, Outcome.LATER),
    ],
)
async def test_what_discord_refuses_has_a_name(
    world: World, poster: Poster, status: int, code: int, sent: Outcome, edited: Outcome
) -> None:
    world.env.inject_error("POST", MESSAGES, status=status, code=code)
    world.env.inject_error("PATCH", MESSAGE, status=status, code=code)

    assert (await poster.send(world.guild.id, world.channel.id, ANSWER)).outcome is sent
    assert await poster.edit(world.channel.id, 1, ANSWER) is edited


async def test_every_call_ends(world: World, poster: Poster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "CALL_SECONDS", 0.01)

    async def silent(*_given: Any, **_more: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("simcord.http.client.FakeHTTPClient.request", silent)

    assert (await poster.send(world.guild.id, world.channel.id, ANSWER)).outcome is Outcome.UNCLEAR
    assert await poster.edit(world.channel.id, 1, ANSWER) is Outcome.REFUSED
    assert (await poster.find(world.channel.id, world.env.now(), MARK)).outcome is Outcome.LATER


async def test_an_empty_history_that_may_not_be_read_says_nothing(world: World, poster: Poster) -> None:
    bot = world.guild.me
    assert bot is not None
    unread = discord.PermissionOverwrite(read_message_history=False)
    channel = world.guild.create_text_channel("unread", overwrites={bot: unread})
    await poster.send(world.guild.id, channel.id, ANSWER)

    assert (await poster.find(channel.id, world.env.now(), MARK)).outcome is Outcome.UNCLEAR


async def test_a_bot_that_is_closed_sends_nothing(world: World, poster: Poster) -> None:
    await world.env.bot.close()

    assert (await poster.send(world.guild.id, world.channel.id, ANSWER)).outcome is Outcome.LATER
    assert world.channel.history() == []


async def test_a_thread_that_is_archived_is_no_lack(world: World, poster: Poster) -> None:
    thread = world.env.backend.create_thread(world.channel.id, "ops", owner_id=poster_id(world))
    await world.env.settle()
    assert not await poster.lack(world.guild.id, thread.id)
    assert (await poster.lack(world.guild.id, 1)).gone


def poster_id(world: World) -> int:
    assert world.env.bot.user is not None
    return world.env.bot.user.id
