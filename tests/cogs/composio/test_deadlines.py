"""Every call ends in time, whatever the other side does, and whatever cleaning up takes. Real HTTP."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

import httpx_aiohttp
import pytest
from aiohttp import web

from bot.sandbox.api import cursor
from bot.sandbox.faults import Alter, Dribble, Hang
from bot.sandbox.faults import Call as Sent
from bot.sandbox.standin import StandIn
from cogs.integrations.composio import accounts as module
from cogs.integrations.composio.deadlines import Deadlines, late
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.errors import ComposioUnavailableError, Trouble
from storage.integrations import Deadline
from tests.cogs.composio.broken import Call, each_call
from tests.cogs.conftest import USER, gateway_to

SOON = Deadlines(accounts=0.2, account=0.2, write=0.2, check=0.2, probe=0.2, close=0.2)
LONG = 5.0


@pytest.fixture
def hurried(gateway: ComposioGateway) -> ComposioGateway:
    """A gateway whose calls end within a fifth of a second."""
    gateway.deadlines = SOON
    return gateway


@dataclass(frozen=True)
class Noticed(Hang):
    """A hang that says when it has begun."""

    begun: asyncio.Event

    async def play(self, call: Sent) -> web.StreamResponse:
        self.begun.set()
        return await super().play(call)


class Stubborn:
    """Work that does not end when it is cancelled."""

    def __init__(self) -> None:
        self.begun, self.cancelled, self.let_go = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work(self) -> None:
        self.begun.set()
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            await self.let_go.wait()
            raise RuntimeError("the clean-up failed too") from None


@pytest.fixture
def stubborn() -> Iterator[Stubborn]:
    made = Stubborn()
    yield made
    made.let_go.set()


@each_call
@pytest.mark.parametrize("in_headers", [False, True], ids=["body", "headers"])
async def test_an_answer_that_never_ends_is_not_waited_for(
    standin: StandIn, hurried: ComposioGateway, call: Call, in_headers: bool
) -> None:
    standin.connect("gmail", id="ca_1")
    standin.fail(Dribble(in_headers), method="*", times=None)

    async with asyncio.timeout(LONG):
        with pytest.raises(ComposioUnavailableError) as caught:
            await call(hurried)

    assert caught.value.trouble is Trouble.TIMEOUT


async def test_pages_that_each_come_in_time_are_not_read_for_ever(
    standin: StandIn, hurried: ComposioGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PAGES", 1_000_000)
    standin.connect("gmail")
    numbers = count(1)
    standin.fail(Alter(lambda body: body.update(next_cursor=cursor(next(numbers)))), times=None)

    async with asyncio.timeout(LONG):
        with pytest.raises(ComposioUnavailableError) as caught:
            await hurried.accounts(USER)

    assert caught.value.trouble is Trouble.TIMEOUT


@each_call
async def test_a_caller_who_is_cancelled_is_told_so(standin: StandIn, call: Call) -> None:
    gateway = gateway_to(standin.base_url)
    begun = asyncio.Event()
    standin.fail(Noticed(begun), method="*", times=None)

    task = asyncio.ensure_future(call(gateway))
    await begun.wait()
    task.cancel()

    async with asyncio.timeout(LONG):
        with pytest.raises(asyncio.CancelledError):
            await task
    await gateway.close()


async def test_a_call_after_one_that_was_given_up_is_made_as_usual(
    standin: StandIn, hurried: ComposioGateway
) -> None:
    made = standin.connect("gmail")
    standin.fail(Dribble())

    with pytest.raises(ComposioUnavailableError):
        await hurried.account(made.id)

    assert await hurried.account(made.id)


# Cleaning up


async def test_a_deadline_does_not_wait_for_the_clean_up(
    stubborn: Stubborn, caplog: pytest.LogCaptureFixture
) -> None:
    async with asyncio.timeout(LONG):
        with pytest.raises(ComposioUnavailableError) as caught:
            await Deadline(0.01, late).within(stubborn.work())
        await stubborn.cancelled.wait()

    assert caught.value.trouble is Trouble.TIMEOUT
    stubborn.let_go.set()
    await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})
    del caught  # its traceback knows the task
    gc.collect()
    assert caplog.messages == []  # asyncio would complain that nobody took the error of the clean-up


async def test_a_cancelled_caller_does_not_wait_for_the_clean_up(stubborn: Stubborn) -> None:
    task = asyncio.create_task(Deadline(LONG * 2, late).within(stubborn.work()))
    await stubborn.begun.wait()
    task.cancel()

    async with asyncio.timeout(LONG):
        with pytest.raises(asyncio.CancelledError):
            await task
        await stubborn.cancelled.wait()


async def test_closing_ends_in_time_though_a_connection_does_not_close(
    standin: StandIn, monkeypatch: pytest.MonkeyPatch, stubborn: Stubborn
) -> None:
    gateway = gateway_to(standin.base_url)
    gateway.deadlines = SOON
    with monkeypatch.context() as patch:
        patch.setattr(httpx_aiohttp.AiohttpTransport, "aclose", lambda _: stubborn.work())
        async with asyncio.timeout(LONG):
            await gateway.close()

    assert stubborn.begun.is_set()
