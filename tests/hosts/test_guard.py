"""The guard, as a host uses it: its own commands obey what is connected and switched on."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any

import discord
import pytest
from discord import app_commands
from discord.ext import commands

from cogs.integrations import IntegrationChange, of, requires_integration
from tests.conftest import GUILD_ID, World, labels, live, message_of, shown, text
from tests.hosts.host import bot_of, plugin, tools
from tests.hosts.work import Work, connected, needs_reconnecting, one_answer, switched_off

NOT_LOADED = "The integrations of this bot are not available right now."


class Kind(Enum):
    """A host's own type: its name means nothing to the guard's module."""

    OPEN = "open"
    CLOSED = "closed"


@app_commands.command(description="Count the issues")
@app_commands.describe(kind="Which ones", at_least="How many", label="With which label")
@app_commands.rename(at_least="minimum")
@requires_integration("github")
async def count(
    interaction: discord.Interaction[Any],
    kind: Kind,
    at_least: app_commands.Range[int, 1, 5] = 3,
    label: str | None = None,
) -> None:
    """Take parameters of every sort."""
    await interaction.response.send_message(f"{kind} {at_least} {label}")


@count.autocomplete("label")
async def suggest(_: discord.Interaction[Any], current: str) -> list[app_commands.Choice[str]]:
    return [app_commands.Choice(name=f"{current}…", value=current)]


@pytest.fixture(autouse=True)
async def work(world: World) -> None:
    """The host's commands, and the plugin."""
    await bot_of(world).add_cog(Work())
    bot_of(world).tree.add_command(count)
    await plugin(world, "load")


# The three refusals


async def test_a_command_runs_where_its_app_is_connected_and_switched_on(world: World) -> None:
    await connected(world)

    result = await world.member.slash(world.channel, "issues")

    assert not result.ephemeral
    assert shown(result) == "12 issues"


@pytest.mark.parametrize("who", ["member", "manager"])
async def test_an_app_that_is_not_connected_is_refused_with_the_way_to_connect_it(world: World, who: str) -> None:
    result = await getattr(world, who).slash(world.channel, "issues")

    assert one_answer(result) == "🔴 This needs GitHub, which is not connected."
    now = ["Connect now"] if who == "manager" else []
    assert labels(result) == [*now, "How to connect", "Open Composio"]
    howto = await getattr(world, who).click(message_of(result), label="How to connect")
    assert "How to connect GitHub" in one_answer(howto)


@pytest.mark.parametrize("who", ["member", "manager"])
async def test_an_app_that_needs_reconnecting_is_refused_with_the_reason(world: World, who: str) -> None:
    await needs_reconnecting(world)

    result = await getattr(world, who).slash(world.channel, "issues")

    said = "🟠 This needs GitHub, which needs reconnecting: GitHub no longer accepts this access."
    assert re.fullmatch(rf"{re.escape(said)} Checked <t:\d+:R>\.", one_answer(result))
    now = ["Reconnect now"] if who == "manager" else []
    assert labels(result) == [*now, "How to reconnect", "Open Composio"]
    howto = await getattr(world, who).click(message_of(result), label="How to reconnect")
    assert "How to reconnect GitHub" in one_answer(howto)


async def test_a_member_is_told_who_can_switch_an_app_on(world: World) -> None:
    await switched_off(world)

    result = await world.member.slash(world.channel, "issues")

    assert one_answer(result) == (
        "🟡 This needs GitHub, which is switched off here. "
        "People with the permission **Manage Server** can switch it on."
    )
    assert labels(result) == []


async def test_who_may_switches_the_app_on_there_and_then(world: World) -> None:
    await switched_off(world)
    refused = message_of(await world.manager.slash(world.channel, "issues"))
    assert "switched off here" in refused.content

    await world.manager.click(refused, label="Enable")

    assert "switched off" not in text(refused)
    assert "Switched on here." in text(refused)
    assert shown(await world.member.slash(world.channel, "issues")) == "12 issues"


async def test_the_first_question_after_a_start_waits_for_what_is_stored(world: World) -> None:
    await connected(world)
    await plugin(world, "reload")

    assert shown(await world.member.slash(world.channel, "issues")) == "12 issues"


async def test_a_question_whose_answer_nobody_has_read_reads_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await connected(world)

    async def nothing(*_: object) -> None:
        """The rows are not read by themselves."""

    await plugin(world, "unload")
    monkeypatch.setattr(live("mirror.ledger").Ledger, "learn", nothing)
    await plugin(world, "load")

    assert of(bot_of(world)).enabled_toolkits(GUILD_ID) == []
    assert shown(await world.member.slash(world.channel, "issues")) == "12 issues"


async def test_the_hosts_error_handler_hears_of_no_refusal(world: World) -> None:
    await world.member.slash(world.channel, "issues")

    assert tools(world).errors == []


# Where the question cannot be answered


async def test_without_the_plugin_the_command_is_refused_in_one_answer(world: World) -> None:
    await connected(world)
    await plugin(world, "unload")

    assert one_answer(await world.member.slash(world.channel, "issues")) == NOT_LOADED
    assert one_answer(await world.member.slash(world.channel, "ask", defer="for me")) == NOT_LOADED
    with pytest.raises(LookupError):
        of(bot_of(world))


