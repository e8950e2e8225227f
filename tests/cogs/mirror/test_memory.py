"""Whatever overlaps, once all has settled memory is what the database says.

A state machine begins reads and writes through the ledger, lets each go on step by step in any order, and lets
other programs write and restore the database meanwhile. What they did is told by a log, as the database keeps one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from copy import deepcopy
from dataclasses import replace
from typing import Any, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.errors import StorageUnavailableError
from cogs.integrations.mirror.known import Known
from cogs.integrations.mirror.ledger import Ledger
from storage.integrations import Event, Fact, Integration, Mirror, StorageError, Store, Switched
from tests.cogs.mirror.stores import row, toggled

USERS = ("ada", "bob")
PROVIDERS = ("gmail", "github")
Rows = dict[str, dict[str, Integration]]

users = st.sampled_from(USERS)
providers = st.sampled_from(PROVIDERS)


class Stepwise:
    """The store's part that the ledger needs here: each call waits before the database acts, and after."""

    def __init__(self) -> None:
        self.rows: Rows = {user: {name: row(name, user) for name in PROVIDERS} for user in USERS}
        self.waiting: list[asyncio.Future[None]] = []

    async def _step(self) -> None:
        step = asyncio.get_running_loop().create_future()
        self.waiting.append(step)
        await step

    async def read(self, composio_user_id: str) -> Mirror:
        await self._step()
        found = Mirror(composio_user_id, rows=dict(self.rows[composio_user_id]))
        await self._step()
        return found

    async def read_facts(self, composio_user_ids: Collection[str]) -> dict[str, list[Fact]]:
        await self._step()
        found = {user: [one.fact for one in self.rows[user].values()] for user in composio_user_ids}
        await self._step()
        return found

    async def set_enabled(
        self, composio_user_id: str, provider: str, enabled: bool, happened: Callable[[Integration], Event]
    ) -> Switched:
        await self._step()
        now = replace(self.rows[composio_user_id][provider], enabled=enabled)
        self.rows[composio_user_id][provider] = now
        await self._step()
        return Switched(now, changed=True)


class Memory(RuleBasedStateMachine):
    """One process, and what happens around it."""

    @initialize(newest_first=st.booleans())
    def open(self, newest_first: bool) -> None:
        self.ends = -1 if newest_first else 0
        self.loop = asyncio.Runner()
        self.store = Stepwise()
        self.known = Known(DEFAULT)
        self.ledger = Ledger(cast("Store", self.store), self.known)
        self.tasks: list[asyncio.Task[Any]] = []
        self.told: set[str] = set()
        self.unsure: set[str] = set()
        self.backup = deepcopy(self.store.rows)
        for user in USERS:
            self.arrive(user)

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.settle()
            self.loop.close()

    def begin(self, work: Coroutine[Any, Any, Any]) -> None:
        async def start() -> None:
            self.tasks.append(asyncio.create_task(work))

        self.loop.run(start())
        self.spin()

    def spin(self) -> None:
        async def idle() -> None:
            for _ in range(8):
                await asyncio.sleep(0)

        self.loop.run(idle())

    async def learn(self, some: Collection[str]) -> None:
        try:
            await self.ledger.learn(some)
        except StorageUnavailableError:
            self.told |= set(some)  # as `Upkeep` and `Servers` keep it for their next look

    # --- what this process does

    @rule(user=users)
    def arrive(self, user: str) -> None:
        self.known.track(user)
        self.begin(self.learn([user]))

    @rule(user=users)
    def leave(self, user: str) -> None:
        self.known.drop(user)

    @rule(user=users)
    def read(self, user: str) -> None:
        async def look() -> None:
            with suppress(StorageUnavailableError):
                await self.ledger.read(user)

        self.begin(look())

    @rule(user=users, provider=providers)
    def toggle(self, user: str, provider: str) -> None:
        enabled = not self.store.rows[user][provider].enabled

        async def move() -> None:
            try:
                await self.ledger.set_enabled(user, provider, enabled, toggled)
            except StorageUnavailableError:
                self.told.add(user)  # it may be stored all the same: the database's log tells

        self.begin(move())

    @rule()
    def catch_up(self) -> None:
        told, self.told = self.told, set()
        self.begin(self.learn([user for user in told if user in self.known.tracked]))

    # --- what happens meanwhile

    @rule(user=users, provider=providers, what=st.sampled_from(("written", "backed up", "restored")))
    def something_is(self, user: str, provider: str, what: str) -> None:
        rows = self.store.rows
        if what == "written":
            rows[user][provider] = replace(rows[user][provider], enabled=not rows[user][provider].enabled)
            self.told.add(user)
        elif what == "backed up":
            self.backup = deepcopy(rows)
        else:
            self.store.rows = deepcopy(self.backup)
            self.told |= set(USERS)

    @precondition(lambda self: self.store.waiting)
    @rule(which=st.lists(st.integers(0, 9), min_size=1, max_size=6))
    def some_go_on(self, which: list[int]) -> None:
        for number in which:
            if waiting := self.store.waiting:
                waiting.pop(number % len(waiting)).set_result(None)
                self.spin()

    @precondition(lambda self: self.store.waiting)
    @rule(which=st.integers(0, 9))
    def one_fails(self, which: int) -> None:
        self.unsure |= set(USERS)
        self.store.waiting.pop(which % len(self.store.waiting)).set_exception(StorageError("told to fail"))
        self.spin()

    # --- what must hold

    def settle(self) -> None:
        """Everything that is under way ends, and what the log has told is read."""
        while self.store.waiting or self.told:
            self.catch_up()
            while self.store.waiting:
                self.store.waiting.pop(self.ends).set_result(None)
                self.spin()
        assert all(task.done() and not task.exception() for task in self.tasks)
        for user in self.known.tracked:
            self.compare(user)

    def compare(self, user: str) -> None:
        has = self.known.has(user)
        if has is None:
            assert user in self.unsure, "what can be read must be known"
            return
        stored = {name: self.store.rows[user][name].condition for name in PROVIDERS}
        assert {name: has[DEFAULT.places[name]].condition for name in PROVIDERS} == stored


Memory.TestCase.settings = settings(
    max_examples=100,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestMemory = Memory.TestCase
