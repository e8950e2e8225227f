"""Buttons and selects: what they do, who may press them, and that they outlive a restart."""

from __future__ import annotations

from pathlib import Path

import pytest
from simcord.results import InteractionResult, ResponseMessage

from tests.cogs.test_commands import synced
from tests.conftest import World, labels, shown, text_of


def message_of(result: InteractionResult) -> ResponseMessage:
    message = result.response or result.followups[-1]
    assert message is not None
    return message


async def open_card(world: World, provider: str) -> ResponseMessage:
    listed = await world.admin.slash(world.channel, "integrations list")
    return message_of(await world.admin.select(message_of(listed), [provider]))


async def test_the_lists_button_brings_that_message_up_to_date(world: World) -> None:
    listed = message_of(await world.member.slash(world.channel, "integrations list"))
    world.composio.connect("gmail")

    pressed = await world.member.click(listed, label="Sync from Composio")

    assert "**1 of 8** connected" in text_of("", listed.embeds)
    [report] = pressed.followups
    assert report.ephemeral
    assert "Synced: 1 added" in text_of(report.content, report.embeds)


async def test_the_select_opens_a_card_for_that_person_alone(world: World) -> None:
    world.composio.connect("gmail", alias="work")
    await synced(world)
    listed = message_of(await world.member.slash(world.channel, "integrations list"))

    opened = await world.member.select(listed, ["gmail"])

    text = shown(opened)
    assert opened.ephemeral
    assert "🟢 Gmail" in text
    assert "Required for email processing and notifications" in text
    assert "Status: Connected" in text
    assert "Need: Required" in text
    assert "Account: work" in text
    assert "Since: <t:" in text
    assert "Last synced: <t:" in text
    assert labels(opened) == ["Disable", "Revoke", "Open Composio"]


async def test_a_card_offers_what_its_state_allows(world: World) -> None:
    notion = world.composio.connect("notion")
    await synced(world)
    world.composio.expire(notion.id)
    await synced(world)
    listed = message_of(await world.member.slash(world.channel, "integrations list"))

    broken = await world.member.select(listed, ["notion"])
    missing = await world.member.select(listed, ["linear"])

    assert labels(broken) == ["How to connect", "Revoke", "Open Composio"]
    assert "Why: Notion no longer accepts this access" in shown(broken)
    assert labels(missing) == ["How to connect", "Open Composio"]


async def test_a_cards_switch_changes_the_card_in_place(world: World) -> None:
    world.composio.connect("gmail")
    await synced(world)
    card = await open_card(world, "gmail")

    await world.admin.click(card, label="Disable")

    assert "🟡 Gmail" in text_of("", card.embeds)
    await world.admin.click(card, label="Enable")
    assert "🟢 Gmail" in text_of("", card.embeds)


async def test_a_cards_button_shows_the_instructions(world: World) -> None:
    pressed = await world.admin.click(await open_card(world, "linear"), label="How to connect")

    assert pressed.ephemeral
    assert "How to connect Linear" in shown(pressed)


async def test_i_have_connected_it_says_whether_it_shows(world: World) -> None:
    howto = message_of(await world.member.slash(world.channel, "integrations howto", provider="linear"))

    too_early = await world.member.click(howto, label="I've connected it")
    world.composio.connect("linear")
    await world.env.advance_time(10)
    now = await world.member.click(howto, label="I've connected it")

    assert "🔴 Composio shows no finished Linear connection for this user ID yet." in shown(too_early)
    assert "🟢 Linear is connected." in shown(now)


@pytest.mark.parametrize(
    ("label", "answer"),
    [
        ("Disable", "Only people with the permission **Manage Server** may do this."),
        ("Revoke", "Only an administrator may do this."),
    ],
)
async def test_a_click_is_checked_like_the_command(world: World, label: str, answer: str) -> None:
    world.composio.connect("gmail")
    await synced(world)
    listed = message_of(await world.member.slash(world.channel, "integrations list"))
    card = message_of(await world.member.select(listed, ["gmail"]))

    pressed = await world.member.click(card, label=label)

    assert shown(pressed) == answer
    assert "🟢 **Gmail** · Connected" in shown(await world.admin.slash(world.channel, "integrations list"))


async def test_buttons_work_after_a_restart(world: World) -> None:
    world.composio.connect("gmail")
    await synced(world)
    listed = message_of(await world.admin.slash(world.channel, "integrations list"))
    card = message_of(await world.admin.select(listed, ["gmail"]))

    await world.restart()

    await world.admin.click(card, label="Disable")
    assert "🟡 Gmail" in text_of("", card.embeds)
    world.composio.connect("linear")
    await world.admin.click(listed, label="Sync from Composio")
    assert "🟢 **Linear**" in text_of("", listed.embeds)
    assert "🟢 Linear" in shown(await world.admin.select(listed, ["linear"]))


def write_catalog(environment: pytest.MonkeyPatch, entries: list[str]) -> None:
    Path("catalogue.toml").write_text("".join(entries), encoding="utf-8")
    environment.setenv("INTEGRATIONS_CATALOG", "catalogue.toml")


def entry(number: int) -> str:
    category = f"Group {number // 30}"
    return (
        f'[[provider]]\nid = "app{number}"\nlabel = "App {number}"\n'
        f'category = "{category}"\ndescription = "Does {number}"\n'
    )


async def test_an_old_button_of_a_provider_that_has_gone_is_explained(
    world: World, environment: pytest.MonkeyPatch
) -> None:
    card = await open_card(world, "linear")
    write_catalog(environment, [entry(1)])
    await world.restart()

    pressed = await world.admin.click(card, label="How to connect")

    assert pressed.ephemeral
    assert "There is no integration called “linear”" in shown(pressed)


async def test_a_catalogue_of_120_is_shown_whole_in_pages(world: World, environment: pytest.MonkeyPatch) -> None:
    write_catalog(environment, [entry(number) for number in range(120)])
    await world.restart()

    listed = message_of(await world.member.slash(world.channel, "integrations list"))
    seen = text_of("", listed.embeds)
    for _ in range(4):
        await world.member.click(listed, label="Next")
        seen += text_of("", listed.embeds)

    assert [f"**App {number}**" in seen for number in range(120)] == [True] * 120
    assert "Page 5 of 5 · 120 integrations" in seen
    await world.member.click(listed, label="Previous")
    assert "Page 4 of 5" in text_of("", listed.embeds)
    assert "App 75" in shown(await world.member.select(listed, ["app75"]))
