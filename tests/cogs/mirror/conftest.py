"""A database of both kinds, for what must hold on each, and two processes over one of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror import connecting, pursuit
from storage.integrations import open_engine, prepare
from tests.cogs.conftest import gateway_to
from tests.cogs.mirror.backgrounds import INTERVAL, Background, Start
from tests.cogs.mirror.checks import Checks
from tests.cogs.mirror.connects import Connects
from tests.cogs.mirror.processes import AProcess, Opened, Process
from tests.cogs.mirror.stores import Clock
from tests.storage.conftest import databases, postgres, proxied_engine, server, url, wire

__all__ = ["databases", "postgres", "proxied_engine", "server", "url", "wire"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def opened(gateway: ComposioGateway, engine: AsyncEngine, clock: Clock) -> AsyncIterator[Opened]:
    """Opens another process over the same Composio and database."""
    processes: list[Process] = []

    def begin(kind: type[AProcess]) -> AProcess:
        process = kind(gateway, engine, clock)
        processes.append(process)
        return process

    yield begin
    for process in processes:
        await process.close()


@pytest.fixture
def one(opened: Opened) -> Process:
    return opened(Process)


@pytest.fixture
def other(opened: Opened) -> Process:
    return opened(Process)


@pytest.fixture
async def patient(standin: StandIn) -> AsyncIterator[ComposioGateway]:
    """Waits for an answer that a test holds."""
    gateway = gateway_to(standin.base_url)
    yield gateway
    await gateway.close()


@pytest.fixture
async def newest_engine(url: str) -> AsyncIterator[AsyncEngine]:
    """Over a database of the newest version, of the kind that `server` says."""
    opened = open_engine(url)
    await prepare(opened)
    yield opened
    await opened.dispose()


@pytest.fixture
async def start(
    standin: StandIn, gateway: ComposioGateway, newest_engine: AsyncEngine, clock: Clock
) -> AsyncIterator[Start]:
    """Starts another process over the same Composio and database."""
    standin.clock = clock
    started: list[Background] = []

    def begin(interval: float = INTERVAL, through: ComposioGateway = gateway) -> Background:
        started.append(Background(through, newest_engine, clock, interval))
        return started[-1]

    yield begin
    for process in started:
        await process.close()


@pytest.fixture
def process(start: Start) -> Background:
    return start()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes seconds between two questions about a link takes hundredths."""
    monkeypatch.setattr(pursuit, "FIRST_SECONDS", 0.01)
    monkeypatch.setattr(pursuit, "LONGEST_SECONDS", 0.02)
    monkeypatch.setattr(pursuit, "SELDOM_SECONDS", 0.02)
    monkeypatch.setattr(connecting, "SPREAD_SECONDS", 0.0)


@pytest.fixture
def here(standin: StandIn, opened: Opened, clock: Clock) -> Connects:
    standin.clock = clock
    return opened(Connects)


@pytest.fixture
def there(opened: Opened) -> Connects:
    return opened(Connects)


@pytest.fixture
def checking(standin: StandIn, opened: Opened, clock: Clock) -> Checks:
    standin.clock = clock
    return opened(Checks)
