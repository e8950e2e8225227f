"""How the gateway fails: as which error, after how many requests, and without a word too many. Real HTTP."""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import traceback
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial

import pytest

from bot.sandbox.api import SECRET
from bot.sandbox.faults import Alter, Cut, Fault, Hang, Html, Lost, Raw, Refuse, Reset
from bot.sandbox.model import error
from bot.sandbox.standin import StandIn
from cogs.integrations.composio import READ_RETRIES, ComposioGateway
from cogs.integrations.errors import (
    ComposioBusyError,
    ComposioError,
    ComposioRefusedError,
    ComposioUnavailableError,
    Trouble,
)
from tests.cogs.conftest import DAY, IMPATIENT, KEY, USER, calls, gateway_to

pytestmark = pytest.mark.quick

# Whatever a body can quote is in these.
LEAK = f"{SECRET} {KEY}"

Kind = type[ComposioError] | Trouble
Write = Callable[[ComposioGateway, str], Awaitable[object]]


def body_with(**fields: object) -> Alter:
    return Alter(lambda body: body.update(fields))


def item_with(**fields: object) -> Alter:
    return Alter(lambda body: body["items"][0].update(fields))


FAILURES = {
    "400": (Refuse(400, LEAK), Trouble.SERVER),
    "401": (Refuse(401, LEAK), ComposioRefusedError),
    "403": (Refuse(403, LEAK), ComposioRefusedError),
    "404": (Refuse(404, LEAK), Trouble.SERVER),
    "422": (Refuse(422, LEAK), Trouble.SERVER),
    "429": (Refuse(429, LEAK), ComposioBusyError),
    "429 flat": (Refuse(429, LEAK, flat=True), ComposioBusyError),
    "500": (Refuse(500, LEAK), Trouble.SERVER),
    "500 that nests deeply": (Raw(b"[" * 100_000, 500), Trouble.UNREADABLE),
    "502 page": (Html(502, f"<p>{LEAK}</p>"), Trouble.SERVER),
    "302 to nowhere": (Raw(LEAK.encode(), 302), Trouble.SERVER),
    "200 page": (Html(200, f"<p>{LEAK}</p>"), Trouble.UNREADABLE),
    "200 empty": (Raw(b""), Trouble.UNREADABLE),
    "200 null": (Raw(b"null"), Trouble.UNREADABLE),
    "200 list": (Raw(b"[]"), Trouble.UNREADABLE),
    "200 text": (Raw(f'"{LEAK}"'.encode()), Trouble.UNREADABLE),
    "200 not UTF-8": (Raw(b'{"items": "\xff\xfe"}'), Trouble.UNREADABLE),
    "200 that nests deeply": (Raw(b"[" * 100_000), Trouble.UNREADABLE),
    "no items": (Alter(lambda body: body.pop("items")), Trouble.UNREADABLE),
    "items a text": (body_with(items=LEAK), Trouble.UNREADABLE),
    "items of texts": (body_with(items=[LEAK]), Trouble.UNREADABLE),
    "cursor a number": (body_with(next_cursor=1), Trouble.UNREADABLE),
    "id a number": (item_with(id=1), Trouble.UNREADABLE),
    "toolkit a text": (item_with(toolkit=LEAK), Trouble.UNREADABLE),
    "status null": (item_with(status=None), Trouble.UNREADABLE),
    "created_at rubbish": (item_with(created_at=LEAK), Trouble.UNREADABLE),
    "is_disabled a text": (item_with(is_disabled=LEAK), Trouble.UNREADABLE),
    "alias an object": (item_with(alias={SECRET: KEY}), Trouble.UNREADABLE),
    "cut in the middle": (Cut(after=60), Trouble.NETWORK),
    "cut before the body": (Cut(after=0), Trouble.NETWORK),
    "reset": (Reset(), Trouble.NETWORK),
    "hang": (Hang(), Trouble.TIMEOUT),
}
each_failure = pytest.mark.parametrize(
    ("fault", "kind"), [pytest.param(*case, id=name) for name, case in FAILURES.items()]
)
each_write = pytest.mark.parametrize("write", [ComposioGateway.revoke, ComposioGateway.delete])


