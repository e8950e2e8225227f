"""The guard, as a host uses it: its own commands obey what is connected and switched on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import discord
import pytest
import sqlalchemy as sa
from discord import app_commands
from discord.ext import commands
from simcord.results import InteractionResult
from sqlalchemy.ext.asyncio import create_async_engine

from bot.sandbox.faults import Refuse
from cogs import integrations
from cogs.integrations import Condition, IntegrationChange, of, requires_integration
from storage.integrations import Action, Store, open_engine
from tests.cogs.test_buttons import message_of
from tests.cogs.test_commands import synced
from tests.conftest import GUILD_ID, USER_ID, World, labels, shown, text_of
from tests.hosts.host import bot_of, plugin, tools

NOT_LOADED = "The integrations of this bot are not available right now."


class Kind(Enum):
    """A host's own type: its name means nothing to the guard's module."""

    OPEN = "open"
    CLOSED = "closed"


class Work(commands.Cog):
    """Commands of a host; what they answer shows that they have run."""

    @app_commands.command(description="Show the issues")
    @requires_integration("github")
    async def issues(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message("12 issues")

    @app_commands.command(description="Ask a provider that nobody knows")
    @requires_integration("gihub")
    async def typo(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message("never")

    @app_commands.command(description="Ask by the label, before or after deferring")
    async def ask(
        self, interaction: discord.Interaction[Any], defer: Literal["never", "for me", "for all"] = "never"
    ) -> None:
        if defer != "never":
            await interaction.response.defer(ephemeral=defer == "for me", thinking=True)
        if not await integrations.require(interaction, "GitHub"):
            return
        send = interaction.followup.send if interaction.response.is_done() else interaction.response.send_message
        await send("asked", ephemeral=True)


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


async def connected(world: World) -> None:
    world.composio.connect("github", alias="ci")
    await synced(world)


async def needs_reconnecting(world: World) -> None:
    account = world.composio.connect("github")
    await synced(world)
    world.composio.expire(account.id)
    await synced(world)


async def switched_off(world: World) -> None:
    await connected(world)
    await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=False)


def one_answer(result: InteractionResult) -> str:
    """The text of the only answer, which nobody else sees."""
    [message] = [*([result.response] if result.response else []), *result.followups]
    assert message.ephemeral
    return text_of(message.content, message.embeds)


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
    assert labels(result) == ["How to connect", "Open Composio"]
    howto = await getattr(world, who).click(message_of(result), label="How to connect")
    assert "How to connect GitHub" in one_answer(howto)


@pytest.mark.parametrize("who", ["member", "manager"])
async def test_an_app_that_needs_reconnecting_is_refused_with_the_reason(world: World, who: str) -> None:
    await needs_reconnecting(world)

    result = await getattr(world, who).slash(world.channel, "issues")

    assert one_answer(result) == (
        "🟠 This needs GitHub, which needs reconnecting: GitHub no longer accepts this access."
    )
    assert labels(result) == ["How to connect", "Open Composio"]


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

    assert "switched off" not in text_of(refused.content, refused.embeds)
    assert "GitHub is switched on here." in text_of(refused.content, refused.embeds)
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


# What an agent is given


async def test_the_toolkits_follow_each_sync_switch_and_revoke(world: World) -> None:
    here = of(bot_of(world))
    seen = [here.enabled_toolkits(GUILD_ID)]
    world.composio.connect("github")
    world.composio.connect("googledrive")
    await synced(world)
    seen.append(here.enabled_toolkits(GUILD_ID))
    await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=False)
    seen.append(here.enabled_toolkits(GUILD_ID))
    await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=True)
    seen.append(here.enabled_toolkits(GUILD_ID))
    question = message_of(await world.admin.slash(world.channel, "integrations revoke", provider="github"))
    await world.admin.click(question, label="Revoke 1 account")
    seen.append(here.enabled_toolkits(GUILD_ID))

    both = ["googledrive", "github"]
    assert seen == [[], both, ["googledrive"], both, ["googledrive"]]


async def test_the_toolkits_are_those_that_are_connected(world: World) -> None:
    await needs_reconnecting(world)
    world.composio.connect("slack")
    await synced(world)

    assert of(bot_of(world)).enabled_toolkits(GUILD_ID) == []


async def test_the_user_is_the_one_of_the_server(world: World, environment: pytest.MonkeyPatch) -> None:
    assert of(bot_of(world)).composio_user_id(GUILD_ID) == USER_ID

    environment.setenv("INTEGRATIONS_COMPOSIO_USER_ID", "team-{guild_id}")
    await plugin(world, "reload")

    assert of(bot_of(world)).composio_user_id(GUILD_ID) == f"team-{GUILD_ID}"


@pytest.fixture
async def statements(world: World, tmp_path: Path) -> AsyncIterator[list[str]]:
    """Everything that is sent to the database."""
    await plugin(world, "unload")
    engine = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'host.db'}")
    sent: list[str] = []
    sa.event.listen(engine.sync_engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
    await integrations.add_to(bot_of(world), engine=engine)
    await tools(world).sync()
    yield sent
    await bot_of(world).remove_cog("Integrations")
    await engine.dispose()


async def test_no_question_of_the_host_reaches_the_database(world: World, statements: list[str]) -> None:
    await connected(world)
    assert statements
    statements.clear()

    assert shown(await world.member.slash(world.channel, "issues")) == "12 issues"
    assert of(bot_of(world)).enabled_toolkits(GUILD_ID) == ["github"]
    assert of(bot_of(world)).composio_user_id(GUILD_ID) == USER_ID

    assert statements == []


@pytest.fixture
async def other_process(environment: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """The queries of another process, over the same database."""
    engine = open_engine("sqlite+aiosqlite:///integrations.db")
    yield Store(engine)
    await engine.dispose()


async def test_another_process_is_heard_of_within_thirty_seconds(world: World, other_process: Store) -> None:
    await connected(world)
    await other_process.set_enabled(USER_ID, "github", False)
    at_once = shown(await world.member.slash(world.channel, "issues"))

    await world.env.advance_time(31)

    assert at_once == "12 issues"
    assert "switched off here" in one_answer(await world.member.slash(world.channel, "issues"))
    assert of(bot_of(world)).enabled_toolkits(GUILD_ID) == []


# What the host hears


def heard(world: World) -> list[tuple[str, Action, Condition, Condition]]:
    return [(c.provider, c.action, c.before, c.after) for c in tools(world).changes]


async def test_the_host_hears_of_each_sync_switch_and_revoke_that_changes_something(world: World) -> None:
    await connected(world)
    await world.manager.slash(world.channel, "integrations toggle", provider="github")
    await world.manager.slash(world.channel, "integrations toggle", provider="github")
    question = message_of(await world.admin.slash(world.channel, "integrations revoke", provider="github"))
    await world.admin.click(question, label="Revoke 1 account")

    assert heard(world) == [
        ("github", Action.SYNC, Condition.NOT_CONNECTED, Condition.CONNECTED),
        ("github", Action.TOGGLE, Condition.CONNECTED, Condition.DISABLED),
        ("github", Action.TOGGLE, Condition.DISABLED, Condition.CONNECTED),
        ("github", Action.REVOKE, Condition.CONNECTED, Condition.NOT_CONNECTED),
    ]
    assert [change.person_id for change in tools(world).changes] == [
        world.admin.id,
        world.manager.id,
        world.manager.id,
        world.admin.id,
    ]
    assert {change.guild_id for change in tools(world).changes} == {GUILD_ID}
    assert {change.composio_user_id for change in tools(world).changes} == {USER_ID}


async def test_the_host_hears_of_an_app_that_was_gone_when_it_was_to_be_revoked(world: World) -> None:
    account = world.composio.connect("github")
    await synced(world)
    world.composio.remove(account.id)
    tools(world).changes.clear()

    result = await world.admin.slash(world.channel, "integrations revoke", provider="github")

    assert "There is nothing to revoke." in shown(result)
    assert heard(world) == [("github", Action.REVOKE, Condition.CONNECTED, Condition.NOT_CONNECTED)]


async def test_the_host_hears_nothing_where_nothing_changed(world: World) -> None:
    await connected(world)
    tools(world).changes.clear()

    await synced(world)
    await world.manager.slash(world.channel, "integrations toggle", provider="github", enabled=True)
    question = message_of(await world.admin.slash(world.channel, "integrations revoke", provider="github"))
    world.composio.fail(Refuse(500), method="POST", path="*/revoke")
    await world.admin.click(question, label="Revoke 1 account")

    assert heard(world) == []


async def test_what_the_host_hears_is_known_already(world: World) -> None:
    known: list[list[str]] = []

    async def listener(_: IntegrationChange) -> None:
        known.append(of(bot_of(world)).enabled_toolkits(GUILD_ID))

    bot_of(world).add_listener(listener, "on_integration_change")
    await connected(world)
    await world.manager.slash(world.channel, "integrations toggle", provider="github")

    assert known == [["github"], []]


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


# The list


async def test_the_list_says_on_top_which_required_apps_are_missing(
    world: World, environment: pytest.MonkeyPatch
) -> None:
    required = '[[provider]]\nid = "{id}"\nlabel = "{label}"\ncategory = "x"\ndescription = "x"\nrequired = true\n'
    apps = (("gmail", "Gmail"), ("github", "GitHub"), ("notion", "Notion"))
    text = "".join(required.format(id=id_, label=label) for id_, label in apps)
    Path("apps.toml").write_text(text, "utf-8")  # noqa: ASYNC240
    environment.setenv("INTEGRATIONS_CATALOG", "apps.toml")
    await plugin(world, "reload")
    world.composio.connect("notion")
    await synced(world)

    listed = message_of(await world.member.slash(world.channel, "integrations list"))

    first = (listed.embeds[0].description or "").splitlines()[0]
    assert first == "⚠️ **2 required integrations are missing:** Gmail, GitHub"
