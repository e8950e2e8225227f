"""The real gateway with the stand-in that it talks to over HTTP, and the use cases over it and a database."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.sandbox.api import API
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.client import TIMEOUT
from cogs.integrations.composio.gateway import ComposioGateway
from storage.integrations import Store, open_engine, prepare
from tests.cogs.use_cases import UseCases

KEY = "ak_that-must-not-leak"
USER = "peterbot-user"
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
DAY = timedelta(days=1)
IMPATIENT = httpx.Timeout(5.0, read=0.25)


def gateway_to(
    base_url: str, *, key: str = KEY, read_retries: int = 0, timeout: httpx.Timeout = TIMEOUT
) -> ComposioGateway:
    return ComposioGateway(api_key=key, base_url=base_url, read_retries=read_retries, timeout=timeout)


def calls(standin: StandIn) -> list[str]:
    """What was asked, such as ``POST ca_1/revoke``; a list has no path."""
    prefix = f"{API}/connected_accounts"
    return [f"{sent.method} {sent.path.removeprefix(prefix).lstrip('/')}".strip() for sent in standin.requests]


@pytest.fixture(scope="package", autouse=True)
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Each client loads all of certifi's authorities, for 30 ms; on loopback one is more than enough."""
    end = "-----END CERTIFICATE-----\n"
    one = tmp_path_factory.mktemp("tls") / "one.pem"
    one.write_text(Path(certifi.where()).read_text("utf-8").partition(end)[0] + end, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(certifi, "where", lambda: str(one))
        yield


@pytest.fixture
async def standin() -> AsyncIterator[StandIn]:
    async with StandIn(api_key=KEY, user_id=USER, clock=lambda: NOW) as running:
        yield running


@pytest.fixture
async def gateway(standin: StandIn) -> AsyncIterator[ComposioGateway]:
    """Asks once, and waits a quarter of a second for an answer."""
    opened = gateway_to(standin.base_url, timeout=IMPATIENT)
    yield opened
    await opened.close()


@pytest.fixture
async def engine(tmp_path: Path, newest: Path) -> AsyncIterator[AsyncEngine]:
    """Over a database file of the newest version."""
    shutil.copy(newest, tmp_path / "integrations.db")
    opened = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'integrations.db'}")
    await prepare(opened)
    yield opened
    await opened.dispose()


@pytest.fixture
async def store(engine: AsyncEngine) -> Store:
    return Store(engine)


@pytest.fixture
async def use_cases(gateway: ComposioGateway, store: Store) -> AsyncIterator[UseCases]:
    """The use cases over the stand-in and the database file."""
    parts = UseCases(gateway, store)
    yield parts
    await parts.close()
