"""The connections: the key, proxies, redirects, and that nothing stays open. Real HTTP."""

from __future__ import annotations

import asyncio
import gc
import warnings

import pytest

from bot.sandbox.faults import Refuse
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.errors import ComposioError, ComposioRefusedError
from tests.cogs.composio.broken import Call, Write, each_call
from tests.cogs.conftest import IMPATIENT, KEY, USER, calls, gateway_to

pytestmark = pytest.mark.quick


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


@pytest.mark.parametrize("call", [ComposioGateway.account, ComposioGateway.delete], ids=["read", "write"])
async def test_a_proxy_of_the_environment_is_asked_for_anywhere_else(
    monkeypatch: pytest.MonkeyPatch, call: Write
) -> None:
    asked: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1") as proxy:
        port = proxy.sockets[0].getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        gateway = gateway_to("https://composio.example", timeout=IMPATIENT)
        with pytest.raises(ComposioError):
            await call(gateway, "ca_1")
        await gateway.close()

    assert set(asked) == {b"CONNECT composio.example:443 HTTP/1.1\r\n"}


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


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@each_call
async def test_no_redirect_is_followed_for_whoever_answers_there_is_not_composio(
    standin: StandIn, gateway: ComposioGateway, call: Call, status: int
) -> None:
    async with StandIn(api_key=KEY, user_id=USER) as elsewhere:
        for project in (standin, elsewhere):
            project.connect("gmail", id="ca_1")
        there = f"{elsewhere.base_url}/api/v3/connected_accounts"
        standin.fail(Refuse(status, headers={"Location": there}), method="*", times=None)

        with pytest.raises(ComposioError):
            await call(gateway)

        assert len(standin.requests) == 1
        assert elsewhere.requests == []
