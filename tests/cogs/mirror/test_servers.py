"""Which servers are served, and what becomes of those that were left. Over both databases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cogs.integrations.mirror import servers as module
from cogs.integrations.mirror.errors import NotAllowedHereError
from cogs.integrations.mirror.known import NOTHING
from cogs.integrations.mirror.ledger import BATCH
from storage.integrations import Condition, open_engine, prepare
from tests.cogs.mirror.serving import SHARED, Serving, user
from tests.cogs.mirror.stores import begun


@pytest.fixture
async def engine(url: str) -> AsyncIterator[AsyncEngine]:
    opened = open_engine(url)
    await prepare(opened)
    yield opened
    await opened.dispose()


@pytest.fixture
def serving(engine: AsyncEngine) -> Serving:
    """Each server has its own Composio user."""
    return Serving(engine)


@pytest.fixture
def shared(engine: AsyncEngine) -> Serving:
    """The servers 1, 2 and 3 share a Composio user."""
    return Serving(engine, tenancy=SHARED)


# Who comes


async def test_a_server_that_comes_is_read_and_stored(serving: Serving) -> None:
    await serving.connect(1)

    await serving.join(1)

    assert serving.gmail(1) is Condition.CONNECTED
    assert await serving.stored() == {1: None}
    assert serving.servers.has(1) == serving.ledger.known.has(user(1))


async def test_many_servers_are_read_in_batches(serving: Serving) -> None:
    many = range(1, 2 * BATCH + 2)
    await serving.connect(*many)

    await serving.join(*many)

    assert [len(batch) for batch in serving.store.batches] == [BATCH, BATCH, 1]
    assert serving.store.calls["arrive"] == 3
    assert await serving.stored() == dict.fromkeys(many)
    assert all(serving.gmail(guild_id) is Condition.CONNECTED for guild_id in many)


async def test_servers_that_share_a_composio_user_are_read_once(shared: Serving) -> None:
    await shared.join(1, 2, 3)

    assert shared.store.batches == [["team"]]
    assert await shared.stored() == {1: None, 2: None, 3: None}


async def test_a_server_that_may_not_use_the_integrations_is_neither_stored_nor_read(shared: Serving) -> None:
    await shared.join(1, 99)

    assert await shared.stored() == {1: None}
    with pytest.raises(NotAllowedHereError):
        shared.servers.has(99)
    with pytest.raises(NotAllowedHereError):
        shared.servers.has(None)


async def test_what_cannot_be_read_at_arrival_is_read_later(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    await serving.connect(1)
    serving.store.broken.add("read_facts")

    await serving.join(1)
    assert serving.servers.has(1) is None
    assert await serving.stored() == {}
    assert "stored at the next look" in caplog.text

    serving.store.broken.clear()
    serving.servers.work_soon()
    await serving.settled()
    assert serving.gmail(1) is Condition.CONNECTED
    assert await serving.stored() == {1: None}


async def test_with_nothing_to_do_the_database_is_not_asked(serving: Serving) -> None:
    await serving.join(1)
    serving.store.calls.clear()

    serving.servers.work_soon()
    await serving.settled()

    assert serving.store.calls == {}


async def test_a_server_that_comes_while_others_are_stored_is_stored_too(serving: Serving) -> None:
    gate = serving.store.before("arrive")
    working = await begun(serving.join(1), gate)

    serving.servers.arrived([2])
    gate.open()
    await working
    await serving.settled()

    assert await serving.stored() == {1: None, 2: None}
    assert serving.gmail(2) is Condition.NOT_CONNECTED


# Who goes


async def test_a_server_that_goes_is_forgotten_here_and_its_time_is_stored(serving: Serving) -> None:
    await serving.connect(1, 2)
    await serving.join(1, 2)
    at = serving.clock.go_on(hours=1)

    await serving.part(1)

    assert serving.gmail(1) is None
    assert serving.gmail(2) is Condition.CONNECTED
    assert await serving.stored() == {1: at, 2: None}


async def test_each_server_has_the_time_at_which_it_was_left(serving: Serving) -> None:
    await serving.join(1, 2)
    serving.store.broken.add("*")
    first = serving.clock.go_on(hours=1)
    await serving.part(1)
    second = serving.clock.go_on(hours=1)
    await serving.part(2)

    serving.store.broken.clear()
    serving.servers.work_soon()
    await serving.settled()

    assert await serving.stored() == {1: first, 2: second}


async def test_a_removal_while_the_database_is_locked_is_stored_later_with_its_time(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    await serving.join(1)
    serving.store.broken.add("leave")
    at = serving.clock.go_on(hours=1)
    await serving.part(1)
    assert await serving.stored() == {1: None}
    assert serving.gmail(1) is None

    serving.store.broken.clear()
    serving.clock.go_on(hours=1)
    serving.servers.work_soon()
    await serving.settled()

    assert await serving.stored() == {1: at}
    assert caplog.text.count("stored at the next look") == 1


async def test_a_server_that_comes_back_is_served_as_if_it_had_never_gone(serving: Serving) -> None:
    await serving.connect(1)
    await serving.join(1)
    await serving.part(1)

    await serving.join(1)

    assert await serving.stored() == {1: None}
    assert serving.gmail(1) is Condition.CONNECTED


async def test_a_server_that_goes_and_comes_back_while_the_database_is_locked_was_never_left(
    serving: Serving,
) -> None:
    await serving.join(1)
    serving.store.broken.add("*")
    await serving.part(1)
    await serving.join(1)

    serving.store.broken.clear()
    serving.servers.work_soon()
    await serving.settled()

    assert await serving.stored() == {1: None}
    assert serving.gmail(1) is Condition.NOT_CONNECTED


async def test_a_server_that_goes_while_it_is_stored_is_left_in_the_end(serving: Serving) -> None:
    gate = serving.store.before("arrive")
    working = await begun(serving.join(1), gate)

    serving.servers.left(1)
    gate.open()
    await working
    await serving.settled()

    assert list(await serving.stored()) == [1]
    assert (await serving.stored())[1] is not None
    assert serving.gmail(1) is None


async def test_a_server_that_goes_and_comes_back_while_it_is_stored_is_read_again(serving: Serving) -> None:
    await serving.connect(1)
    gate = serving.store.before("arrive")
    working = await begun(serving.join(1), gate)

    serving.servers.left(1)
    serving.servers.arrived([1])
    gate.open()
    await working
    await serving.settled()

    assert await serving.stored() == {1: None}
    assert serving.gmail(1) is Condition.CONNECTED


async def test_a_server_that_comes_back_while_its_leaving_is_stored_is_served(serving: Serving) -> None:
    await serving.join(1)
    gate = serving.store.before("leave")
    working = await begun(serving.part(1), gate)

    serving.servers.arrived([1])
    gate.open()
    await working
    await serving.settled()

    assert await serving.stored() == {1: None}
    assert serving.gmail(1) is Condition.NOT_CONNECTED


async def test_a_shared_users_memory_stays_while_another_served_server_uses_it(shared: Serving) -> None:
    await shared.connect(1)
    await shared.join(1, 2)

    await shared.part(1)
    assert shared.gmail(2) is Condition.CONNECTED

    await shared.part(2)
    assert shared.gmail(2) is None
    assert not shared.ledger.known.tracked


@pytest.mark.parametrize("guild_id", [3, 99])
async def test_to_leave_a_server_that_was_never_served_does_no_harm(shared: Serving, guild_id: int) -> None:
    await shared.join(1)

    await shared.part(guild_id)

    assert await shared.stored() == {1: None}
    assert shared.gmail(1) is Condition.NOT_CONNECTED


# When a shard is ready


def of_shard(shard_id: int, number: int, shard_count: int = 2) -> int:
    """The id of a server of that shard, by Discord's rule."""
    return (number * shard_count + shard_id) << 22 | 5


