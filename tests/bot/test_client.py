"""The ready-made bot: which commands it registers, where, and when it leaves Discord alone."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

import discord
import pytest
from discord.ext import commands
from simcord.backend.serializers import guild_create_payload
from simcord.env import Env
from simcord.types import HttpLogEntry

from bot.client import EXTENSION, Bot

SERVERS = (4_000_000_000_000_000_001, 4_000_000_000_000_000_002)
OUTSIDE = 4_000_000_000_000_000_003
EVERYWHERE = None


@pytest.fixture
async def env(environment: pytest.MonkeyPatch) -> AsyncIterator[Env]:
    """Two servers with nothing in them yet; tests start the bot themselves."""
    environment.setenv("INTEGRATIONS_GUILD_IDS", ",".join(map(str, SERVERS)))
    simulated = Env(Bot(SERVERS), settle_timeout=4.0)
    for server in SERVERS:
        simulated.create_guild("Workshop", id=server)
    yield simulated
    await simulated.bot.close()
    await simulated.shutdown()
    simulated.raise_errors()


async def restarted(env: Env, bot: Bot) -> list[HttpLogEntry]:
    """What the bot asks of Discord when it starts again over the same world."""
    before = len(env.http_requests)
    await env.bot.close()
    await env.restart_bot(bot)
    return env.http_requests[before:]


def registrations(requests: Sequence[HttpLogEntry]) -> list[str]:
    """Where commands were registered."""
    return [request.path.partition("/guilds/")[2] for request in requests if request.method == "PUT"]


def registered(env: Env, server: int | None) -> dict[tuple[str, int], dict[str, Any]]:
    return env.backend.commands.get(server, {})


async def test_the_commands_are_registered_in_the_named_servers_and_nowhere_else(env: Env) -> None:
    await env.start()

    assert [list(registered(env, server)) for server in SERVERS] == [[("integrations", 1)]] * 2
    assert registered(env, EVERYWHERE) == {}


async def test_without_named_servers_the_commands_are_registered_everywhere(
    env: Env, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("INTEGRATIONS_GUILD_IDS", "")
    environment.setenv("INTEGRATIONS_COMPOSIO_USER_ID", "server-{guild_id}")
    env.bot = Bot()

    await env.start()

    assert list(registered(env, EVERYWHERE)) == [("integrations", 1)]
    assert [registered(env, server) for server in SERVERS] == [{}, {}]


@pytest.mark.parametrize("servers", [SERVERS, ()], ids=["named servers", "everywhere"])
async def test_a_start_without_news_registers_nothing(
    env: Env, environment: pytest.MonkeyPatch, servers: tuple[int, ...]
) -> None:
    environment.setenv("INTEGRATIONS_COMPOSIO_USER_ID", "server-{guild_id}")
    env.bot = Bot(servers)
    await env.start()

    assert registrations(await restarted(env, Bot(servers))) == []


async def test_what_discord_adds_by_itself_is_no_news(env: Env) -> None:
    await env.start()
    [command] = registered(env, SERVERS[0]).values()
    command |= {"version": "9", "contexts": None, "nsfw": False, "name_localized": "integrations"}

    assert registrations(await restarted(env, Bot(SERVERS))) == []


@pytest.mark.parametrize("key", ["name", "description"])
async def test_a_changed_subcommand_is_registered_again_and_only_there(env: Env, key: str) -> None:
    await env.start()
    [command] = registered(env, SERVERS[1]).values()
    was = command["options"][0][key]
    command["options"][0][key] = "as-an-older-version-had-it"

    requests = await restarted(env, Bot(SERVERS))

    assert registrations(requests) == [f"{SERVERS[1]}/commands"]
    [command] = registered(env, SERVERS[1]).values()
    assert command["options"][0][key] == was


async def test_where_else_the_commands_may_be_used_is_compared_for_those_that_are_everywhere(
    env: Env, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("INTEGRATIONS_COMPOSIO_USER_ID", "server-{guild_id}")
    env.bot = Bot()
    await env.start()
    [command] = registered(env, EVERYWHERE).values()
    command["contexts"] = [0, 1, 2]

    assert registrations(await restarted(env, Bot())) == [""]
    [command] = registered(env, EVERYWHERE).values()
    assert command["contexts"] == [discord.app_commands.AppCommandContext.GUILD]


async def test_commands_that_were_everywhere_are_taken_back_when_servers_are_named(
    env: Env, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("INTEGRATIONS_COMPOSIO_USER_ID", "server-{guild_id}")
    env.bot = Bot()
    await env.start()

    await restarted(env, Bot(SERVERS))

    assert registered(env, EVERYWHERE) == {}
    assert list(registered(env, SERVERS[0])) == [("integrations", 1)]


@pytest.mark.parametrize("status", [403, 404])
async def test_a_server_without_the_bot_is_left_out_with_a_warning(
    env: Env, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    env.inject_error("GET", f"/applications/*/guilds/{OUTSIDE}/commands", status=status, code=50001)
    env.bot = Bot((*SERVERS, OUTSIDE))

    await env.start()

    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings == [f"the commands could not be registered for server {OUTSIDE}: is the bot in it?"]
    assert [list(registered(env, server)) for server in SERVERS] == [[("integrations", 1)]] * 2
    assert OUTSIDE not in env.backend.commands


# Servers that come later


def asked(requests: Sequence[HttpLogEntry]) -> list[str]:
    """Of which servers the commands were looked at."""
    return [request.path.partition("/guilds/")[2] for request in requests if request.method == "GET"]


@pytest.fixture
async def waiting(env: Env) -> Env:
    """A bot that runs, and is named a third server in which it is not yet."""
    env.inject_error("GET", f"/applications/*/guilds/{OUTSIDE}/commands", status=403, code=50001)
    env.bot = Bot((*SERVERS, OUTSIDE))
    await env.start()
    assert OUTSIDE not in env.backend.commands
    return env


# Discord says so of a server that it had announced before: when the bot was invited while the connection was
# broken, or the server was in an outage. One to which the bot is invited while all goes well comes without it.
@pytest.mark.parametrize("announced", [True, False])
async def test_a_named_server_gets_its_commands_when_the_bot_is_invited(
    waiting: Env, monkeypatch: pytest.MonkeyPatch, announced: bool
) -> None:
    def payload(*given: Any) -> dict[str, Any]:
        found = dict(guild_create_payload(*given))
        if not announced:
            del found["unavailable"]
        return found

    monkeypatch.setattr("simcord.backend.serializers.guild_create_payload", payload)
    before = len(waiting.http_requests)

    waiting.create_guild("Workshop", id=OUTSIDE)
    await waiting.settle()

    assert list(registered(waiting, OUTSIDE)) == [("integrations", 1)]
    assert registrations(waiting.http_requests[before:]) == [f"{OUTSIDE}/commands"]


async def test_a_server_that_is_not_named_gets_none(waiting: Env) -> None:
    before = len(waiting.http_requests)

    waiting.create_guild("Elsewhere", id=OUTSIDE + 1)
    await waiting.settle()

    assert [request.path for request in waiting.http_requests[before:]] == []


async def test_a_server_to_which_the_bot_is_invited_again_is_compared_again(env: Env) -> None:
    await env.start()
    env.backend.emit("GUILD_DELETE", {"id": str(SERVERS[0])})
    await env.settle()
    del env.backend.commands[SERVERS[0]]

    env.backend.emit("GUILD_CREATE", guild_create_payload(env.backend, env.backend.get_guild(SERVERS[0])))
    await env.settle()

    assert list(registered(env, SERVERS[0])) == [("integrations", 1)]


async def test_a_server_that_was_in_an_outage_is_left_alone_when_nothing_is_new(env: Env) -> None:
    await env.start()
    before = len(env.http_requests)

    env.backend.emit("GUILD_DELETE", {"id": str(SERVERS[0]), "unavailable": True})
    await env.settle()
    env.backend.emit("GUILD_CREATE", guild_create_payload(env.backend, env.backend.get_guild(SERVERS[0])))
    await env.settle()

    assert registrations(env.http_requests[before:]) == []


class Told(Bot):
    """Hears of its servers before it is ready, as Discord has it. SimCord's bots are ready at once."""

    async def setup_hook(self) -> None:
        await super().setup_hook()
        for server in SERVERS:
            await self.on_guild_available(cast("discord.Guild", discord.Object(server)))


async def test_a_start_looks_at_each_server_once(env: Env) -> None:
    env.bot = Told(SERVERS)

    await env.start()

    assert sorted(filter(None, asked(env.http_requests))) == [f"{server}/commands" for server in SERVERS]


# Before the start


async def test_a_wrong_setting_ends_the_start_before_discord_hears_of_it(
    env: Env, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("INTEGRATIONS_CATALOG", "missing.toml")

    with pytest.raises(commands.ExtensionFailed, match="INTEGRATIONS_CATALOG is wrong"):
        await env.start()

    assert env.http_requests == []
    assert EXTENSION not in env.bot.extensions  # type: ignore[attr-defined]


def test_the_bot_asks_for_no_privileged_intent() -> None:
    intents = Bot().intents

    assert not intents.members
    assert not intents.presences
    assert not intents.message_content
