"""Run the benchmarks and print their tables: ``python -m tests.benchmarks [--quick]``."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator

from tests.benchmarks import fleet, listing, loading, passes, reading, scale, starting, storing, syncing
from tests.benchmarks.parts import Effort, opened
from tests.benchmarks.table import Row, rendered


async def _rows(effort: Effort) -> AsyncIterator[Row]:
    async with opened(effort) as parts:
        for part in (reading, storing, syncing):
            async for row in part.measured(parts):
                yield row
    for alone in (listing, starting):
        async for row in alone.measured(effort):
            yield row


async def _main(effort: Effort) -> None:
    rows = [row async for row in _rows(effort)]
    print(rendered("CPU time (medians of interleaved rounds); memory in the last row", rows))  # noqa: T201
    print(f"\n{await loading.measured(effort)}")  # noqa: T201
    lines = [line async for line in scale.measured(effort)]
    print(f"\n{scale.rendered(lines, await scale.waking())}")  # noqa: T201
    print(f"\n{passes.rendered([line async for line in passes.measured(effort)])}")  # noqa: T201
    print(f"\n{await fleet.measured(effort)}")  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and the slow references at a tenth")
    quick = parser.parse_args().quick
    asyncio.run(_main(Effort(rounds=3 if quick else 7, whole=not quick)))