async def test_another_cog_of_the_same_name_is_not_taken_for_the_plugin(world: World) -> None:
    class Integrations(commands.Cog):
        """The host's own."""

    await plugin(world, "unload")
    await bot_of(world).add_cog(Integrations())

    assert one_answer(await world.member.slash(world.channel, "issues")) == NOT_LOADED


async def test_a_provider_that_nobody_knows_is_refused_in_one_answer(world: World) -> None:
    result = await world.member.slash(world.channel, "typo")

    assert "There is no integration called “gihub”. Did you mean **GitHub**?" in one_answer(result)


async def test_in_a_server_that_is_not_named_everything_is_refused(world: World) -> None:
    await connected(world)
    other = world.env.create_guild("Elsewhere")
    await world.env.settle()
    stranger = other.add_member(world.env.create_user("eve"))

    result = await stranger.slash(other.create_text_channel("general"), "issues")

    assert one_answer(result) == "This bot's integrations are not set up for this server."
    assert of(bot_of(world)).enabled_toolkits(other.id) == []
    with pytest.raises(LookupError):
        of(bot_of(world)).composio_user_id(other.id)


async def test_in_a_direct_message_nothing_is_switched_on(world: World) -> None:
    await connected(world)

    assert of(bot_of(world)).enabled_toolkits(None) == []
    with pytest.raises(LookupError):
        of(bot_of(world)).composio_user_id(None)


# Both forms


async def test_a_guarded_command_keeps_its_parameters(world: World) -> None:
    assert count.to_dict(bot_of(world).tree)["options"] == [
        {
            "name": "kind",
            "description": "Which ones",
            "type": 3,
            "required": True,
            "choices": [{"name": "OPEN", "value": "open"}, {"name": "CLOSED", "value": "closed"}],
        },
        {
            "name": "minimum",
            "description": "How many",
            "type": 4,
            "required": False,
            "min_value": 1,
            "max_value": 5,
        },
        {
            "name": "label",
            "description": "With which label",
            "type": 3,
            "required": False,
            "autocomplete": True,
        },
    ]


async def test_a_guarded_command_gets_its_arguments(world: World) -> None:
    await connected(world)

    by_default = await world.member.slash(world.channel, "count", kind="open")
    given = await world.member.slash(world.channel, "count", kind="closed", minimum=5, label="bug")

    assert shown(by_default) == "Kind.OPEN 3 None"
    assert shown(given) == "Kind.CLOSED 5 bug"
    found = await world.member.autocomplete(world.channel, "count", "label", "bu", kind="open")
    assert [choice["name"] for choice in found] == ["bu…"]


def test_the_guard_goes_below_the_command() -> None:
    guard: Any = requires_integration("github")

    with pytest.raises(TypeError, match="below"):
        guard(count)


async def test_the_guard_is_for_slash_commands() -> None:
    @requires_integration("github")
    async def prefixed(_: object) -> None:
        raise AssertionError

    with pytest.raises(TypeError, match="slash commands"):
        await prefixed("a context")


@pytest.mark.parametrize("defer", ["never", "for me"])
async def test_the_plain_question_answers_once_before_and_after_deferring(world: World, defer: str) -> None:
    refused = await world.member.slash(world.channel, "ask", defer=defer)
    await connected(world)
    passed = await world.member.slash(world.channel, "ask", defer=defer)

    assert one_answer(refused) == "🔴 This needs GitHub, which is not connected."
    assert labels(refused) == ["How to connect", "Open Composio"]
    assert one_answer(passed) == "asked"


async def test_after_a_deferral_for_all_the_one_answer_is_for_all(world: World) -> None:
    result = await world.member.slash(world.channel, "ask", defer="for all")

    assert shown(result) == "🔴 This needs GitHub, which is not connected."
    assert result.followups == []
    assert not result.ephemeral


# Reloading


async def test_names_that_were_imported_before_a_reload_work_after_it(world: World) -> None:
    await connected(world)
    await plugin(world, "reload")
    tools(world).changes.clear()

    assert shown(await world.member.slash(world.channel, "issues")) == "12 issues"
    assert one_answer(await world.member.slash(world.channel, "ask", defer="for me")) == "asked"
    assert of(bot_of(world)).enabled_toolkits(GUILD_ID) == ["github"]
    with pytest.raises(LookupError):
        of(bot_of(world)).composio_user_id(1)
    await world.manager.slash(world.channel, "integrations toggle", provider="github")
    assert [type(change) for change in tools(world).changes] == [IntegrationChange]


# How old it is


async def test_a_host_can_ask_when_the_mirror_was_last_true(world: World) -> None:
    assert of(bot_of(world)).checked_at(GUILD_ID) is None
    began = world.env.now()

    await connected(world)

    checked_at = of(bot_of(world)).checked_at(GUILD_ID)
    assert checked_at is not None
    assert checked_at >= began
    await plugin(world, "reload")
    await world.env.settle()
    assert of(bot_of(world)).checked_at(GUILD_ID) == checked_at


@pytest.mark.parametrize("guild_id", [None, 5])
async def test_a_server_that_may_not_use_the_integrations_was_never_checked(
    world: World, guild_id: int | None
) -> None:
    await connected(world)

    assert of(bot_of(world)).checked_at(guild_id) is None
