"""Alerts as a team sees them: the real bot in a simulated Discord, beside a stand-in for Composio."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import discord
import pytest
from simcord.backend.models.channel import Overwrite
from simcord.builders import ChannelHandle
from simcord.enums import OverwriteType
from simcord.env import Env

from bot.client import Bot
from bot.sandbox.faults import Refuse
from tests.conftest import GUILD_ID, World, execute, labels_of, message_of, shown, simulated, synced, text_of
from tests.hosts.discord_edge import Edge

OTHER = GUILD_ID + 1
DELIVERY = "cogs.integrations.chat.delivery"


@pytest.fixture
async def env(environment: pytest.MonkeyPatch) -> AsyncIterator[Env]:
    environment.setenv("INTEGRATIONS_SYNC_INTERVAL", "0")  # people sync, at the moments that a test wants
    environment.setenv("INTEGRATIONS_GUILD_IDS", f"{GUILD_ID},{OTHER}")
    async with simulated(Bot([GUILD_ID, OTHER])) as env:
        yield env


@pytest.fixture
def edge(monkeypatch: pytest.MonkeyPatch) -> Edge:
    return Edge(monkeypatch)


@pytest.fixture
def ops(world: World) -> ChannelHandle:
    return world.guild.create_text_channel("ops")


async def told(world: World, ops: ChannelHandle, seconds: float = 10) -> list[str]:
    """What stands in the channel, once everything has been told."""
    await world.env.advance_time(seconds)
    return [text_of(message.content, message.embeds) for message in ops.history()]


async def an_hour_later(world: World) -> None:
    """In steps: SimCord gives each four seconds, and there is a look every few seconds of the bot's."""
    for _ in range(21):
        await world.env.advance_time(200)


async def on(world: World, ops: ChannelHandle, *connected: str, **options: Any) -> str:
    """Alerts go there, and these apps work."""
    for provider in connected:
        world.composio.connect(provider)
    await synced(world)
    return shown(await world.manager.slash(world.channel, "integrations alerts", channel=ops, **options))


async def breaks(world: World, *providers: str) -> None:
    for account in world.composio.accounts.values():
        if account.toolkit in providers and account.status == "ACTIVE":
            world.composio.expire(account.id)
    await synced(world)


async def works(world: World, *providers: str) -> None:
    for provider in providers:
        world.composio.connect(provider)
    await synced(world)


def close(world: World, ops: ChannelHandle) -> None:
    """Let the bot no longer write there."""
    denied = discord.Permissions(send_messages=True).value
    me = world.env.bot.user
    assert me is not None
    world.env.backend.set_overwrite(ops.id, Overwrite(me.id, OverwriteType.MEMBER, deny=denied))


def open_again(world: World, ops: ChannelHandle) -> None:
    me = world.env.bot.user
    assert me is not None
    world.env.backend.delete_overwrite(ops.id, me.id)


# What is told


async def test_what_breaks_is_told_once_and_that_message_says_when_it_works_again(
    world: World, ops: ChannelHandle
) -> None:
    role = world.guild.create_role("on-call", mentionable=True)
    await on(world, ops, "notion", mention=role)
    assert await told(world, ops) == []

    await breaks(world, "notion")
    [text] = await told(world, ops)
    assert "🟠 Notion needs reconnecting" in text
    assert "Notion no longer accepts this access." in text
    assert "Needed to read and write pages and databases." in text
    [message] = ops.history()
    assert [found.id for found in message.role_mentions] == [role.id]

    await works(world, "notion")
    [text] = await told(world, ops)
    assert "🟢 Notion works again" in text
    assert "It worked again after 20 seconds" in text
    assert ops.history()[0].id == message.id


async def test_what_breaks_in_one_pass_is_one_message_that_says_which_works_again(
    world: World, ops: ChannelHandle
) -> None:
    await on(world, ops, "notion", "linear", "github")

    await breaks(world, "notion", "linear", "github")
    [text] = await told(world, ops)
    assert "3 integrations stopped working" in text

    await works(world, "linear")
    [text] = await told(world, ops)
    assert "2 of 3 integrations still do not work" in text
    assert "🟢 Linear: It worked again" in text
    assert "🟠 Notion: Needs reconnecting" in text


async def test_a_press_leads_to_the_instructions_of_what_is_broken(world: World, ops: ChannelHandle) -> None:
    await on(world, ops, "notion", "linear")
    await breaks(world, "notion", "linear")
    await told(world, ops)

    pressed = await world.member.click(ops.history()[0], label="How to reconnect")
    assert pressed.response is not None
    assert pressed.response.ephemeral
    assert labels_of(message_of(pressed)) == ["Notion", "Linear"]

    await works(world, "notion")
    pressed = await world.member.click(ops.history()[0], label="How to reconnect")
    assert "How to reconnect Linear" in shown(pressed)


