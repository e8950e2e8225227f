"""What a failure tells a log: without a token, without the key, and without a word too many. Real HTTP."""

from __future__ import annotations

import json
import logging
import traceback
from functools import partial

import pytest

from bot.sandbox.api import SECRET
from bot.sandbox.faults import Cut, Fault, Html, Lost, Raw, Refuse, Reset
from bot.sandbox.model import error
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.errors import ComposioError, ComposioUnavailableError
from cogs.integrations.mirror.probes import Endpoint
from tests.cogs.composio.broken import (
    ALIAS,
    CALLS,
    FAILURES,
    LEAK,
    Write,
    body_with,
    each_write,
)
from tests.cogs.conftest import KEY, USER

OWNER = "anna@example.com"


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


@pytest.mark.parametrize(
    "call", ["auth_config", "make_auth_config", "link", "made", "current_user_endpoint", "probe"]
)
@pytest.mark.parametrize(
    "fault",
    [
        *(Refuse(status, LEAK) for status in (400, 401, 403, 422, 429, 500)),
        Html(200, LEAK),
        Html(502, LEAK),
        Cut(after=60),
        Lost(Reset()),
        body_with(items=LEAK, auth_config=LEAK, expires_at=LEAK, status=LEAK, get_current_user_endpoint=[LEAK]),
    ],
)
async def test_no_failure_of_connecting_and_checking_tells_what_was_in_it(
    standin: StandIn, gateway: ComposioGateway, caplog: pytest.LogCaptureFixture, call: str, fault: Fault
) -> None:
    caplog.set_level(logging.DEBUG)
    standin.add_auth_config("gmail", id="ac_1")
    standin.connect("github", id="ca_1", owner=OWNER)
    standin.fail(fault, method="*")

    with pytest.raises(ComposioError) as caught:
        await CALLS[call](gateway)

    text = told(caught.value, caplog)
    for secret in (SECRET, KEY, OWNER, "/link/lk_"):
        assert secret not in text


async def test_a_link_and_what_a_provider_tells_are_in_no_log(
    standin: StandIn, gateway: ComposioGateway, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    standin.connect("linear", id="ca_1", owner=OWNER)
    config = await gateway.make_auth_config("linear")

    await gateway.auth_config("linear")
    link = await gateway.link(config, USER, ALIAS)
    probe = await gateway.probe("ca_1", Endpoint("https://api.linear.app/graphql", "POST", SECRET))
    logging.getLogger("test").info("%r %r", link, probe)

    assert OWNER in str(probe.data)
    assert link.account_id in caplog.text
    for secret in (SECRET, KEY, OWNER, link.url, "/link/lk_"):
        assert secret not in caplog.text


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
