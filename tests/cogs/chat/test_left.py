"""What is remembered of alerts and a board in a server is known, and is gone when the server is left."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cogs.integrations.chat import alert, boards
from cogs.integrations.chat.delivery import Delivery
from cogs.integrations.chat.posting import Outcome, Posted
from cogs.integrations.mirror.catalog import DEFAULT
from storage.integrations import Action, Condition, Event, State, Wishes
from tests.cogs.chat.stage import DASHBOARD
from tests.cogs.chat.test_boards import Scene, ended
from tests.cogs.mirror.serving import Serving, user
from tests.cogs.mirror.stores import row

CHANNEL = 5


class Channel:
    """The only one; ``called`` is set when something is to be sent or edited there."""

    def __init__(self) -> None:
        self.outcome = Outcome.DONE
        self.sent: list[int] = []
        self.called = asyncio.Event()

    async def send(self, _guild_id: int, channel_id: int, *_: object, **__: object) -> Posted:
        self.sent.append(channel_id)
        self.called.set()
        return Posted(self.outcome, 55 if self.outcome is Outcome.DONE else None)

    async def edit(self, *_: object) -> Outcome:
        self.called.set()
        return self.outcome


def delivery(serving: Serving, channel: Channel) -> Delivery:
    show = partial(alert.message, DEFAULT, DASHBOARD, connects=True)
    poster = cast("Any", channel)
    made = Delivery(
        telling=serving.ledger.telling, servers=serving.servers, poster=poster, show=show, clock=serving.clock
    )
    serving.servers.on_arrived.append(made.arrived)
    serving.servers.on_left.append(made.look)
    return made


async def breaks(serving: Serving) -> None:
    mirror, at = await serving.store.read(user(1)), serving.clock()
    event = Event(at, user(1), "github", Action.SYNC, Condition.CONNECTED, Condition.NEEDS_RECONNECT)
    changed = replace(mirror.get("github"), state=State.NEEDS_RECONNECT)
    await serving.store.record_sync(mirror, [changed], at, [event])


@pytest.fixture
async def serving(engine: AsyncEngine) -> Serving:
    """Server 1 wants alerts, and nobody has read that yet."""
    serving = Serving(engine)
    await serving.store.write([replace(row("github", user=user(1)), revision=0)])
    await serving.store.wish(Wishes(1, user(1), alert_channel_id=CHANNEL))
    return serving


async def test_what_broke_before_the_wishes_were_read_is_told(serving: Serving) -> None:
    channel = Channel()
    delivering = delivery(serving, channel)
    serving.store.broken.add("wishes")
    await serving.join(1)
    assert serving.servers.serves(1)

    await breaks(serving)
    delivering.look(1)
    await delivering.close()
    assert channel.sent == []

    serving.store.broken.clear()
    later = delivery(serving, channel)
    later.look(1)
    async with asyncio.timeout(5):
        await channel.called.wait()
    await later.close()
    assert channel.sent == [CHANNEL]


async def test_a_closed_channel_is_news_again_when_the_server_comes_back(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    channel = Channel()
    channel.outcome = Outcome.CLOSED
    await serving.join(1)
    await breaks(serving)
    delivering = delivery(serving, channel)

    for times in (1, 2):
        delivering.moved(1)
        await stored_attempts(serving, times)
        assert caplog.text.count("closed to the bot") == times
        await serving.part(1)
        await serving.join(1)
    await delivering.close()


async def stored_attempts(serving: Serving, expected: int) -> None:
    """Return when the alert has been tried so often."""
    async with asyncio.timeout(5):
        while True:
            _, [*alerts] = await serving.store.to_tell(1, serving.clock())
            if alerts and alerts[0].attempts == expected:
                return
            await asyncio.sleep(0.01)


async def test_a_closed_board_is_news_again_when_the_server_comes_back(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(boards, "GAP_SECONDS", 0.0)
    scene = Scene(engine)
    scene.serving.servers.on_left.append(scene.boards.left)
    await scene.serving.join(1)
    await scene.place()

    for state in (State.NEEDS_RECONNECT, State.CONNECTED):
        caplog.clear()
        scene.discord.next["edit"] = [Outcome.CLOSED]
        await scene.write(state)
        await ended(lambda: "cannot be edited" in caplog.text)
        await scene.serving.part(1)
        await scene.serving.join(1)
    await scene.boards.close()


async def test_a_board_that_is_left_while_it_is_posted_can_be_posted_again(engine: AsyncEngine) -> None:
    scene = Scene(engine)
    scene.serving.servers.on_left.append(scene.boards.left)
    await scene.serving.join(1)
    scene.discord.gate.close()
    placing = asyncio.create_task(scene.place())
    await scene.discord.asked("send")

    await scene.serving.part(1)
    scene.discord.gate.open()
    await placing
    assert scene.serving.servers.places.all() == []

    await scene.serving.join(1)
    assert (await scene.place(mark="b2")).outcome is Outcome.DONE
    await scene.boards.close()