async def test_a_ready_shard_marks_its_stored_servers_that_the_bot_is_not_in_and_no_others(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAGE", 2)
    before = Serving(engine)
    gone, kept, others = ([of_shard(shard, n) for n in numbers] for shard, numbers in _SHARDS)
    await before.join(*gone, *kept, *others)
    serving = Serving(engine, members=set(kept))  # the next start; those of the other shard are not known yet
    at = serving.clock.go_on(hours=1)

    serving.servers.shard_ready(0, 2)
    await serving.settled()

    assert await serving.stored() == {**dict.fromkeys(gone, at), **dict.fromkeys([*kept, *others])}


_SHARDS = ((0, range(1, 8)), (0, range(8, 11)), (1, range(1, 5)))


async def test_a_server_in_an_outage_is_not_marked(engine: AsyncEngine) -> None:
    await Serving(engine).join(1)
    # It has not arrived, for it is unavailable; but the bot is in it.
    serving = Serving(engine, members={1})

    serving.servers.shard_ready(0, 1)
    await serving.settled()

    assert await serving.stored() == {1: None}


async def test_a_shard_that_was_ready_while_the_database_was_locked_is_looked_at_later(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await Serving(engine).join(1)
    serving = Serving(engine)
    serving.store.broken.add("leave")
    serving.servers.shard_ready(0, 1)
    await serving.settled()
    assert await serving.stored() == {1: None}

    serving.store.broken.clear()
    serving.servers.work_soon()
    await serving.settled()

    assert (await serving.stored())[1] is not None


async def test_a_server_that_is_left_already_keeps_its_time_when_the_shard_is_ready(engine: AsyncEngine) -> None:
    before = Serving(engine)
    await before.join(1)
    await before.part(1)
    stored = await before.stored()
    serving = Serving(engine)
    serving.clock.go_on(days=3)

    serving.servers.shard_ready(0, 1)
    await serving.settled()

    assert await serving.stored() == stored


# Questions


async def test_a_question_about_a_server_that_has_not_come_yet_brings_its_rows(serving: Serving) -> None:
    await serving.connect(1)
    assert serving.members is not None
    serving.members.add(1)

    assert serving.servers.has(1) is None
    await serving.settled()

    has = serving.servers.has(1)
    assert has is not None
    assert has != (NOTHING,) * len(has)


async def test_a_question_about_a_server_that_the_bot_is_not_in_is_not_remembered(serving: Serving) -> None:
    assert serving.servers.has(1) is None
    await serving.settled()

    assert not serving.ledger.known.tracked
    assert await serving.stored() == {}


async def test_without_the_guilds_intent_servers_are_learned_at_the_first_question(engine: AsyncEngine) -> None:
    serving = Serving(engine, members=None)
    await serving.connect(1)

    assert serving.servers.has(1) is None
    await serving.settled()

    assert serving.gmail(1) is Condition.CONNECTED
    assert await serving.stored() == {1: None}


async def test_without_the_guilds_intent_no_server_is_forgotten_by_itself(engine: AsyncEngine) -> None:
    await Serving(engine).join(1)
    serving = Serving(engine, members=None)

    serving.servers.shard_ready(0, 1)
    await serving.settled()

    assert await serving.stored() == {1: None}


async def test_a_question_from_a_thread_without_a_loop_does_not_raise(serving: Serving) -> None:
    await serving.connect(1)
    assert serving.members is not None
    serving.members.add(1)

    assert await asyncio.to_thread(serving.servers.has, 1) is None

    serving.servers.work_soon()  # the next look
    await serving.settled()
    assert await asyncio.to_thread(serving.servers.has, 1) == serving.ledger.known.has(user(1)) != None  # noqa: E711
