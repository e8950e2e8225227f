"""What a failure tells a log: without a token, without the key, and without a word too many. Real HTTP."""

from __future__ import annotations

import json
import logging
import traceback
from functools import partial

import pytest

from bot.sandbox.api import SECRET
from bot.sandbox.faults import Fault, Html, Lost, Raw, Refuse, Reset
from bot.sandbox.model import error
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.errors import ComposioError, ComposioUnavailableError
from tests.cogs.composio.broken import FAILURES, LEAK, Write, each_write
from tests.cogs.conftest import KEY, USER


def told(error: BaseException, caplog: pytest.LogCaptureFixture) -> str:
    """Everything that could reach a log: the error in every form, with what caused it, and all records."""
    records = [f"{record.getMessage()} {record.args}" for record in caplog.records]
    return "\n".join([str(error), repr(error), *traceback.format_exception(error), *records])


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