async def test_what_comes_and_goes_is_unstable_until_it_has_been_calm_for_an_hour(
    world: World, ops: ChannelHandle
) -> None:
    await on(world, ops, "notion")
    await breaks(world, "notion")
    await works(world, "notion")
    await breaks(world, "notion")
    [text] = await told(world, ops)
    assert "🟠 Notion is unstable" in text
    edits = edits_of(world)

    await works(world, "notion")
    await breaks(world, "notion")
    await works(world, "notion")
    assert await told(world, ops) == [text]
    assert edits_of(world) == edits

    await an_hour_later(world)
    [text] = await told(world, ops)
    assert "🟢 Notion works again" in text
    assert edits_of(world) == edits + 1

    await breaks(world, "notion")
    texts = await told(world, ops)
    assert [("🟢" in text, "🟠" in text) for text in texts] == [(True, False), (False, True)]


def edits_of(world: World) -> int:
    return sum(
        entry.method == "PATCH" and entry.path.startswith("/channels/") for entry in world.env.http_requests
    )


async def test_neither_a_switch_nor_a_revoke_nor_a_silent_composio_is_told(
    world: World, ops: ChannelHandle
) -> None:
    await on(world, ops, "notion", "linear", "github")
    await world.manager.slash(world.channel, "integrations toggle", provider="notion", enabled=False)
    await breaks(world, "notion")
    asked = await world.admin.slash(world.channel, "integrations revoke", provider="linear")
    await world.admin.click(message_of(asked), label="Revoke 1 account")
    await synced(world)
    world.composio.fail(Refuse(401), times=None)
    await synced(world)

    assert await told(world, ops) == []


async def test_a_revoke_of_what_is_broken_says_so_in_its_message(world: World, ops: ChannelHandle) -> None:
    await on(world, ops, "notion")
    await breaks(world, "notion")

    asked = await world.admin.slash(world.channel, "integrations revoke", provider="notion")
    await world.admin.click(message_of(asked), label="Revoke 1 account")

    [text] = await told(world, ops)
    assert "⚪ Notion was taken away" in text


# What is sent once


async def test_a_message_whose_answer_got_lost_is_not_sent_again(
    world: World, ops: ChannelHandle, edge: Edge
) -> None:
    await on(world, ops, "notion")
    edge.lost, edge.remembers = 1, False
    await breaks(world, "notion")
    assert len(await told(world, ops, 30)) == 1

    await works(world, "notion")
    [text] = await told(world, ops)
    assert "🟢" in text


async def test_a_message_that_got_lost_on_its_way_is_sent_by_whoever_comes_next(
    world: World, ops: ChannelHandle, edge: Edge
) -> None:
    await on(world, ops, "notion")
    edge.swallowed = 100
    await breaks(world, "notion")
    assert await told(world, ops) == []

    edge.swallowed = 0
    await world.restart()

    assert len(await told(world, ops, 30)) == 1


async def test_a_restart_after_a_lost_answer_finds_the_message_and_brings_it_up_to_date(
    world: World, ops: ChannelHandle, edge: Edge
) -> None:
    await on(world, ops, "notion")
    edge.lost, edge.remembers = 1, False
    await breaks(world, "notion")
    world.env.inject_error("GET", "/channels/*/messages", status=500, times=None)
    await told(world, ops)
    world.env.backend.faults.clear()
    world.composio.connect("notion")
    await world.env.bot.close()
    await world.env.restart_bot(Bot([GUILD_ID, OTHER]))
    await synced(world)

    [text] = await told(world, ops, 30)
    assert "🟢 Notion works again" in text


async def test_where_the_history_may_not_be_read_discord_makes_no_second_message(
    world: World, ops: ChannelHandle, edge: Edge
) -> None:
    await on(world, ops, "notion")
    me = world.env.bot.user
    assert me is not None
    denied = discord.Permissions(read_message_history=True).value
    world.env.backend.set_overwrite(ops.id, Overwrite(me.id, OverwriteType.MEMBER, deny=denied))
    edge.lost = 1
    await breaks(world, "notion")

    assert len(await told(world, ops, 30)) == 1
    assert len(edge.nonces) == 1


async def test_an_edit_that_discord_refuses_for_now_is_tried_again(world: World, ops: ChannelHandle) -> None:
    await on(world, ops, "notion")
    await breaks(world, "notion")
    await told(world, ops)
    world.env.inject_error("PATCH", "/channels/*/messages/*", status=429, code=30046, times=3)

    await works(world, "notion")
    [text] = await told(world, ops)
    assert "🟠" in text

    [text] = await told(world, ops, 60)
    assert "🟢 Notion works again" in text


