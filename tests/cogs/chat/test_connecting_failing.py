"""Connecting from the channel while Composio or Discord fails: how often is asked, and what is said."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from simcord.http.client import FakeWebhookAdapter

from bot.sandbox.faults import Refuse
from tests.cogs.chat.test_connecting import connect, listed, polled, token_of
from tests.conftest import World, labels, message_of, shown, text

TEN_MINUTES = 30


async def asked_in_ten_minutes(world: World) -> int:
    """How many requests Composio gets."""
    world.composio.requests.clear()
    for _ in range(TEN_MINUTES):
        await polled(world, 20)
    return len(world.composio.requests)


async def test_a_composio_that_fails_is_asked_no_more_often_than_one_that_works(world: World) -> None:
    await connect(world)
    world.composio.fail(Refuse(500), path="*/connected_accounts/ca_*", times=None)

    assert 30 < await asked_in_ten_minutes(world) <= 60


async def test_what_cannot_be_deleted_is_tried_seldom_once_its_end_is_told(world: World) -> None:
    message = message_of(await connect(world))
    world.composio.deny(token_of(message))
    world.composio.fail(Refuse(403), method="DELETE", times=None)

    assert await asked_in_ten_minutes(world) < 30

    assert "The access was not allowed, or Linear refused it." in text(message)
    assert len(world.composio.accounts) == 1


async def test_a_link_that_discord_refuses_is_replaced_by_the_steps(world: World) -> None:
    world.env.inject_error("PATCH", "/webhooks/*", status=400, code=50035)

    result = await connect(world)

    assert "Composio has made a link that Discord cannot show." in shown(result)
    assert "How to connect Linear" in shown(result)
    assert labels(result) == ["Open Composio", "I've connected it"]


async def test_without_a_link_it_can_be_tried_again_or_done_by_hand(world: World) -> None:
    world.composio.fail(Refuse(502, headers={"x-should-retry": "false"}), method="POST", path="*/link")

    result = await connect(world)

    assert shown(result) == "Composio did not answer properly; it seems to have trouble."
    assert labels(result) == ["Try again", "How to connect by hand"]
    assert "Connect Linear" in shown(await world.manager.click(message_of(result), label="Try again"))


async def test_an_end_that_cannot_be_told_for_want_of_discord_is_no_error(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = message_of(await connect(world))
    world.composio.allow(token_of(message))

    async def away(*_: Any, **__: Any) -> None:
        raise aiohttp.ServerDisconnectedError

    with monkeypatch.context() as patch:
        patch.setattr(FakeWebhookAdapter, "request", away)
        await polled(world)

    assert "🟢 **Linear** · Connected" in await listed(world)
