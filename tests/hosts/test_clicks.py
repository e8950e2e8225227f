"""A click in a host: its own check is asked as for a command, and its messages stay its own."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias, cast

import discord
import pytest
from discord import app_commands
from simcord.env import Env
from simcord.results import InteractionResult, ResponseMessage

from tests.conftest import World, labels, labels_of, message_of, shown, synced, text
from tests.hosts.host import SORRY, bot_of, make, plugin, running, tools
from tests.hosts.work import Work, one_answer, switched_off

REFUSED = "This bot does not let you use this here."
Asked: TypeAlias = discord.Interaction[Any]


class Tree(app_commands.CommandTree[Any]):
    """A host's own, whose rule a test sets; it asks it of everything that reaches it."""

    rule: Callable[[Asked], Awaitable[bool]] | None = None

    async def interaction_check(self, interaction: Asked, /) -> bool:
        return self.rule is None or await self.rule(interaction)


@pytest.fixture
async def env(environment: pytest.MonkeyPatch) -> AsyncIterator[Env]:
    async with running(make(tree_cls=Tree)) as simulated:
        yield simulated


@pytest.fixture(autouse=True)
async def listed(world: World) -> ResponseMessage:
    """A list that was posted while everybody might do everything."""
    await plugin(world, "load")
    world.composio.connect("github")
    await synced(world)
    return message_of(await world.admin.slash(world.channel, "integrations list"))


def rule(world: World, checked: Callable[[Asked], Awaitable[bool]]) -> None:
    cast("Tree", bot_of(world).tree).rule = checked
    world.composio.requests.clear()


async def no(_: Asked) -> bool:
    return False


async def no_with_words(interaction: Asked) -> bool:
    await interaction.response.send_message("Not today.", ephemeral=True)
    return False


async def a_bug(interaction: Asked) -> bool:
    command: Any = interaction.command  # which is None for a click
    return bool(command.qualified_name)


async def an_error(_: Asked) -> bool:
    raise app_commands.CheckFailure("no")


async def sync(world: World, listed: ResponseMessage) -> InteractionResult:
    return await world.admin.click(listed, label="Sync from Composio")


async def test_a_check_that_says_no_is_obeyed_by_buttons_and_selects(
    world: World, listed: ResponseMessage
) -> None:
    rule(world, no)

    assert one_answer(await sync(world, listed)) == REFUSED
    assert one_answer(await world.admin.select(listed, ["github"])) == REFUSED
    assert world.composio.requests == []
    assert tools(world).errors == []


async def test_a_check_that_says_no_is_obeyed_by_the_buttons_of_a_question(world: World) -> None:
    question = message_of(await world.admin.slash(world.channel, "integrations revoke", provider="github"))
    rule(world, no)

    for label in ("Revoke 1 account", "Cancel"):
        assert one_answer(await world.admin.click(question, label=label)) == REFUSED

    assert "Revoke GitHub?" in text(question)
    assert len(world.composio.accounts) == 1


async def test_a_check_that_answers_itself_is_the_only_answer(world: World, listed: ResponseMessage) -> None:
    rule(world, no_with_words)

    assert one_answer(await sync(world, listed)) == "Not today."
    assert world.composio.requests == []


async def test_a_check_that_knows_no_click_is_a_no_and_the_hosts_handler_hears_of_it(
    world: World, listed: ResponseMessage
) -> None:
    rule(world, a_bug)

    assert one_answer(await sync(world, listed)) == SORRY
    [error] = tools(world).errors
    assert type(error) is app_commands.AppCommandError
    assert isinstance(error.__cause__, AttributeError)
    assert "AttributeError" in str(error)
    assert world.composio.requests == []


async def test_a_check_that_raises_an_error_of_commands_hands_it_on_as_it_is(
    world: World, listed: ResponseMessage
) -> None:
    rule(world, an_error)

    assert one_answer(await sync(world, listed)) == SORRY
    assert [type(error) for error in tools(world).errors] == [app_commands.CheckFailure]


async def test_a_handler_that_says_nothing_leaves_the_answer_to_us(world: World, listed: ResponseMessage) -> None:
    heard: list[tuple[bool, Exception]] = []

    async def silent(interaction: Asked, error: app_commands.AppCommandError) -> None:
        heard.append((interaction.command_failed, error))

    bot_of(world).tree.error(silent)
    rule(world, an_error)

    assert one_answer(await sync(world, listed)) == REFUSED
    assert [failed for failed, _ in heard] == [True]


async def test_a_handler_that_raises_costs_nobody_their_answer_and_is_logged(
    world: World, listed: ResponseMessage, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_interaction: Asked, _error: app_commands.AppCommandError) -> None:
        raise ZeroDivisionError

    bot_of(world).tree.error(broken)
    rule(world, an_error)

    assert one_answer(await sync(world, listed)) == REFUSED
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.name.startswith("discord.ui")
    assert isinstance(record.exc_info, tuple)
    assert record.exc_info[0] is ZeroDivisionError


async def test_a_check_that_says_yes_is_asked_once_for_a_click(world: World, listed: ResponseMessage) -> None:
    asked: list[int] = []

    async def yes(interaction: Asked) -> bool:
        asked.append(interaction.user.id)
        return True

    rule(world, yes)
    await world.env.advance_time(10)

    pressed = await sync(world, listed)

    assert asked == [world.admin.id]
    assert "Already up to date" in one_answer_after(pressed)


def one_answer_after(pressed: InteractionResult) -> str:
    """What was said beside the list, which the press has changed."""
    [message] = pressed.followups
    assert message.ephemeral
    return text(message)


# A message of the host's that everybody sees


async def test_a_card_that_comes_from_a_public_answer_of_the_host_is_for_who_pressed(world: World) -> None:
    await bot_of(world).add_cog(Work())
    await switched_off(world)
    await tools(world).sync()
    refused = message_of(await world.manager.slash(world.channel, "ask", defer="for all"))
    assert not refused.ephemeral
    before = text(refused)

    pressed = await world.manager.click(refused, label="Enable")

    assert pressed.ephemeral
    assert "Switched on here." in shown(pressed)
    assert labels(pressed) == ["Disable", "Check now", "Open Composio"]
    assert text(refused) == before
    assert labels_of(refused) == ["Enable"]


async def test_an_error_that_comes_from_a_public_answer_of_the_host_is_for_who_pressed(world: World) -> None:
    await bot_of(world).add_cog(Work())
    await switched_off(world)
    await tools(world).sync()
    refused = message_of(await world.manager.slash(world.channel, "ask", defer="for all"))
    before = text(refused)

    pressed = await world.member.click(refused, label="Enable")

    assert one_answer(pressed) == "Only people with the permission **Manage Server** may do this."
    assert text(refused) == before
