"""How the gateway fails: as which error, and after how many requests. Real HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from bot.sandbox.faults import Cut, Fault, Html, Raw, Refuse, Reset
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.client import READ_RETRIES
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.errors import ComposioBusyError, ComposioError, ComposioUnavailableError, Trouble
from tests.cogs.composio.broken import Kind, Write, each_failure, each_write, kind_of
from tests.cogs.conftest import DAY, USER, calls, gateway_to

pytestmark = pytest.mark.quick


@pytest.fixture
async def patient(standin: StandIn) -> AsyncIterator[ComposioGateway]:
    """Retries reads as the bot does."""
    opened = gateway_to(standin.base_url, read_retries=READ_RETRIES)
    yield opened
    await opened.close()


# Which error


@pytest.mark.parametrize("page", [0, 1, 2], ids=["first page", "middle page", "last page"])
@each_failure
async def test_a_page_that_fails_is_an_error_that_says_why(
    standin: StandIn, gateway: ComposioGateway, fault: Fault, kind: Kind, page: int
) -> None:
    standin.max_page = 1
    for n in range(3):
        standin.connect("gmail", age=n * DAY)
    standin.fail(fault, skip=page, times=None)

    with pytest.raises(ComposioError) as caught:
        await gateway.accounts(USER)

    assert kind_of(caught.value) is kind


async def test_a_server_that_is_not_there_is_a_network_error(standin: StandIn, gateway: ComposioGateway) -> None:
    await standin.close()

    with pytest.raises(ComposioUnavailableError) as caught:
        await gateway.accounts(USER)

    assert caught.value.trouble is Trouble.NETWORK


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ("Sun, 22 Nov 2020 10:00:00 GMT", 0.0),
        ("Sun, 22 Nov 2020 10:00:00 -0000", None),
        ("Sun, 22 Nov 2020 10:00:00 +99999999999999999999", None),
        ("soon", None),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("9" * 400, None),
    ],
)
@pytest.mark.parametrize("flat", [False, True], ids=["in shape", "flat"])
async def test_a_busy_server_says_how_long_to_wait(
    standin: StandIn, gateway: ComposioGateway, header: str, seconds: float | None, flat: bool
) -> None:
    standin.fail(Refuse(429, headers={"Retry-After": header}, flat=flat))

    with pytest.raises(ComposioBusyError) as caught:
        await gateway.accounts(USER)

    assert caught.value.retry_after == seconds


async def test_a_busy_server_may_name_a_time(standin: StandIn, gateway: ComposioGateway) -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(minutes=10), usegmt=True)
    standin.fail(Refuse(429, headers={"Retry-After": until}))

    with pytest.raises(ComposioBusyError) as caught:
        await gateway.accounts(USER)

    assert caught.value.retry_after == pytest.approx(600, abs=60)


async def test_a_busy_server_may_not_say_how_long(standin: StandIn, gateway: ComposioGateway) -> None:
    standin.fail(Refuse(429))

    with pytest.raises(ComposioBusyError) as caught:
        await gateway.accounts(USER)

    assert caught.value.retry_after is None


@pytest.mark.parametrize("account_id", ["", ".", ".."])
@pytest.mark.parametrize("call", [ComposioGateway.account, ComposioGateway.revoke, ComposioGateway.delete])
async def test_an_id_that_makes_no_path_is_an_error_of_ours(
    gateway: ComposioGateway, call: Write, account_id: str
) -> None:
    with pytest.raises(ComposioUnavailableError):
        await call(gateway, account_id)


# Writes that only seem to succeed


@each_write
@pytest.mark.parametrize(
    "fault",
    [
        Html(200),
        Raw(b""),
        Raw(b"null"),
        Raw(b"{}"),
        Raw(b'{"success": false}'),
        Raw(b'{"connected_account": {"status": "ACTIVE"}}'),
    ],
)
async def test_a_write_is_not_done_before_composio_says_so(
    standin: StandIn, gateway: ComposioGateway, write: Write, fault: Fault
) -> None:
    made = standin.connect("gmail")
    standin.fail(fault, method="*")

    with pytest.raises(ComposioUnavailableError) as caught:
        await write(gateway, made.id)

    assert caught.value.trouble is Trouble.UNREADABLE


# How often


@pytest.mark.parametrize("status", [408, 429, 500, 503])
async def test_a_read_that_fails_once_is_made_again(
    standin: StandIn, patient: ComposioGateway, status: int
) -> None:
    made = standin.connect("gmail")
    standin.fail(Refuse(status, headers={"Retry-After": "0"}))

    assert [account.id for account in await patient.accounts(USER)] == [made.id]
    assert calls(standin) == ["GET", "GET"]


async def test_a_read_is_given_up_after_its_retries(standin: StandIn, patient: ComposioGateway) -> None:
    standin.fail(Refuse(503, headers={"Retry-After": "0"}), times=None)

    with pytest.raises(ComposioUnavailableError):
        await patient.accounts(USER)

    assert len(standin.requests) == READ_RETRIES + 1


async def test_a_senseless_time_to_wait_does_not_break_a_retry(standin: StandIn, patient: ComposioGateway) -> None:
    header = "Sun, 22 Nov 2020 10:00:00 +99999999999999999999"
    standin.fail(Refuse(429, headers={"Retry-After": header}), times=None)

    with pytest.raises(ComposioError):
        await patient.accounts(USER)


@each_write
@pytest.mark.parametrize("kept", [False, True], ids=["new connection", "kept connection"])
@pytest.mark.parametrize("fault", [Refuse(408), Refuse(409), Refuse(429), Refuse(500), Reset(), Cut(after=3)])
async def test_a_write_is_made_once_whatever_happens(
    standin: StandIn, patient: ComposioGateway, write: Write, fault: Fault, kept: bool
) -> None:
    made = standin.connect("gmail")
    if kept:
        await patient.delete("ca_nobody")
        standin.requests.clear()
    for method in ("POST", "DELETE"):
        standin.fail(fault, method=method, times=None)

    with contextlib.suppress(ComposioError):
        await write(patient, made.id)

    assert len(standin.requests) == 1
