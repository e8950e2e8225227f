"""The body that registers the commands, checked against Discord's rules for it."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import discord
import pytest
from discord.ext import commands

from cogs.integrations.closing import Closing
from cogs.integrations.cog import IntegrationsCog

pytestmark = pytest.mark.quick

SUBCOMMAND, TEXT, BOOLEAN = 1, 3, 5
WITH_PROVIDER = ["toggle", "revoke", "howto", "connect"]


class Nothing:
    """Stands where the parts do: no command runs here, and nothing happens by itself."""

    interval = 3600.0
    connector = "links are handed out"

    async def look(self) -> None:
        """Nothing is new."""

    async def clean(self) -> None:
        """Nothing is old."""


@pytest.fixture
async def body() -> AsyncIterator[dict[str, Any]]:
    """What is sent for `/integrations`, as JSON."""
    nothing: Any = Nothing()
    async with commands.Bot("!", intents=discord.Intents.none()) as bot:
        cog = IntegrationsCog(bot, context=nothing, servers=nothing, upkeep=nothing, resources=Closing())
        await bot.add_cog(cog)
        [group] = bot.tree.get_commands()
        yield json.loads(json.dumps(group.to_dict(bot.tree)))


def subcommand(body: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [option for option in body["options"] if option["name"] == name]
    return cast("dict[str, Any]", found)


def described(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The command, and everything below it."""
    yield body
    for option in body.get("options", []):
        yield from described(option)


def test_one_group_holds_the_commands_that_were_designed(body: dict[str, Any]) -> None:
    names = {option["name"] for option in body["options"]}

    assert body["name"] == "integrations"
    assert names >= {"list", "sync", "toggle", "revoke", "howto", "connect"}
    assert all(option["type"] == SUBCOMMAND for option in body["options"])


def test_every_name_is_one_that_discord_takes(body: dict[str, Any]) -> None:
    for part in described(body):
        assert re.fullmatch(r"[-_\w]{1,32}", part["name"])
        assert part["name"] == part["name"].lower()


def test_every_description_is_one_that_discord_takes(body: dict[str, Any]) -> None:
    for part in described(body):
        assert part["description"] == part["description"].strip()
        assert 1 <= len(part["description"]) <= 100


def test_no_two_descriptions_of_commands_are_the_same(body: dict[str, Any]) -> None:
    said = [option["description"] for option in body["options"]]

    assert len(set(said)) == len(said)


def test_no_description_is_what_discord_py_writes_when_there_is_none(body: dict[str, Any]) -> None:
    assert "…" not in [part["description"] for part in described(body)]


def test_options_are_few_enough_and_have_names_of_their_own(body: dict[str, Any]) -> None:
    for part in described(body):
        names = [option["name"] for option in part.get("options", [])]
        assert len(names) <= 25
        assert len(set(names)) == len(names)


def test_required_options_come_before_optional_ones(body: dict[str, Any]) -> None:
    for command in body["options"]:
        required = [option.get("required", False) for option in command.get("options", [])]
        assert required == sorted(required, reverse=True)


def test_all_texts_of_the_command_together_are_short_enough(body: dict[str, Any]) -> None:
    assert sum(len(part["name"]) + len(part["description"]) for part in described(body)) <= 8000


def test_the_commands_exist_in_servers_alone(body: dict[str, Any]) -> None:
    assert body["contexts"] == [0]
    assert body["integration_types"] == [0]


def test_everyone_sees_the_group_because_list_is_in_it(body: dict[str, Any]) -> None:
    assert body.get("default_member_permissions") is None


@pytest.mark.parametrize("name", WITH_PROVIDER)
def test_the_provider_is_required_and_suggested(body: dict[str, Any], name: str) -> None:
    provider = subcommand(body, name)["options"][0]

    assert (provider["name"], provider["type"]) == ("provider", TEXT)
    assert provider["required"] is True
    assert provider["autocomplete"] is True


def test_wherever_a_provider_is_asked_for_there_are_suggestions_and_no_fixed_choices(body: dict[str, Any]) -> None:
    providers = [part for part in described(body) if part["name"] == "provider"]

    assert len(providers) >= len(WITH_PROVIDER)
    assert all(option["autocomplete"] is True and not option.get("choices") for option in providers)


def test_the_switch_may_be_left_out(body: dict[str, Any]) -> None:
    [_, enabled] = subcommand(body, "toggle")["options"]

    assert (enabled["name"], enabled["type"]) == ("enabled", BOOLEAN)
    assert enabled.get("required", False) is False


@pytest.mark.parametrize("name", ["list", "sync"])
def test_the_other_commands_take_nothing(body: dict[str, Any], name: str) -> None:
    assert subcommand(body, name).get("options", []) == []


@pytest.mark.parametrize("name", ["revoke", "howto"])
def test_commands_about_one_provider_take_nothing_else(body: dict[str, Any], name: str) -> None:
    assert len(subcommand(body, name)["options"]) == 1
