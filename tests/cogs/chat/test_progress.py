"""A sync that takes its time: what the button and the answer say meanwhile, and after whatever ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import discord
import pytest
from simcord.results import ResponseMessage

from bot.sandbox.faults import Refuse
from cogs.integrations.chat.progress import PROGRESS_SECONDS
from cogs.integrations.mirror.accounts import Progress
from tests.conftest import World, labels_of, live, message_of, shown, text

# In the place of two, see `Slow`.
SECONDS = 20.0


class Slow:
    """Composio's answer comes when it is let go; until then it is known how much of it has been read."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = asyncio.Event()
        self.asked = 0
        self.progress: Progress = lambda *_: None
        self._world = world
        self._monkeypatch = monkeypatch

    def down(self) -> None:
        """Make the running bot wait for it, which SimCord does not wait for."""
        gateway = live("composio.gateway").ComposioGateway
        read = gateway.accounts

        async def accounts(itself: Any, user_id: str, toolkits: Any = (), progress: Any = None) -> Any:
            self.asked += 1
            self.progress = progress or self.progress
            await self._world.env.external_wait(self.go.wait(), reason="Composio is slow")
            return await read(itself, user_id, toolkits, progress)

        self._monkeypatch.setattr(gateway, "accounts", accounts)
        # Of a timer that ends before SimCord's patience does, SimCord would wait for the real end.
        self._monkeypatch.setattr(live("chat.progress"), "PROGRESS_SECONDS", SECONDS)


@pytest.fixture
async def slow(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Slow]:
    slow = Slow(world, monkeypatch)
    slow.down()
    yield slow
    slow.go.set()


@pytest.fixture
async def listed(world: World, slow: Slow) -> ResponseMessage:
    return message_of(await world.member.slash(world.channel, "integrations list"))


def edits(world: World) -> list[Any]:
    """What was sent to change answers that were given already."""
    return [request.json for request in world.env.http_requests if request.method == "PATCH"]


async def let_go(world: World, slow: Slow) -> None:
    slow.go.set()
    await world.env.settle()


async def test_the_button_answers_before_composio_does_and_can_still_be_pressed(
    world: World, slow: Slow, listed: ResponseMessage
) -> None:
    before = text(listed)

    await world.member.click(listed, label="Sync from Composio")

    assert labels_of(listed) == ["Syncing…", "Open Composio"]
    assert not listed.components[0]["components"][0].get("disabled")
    assert text(listed) == before
    await let_go(world, slow)
    assert labels_of(listed) == ["Sync from Composio", "Open Composio"]
    assert "Checked" in text(listed)


async def test_the_answer_to_the_press_is_the_button_itself(
    world: World, slow: Slow, listed: ResponseMessage
) -> None:
    world.env.http_requests.clear()

    await world.member.click(listed, label="Sync from Composio")

    callbacks: list[Any] = [r.json for r in world.env.http_requests if r.path.endswith("/callback")]
    [callback] = callbacks
    assert callback["type"] == 7  # the message is changed; a deferral would say nothing
    assert callback["data"]["components"][0]["components"][0]["label"] == "Syncing…"


async def test_a_long_read_says_on_the_button_how_far_it_is(
    world: World, slow: Slow, listed: ResponseMessage
) -> None:
    await world.member.click(listed, label="Sync from Composio")

    slow.progress(300, 1000)
    await world.env.advance_time(SECONDS + 1)
    assert labels_of(listed)[0] == "Syncing… 300 of 1,000 accounts"
    slow.progress(400, None)
    await world.env.advance_time(SECONDS + 1)
    assert labels_of(listed)[0] == "Syncing… 400 accounts"

    await let_go(world, slow)
    assert labels_of(listed)[0] == "Sync from Composio"


async def test_a_long_read_says_in_the_commands_answer_how_far_it_is(world: World, slow: Slow) -> None:
    result = await world.member.slash(world.channel, "integrations sync")

    slow.progress(300, 1000)
    await world.env.advance_time(SECONDS + 1)

    assert shown(result) == "Syncing… 300 of 1,000 accounts"
    await let_go(world, slow)
    assert shown(result).startswith("Already up to date")


async def test_an_error_takes_the_progress_away_and_is_told_to_the_person_alone(world: World, slow: Slow) -> None:
    result = await world.member.slash(world.channel, "integrations sync")
    slow.progress(300, 1000)
    await world.env.advance_time(SECONDS + 1)
    assert shown(result) == "Syncing… 300 of 1,000 accounts"
    for file in Path.cwd().glob("integrations.db*"):
        file.write_bytes(b"this is no database" * 400)

    await let_go(world, slow)

    assert result.response is None
    [told] = result.followups
    assert told.ephemeral
    assert told.content.startswith("Sorry, something is wrong with this bot's database.")


async def test_it_is_told_at_most_every_two_seconds_and_only_what_is_new(
    world: World, slow: Slow, listed: ResponseMessage
) -> None:
    await world.member.click(listed, label="Sync from Composio")
    world.env.http_requests.clear()
    for read in range(100, 1000, 100):
        slow.progress(read, 1000)
        await world.env.advance_time(SECONDS / 4)
    often = len(edits(world))
    await world.env.advance_time(3 * SECONDS)

    assert PROGRESS_SECONDS == 2
    assert often == 2
    assert len(edits(world)) == 3
    await let_go(world, slow)


async def test_a_second_press_joins_what_runs(world: World, slow: Slow, listed: ResponseMessage) -> None:
    world.composio.connect("gmail")
    await world.member.click(listed, label="Sync from Composio")
    pressed = await world.admin.click(listed, label="Syncing…")

    await let_go(world, slow)

    assert slow.asked == 1
    assert "Synced: 1 added" in text(pressed.followups[0])
    assert labels_of(listed)[0] == "Sync from Composio"
    assert "**1 of 8** connected" in text(listed)


