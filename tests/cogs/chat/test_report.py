"""A sync: what it found, by name, and what it says when it found nothing new."""

from __future__ import annotations

import re

import discord
import pytest

from bot.sandbox.faults import Before
from cogs.integrations.mirror.catalog import DEFAULT, Catalog
from cogs.integrations.mirror.plan import Change, Plan
from storage.integrations import Integration
from tests.cogs.chat.scenes import reported
from tests.cogs.chat.stage import BROKEN, NOON, USER, WORKS, embed_of, provider
from tests.conftest import World, labels, shown, synced


async def test_a_sync_names_what_it_added_removed_and_left(world: World) -> None:
    kept = world.composio.connect("gmail")
    lost = world.composio.connect("github")
    await synced(world)
    world.composio.remove(lost.id)
    world.composio.connect("linear")
    world.composio.connect("slack")

    result = await world.member.slash(world.channel, "integrations sync")

    told = shown(result)
    assert not result.ephemeral
    assert "Synced: 1 added, 1 removed, 1 unchanged" in told
    assert "+ Added: Linear" in told
    assert "- Removed: GitHub" in told
    assert "Unchanged: Gmail" in told
    assert "`slack`: at Composio, but not an app this bot knows" in told
    assert labels(result) == ["Open Composio"]
    assert kept.id not in told


async def test_a_sync_shows_at_once_that_it_is_working(world: World) -> None:
    await world.member.slash(world.channel, "integrations sync")

    answers = [request.json for request in world.env.http_requests if request.path.endswith("/callback")]
    assert answers == [{"type": discord.InteractionResponseType.deferred_channel_message.value}]


async def test_a_sync_without_news_says_so(world: World) -> None:
    world.composio.connect("gmail")
    await synced(world)

    told = shown(await world.member.slash(world.channel, "integrations sync"))

    assert "Already up to date" in told
    assert "0 added, 0 removed, 1 unchanged" in told


async def test_an_account_that_was_only_touched_is_no_news(world: World) -> None:
    broken = world.composio.connect("notion")
    world.composio.expire(broken.id)
    await synced(world)
    world.composio.change(broken.id)

    told = shown(await world.member.slash(world.channel, "integrations sync"))

    assert "Already up to date" in told


async def test_an_app_that_has_expired_is_named_once_as_what_it_is(world: World) -> None:
    account = world.composio.connect("notion")
    gone = world.composio.connect("github")
    await synced(world)
    world.composio.expire(account.id)
    world.composio.remove(gone.id)

    told = shown(await world.member.slash(world.channel, "integrations sync"))

    assert "Synced: 0 added, 2 removed, 0 unchanged" in told
    assert "Needs reconnecting: 🟠 **Notion** · Notion no longer accepts this access" in told
    assert "- Removed: GitHub\n" in told + "\n"
    assert told.count("**Notion**") == 1


async def test_when_all_that_went_has_expired_nothing_is_called_removed(world: World) -> None:
    account = world.composio.connect("notion")
    await synced(world)
    world.composio.expire(account.id)

    told = shown(await world.member.slash(world.channel, "integrations sync"))

    assert "Synced: 0 added, 1 removed, 0 unchanged" in told
    assert "- Removed" not in told


async def test_no_accounts_at_all_is_an_answer_like_any_other(world: World) -> None:
    told = shown(await world.member.slash(world.channel, "integrations sync"))

    assert "Already up to date" in told
    assert "Checked" in shown(await world.member.slash(world.channel, "integrations list"))


async def test_syncing_twice_in_a_moment_asks_for_patience(world: World) -> None:
    await world.member.slash(world.channel, "integrations sync")

    again = await world.member.slash(world.channel, "integrations sync")

    assert again.ephemeral
    assert "You have just asked. Try again in 5 seconds." in shown(again)


async def test_somebody_else_may_sync_meanwhile(world: World) -> None:
    await world.member.slash(world.channel, "integrations sync")

    assert "Already up to date" in shown(await world.admin.slash(world.channel, "integrations sync"))


