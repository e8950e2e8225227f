"""A board that Discord does not let the bot edit: too old, closed, or out of order."""

from __future__ import annotations

import logging

import pytest

from tests.conftest import GUILD_ID, World, synced
from tests.hosts.boards import CONNECTED, OFF, allow, board, boards, placed, refuse, stored, toggle
from tests.hosts.host import plugin
from tests.hosts.work import connected

BOARDS = "cogs.integrations.chat.boards"


@pytest.fixture(autouse=True)
async def loaded(world: World) -> None:
    await plugin(world, "load")


async def test_what_is_too_old_to_be_edited_is_posted_anew(world: World) -> None:
    await connected(world)
    old = await placed(world)
    refuse(world, "PATCH", 30046, status=429)

    await toggle(world, on=False)
    await world.env.advance_time(15)

    assert OFF in board(world.channel)
    [new] = boards(world.channel)
    assert new.id != old.id
    assert stored() == (world.channel.id, new.id)
    allow(world)
    await toggle(world, on=True)
    assert CONNECTED in board(world.channel)


async def test_what_can_be_neither_edited_nor_posted_anew_is_tried_again_later(world: World) -> None:
    await connected(world)
    old = await placed(world)
    refuse(world, "PATCH", 30046, status=429)
    refuse(world, "POST", 0, status=500, times=2)

    await toggle(world, on=False)
    await world.env.advance_time(15)
    assert [message.id for message in boards(world.channel)] == [old.id]
    await world.env.advance_time(120)

    assert OFF in board(world.channel)


async def test_an_old_one_that_cannot_be_deleted_now_is_deleted_later(world: World) -> None:
    elsewhere = world.guild.create_text_channel("ops")
    await placed(world)
    refuse(world, "DELETE", 0, status=500, times=1)

    await placed(world, elsewhere)
    await world.env.advance_time(15)

    assert boards(world.channel) == []


async def test_a_closed_channel_is_in_the_log_once_and_when_it_opens_the_board_is_true_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, BOARDS)
    await connected(world)
    await placed(world)
    refuse(world, "PATCH", 50001)

    await toggle(world, on=False)
    await world.env.advance_time(60)
    assert CONNECTED in board(world.channel)
    allow(world)
    await world.env.advance_time(120)

    assert OFF in board(world.channel)
    said = [record.getMessage() for record in caplog.records if record.name == BOARDS]
    assert said == [
        f"the board in channel {world.channel.id} of server {GUILD_ID} cannot be edited: the bot may not",
        f"the board of server {GUILD_ID} can be edited again",
    ]


async def test_a_channel_that_opens_shows_the_next_change_at_once(world: World) -> None:
    await connected(world)
    await placed(world)
    refuse(world, "PATCH", 50013)
    await toggle(world, on=False)
    await world.env.advance_time(300)
    allow(world)

    world.composio.connect("notion")
    await synced(world)

    assert OFF in board(world.channel)
    assert "🟢 **Notion**" in board(world.channel)
