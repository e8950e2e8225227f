"""Connecting from the channel while Composio or Discord fails: how often is asked, and what is said."""

from __future__ import annotations

from bot.sandbox.faults import Refuse
from tests.cogs.chat.test_connecting import connect, polled, token_of
from tests.conftest import World, message_of, text

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
