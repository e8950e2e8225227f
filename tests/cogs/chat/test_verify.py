"""Checking from the channel, as people see it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from bot.sandbox.faults import Alter, Fault, Html, Raw, Refuse
from tests.conftest import World, card_of, labels, message_of, shown, synced

PROXY = "*/tools/execute/proxy"
ANNA = "anna@example.com"


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
    assert "Connected, not checked" in shown(card)

    result = await world.admin.click(message_of(card), label="Check now")

    assert result.ephemeral
    assert f"Works, checked just now · as {ANNA}" in shown(result)


@pytest.mark.parametrize(
    "name",
    [
        "@everyone",
        "[click](https://evil.example)",
        "**bold** `code`",
        "<@1> <#2>",
        "x" * 10_000,
        "\u202eevil",
        7,
        "",
    ],
    ids=["mention", "link", "markdown", "ids", "long", "right to left", "a number", "nothing"],
)
async def test_a_name_from_outside_is_shown_as_plain_text_or_not_at_all(world: World, name: object) -> None:
    world.composio.connect("gmail")
    await synced(world)
    world.composio.fail(says(200, {"emailAddress": name}), method="POST", path=PROXY)

    said = await verify(world)

    assert "Works, checked just now" in said
    assert not any(raw in said for raw in ("[click](", "**bold**", "<@1>", "x" * 300, "\u202e"))
