"""How alerts are delivered over a real database, where one of them cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cogs.integrations.chat import alert as words
from cogs.integrations.chat.answer import Answer
from cogs.integrations.chat.delivery import Delivery
from cogs.integrations.chat.posting import Outcome, Posted
from cogs.integrations.mirror.catalog import DEFAULT
from storage.integrations import Action, Alert, Condition, Event, State
from tests.cogs.chat.stage import DASHBOARD, written
from tests.cogs.mirror.serving import Serving, user
from tests.cogs.mirror.stores import row

CHANNEL, OTHER = 70, 71


class Channel:
    """Takes what it is given; ``outcome`` is what comes of it, ``found`` what a search finds."""

    def __init__(self) -> None:
        self.outcome, self.found = Outcome.DONE, Outcome.MESSAGE_GONE
        self.sent: list[tuple[int, str]] = []

    async def send(self, _guild_id: int, channel_id: int, answer: Answer, **_more: Any) -> Posted:
        self.sent.append((channel_id, written(answer)))
        return Posted(self.outcome, len(self.sent) if self.outcome is Outcome.DONE else None)

    async def edit(self, *_what: Any) -> Outcome:
        return Outcome.DONE

    async def find(self, *_where: Any) -> Posted:
        return Posted(self.found)


def show(alert: Alert) -> Answer:
    """GitHub's cannot be shown."""
    if alert.items[0].provider == "github":
        raise ValueError("boom")
    return words.message(DEFAULT, DASHBOARD, alert, connects=True)


@pytest.fixture
async def serving(engine: AsyncEngine) -> Serving:
    """Server 1, which wants alerts, and two apps that work."""
    serving = Serving(engine)
    await serving.store.write([replace(row(name, user=user(1)), revision=0) for name in ("github", "notion")])
    await serving.join(1)
    await serving.servers.places.change(1, user(1), alert_channel_id=CHANNEL)
    return serving


@pytest.fixture
async def channel() -> Channel:
    return Channel()


@pytest.fixture
async def delivery(serving: Serving, channel: Channel) -> AsyncIterator[Delivery]:
    delivery = Delivery(
        telling=serving.ledger.telling,
        servers=serving.servers,
        poster=cast("Any", channel),
        show=show,
        clock=serving.clock,
    )
    yield delivery
    await delivery.close()


async def breaks(serving: Serving, provider: str) -> None:
    known, at = await serving.store.read(user(1)), serving.clock()
    event = Event(at, user(1), provider, Action.SYNC, Condition.CONNECTED, Condition.NEEDS_RECONNECT)
    broken = replace(known.get(provider), state=State.NEEDS_RECONNECT)
    await serving.store.record_sync(known, [broken], at, [event])


async def test_an_alert_that_cannot_be_shown_holds_up_no_other(
    serving: Serving, delivery: Delivery, channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    for failures, provider in enumerate(("github", "notion"), 1):
        await breaks(serving, provider)
        delivery.look(1)
        await ended(serving, failures)
        serving.clock.go_on(minutes=5)

    [(_, text)] = channel.sent
    assert "Notion needs reconnecting" in text
    assert [record.levelname for record in caplog.records if record.exc_info] == ["ERROR"] * 2


async def test_what_may_have_been_sent_is_sent_again_where_it_may_stand(
    serving: Serving, delivery: Delivery, channel: Channel
) -> None:
    channel.outcome, channel.found = Outcome.UNCLEAR, Outcome.UNCLEAR
    await breaks(serving, "notion")
    delivery.look(1)
    await ended(serving, 1)

    await serving.servers.places.change(1, user(1), alert_channel_id=OTHER)
    channel.outcome = Outcome.DONE
    delivery.moved(1)
    [alert] = await ended(serving)

    assert (alert.channel_id, alert.message_id) == (CHANNEL, 2)
    assert [channel_id for channel_id, _ in channel.sent] == [CHANNEL, CHANNEL]


async def ended(serving: Serving, *attempts: int) -> list[Alert]:
    """The alerts, when so many are left, each of which could not be told so often."""
    async with asyncio.timeout(5):
        while True:
            edges, alerts = await serving.store.to_tell(1, serving.clock())
            if not edges and [alert.attempts for alert in alerts if alert.next_at] == list(attempts):
                return alerts
