"""The example with an agent: its own code and Composio's SDK, over HTTP, against the stand-in."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import discord
import pytest
from discord.ext import commands
from simcord.env import Env

from tests.conftest import World, shown, simulated

pytest.importorskip("composio", reason="needs the extra `agent`, which .ci/run has in an environment apart")

from composio.core.models import base

from examples import agent_bot

pytestmark = pytest.mark.agent


@pytest.fixture
async def env(environment: pytest.MonkeyPatch) -> AsyncIterator[Env]:
    environment.setenv("no_proxy", "127.0.0.1")
    bot = agent_bot.AgentBot(commands.when_mentioned, intents=discord.Intents.default())
    async with simulated(bot) as env:
        yield env


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the SDK would have told Composio about its use."""
    events: list[object] = []

    def push_event(event: object) -> None:
        events.append(event)

    monkeypatch.setattr(base, "push_event", push_event)
    return events


async def connected(world: World, *toolkits: str) -> None:
    for toolkit in toolkits:
        world.composio.connect(toolkit)
    await world.member.slash(world.channel, "integrations sync")


async def test_the_session_is_for_the_servers_user_and_what_is_switched_on(world: World) -> None:
    await connected(world, "github", "gmail", "notion")
    await world.manager.slash(world.channel, "integrations toggle", provider="notion", enabled=False)

    answer = await world.member.slash(world.channel, "ask", question="What is new?")

    [(session_id, config)] = world.composio.sessions.items()
    assert (config["user_id"], config["toolkits"]) == ("peterbot-user", {"enabled": ["gmail", "github"]})
    assert shown(answer) == f"What is new? Session {session_id} may use gmail, github."


async def test_the_agent_may_neither_connect_nor_remove_accounts(world: World) -> None:
    await connected(world, "github")

    await world.member.slash(world.channel, "ask", question="What is new?")

    assert json.loads(world.composio.requests[-1].content)["manage_connections"] == {"enable": False}


async def test_without_an_app_no_session_is_made(world: World) -> None:
    answer = await world.member.slash(world.channel, "ask", question="What is new?")

    assert shown(answer) == "No app is switched on here. See `/integrations list`."
    assert world.composio.sessions == {}


async def test_nobody_is_told_about_the_use_of_the_sdk(world: World, told: list[object]) -> None:
    await connected(world, "github")

    for _ in range(2):
        await world.member.slash(world.channel, "ask", question="What is new?")

    assert len(world.composio.sessions) == 2
    assert told == []


async def test_the_bot_goes_on_while_the_sdk_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_in: list[threading.Thread] = []
    think: Callable[..., str] = agent_bot.think

    def noted(*args: Any, **options: Any) -> str:
        asked_in.append(threading.current_thread())
        return think(*args, **options)

    monkeypatch.setattr(agent_bot, "think", noted)
    await connected(world, "github")

    await world.member.slash(world.channel, "ask", question="What is new?")

    assert threading.current_thread() not in asked_in
    assert len(asked_in) == 1
