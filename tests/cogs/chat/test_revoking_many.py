"""A revoke of many accounts: it says how far it is, stops in time, and can be gone on with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import pytest
from simcord.results import ResponseMessage

from tests.conftest import World, live, message_of, shown, text

MANY = 40
# In the place of two: see `test_progress`.
SECONDS = 20.0


async def ask(world: World) -> ResponseMessage:
    return message_of(await world.admin.slash(world.channel, "integrations revoke", provider="github"))


@pytest.fixture
async def under_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[ResponseMessage, asyncio.Event]]:
    """A revoke that waits for Composio at the eighth account, until it is let go."""
    for number in range(MANY):
        world.composio.connect("github", alias=f"nr {number}")
    await world.admin.slash(world.channel, "integrations sync")
    question, go, begun = await ask(world), asyncio.Event(), count(1)
    gateway = live("composio.gateway").ComposioGateway
    revoke = gateway.revoke

    async def slow(itself: Any, account_id: str) -> Any:
        if next(begun) == 8:
            await world.env.external_wait(go.wait(), reason="Composio is slow")
        return await revoke(itself, account_id)

    monkeypatch.setattr(gateway, "revoke", slow)
    # Of a timer that ends before SimCord's patience does, SimCord would wait for the real end.
    monkeypatch.setattr(live("chat.progress"), "PROGRESS_SECONDS", SECONDS)
    await world.admin.click(question, label="Revoke 40 accounts")
    yield question, go
    go.set()


async def test_it_says_how_far_it_is(world: World, under_way: tuple[ResponseMessage, asyncio.Event]) -> None:
    message, go = under_way
    at_once = text(message)

    await world.env.advance_time(SECONDS + 1)

    assert at_once == "Revoking…"
    assert text(message) == "Revoking… 7 of 40"
    go.set()
    await world.env.settle()
    assert text(message).startswith("GitHub revoked")
    assert world.composio.accounts == {}


async def test_when_its_time_is_up_it_says_what_is_left_and_how_to_go_on(
    world: World, under_way: tuple[ResponseMessage, asyncio.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    receipt, go = under_way
    with monkeypatch.context() as patch:
        patch.setattr(live("mirror.revoking"), "_now", lambda: float("inf"))  # the limit has passed
        go.set()
        await world.env.settle()

    assert text(receipt).startswith("GitHub: only partly revoked")
    assert text(receipt).count("revoked and deleted") == 8
    assert text(receipt).count("not tried") > 20
    assert "Revoke again to finish the job." in text(receipt)
    assert len(world.composio.accounts) == MANY - 8
    told = shown(await world.admin.slash(world.channel, "integrations history", provider="github"))
    assert "Only partly revoked: 8 of 40 accounts gone" in told
    assert "🟢 **GitHub** · Connected" in shown(await world.member.slash(world.channel, "integrations list"))

    again = await ask(world)
    await world.admin.click(again, label="Revoke 32 accounts")

    assert text(again).startswith("GitHub revoked")
    assert world.composio.accounts == {}
