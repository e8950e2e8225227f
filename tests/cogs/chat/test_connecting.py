"""Connecting an app from the channel, as people see it."""

from __future__ import annotations

import logging
from typing import Any

import discord
import pytest
from simcord.actors import MemberActor
from simcord.results import InteractionResult, ResponseMessage

from bot.sandbox.faults import Alter, Lost, Refuse
from tests.conftest import World, card_of, labels, labels_of, message_of, shown, synced, text, text_of

NO_RETRY = {"x-should-retry": "false"}
RIGHT = "Only people with the permission **Manage Server** may do this."


async def connect(world: World, provider: str = "linear", who: str = "manager") -> InteractionResult:
    person: MemberActor = getattr(world, who)
    return await person.slash(world.channel, "integrations connect", provider=provider)


def url_of(message: ResponseMessage) -> str:
    [url] = [item["url"] for row in message.components for item in row["components"] if "url" in item]
    return str(url)


def token_of(message: ResponseMessage) -> str:
    return url_of(message).rpartition("/")[2]


async def polled(world: World, seconds: float = 15) -> None:
    """So much later, Composio was asked."""
    await world.env.advance_time(seconds)


async def listed(world: World) -> str:
    return shown(await world.member.slash(world.channel, "integrations list"))


async def history(world: World) -> str:
    return shown(await world.admin.slash(world.channel, "integrations history"))


def seen(world: World, viewer: MemberActor) -> str:
    """All that this person may see in the channel, also where the buttons lead."""
    messages = world.channel.history(viewer=viewer)
    return "\n".join(f"{text_of(one.content, one.embeds)} {one.components}" for one in messages)


async def test_an_app_is_connected_from_the_channel(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="cogs")
    result = await connect(world)
    message = message_of(result)
    url = url_of(message)

    assert result.ephemeral
    assert "Connect Linear" in text(message)
    assert "peterbot-user" not in text(message)
    assert url in seen(world, world.manager)
    assert url not in seen(world, world.member)
    assert world.composio.allow(token_of(message))
    await polled(world)

    assert "🟢 Linear is connected" in text(message)
    assert "🟢 **Linear** · Connected" in await listed(world)
    assert "**Linear** connected from here · mia" in await history(world)
    assert url not in caplog.text + seen(world, world.manager) + await history(world)
    assert "connecting-" not in text(message) + await listed(world)


async def test_who_may_not_manage_the_server_gets_no_link(world: World) -> None:
    result = await connect(world, who="member")

    assert shown(result) == RIGHT
    assert labels(result) == ["How to connect"]
    assert world.composio.accounts == {}


async def test_google_drive_is_connected_as_the_toolkit_that_composio_has(world: World) -> None:
    message = message_of(await connect(world, "google drive"))
    world.composio.allow(token_of(message))
    await polled(world)

    [account] = world.composio.accounts.values()
    assert account.toolkit == "googledrive"
    assert "🟢 Google Drive is connected" in text(message)


async def test_two_presses_show_the_same_link_and_both_messages_tell(world: World) -> None:
    first, second = message_of(await connect(world)), message_of(await connect(world))

    assert url_of(first) == url_of(second)
    world.composio.allow(token_of(first))
    await polled(world)
    assert [("🟢 Linear is connected" in text(each)) for each in (first, second)] == [True, True]
    assert len(world.composio.accounts) == 1


async def test_two_people_get_a_link_each_and_both_are_told(world: World) -> None:
    mia, ada = message_of(await connect(world)), message_of(await connect(world, who="admin"))

    assert url_of(mia) != url_of(ada)
    for message in (mia, ada):
        world.composio.allow(token_of(message))
    await polled(world)
    assert "🟢 Linear is connected" in text(mia)
    assert "🟢 Linear is connected" in text(ada)
    assert len(world.composio.accounts) == 2


