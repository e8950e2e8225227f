"""An app that a person has installed follows them into servers that the bot has left, and says no there."""

from __future__ import annotations

import pytest

from tests.conftest import GUILD_ID, World, message_of, shown
from tests.hosts.conftest import Owned
from tests.hosts.host import bot_of, plugin
from tests.hosts.work import Work, connected, one_answer

REFUSAL = "This bot's integrations are not set up for this server."
SOMEBODY = "4000000000000000777"  # who may be another person than the one who clicks
OURS, THEIRS = str(GUILD_ID), "4000000000000000009"
FROM_A_PERSON = [{"1": SOMEBODY}, {"0": "0", "1": SOMEBODY}, {"0": THEIRS, "1": SOMEBODY}]
FROM_THIS_SERVER = [{}, {"0": OURS}, {"0": OURS, "1": SOMEBODY}]


@pytest.fixture(autouse=True)
async def work(world: World) -> None:
    """The host's commands, and the plugin; GitHub may be used."""
    await bot_of(world).add_cog(Work())
    await plugin(world, "load")
    await connected(world)


@pytest.mark.parametrize("owners", FROM_A_PERSON)
async def test_a_hosts_guarded_command_is_refused(world: World, owned: Owned, owners: dict[str, str]) -> None:
    owned(owners)

    assert one_answer(await world.member.slash(world.channel, "issues")) == REFUSAL
    assert one_answer(await world.member.slash(world.channel, "ask", defer="for me")) == REFUSAL


@pytest.mark.parametrize("owners", FROM_THIS_SERVER)
async def test_who_else_has_installed_it_does_not_matter(
    world: World, owned: Owned, owners: dict[str, str]
) -> None:
    owned(owners)

    assert shown(await world.member.slash(world.channel, "issues")) == "12 issues"


@pytest.mark.parametrize("command", ["list", "sync", "history"])
async def test_our_own_commands_are_refused(world: World, owned: Owned, command: str) -> None:
    owned({"1": SOMEBODY})
    world.composio.requests.clear()

    assert shown(await world.admin.slash(world.channel, f"integrations {command}")) == REFUSAL
    assert world.composio.requests == []


async def test_suggestions_tell_nothing(world: World, owned: Owned) -> None:
    owned({"1": SOMEBODY})

    assert await world.admin.autocomplete(world.channel, "integrations howto", "provider", "") == []


@pytest.mark.parametrize("owners", FROM_A_PERSON)
async def test_a_button_is_refused_though_another_person_clicks(
    world: World, owned: Owned, owners: dict[str, str]
) -> None:
    listed = message_of(await world.member.slash(world.channel, "integrations list"))
    owned(owners)
    world.composio.requests.clear()

    pressed = await world.admin.click(listed, label="Sync from Composio")
    chosen = await world.admin.select(listed, ["github"])

    assert [one_answer(pressed), one_answer(chosen)] == [REFUSAL] * 2
    assert world.composio.requests == []


async def test_a_question_that_was_asked_before_revokes_nothing(world: World, owned: Owned) -> None:
    question = message_of(await world.admin.slash(world.channel, "integrations revoke", provider="github"))
    owned({"1": SOMEBODY})

    pressed = await world.admin.click(question, label="Revoke 1 account")

    assert one_answer(pressed) == REFUSAL
    assert len(world.composio.accounts) == 1
