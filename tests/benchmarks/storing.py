"""Storing rows: `Store.write` beside sqlite3's ``executemany``, and beside two statements for each row."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import Integration, Store
from storage.integrations.tables import integrations
from tests.benchmarks.measure import Contender, Costs, measure
from tests.benchmarks.parts import Parts, rows
from tests.benchmarks.references import raw_values, store_plainly, store_raw
from tests.benchmarks.server import SIZES
from tests.benchmarks.table import Row

WHY = (
    "SQLAlchemy takes about 10 µs for the parameters of a row, as much as SQLite takes for the row; "
    "only SQL of our own, for each database another, would do without"
)
# The plain way takes milliseconds for a row, and as many for each of them.
_PLAIN_ROWS = 1_000


async def measured(parts: Parts) -> AsyncIterator[Row]:
    """A row for each size; 10,000 has the goal."""
    for size in SIZES:
        last = size == SIZES[-1]
        values = rows(size)
        costs = await measure(_contenders(parts, values))
        yield Row(
            work=f"store {size:,} rows",
            costs=costs,
            at_most=2.5 if last else None,
            at_least=50 if last else None,
            why=WHY,
            note=f"{await _ready_made(parts, values, costs)}; the plain way: 1,000 rows, times 10" if last else "",
        )


def _contenders(parts: Parts, values: Sequence[Integration]) -> dict[str, Contender]:
    store = Store(parts.engine)
    few = values[:_PLAIN_ROWS]

    async def least() -> None:
        store_raw(parts.raw_database, raw_values(values))

    async def ours() -> None:
        assert len(await store.write(values)) == len(values)

    return {
        "minimum": Contender(work=least, prepare=lambda: _empty_raw(parts), rounds=parts.effort.rounds),
        "ours": Contender(work=ours, prepare=lambda: _empty(parts.engine), rounds=parts.effort.rounds),
        "plain": Contender(
            work=lambda: store_plainly(parts.plain_engine, few),
            prepare=lambda: _empty(parts.plain_engine),
            rounds=1 if len(few) == _PLAIN_ROWS else 3,
            scale=len(values) / len(few),
        ),
    }


async def _ready_made(parts: Parts, values: Sequence[Integration], costs: Costs) -> str:
    """How ours compares when the minimum does not even have to turn our values into SQLite's."""
    ready = raw_values(values)

    async def least() -> None:
        store_raw(parts.raw_database, ready)

    contender = Contender(work=least, prepare=lambda: _empty_raw(parts), rounds=parts.effort.rounds)
    found = await measure({"minimum": contender, "ours": contender})
    return f"over values that are SQLite's own already, the minimum would be {found.minimum * 1000:.1f} ms " + (
        f"and ours {costs.ours / found.minimum:.2f} ×"
    )


async def _empty(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(delete(integrations))


async def _empty_raw(parts: Parts) -> None:
    with parts.raw_database as connection:
        connection.execute("DELETE FROM integrations_provider")