async def test_a_list_that_was_deleted_meanwhile_still_brings_the_report(
    world: World, slow: Slow, listed: ResponseMessage, caplog: pytest.LogCaptureFixture
) -> None:
    world.composio.connect("gmail")
    pressed = await world.member.click(listed, label="Sync from Composio")
    world.env.backend.delete_message(listed.channel_id, listed.id)
    slow.progress(300, 1000)
    await world.env.advance_time(SECONDS + 1)

    await let_go(world, slow)

    [told] = pressed.followups
    assert told.ephemeral
    assert "Synced: 1 added" in text(told)
    assert "Traceback" not in caplog.text


async def test_a_list_that_was_deleted_before_it_said_so_still_brings_the_report(
    world: World,
    slow: Slow,
    listed: ResponseMessage,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    world.composio.connect("gmail")
    relabel = live("chat.answer").Reply.relabel

    async def too_late(*arguments: Any, **options: Any) -> None:
        if listed.id in world.env.backend.messages[listed.channel_id]:
            world.env.backend.delete_message(listed.channel_id, listed.id)
        await relabel(*arguments, **options)

    monkeypatch.setattr(live("chat.answer").Reply, "relabel", too_late)
    pressed = await world.member.click(listed, label="Sync from Composio")

    await let_go(world, slow)

    [told] = pressed.followups
    assert "Synced: 1 added" in text(told)
    assert "Traceback" not in caplog.text


async def test_a_failure_gives_the_button_its_name_back_and_is_told_to_who_pressed(
    world: World, slow: Slow, listed: ResponseMessage
) -> None:
    pressed = await world.member.click(listed, label="Sync from Composio")
    world.composio.fail(Refuse(401), times=None)

    await let_go(world, slow)

    [told] = pressed.followups
    assert told.ephemeral
    assert "Composio refused the API key." in told.content
    assert labels_of(listed)[0] == "Sync from Composio"


async def test_a_failure_after_the_list_was_deleted_is_told_too(
    world: World, slow: Slow, listed: ResponseMessage
) -> None:
    pressed = await world.member.click(listed, label="Sync from Composio")
    world.env.backend.delete_message(listed.channel_id, listed.id)
    world.composio.fail(Refuse(401), times=None)

    await let_go(world, slow)

    assert "Composio refused the API key." in pressed.followups[0].content


# The bot ends in between


@pytest.fixture
async def abandoned(
    world: World, slow: Slow, listed: ResponseMessage, monkeypatch: pytest.MonkeyPatch
) -> ResponseMessage:
    """A list whose bot ended while it synced, so suddenly that Discord heard no more of it."""
    await world.member.click(listed, label="Sync from Composio")
    world.env.inject_error("*", "/webhooks/*", status=404, code=10015, times=None)
    monkeypatch.setattr(live("mirror.running").Running.close, "__defaults__", (0.05,))
    await world.restart()
    slow.down()
    world.env.backend.faults.clear()
    await world.env.advance_time(10)
    assert labels_of(listed) == ["Syncing…", "Open Composio"]
    return listed


async def test_after_a_crash_the_same_button_begins_anew(
    world: World, slow: Slow, abandoned: ResponseMessage
) -> None:
    world.composio.connect("gmail")
    slow.go.set()

    pressed = await world.member.click(abandoned, label="Syncing…")

    assert slow.asked == 2
    assert "Synced: 1 added" in text(pressed.followups[0])
    assert "**1 of 8** connected" in text(abandoned)
    assert labels_of(abandoned) == ["Sync from Composio", "Open Composio"]


async def test_after_a_crash_the_same_button_joins_what_somebody_else_began(
    world: World, slow: Slow, abandoned: ResponseMessage
) -> None:
    await world.admin.slash(world.channel, "integrations sync")

    pressed = await world.member.click(abandoned, label="Syncing…")
    await let_go(world, slow)

    assert slow.asked == 2
    assert "Already up to date" in text(pressed.followups[0])
    assert labels_of(abandoned)[0] == "Sync from Composio"


class Overloaded:
    """What Discord answers when it has too much to do."""

    status = 503
    reason = "Service Unavailable"


def refuse(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let every edit of a kind fail that only decorates."""

    async def overloaded(*_: object, **__: object) -> None:
        raise discord.DiscordServerError(cast("Any", Overloaded()), "overloaded")

    monkeypatch.setattr(live("chat.answer").Reply, name, overloaded)


async def test_a_label_that_discord_refuses_keeps_nobody_from_syncing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.composio.connect("gmail")
    listed = message_of(await world.member.slash(world.channel, "integrations list"))
    refuse(monkeypatch, "relabel")

    pressed = await world.member.click(listed, label="Sync from Composio")

    assert "Synced: 1 added" in text(pressed.followups[-1])
    assert "🟢 **Gmail** · Connected" in shown(pressed)


async def test_a_progress_that_discord_refuses_keeps_nobody_from_the_result(
    world: World, slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(_text: str) -> None:
        raise discord.DiscordServerError(cast("Any", Overloaded()), "overloaded")

    running = live("mirror.running")
    run = running.Run(running.Running(), lambda _: slow.go.wait())
    run.progress(300, 1_000)
    monkeypatch.setattr(live("chat.progress"), "PROGRESS_SECONDS", 0.0)
    following = asyncio.create_task(live("chat.progress").follow(run, refused, lambda read, _: str(read)))
    await asyncio.sleep(0)
    slow.go.set()

    await following
