"""The budget of requests: never more than it allows, as the server sees it, and people first. Real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from time import monotonic

import pytest
from aiohttp import web

from bot.sandbox.faults import Before, Call, Dribble, Fault, Hang, Html, Refuse, Reset
from bot.sandbox.standin import StandIn
from cogs.integrations.composio import budget as module
from cogs.integrations.composio.budget import Budget
from cogs.integrations.composio.client import READ_RETRIES
from cogs.integrations.composio.deadlines import Deadlines
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.errors import (
    ComposioBudgetError,
    ComposioError,
    ComposioUnavailableError,
    NotConnectableError,
)
from cogs.integrations.mirror.urgency import background
from tests.cogs.composio.broken import CALLS
from tests.cogs.conftest import DAY, IMPATIENT, KEY, USER, calls

pytestmark = pytest.mark.quick

SOON = 0.2
NO_TIME = 1.0


class Opened:
    """Gateways with budgets of their own."""

    def __init__(self, standin: StandIn, stack: AsyncExitStack) -> None:
        self._standin = standin
        self._stack = stack

    def __call__(self, budget: Budget, read_retries: int = 0) -> ComposioGateway:
        gateway = ComposioGateway(
            api_key=KEY,
            base_url=self._standin.base_url,
            budget=budget,
            read_retries=read_retries,
            timeout=IMPATIENT,
        )
        self._stack.push_async_callback(gateway.close)
        return gateway


@pytest.fixture
async def opened(standin: StandIn) -> AsyncIterator[Opened]:
    standin.connect("gmail", id="ca_1")
    async with AsyncExitStack() as stack:
        yield Opened(standin, stack)


async def use_up(gateway: ComposioGateway, requests: int) -> None:
    for _ in range(requests):
        await gateway.check()


# Never more


@pytest.mark.parametrize(
    "fault",
    [Fault(), Refuse(500, headers={"Retry-After": "0"}), Html(404)],
    ids=["answered", "retried", "refused"],
)
async def test_the_server_never_sees_more_than_the_budget_in_any_window(
    standin: StandIn, opened: Opened, fault: Fault
) -> None:
    seen: list[float] = []
    gateway = opened(Budget(4, window=SOON, patience=NO_TIME), READ_RETRIES)

    class Seen(Fault):
        async def play(self, call: Call) -> web.StreamResponse:
            seen.append(monotonic())
            return await fault.play(call)

    standin.fail(Seen(), method="*", times=None)

    async def ask(person: int) -> None:
        for call in list(CALLS.values())[person:] + list(CALLS.values())[:person]:
            with suppress(ComposioError):
                await call(gateway)

    await asyncio.gather(*map(ask, range(len(CALLS))))

    assert len(seen) > 8
    assert min(late - early for early, late in zip(seen, seen[4:], strict=False)) >= SOON


async def test_a_slot_is_held_until_a_window_after_the_request_has_ended(standin: StandIn, opened: Opened) -> None:
    """The server may have looked at its clock just before."""
    gateway = opened(Budget(1, window=SOON))
    began = monotonic()
    standin.fail(Hang())

    with pytest.raises(ComposioUnavailableError):
        await gateway.check()
    ended = monotonic()
    await gateway.check()

    assert ended - began > SOON
    assert monotonic() - ended > SOON / 2


async def test_each_retry_is_counted(standin: StandIn, opened: Opened) -> None:
    gateway = opened(Budget(2), READ_RETRIES)
    standin.fail(Refuse(503, headers={"Retry-After": "0"}), times=None)

    with pytest.raises(ComposioBudgetError):
        await gateway.account("ca_1")

    assert calls(standin) == ["GET ca_1"] * 2


async def test_no_request_is_sent_again_uncounted_when_a_kept_connection_breaks(
    standin: StandIn, opened: Opened
) -> None:
    gateway = opened(Budget())
    await gateway.account("ca_1")
    standin.fail(Reset())

    with pytest.raises(ComposioUnavailableError):
        await gateway.account("ca_1")

    assert calls(standin) == ["GET ca_1"] * 2


async def test_everything_that_asks_shares_one_budget(standin: StandIn, opened: Opened) -> None:
    budget = Budget(len(CALLS))
    for call in CALLS.values():
        with suppress(NotConnectableError, ComposioUnavailableError):  # nothing of it is there
            await call(opened(budget))

    for call in CALLS.values():
        with pytest.raises(ComposioBudgetError):
            await call(opened(budget))

    assert len(standin.requests) == len(CALLS)


@pytest.mark.parametrize("fault", [Hang(), Reset(), Html(404), Dribble()], ids=repr)
async def test_a_request_that_failed_is_counted(standin: StandIn, opened: Opened, fault: Fault) -> None:
    gateway = opened(Budget(1))
    gateway.deadlines = Deadlines(account=SOON)
    standin.fail(fault)

    with pytest.raises(ComposioUnavailableError):
        await gateway.account("ca_1")
    with pytest.raises(ComposioBudgetError):
        await gateway.account("ca_1")

    assert calls(standin) == ["GET ca_1"]


# Waiting


async def test_a_person_waits_for_a_slot_that_comes_free_soon(standin: StandIn, opened: Opened) -> None:
    gateway = opened(Budget(1, window=SOON))

    await use_up(gateway, 3)

    assert len(standin.requests) == 3


async def test_a_person_is_told_at_once_when_no_slot_comes_free_in_time(standin: StandIn, opened: Opened) -> None:
    gateway = opened(Budget(1))
    await use_up(gateway, 1)

    async with asyncio.timeout(NO_TIME):
        with pytest.raises(ComposioBudgetError) as caught:
            await gateway.check()

    assert caught.value.retry_after == pytest.approx(60, abs=NO_TIME)
    assert len(standin.requests) == 1


async def test_a_person_is_told_at_once_while_the_last_slot_is_in_use(standin: StandIn, opened: Opened) -> None:
    gateway = opened(Budget(1))

    first, second = await asyncio.gather(gateway.check(), gateway.check(), return_exceptions=True)

    assert first is None
    assert isinstance(second, ComposioBudgetError)
    assert second.retry_after == 60


async def test_more_people_than_slots_come_free_are_told(standin: StandIn, opened: Opened) -> None:
    gateway = opened(Budget(2, window=SOON))
    await use_up(gateway, 2)

    answers = await asyncio.gather(*(gateway.check() for _ in range(5)), return_exceptions=True)

    assert [type(answer) for answer in answers] == [type(None)] * 2 + [ComposioBudgetError] * 3
    assert len(standin.requests) == 4


async def test_a_person_does_not_wait_for_each_page_anew(standin: StandIn, opened: Opened) -> None:
    gateway = opened(Budget(1, window=SOON, patience=SOON * 2.5))
    standin.max_page = 1
    for n in range(2, 9):
        standin.connect("gmail", age=n * DAY)

    with pytest.raises(ComposioBudgetError):
        await gateway.accounts(USER)
    assert len(standin.requests) == 3

    await gateway.check()  # another call waits by itself


async def test_who_no_longer_waits_leaves_the_slot_to_others(standin: StandIn, opened: Opened) -> None:
    gateway = opened(Budget(1, window=SOON))
    began = monotonic()
    await use_up(gateway, 1)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(gateway.account("ca_1"), SOON / 4)
    await gateway.check()

    assert monotonic() - began > SOON
    assert calls(standin) == ["GET", "GET"]


# People first


async def test_a_tenth_is_kept_for_people(standin: StandIn, opened: Opened) -> None:
    gateway = opened(Budget(10))

    with background():
        await use_up(gateway, 9)
        with pytest.raises(ComposioBudgetError):
            await gateway.check()
    await gateway.check()
    with pytest.raises(ComposioBudgetError):
        await gateway.check()

    assert len(standin.requests) == 10


async def test_what_people_use_is_not_there_for_the_background(standin: StandIn, opened: Opened) -> None:
    gateway = opened(Budget(10))
    await use_up(gateway, 9)

    with background(), pytest.raises(ComposioBudgetError):
        await gateway.check()

    assert len(standin.requests) == 9


async def test_the_background_does_not_wait(standin: StandIn, opened: Opened) -> None:
    gateway = opened(Budget(10, window=SOON))
    await use_up(gateway, 10)

    with background(), pytest.raises(ComposioBudgetError):
        await gateway.check()

    assert len(standin.requests) == 10


# What Composio says is left


def left(remaining: str, *, limit: str = "2000", window: str = "60s") -> dict[str, str]:
    return {"X-RateLimit": limit, "X-RateLimit-Remaining": remaining, "X-RateLimit-Window-Size": window}


async def after(standin: StandIn, gateway: ComposioGateway, headers: dict[str, str]) -> ComposioBudgetError | None:
    """How the background fares after an answer with *headers*."""
    standin.headers = headers
    await gateway.check()
    standin.requests.clear()
    with background():
        try:
            await gateway.accounts_of([USER], 5.0)
        except ComposioBudgetError as error:
            assert standin.requests == []
            return error
    return None


@pytest.mark.parametrize("remaining", ["200", "1", "0"])
async def test_the_background_leaves_the_last_tenth_at_composio_to_people(
    standin: StandIn, opened: Opened, remaining: str
) -> None:
    gateway = opened(Budget())

    error = await after(standin, gateway, left(remaining))

    assert error
    assert error.retry_after == pytest.approx(60, abs=NO_TIME)
    await gateway.account("ca_1")
    assert calls(standin) == ["GET ca_1"]


async def test_as_long_as_composio_has_more_left_the_background_goes_on(standin: StandIn, opened: Opened) -> None:
    assert await after(standin, opened(Budget()), left("201")) is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-RateLimit-Remaining": "0"},
        {"X-RateLimit": "2000", "X-RateLimit-Remaining": "0"},
        {"X-RateLimit": "2000", "X-RateLimit-Window-Size": "60s"},
        left("0", window="3601s"),
        left("0", window="-60s"),
        left("0", window="0s"),
        left("0", window="a minute"),
        left("0", window="6" * 400 + "s"),
        left("0", window="nan"),
        left("-1"),
        left("none"),
        left(""),
        left("0", limit="0"),
        left("0", limit="many"),
        left("0, 0"),
    ],
    ids=str,
)
async def test_what_composio_says_unclearly_changes_nothing(
    standin: StandIn, opened: Opened, headers: dict[str, str]
) -> None:
    assert await after(standin, opened(Budget()), headers) is None


async def test_what_is_not_understood_takes_nothing_back(standin: StandIn, opened: Opened) -> None:
    gateway = opened(Budget())
    await after(standin, gateway, left("0"))

    assert await after(standin, gateway, left("2000", window="soon"))


async def test_the_background_goes_on_when_composio_has_more_again(standin: StandIn, opened: Opened) -> None:
    gateway = opened(Budget())
    await after(standin, gateway, left("0"))

    assert await after(standin, gateway, left("1999")) is None


async def test_the_window_ends_though_people_go_on_asking(
    standin: StandIn, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000.0
    monkeypatch.setattr(module, "_now", lambda: now)
    gateway = opened(Budget())
    await after(standin, gateway, left("10"))

    now += 45
    error = await after(standin, gateway, left("5"))
    assert error
    assert error.retry_after == 15

    now += 15
    with background():
        await gateway.check()
        with pytest.raises(ComposioBudgetError):  # the next window is as scarce
            await gateway.check()


@pytest.mark.parametrize("status", [429, 500])
async def test_a_refusal_tells_what_is_left_too(standin: StandIn, opened: Opened, status: int) -> None:
    gateway = opened(Budget())
    standin.fail(Refuse(status, headers=left("0")))
    with suppress(ComposioError):
        await gateway.check()

    with background(), pytest.raises(ComposioBudgetError):
        await gateway.check()


async def test_a_long_read_in_the_background_stops_when_little_is_left(standin: StandIn, opened: Opened) -> None:
    gateway = opened(Budget())
    standin.max_page = 1
    for n in range(2, 9):
        standin.connect("gmail", age=n * DAY)
    standin.headers = left("1000")
    standin.fail(Before(lambda project: project.headers.update(left("200"))), skip=2)

    with background(), pytest.raises(ComposioBudgetError):
        await gateway.accounts_of([USER], 5.0)

    assert len(standin.requests) == 3
