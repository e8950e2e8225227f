"""A click in a host: its messages stay its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from simcord.env import Env

from tests.conftest import World, labels, labels_of, message_of, shown, text
from tests.hosts.host import bot_of, make, plugin, running, tools
from tests.hosts.work import Work, one_answer, switched_off


@pytest.fixture
async def env(environment: pytest.MonkeyPatch) -> AsyncIterator[Env]:
    async with running(make()) as simulated:
        yield simulated


@pytest.fixture(autouse=True)
async def loaded(world: World) -> None:
    await plugin(world, "load")


# A message of the host's that everybody sees


async def test_a_card_that_comes_from_a_public_answer_of_the_host_is_for_who_pressed(world: World) -> None:
    await bot_of(world).add_cog(Work())
    await switched_off(world)
    await tools(world).sync()
    refused = message_of(await world.manager.slash(world.channel, "ask", defer="for all"))
    assert not refused.ephemeral
    before = text(refused)

    pressed = await world.manager.click(refused, label="Enable")

    assert pressed.ephemeral
    assert "Switched on here." in shown(pressed)
    assert labels(pressed) == ["Disable", "Open Composio"]
    assert text(refused) == before
    assert labels_of(refused) == ["Enable"]


async def test_an_error_that_comes_from_a_public_answer_of_the_host_is_for_who_pressed(world: World) -> None:
    await bot_of(world).add_cog(Work())
    await switched_off(world)
    await tools(world).sync()
    refused = message_of(await world.manager.slash(world.channel, "ask", defer="for all"))
    before = text(refused)

    pressed = await world.member.click(refused, label="Enable")

    assert one_answer(pressed) == "Only people with the permission **Manage Server** may do this."
    assert text(refused) == before
