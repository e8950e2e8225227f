"""The background in a running bot: it notices what changed at Composio, and ends with the plugin."""

from __future__ import annotations

import pytest

from bot.client import Bot
from bot.sandbox.faults import Reset
from cogs.integrations import IntegrationChange, of
from cogs.integrations.mirror.freshness import INTERVALS
from tests.conftest import GUILD_ID, World, shown

INTERVAL = 60


@pytest.fixture
def environment(environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    environment.setenv("INTEGRATIONS_SYNC_INTERVAL", str(INTERVAL))
    return environment


async def listed(world: World) -> str:
    return shown(await world.member.slash(world.channel, "integrations list"))


async def test_everybody_is_read_soon_after_the_start(world: World) -> None:
    assert "Checked <t:" in await listed(world)


async def test_what_was_connected_is_known_without_a_sync(world: World) -> None:
    world.composio.connect("gmail")
    await world.env.advance_time(INTERVAL + 2)

    assert "🟢 **1 of 8** connected" in await listed(world)
    assert isinstance(world.env.bot, Bot)
    assert of(world.env.bot).enabled_toolkits(GUILD_ID) == ["gmail"]
    assert of(world.env.bot).checked_at(GUILD_ID) is not None


async def test_what_breaks_is_known_after_an_interval_and_the_host_is_told(world: World) -> None:
    changes: list[IntegrationChange] = []

    async def told(change: IntegrationChange) -> None:
        changes.append(change)

    account = world.composio.connect("gmail")
    await world.env.advance_time(INTERVAL + 2)
    bot = world.env.bot
    assert isinstance(bot, Bot)
    bot.add_listener(told, "on_integration_change")
    world.composio.expire(account.id)

    await world.env.advance_time(INTERVAL + 2)

    assert "🟠 Gmail" in (await listed(world)).replace("*", "")
    assert [(change.provider, change.after.value, change.person_id) for change in changes] == [
        ("gmail", "needs_reconnect", None)
    ]


async def test_a_list_says_since_when_and_why_nothing_was_checked(world: World) -> None:
    world.composio.connect("gmail")
    await world.env.advance_time(INTERVAL + 2)
    world.composio.fail(Reset(), times=None)

    for _ in range(INTERVALS + 1):
        await world.env.advance_time(INTERVAL)

    told = await listed(world)
    assert "⚠️ Not checked since" in told
    assert "Composio did not answer" in told
    assert "Gmail" in told
