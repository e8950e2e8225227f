"""Commands of a host that want proof: the token is tried before they run, and not in their middle."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import discord
import pytest
from discord import app_commands
from discord.ext import commands

from bot.sandbox.faults import Before, Refuse
from cogs.integrations import guard, require, requires_integration
from tests.conftest import World, execute, labels, live, shown
from tests.hosts.host import EXTENSION, bot_of, plugin, tools
from tests.hosts.test_manners import Held
from tests.hosts.work import connected, needs_reconnecting, one_answer

PROXY = "*/tools/execute/proxy"
HOUR = timedelta(hours=1)


class Proved(commands.Cog):
    """Commands whose answers show that they have run."""

    @app_commands.command(description="Close an issue, for the person alone")
    @requires_integration("github", verified_within=HOUR)
    async def close(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.followup.send("closed")

    @app_commands.command(description="Close an issue, for all to see")
    @requires_integration("github", verified_within=HOUR, ephemeral=False)
    async def announce(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.followup.send("closed for all")


@pytest.fixture(autouse=True)
def _nobody_wants_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "WISHES", set())


@pytest.fixture
async def work(world: World) -> None:
    await bot_of(world).add_cog(Proved())
    await plugin(world, "load")


def probes(world: World) -> int:
    return sum(sent.path.endswith("/tools/execute/proxy") for sent in world.composio.requests)


def refuses(world: World, status: int = 401) -> str:
    """The app answers so to the one account's token from now on; returns whose account it is."""
    [account] = world.composio.accounts.values()
    world.composio.kill_token(account.id, status)
    return account.owner


@pytest.mark.usefixtures("work")
async def test_an_app_that_works_is_tried_once_and_then_remembered(world: World) -> None:
    await connected(world)

    first = await world.member.slash(world.channel, "close")
    second = await world.member.slash(world.channel, "close")

    assert (one_answer(first), one_answer(second)) == ("closed", "closed")
    assert probes(world) == 1


@pytest.mark.usefixtures("work")
async def test_it_answers_where_the_host_wants_it(world: World) -> None:
    await connected(world)

    result = await world.member.slash(world.channel, "announce")

    assert shown(result) == "closed for all"
    assert not result.ephemeral


@pytest.mark.usefixtures("work")
async def test_a_dead_token_is_told_before_the_command_runs(world: World) -> None:
    await connected(world)
    owner = refuses(world)

    result = await world.member.slash(world.channel, "close")

    assert "GitHub refused the access when it was tried" in one_answer(result)
    assert "How to reconnect" in labels(result)
    assert owner not in one_answer(result)


@pytest.mark.usefixtures("work")
async def test_a_refusal_stands_where_the_answer_would_have_stood(world: World) -> None:
    await connected(world)
    refuses(world)

    result = await world.manager.slash(world.channel, "announce")

    assert "GitHub refused the access when it was tried" in shown(result)
    assert (result.followups, result.ephemeral) == ([], False)


@pytest.mark.usefixtures("work")
async def test_what_is_switched_off_while_it_is_tried_is_refused(world: World) -> None:
    await connected(world)
    switch_off = "UPDATE integrations_provider SET enabled = 0 WHERE provider = 'github'"
    world.composio.fail(Before(lambda _: execute(switch_off)), method="POST", path=PROXY)

    said = one_answer(await world.member.slash(world.channel, "close"))

    assert "switched off" in said
    assert probes(world) == 1


@pytest.mark.usefixtures("work")
async def test_access_without_a_name_is_no_proof(world: World) -> None:
    await connected(world)
    refuses(world, 403)

    said = one_answer(await world.member.slash(world.channel, "close"))

    assert "but it only accepted the access: whose it is may not be asked" in said


@pytest.mark.usefixtures("work")
async def test_what_could_not_be_checked_is_no_proof(world: World) -> None:
    await connected(world)
    world.composio.fail(Refuse(403), method="POST", path=PROXY)

    said = one_answer(await world.member.slash(world.channel, "close"))

    assert "it could not be checked" in said
    assert "Proxy execute" in said


