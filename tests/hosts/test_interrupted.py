"""A revoke that a stop or a crash cuts off: what is read at once, and what is told after the next start."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from simcord.results import ResponseMessage

from bot.sandbox.faults import Call, Hang
from cogs.integrations import Condition, IntegrationChange, of
from storage.integrations import Action, EventOutcome
from tests.conftest import GUILD_ID, World, live, message_of, shown, text
from tests.hosts.host import EXTENSION, bot_of, plugin, tools
from tests.hosts.test_manners import Held
from tests.hosts.work import Work, one_answer
from tests.storage.processes import Processes
from tests.storage.test_crash import Kill


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    running = Processes()
    yield running
    running.close()


@pytest.fixture
async def question(world: World) -> ResponseMessage:
    """Whether to revoke GitHub's two accounts."""
    await bot_of(world).add_cog(Work())
    await plugin(world, "load")
    for alias in ("ci", "releases"):
        world.composio.connect("github", alias=alias)
    await world.admin.slash(world.channel, "integrations sync")
    return message_of(await world.admin.slash(world.channel, "integrations revoke", provider="github"))


@pytest.fixture
def hasty(question: ResponseMessage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is under way has a twentieth of a second to end, not four."""
    assert question
    running, context = live("mirror.running"), live("chat.context")
    assert running.CLOSE_SECONDS + running.CANCEL_SECONDS < context.CLOSE_SECONDS < live("closing").USE_CASES
    monkeypatch.setattr(running.Running.close, "__defaults__", (0.05,))


class Hanging(Hang):
    """No answer to a request; `arrived` is when it has come."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()

    async def play(self, call: Call) -> web.StreamResponse:
        self.arrived.set()
        return await super().play(call)


async def unload_meanwhile(world: World, question: ResponseMessage, second: Hanging | Held) -> None:
    """Say yes, and unload the plugin while it waits for the second of two accounts to be deleted."""
    world.composio.fail(second, method="DELETE", skip=1)
    tools(world).changes.clear()

    async def unload() -> None:
        await second.arrived.wait()
        async with asyncio.timeout(8):
            await bot_of(world).unload_extension(EXTENSION)

    await asyncio.gather(world.admin.click(question, label="Revoke 2 accounts"), unload())


async def start_again(world: World) -> None:
    await plugin(world, "load")
    await world.env.advance_time(5)


async def interruption(world: World) -> str:
    """The line of the history that tells of it."""
    shown_ = shown(await world.manager.slash(world.channel, "integrations history", provider="github"))
    return next(line for line in shown_.splitlines() if "interrupted" in line)


def heard(world: World) -> list[IntegrationChange]:
    return tools(world).changes


async def test_a_stop_in_the_middle_of_a_revoke_is_told_and_logged(
    world: World, question: ResponseMessage, hasty: None, caplog: pytest.LogCaptureFixture
) -> None:
    await unload_meanwhile(world, question, Hanging())

    assert text(question).startswith("The bot was stopped in the middle of this.")
    assert "Revoking" not in text(question)
    assert question.components == []
    assert "stopped while revoking github" in caplog.text


@pytest.mark.parametrize(
    ("second", "gone", "after", "line"),
    [
        (Hanging, 1, Condition.NEEDS_RECONNECT, "🟠 **GitHub** · Needs reconnecting"),
        (Held, 2, Condition.NOT_CONNECTED, "🔴 **GitHub** · Not connected"),
    ],
    ids=["before it has an effect", "after it had its effect"],
)
async def test_the_next_start_tells_what_became_of_it_in_its_authors_name(
    world: World,
    question: ResponseMessage,
    hasty: None,
    second: type[Hanging | Held],
    gone: int,
    after: Condition,
    line: str,
) -> None:
    await unload_meanwhile(world, question, second())
    assert heard(world) == []
    assert len(world.composio.accounts) == 2 - gone

    await start_again(world)

    told = await interruption(world)
    assert f"Revoke interrupted: {gone} of 2 accounts gone" in told
    assert "· ada ·" in told
    assert line in shown(await world.member.slash(world.channel, "integrations list"))
    [change] = heard(world)
    assert (change.before, change.after) == (Condition.CONNECTED, after)
    assert (change.action, change.outcome) == (Action.REVOKE, EventOutcome.INTERRUPTED)
    assert (change.person_id, change.guild_id) == (world.admin.id, GUILD_ID)
    assert of(bot_of(world)).enabled_toolkits(GUILD_ID) == []
    assert "GitHub" in one_answer(await world.member.slash(world.channel, "issues"))


async def test_after_a_kill_in_another_process_whoever_is_left_tells(
    world: World, question: ResponseMessage, processes: Processes
) -> None:
    tools(world).changes.clear()

    def kill(pid: int) -> None:
        world.composio.fail(Kill(pid), method="DELETE", skip=1)

    ended = await processes.run(
        "revoke",
        "sqlite+aiosqlite:///" + str(Path.cwd() / "integrations.db"),
        born=kill,
        composio=world.composio.base_url,
        provider="github",
        guild_id=GUILD_ID,
        person_id=world.manager.id,
        now=world.env.now().isoformat(),
    )
    assert ended == [-signal.SIGKILL]
    await plugin(world, "reload")

    await world.env.advance_time(40)

    told = await interruption(world)
    assert "Revoke interrupted: 1 of 2 accounts gone" in told
    assert "· mia ·" in told
    [change] = heard(world)
    assert (change.person_id, change.after) == (world.manager.id, Condition.NEEDS_RECONNECT)
    assert "GitHub" in one_answer(await world.member.slash(world.channel, "issues"))
