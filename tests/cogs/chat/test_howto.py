"""The instructions for connecting an app, and what “I've connected it” is answered with."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from cogs.integrations.mirror.catalog import DEFAULT
from storage.integrations import Integration, State
from tests.cogs.chat.scenes import verdict
from tests.cogs.chat.stage import BROKEN, USER, WORKS, mirror
from tests.conftest import World, labels, live, message_of, shown, synced


async def test_the_instructions_name_the_user_id_to_type(world: World) -> None:
    result = await world.member.slash(world.channel, "integrations howto", provider="google drive")

    told = shown(result)
    assert result.ephemeral
    assert "How to connect Google Drive" in told
    assert "Required for file storage and retrieval" in told
    assert "```\npeterbot-user\n```" in told
    assert [f"**{number}.**" in told for number in range(1, 6)] == [True] * 5
    assert "The old account" not in told
    assert labels(result) == ["Open Composio", "I've connected it"]


async def test_an_app_that_was_connected_once_is_to_be_reconnected(world: World) -> None:
    drive = world.composio.connect("googledrive")
    await synced(world)
    world.composio.expire(drive.id)
    await synced(world)

    told = shown(await world.member.slash(world.channel, "integrations howto", provider="google drive"))

    assert told.startswith("How to reconnect Google Drive\n")
    assert "The old account can be removed there afterwards." in told


async def test_i_have_connected_it_says_whether_it_shows(world: World) -> None:
    howto = message_of(await world.member.slash(world.channel, "integrations howto", provider="linear"))

    too_early = await world.member.click(howto, label="I've connected it")
    world.composio.connect("linear")
    await world.env.advance_time(10)
    now = await world.member.click(howto, label="I've connected it")

    assert too_early.ephemeral
    assert "🔴 Composio shows no finished Linear connection for this user ID yet." in shown(too_early)
    assert "🟢 Linear is connected." in shown(now)
    assert "Synced: 1 added" in shown(now)


async def test_i_have_connected_it_has_the_cool_down_of_a_sync(world: World) -> None:
    howto = message_of(await world.member.slash(world.channel, "integrations howto", provider="linear"))
    await world.member.slash(world.channel, "integrations sync")

    pressed = await world.member.click(howto, label="I've connected it")

    assert shown(pressed) == "You have just asked. Try again in 5 seconds."


async def test_i_have_connected_it_is_not_answered_by_what_was_read_a_moment_before(world: World) -> None:
    howto = message_of(await world.member.slash(world.channel, "integrations howto", provider="linear"))
    await world.admin.slash(world.channel, "integrations sync")
    world.composio.connect("linear")

    assert "🟢 Linear is connected." in shown(await world.member.click(howto, label="I've connected it"))


async def test_i_have_connected_it_is_not_answered_by_a_read_that_began_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = asyncio.Event()
    gateway = live("composio.gateway").ComposioGateway
    read = gateway.accounts

    async def late(*args: Any, **more: Any) -> Any:
        found = await read(*args, **more)
        if not found:
            await world.env.external_wait(goes_on.wait(), reason="the answer is on its way")
        return found

    monkeypatch.setattr(gateway, "accounts", late)
    monkeypatch.setattr(live("mirror.syncs"), "BESIDE_SECONDS", 0.01)
    monkeypatch.setattr(live("chat.progress"), "PROGRESS_SECONDS", 60.0)  # SimCord would wait for each look
    howto = message_of(await world.member.slash(world.channel, "integrations howto", provider="linear"))
    await world.admin.slash(world.channel, "integrations sync")
    world.composio.connect("linear")

    pressed = await world.member.click(howto, label="I've connected it")

    assert "🟢 Linear is connected." in shown(pressed)
    goes_on.set()
    await world.env.settle()
    assert "🟢 **Linear** · Connected" in shown(await world.member.slash(world.channel, "integrations list"))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (WORKS, "🟢 Gmail is connected."),
        (replace(WORKS, enabled=False), "🟢 Gmail is connected, but switched off here."),
        (BROKEN, "🟠 Gmail still needs reconnecting: This access has run out."),
        (Integration(USER, "gmail"), "🔴 Composio shows no finished Gmail connection for this user ID yet."),
        (replace(WORKS, state=State.NEWER), "⚪ Gmail: Something newer than this bot knows."),
    ],
)
async def test_the_verdict_names_the_state(row: Integration, said: str) -> None:
    assert (await verdict(DEFAULT, mirror(row), "gmail")).text == said
