"""What people see of each command, as administrator and as member."""

from __future__ import annotations

from datetime import timedelta

import discord
import pytest

from tests.conftest import World, labels, shown

pytestmark = pytest.mark.quick


async def synced(world: World) -> None:
    """A first sync, and time for the cool-down to pass."""
    await world.admin.slash(world.channel, "integrations sync")
    await world.env.advance_time(10)


async def test_the_list_before_any_sync_says_that_nothing_is_known(world: World) -> None:
    result = await world.member.slash(world.channel, "integrations list")

    assert not result.ephemeral
    assert "**0 of 8** connected" in shown(result)
    assert "Never synced" in shown(result)
    assert labels(result) == ["Sync from Composio", "Open Composio"]
    assert world.composio.requests == []


async def test_the_list_is_grouped_by_category_in_catalogue_order(world: World) -> None:
    result = await world.member.slash(world.channel, "integrations list")

    assert result.response is not None
    [embed] = result.response.embeds
    assert [field.name for field in embed.fields] == [
        "Required",
        "Documents",
        "Scheduling",
        "Development",
        "Productivity",
    ]
    assert (embed.fields[1].value or "").splitlines() == [
        "🔴 **Google Docs** · Not connected",
        "🔴 **Google Sheets** · Not connected",
        "🔴 **Google Drive** · Not connected",
    ]


async def test_the_list_tells_state_account_and_time(world: World) -> None:
    account = world.composio.connect("gmail", alias="work-gmail", age=timedelta(days=3))
    world.composio.connect("gmail", alias="old-gmail", age=timedelta(days=90))
    notion = world.composio.connect("notion", alias="wiki", age=timedelta(days=9))
    world.composio.expire(notion.id)
    await synced(world)

    text = shown(await world.member.slash(world.channel, "integrations list"))

    since = f"<t:{int(account.created_at.timestamp())}:d>"
    assert f"🟢 **Gmail** · Connected · work\\-gmail and 1 more · since {since}" in text
    assert "🟠 **Notion** · Needs reconnecting · wiki · since" in text
    assert "**1 of 8** connected · 🟠 **1** needs attention" in text
    assert "Last synced <t:" in text


async def test_a_sync_names_what_it_added_removed_and_left(world: World) -> None:
    kept = world.composio.connect("gmail")
    lost = world.composio.connect("github")
    await synced(world)
    world.composio.remove(lost.id)
    world.composio.connect("linear")
    world.composio.connect("slack")

    result = await world.member.slash(world.channel, "integrations sync")

    text = shown(result)
    assert not result.ephemeral
    assert "Synced: 1 added, 1 removed, 1 unchanged" in text
    assert "+ Added: Linear" in text
    assert "- Removed: GitHub" in text
    assert "Unchanged: Gmail" in text
    assert "`slack`: connected at Composio, but not an app this bot knows" in text
    assert labels(result) == ["Open Composio"]
    assert kept.id not in text


async def test_a_sync_shows_at_once_that_it_is_working(world: World) -> None:
    await world.member.slash(world.channel, "integrations sync")

    answers = [request.json for request in world.env.http_requests if request.path.endswith("/callback")]
    assert answers == [{"type": discord.InteractionResponseType.deferred_channel_message.value}]


async def test_a_sync_without_news_says_so(world: World) -> None:
    world.composio.connect("gmail")
    await synced(world)

    text = shown(await world.member.slash(world.channel, "integrations sync"))

    assert "Already up to date" in text
    assert "0 added, 0 removed, 1 unchanged" in text


async def test_a_sync_says_what_needs_reconnecting_and_why(world: World) -> None:
    account = world.composio.connect("notion")
    await synced(world)
    world.composio.expire(account.id)

    text = shown(await world.member.slash(world.channel, "integrations sync"))

    assert "Synced: 0 added, 1 removed, 0 unchanged" in text
    assert "🟠 **Notion** · Notion no longer accepts this access" in text


async def test_no_accounts_at_all_is_an_answer_like_any_other(world: World) -> None:
    text = shown(await world.member.slash(world.channel, "integrations sync"))

    assert "Already up to date" in text
    assert "Last synced" in shown(await world.member.slash(world.channel, "integrations list"))


async def test_syncing_twice_in_a_moment_asks_for_patience(world: World) -> None:
    await world.member.slash(world.channel, "integrations sync")

    again = await world.member.slash(world.channel, "integrations sync")

    assert again.ephemeral
    assert "You have just synced. Try again in 5 seconds." in shown(again)