async def test_a_no_is_said_and_can_be_tried_again(world: World) -> None:
    message = message_of(await connect(world))
    world.composio.deny(token_of(message))
    await polled(world)

    assert "The access was not allowed, or Linear refused it." in text(message)
    assert labels_of(message) == ["Try again", "How to connect by hand"]
    assert world.composio.accounts == {}
    again = message_of(await world.manager.click(message, label="Try again"))
    world.composio.allow(token_of(again))
    await polled(world)
    assert "🟢 Linear is connected" in text(again)


async def test_a_link_that_nobody_uses_runs_out_and_leaves_nothing(world: World) -> None:
    message = message_of(await connect(world))
    for _ in range(40):
        await polled(world, 20)

    assert "The link ran out before anybody finished." in text(message)
    assert world.composio.accounts == {}
    asked = [one for one in world.composio.requests if one.method == "GET" and "/connected_accounts/" in one.path]
    assert len(asked) <= 70


async def test_an_account_that_is_deleted_meanwhile_is_said(world: World) -> None:
    message = message_of(await connect(world))
    [account_id] = world.composio.accounts
    world.composio.remove(account_id)
    await polled(world)

    assert "was deleted at Composio before it was finished" in text(message)


async def test_what_was_allowed_is_told_though_the_right_was_lost_meanwhile(world: World) -> None:
    message = message_of(await connect(world))
    world.env.backend.delete_role(world.guild.id, world.guild.roles["Managers"].id)
    world.composio.allow(token_of(message))
    await polled(world)

    assert "🟢 Linear is connected" in text(message)
    assert "🟢 **Linear** · Connected" in await listed(world)
    assert RIGHT in shown(await connect(world))


async def test_a_stop_is_said_and_what_is_allowed_shows_after_it(world: World) -> None:
    message = message_of(await connect(world))
    token = token_of(message)

    await world.restart()

    assert "The bot was stopped." in text(message)
    assert labels_of(message) == ["Try again", "How to connect by hand"]
    world.composio.allow(token)
    await polled(world, 60)
    assert "🟢 **Linear** · Connected" in await listed(world)
    assert "**Linear** connected from here · mia" in await history(world)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "Composio"),
        (401, "Whoever runs this bot has to"),
        (403, "Whoever runs this bot has to"),
        (404, "`auth_config`"),
        (422, "Composio"),
        (429, "too many requests"),
        (500, "Composio did not answer properly"),
    ],
)
async def test_every_error_of_a_link_is_one_answer_for_the_person_alone(
    world: World, status: int, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="cogs")
    world.composio.fail(Refuse(status, headers=NO_RETRY), method="POST", path="*/link", times=None)

    result = await connect(world)

    assert result.ephemeral
    assert said in shown(result)
    assert result.followups == []
    assert "connecting-" not in caplog.text + shown(result)
    assert world.channel.history() == []
    assert world.composio.accounts == {}


async def test_an_auth_config_that_is_deleted_in_between_is_replaced(world: World) -> None:
    world.composio.fail(Refuse(404, headers=NO_RETRY), method="POST", path="*/link")

    message = message_of(await connect(world))

    world.composio.allow(token_of(message))
    await polled(world)
    assert "🟢 Linear is connected" in text(message)


async def test_a_link_whose_answer_is_lost_is_one_answer_and_leaves_nothing(world: World) -> None:
    world.composio.fail(Lost(), method="POST", path="*/link")

    result = await connect(world)

    assert shown(result) == "Composio did not answer."
    assert len(world.composio.accounts) == 1
    for _ in range(12):
        await polled(world, 60)
    assert world.composio.accounts == {}
    assert "🔴 **Linear** · Not connected" in await listed(world)


async def test_a_link_that_is_too_long_for_a_button_stands_in_the_text(world: World) -> None:
    def longer(body: Any) -> None:
        body["redirect_url"] += "?" + "x" * 600

    world.composio.fail(Alter(longer), method="POST", path="*/link")

    result = await connect(world)

    assert "**[Open the link](http://127.0.0.1" in shown(result)
    assert labels(result) == ["How to connect by hand"]


