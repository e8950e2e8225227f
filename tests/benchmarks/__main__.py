"""``python -m tests.benchmarks [--quick]``: measure, print the table, and stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import platform
import sys
import time
from collections.abc import AsyncIterator

from tests.benchmarks import listing, reading, starting, storing, syncing
from tests.benchmarks.parts import Effort, opened
from tests.benchmarks.table import Row, rendered

FULL = Effort(rounds=9, whole=True)
QUICK = Effort(rounds=3, whole=False)
LIMIT_SECONDS = 900.0


async def measured(effort: Effort) -> AsyncIterator[Row]:
    """All rows, in the order of the table."""
    async with opened(effort) as parts:
        for rows in (reading.measured(parts), storing.measured(parts), syncing.measured(parts)):
            async for row in rows:
                yield row
    for more in (listing.measured(effort), starting.measured(effort)):
        async for row in more:
            yield row


async def run(effort: Effort) -> list[Row]:
    """Measure everything, and tell on the way."""
    rows: list[Row] = []
    async with asyncio.timeout(LIMIT_SECONDS):
        async for row in measured(effort):
            rows.append(row)
            sys.stderr.write(f"measured: {row.work}\n")
    return rows


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions: for a first look, and noisier")
    quick = parser.parse_args().quick
    logging.disable(logging.WARNING)
    begin = time.monotonic()
    rows = asyncio.run(run(QUICK if quick else FULL))
    goals = [goal for row in rows for goal in _goals(row)]
    sys.stdout.write(
        f"CPU time of the measured process, medians; Python {platform.python_version()}, {os.cpu_count()} cores "
        f"with a load of {os.getloadavg()[0]:.1f}, {time.monotonic() - begin:.0f} s in all\n\n{rendered(rows)}\n\n"
        f"{goals.count(True)} of {len(goals)} goals met\n"
    )


def _goals(row: Row) -> list[bool]:
    goals = ((row.at_most, row.over), (row.at_least, row.short))
    return [not missed for goal, missed in goals if goal is not None]


if __name__ == "__main__":
    main()
