"""With ``{guild_id}`` in the user id no server reaches another's integrations; with a shared one, only named
servers have any."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import discord
import pytest
from simcord.builders import ChannelHandle, GuildHandle
from simcord.env import Env
from simcord.results import ResponseMessage

from bot.client import Bot
from bot.sandbox.standin import StandIn
from tests.conftest import GUILD_ID, message_of, shown, text


class Server:
    """A server with one administrator."""

    def __init__(self, env: Env, guild: GuildHandle) -> None:
        self.guild = guild
        self.channel: ChannelHandle = guild.create_text_channel("general")
        role = guild.create_role("Administrators", permissions=discord.Permissions(administrator=True))
        self.admin = guild.add_member(env.create_user(f"admin{guild.id % 1000}"), roles=[role])
        self.user_id = f"discord-{guild.id}"

    async def use(self, command: str, **options: Any) -> str:
        return shown(await self.admin.slash(self.channel, f"integrations {command}", **options))

    async def ask(self, command: str, **options: Any) -> ResponseMessage:
        return message_of(await self.admin.slash(self.channel, f"integrations {command}", **options))


@pytest.fixture
async def env(environment: pytest.MonkeyPatch) -> AsyncIterator[Env]:
    environment.setenv("INTEGRATIONS_COMPOSIO_USER_ID", "discord-{guild_id}")
    environment.delenv("INTEGRATIONS_GUILD_IDS")
    simulated = Env(Bot(), settle_timeout=4.0)
    await simulated.start()
    yield simulated
    await simulated.bot.close()
    await simulated.shutdown()
    simulated.raise_errors()


@pytest.fixture
def ours(env: Env) -> Server:
    return Server(env, env.create_guild("Ours"))


@pytest.fixture
async def theirs(env: Env, ours: Server, composio: StandIn) -> Server:
    """Another server, with GitHub connected."""
    server = Server(env, env.create_guild("Theirs"))
    composio.connect("github", user_id=server.user_id, alias="their-secret-project")
    await server.use("sync")
    await env.advance_time(10)
    return server


async def test_each_server_sees_its_own(ours: Server, theirs: Server) -> None:
    await ours.use("sync")

    assert "**1 of 8** connected" in await theirs.use("list")
    mine = await ours.use("list")
    assert "**0 of 8** connected" in mine
    assert "their" not in mine


async def test_a_sync_asks_composio_for_one_user_only(ours: Server, theirs: Server, composio: StandIn) -> None:
    composio.requests.clear()

    await ours.use("sync")

    assert [request.query["user_ids"] for request in composio.requests] == [ours.user_id]


async def test_suggestions_show_ones_own_state(ours: Server, theirs: Server) -> None:
    found = await ours.admin.autocomplete(ours.channel, "integrations revoke", "provider", "github")

    assert [choice["name"] for choice in found] == ["🔴 GitHub · Not connected"]


async def test_nobody_switches_anothers(ours: Server, theirs: Server) -> None:
    assert "GitHub is not connected" in await ours.use("toggle", provider="github", enabled=False)

    assert "🟢 **GitHub** · Connected" in await theirs.use("list")


async def test_nobody_revokes_anothers(ours: Server, theirs: Server, composio: StandIn) -> None:
    assert "Composio has no GitHub account" in await ours.use("revoke", provider="github")

    assert len(composio.accounts) == 1
    assert "🟢 **GitHub** · Connected" in await theirs.use("list")


async def test_nobody_reads_anothers_history(ours: Server, theirs: Server) -> None:
    assert "Nothing has happened yet." in await ours.use("history")
    assert "**GitHub**" in await theirs.use("history")


@pytest.mark.parametrize(
    ("custom_id", "answer"),
    [
        ("integrations:toggle:github:off", "GitHub is not connected"),
        ("integrations:revoke:github", "Composio has no GitHub account"),
        ("integrations:card:github", "🔴 GitHub"),
        ("integrations:history:github:1", "Nothing has happened yet."),
        ("integrations:howto:github", "discord-"),
        ("integrations:sync:1", "**0 of 8** connected"),
        ("integrations:page:99999999999999999999", "**0 of 8** connected"),
        ("integrations:toggle:github:sideways", "This button is from another version"),
        ("integrations:selfdestruct:now", "This button is from another version"),
        ("integrations:history::99999999999999999999", "This button is from another version"),
        ("integrations:toggle:github:off:1234", "This button is from another version"),
        ("integrations:howto:no-such-app", "There is no integration called"),
    ],
)
async def test_a_custom_id_made_by_hand_reaches_nothing_of_others(
    env: Env, ours: Server, theirs: Server, composio: StandIn, custom_id: str, answer: str
) -> None:
    message = await ours.ask("list")
    stored = env.backend.get_message(message.channel_id, message.id)
    stored.components[0]["components"][0]["custom_id"] = custom_id

    pressed = await ours.admin.click(message, custom_id=custom_id)

    messages = [message, *([pressed.response] if pressed.response else []), *pressed.followups]
    told = "\n".join(map(text, messages))
    assert answer in told
    assert "their" not in told
    assert len(composio.accounts) == 1
    assert "🟢 **GitHub** · Connected" in await theirs.use("list")


async def test_a_shared_user_exists_only_in_the_named_servers(
    env: Env, ours: Server, theirs: Server, environment: pytest.MonkeyPatch, composio: StandIn
) -> None:
    listed = await theirs.ask("list")
    environment.setenv("INTEGRATIONS_COMPOSIO_USER_ID", "peterbot-user")
    environment.setenv("INTEGRATIONS_GUILD_IDS", f"{GUILD_ID}, {ours.guild.id}")
    await env.bot.close()
    # Registered everywhere, as after a change of the setting: the check must not lean on the registration.
    await env.restart_bot(Bot())
    composio.requests.clear()

    refusal = "This bot's integrations are not set up for this server."
    for command in ("list", "sync", "history"):
        assert await theirs.use(command) == refusal
    for command in ("toggle", "revoke", "howto"):
        assert await theirs.use(command, provider="github") == refusal
    assert await theirs.admin.autocomplete(theirs.channel, "integrations howto", "provider", "") == []
    assert shown(await theirs.admin.click(listed, label="Sync from Composio")) == refusal
    assert shown(await theirs.admin.select(listed, ["github"])) == refusal
    assert composio.requests == []
    assert "**0 of 8** connected" in await ours.use("list")
