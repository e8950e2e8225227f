"""The stand-in, and clients for it: Composio's own with strict validation of every body, and a plain one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from composio_client import AsyncComposio, ProjectAuth

from bot.sandbox.standin import StandIn
from tests.bot.fake_discord import Discord, serving

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def client_of(standin: StandIn, *, key: str = "ak_sandbox", timeout: float = 5.0) -> AsyncComposio:
    return AsyncComposio(
        auth=ProjectAuth(key),
        base_url=standin.base_url,
        max_retries=0,
        timeout=timeout,
        _strict_response_validation=True,
    )


async def ids(client: AsyncComposio, **query: Any) -> list[str]:
    page = await client.connected_accounts.list(**query)
    return [item.id for item in page.items]


@pytest.fixture
async def standin(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[StandIn]:
    """Running; at the end no task may be left and no warning logged."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    async with StandIn(clock=lambda: NOW) as running:
        yield running
    assert asyncio.all_tasks() == {asyncio.current_task()}
    records = caplog.get_records("call") + caplog.records
    assert [record.getMessage() for record in records if record.levelno >= logging.WARNING] == []


@pytest.fixture
async def client(standin: StandIn) -> AsyncIterator[AsyncComposio]:
    async with client_of(standin) as running:
        yield running


@pytest.fixture
async def http(standin: StandIn) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"x-api-key": standin.api_key}
    async with httpx.AsyncClient(base_url=standin.base_url, headers=headers) as plain:
        yield plain


@pytest.fixture
def discord_server() -> Discord:
    return Discord()


@pytest.fixture
async def discord_url(discord_server: Discord) -> AsyncIterator[str]:
    async with serving(discord_server.application()) as url:
        yield url