@pytest.mark.usefixtures("work")
async def test_what_is_not_connected_is_refused_without_trying(world: World) -> None:
    await needs_reconnecting(world)

    said = one_answer(await world.member.slash(world.channel, "close"))

    assert "which needs reconnecting" in said
    assert probes(world) == 0


@pytest.mark.usefixtures("work")
async def test_a_proof_that_has_become_too_old_is_made_anew(world: World) -> None:
    await connected(world)
    await world.member.slash(world.channel, "close")
    for _ in range(10):
        await world.env.advance_time(359)
    await world.member.slash(world.channel, "close")
    assert probes(world) == 1
    refuses(world)
    await world.env.advance_time(20)

    said = one_answer(await world.member.slash(world.channel, "close"))

    assert "GitHub refused the access when it was tried" in said
    assert probes(world) == 2


@pytest.mark.usefixtures("work")
async def test_what_is_revoked_while_it_is_tried_is_refused(world: World) -> None:
    await connected(world)
    [account] = world.composio.accounts.values()
    world.composio.fail(Before(lambda project: project.remove(account.id)), method="POST", path=PROXY)

    said = one_answer(await world.member.slash(world.channel, "close"))

    assert said.startswith("🔴 This needs GitHub, which is not connected.")


@pytest.mark.usefixtures("work")
async def test_a_composio_that_cannot_be_read_is_told_in_one_answer(world: World) -> None:
    await connected(world)
    world.composio.fail(Refuse(400), path="*/connected_accounts")

    said = one_answer(await world.member.slash(world.channel, "close"))

    assert "Composio did not answer properly" in said
    assert (probes(world), tools(world).errors) == (0, [])


@pytest.mark.usefixtures("work")
async def test_a_database_that_cannot_be_written_is_told_in_one_answer(world: World) -> None:
    await connected(world)
    execute("CREATE TRIGGER full BEFORE INSERT ON integrations_proof BEGIN SELECT RAISE(ABORT, 'full'); END")

    said = one_answer(await world.member.slash(world.channel, "close"))

    assert "something is wrong with this bot's database" in said
    assert tools(world).errors == []


@pytest.mark.usefixtures("work")
async def test_a_server_that_may_not_use_the_app_is_told_in_one_answer(world: World) -> None:
    other = world.env.create_guild("Elsewhere")
    await world.env.settle()
    stranger = other.add_member(world.env.create_user("eve"))

    result = await stranger.slash(other.create_text_channel("general"), "close")

    assert one_answer(result) == "This bot's integrations are not set up for this server."


@pytest.mark.usefixtures("work")
@pytest.mark.parametrize("command", ["close", "integrations verify"])
async def test_a_stop_while_an_app_is_slow_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    await connected(world)
    monkeypatch.setattr(live("mirror.running").Running.close, "__defaults__", (0.05,))
    held = Held()
    world.composio.fail(held, method="POST", path=PROXY)

    async def unload() -> None:
        await held.arrived.wait()
        await bot_of(world).unload_extension(EXTENSION)

    result, _ = await asyncio.gather(world.admin.slash(world.channel, command), unload())

    assert one_answer(result) == "The bot was stopped before this was checked. Try again when it is back."
    assert tools(world).errors == []


@pytest.mark.parametrize("wrong", [3600, "1 hour"])
def test_only_a_time_span_is_one(wrong: Any) -> None:
    with pytest.raises(TypeError, match="timedelta"):
        requires_integration("github", verified_within=wrong)


def test_no_time_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than nothing"):
        requires_integration("github", verified_within=timedelta(0))


async def test_the_plain_question_takes_a_time_span_too(world: World) -> None:
    interaction: Any = world
    with pytest.raises(ValueError, match="longer than nothing"):
        await require(interaction, "github", verified_within=-HOUR)
