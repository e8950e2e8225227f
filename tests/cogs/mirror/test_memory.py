"""Whatever overlaps, once all has settled memory is what the database says.

A state machine begins reads and writes through the ledger, lets each go on step by step in any order, loses
answers, and lets other programs write and restore the database meanwhile. What they did is told by a log, as the
database keeps one. Two servers share each Composio user, and each has its own switches.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple, cast

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.errors import StorageUnavailableError
from cogs.integrations.mirror.known import Known
from cogs.integrations.mirror.ledger import Ledger
from storage.integrations import (
    Besides,
    Event,
    Fact,
    Facts,
    Integration,
    Mirror,
    Operation,
    OutdatedError,
    State,
    StorageError,
    Store,
    Switched,
    UnknownOutcomeError,
    condition_of,
)
from tests.cogs.conftest import NOW
from tests.cogs.mirror.stores import row, toggled

USERS, GUILDS = ("ada", "bob"), (1, 2)
PROVIDERS = ("gmail", "github")
MEANWHILE = ("switched", "written", "backed up", "restored")

TO_THE_END = 100


class Act(NamedTuple):
    """What this process does for a Composio user, at once with other things."""

    what: str
    guild: int
    provider: str
    state: State


users, guilds = st.sampled_from(USERS), st.sampled_from(GUILDS)
providers = st.sampled_from(PROVIDERS)
states = st.sampled_from((State.CONNECTED, State.NEEDS_RECONNECT, State.NOT_CONNECTED))
whats = st.sampled_from(("learn", "read", "toggle", "sync", "revoke"))
acts = st.builds(Act, whats, guilds, providers, states)


def connected() -> dict[str, dict[str, Integration]]:
    return {user: {name: row(name, user) for name in PROVIDERS} for user in USERS}


@dataclass
class Content:
    """What a database holds: rows, switches by user, server and provider, and revokes that are not finished."""

    rows: dict[str, dict[str, Integration]] = field(default_factory=connected)
    switches: dict[tuple[str, int, str], bool] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)

    def row(self, user: str, name: str, guild_id: int | None) -> Integration:
        """As a server sees it."""
        found = self.rows[user][name]
        return replace(found, enabled=self.switches.get((user, guild_id or 0, name), found.enabled))

    def moved(self, user: str) -> dict[int, dict[str, bool]]:
        """The switches of all servers of a user."""
        found: dict[int, dict[str, bool]] = {}
        for (of, guild_id, name), enabled in self.switches.items():
            if of == user:
                found.setdefault(guild_id, {})[name] = enabled
        return found


class Stepwise:
    """The store's part that the ledger needs here: each call waits before the database acts, and after."""

    writers = 5

    def __init__(self) -> None:
        self.content = Content()
        self.waiting: list[asyncio.Future[None]] = []

    async def _step(self) -> None:
        step = asyncio.get_running_loop().create_future()
        self.waiting.append(step)
        await step

    async def read(self, composio_user_id: str, guild_id: int | None = None) -> Mirror:
        await self._step()
        rows = {name: self.content.row(composio_user_id, name, guild_id) for name in PROVIDERS}
        await self._step()
        return Mirror(composio_user_id, rows=rows)

    async def read_facts(self, composio_user_ids: Collection[str]) -> dict[str, Facts]:
        await self._step()
        found = {
            user: Facts(
                [Fact(one.provider, one.condition, one.toolkit) for one in self.content.rows[user].values()],
                self.content.moved(user),
            )
            for user in composio_user_ids
        }
        await self._step()
        return found

    async def set_enabled(
        self,
        composio_user_id: str,
        provider: str,
        guild_id: int,
        enabled: bool | None,
        happened: Callable[[Integration], Event],
    ) -> Switched:
        await self._step()
        now = self.content.row(composio_user_id, provider, guild_id)
        changes = now.state is State.CONNECTED and now.enabled is not enabled
        if changes:
            now = replace(now, enabled=not now.enabled)
            happened(now)
            self.content.switches[composio_user_id, guild_id, provider] = now.enabled
        await self._step()
        return Switched(now, changed=changes)

    async def record_sync(
        self, seen: Mirror, changes: Sequence[Integration], _at: datetime, _happened: Sequence[Event], _: Besides
    ) -> frozenset[str]:
        await self._step()
        for one in changes:
            self.content.rows[one.composio_user_id][one.provider] = one
        await self._step()
        return frozenset(one.provider for one in changes)

    async def operations(self) -> list[Operation]:
        await self._step()
        found = list(self.content.operations.values())
        await self._step()
        return found

    async def finish_operation(self, operation_id: str, left: Integration, happened: Event, **_: object) -> bool:
        await self._step()
        self.content.operations.pop(operation_id, None)
        self.content.rows[left.composio_user_id][left.provider] = left
        await self._step()
        return True


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
        self.unstored: list[tuple[Operation, Integration]] = []
        self.revokes = 0
        self.backup = deepcopy(self.store.content)
        for user in USERS:
            self.arrive(user)

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.settle()
            self.loop.close()

    def begin(self, work: Coroutine[Any, Any, Any], steps: int = 0) -> None:
        """Begin *work*, and let it take so many steps before anything else goes on."""
        under_way = list(self.store.waiting)

        async def start() -> None:
            self.tasks.append(asyncio.create_task(work))

        self.loop.run(start())
        self.spin()
        while steps and (own := [step for step in self.store.waiting if step not in under_way]):
            self.store.waiting.remove(own[0])
            own[0].set_result(None)
            self.spin()
            steps -= 1

    def spin(self) -> None:
        async def idle() -> None:
            for _ in range(12):
                await asyncio.sleep(0)

        self.loop.run(idle())

    async def follow(self, written: set[str]) -> None:
        try:
            await self.ledger.catch_up(frozenset(written))
        except StorageUnavailableError:
            self.told |= written  # as `Upkeep` and `Servers` keep it for their next look

    async def whatever(self, user: str, work: Coroutine[Any, Any, Any]) -> None:
        try:
            await work
        except OutdatedError:
            pass
        except StorageUnavailableError:
            self.told.add(user)  # it may be stored all the same: the database's log tells

    # --- what this process does

    @rule(user=users)
    def arrive(self, user: str) -> None:
        self.known.track(user)
        self.begin(self.follow({user}))

    @rule(user=users)
    def leave(self, user: str) -> None:
        self.known.drop(user)

    @rule(user=users, first=acts, steps=st.integers(0, 2), second=acts)
    def two_overlap(self, user: str, first: Act, steps: int, second: Act) -> None:
        """The one goes on when the other has ended."""
        self.act(user, first, steps)
        self.act(user, second, steps=TO_THE_END)

    @rule(user=users, act=acts)
    def something_begins(self, user: str, act: Act) -> None:
        self.act(user, act)

    def act(self, user: str, act: Act, steps: int = 0) -> None:
        now = self.store.content.row(user, act.provider, act.guild)
        match act.what:
            case "learn":
                told, self.told = self.told | {user}, set()
                self.begin(self.follow(told), steps)
            case "read":
                self.begin(self.whatever(user, self.ledger.read(user, act.guild)), steps)
            case "toggle":
                work = self.ledger.set_enabled(user, act.provider, act.guild, not now.enabled, toggled)
                self.begin(self.whatever(user, work), steps)
            case "sync":
                found = replace(self.store.content.rows[user][act.provider], state=act.state)
                self.begin(self.whatever(user, self.ledger.record_sync(Mirror(user), [found], NOW, [])), steps)
            case _:
                self.revoke(user, act)

    def revoke(self, user: str, act: Act) -> None:
        """It counts at once, whatever the database does."""
        if any((left.composio_user_id, left.provider) == (user, act.provider) for _, left in self.unstored):
            return
        self.revokes += 1
        operation = Operation(str(self.revokes), user, act.provider, ("ca_1",), NOW, NOW)
        left = replace(self.store.content.rows[user][act.provider], state=act.state)
        self.store.content.operations[operation.id] = operation
        self.known.assume(left)
        for guild in GUILDS:
            has = self.known.has(user, guild)
            assert (
                not has
                or has[DEFAULT.places[act.provider]].condition.replace("disabled", "connected") == act.state
            )
        self.unstored.append((operation, left))

    @precondition(lambda self: self.unstored)
    @rule()
    def a_revoke_is_stored(self) -> None:
        operation, left = self.unstored.pop(0)
        event = replace(toggled(left), operation=operation.id)

        async def store() -> None:
            try:
                await self.ledger.operations.finish(operation, left, event)
            except StorageUnavailableError:
                self.unstored.append((operation, left))

        self.begin(store())

    # --- what happens meanwhile

    @rule(user=users, guild=guilds, provider=providers, what=st.sampled_from(MEANWHILE))
    def something_is(self, user: str, guild: int, provider: str, what: str) -> None:
        content = self.store.content
        if what == "switched":
            content.switches[user, guild, provider] = not content.row(user, provider, guild).enabled
            self.told.add(user)
        elif what == "written":
            broken = content.rows[user][provider].state is State.NEEDS_RECONNECT
            state = State.CONNECTED if broken else State.NEEDS_RECONNECT
            content.rows[user][provider] = replace(content.rows[user][provider], state=state)
            self.told.add(user)
        elif what == "backed up":
            self.backup = deepcopy(content)
        else:
            self.store.content = deepcopy(self.backup)
            self.told |= set(USERS)

    @precondition(lambda self: self.store.waiting)
    @rule(which=st.lists(st.integers(0, 9), min_size=1, max_size=6))
    def some_go_on(self, which: list[int]) -> None:
        for number in which:
            if waiting := self.store.waiting:
                waiting.pop(number % len(waiting)).set_result(None)
                self.spin()

    @precondition(lambda self: self.store.waiting)
    @rule(which=st.integers(0, 9), error=st.sampled_from((StorageError, UnknownOutcomeError)))
    def one_fails(self, which: int, error: type[StorageError]) -> None:
        self.store.waiting.pop(which % len(self.store.waiting)).set_exception(error("told to fail"))
        self.spin()

    # --- what must hold

    @rule()
    def settle(self) -> None:
        """Everything that is under way ends, revokes are stored, and what the log has told is read."""
        while self.store.waiting or self.told or self.unstored or self.known.unread:
            while self.unstored:
                self.a_revoke_is_stored()
            told, self.told = self.told, set()
            self.begin(self.follow(told))
            while self.store.waiting:
                self.store.waiting.pop(self.ends).set_result(None)
                self.spin()
        assert all(task.done() and not task.exception() for task in self.tasks)
        for user in self.known.tracked:
            for guild in (*GUILDS, None):
                self.compare(user, guild)

    def compare(self, user: str, guild: int | None) -> None:
        has = self.known.has(user, guild)
        assert has is not None, "what can be read must be known"
        rows = [self.store.content.row(user, name, guild) for name in PROVIDERS]
        stored = {one.provider: condition_of(one.state, one.enabled) for one in rows}
        assert {name: has[DEFAULT.places[name]].condition for name in PROVIDERS} == stored


Memory.TestCase.settings = settings(
    max_examples=200,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestMemory = Memory.TestCase
