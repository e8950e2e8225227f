"""Checking from the channel, as people see it."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest

from bot.sandbox.faults import Alter, Before, Fault, Html, Raw, Refuse
from tests.conftest import World, card_of, labels, live, message_of, shown, synced, text_of

PROXY = "*/tools/execute/proxy"
ANNA = "anna@example.com"
# Of a timer that ends before SimCord's patience does, SimCord would wait for the real end.
SECONDS = 20.0


async def verify(world: World, provider: str | None = "gmail") -> str:
    given = {"provider": provider} if provider else {}
    result = await world.admin.slash(world.channel, "integrations verify", **given)
    assert result.ephemeral
    return shown(result)


def says(status: int, data: Any = None) -> Alter:
    return Alter(lambda body: body.update(status=status, data=data))


async def test_an_app_that_works_is_told_with_whose_it_is(world: World) -> None:
    world.composio.connect("gmail", owner=ANNA)
    await synced(world)

    said = await verify(world)

    assert "🟢 **Gmail** · Works, checked just now · as anna@example.com" in said


async def test_a_token_that_is_refused_is_told_and_the_list_knows_it(world: World) -> None:
    account = world.composio.connect("gmail")
    await synced(world)
    world.composio.kill_token(account.id)

    said = await verify(world)

    assert "🟠 **Gmail** · Needs reconnecting: Gmail refused the access when it was tried" in said
    listed = shown(await world.member.slash(world.channel, "integrations list"))
    assert "🟠 **1** needs attention" in listed
    card = await card_of(world, world.member, "gmail")
    assert "Gmail refused the access when it was tried" in shown(card)
    history = shown(await world.admin.slash(world.channel, "integrations history"))
    assert "needs reconnecting, as a check has shown" in history


async def test_access_without_a_name_is_told_as_that(world: World) -> None:
    account = world.composio.connect("gmail")
    await synced(world)
    world.composio.kill_token(account.id, 403)

    assert "Accepted the access; whose it is may not be asked" in await verify(world)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Refuse(403), "Could not be checked: This bot's Composio key may not do checks."),
        (says(429), "Could not be checked: the app has had too many requests"),
        (says(503), "Could not be checked: the app seems to have trouble"),
        (says(302), "Could not be checked: the app answered in a way this bot cannot read (302)"),
        (says(200, {"errors": ["no"]}), "Could not be checked: the app answered that something is wrong"),
        (Html(502), "Could not be checked: Composio did not answer"),
        (Raw(b"no json"), "Could not be checked: Composio did not answer in a way this bot can read"),
        (Raw(b"[" + b"0," * 2_500_000), "Could not be checked: Composio did not answer in a way"),
    ],
    ids=["the key", "429", "503", "302", "GraphQL", "a gateway", "no JSON", "5 MB"],
)
async def test_what_proves_nothing_is_told_and_leaves_the_state(world: World, fault: Fault, words: str) -> None:
    world.composio.connect("gmail")
    await synced(world)
    world.composio.fail(fault, method="POST", path=PROXY)

    said = await verify(world)

    assert f"🟢 **Gmail** · {words}" in said


async def test_all_that_are_connected_are_checked_and_the_requests_are_told(world: World) -> None:
    world.composio.connect("gmail", owner=ANNA)
    world.composio.connect("googledocs")
    dead = world.composio.connect("github")
    await synced(world)
    world.composio.kill_token(dead.id)

    said = await verify(world, None)

    assert "1 of 3 apps proved to work" in said
    assert "**Google Docs** · Could not be checked: this app has no way to ask whose account it is" in said
    assert "🟠 **GitHub** · Needs reconnecting" in said
    assert "This asked the apps 2 times" in said


async def test_what_was_asked_twice_is_told_as_that(world: World) -> None:
    account = world.composio.connect("gmail", age=timedelta(minutes=1))
    await synced(world)
    world.composio.fail(Before(lambda project: project.change(account.id)), method="POST", path=PROXY)

    assert "This asked the app 2 times." in await verify(world)


async def test_nothing_is_said_of_requests_where_there_were_none(world: World) -> None:
    assert await verify(world) == "🔴 **Gmail** · Not connected: nothing to check"

    world.composio.connect("googledocs")
    await synced(world)
    world.env.backend.advance_clock(SECONDS)
    said = await verify(world, None)
    assert "0 of 1 app proved to work" in said
    assert "This asked" not in said


async def test_of_two_accounts_the_refused_one_is_told_and_that_the_other_one_is_used(world: World) -> None:
    world.composio.connect("github", age=timedelta(days=1))
    dead = world.composio.connect("github")
    await synced(world)
    world.composio.kill_token(dead.id)

    said = await verify(world, "github")

    words = "🟢 **GitHub** · Connected with another account now: GitHub refused the one that was tried"
    assert said.startswith(words)


async def test_nothing_that_is_connected_is_told_as_that(world: World) -> None:
    assert "No app is connected here." in await verify(world, None)


async def test_who_does_not_manage_the_server_may_not_check(world: World) -> None:
    world.composio.connect("gmail")
    await synced(world)
    world.composio.requests.clear()

    result = await world.member.slash(world.channel, "integrations verify")

    assert "Manage Server" in shown(result)
    assert world.composio.requests == []


async def test_the_card_shows_what_was_proved_to_who_manages_the_server_alone(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="cogs")
    world.composio.connect("gmail", owner=ANNA)
    await synced(world)
    await verify(world)
    listing = message_of(await world.admin.slash(world.channel, "integrations list"))

    mine = await world.admin.select(listing, ["gmail"])
    theirs = await world.member.select(listing, ["gmail"])

    assert "Worked" in shown(mine)
    assert f"as {ANNA}" in shown(mine)
    assert "Check now" in labels(mine)
    assert ANNA not in shown(theirs)
    assert "Check now" not in labels(theirs)
    history = shown(await world.admin.slash(world.channel, "integrations history"))
    listed = shown(await world.member.slash(world.channel, "integrations list"))
    assert ANNA not in history + listed + caplog.text


async def test_the_button_on_the_card_checks(world: World) -> None:
    world.composio.connect("gmail", owner=ANNA)
    await synced(world)
    listing = message_of(await world.admin.slash(world.channel, "integrations list"))
    card = await world.admin.select(listing, ["gmail"])
    assert "Connected, not checked at Gmail yet" in shown(card)

    result = await world.admin.click(message_of(card), label="Check now")

    assert result.ephemeral
    assert f"Works, checked just now · as {ANNA}" in shown(result)


async def test_the_button_on_the_card_is_for_who_may_at_the_press(world: World) -> None:
    world.composio.connect("gmail", owner=ANNA)
    await synced(world)
    card = message_of(await card_of(world, world.manager, "gmail"))
    world.composio.requests.clear()
    world.env.backend.delete_role(world.guild.id, world.guild.roles["Managers"].id)
    await world.env.settle()

    for label in ("Check now", "Disable"):
        result = await world.manager.click(card, label=label)
        assert "Manage Server" in shown(result)
    assert "Access" not in shown(await card_of(world, world.manager, "gmail"))
    assert world.composio.requests == []


async def test_whose_it_is_comes_into_nothing_that_others_may_see(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    account = world.composio.connect("gmail", owner=ANNA)
    ops = world.guild.create_text_channel("ops")
    await synced(world)
    await world.admin.slash(world.channel, "integrations alerts", channel=ops)
    await world.admin.slash(world.channel, "integrations board", channel=ops)

    assert ANNA in await verify(world)
    await world.member.slash(world.channel, "integrations list")
    await world.env.advance_time(10)
    world.composio.kill_token(account.id)
    assert ANNA not in await verify(world)
    await world.env.advance_time(10)

    posted = [*ops.history(), *(one for one in world.channel.history() if not one.flags.ephemeral)]
    said = [text_of(one.content, one.embeds) for one in posted]
    assert any("Gmail refused the access when it was tried" in one for one in said)  # the alert
    assert any("🟠 **Gmail** · Needs reconnecting" in one for one in said)  # the board
    assert not any(ANNA in one for one in said)
    # The database's driver logs what it stores, and Discord's what it sends, when somebody wants all of it.
    logs = [
        one.getMessage() for one in caplog.records if not one.name.startswith(("aiosqlite", "discord", "simcord"))
    ]
    assert logs
    assert not any(ANNA in one for one in logs)


async def test_a_check_that_takes_long_says_how_far_it_is(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.composio.connect("gmail")
    world.composio.connect("github")
    await synced(world)
    gateway, slow = live("composio.gateway").ComposioGateway, asyncio.Event()
    probe, tried = gateway.probe, list[str]()

    async def slowly(itself: Any, account_id: str, endpoint: Any) -> Any:
        tried.append(account_id)
        if len(tried) == 2:
            await world.env.external_wait(slow.wait(), reason="the app is slow")
        return await probe(itself, account_id, endpoint)

    monkeypatch.setattr(gateway, "probe", slowly)
    monkeypatch.setattr(live("chat.progress"), "PROGRESS_SECONDS", SECONDS)

    result = await world.admin.slash(world.channel, "integrations verify")
    await world.env.advance_time(SECONDS + 1)

    assert shown(result) == "Checking… 1 of 2"
    slow.set()
    await world.env.settle()
    assert "2 apps proved to work" in shown(result)
    assert "Checking" not in shown(result)


async def test_two_checks_in_a_row_have_to_wait(world: World) -> None:
    world.composio.connect("gmail")
    await synced(world)
    await verify(world)

    assert await verify(world) == "You have just asked. Try again in 5 seconds."


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("@everyone", " · as @\u200beveryone"),
        ("@here", " · as @\u200bhere"),
        ("<@123456789012345678>", " · as \\<@\u200b123456789012345678\\>"),
        ("<@1> <#2> <:a:3> <t:4:R> </list:5>", r" · as \<@1\> \<\#2\> \<\:a\:3\> \<t\:4\:R\> \</list\:5\>"),
        ("[click](https://evil.example)", r" · as \[click\]\(https\://evil.example\)"),
        ("**bold** `code` ||no|| ~~x~~ _y_", r" · as \*\*bold\*\* \`code\` \|\|no\|\| \~\~x\~\~ \_y\_"),
        (r"\*anna", r" · as \\\*anna"),
        ("anna\n# Works\r\n> yes", r" · as anna \# Works  \> yes"),
        ("an\u200bna\u202eevil\u2066\x00", " · as an na evil"),
        ("a" * 100, f" · as {'a' * 79}…"),
        ("\u200b\u202e \n", ""),
        ("x" * 5_000, ""),
        ("", ""),
        (None, ""),
        (7, ""),
        (True, ""),
        ([ANNA], ""),
        ({"value": ANNA}, ""),
    ],
    ids=lambda value: ascii(value)[:20],
)
async def test_a_name_from_outside_is_shown_as_plain_text_or_not_at_all(
    world: World, name: object, words: str
) -> None:
    world.composio.connect("gmail")
    await synced(world)
    world.composio.fail(says(200, {"emailAddress": name}), method="POST", path=PROXY)

    said, asked = (await verify(world)).split("\n")

    assert said == f"🟢 **Gmail** · Works, checked just now{words}"
    assert asked == "-# This asked the app once."
