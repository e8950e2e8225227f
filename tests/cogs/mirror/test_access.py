"""What a host's commands are told: a yes from memory, a no that was looked up, and never a guess."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cogs.integrations.mirror.access import Access
from cogs.integrations.mirror.accounts import Account, Batch, Progress, Revocation
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.errors import NotAllowedHereError, StorageUnavailableError
from cogs.integrations.mirror.service import IntegrationService
from storage.integrations import Condition, State
from tests.cogs.mirror.serving import SHARED, Serving
from tests.cogs.mirror.stores import Stage, row, toggled

GMAIL, GITHUB = DEFAULT.by_id["gmail"], DEFAULT.by_id["github"]


class Nobody:
    """Accounts that must not be asked for."""

    async def accounts(
        self, composio_user_id: str, toolkits: Sequence[str] = (), progress: Progress | None = None
    ) -> list[Account]:
        raise AssertionError("Composio was asked")

    @property
    def batch_size(self) -> int:
        raise AssertionError("Composio was asked")

    async def accounts_of(self, composio_user_ids: Sequence[str], seconds: float) -> Batch:
        raise AssertionError("Composio was asked")

    async def account(self, account_id: str) -> Account | None:
        raise AssertionError("Composio was asked")

    async def revoke(self, account_id: str) -> Revocation:
        raise AssertionError("Composio was asked")

    async def delete(self, account_id: str) -> bool:
        raise AssertionError("Composio was asked")


@pytest.fixture
def serving(engine: AsyncEngine) -> Serving:
    return Serving(engine, tenancy=SHARED)


@pytest.fixture
def access(serving: Serving) -> Access:
    service = IntegrationService(accounts=Nobody(), ledger=serving.ledger, catalog=DEFAULT, clock=serving.clock)
    return Access(servers=serving.servers, service=service, catalog=DEFAULT, tenancy=serving.tenancy)


async def elsewhere(serving: Serving, **fields: Any) -> None:
    """Another process, or a person with a console, writes Gmail's row."""
    store = Stage(serving.engine)
    now = (await store.read("team")).get("gmail")
    assert await store.write([row(user="team", revision=now.revision, **fields)])


async def test_until_the_rows_are_read_there_is_no_toolkit(access: Access, serving: Serving) -> None:
    await elsewhere(serving)

    assert access.enabled_toolkits(1) == []
    assert access.condition(1, GMAIL) is Condition.NOT_CONNECTED

    await serving.join(1)
    assert access.enabled_toolkits(1) == ["gmail"]


async def test_toolkits_are_those_of_the_accounts_that_are_connected_and_switched_on_in_catalogue_order(
    access: Access, serving: Serving
) -> None:
    off = row("notion", "team", enabled=False)
    broken = row("linear", "team", state=State.NEEDS_RECONNECT)
    drive = row("google_drive", "team", toolkit="googledrive")
    unknown = row("myspace", "team")
    await serving.store.write([unknown, row("github", "team"), drive, off, broken, row("gmail", "team")])
    await serving.join(1)

    assert access.enabled_toolkits(1) == ["gmail", "googledrive", "github"]


async def test_where_there_is_no_composio_user_there_is_no_toolkit(access: Access, serving: Serving) -> None:
    await elsewhere(serving)
    await serving.join(1)

    assert access.enabled_toolkits(99) == []
    assert access.enabled_toolkits(None) == []
    for guild_id in (99, None):
        with pytest.raises(NotAllowedHereError):
            access.composio_user_id(guild_id)
        with pytest.raises(NotAllowedHereError):
            access.condition(guild_id, GMAIL)
        with pytest.raises(NotAllowedHereError):
            await access.refusal(guild_id, GMAIL)
    assert access.composio_user_id(1) == "team"


async def test_a_yes_comes_from_memory_without_the_database(access: Access, serving: Serving) -> None:
    await elsewhere(serving)
    await serving.join(1)
    serving.store.broken.add("*")
    serving.store.calls.clear()

    assert await access.refusal(1, GMAIL) is None
    assert serving.store.calls == {}


async def test_a_no_is_looked_up_and_names_the_reason(access: Access, serving: Serving) -> None:
    await elsewhere(serving, state=State.NEEDS_RECONNECT, status="EXPIRED", reason="token refused")
    await serving.join(1)
    serving.store.calls.clear()

    found = await access.refusal(1, GMAIL)

    assert found is not None
    assert (found.row.state, found.row.reason) == (State.NEEDS_RECONNECT, "token refused")
    assert serving.store.calls == {"read": 1}


async def test_a_no_says_how_old_it_is(access: Access, serving: Serving) -> None:
    await serving.join(1)
    at = serving.clock()
    await serving.store.record_sync(await serving.store.read("team"), [], at)

    found = await access.refusal(1, GMAIL)

    assert found is not None
    assert found.synced_at == at


async def test_a_no_that_is_old_becomes_a_yes_which_is_remembered(access: Access, serving: Serving) -> None:
    await serving.join(1)
    await elsewhere(serving)

    assert access.condition(1, GMAIL) is Condition.NOT_CONNECTED
    assert await access.refusal(1, GMAIL) is None
    assert access.condition(1, GMAIL) is Condition.CONNECTED


async def test_before_the_rows_are_read_the_answer_is_looked_up(access: Access, serving: Serving) -> None:
    await elsewhere(serving)

    assert await access.refusal(1, GMAIL) is None
    found = await access.refusal(1, GITHUB)
    assert found is not None
    assert found.row.state is State.NOT_CONNECTED


@pytest.mark.parametrize("read_before", [False, True])
async def test_when_nothing_is_known_and_the_database_fails_it_is_never_a_yes(
    access: Access, serving: Serving, read_before: bool
) -> None:
    if read_before:
        await serving.join(1)
    serving.store.broken.add("*")

    with pytest.raises(StorageUnavailableError):
        await access.refusal(1, GMAIL)
    assert access.enabled_toolkits(1) == []


async def test_what_was_switched_off_is_refused_with_its_row(access: Access, serving: Serving) -> None:
    await elsewhere(serving)
    await serving.join(1)
    await serving.ledger.set_enabled("team", "gmail", 1, False, toggled)

    found = await access.refusal(1, GMAIL)

    assert found is not None
    assert found.row.condition is Condition.DISABLED
    assert access.enabled_toolkits(1) == []
