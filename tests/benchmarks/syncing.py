"""A whole sync that changes nothing, from the first request to the commit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from cogs.integrations.mirror.service import IntegrationService
from storage.integrations import Integration, State, Store
from tests.benchmarks.measure import Contender, measure
from tests.benchmarks.parts import CATALOG, NOW, Parts
from tests.benchmarks.references import mirror_raw, read_raw, read_typed, store_plainly, sync_raw
from tests.benchmarks.server import SIZES, user
from tests.benchmarks.table import Row
from tests.cogs.use_cases import UseCases

AT_MOST = {8: 6.0, 10_000: 2.0}
AT_LEAST = {8: 6.0, 10_000: 20.0}
WHY = {
    8: "a request through the SDK and three statements through SQLAlchemy have a fixed price, whatever they carry",
    10_000: "reading is nearly all of it; see there",
}


async def measured(parts: Parts) -> AsyncIterator[Row]:
    """A row for each size; 8 and 10,000 have goals."""
    use_cases = UseCases(parts.gateway, Store(parts.engine), clock=lambda: NOW)
    service = use_cases.service
    for size in SIZES:
        scaled = size == SIZES[-1]
        await service.sync(user(size))
        mirror_raw(parts.raw_database, await service.look(user(size)))
        yield Row(
            work=f"sync {size:,} accounts, nothing changed",
            costs=await measure(_contenders(parts, service, size, size // 10 if scaled else size)),
            at_most=AT_MOST.get(size),
            at_least=AT_LEAST.get(size),
            why=WHY.get(size, ""),
            note="the plain way: a sync of 1,000, times 10" if scaled else "",
        )
    await use_cases.close()


def _contenders(parts: Parts, service: IntegrationService, size: int, plain_size: int) -> dict[str, Contender]:
    rounds, repeat = parts.effort.rounds, max(1, 1_000 // size // 4)

    async def least() -> None:
        await read_raw(parts.raw, user(size))
        sync_raw(parts.raw_database, user(size), NOW)

    async def ours() -> None:
        report = await service.sync(user(size))
        assert not report.plan.changes

    async def plain() -> None:
        items = await read_typed(parts.typed, user(plain_size))
        await store_plainly(parts.plain_engine, _rows(items))

    return {
        "minimum": Contender(work=least, rounds=rounds, repeat=repeat),
        "ours": Contender(work=ours, rounds=rounds, repeat=repeat),
        "plain": Contender(
            work=plain,
            rounds=1 if plain_size >= 1_000 else 3,
            repeat=max(1, repeat // 4),
            scale=size / plain_size,
        ),
    }


def _rows(items: Iterable[Any]) -> Iterable[Integration]:
    """What the plain way stores: an account after the other, so that the last one of a provider stays."""
    return [
        Integration(
            item.user_id,
            CATALOG.by_toolkit[item.toolkit.slug].id,
            State.CONNECTED if item.status == "ACTIVE" else State.NEEDS_RECONNECT,
            account_id=item.id,
            account_name=item.alias or item.word_id,
            since=NOW,
        )
        for item in items
    ]
