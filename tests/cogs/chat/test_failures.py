"""The table of failures: what the person sees, what is stored, what is logged.

Time-outs are tested with the gateway and the service: SimCord's clock does not drive a socket's timer.
"""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from bot.sandbox.api import SECRET
from bot.sandbox.faults import Cut, Fault, Html, Raw, Refuse, Reset
from tests.conftest import API_KEY, World, labels_of, message_of, shown, synced, text

UNAVAILABLE = [
    (Refuse(500), "Composio did not answer properly; it seems to have trouble."),
    (Html(502), "Composio did not answer properly; it seems to have trouble."),
    (Html(200), "Composio did not answer in a way this bot can read."),
    (Raw(b'{"items": 7}'), "Composio did not answer in a way this bot can read."),
    (Cut(20), "Composio did not answer"),
    (Reset(), "Composio did not answer"),
]


async def known(world: World) -> str:
    return shown(await world.member.slash(world.channel, "integrations list"))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("fault", "words"), UNAVAILABLE, ids=lambda value: type(value).__name__)
async def test_without_an_answer_people_see_what_was_known(
    world: World, fault: Fault, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    account = world.composio.connect("gmail", alias="work")
    await synced(world)
    before = await known(world)
    world.composio.remove(account.id)
    world.composio.fail(fault, times=None)

    with caplog.at_level(logging.DEBUG):
        result = await world.member.slash(world.channel, "integrations sync")

    told = shown(result)
    assert words in told
    assert "Showing what was known <t:" in told
    assert "🟢 **Gmail** · Connected · work" in told
    assert await known(world) == before
    for secret in (API_KEY, SECRET, "Traceback", "{"):
        assert secret not in told
    assert API_KEY not in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_names_the_setting(world: World, status: int) -> None:
    world.composio.connect("gmail")
    await synced(world)
    world.composio.fail(Refuse(status), times=None)

    told = shown(await world.member.slash(world.channel, "integrations sync"))

    assert "Composio refused the API key." in told
    assert "`COMPOSIO_API_KEY`" in told
    assert "🟢 **Gmail**" in told


@pytest.mark.usefixtures("impatient")
async def test_too_many_requests_says_how_long_to_wait(world: World) -> None:
    world.composio.fail(Refuse(429, headers={"Retry-After": "120"}), times=None)

    told = shown(await world.member.slash(world.channel, "integrations sync"))

    assert "Composio has had too many requests. Try again in 2 minutes." in told


async def test_asking_more_often_than_is_set_says_when_to_try_again(
    world: World, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("INTEGRATIONS_REQUESTS_PER_MINUTE", "10")
    await world.restart()
    world.composio.max_page = 1
    for _ in range(11):
        world.composio.connect("gmail")

    told = shown(await world.member.slash(world.channel, "integrations sync"))

    assert "This bot has asked Composio as often as it may in a minute. Try again in " in told
    assert len(world.composio.requests) == 10


async def test_a_short_wait_is_waited_for(world: World) -> None:
    world.composio.connect("gmail")
    world.composio.fail(Refuse(429, headers={"Retry-After": "0"}))

    assert "Synced: 1 added" in shown(await world.member.slash(world.channel, "integrations sync"))


@pytest.mark.usefixtures("impatient")
async def test_the_lists_button_tells_the_failure_to_who_pressed(world: World) -> None:
    world.composio.connect("gmail")
    await synced(world)
    listed = message_of(await world.member.slash(world.channel, "integrations list"))
    before = text(listed)
    world.composio.fail(Refuse(500), times=None)

    pressed = await world.member.click(listed, label="Sync from Composio")

    [told] = pressed.followups
    assert told.ephemeral
    assert "Composio did not answer properly" in told.content
    assert text(listed) == before
    assert labels_of(listed) == ["Sync from Composio", "Open Composio"]


@pytest.mark.parametrize("command", ["list", "sync", "toggle", "history"])
async def test_a_broken_database_gives_a_reference_that_is_in_the_log(
    world: World, command: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.composio.connect("gmail", alias="ada@example.com")
    await synced(world)
    for file in Path.cwd().glob("integrations.db*"):
        file.write_bytes(b"this is no database" * 400)
    options = {"provider": "gmail"} if command == "toggle" else {}

    result = await world.admin.slash(world.channel, f"integrations {command}", **options)

    said = shown(result)
    assert said.startswith("Sorry, something is wrong with this bot's database. Reference: `")
    reference = said.split("`")[1]
    assert f"reference {reference}" in caplog.text
    assert "ada@example.com" not in caplog.text


async def test_with_a_broken_database_there_are_still_suggestions_without_their_state(world: World) -> None:
    for file in Path.cwd().glob("integrations.db*"):
        file.write_bytes(b"this is no database" * 400)

    found = await world.member.autocomplete(world.channel, "integrations howto", "provider", "hub")

    assert [choice["name"] for choice in found] == ["GitHub"]