def kind_of(error: ComposioError) -> Kind:
    return error.trouble if isinstance(error, ComposioUnavailableError) else type(error)


def told(error: BaseException, caplog: pytest.LogCaptureFixture) -> str:
    """Everything that could reach a log: the error in every form, with what caused it, and all records."""
    records = [f"{record.getMessage()} {record.args}" for record in caplog.records]
    return "\n".join([str(error), repr(error), *traceback.format_exception(error), *records])


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


# What is told


@pytest.mark.parametrize("fault", [fault for fault, _ in FAILURES.values()], ids=FAILURES)
async def test_a_read_that_fails_tells_no_token_and_no_key(
    standin: StandIn, gateway: ComposioGateway, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    caplog.set_level(logging.DEBUG)
    standin.connect("gmail")
    standin.fail(fault, times=None)

    for read in (partial(gateway.accounts, USER), gateway.check):  # one for each transport
        with pytest.raises(ComposioError) as caught:
            await read()
        text = told(caught.value, caplog)
        assert SECRET not in text
        assert KEY not in text


@each_write
@pytest.mark.parametrize("fault", [Refuse(401, LEAK), Refuse(500, LEAK), Html(200, LEAK), Lost(Reset())])
async def test_a_write_that_fails_tells_no_token_and_no_key(
    standin: StandIn, gateway: ComposioGateway, caplog: pytest.LogCaptureFixture, write: Write, fault: Fault
) -> None:
    caplog.set_level(logging.DEBUG)
    made = standin.connect("gmail")
    standin.fail(fault, method="*")

    with pytest.raises(ComposioError) as caught:
        await write(gateway, made.id)

    text = told(caught.value, caplog)
    assert SECRET not in text
    assert KEY not in text


async def test_a_success_logs_no_token_and_no_key(
    standin: StandIn, gateway: ComposioGateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = standin.connect("gmail")

    await gateway.accounts(USER)
    await gateway.account(made.id)
    await gateway.revoke(made.id)
    await gateway.delete(made.id)

    assert caplog.records
    assert SECRET not in caplog.text
    assert KEY not in caplog.text


async def test_a_header_that_is_too_long_is_not_quoted(
    standin: StandIn, gateway: ComposioGateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    standin.fail(Refuse(500, headers={"X-Long": LEAK * 1000}))

    with pytest.raises(ComposioUnavailableError) as caught:
        await gateway.accounts(USER)

    assert LEAK not in told(caught.value, caplog)


async def test_an_error_of_the_server_is_one_short_line(standin: StandIn, gateway: ComposioGateway) -> None:
    body = error(500, "Server_Broken", "It broke").body
    body["error"]["request_id"] = "req\n" * 1000
    standin.fail(Raw(json.dumps(body).encode(), 500))

    with pytest.raises(ComposioUnavailableError) as caught:
        await gateway.accounts(USER)

    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 300


# The connection


async def test_a_check_passes_when_the_key_is_right(standin: StandIn, gateway: ComposioGateway) -> None:
    await gateway.check()

    assert calls(standin) == ["GET"]


async def test_a_check_fails_when_the_key_is_wrong(standin: StandIn) -> None:
    stranger = gateway_to(standin.base_url, key="ak_wrong")

    with pytest.raises(ComposioRefusedError):
        await stranger.check()
    await stranger.close()


async def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there
    made = standin.connect("gmail")
    gateway = gateway_to(standin.base_url, timeout=IMPATIENT)

    assert await gateway.account(made.id)
    assert await gateway.delete(made.id)
    await gateway.close()


async def test_closing_leaves_nothing_open(standin: StandIn) -> None:
    made = standin.connect("gmail")
    gateway = gateway_to(standin.base_url)
    await gateway.accounts(USER)
    await gateway.delete(made.id)
    gc.collect()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await gateway.close()
        del gateway
        gc.collect()

    assert [str(warning.message) for warning in caught] == []


async def test_a_gateway_that_was_never_used_can_be_closed(standin: StandIn) -> None:
    await gateway_to(standin.base_url).close()

    assert standin.requests == []
