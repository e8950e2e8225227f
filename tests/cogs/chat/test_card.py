"""A card: everything about one app, and the buttons that the person who looks may use."""

from __future__ import annotations

from dataclasses import replace

import discord
import pytest

from cogs.integrations.mirror.catalog import DEFAULT
from storage.integrations import Integration, State
from tests.cogs.chat.scenes import carded
from tests.cogs.chat.stage import ADMIN, BROKEN, MANAGER, MEMBER, USER, WORKS, buttons_of, mirror
from tests.conftest import World, card_of, labels, labels_of, live, message_of, shown, synced, text

OFF = replace(WORKS, enabled=False)
MISSING = Integration(USER, "gmail")
NEWER = replace(WORKS, state=State.NEWER)


@pytest.mark.parametrize(
    ("row", "permissions", "buttons"),
    [
        (WORKS, MEMBER, []),
        (WORKS, MANAGER, ["Disable", "Check now"]),
        (WORKS, ADMIN, ["Disable", "Check now", "Revoke"]),
        (OFF, MEMBER, []),
        (OFF, MANAGER, ["Enable", "Check now"]),
        (OFF, ADMIN, ["Enable", "Check now", "Revoke"]),
        (BROKEN, MEMBER, ["How to reconnect"]),
        (BROKEN, MANAGER, ["Reconnect now", "How to reconnect"]),
        (BROKEN, ADMIN, ["Reconnect now", "How to reconnect", "Revoke"]),
        (MISSING, MEMBER, ["How to connect"]),
        (MISSING, MANAGER, ["Connect now", "How to connect"]),
        (MISSING, ADMIN, ["Connect now", "How to connect"]),
        (NEWER, MEMBER, ["How to connect"]),
        (NEWER, MANAGER, ["Connect now", "How to connect"]),
        (NEWER, ADMIN, ["Connect now", "How to connect"]),
    ],
)
async def test_a_card_offers_what_its_state_and_the_persons_rights_allow(
    row: Integration, permissions: discord.Permissions, buttons: list[str]
) -> None:
    answer = await carded(DEFAULT, mirror(row), "gmail", permissions)

    assert buttons_of(answer) == [*buttons, "Open Composio"]


@pytest.mark.parametrize(
    ("who", "connected", "broken", "missing"),
    [
        ("member", [], ["How to reconnect"], ["How to connect"]),
        (
            "manager",
            ["Disable", "Check now"],
            ["Reconnect now", "How to reconnect"],
            ["Connect now", "How to connect"],
        ),
        (
            "admin",
            ["Disable", "Check now", "Revoke"],
            ["Reconnect now", "How to reconnect", "Revoke"],
            ["Connect now", "How to connect"],
        ),
    ],
)
async def test_each_person_finds_their_own_buttons_on_a_card(
    world: World, who: str, connected: list[str], broken: list[str], missing: list[str]
) -> None:
    world.composio.connect("gmail")
    notion = world.composio.connect("notion")
    await synced(world)
    world.composio.expire(notion.id)
    await synced(world)
    person = getattr(world, who)

    assert labels(await card_of(world, person, "gmail")) == [*connected, "Open Composio"]
    assert labels(await card_of(world, person, "notion")) == [*broken, "Open Composio"]
    assert labels(await card_of(world, person, "linear")) == [*missing, "Open Composio"]


async def test_the_select_opens_a_card_for_that_person_alone(world: World) -> None:
    world.composio.connect("gmail", alias="work")
    await synced(world)

    opened = await card_of(world, world.member, "gmail")

    told = shown(opened)
    assert opened.ephemeral
    assert told.startswith("🟢 Gmail · Connected\n")
    assert "Required for email processing and notifications" in told
    assert "Need: Required" in told
    assert "Account: work" in told
    assert "Since: <t:" in told
    assert "As of: <t:" in told


async def test_a_card_says_why_an_app_needs_reconnecting(world: World) -> None:
    notion = world.composio.connect("notion")
    await synced(world)
    world.composio.expire(notion.id)
    await synced(world)

    assert "Why: Notion no longer accepts this access" in shown(await card_of(world, world.member, "notion"))


