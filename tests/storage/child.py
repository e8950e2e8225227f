"""Work in a process of its own that can be killed: what `tests.storage.processes` starts.

It imports everything once and then forks for each piece of work. It reads lines of JSON: first an order, then,
after it has told the processes' ids, anything to let them go; then it tells how they ended.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bot.sandbox.project import Project
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.results import Actor
from storage.integrations import Event, Integration, State, Store, open_engine, prepare
from storage.integrations.migrations import upgrade
from tests.cogs.use_cases import UseCases
from tests.storage.rows import HERE, operation, revoked, row, toggled

API_KEY, USER_ID = Project.api_key, Project.user_id
GMAIL = DEFAULT.by_id["gmail"]


class Reaper:
    """Kills this process at the n-th moment: before and after each statement and each commit."""

    def __init__(self, engine: AsyncEngine, dies_at: int) -> None:
        self._left = dies_at
        for name in ("before_cursor_execute", "after_cursor_execute", "commit", "checkin"):
            event.listen(engine.sync_engine, name, self._moment)

    def _moment(self, *_: Any) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


@cache
def gateway(composio: str) -> ComposioGateway:
    """Made before the fork: the certificates take longer to load than all the rest."""
    return ComposioGateway(api_key=API_KEY, base_url=composio, read_retries=0)


async def migrate(engine: AsyncEngine) -> None:
    await prepare(engine)


async def sync(engine: AsyncEngine, composio: str) -> None:
    await UseCases(gateway(composio), Store(engine)).service.sync(USER_ID)


async def toggle(engine: AsyncEngine, composio: str) -> None:
    await UseCases(gateway(composio), Store(engine)).service.toggle(USER_ID, HERE, GMAIL, enabled=None)


async def revoke(
    engine: AsyncEngine, composio: str, provider: str = "gmail", now: str | None = None, **by: int
) -> None:
    clock = (lambda: datetime.fromisoformat(now)) if now else lambda: datetime.now(UTC)
    revoker, found = UseCases(gateway(composio), Store(engine), clock=clock).revoker, DEFAULT.by_id[provider]
    await revoker.revoke(USER_ID, found, await revoker.accounts(USER_ID, found), Actor(**by))


async def flip(engine: AsyncEngine, times: int) -> None:
    """Flip the switch of one server over and over, with an event for each."""
    store = Store(engine)
    for _ in range(times):
        await store.set_enabled(USER_ID, "gmail", HERE, None, _flipped)


def _flipped(row: Integration) -> Event:
    return toggled(row, at=datetime.now(UTC))


async def operate(engine: AsyncEngine) -> None:
    """Begin a revoke, and finish it."""
    store, begun = Store(engine), operation()
    await store.begin_operation(begun)
    await store.finish_operation(
        begun.id, row(state=State.NOT_CONNECTED, revision=1), revoked(begun), outdated=begun.account_ids
    )


async def take_turns(engine: AsyncEngine, now: str, limit: int) -> None:
    """Take users until none is left, and end the turn of each as one that has failed."""
    store, begun = Store(engine), datetime.fromisoformat(now)
    later = begun + timedelta(hours=1)
    while taken := await store.take_turns(begun, later, later, later, limit):
        await store.end_turns([turn.composio_user_id for turn in taken], begun, later, failed=True)


async def store_providers(engine: AsyncEngine, times: int) -> None:
    """Store a row of this process's own over and over."""
    store = Store(engine)
    for revision in range(times):
        row = Integration(USER_ID, f"of-{os.getpid()}", State.CONNECTED, revision=revision)
        if not await store.write([row]):
            raise RuntimeError("somebody else wrote our row")


WORK: dict[str, Callable[..., Awaitable[None]]] = {
    work.__name__: work for work in (migrate, sync, toggle, revoke, flip, operate, take_turns, store_providers)
}


async def _work(work: str, url: str, dies_at: int | None, arguments: dict[str, Any], *, of_a_host: bool) -> None:
    engine = create_async_engine(url) if of_a_host else open_engine(url)
    if dies_at is not None:
        Reaper(engine, dies_at)
    await WORK[work](engine, **arguments)
    await engine.dispose()


def _fork(order: dict[str, Any], gate: int) -> int:
    if pid := os.fork():
        return pid
    status = 1
    gc.disable()
    try:
        os.read(gate, 1)
        asyncio.run(_work(**order))
        status = 0
    except BaseException:  # noqa: BLE001 – nothing of the parent's may run in the child
        traceback.print_exc()
    finally:
        os._exit(status)


def _serve(line: str) -> None:
    order = json.loads(line)
    if composio := order["arguments"].get("composio"):
        gateway(composio)
    opened, gate = os.pipe()
    copies = order.pop("copies")
    pids = [_fork(order, opened) for _ in range(copies)]
    print(json.dumps(pids), flush=True)  # noqa: T201
    sys.stdin.readline()
    os.write(gate, b"go" * len(pids))
    ended = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    os.close(opened)
    os.close(gate)
    print(json.dumps(ended), flush=True)  # noqa: T201


def _warm_up() -> None:
    """Load, and do once, what would be loaded in every child."""
    open_engine("postgresql+asyncpg://nobody@localhost/nothing")
    with create_engine("sqlite://").begin() as connection:
        upgrade(connection)
    gc.freeze()  # what the collector does not touch, the children share


if __name__ == "__main__":
    _warm_up()
    while line := sys.stdin.readline():
        _serve(line)
