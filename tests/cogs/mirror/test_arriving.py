"""Which arrivals cause a read, and which ids are taken for servers."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from tests.cogs.mirror.serving import Serving


async def test_an_id_that_discord_cannot_give_keeps_no_server_from_being_stored(engine: AsyncEngine) -> None:
    serving = Serving(engine, members=None)
    for impossible in (2**70, 0, -5):
        serving.servers.has(impossible)

    serving.servers.has(5)
    await serving.settled()

    assert list(await serving.stored()) == [5]


async def test_a_shard_that_is_ready_again_reads_nothing_again(engine: AsyncEngine) -> None:
    serving = Serving(engine)
    await serving.join(1, 2)
    serving.store.batches.clear()

    await serving.join(1, 2)

    assert serving.store.batches == []
