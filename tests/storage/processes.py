"""Real processes for tests that need several, or one that dies."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def _nothing(_: int) -> None:
    pass


PREPARE = """
import asyncio, sys
from storage.integrations import open_engine, prepare

async def main():
    engine = open_engine(sys.argv[1])
    await prepare(engine)
    await engine.dispose()

asyncio.run(main())
"""


def python(program: str, argument: str, folder: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run *program* in a Python of its own, in *folder*."""
    command = [sys.executable, "-c", program, argument]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)  # noqa: S603


class Processes:
    """Runs work of `tests.storage.child`, one order at a time."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.storage.child"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self._server.communicate()

    async def run(
        self,
        work: str,
        url: str,
        *,
        dies_at: int | None = None,
        of_a_host: bool = False,
        copies: int = 1,
        born: Callable[[int], object] = _nothing,
        **arguments: Any,
    ) -> list[int]:
        """Do *work* over the database *url* in as many processes as *copies*, which start together.

        *born* gets each process's id before it starts to work. Returns how each ended: 0, or the negative
        number of the signal that killed it.
        """
        order = {
            "work": work,
            "url": url,
            "dies_at": dies_at,
            "of_a_host": of_a_host,
            "copies": copies,
            "arguments": arguments,
        }
        for pid in await asyncio.to_thread(self._ask, order):
            born(pid)
        return await asyncio.to_thread(self._ask, "go")

    def _ask(self, message: object) -> list[int]:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(message) + "\n")
        self._server.stdin.flush()
        answer: list[int] = json.loads(self._server.stdout.readline())
        return answer
