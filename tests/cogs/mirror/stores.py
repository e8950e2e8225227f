"""Stores that wait or fail when a test says so, and what is in them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import event as sqlalchemy_event

from storage.integrations import (
    NOTHING_BESIDES,
    Action,
    Attempt,
    Besides,
    Condition,
    Event,
    Facts,
    Integration,
    Mirror,
    Operation,
    Proof,
    State,
    StorageError,
    Store,
    Switched,
    UnknownOutcomeError,
    Wishes,
)
from tests.cogs.conftest import NOW, USER

_T = TypeVar("_T")


async def state(store: Store, provider: str = "gmail") -> State:
    """What is stored of a provider."""
    return (await store.read(USER)).get(provider).state


def event_about(event: Event) -> tuple[Condition, Condition]:
    """From what to what."""
    return event.before, event.after


def row(provider: str = "gmail", user: str = USER, **fields: Any) -> Integration:
    """A connected provider."""
    facts: dict[str, Any] = {
        "state": State.CONNECTED,
        "account_id": f"ca_{provider}",
        "toolkit": provider,
        "usable_accounts": 1,
    }
    return Integration(user, provider, **(facts | fields))


def toggled(row: Integration) -> Event:
    """What is remembered of a switch that was moved."""
    before = Condition.CONNECTED if not row.enabled else Condition.DISABLED
    return Event(NOW, row.composio_user_id, row.provider, Action.TOGGLE, before, row.condition)


class Clock:
    """Moves when it is told to, and by a microsecond whenever somebody looks."""

    def __init__(self) -> None:
        self._now = NOW

    def __call__(self) -> datetime:
        now, self._now = self._now, self._now + timedelta(microseconds=1)
        return now

    def go_on(self, **by: float) -> datetime:
        """Let time pass; returns what the next look will see."""
        self._now += timedelta(**by)
        return self._now


class Gate:
    """Lets calls pass, or holds them where they have reached it; a ``stubborn`` one holds cancelled ones too."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.stubborn = False
        self._opened = asyncio.Event()
        self._opened.set()

    def close(self) -> None:
        """Hold whatever comes from now on."""
        self.reached.clear()
        self._opened.clear()

    def open(self) -> None:
        """Let go."""
        self._opened.set()

    async def passed(self) -> None:
        """Return when it is open."""
        self.reached.set()
        try:
            await self._opened.wait()
        except asyncio.CancelledError:
            if self.stubborn:
                await self._opened.wait()
            raise