async def test_a_cards_switch_changes_the_card_in_place(world: World) -> None:
    world.composio.connect("gmail")
    await synced(world)
    card = message_of(await card_of(world, world.manager, "gmail"))

    await world.manager.click(card, label="Disable")

    assert "🟡 Gmail" in text(card)
    assert "As of: <t:" in text(card)
    assert labels_of(card) == ["Enable", "Check now", "Open Composio"]
    await world.manager.click(card, label="Enable")
    assert "🟢 Gmail" in text(card)
    assert labels_of(card) == ["Disable", "Check now", "Open Composio"]


async def test_a_cards_button_shows_the_instructions(world: World) -> None:
    card = message_of(await card_of(world, world.admin, "linear"))

    pressed = await world.admin.click(card, label="How to connect")

    assert pressed.ephemeral
    assert "How to connect Linear" in shown(pressed)


@pytest.mark.parametrize(
    ("label", "answer"),
    [
        ("Disable", "Only people with the permission **Manage Server** may do this."),
        ("Check now", "Only people with the permission **Manage Server** may do this."),
        ("Revoke", "Only an administrator may do this."),
    ],
)
async def test_a_press_is_checked_though_the_card_was_opened_by_who_might(
    world: World, label: str, answer: str
) -> None:
    world.composio.connect("gmail")
    await synced(world)
    card = message_of(await card_of(world, world.admin, "gmail"))
    world.env.backend.delete_role(world.guild.id, world.guild.roles["Administrators"].id)
    await world.env.settle()

    pressed = await world.admin.click(card, label=label)

    assert answer in [followup.content for followup in pressed.followups] or shown(pressed) == answer
    assert "🟢 **Gmail** · Connected" in shown(await world.member.slash(world.channel, "integrations list"))


async def test_a_card_shows_what_is_known_when_proofs_cannot_be_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.composio.connect("gmail")
    await synced(world)

    async def broken(*_: object) -> None:
        raise live("mirror.errors").StorageUnavailableError("ref")

    monkeypatch.setattr(live("mirror.proofs").Proofs, "deciding", broken)

    toggled = await world.manager.slash(world.channel, "integrations toggle", provider="gmail")

    assert "Switched off here." in shown(toggled)
    assert "Access:" not in shown(toggled)


# The command


async def test_a_manager_switches_off_and_on_without_composio_hearing_of_it(world: World) -> None:
    world.composio.connect("github")
    await synced(world)
    world.composio.requests.clear()

    off = await world.manager.slash(world.channel, "integrations toggle", provider="github")
    on = await world.manager.slash(world.channel, "integrations toggle", provider="GitHub")

    assert off.ephemeral
    assert shown(off).startswith("🟡 GitHub · Connected (disabled)\n")
    assert "Switched off here. The connection at Composio stays." in shown(off)
    assert labels(off) == ["Enable", "Check now", "Open Composio"]
    assert shown(on).startswith("🟢 GitHub · Connected\nSwitched on here.\n")
    assert labels(on) == ["Disable", "Check now", "Open Composio"]
    assert world.composio.requests == []


async def test_a_switch_that_stands_there_already_stays(world: World) -> None:
    world.composio.connect("github")
    await synced(world)

    result = await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=True)

    assert "It is already switched on here." in shown(result)


async def test_an_app_that_is_not_connected_cannot_be_switched(world: World) -> None:
    result = await world.manager.slash(world.channel, "integrations toggle", provider="linear")

    assert result.ephemeral
    assert "Linear is not connected, so there is nothing to switch on or off." in shown(result)
    assert labels(result) == ["Connect now", "How to connect", "Open Composio"]


async def test_an_app_that_needs_reconnecting_cannot_be_switched(world: World) -> None:
    notion = world.composio.connect("notion")
    await synced(world)
    world.composio.expire(notion.id)
    await synced(world)

    result = await world.manager.slash(world.channel, "integrations toggle", provider="notion")

    assert result.ephemeral
    assert "Notion needs reconnecting before it can be switched on or off." in shown(result)
    assert labels(result) == ["Reconnect now", "How to reconnect", "Open Composio"]
    instructions = await world.manager.click(message_of(result), label="How to reconnect")
    assert "How to reconnect Notion" in shown(instructions)