async def test_somebody_else_may_sync_meanwhile(world: World) -> None:
    await world.member.slash(world.channel, "integrations sync")

    assert "Already up to date" in shown(await world.admin.slash(world.channel, "integrations sync"))


async def test_a_manager_switches_off_and_on_without_composio_hearing_of_it(world: World) -> None:
    world.composio.connect("github")
    await synced(world)
    world.composio.requests.clear()

    off = await world.manager.slash(world.channel, "integrations toggle", provider="github")
    on = await world.manager.slash(world.channel, "integrations toggle", provider="GitHub")

    assert off.ephemeral
    assert "🟡 GitHub" in shown(off)
    assert "Connected (disabled)" in shown(off)
    assert labels(off) == ["Enable", "Revoke", "Open Composio"]
    assert "🟢 GitHub" in shown(on)
    assert labels(on) == ["Disable", "Revoke", "Open Composio"]
    assert world.composio.requests == []


async def test_a_switch_that_stands_there_already_stays(world: World) -> None:
    world.composio.connect("github")
    await synced(world)

    result = await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=True)

    assert "GitHub is already switched on here." in shown(result)


async def test_a_sync_never_moves_a_switch(world: World) -> None:
    account = world.composio.connect("github")
    await synced(world)
    await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=False)
    world.composio.remove(account.id)
    await synced(world)
    world.composio.connect("github")
    await synced(world)

    listed = await world.member.slash(world.channel, "integrations list")

    assert "🟡 **GitHub** · Connected (disabled)" in shown(listed)


async def test_a_provider_that_is_not_connected_cannot_be_switched(world: World) -> None:
    result = await world.manager.slash(world.channel, "integrations toggle", provider="linear")

    assert result.ephemeral
    assert "Linear is not connected" in shown(result)
    assert labels(result) == ["How to connect", "Open Composio"]


@pytest.mark.parametrize(("command", "who"), [("toggle", "member"), ("revoke", "member"), ("revoke", "manager")])
async def test_who_may_not_is_told_who_may(world: World, command: str, who: str) -> None:
    world.composio.connect("gmail")
    await synced(world)
    world.composio.requests.clear()

    result = await getattr(world, who).slash(world.channel, f"integrations {command}", provider="gmail")

    assert result.ephemeral
    assert (
        shown(result)
        == {
            "toggle": "Only people with the permission **Manage Server** may do this.",
            "revoke": "Only an administrator may do this.",
        }[command]
    )
    assert world.composio.requests == []


@pytest.mark.parametrize("command", ["howto", "toggle", "revoke"])
async def test_an_unknown_provider_is_answered_with_the_closest_names(world: World, command: str) -> None:
    result = await world.admin.slash(world.channel, f"integrations {command}", provider="gogle docs")

    assert result.ephemeral
    assert "There is no integration called “gogle docs”. Did you mean **Google Docs**" in shown(result)


async def test_the_instructions_name_the_user_id_to_type(world: World) -> None:
    result = await world.member.slash(world.channel, "integrations howto", provider="google drive")

    text = shown(result)
    assert result.ephemeral
    assert "How to connect Google Drive" in text
    assert "Required for file storage and retrieval" in text
    assert "```\npeterbot-user\n```" in text
    assert [f"**{number}.**" in text for number in range(1, 6)] == [True] * 5
    assert labels(result) == ["Open Composio", "I've connected it"]


async def test_suggestions_show_the_state_and_find_by_label_id_and_category(world: World) -> None:
    world.composio.connect("github")
    await synced(world)

    async def suggest(text: str) -> list[str]:
        found = await world.member.autocomplete(world.channel, "integrations howto", "provider", text)
        return [choice["name"] for choice in found]

    assert await suggest("hub") == ["🟢 GitHub · Connected"]
    assert await suggest("google_dr") == ["🔴 Google Drive · Not connected"]
    assert await suggest("productiv") == ["🔴 Notion · Not connected", "🔴 Linear · Not connected"]
    assert len(await suggest("")) == 8


async def test_nothing_from_outside_is_taken_for_markup(world: World) -> None:
    world.composio.connect("gmail", alias="**x** [free](https://evil.example) @everyone <@1>")
    await synced(world)

    text = shown(await world.member.slash(world.channel, "integrations list"))

    assert "](" not in text
    assert "<@1>" not in text
    assert "@everyone" not in text
