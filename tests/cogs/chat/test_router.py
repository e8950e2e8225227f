"""Buttons: old ones go on working, made-up ones do nothing, and each finds its subject."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import discord
import pytest
from hypothesis import given
from simcord.results import ResponseMessage

from cogs.integrations.chat.answer import Answer
from cogs.integrations.chat.router import DYNAMIC_ITEMS, suggestions
from cogs.integrations.mirror.catalog import Catalog
from storage.integrations import Integration
from tests.cogs.chat.scenes import carded, instructed, listed, refused, told
from tests.cogs.chat.stage import (
    ADMIN,
    MEMBER,
    USER,
    WORKS,
    Behind,
    Person,
    context_over,
    event,
    mirror,
    provider,
)
from tests.cogs.chat.worlds import every_world, units, worlds
from tests.conftest import GUILD_ID, World, card_of, labels_of, message_of, shown, synced, text

# As they stand in messages that were posted by the first version, with what pressing each shows.
POSTED = {
    "integrations:sync:1": "Synced: 0 added, 0 removed, 1 unchanged",
    "integrations:page:0": "**1 of 8** connected",
    "integrations:page:2": "**1 of 8** connected",
    "integrations:card:gmail": "🟢 Gmail",
    "integrations:toggle:gmail:off": "Switched off here. The connection at Composio stays.",
    "integrations:toggle:gmail:on": "It is already switched on here.",
    "integrations:revoke:gmail": "Revoke Gmail?",
    "integrations:howto:google_drive": "How to connect Google Drive",
    "integrations:connected:gmail": "🟢 Gmail is connected.",
    "integrations:history::1": "**Gmail** connected",
    "integrations:history:gmail:1": "History of Gmail",
}
UNKNOWN = "This button is from another version of the bot. Use `/integrations list`."


async def with_button(world: World, custom_id: str) -> ResponseMessage:
    """A message that was posted before, with a button that reads like that."""
    message = message_of(await world.admin.slash(world.channel, "integrations list"))
    stored = world.env.backend.get_message(message.channel_id, message.id)
    stored.components[0]["components"][0]["custom_id"] = custom_id
    return message


async def pressed(world: World, custom_id: str) -> str:
    """Everything that stands there after the press."""
    message = await with_button(world, custom_id)
    result = await world.admin.click(message, custom_id=custom_id)
    messages = [message, *([result.response] if result.response else []), *result.followups]
    return "\n".join(map(text, messages))


@pytest.mark.parametrize("custom_id", POSTED)
async def test_a_button_that_was_posted_before_works(world: World, custom_id: str) -> None:
    world.composio.connect("gmail")
    await synced(world)

    assert POSTED[custom_id] in await pressed(world, custom_id)


@pytest.mark.parametrize("number", [1, 2, 7])
async def test_a_select_that_was_posted_before_works(world: World, number: int) -> None:
    message = message_of(await world.member.slash(world.channel, "integrations list"))
    stored = world.env.backend.get_message(message.channel_id, message.id)
    stored.components[1]["components"][0]["custom_id"] = f"integrations-manage:{number}"

    assert "🔴 Linear" in shown(await world.member.select(message, ["linear"]))


@pytest.mark.parametrize(
    "custom_id",
    [
        "integrations:selfdestruct:now",
        "integrations:toggle:gmail:sideways",
        "integrations:toggle:gmail:off:1234",
        "integrations:toggle:gmail",
        "integrations:page:",
        "integrations:page:-1",
        "integrations:sync:a",
        "integrations:history:gmail",
        "integrations:history::0",
        "integrations:history::99999999999999999999",
        "integrations:page:99999999999999999999",
    ],
)
async def test_a_button_that_this_version_does_not_know_says_so(world: World, custom_id: str) -> None:
    assert UNKNOWN in await pressed(world, custom_id)


async def test_buttons_work_after_a_restart(world: World) -> None:
    world.composio.connect("gmail")
    await synced(world)
    page = message_of(await world.admin.slash(world.channel, "integrations list"))
    card = message_of(await world.admin.select(page, ["gmail"]))

    await world.restart()

    await world.admin.click(card, label="Disable")
    assert "🟡 Gmail" in text(card)
    world.composio.connect("linear")
    await world.admin.click(page, label="Sync from Composio")
    assert "🟢 **Linear**" in text(page)
    assert "🟢 Linear" in shown(await world.admin.select(page, ["linear"]))


async def test_the_lists_button_brings_that_message_up_to_date(world: World) -> None:
    page = message_of(await world.member.slash(world.channel, "integrations list"))
    world.composio.connect("gmail")

    result = await world.member.click(page, label="Sync from Composio")

    assert "**1 of 8** connected" in text(page)
    assert labels_of(page) == ["Sync from Composio", "Open Composio"]
    [report] = result.followups
    assert report.ephemeral
    assert "Synced: 1 added" in text(report)


async def test_an_old_button_of_an_app_that_has_gone_is_explained(
    world: World, environment: pytest.MonkeyPatch
) -> None:
    card = message_of(await card_of(world, world.admin, "linear"))
    entry = '[[provider]]\nid = "app"\nlabel = "App"\ncategory = "x"\ndescription = "x"\n'
    Path("apps.toml").write_text(entry, "utf-8")  # noqa: ASYNC240
    environment.setenv("INTEGRATIONS_CATALOG", "apps.toml")
    await world.restart()

    result = await world.admin.click(card, label="How to connect")

    assert result.ephemeral
    assert "There is no integration called “linear”" in shown(result)


async def all_buttons() -> list[Answer]:
    """Answers with every kind of button and select."""
    catalog = Catalog((provider("my-app_2", "My app"),))
    works = mirror(replace(WORKS, provider="my-app_2"))
    missing = mirror(Integration(USER, "my-app_2"))
    many = [event("my-app_2")] * 30
    return [
        listed(Catalog(tuple(provider(f"p{n}", f"App {n}") for n in range(60))), mirror(), 2),
        await carded(catalog, works, "my-app_2"),
        await carded(catalog, missing, "my-app_2"),
        await instructed(catalog, missing, "my-app_2"),
        await refused(catalog, missing, "my-app_2"),
        await told(catalog, many, "my-app_2", 2),
        await told(catalog, many, None, 2),
    ]


async def test_a_button_of_an_older_message_is_made_again_from_its_custom_id() -> None:
    made: list[Any] = [item for answer in await all_buttons() if answer.view for item in answer.view.children]
    ours = [item for item in made if isinstance(item, DYNAMIC_ITEMS)]

    for item in ours:
        match = re.fullmatch(item.template, item.custom_id)
        assert match is not None
        again = await item.from_custom_id(cast("Any", None), item, match)
        assert again.custom_id == item.custom_id
    assert {type(item) for item in ours} == set(DYNAMIC_ITEMS)
    assert all(isinstance(item, discord.ui.Button) for item in made if item not in ours)


# What is suggested while somebody types


async def test_suggestions_show_the_state_and_find_by_label_id_and_category(world: World) -> None:
    world.composio.connect("github")
    await synced(world)

    async def suggest(typed: str) -> list[str]:
        found = await world.member.autocomplete(world.channel, "integrations howto", "provider", typed)
        return [choice["name"] for choice in found]

    assert await suggest("hub") == ["🟢 GitHub · Connected"]
    assert await suggest("google_dr") == ["🔴 Google Drive · Not connected"]
    assert await suggest("productiv") == ["🔴 Notion · Not connected", "🔴 Linear · Not connected"]
    assert len(await suggest("")) == 8


@pytest.mark.parametrize("permissions", [MEMBER, ADMIN])
async def test_suggestions_are_for_everybody_in_a_server_that_may_use_the_integrations(
    permissions: discord.Permissions,
) -> None:
    context = context_over(Behind(mirror()))
    here, elsewhere = Person(permissions), Person(permissions, guild_id=GUILD_ID + 1)

    assert [choice.value for choice in await suggestions(context, cast("Any", here), "git")] == ["github"]
    assert await suggestions(context, cast("Any", elsewhere), "git") == []


@given(worlds())
@every_world
async def test_every_suggestion_is_one_that_discord_takes(world: Any) -> None:
    catalog, stored = world

    found = await suggestions(context_over(Behind(stored), catalog), cast("Any", Person()), "")

    assert 1 <= len(found) <= 25
    assert all(1 <= units(choice.name) <= 100 for choice in found)
    assert all(1 <= units(str(choice.value)) <= 100 for choice in found)
