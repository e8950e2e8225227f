"""Whatever the moment at which the process is killed, the database holds what was before or what comes after.

The processes are real and so is SIGKILL; the stand-in for Composio outlives them.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count, takewhile
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.sandbox.faults import Call, Fault, Lost
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.interrupted import Interrupted
from storage.integrations import (
    Action,
    Condition,
    Edge,
    Event,
    EventOutcome,
    Mirror,
    Operation,
    Store,
    Wishes,
    open_engine,
    prepare,
)
from storage.integrations.migrations import VERSIONS
from tests.cogs.use_cases import UseCases
from tests.conftest import API_KEY, USER_ID
from tests.storage.databases import Databases, Rows, fill, load, migrate_to, picture, save
from tests.storage.processes import Processes
from tests.storage.rows import HERE, NOON, history

KILLED = [-signal.SIGKILL]
FINISHED = [0]

# Before and after each statement, before each commit, and after it; a read has nothing to commit.
# After the events are written, it is read who is to be told, and written of what.
MOMENTS = {
    "sync": 3
    + 3
    + 14,  # reads the rows and the proofs; writes the time, reads who revokes, writes the rows and the events
    "toggle": 8,  # writes the switch, reads the row, writes the event
    # reads rows and proofs; writes it down; reads both; takes it away, writes the row and the event, and deletes
    # what was proved
    "revoke": 6 + 4 + 6 + 14,
}
# The moments after which a revoke is written down and not finished.
UNDER_WAY = {"revoke": range(6 + 4, 6 + 4 + 6 + 14)}


@dataclass(frozen=True)
class Stored:
    """Everything about the user of the stand-in, for the server that toggles."""

    mirror: Mirror
    events: list[Event]
    operations: list[Operation]
    edges: list[Edge]

    @property
    def facts(self) -> tuple[object, ...]:
        """All but the times, which differ from run to run."""
        rows = {
            name: (row.state, row.enabled, row.account_id, row.status, row.usable_accounts, row.revision)
            for name, row in self.mirror.rows.items()
        }
        return self.mirror.revision, rows, [_what(event) for event in self.events], self.to_be_told

    @property
    def to_be_told(self) -> Counter[tuple[str, ...]]:
        """What the server is to be told, of which nothing was taken in yet."""
        return Counter(_what(edge) for edge in self.edges)

    def happened_since(self, before: Stored) -> Counter[tuple[str, ...]]:
        """What the server must be told of: each state that has changed."""
        events = [event for event in self.events if event not in before.events]
        states = [event for event in events if event.action is not Action.TOGGLE]
        return Counter(_what(event) for event in states if event.before is not event.after)

    @property
    def conditions(self) -> dict[str, Condition]:
        return {name: row.condition for name, row in self.mirror.rows.items()}

    @property
    def told(self) -> dict[str, Condition]:
        """What the rows must be by the history, which has no gaps."""
        ends: dict[str, Condition] = {}
        for event in reversed(self.events):
            assert event.before == ends.get(event.provider, Condition.NOT_CONNECTED)
            ends[event.provider] = event.after
        return ends


def _what(one: Event | Edge) -> tuple[str, ...]:
    return one.provider, one.action.value, one.before.value, one.after.value


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[AsyncEngine]:
    """An engine as after a start: it opens the database anew and brings it to the newest version."""
    engine = open_engine(url)
    await prepare(engine)
    yield engine
    await engine.dispose()


class Scene:
    """A mirror that was right, and a Composio that has changed since. Both can be set back."""

    def __init__(self, url: str, composio: StandIn, gateway: ComposioGateway) -> None:
        self.url = url
        self.composio = composio
        self._gateway = gateway
        self._rows: Rows = {}
        self._accounts: dict[str, Any] = {}

    async def set(self) -> None:
        for toolkit in ("gmail", "gmail", "notion", "linear"):
            self.composio.connect(toolkit)
        await self.sync()
        by_toolkit = {account.toolkit: account.id for account in self.composio.accounts.values()}
        self.composio.remove(by_toolkit["notion"])
        self.composio.expire(by_toolkit["linear"])
        self.composio.connect("github")
        self._accounts = deepcopy(self.composio.accounts)
        async with opened(self.url) as engine:
            await Store(engine).wish(Wishes(HERE, USER_ID, alert_channel_id=5))
            self._rows = await save(engine)

    async def set_back(self) -> None:
        self.composio.clear_faults()
        self.composio.accounts = deepcopy(self._accounts)
        async with opened(self.url) as engine:
            await load(engine, self._rows)

    async def stored(self) -> Stored:
        async with opened(self.url) as engine:
            return await _stored(engine)

    async def sync(self) -> Stored:
        """As after a start, a minute later: what was interrupted is looked into, and then somebody syncs."""
        async with opened(self.url) as engine:
            use_cases = UseCases(self._gateway, Store(engine), clock=in_a_minute)
            await Interrupted(
                accounts=self._gateway, ledger=use_cases.ledger, catalog=DEFAULT, clock=in_a_minute
            ).look_into(())
            await use_cases.service.sync(USER_ID)
            return await _stored(engine)


async def _stored(engine: AsyncEngine) -> Stored:
    store = Store(engine)
    edges, _ = await store.to_tell(HERE, NOON)
    return Stored(
        await store.read(USER_ID, HERE), await history(store, user=USER_ID), await store.operations(), edges
    )


def in_a_minute() -> datetime:
    """When nobody does any more what was under way."""
    return datetime.now(UTC) + timedelta(minutes=1)


@pytest.fixture
async def scene(url: str, composio: StandIn) -> AsyncIterator[Scene]:
    gateway = ComposioGateway(api_key=API_KEY, base_url=composio.base_url, read_retries=0)
    scene = Scene(url, composio, gateway)
    await scene.set()
    yield scene
    await gateway.close()


def conditions(gmail: Condition) -> dict[str, Condition]:
    """What the next sync must find."""
    return {
        "gmail": gmail,
        "notion": Condition.NOT_CONNECTED,
        "linear": Condition.NEEDS_RECONNECT,
        "github": Condition.CONNECTED,
    }


@pytest.mark.parametrize("work", MOMENTS)
async def test_a_kill_at_any_moment_leaves_the_old_or_the_new_and_the_next_sync_repairs_it(
    scene: Scene, processes: Processes, work: str
) -> None:
    before = await scene.stored()
    assert await processes.run(work, scene.url, composio=scene.composio.base_url) == FINISHED
    after = await scene.stored()
    assert after.operations == before.operations == []
    was_stored, under_way = [], []

    for moment in count(1):
        await scene.set_back()
        ended = await processes.run(work, scene.url, dies_at=moment, composio=scene.composio.base_url)
        if ended == FINISHED:
            break
        assert ended == KILLED
        found = await scene.stored()
        assert replace(found, operations=[]) == before or found.facts == after.facts
        was_stored.append(found.events != before.events)
        if found.operations:
            under_way.append(moment)

        repaired = await scene.sync()
        gmail = found.conditions["gmail"] if work == "toggle" else at_composio(scene.composio)
        assert repaired.conditions == repaired.told == conditions(gmail)
        assert repaired.to_be_told == repaired.happened_since(before)
        assert repaired.operations == []
        assert interrupted(repaired) == ([at_composio_gone(scene.composio)] if found.operations else [])

    # Only the last commit stores it, and the kill after it is the last.
    assert was_stored == [False] * (MOMENTS[work] - 1) + [True]
    assert under_way == list(UNDER_WAY.get(work, ()))


@dataclass
class Kill(Fault):
    """Kills who asks, before anything happens."""

    pid: int

    async def play(self, call: Call) -> web.StreamResponse:
        os.kill(self.pid, signal.SIGKILL)
        return call.reset()


@pytest.mark.parametrize("effect", [False, True], ids=["before it has an effect", "after it had its effect"])
async def test_a_kill_at_any_request_of_a_revoke_is_repaired_by_the_next_sync(
    scene: Scene, processes: Processes, effect: bool
) -> None:
    before = await scene.stored()
    left = []

    for number in count():
        await scene.set_back()

        def kill_at_the_request(pid: int, number: int = number) -> None:
            fault = Lost(Kill(pid)) if effect else Kill(pid)
            scene.composio.fail(fault, method="*", skip=number)

        ended = await processes.run(
            "revoke", scene.url, born=kill_at_the_request, composio=scene.composio.base_url
        )
        if ended == FINISHED:
            break
        assert ended == KILLED
        found = await scene.stored()
        assert replace(found, operations=[]) == before
        assert bool(found.operations) is (number > 0)

        repaired = await scene.sync()
        left.append(at_composio(scene.composio))
        assert repaired.conditions == repaired.told == conditions(left[-1])
        assert repaired.operations == []
        assert interrupted(repaired) == ([at_composio_gone(scene.composio)] if number else [])

    # A look, then revoke and delete for each of two accounts, then a look.
    one, none = Condition.CONNECTED, Condition.NOT_CONNECTED
    revoked = Condition.NEEDS_RECONNECT
    assert left == ([one, one, one, revoked, none, none] if effect else [one, one, one, one, revoked, none])


def at_composio(composio: StandIn) -> Condition:
    """What is left of Gmail."""
    statuses = {account.status for account in composio.accounts.values() if account.toolkit == "gmail"}
    if "ACTIVE" in statuses:
        return Condition.CONNECTED
    return Condition.NEEDS_RECONNECT if statuses else Condition.NOT_CONNECTED


def at_composio_gone(composio: StandIn) -> tuple[int, int]:
    """How many of both Gmail accounts no longer exist, of how many."""
    return 2 - sum(account.toolkit == "gmail" for account in composio.accounts.values()), 2


def interrupted(stored: Stored) -> list[tuple[int | None, int | None]]:
    """What is told of revokes that nobody has finished."""
    told = [event for event in stored.events if event.outcome is EventOutcome.INTERRUPTED]
    return [(event.accounts_gone, event.accounts) for event in told]


@dataclass
class Upgrade:
    """A database that is brought up by processes which are killed, and what a whole upgrade makes of it."""

    databases: Databases
    url: str
    processes: Processes
    version: str | None
    of_a_host: bool
    before: dict[str, Any] = field(init=False, default_factory=dict)
    after: dict[str, Any] = field(init=False, default_factory=dict)
    was_stored: list[bool] = field(init=False, default_factory=list)

    async def prepare(self) -> None:
        """See what it is before, and after."""
        await self.set_back()
        self.before = await self.look()
        assert await self.processes.run("migrate", self.url, of_a_host=self.of_a_host) == FINISHED
        self.after = await self.look()
        await self.set_back()

    async def set_back(self) -> None:
        await self.databases.wipe(self.url)
        if self.version:
            engine = open_engine(self.url)
            await migrate_to(engine, self.version)
            await fill(engine)
            await engine.dispose()

    async def look(self) -> dict[str, Any]:
        engine = open_engine(self.url)
        found = await picture(engine)
        await engine.dispose()
        return found

    async def is_killed(self, moment: int) -> bool:
        """Whether it comes so far; over what the kill before this one has left."""
        ended = await self.processes.run("migrate", self.url, dies_at=moment, of_a_host=self.of_a_host)
        if ended == FINISHED:
            return False
        assert ended == KILLED
        found = await self.look()
        assert found in (self.before, self.after)
        self.was_stored.append(found == self.after)
        if found == self.after:
            async with opened(self.url) as engine:
                assert await picture(engine) == self.after
            await self.set_back()
        return True


@pytest.mark.parametrize(
    ("version", "of_a_host"), [(None, True), *((version, False) for version in (None, *VERSIONS[:-1]))]
)
async def test_a_kill_at_any_moment_of_a_migration_leaves_the_old_or_the_new_and_the_next_start_ends_it(
    databases: Databases, url: str, processes: Processes, version: str | None, of_a_host: bool
) -> None:
    upgrade = Upgrade(databases, url, processes, version, of_a_host)
    await upgrade.prepare()

    # The newest step moment by moment. From older versions every fifth moment and from nothing every third, which
    # meets each kind: before and after a statement, a commit's two; and the moments around the commit all.
    step = {None: 5 if of_a_host else 3, VERSIONS[-2]: 1}.get(version, 5)
    moment = 1
    while await upgrade.is_killed(moment):
        moment += step
    rough = len(upgrade.was_stored) - sum(upgrade.was_stored)
    if step > 1:
        upgrade.was_stored.clear()
        await upgrade.set_back()
        moment -= step
        while await upgrade.is_killed(moment):
            moment += 1

    assert await upgrade.look() == upgrade.after
    rolled_back = len(list(takewhile(lambda stored: not stored, upgrade.was_stored)))
    assert rough * step > 20, "the migration has more statements than that"
    assert upgrade.was_stored[rolled_back:]
    assert all(upgrade.was_stored[rolled_back:])
