"""What is believed: Composio's own words about the account that was asked about, and nothing else. Real HTTP."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.sandbox.faults import Alter, Fault, Html, Raw, Refuse
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.client import READ_RETRIES
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.accounts import Revocation
from cogs.integrations.mirror.errors import ComposioUnavailableError, Trouble
from tests.cogs.composio.broken import Write, each_write
from tests.cogs.conftest import gateway_to

pytestmark = pytest.mark.quick

GONE = "ConnectedAccount_ResourceNotFound"
STATUSES = (400, 404, 409)
each_status = pytest.mark.parametrize("status", STATUSES)
each_call = pytest.mark.parametrize(
    "call", [ComposioGateway.account, ComposioGateway.revoke, ComposioGateway.delete]
)


def shaped(http_status: int, **changes: Any) -> Raw:
    """An error in Composio's form but for *changes*; what is None there is left out."""
    details = {"message": "No", "code": 606, "slug": GONE, "status": http_status} | changes
    kept = {name: value for name, value in details.items() if value is not None}
    return Raw(json.dumps({"error": kept}).encode(), http_status)


async def trouble_of(gateway: ComposioGateway, call: Write) -> Trouble:
    with pytest.raises(ComposioUnavailableError) as caught:
        await call(gateway, "ca_1")
    return caught.value.trouble


# Somebody else's refusal


@each_call
@each_status
async def test_a_gateways_page_says_nothing_about_an_account(
    standin: StandIn, gateway: ComposioGateway, call: Write, status: int
) -> None:
    standin.connect("gmail", id="ca_1")
    standin.fail(Html(status), method="*")

    assert await trouble_of(gateway, call) is Trouble.SERVER


async def test_a_page_after_a_broken_gateways_says_nothing_either(standin: StandIn) -> None:
    gateway = gateway_to(standin.base_url, read_retries=READ_RETRIES)
    standin.connect("gmail", id="ca_1")
    standin.fail(Html(502))
    standin.fail(Html(404))

    assert await trouble_of(gateway, ComposioGateway.account) is Trouble.SERVER
    assert len(standin.requests) == 2
    await gateway.close()


@each_call
@each_status
@pytest.mark.parametrize(
    "changes",
    [
        {"message": None},
        {"code": None},
        {"code": "606"},
        {"code": True},
        {"slug": None},
        {"slug": ""},
        {"slug": 606},
        {"status": None},
        {"status": 500},
    ],
    ids=repr,
)
async def test_a_refusal_that_is_not_quite_in_composios_form_is_not_believed(
    standin: StandIn, gateway: ComposioGateway, call: Write, status: int, changes: dict[str, Any]
) -> None:
    standin.connect("gmail", id="ca_1")
    standin.fail(shaped(status, **changes), method="*")

    assert await trouble_of(gateway, call) is Trouble.SERVER


@each_call
@each_status
@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'"Not Found"', b'{"error": "None"}', b'{"message": 1}'])
async def test_a_refusal_without_composios_error_is_not_believed(
    standin: StandIn, gateway: ComposioGateway, call: Write, status: int, body: bytes
) -> None:
    standin.connect("gmail", id="ca_1")
    standin.fail(Raw(body, status), method="*")

    assert await trouble_of(gateway, call) is Trouble.SERVER


@each_call
@pytest.mark.parametrize("slug", ["Route_NotFound", "AuthConfig_ResourceNotFound", "ConnectedAccount_BadRequest"])
async def test_what_else_composio_does_not_find_is_not_the_account(
    standin: StandIn, gateway: ComposioGateway, call: Write, slug: str
) -> None:
    standin.connect("gmail", id="ca_1")
    standin.fail(Refuse(404, slug=slug), method="*")

    assert await trouble_of(gateway, call) is Trouble.SERVER


# Composio's


async def test_composio_is_believed_when_it_knows_no_such_account(gateway: ComposioGateway) -> None:
    assert await gateway.account("ca_1") is None
    assert await gateway.revoke("ca_1") is Revocation.GONE
    assert await gateway.delete("ca_1") is False


@pytest.mark.parametrize(
    ("fault", "revocation"),
    [
        (Refuse(400), Revocation.UNSUPPORTED),
        (shaped(400, request_id="req_1", suggested_fix="Delete it", more=[1]), Revocation.UNSUPPORTED),
        (Refuse(409), Revocation.NOT_ACTIVE),
        (Refuse(404, slug=GONE), Revocation.GONE),
    ],
    ids=repr,
)
async def test_composio_is_believed_when_it_will_not_revoke(
    standin: StandIn, gateway: ComposioGateway, fault: Fault, revocation: Revocation
) -> None:
    standin.connect("gmail", id="ca_1")
    standin.fail(fault, method="POST")

    assert await gateway.revoke("ca_1") is revocation


@pytest.mark.parametrize("status", [400, 409])
async def test_only_a_revoke_is_answered_by_what_cannot_be_revoked(
    standin: StandIn, gateway: ComposioGateway, status: int
) -> None:
    standin.connect("gmail", id="ca_1")
    for method in ("GET", "DELETE"):
        standin.fail(Refuse(status, slug="ConnectedAccount_RevokeNotSupported"), method=method)

    assert await trouble_of(gateway, ComposioGateway.account) is Trouble.SERVER
    assert await trouble_of(gateway, ComposioGateway.delete) is Trouble.SERVER


# Successes


def about(account_id: object) -> Alter:
    """The true answer, but about that account."""
    return Alter(lambda body: body.get("connected_account", body).update(id=account_id))


@each_call
async def test_an_answer_about_another_account_is_not_believed(
    standin: StandIn, gateway: ComposioGateway, call: Write
) -> None:
    standin.connect("gmail", id="ca_1")
    standin.fail(about("ca_2"), method="*")

    assert await trouble_of(gateway, call) is Trouble.UNREADABLE


@each_write
async def test_an_answer_that_names_the_account_is_believed(
    standin: StandIn, gateway: ComposioGateway, write: Write
) -> None:
    standin.connect("gmail", id="ca_1")
    standin.fail(about("ca_1"), method="*")

    assert await write(gateway, "ca_1")


@pytest.mark.parametrize("account_id", [None, 1])
async def test_a_revoke_says_of_which_account_it_is(
    standin: StandIn, gateway: ComposioGateway, account_id: object
) -> None:
    standin.connect("gmail", id="ca_1")
    standin.fail(about(account_id), method="POST")

    assert await trouble_of(gateway, ComposioGateway.revoke) is Trouble.UNREADABLE
