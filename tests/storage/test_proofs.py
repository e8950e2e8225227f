"""What checks have found of single accounts is stored with the sync that read them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.integrations import Action, Besides, Condition, Event, OutdatedError, Proof, State, Store, Verdict
from tests.storage.databases import picture
from tests.storage.rows import ADA, LATER, NOON, event, history, proof, prove, row, sync

CHECKED = event(action=Action.CHECK, before=Condition.CONNECTED)


def refused(provider: str = "gmail") -> tuple[Proof, Event]:
    """What a check finds whose token is dead."""
    after = replace(CHECKED, provider=provider, after=Condition.NEEDS_RECONNECT)
    return proof(provider, verdict=Verdict.REFUSED, whom=None), after


async def found(store: Store, user: str = ADA) -> list[Proof]:
    return (await store.proofs([user]))[user]


async def mark(engine: AsyncEngine) -> list[object]:
    return [row[3] for row in (await picture(engine, "integrations_sync"))["integrations_sync"]["rows"]]


class TestProofs:
    async def test_come_back_as_they_were_stored_each_with_its_user(self, store: Store) -> None:
        for_ada = [proof(), proof("notion", whom=None, verdict=Verdict.ACCEPTED)]
        for_bob = [proof(composio_user_id="bob", whom='"👩‍👩‍👧‍👦 %s')]
        await prove(store, *for_ada)
        await prove(store, *for_bob, user="bob")

        assert await store.proofs([ADA, "bob", "nobody"]) == {ADA: for_ada, "bob": for_bob, "nobody": []}

    async def test_of_an_account_are_replaced_by_a_later_one(self, store: Store) -> None:
        await prove(store, proof(), proof("notion"))
        later = proof(verdict=Verdict.REFUSED, whom=None, at=LATER, account_updated_at=NOON)

        await prove(store, later, at=LATER)

        assert await found(store) == [later, proof("notion")]

    async def test_that_are_outdated_are_deleted_and_no_others(self, store: Store) -> None:
        await prove(store, proof(), proof("notion"))
        await prove(store, proof(composio_user_id="bob"), user="bob")

        outdated = Besides(outdated=["ca_gmail", "ca_unknown"])
        await store.record_sync(await store.read(ADA), [], LATER, besides=outdated)

        assert await store.proofs([ADA, "bob"]) == {ADA: [proof("notion")], "bob": [proof(composio_user_id="bob")]}

    async def test_that_are_new_stay_though_what_was_there_before_is_outdated(self, store: Store) -> None:
        await prove(store, proof())
        new = proof(account_updated_at=LATER)

        besides = Besides(proofs=[new], outdated=["ca_gmail"])
        await store.record_sync(await store.read(ADA), [], LATER, besides=besides)

        assert await found(store) == [new]

    async def test_stay_when_a_sync_says_nothing_of_them(self, store: Store) -> None:
        await prove(store, proof())

        await sync(store, row(), at=LATER, happened=[event()])

        assert await found(store) == [proof()]


class TestTheSync:
    async def test_that_proves_is_stored_as_any_other(self, store: Store, engine: AsyncEngine) -> None:
        await sync(store, row())

        await store.record_sync(await store.read(ADA), [], LATER, [CHECKED], Besides("the mark", [proof()]))

        now = await store.read(ADA)
        assert (now.synced_at, now.revision, now.rows) == (LATER, 2, {"gmail": row(revision=1)})
        assert await history(store) == [CHECKED]
        assert await mark(engine) == ["the mark"]

    async def test_stores_the_event_of_a_row_that_changes_with_it(self, store: Store) -> None:
        await sync(store, row())
        dead, told = refused()

        broken = row(state=State.NEEDS_RECONNECT, revision=1)
        written = await store.record_sync(await store.read(ADA), [broken], LATER, [told], Besides(proofs=[dead]))

        assert written == {"gmail"}
        assert (await found(store), await history(store)) == ([dead], [told])

    async def test_tells_nothing_of_a_row_that_somebody_wrote_meanwhile(
        self, store: Store, engine: AsyncEngine
    ) -> None:
        await sync(store, row())
        seen = await store.read(ADA)
        await store.write([row(revision=1)])
        dead, told = refused()

        broken = row(state=State.NEEDS_RECONNECT, revision=1)
        besides = Besides("the mark", [dead])
        assert await store.record_sync(seen, [broken], LATER, [told], besides) == frozenset()

        assert (await found(store), await history(store)) == ([], [])
        assert await mark(engine) == [None]

    async def test_proves_nothing_where_a_row_was_written_since_it_was_seen(self, store: Store) -> None:
        await sync(store, row(), row("notion"))
        seen = await store.read(ADA)
        await store.write([row(state=State.NOT_CONNECTED, revision=1)])

        besides = Besides(proofs=[proof(), proof("notion")])
        assert await store.record_sync(seen, [], LATER, [CHECKED], besides) == {"notion"}

        assert (await found(store), await history(store)) == ([proof("notion")], [])

    async def test_tells_nothing_of_what_it_did_not_prove(self, store: Store) -> None:
        await store.record_sync(
            await store.read(ADA), [], NOON, [CHECKED, event("notion")], Besides(proofs=[proof()])
        )

        assert await history(store) == [CHECKED]

    async def test_that_comes_too_late_proves_nothing(self, store: Store, engine: AsyncEngine) -> None:
        await prove(store, proof())
        seen = await store.read(ADA)
        await prove(store, at=LATER)
        before = await picture(engine)

        with pytest.raises(OutdatedError):
            await store.record_sync(seen, [], LATER, [CHECKED], Besides(None, [proof("notion")], ["ca_gmail"]))

        assert await picture(engine) == before