class Stage(Store):
    """A real store; each operation can be made to fail, or be held before or after it does its work.

    ``broken`` names operations that fail, ``lost`` writes whose answer is lost once, and whether they are stored.
    ``calls`` counts them all. Gates are made by ``before`` and ``after``.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.broken: set[str] = set()
        self.lost: dict[str, bool] = {}
        self.calls: Counter[str] = Counter()
        self.batches: list[list[str]] = []
        self._gates: dict[tuple[str, str], Gate] = {}

    def before(self, name: str) -> Gate:
        """A closed gate that is reached before the operation looks at the database."""
        return self._gate("before", name)

    def after(self, name: str) -> Gate:
        """A closed gate that is reached when the database is done, and the answer is on its way."""
        return self._gate("after", name)

    def _gate(self, when: str, name: str) -> Gate:
        gate = self._gates.setdefault((when, name), Gate())
        gate.close()
        return gate

    async def _played(self, name: str, work: Callable[[], Awaitable[_T]]) -> _T:
        self.calls[name] += 1
        if gate := self._gates.get(("before", name)):
            await gate.passed()
        if name in self.broken or "*" in self.broken:
            raise StorageError("told to fail")
        stored = self.lost.pop(name, None)
        with self._rolled_back() if stored is False else nullcontext():
            answer = await work()
        if stored:
            raise UnknownOutcomeError("told to lose the answer")
        if gate := self._gates.get(("after", name)):
            await gate.passed()
        return answer

    @contextmanager
    def _rolled_back(self) -> Iterator[None]:
        """The connection is lost with the next COMMIT."""

        def lose(_: object) -> None:
            raise ConnectionResetError("told to lose the commit")

        sqlalchemy_event.listen(self._engine.sync_engine, "commit", lose)
        try:
            yield
        finally:
            sqlalchemy_event.remove(self._engine.sync_engine, "commit", lose)

    async def read(self, composio_user_id: str, guild_id: int | None = None) -> Mirror:
        """See `Store`, as all of these."""
        return await self._played("read", lambda: super(Stage, self).read(composio_user_id, guild_id))

    async def read_facts(self, composio_user_ids: Collection[str]) -> dict[str, Facts]:
        self.batches.append(list(composio_user_ids))
        return await self._played("read_facts", lambda: super(Stage, self).read_facts(composio_user_ids))

    async def checked_since(self, since: datetime) -> list[tuple[str, datetime]]:
        return await self._played("checked_since", lambda: super(Stage, self).checked_since(since))

    async def write(
        self, rows: Sequence[Integration], happened: Sequence[Event] = ()
    ) -> frozenset[tuple[str, str]]:
        return await self._played("write", lambda: super(Stage, self).write(rows, happened))

    async def record_sync(
        self,
        seen: Mirror,
        changes: Sequence[Integration],
        at: datetime,
        happened: Sequence[Event] = (),
        besides: Besides = NOTHING_BESIDES,
    ) -> frozenset[str]:
        return await self._played(
            "record_sync", lambda: super(Stage, self).record_sync(seen, changes, at, happened, besides)
        )

    async def set_enabled(self, *wanted: Any) -> Switched:
        return await self._played("set_enabled", lambda: super(Stage, self).set_enabled(*wanted))

    async def begin_operation(self, operation: Operation) -> None:
        await self._played("begin_operation", lambda: super(Stage, self).begin_operation(operation))

    async def keep_operations(self, ids: Collection[str], until: datetime) -> None:
        await self._played("keep_operations", lambda: super(Stage, self).keep_operations(ids, until))

    async def operations(self) -> list[Operation]:
        return await self._played("operations", super().operations)

    async def finish_operation(self, *arguments: Any, **options: Any) -> bool:
        return await self._played(
            "finish_operation", lambda: super(Stage, self).finish_operation(*arguments, **options)
        )

    async def begin_attempt(self, attempt: Attempt) -> None:
        await self._played("begin_attempt", lambda: super(Stage, self).begin_attempt(attempt))

    async def answered_attempt(self, *arguments: Any) -> None:
        await self._played("answered_attempt", lambda: super(Stage, self).answered_attempt(*arguments))

    async def keep_attempts(self, ids: Collection[str], until: datetime) -> None:
        await self._played("keep_attempts", lambda: super(Stage, self).keep_attempts(ids, until))

    async def attempts(self) -> list[Attempt]:
        return await self._played("attempts", super().attempts)

    async def adopt_attempt(self, attempt_id: str, was: datetime, until: datetime) -> bool:
        return await self._played(
            "adopt_attempt", lambda: super(Stage, self).adopt_attempt(attempt_id, was, until)
        )

    async def drop_attempt(self, attempt_id: str) -> bool:
        return await self._played("drop_attempt", lambda: super(Stage, self).drop_attempt(attempt_id))

    async def finish_attempt(self, *arguments: Any, **options: Any) -> bool:
        return await self._played(
            "finish_attempt", lambda: super(Stage, self).finish_attempt(*arguments, **options)
        )

    async def proofs(self, composio_user_ids: Collection[str]) -> dict[str, list[Proof]]:
        return await self._played("proofs", lambda: super(Stage, self).proofs(composio_user_ids))

    async def claim_check(self, *arguments: Any) -> list[str]:
        return await self._played("claim_check", lambda: super(Stage, self).claim_check(*arguments))

    async def arrive(self, served: Mapping[int, str]) -> None:
        await self._played("arrive", lambda: super(Stage, self).arrive(served))

    async def leave(self, guild_ids: Collection[int], at: datetime) -> None:
        await self._played("leave", lambda: super(Stage, self).leave(guild_ids, at))

    async def forget_servers(self, guild_ids: Collection[int], left_before: datetime) -> list[Any]:
        return await self._played(
            "forget_servers", lambda: super(Stage, self).forget_servers(guild_ids, left_before)
        )

    async def wish(self, wishes: Wishes, names: Collection[str] = Wishes._fields[2:]) -> None:
        await self._played("wish", lambda: super(Stage, self).wish(wishes, names))

    async def wishes(self, guild_ids: Collection[int]) -> list[Wishes]:
        return await self._played("wishes", lambda: super(Stage, self).wishes(guild_ids))

    async def forget_events(self, before: datetime) -> int:
        return await self._played("forget_events", lambda: super(Stage, self).forget_events(before))


async def begun(work: Coroutine[Any, Any, Any], gate: Gate) -> asyncio.Task[Any]:
    """A task for *work* that has come as far as the gate."""
    task = asyncio.create_task(work)
    async with asyncio.timeout(5):
        await gate.reached.wait()
    return task
