"""Who did what, and when: what is remembered, who may read it, and for how long."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.sandbox.faults import Refuse
from tests.cogs.test_buttons import message_of
from tests.cogs.test_commands import synced
from tests.conftest import World, labels, shown, text_of


async def history(world: World, provider: str | None = None) -> str:
    options = {"provider": provider} if provider else {}
    return shown(await world.manager.slash(world.channel, "integrations history", **options))


async def test_nothing_has_happened_yet(world: World) -> None:
    result = await world.manager.slash(world.channel, "integrations history")

    assert result.ephemeral
    assert shown(result) == "History\nNothing has happened yet."


async def test_a_sync_leaves_its_changes_and_only_those(world: World) -> None:
    account = world.composio.connect("gmail")
    await synced(world)
    await synced(world)
    world.composio.expire(account.id)
    await synced(world)

    told = await history(world)

    assert told.count("**Gmail**") == 2
    assert "**Gmail**: 🔴 Not connected → 🟢 Connected" in told
    assert "**Gmail**: 🟢 Connected → 🟠 Needs reconnecting" in told
    assert f"Sync by <@{world.admin.id}> · Gmail no longer accepts this access" in told
    assert told.index("🟠") < told.index("🔴"), "the newest comes first"


async def test_a_toggle_names_the_person(world: World) -> None:
    world.composio.connect("github")
    await synced(world)
    await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=False)
    await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=False)

    told = await history(world, "github")

    assert told.startswith("History of GitHub")
    assert told.count(f"Switch by <@{world.manager.id}>") == 1
    assert "🟢 Connected → 🟡 Connected (disabled)" in told


async def test_a_revoke_says_how_it_ended(world: World) -> None:
    world.composio.connect("github")
    world.composio.connect("github")
    await synced(world)
    question = message_of(await world.admin.slash(world.channel, "integrations revoke", provider="github"))
    world.composio.fail(Refuse(500, headers={"x-should-retry": "false"}), method="DELETE", skip=1)
    await world.admin.click(question, label="Revoke 2 accounts")

    told = await history(world)

    assert f"Revoke by <@{world.admin.id}>, only partly done" in told


async def test_one_providers_history_leaves_out_the_others(world: World) -> None:
    world.composio.connect("github")
    world.composio.connect("gmail")
    await synced(world)

    told = await history(world, "gmail")

    assert "**Gmail**" in told
    assert "GitHub" not in told


async def test_long_histories_have_pages(world: World) -> None:
    world.composio.connect("github")
    await synced(world)
    for _ in range(9):
        await world.manager.slash(world.channel, "integrations toggle", provider="github")

    result = await world.manager.slash(world.channel, "integrations history")
    page = message_of(result)

    assert labels(result) == ["Previous", "Next"]
    assert text_of("", page.embeds).count("**GitHub**") == 8
    await world.manager.click(page, label="Next")
    assert text_of("", page.embeds).count("**GitHub**") == 2
    await world.manager.click(page, label="Previous")
    assert text_of("", page.embeds).count("**GitHub**") == 8


async def test_only_managers_may_read_it(world: World) -> None:
    result = await world.member.slash(world.channel, "integrations history")

    assert result.ephemeral
    assert shown(result) == "Only people with the permission **Manage Server** may do this."


async def test_it_is_kept_for_the_set_number_of_days(world: World, environment: pytest.MonkeyPatch) -> None:
    world.composio.connect("github")
    await synced(world)
    environment.setenv("INTEGRATIONS_HISTORY_DAYS", "2")
    await world.restart()
    assert "**GitHub**" in await history(world)

    world.env.backend.advance_clock(timedelta(days=3).total_seconds())
    await world.restart()

    assert "Nothing has happened yet." in await history(world)
