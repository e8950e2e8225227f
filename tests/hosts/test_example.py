"""The host's example runs, and the types of both are right."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import AsyncIterator

import discord
import pytest
from discord.ext import commands
from simcord.env import Env

from examples.host_bot import HostBot
from tests.conftest import World, shown, simulated, synced
from tests.hosts.conftest import PROJECT


@pytest.fixture
async def env(environment: pytest.MonkeyPatch) -> AsyncIterator[Env]:
    bot = HostBot(commands.when_mentioned, intents=discord.Intents.default())
    async with simulated(bot) as env:
        yield env


async def test_the_guarded_command_runs_once_its_app_is_connected(world: World) -> None:
    refused = await world.member.slash(world.channel, "issues")
    world.composio.connect("github")
    await synced(world)
    passed = await world.member.slash(world.channel, "issues")

    assert shown(refused) == "🔴 This needs GitHub, which is not connected."
    assert shown(passed) == "Nothing waits for you."


async def test_the_listener_logs_what_changed(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.composio.connect("github")

    with caplog.at_level(logging.INFO, logger="host"):
        await synced(world)

    assert "github is connected now, it was not_connected" in caplog.messages


def test_the_types_of_the_examples_are_right() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "examples/host_bot.py", "examples/agent_bot.py"]

    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)  # noqa: S603

    assert done.stdout == "Success: no issues found in 2 source files\n"