async def test_without_an_auth_config_and_the_right_to_make_one_the_steps_are_shown(world: World) -> None:
    world.composio.fail(Refuse(403, headers=NO_RETRY), method="POST", path="*/auth_configs")

    result = await connect(world)

    assert "Whoever runs this bot has to create it in Composio's dashboard." in shown(result)
    assert "How to connect Linear" in shown(result)
    assert labels(result) == ["Open Composio", "I've connected it"]


async def test_a_key_that_may_not_look_for_auth_configs_is_said_and_the_steps_are_shown(world: World) -> None:
    world.composio.fail(Refuse(403, headers=NO_RETRY), path="*/auth_configs")

    result = await connect(world)

    assert "Whoever runs this bot has to allow its API key to connect accounts." in shown(result)
    assert labels(result) == ["Open Composio", "I've connected it"]


# Buttons


async def test_a_card_hands_out_the_link_too(world: World) -> None:
    card = message_of(await card_of(world, world.manager, "linear"))

    pressed = await world.manager.click(card, label="Connect now")

    assert pressed.ephemeral
    assert "Connect Linear" in shown(pressed)


async def test_a_press_is_checked_again(world: World) -> None:
    card = message_of(await card_of(world, world.manager, "linear"))
    stored: Any = world.env.backend.get_message(card.channel_id, card.id)
    stored.flags = 0

    assert shown(await world.member.click(card, label="Connect now")) == RIGHT


async def alerted(world: World, *providers: str) -> discord.Message:
    """These broke, and #ops was told."""
    ops = world.guild.create_text_channel("ops")
    for provider in providers:
        world.composio.connect(provider)
    await synced(world)
    await world.admin.slash(world.channel, "integrations alerts", channel=ops)
    for account in list(world.composio.accounts.values()):
        world.composio.expire(account.id)
    await synced(world)
    await polled(world)
    [alert] = ops.history()
    return alert


async def test_in_an_alert_all_see_the_button_and_the_press_is_checked(world: World) -> None:
    alert = await alerted(world, "notion")

    refused = await world.member.click(alert, label="Reconnect now")
    assert refused.ephemeral
    assert shown(refused) == RIGHT
    steps = await world.member.click(message_of(refused), label="How to reconnect")
    assert "How to reconnect Notion" in shown(steps)

    offered = await world.manager.click(alert, label="Reconnect now")
    assert offered.ephemeral
    assert "Reconnect Notion" in shown(offered)
    world.composio.allow(token_of(message_of(offered)))
    await polled(world)
    await polled(world)
    assert "🟢 Notion is connected" in text(message_of(offered))
    stored = world.env.backend.get_message(alert.channel.id, alert.id)
    assert stored.embeds[0]["title"] == "🟢 Notion works again"


async def test_of_several_that_broke_one_is_chosen(world: World) -> None:
    alert = await alerted(world, "notion", "github")

    choice = await world.manager.click(alert, label="Reconnect now")
    assert labels(choice) == ["GitHub", "Notion"]
    offered = await world.manager.click(message_of(choice), label="Notion")

    assert "Reconnect Notion" in shown(offered)


# Only by hand


async def test_with_the_dashboard_only_there_is_no_link_and_an_old_button_shows_the_steps(
    world: World, environment: pytest.MonkeyPatch
) -> None:
    card = message_of(await card_of(world, world.manager, "linear"))
    environment.setenv("INTEGRATIONS_CONNECT", "dashboard")
    await world.restart()

    assert labels(await card_of(world, world.manager, "linear")) == ["How to connect", "Open Composio"]
    steps = await world.manager.click(card, label="Connect now")
    assert "How to connect Linear" in shown(steps)
    assert labels(steps) == ["Open Composio", "I've connected it"]
    group: Any = world.env.bot.tree.get_commands(guild=world.guild)[0]  # type: ignore[attr-defined]
    assert "connect" not in [command.name for command in group.commands]
    assert "howto" in [command.name for command in group.commands]