# Where it goes


async def test_a_closed_channel_is_logged_once_and_told_when_it_opens(
    world: World, ops: ChannelHandle, caplog: pytest.LogCaptureFixture
) -> None:
    await on(world, ops, "notion", "linear", "github")
    close(world, ops)
    await breaks(world, "notion")
    await breaks(world, "linear")
    await works(world, "notion")
    await breaks(world, "github")
    await an_hour_later(world)
    assert [record.levelname for record in caplog.records if record.name == DELIVERY] == ["WARNING"]
    listed = await world.manager.slash(world.channel, "integrations list")
    [alone] = listed.followups
    assert alone.ephemeral
    assert f"alerts in {ops.mention}: there it lacks **Send Messages** and **Embed Links**." in alone.content
    assert "cannot post" not in shown(listed)
    assert not (await world.member.slash(world.channel, "integrations list")).followups
    assert "it lacks **Send Messages**" in shown(await world.manager.slash(world.channel, "integrations alerts"))

    caplog.set_level(logging.INFO, DELIVERY)
    open_again(world, ops)
    texts = await told(world, ops, 1)
    assert ["2 integrations stopped working" in texts[0], "🟢 Notion works again" in texts[1]] == [True, True]
    assert "open again" in caplog.text


async def test_a_channel_that_is_gone_stops_nothing_and_another_can_be_chosen(
    world: World, ops: ChannelHandle
) -> None:
    await on(world, ops, "notion", "linear")
    await breaks(world, "linear")
    await told(world, ops)
    world.env.backend.delete_channel(ops.id)
    await breaks(world, "notion")
    await works(world, "linear")
    await world.env.advance_time(60)
    gone = "The channel for alerts is gone. Choose another with `/integrations alerts`."
    assert gone in (await world.manager.slash(world.channel, "integrations list")).followups[0].content
    assert gone in shown(await world.manager.slash(world.channel, "integrations alerts"))

    other = world.guild.create_text_channel("other")
    await on(world, other)

    [text] = await told(world, other, 1)
    assert "Notion needs reconnecting" in text


async def test_moved_or_turned_off_messages_that_were_sent_are_still_edited(
    world: World, ops: ChannelHandle
) -> None:
    await on(world, ops, "notion", "linear")
    await breaks(world, "notion")
    await told(world, ops)
    other = world.guild.create_text_channel("other")
    await on(world, other)
    await breaks(world, "linear")
    assert ["Linear" in text for text in await told(world, other)] == [True]

    where = await world.manager.slash(world.channel, "integrations alerts")
    off = await world.manager.click(message_of(where), label="Turn off")
    assert "Alerts are off." in shown(off)
    await works(world, "notion", "linear")
    world.composio.connect("github")
    await synced(world)
    await breaks(world, "github")

    assert ["🟢" in text for text in await told(world, ops)] == [True]
    assert ["🟢" in text for text in await told(world, other)] == [True]


async def test_a_message_that_a_moderator_deletes_is_done_with(world: World, ops: ChannelHandle) -> None:
    await on(world, ops, "notion")
    await breaks(world, "notion")
    await told(world, ops)
    world.env.backend.delete_message(ops.id, ops.history()[0].id)

    await works(world, "notion")

    assert await told(world, ops, 60) == []


async def test_a_closed_channel_and_a_locked_database_at_once_lose_nothing(
    world: World, ops: ChannelHandle
) -> None:
    await on(world, ops, "notion")
    close(world, ops)
    await breaks(world, "notion")
    execute("ALTER TABLE integrations_alert RENAME TO away")
    open_again(world, ops)
    assert await told(world, ops, 60) == []

    execute("ALTER TABLE away RENAME TO integrations_alert")

    assert len(await told(world, ops, 60)) == 1


# Servers that share a Composio user


async def test_each_server_is_told_and_one_that_has_switched_the_app_off_is_not(
    world: World, ops: ChannelHandle
) -> None:
    elsewhere = world.env.create_guild("Elsewhere", id=OTHER)
    managers = elsewhere.create_role("Managers", permissions=discord.Permissions(manage_guild=True))
    manager = elsewhere.add_member(world.env.create_user("eve"), roles=[managers])
    there = elsewhere.create_text_channel("there")
    await manager.slash(there, "integrations alerts", channel=there)
    await on(world, ops, "notion", "linear")
    await manager.slash(there, "integrations toggle", provider="notion", enabled=False)

    await breaks(world, "notion", "linear")

    assert ["2 integrations stopped working" in text for text in await told(world, ops)] == [True]
    [text] = [text for text in await told(world, there) if "integrations" not in text]
    assert "Linear needs reconnecting" in text
    assert "Notion" not in text
