"""Reading all accounts of a user: our gateway beside aiohttp with orjson, and beside the SDK's models."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tests.benchmarks.measure import Contender, measure
from tests.benchmarks.parts import Parts
from tests.benchmarks.references import read_raw, read_typed
from tests.benchmarks.server import SIZES, user
from tests.benchmarks.table import Row

WHY = (
    "each page goes through the SDK, httpx and httpx-aiohttp before it is parsed; that can only be had back by "
    "leaving the SDK, and with it its retries and its errors"
)


async def measured(parts: Parts) -> AsyncIterator[Row]:
    """A row for each size; 1,000 and 10,000 have goals."""
    for size in SIZES:
        scaled = size == SIZES[-1] and not parts.effort.whole
        yield Row(
            work=f"read {size:,} accounts",
            costs=await measure(_contenders(parts, size, scaled=scaled)),
            at_most=2 if size >= 1_000 else None,
            at_least=12 if size >= 1_000 else None,
            why=WHY,
            note="the plain way: read 1,000, times 10" if scaled else "",
        )


def _contenders(parts: Parts, size: int, *, scaled: bool) -> dict[str, Contender]:
    rounds, repeat = parts.effort.rounds, max(1, 1_000 // size // 4)
    typed_size = size // 10 if scaled else size
    return {
        "minimum": Contender(work=lambda: read_raw(parts.raw, user(size)), rounds=rounds, repeat=repeat),
        "ours": Contender(work=lambda: parts.gateway.accounts(user(size)), rounds=rounds, repeat=repeat),
        "plain": Contender(
            work=lambda: read_typed(parts.typed, user(typed_size)),
            rounds=1 if typed_size == SIZES[-1] else 3,
            repeat=max(1, repeat // 4),
            scale=size / typed_size,
        ),
    }
