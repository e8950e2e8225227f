"""The server: it starts, ends and starts again."""

from __future__ import annotations

import asyncio

import composio_client
import pytest
from composio_client import AsyncComposio

from bot.sandbox.faults import Hang, Lost
from bot.sandbox.standin import StandIn
from tests.bot.conftest import client_of, ids


async def test_closing_ends_fast_while_a_request_hangs(standin: StandIn, client: AsyncComposio) -> None:
    arrived = asyncio.Event()
    account = standin.connect("gmail")
    standin.fail(Lost(Hang(), hook=lambda _: arrived.set()), method="DELETE")
    request = asyncio.create_task(client.connected_accounts.delete(account.id))
    await asyncio.wait_for(arrived.wait(), 5)

    await asyncio.wait_for(standin.close(), 0.5)

    with pytest.raises(composio_client.APIConnectionError):
        await asyncio.wait_for(request, 5)


async def test_a_closed_server_can_start_again(standin: StandIn) -> None:
    account = standin.connect("gmail")
    port = int(standin.base_url.rpartition(":")[2])

    await standin.close()
    await standin.close()
    await standin.start(port)

    async with client_of(standin) as client:
        assert await ids(client) == [account.id]


async def test_a_taken_port_is_an_error(standin: StandIn) -> None:
    port = int(standin.base_url.rpartition(":")[2])

    with pytest.raises(OSError, match="in use"):
        await StandIn().start(port)


def test_there_is_no_address_before_the_start() -> None:
    with pytest.raises(RuntimeError, match="not been started"):
        _ = StandIn().dashboard_url
