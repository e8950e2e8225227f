"""What each operation costs, which is the same on every database: each test runs over all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.sandbox.standin import StandIn
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.catalog import DEFAULT
from storage.integrations import Besides, Mirror, OutdatedError, Store
from tests.cogs.use_cases import UseCases
from tests.conftest import API_KEY, USER_ID
from tests.storage.conftest import on_postgres
from tests.storage.counting import Cost, Wire, counted
from tests.storage.rows import (
    ADA,
    HERE,
    LATER,
    NOON,
    attempt,
    connected,
    event,
    operation,
    proof,
    revoked,
    row,
    sync,
    toggled,
)

GMAIL = DEFAULT.by_id["gmail"]


def transaction(*, reads: int = 0, writes: int = 0) -> Cost:
    """One transaction that is stored."""
    return Cost(reads=reads, writes=writes, begins=1, commits=1)


# There is nothing to commit: what the driver began is ended as the connection goes back.
READ = Cost(reads=1, begins=1, rollbacks=1)
READ_AND_WRITE = Cost(reads=1, writes=1, begins=2, commits=1, rollbacks=1)

PROVED = [proof(f"provider-{number}") for number in range(100)]
A_HUNDRED = Besides("mark", PROVED, [one.account_id for one in PROVED])


async def _connect(store: Store) -> None:
    await store.begin_attempt(attempt())
    await store.finish_attempt("first", row(revision=1), connected(attempt()))


OPERATIONS: dict[str, tuple[Callable[[Store], Awaitable[object]], Cost]] = {
    "read": (lambda store: store.read(ADA), READ),
    "read of an unknown user": (lambda store: store.read("nobody"), READ),
    "read for a server": (lambda store: store.read(ADA, HERE), READ),
    "read_facts": (lambda store: store.read_facts([ADA, "nobody"]), Cost(reads=3, begins=1, rollbacks=1)),
    "arrive of a known server": (lambda store: store.arrive({1: ADA}), READ),
    "arrive of a new server": (
        lambda store: store.arrive({2: ADA}),
        Cost(reads=1, writes=3, begins=2, commits=1, rollbacks=1),
    ),
    "leave": (lambda store: store.leave([1], NOON), transaction(writes=1)),
    "servers_of_shard": (lambda store: store.servers_of_shard(0, 1, after=0, limit=10), READ),
    "trim_changes": (lambda store: store.trim_changes(), transaction(writes=1)),
    "events": (lambda store: store.events(ADA, "gmail", offset=0, limit=10), READ),
    "events for a server": (lambda store: store.events(ADA, None, guild_id=HERE, offset=0, limit=10), READ),
    "forget_events": (lambda store: store.forget_events(NOON), transaction(writes=1)),
    "write without rows": (lambda store: store.write([]), Cost()),
    "write": (lambda store: store.write([row(revision=1)]), transaction(writes=1)),
    "write with an event": (lambda store: store.write([row(revision=1)], [event()]), transaction(writes=2)),
    "write that is too late": (lambda store: store.write([row()], [event()]), transaction(writes=1)),
    "set_enabled": (
        lambda store: store.set_enabled(ADA, "gmail", HERE, enabled=False),
        transaction(reads=1, writes=1),
    ),
    "set_enabled with an event": (
        lambda store: store.set_enabled(ADA, "gmail", HERE, None, toggled),
        transaction(reads=1, writes=2),
    ),
    "set_enabled without effect": (
        lambda store: store.set_enabled(ADA, "gmail", HERE, enabled=True),
        transaction(reads=1, writes=1),
    ),
    "begin_operation": (lambda store: store.begin_operation(operation()), transaction(writes=1)),
    "keep_operations": (lambda store: store.keep_operations(["first"], LATER), transaction(writes=1)),
    "operations": (lambda store: store.operations(), READ),
    "finish_operation": (
        lambda store: store.finish_operation("first", row(revision=1), revoked(operation())),
        transaction(reads=1, writes=3),
    ),
    "finish_operation after somebody else": (
        lambda store: store.finish_operation("first", row(revision=1), revoked(operation()), only_open=True),
        transaction(writes=1),
    ),
    "begin_attempt": (lambda store: store.begin_attempt(attempt()), transaction(writes=1)),
    "answered_attempt": (lambda store: store.answered_attempt("first", "ca_1", LATER), transaction(writes=1)),
    "keep_attempts": (lambda store: store.keep_attempts(["first"], LATER), transaction(writes=1)),
    "adopt_attempt": (lambda store: store.adopt_attempt("first", NOON, LATER), transaction(writes=1)),
    "drop_attempt": (lambda store: store.drop_attempt("first"), transaction(writes=1)),
    "attempts": (lambda store: store.attempts(), READ),
    "begin_attempt and finish_attempt": (_connect, Cost(reads=2, writes=1 + 3, begins=2, commits=2)),
    "finish_attempt after somebody else": (
        lambda store: store.finish_attempt("first", row(revision=1), connected(attempt())),
        Cost(writes=1, begins=1, commits=1),
    ),
    "proofs": (lambda store: store.proofs([ADA, "nobody"]), READ),
    "claim_check of somebody new": (
        lambda store: store.claim_check(NOON, timedelta(days=1), 10),
        transaction(reads=1, writes=3),
    ),
    "unchanged sync": (sync, READ_AND_WRITE),
    "sync that proves a hundred accounts and outdates a hundred": (
        lambda store: store.record_sync(Mirror(ADA, NOON, 1), [], LATER, besides=A_HUNDRED),
        transaction(reads=2, writes=3),
    ),
    "sync that changes a hundred rows": (
        lambda store: sync(
            store,
            *(row(f"provider-{number}") for number in range(100)),
            happened=[event(f"provider-{number}") for number in range(100)],
        ),
        Cost(reads=3, writes=3, begins=2, commits=1, rollbacks=1),
    ),
}


@pytest.mark.parametrize(("operation", "cost"), OPERATIONS.values(), ids=OPERATIONS.keys())
async def test_an_operation_costs(
    store: Store, engine: AsyncEngine, operation: Callable[[Store], Awaitable[object]], cost: Cost
) -> None:
    await sync(store, row())
    await store.arrive({1: ADA})

    with counted(engine) as counted_:
        await operation(store)

    assert counted_ == cost


async def test_an_outdated_sync_costs_one_write_that_is_rolled_back(store: Store, engine: AsyncEngine) -> None:
    seen = await store.read(ADA)
    await sync(store)

    with counted(engine) as cost, pytest.raises(OutdatedError):
        await store.record_sync(seen, [row()], LATER, [event()])

    assert cost == Cost(writes=1, begins=1, rollbacks=1)


class TestTheUseCases:
    """The service's part: what a command costs from one end to the other."""

    @pytest.fixture
    async def use_cases(self, composio: StandIn, store: Store) -> AsyncIterator[UseCases]:
        gateway = ComposioGateway(api_key=API_KEY, base_url=composio.base_url)
        use_cases = UseCases(gateway, store)
        composio.connect("gmail")
        await use_cases.service.sync(USER_ID)
        yield use_cases
        await use_cases.close()
        await gateway.close()

    async def test_an_unchanged_sync_reads_the_rows_and_then_the_proofs_and_writes_once(
        self, use_cases: UseCases, engine: AsyncEngine
    ) -> None:
        with counted(engine) as cost:
            await use_cases.service.sync(USER_ID)

        # One after the other: a check in between moves the rows, and a plan without it is refused.
        assert cost == Cost(reads=2, writes=1, begins=3, commits=1, rollbacks=2)

    async def test_a_list_reads_once(self, use_cases: UseCases, engine: AsyncEngine) -> None:
        with counted(engine) as cost:
            await use_cases.service.look(USER_ID)

        assert cost == READ

    async def test_a_toggle_writes_the_switch_and_its_event_and_reads_the_row(
        self, use_cases: UseCases, engine: AsyncEngine
    ) -> None:
        with counted(engine) as cost:
            await use_cases.service.toggle(USER_ID, HERE, GMAIL, enabled=None)

        assert cost == transaction(reads=1, writes=2)

    async def test_a_revoke_is_written_down_and_then_taken_away_with_the_row_and_its_event(
        self, use_cases: UseCases, engine: AsyncEngine
    ) -> None:
        accounts = await use_cases.revoker.accounts(USER_ID, GMAIL)

        with counted(engine) as cost:
            await use_cases.revoker.revoke(USER_ID, GMAIL, accounts)

        # Each of the two transactions comes after a read of the rows and one of the proofs. Who is to be told is
        # read in the second, which also deletes what was proved of the accounts.
        assert cost == Cost(reads=5, writes=1 + 4, begins=6, commits=2, rollbacks=4)


@on_postgres
class TestOverTheWire:
    """The counts above are SQLAlchemy's; here is what PostgreSQL's driver makes of them."""

    @pytest.fixture
    async def engine(self, proxied_engine: AsyncEngine) -> AsyncEngine:
        return proxied_engine

    @pytest.mark.parametrize("name", ["read", "write with an event", "unchanged sync"])
    async def test_a_known_statement_is_one_round_trip_and_so_are_begin_and_commit(
        self, store: Store, wire: Wire, name: str
    ) -> None:
        operation, cost = OPERATIONS[name]
        await sync(store, row())
        await store.write([row("notion")], [event()])  # from now on the driver knows the statements
        before = wire.round_trips

        await operation(store)

        assert wire.round_trips - before == cost.round_trips