async def test_who_syncs_within_ten_seconds_of_somebody_else_gets_the_same_answer(world: World) -> None:
    world.composio.connect("gmail")
    await world.member.slash(world.channel, "integrations sync")
    await world.env.advance_time(8)

    second = shown(await world.admin.slash(world.channel, "integrations sync"))
    asked = len(world.composio.requests)
    await world.env.advance_time(3)
    third = shown(await world.manager.slash(world.channel, "integrations sync"))

    assert "Synced: 1 added" in second
    assert "Already up to date" in third
    assert (asked, len(world.composio.requests)) == (1, 2)


async def test_a_report_is_as_old_as_the_beginning_of_its_read(world: World) -> None:
    began = world.env.now()
    world.composio.fail(Before(lambda _: world.env.backend.advance_clock(60)))

    told = shown(await world.member.slash(world.channel, "integrations sync"))

    assert f"Read from Composio <t:{int(began.timestamp())}:R>" in told
    last = shown(await world.member.slash(world.channel, "integrations list"))
    assert f"Checked <t:{int(began.timestamp())}:R>" in last


# The words

AGE = f"Read from Composio <t:{int(NOON.timestamp())}:R>"


def test_a_sync_that_changes_nothing_says_so_and_keeps_the_numbers() -> None:
    embed = embed_of(reported(DEFAULT, Plan(unchanged=("gmail", "github"))))

    assert embed.title == "Already up to date"
    assert embed.description == f"Synced: 0 added, 0 removed, 2 unchanged\n{AGE}"


def test_a_sync_counts_and_names_what_changed() -> None:
    plan = Plan(
        changes=(Change(Integration(USER, "gmail"), WORKS),),
        added=("gmail", "github", "notion"),
        removed=("linear",),
        unchanged=("googledocs", "google_drive"),
    )

    embed = embed_of(reported(DEFAULT, plan))

    assert (embed.title, embed.description) == ("Synced: 3 added, 1 removed, 2 unchanged", AGE)
    assert [(field.name, field.value) for field in embed.fields] == [
        ("+ Added", "Gmail, GitHub, Notion"),
        ("- Removed", "Linear"),
        ("Unchanged", "Google Docs, Google Drive"),
    ]


def test_what_needs_reconnecting_is_not_called_removed_as_well() -> None:
    plan = Plan(changes=(Change(WORKS, BROKEN),), removed=("gmail", "linear"), attention=(BROKEN,))

    embed = embed_of(reported(DEFAULT, plan))

    assert embed.title == "Synced: 0 added, 2 removed, 0 unchanged"
    assert [(field.name, field.value) for field in embed.fields] == [
        ("- Removed", "Linear"),
        ("Needs reconnecting", "🟠 **Gmail** · This access has run out"),
    ]


def test_what_somebody_changed_meanwhile_is_told_apart() -> None:
    embed = embed_of(reported(DEFAULT, Plan(), left_alone=("gmail",)))

    assert embed.title == "Synced: 0 added, 0 removed, 0 unchanged"
    assert [(field.name, field.value) for field in embed.fields] == [
        ("Changed here meanwhile", "Left as it is; sync again to see it: Gmail")
    ]


def test_names_that_do_not_fit_a_report_are_counted() -> None:
    catalog = Catalog(tuple(provider(f"p{n}", f"Application number {n}") for n in range(200)))

    [field] = embed_of(reported(catalog, Plan(added=tuple(catalog.by_id)))).fields

    *names, last = (field.value or "").split(", ")
    assert last == f"… and {200 - len(names)} more"
    assert names == [f"Application number {n}" for n in range(len(names))]
    assert len(names) > 20


@pytest.mark.parametrize("number", [300, 1000])
def test_many_unknown_toolkits_are_counted_and_still_explained(number: int) -> None:
    plan = Plan(unknown_toolkits=tuple(f"toolkit_{n:03}" for n in range(number)))

    [field] = embed_of(reported(DEFAULT, plan)).fields

    assert re.search(r"`toolkit_\d+`, … and \d+ more: at Composio, but not an app", field.value or "")
