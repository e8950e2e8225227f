"""A database of both kinds, for what must hold on each, and two processes over one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cogs.integrations.composio.gateway import ComposioGateway
from tests.cogs.mirror.processes import Process
from tests.cogs.mirror.stores import Clock
from tests.storage.conftest import databases, postgres, proxied_engine, server, url, wire

__all__ = ["databases", "postgres", "proxied_engine", "server", "url", "wire"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def one(gateway: ComposioGateway, engine: AsyncEngine, clock: Clock) -> AsyncIterator[Process]:
    process = Process(gateway, engine, clock)
    yield process
    await process.close()


@pytest.fixture
async def other(gateway: ComposioGateway, engine: AsyncEngine, clock: Clock) -> AsyncIterator[Process]:
    process = Process(gateway, engine, clock)
    yield process
    await process.close()
