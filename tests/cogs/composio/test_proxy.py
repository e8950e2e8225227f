"""Trying tokens: where a toolkit tells who is signed in, and what a provider answers there. Real HTTP."""

from __future__ import annotations

import asyncio
import gzip
import json

import httpx
import pytest
from aiohttp import web

from bot.sandbox.faults import Alter, Call, Cut, Fault, Hang, Html, Raw, Refuse, Reset
from bot.sandbox.standin import StandIn
from cogs.integrations.composio import proxy
from cogs.integrations.composio.client import TIMEOUT, patient
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.errors import (
    ComposioBusyError,
    ComposioError,
    ComposioUnavailableError,
    ProbeForbiddenError,
    Trouble,
)
from cogs.integrations.mirror.probes import Endpoint, Probe
from tests.cogs.composio.broken import LEAK, Kind, body_with, kind_of
from tests.cogs.conftest import KEY, USER

pytestmark = pytest.mark.quick

GITHUB = Endpoint("https://api.github.com/user")
LINEAR = "https://api.linear.app/graphql"
QUERY = "{ viewer { email } }"


# Where a toolkit tells


async def test_an_endpoint_is_asked_for_once_a_day(
    standin: StandIn, gateway: ComposioGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await gateway.current_user_endpoint("github") == GITHUB
    assert await gateway.current_user_endpoint("linear") is None
    assert await gateway.current_user_endpoint("github") == GITHUB
    assert await gateway.current_user_endpoint("linear") is None
    assert len(standin.requests) == 2

    monkeypatch.setattr(proxy, "REMEMBERED", 0.0)
    await gateway.current_user_endpoint("github")
    await gateway.current_user_endpoint("linear")
    assert len(standin.requests) == 4


async def test_two_who_ask_at_once_ask_once(standin: StandIn, gateway: ComposioGateway) -> None:
    asked = [gateway.current_user_endpoint("github") for _ in range(3)]

    assert await asyncio.gather(*asked) == [GITHUB] * 3
    assert len(standin.requests) == 1


async def test_a_failure_is_not_remembered(standin: StandIn, gateway: ComposioGateway) -> None:
    standin.fail(Refuse(500))

    with pytest.raises(ComposioUnavailableError):
        await gateway.current_user_endpoint("github")

    assert await gateway.current_user_endpoint("github") == GITHUB


async def test_a_toolkit_that_composio_does_not_have_tells_nothing(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    assert await gateway.current_user_endpoint("google_drive") is None

    standin.fail(Html(404))
    with pytest.raises(ComposioUnavailableError):
        await gateway.current_user_endpoint("notion")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"get_current_user_endpoint_method": "post"}, Endpoint(GITHUB.url, "POST")),
        ({"get_current_user_endpoint_method": None}, GITHUB),
        ({"get_current_user_endpoint_method": "DELETE"}, None),
        ({"get_current_user_endpoint": "/user"}, Endpoint("/user")),
        ({"get_current_user_endpoint": ""}, None),
        ({"get_current_user_endpoint": None}, None),
        ({"get_current_user_endpoint": "https://example.org/\nuser"}, None),
        ({"get_current_user_endpoint": "x" * 3_000}, None),
    ],
    ids=str,
)
async def test_only_what_can_be_asked_counts(
    standin: StandIn, gateway: ComposioGateway, fields: dict[str, object], expected: Endpoint | None
) -> None:
    standin.fail(body_with(**fields))

    assert await gateway.current_user_endpoint("github") == expected


# What the provider answers


async def test_a_probe_asks_with_the_accounts_token(standin: StandIn, gateway: ComposioGateway) -> None:
    account = standin.connect("github", owner="anna@example.com")

    found = await gateway.probe(account.id, GITHUB)

    assert found.status == 200
    assert found.data["login"] == "anna"
    [sent] = standin.requests
    assert json.loads(sent.content) == {
        "endpoint": GITHUB.url,
        "method": "GET",
        "connected_account_id": account.id,
    }


@pytest.mark.parametrize("body", [json.dumps({"query": QUERY}), QUERY], ids=["JSON", "a query"])
async def test_a_query_is_sent_as_json(standin: StandIn, gateway: ComposioGateway, body: str) -> None:
    account = standin.connect("linear", owner="anna@example.com")

    found = await gateway.probe(account.id, Endpoint(LINEAR, "POST", body))

    assert found.data["data"]["viewer"]["email"] == "anna@example.com"
    assert json.loads(standin.requests[0].content)["body"] == {"query": QUERY}


@pytest.mark.parametrize("status", [401, 403])
async def test_a_token_that_was_refused_is_the_providers_word(
    standin: StandIn, gateway: ComposioGateway, status: int
) -> None:
    account = standin.connect("github")
    standin.kill_token(account.id, status)

    assert (await gateway.probe(account.id, GITHUB)).status == status


@pytest.mark.parametrize("data", [None, "<html>", "", 7, [], {"errors": [{"message": "no"}]}], ids=str)
async def test_any_body_of_the_provider_is_handed_on(
    standin: StandIn, gateway: ComposioGateway, data: object
) -> None:
    account = standin.connect("github")
    standin.fail(body_with(data=data, status=302), method="POST")

    assert await gateway.probe(account.id, GITHUB) == Probe(302, data)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('{"errors": ["no"]}', {"errors": ["no"]}),
        ('{"viewer": ', '{"viewer": '),
        ('{"a":' * 100_000, '{"a":' * 100_000),
        ("200", "200"),
    ],
    ids=["JSON", "not quite", "nesting deeply", "a number"],
)
async def test_json_that_composio_took_for_text_is_parsed(
    standin: StandIn, gateway: ComposioGateway, text: str, data: object
) -> None:
    account = standin.connect("github")
    standin.fail(body_with(data=text), method="POST")

    assert (await gateway.probe(account.id, GITHUB)).data == data


