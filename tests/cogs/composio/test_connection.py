"""The connections: the key, proxies, redirects, and that nothing stays open. Real HTTP."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Awaitable, Callable

import pytest

from bot.sandbox.faults import Refuse
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.errors import ComposioError, ComposioRefusedError
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


CALLS: dict[str, Callable[[ComposioGateway], Awaitable[object]]] = {
    "accounts": lambda gateway: gateway.accounts(USER),
    "account": lambda gateway: gateway.account("ca_1"),
    "check": lambda gateway: gateway.check(),
    "revoke": lambda gateway: gateway.revoke("ca_1"),
    "delete": lambda gateway: gateway.delete("ca_1"),
}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("call", CALLS)
async def test_no_redirect_is_followed_for_whoever_answers_there_is_not_composio(
    standin: StandIn, gateway: ComposioGateway, call: str, status: int
) -> None:
    async with StandIn(api_key=KEY, user_id=USER) as elsewhere:
        for project in (standin, elsewhere):
            project.connect("gmail", id="ca_1")
        there = f"{elsewhere.base_url}/api/v3/connected_accounts"
        standin.fail(Refuse(status, headers={"Location": there}), method="*", times=None)

        with pytest.raises(ComposioError):
            await CALLS[call](gateway)

        assert len(standin.requests) == 1
        assert elsewhere.requests == []
