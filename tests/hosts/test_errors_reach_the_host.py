"""One answer per error: ours come from us, all others are the host's."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import discord
import pytest
from discord import app_commands
from simcord.actors import MemberActor
from simcord.env import Env
from simcord.results import InteractionResult, ResponseMessage
from simcord.types import HttpLogEntry

from bot.sandbox.faults import Refuse
from tests.conftest import World, card_of, message_of, shown, synced
from tests.hosts.host import SORRY, make, plugin, running, tools

SAYING = (
    discord.InteractionResponseType.channel_message.value,
    discord.InteractionResponseType.message_update.value,
)


@pytest.fixture
async def env(environment: pytest.MonkeyPatch) -> AsyncIterator[Env]:
    """A running host; that errors reach it is what is tested here."""
    async with running(make()) as simulated:
        yield simulated


def says_something(request: HttpLogEntry) -> bool:
    """Whether a person reads something new after it; a deferral says nothing."""
    if request.path.endswith("/callback"):
        return isinstance(request.json, dict) and request.json["type"] in SAYING
    return request.path.startswith("/webhooks/") and request.method in ("POST", "PATCH")


def forget_requests(world: World) -> None:
    world.env.http_requests.clear()


def answers(world: World) -> int:
    return sum(map(says_something, world.env.http_requests))


def damage_database(_: World) -> None:
    for file in Path.cwd().glob("integrations.db*"):
        file.write_bytes(b"this is no database" * 400)


def stop_composio(world: World) -> None:
    world.composio.fail(Refuse(500), times=None)


def nothing(_: World) -> None:
    pass


async def card(world: World, person: MemberActor) -> ResponseMessage:
    return message_of(await card_of(world, person, "github"))


def take_the_roles_away(world: World) -> None:
    world.env.backend.delete_role(world.guild.id, world.guild.roles["Administrators"].id)


def told(pressed: InteractionResult) -> str:
    """What was said to who pressed, after a deferral or at once."""
    [message] = pressed.followups or [message_of(pressed)]
    assert message.ephemeral
    return message.content


async def load(world: World) -> None:
    """Load the plugin, and let it know of a connected app."""
    await plugin(world, "load")
    world.composio.connect("github")
    await synced(world)


@pytest.fixture
async def broken_clock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin with a bug: it cannot tell the time."""
    await load(world)

    def utcnow() -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(discord.utils, "utcnow", utcnow)
        await plugin(world, "reload")
    forget_requests(world)


# Ours, in commands


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("person", "command", "options", "happens", "words"),
    [
        ("member", "toggle", {"provider": "github"}, nothing, "Manage Server"),
        ("admin", "howto", {"provider": "gihub"}, nothing, "There is no integration called “gihub”"),
        ("admin", "sync", {}, stop_composio, "Composio did not answer"),
        ("admin", "revoke", {"provider": "github"}, stop_composio, "Composio did not answer"),
        ("admin", "list", {}, damage_database, "something is wrong with this bot's database"),
        (
            "admin",
            "toggle",
            {"provider": "github"},
            damage_database,
            "something is wrong with this bot's database",
        ),
    ],
)
async def test_an_error_of_ours_in_a_command_is_answered_once_and_not_by_the_host(
    world: World, person: str, command: str, options: dict[str, str], happens: Callable[[World], None], words: str
) -> None:
    await load(world)
    happens(world)
    forget_requests(world)

    result = await getattr(world, person).slash(world.channel, f"integrations {command}", **options)

    assert words in shown(result)
    assert answers(world) == 1
    assert tools(world).errors == []


# Ours, in buttons


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("person", "label", "happens", "words"),
    [
        ("admin", "Disable", take_the_roles_away, "Manage Server"),
        ("admin", "Revoke", take_the_roles_away, "Only an administrator may do this."),
        ("admin", "Revoke", stop_composio, "Composio did not answer"),
        ("admin", "Disable", damage_database, "something is wrong with this bot's database"),
    ],
)
async def test_an_error_of_ours_in_a_button_is_answered_once_and_not_by_the_host(
    world: World, person: str, label: str, happens: Callable[[World], None], words: str
) -> None:
    await load(world)
    presser: MemberActor = getattr(world, person)
    opened = await card(world, presser)
    happens(world)
    await world.env.settle()
    forget_requests(world)

    pressed = await presser.click(opened, label=label)

    assert words in told(pressed)
    assert answers(world) == 1
    assert tools(world).errors == []


async def test_an_error_of_ours_in_the_confirmation_is_answered_once_and_not_by_the_host(world: World) -> None:
    await load(world)
    question = message_of(await world.admin.slash(world.channel, "integrations revoke", provider="github"))
    take_the_roles_away(world)
    await world.env.settle()
    forget_requests(world)

    pressed = await world.admin.click(question, label="Revoke 1 account")

    assert told(pressed) == "Only an administrator may do this."
    assert answers(world) == 1
    assert tools(world).errors == []


# Not ours


async def test_an_error_of_discord_reaches_the_host_as_it_is(world: World) -> None:
    await load(world)
    forget_requests(world)
    world.env.inject_error("POST", "/interactions/*/callback", status=403, code=50013)

    result = await world.member.slash(world.channel, "integrations list")

    [error] = tools(world).errors
    assert isinstance(error, app_commands.CommandInvokeError)
    assert isinstance(error.original, discord.Forbidden)
    assert error.command.qualified_name == "integrations list"
    assert shown(result) == SORRY


@pytest.mark.usefixtures("broken_clock")
async def test_a_bug_in_a_command_reaches_the_host_and_only_the_host_answers(world: World) -> None:
    result = await world.manager.slash(world.channel, "integrations toggle", provider="github")

    [error] = tools(world).errors
    assert isinstance(error, app_commands.CommandInvokeError)
    assert isinstance(error.original, ZeroDivisionError)
    assert shown(result) == SORRY
    assert answers(world) == 1


@pytest.mark.usefixtures("broken_clock")
async def test_a_bug_after_a_deferral_for_all_lets_the_host_answer_the_person_alone(world: World) -> None:
    result = await world.member.slash(world.channel, "integrations sync")

    assert told(result) == SORRY
    assert result.response is None


@pytest.mark.usefixtures("broken_clock")
async def test_a_bug_in_a_button_goes_discords_own_way(world: World, caplog: pytest.LogCaptureFixture) -> None:
    opened = await card(world, world.admin)
    forget_requests(world)

    await world.admin.click(opened, label="Disable")

    [record] = [record for record in caplog.records if record.name.startswith("discord.ui")]
    assert record.levelno == logging.ERROR
    assert isinstance(record.exc_info, tuple)
    assert record.exc_info[0] is ZeroDivisionError
    assert answers(world) == 0
    assert tools(world).errors == []


@pytest.mark.usefixtures("broken_clock")
async def test_a_bug_in_the_confirmation_goes_discords_own_way(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    question = message_of(await world.admin.slash(world.channel, "integrations revoke", provider="github"))

    await world.admin.click(question, label="Revoke 1 account")

    [record] = [record for record in caplog.records if record.name.startswith("discord.ui")]
    assert isinstance(record.exc_info, tuple)
    assert record.exc_info[0] is ZeroDivisionError
    assert tools(world).errors == []


# Registering


async def test_only_the_host_registers_commands(world: World) -> None:
    await load(world)
    await plugin(world, "reload")
    await synced(world)
    await plugin(world, "unload")

    registrations = [request for request in world.env.http_requests if request.path.startswith("/applications/")]
    assert len(registrations) == tools(world).syncs