FAULTS: dict[str, tuple[Fault, Kind]] = {
    "400": (Refuse(400, LEAK), Trouble.SERVER),
    "401": (Refuse(401, LEAK), ProbeForbiddenError),
    "403": (Refuse(403, LEAK), ProbeForbiddenError),
    "401 page": (Html(401, LEAK), Trouble.SERVER),
    "403 page": (Html(403, LEAK), Trouble.SERVER),
    "404": (Refuse(404, LEAK), Trouble.SERVER),
    "422": (Refuse(422, LEAK), Trouble.SERVER),
    "429": (Refuse(429, LEAK), ComposioBusyError),
    "500": (Refuse(500, LEAK), Trouble.SERVER),
    "501": (Refuse(501, LEAK), Trouble.SERVER),
    "502 page": (Html(502, LEAK), Trouble.SERVER),
    "504": (Refuse(504, LEAK), Trouble.SERVER),
    "200 page": (Html(200, LEAK), Trouble.UNREADABLE),
    "200 empty": (Raw(b""), Trouble.UNREADABLE),
    "200 that nests deeply": (Raw(b'{"status": 200, "data": ' + b"[" * 100_000), Trouble.UNREADABLE),
    "no status": (Alter(lambda body: body.pop("status")), Trouble.UNREADABLE),
    **{
        f"status {status!r}": (body_with(status=status), Trouble.UNREADABLE)
        for status in (None, True, "200", 200.5, 99, 600, LEAK)
    },
    "cut in the middle": (Cut(after=40), Trouble.NETWORK),
    "cut before the body": (Cut(after=0), Trouble.NETWORK),
    "reset": (Reset(), Trouble.NETWORK),
    "5 MB": (body_with(data="x" * 5_000_000), Trouble.UNREADABLE),
    "5 MB of an error": (Html(502, "x" * 5_000_000), Trouble.UNREADABLE),
}


@pytest.mark.parametrize(("fault", "kind"), FAULTS.values(), ids=FAULTS)
async def test_a_probe_that_fails_says_why_and_is_not_made_again(
    standin: StandIn, gateway: ComposioGateway, fault: Fault, kind: Kind
) -> None:
    account = standin.connect("github")
    standin.fail(fault, method="POST", times=None)

    with pytest.raises(ComposioError) as caught:
        await gateway.probe(account.id, GITHUB)

    assert kind_of(caught.value) is kind
    assert len(str(caught.value)) < 300
    assert len(standin.requests) == 1


async def test_an_account_that_composio_does_not_have_is_not_forbidden(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    with pytest.raises(ComposioUnavailableError) as caught:
        await gateway.probe("ca_nobody", GITHUB)

    assert caught.value.trouble is Trouble.SERVER


class Packed(Fault):
    """The true answer, in a small parcel."""

    async def play(self, call: Call) -> web.StreamResponse:
        parcel = gzip.compress(call.reply.text.encode())
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        return web.Response(body=parcel, status=call.reply.status, headers=headers)


@pytest.mark.parametrize(
    ("account", "kind"), [("ca_short", None), ("ca_nobody", Trouble.SERVER), ("ca_long", Trouble.UNREADABLE)]
)
async def test_an_answer_in_a_small_parcel_is_as_long_as_it_is(
    standin: StandIn, gateway: ComposioGateway, account: str, kind: Trouble | None
) -> None:
    standin.connect("github", id="ca_short")
    standin.connect("github", id="ca_long", owner="x" * 5_000_000)
    standin.fail(Packed(), method="POST")

    if kind is None:
        assert (await gateway.probe(account, GITHUB)).data["login"] == "ada"
        return
    with pytest.raises(ComposioUnavailableError) as caught:
        await gateway.probe(account, GITHUB)
    assert caught.value.trouble is kind


async def test_an_answer_that_is_just_short_enough_is_read(standin: StandIn, gateway: ComposioGateway) -> None:
    account = standin.connect("github", owner="x" * (proxy.LONGEST_ANSWER - 1_000))

    found = await gateway.probe(account.id, GITHUB)

    assert len(found.data["login"]) == proxy.LONGEST_ANSWER - 1_000


async def test_no_redirect_carries_the_question_to_another_host(
    standin: StandIn, gateway: ComposioGateway
) -> None:
    account = standin.connect("github")
    async with StandIn(api_key=KEY, user_id=USER) as elsewhere:
        elsewhere.connect("github", id=account.id)
        there = f"{elsewhere.base_url}/api/v3.1/tools/execute/proxy"
        standin.fail(Refuse(307, headers={"Location": there}), method="POST")

        with pytest.raises(ComposioUnavailableError):
            await gateway.probe(account.id, GITHUB)

        assert elsewhere.requests == []


# A provider that takes its time


async def test_a_provider_may_take_twice_as_long_as_composio(standin: StandIn, gateway: ComposioGateway) -> None:
    standin.connect("github", id="ca_1")
    standin.fail(Hang(), method="POST", times=None)
    probing = asyncio.create_task(gateway.probe("ca_1", GITHUB))
    revoking = asyncio.create_task(gateway.revoke("ca_1"))

    first, _ = await asyncio.wait({probing, revoking}, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait({probing, revoking})

    assert first == {revoking}
    for call in (probing, revoking):
        error = call.exception()
        assert isinstance(error, ComposioUnavailableError)
        assert error.trouble is Trouble.TIMEOUT


def test_twenty_seconds_are_no_time_out_for_a_provider() -> None:
    assert patient(TIMEOUT) == httpx.Timeout(30.0, connect=5.0, write=15.0, pool=15.0)
    assert ComposioGateway.deadlines.probe > 5.0 + 30.0
