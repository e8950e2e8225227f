"""What the background does not believe, and what it does when Composio or the database fails."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from bot.sandbox.faults import Alter, Cut, Refuse, Reset
from bot.sandbox.standin import StandIn
from cogs.integrations.composio.budget import Budget
from cogs.integrations.composio.gateway import ComposioGateway
from cogs.integrations.mirror.batch import DOUBT
from cogs.integrations.mirror.rounds import FIRST_PAUSE, LAST_PAUSE, LOOK_SECONDS
from storage.integrations import State
from tests.cogs.conftest import KEY
from tests.cogs.mirror.backgrounds import INTERVAL, Background, Start, both, lists, user
from tests.cogs.mirror.stores import Clock
from tests.storage.conftest import on_sqlite


@both
class TestASuddenLoss:
    @pytest.fixture
    async def connected(self, process: Background, standin: StandIn, clock: Clock) -> Background:
        """Gmail and Notion are connected, and the next read is due."""
        await process.serve(1)
        for toolkit in ("gmail", "notion"):
            standin.connect(toolkit, user_id=user(1))
        await process.rounds.round()
        clock.go_on(seconds=INTERVAL + 1)
        process.notified.clear()
        return process

    async def test_is_believed_when_it_is_seen_twice(
        self, connected: Background, standin: StandIn, clock: Clock
    ) -> None:
        before = await connected.checked_at(1)
        standin.accounts.clear()

        assert await connected.rounds.round() == pytest.approx(LOOK_SECONDS, abs=2)
        assert set(await connected.states(1)) == {"gmail", "notion"}
        assert await connected.checked_at(1) == before
        assert connected.heard.doubted == [user(1)]

        clock.go_on(seconds=DOUBT.total_seconds() + 2)
        await connected.rounds.round()
        assert await connected.states(1) == {}
        assert {event.provider for event in connected.notified} == {"gmail", "notion"}

    async def test_is_believed_by_another_process_too(
        self, connected: Background, start: Start, standin: StandIn, clock: Clock
    ) -> None:
        standin.accounts.clear()
        await connected.rounds.round()

        clock.go_on(seconds=DOUBT.total_seconds() + 2)
        await start().rounds.round()

        assert await connected.states(1) == {}

    async def test_is_forgotten_when_everything_is_there_again(
        self, connected: Background, standin: StandIn, clock: Clock
    ) -> None:
        kept = dict(standin.accounts)
        standin.accounts.clear()
        await connected.rounds.round()
        standin.accounts.update(kept)
        clock.go_on(seconds=DOUBT.total_seconds() + 2)
        await connected.rounds.round()

        standin.accounts.clear()
        clock.go_on(seconds=INTERVAL + 1)
        await connected.rounds.round()

        assert set(await connected.states(1)) == {"gmail", "notion"}

    async def test_is_another_one_when_something_else_is_lost(
        self, connected: Background, standin: StandIn, clock: Clock
    ) -> None:
        standin.accounts.clear()
        await connected.rounds.round()
        for toolkit in ("gmail", "linear"):
            standin.connect(toolkit, user_id=user(1))
        await connected.service.sync(user(1))
        standin.accounts.clear()
        clock.go_on(seconds=INTERVAL + 1)

        await connected.rounds.round()

        assert set(await connected.states(1)) == {"gmail", "linear"}

    async def test_is_stored_when_a_person_syncs(self, connected: Background, standin: StandIn) -> None:
        standin.accounts.clear()

        await connected.service.sync(user(1))

        assert await connected.states(1) == {}

    async def test_of_one_of_two_is_stored(self, connected: Background, standin: StandIn) -> None:
        standin.remove(next(iter(standin.accounts)))

        await connected.rounds.round()

        assert len(await connected.states(1)) == 1

    async def test_is_no_loss_where_composio_names_a_reason(self, connected: Background, standin: StandIn) -> None:
        for account_id in standin.accounts:
            standin.expire(account_id)

        await connected.rounds.round()

        assert set((await connected.states(1)).values()) == {State.NEEDS_RECONNECT}

    async def test_of_the_only_one_is_seen_by_asking_for_that_user_alone(
        self, process: Background, standin: StandIn, clock: Clock
    ) -> None:
        await process.serve(1, 2)
        standin.connect("gmail", user_id=user(1))
        await process.rounds.round()
        clock.go_on(seconds=INTERVAL + 1)
        standin.fail(Alter(lambda body: body.update(items=[], total_items=0)))

        await process.rounds.round()

        assert lists(standin)[-1] == {user(1)}
        assert await process.states(1) == {"gmail": State.CONNECTED}


@on_sqlite
class TestAFailure:
    async def test_changes_nothing_and_is_said_once(
        self, process: Background, standin: StandIn, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        await process.serve(1)
        standin.connect("gmail", user_id=user(1))
        standin.fail(Reset(), times=None)

        assert await process.rounds.round() == FIRST_PAUSE
        for _ in range(240):
            clock.go_on(seconds=30)
            await process.rounds.round()

        assert len(standin.requests) < 12  # in two hours
        assert await process.checked_at(1) is None
        assert len([line for line in caplog.messages if "cannot be read" in line or "could not" in line]) == 1

        clock.go_on(seconds=LAST_PAUSE)
        standin.clear_faults()
        await process.rounds.round()
        assert caplog.messages.count("composio can be read again") == 1
        assert await process.states(1) == {"gmail": State.CONNECTED}

        standin.fail(Reset(), times=None)
        clock.go_on(seconds=INTERVAL + 1)
        assert await process.rounds.round() == FIRST_PAUSE

    async def test_waits_as_long_as_composio_asks_for(self, process: Background, standin: StandIn) -> None:
        await process.serve(1)
        standin.fail(Refuse(429, headers={"Retry-After": "5000"}))

        assert await process.rounds.round() == 5000

    async def test_of_the_key_ends_the_round(self, process: Background, standin: StandIn) -> None:
        await process.serve(*range(1, 201))
        standin.api_key = "another"

        assert await process.rounds.round() == FIRST_PAUSE

        assert len(standin.requests) <= 4
        [told, *_] = process.heard.unread
        assert told[0] is None

    async def test_of_one_batch_holds_up_no_other(
        self, process: Background, standin: StandIn, clock: Clock
    ) -> None:
        await process.serve(*range(1, 151))
        standin.fail(Cut(40))

        await process.rounds.round()
        read = [guild_id for guild_id in range(1, 151) if await process.checked_at(guild_id)]
        assert len(read) == 100

        clock.go_on(seconds=FIRST_PAUSE + 1)
        standin.requests.clear()
        await process.rounds.round()
        assert [len(users) for users in lists(standin)] == [25, 25]
        assert None not in [await process.checked_at(guild_id) for guild_id in range(1, 151)]

    async def test_of_a_user_whom_composio_refuses_is_nobody_elses(
        self, process: Background, standin: StandIn, clock: Clock
    ) -> None:
        await process.serve(1, 2, 3)
        standin.refused_users = {user(2)}

        await process.rounds.round()

        assert await process.checked_at(2) is None
        assert None not in (await process.checked_at(1), await process.checked_at(3))
        assert [users for users, _ in process.heard.unread] == [[user(2)]]

    async def test_of_the_budget_waits_for_the_next_minute(self, start: Start, standin: StandIn) -> None:
        gateway = ComposioGateway(api_key=KEY, base_url=standin.base_url, budget=Budget(10))
        process = start(through=gateway)
        await process.serve(*range(1, 1001))

        wait = await process.rounds.round()

        assert 50 < wait <= 60
        assert len(standin.requests) == 9
        await process.service.sync(user(1))
        await gateway.close()

    async def test_of_the_budget_in_the_middle_of_a_batch_makes_the_next_one_smaller(
        self, start: Start, standin: StandIn, clock: Clock
    ) -> None:
        gateway = ComposioGateway(api_key=KEY, base_url=standin.base_url, budget=Budget(10, window=0.01))
        process = start(through=gateway)
        await process.serve(*range(1, 31))
        standin.names_users = False

        for _ in range(8):
            await process.rounds.round()
            clock.go_on(seconds=LAST_PAUSE)
            await asyncio.sleep(0.02)  # the budget's window, by the event loop's clock

        assert None not in [await process.checked_at(guild_id) for guild_id in range(1, 31)]
        await gateway.close()

    async def test_of_the_key_in_the_second_look_ends_the_round(
        self, process: Background, standin: StandIn, clock: Clock
    ) -> None:
        await process.serve(1)
        account = standin.connect("gmail", user_id=user(1))
        await process.rounds.round()
        standin.remove(account.id)
        clock.go_on(seconds=INTERVAL + 1)
        standin.fail(Refuse(429, headers={"Retry-After": "5000"}), skip=1)

        assert await process.rounds.round() == 5000

    async def test_of_a_user_who_cannot_be_stored_is_nobody_elses(
        self, process: Background, standin: StandIn, clock: Clock
    ) -> None:
        await process.serve(1, 2, 3)
        for guild_id in (1, 2, 3):
            standin.connect("gmail", user_id=user(guild_id))
        before_all_times = "0001-01-01T00:00:00+01:00"

        def ruin(body: Any) -> None:
            [item] = [item for item in body["items"] if item["user_id"] == user(2)]
            item["created_at"] = item["updated_at"] = before_all_times

        standin.fail(Alter(ruin), times=None)
        await process.rounds.round()

        assert await process.states(1) == await process.states(3) == {"gmail": State.CONNECTED}
        assert None not in (await process.checked_at(1), await process.checked_at(3))

    async def test_of_a_commit_whose_answer_is_lost_hides_nothing_from_the_host(
        self, process: Background, standin: StandIn
    ) -> None:
        await process.serve(1)
        standin.connect("gmail", user_id=user(1))
        process.stage.lost["record_sync"] = True

        await process.rounds.round()

        assert [event.provider for event in process.notified] == ["gmail"]
        assert await process.states(1) == {"gmail": State.CONNECTED}

    async def test_of_the_database_leaves_the_turn_to_the_next(
        self, process: Background, standin: StandIn, clock: Clock
    ) -> None:
        await process.serve(1)
        standin.connect("gmail", user_id=user(1))
        process.stage.broken = {"record_sync"}
        await process.rounds.round()
        assert await process.checked_at(1) is None

        process.stage.broken = set()
        clock.go_on(seconds=INTERVAL)
        await process.rounds.round()

        assert await process.states(1) == {"gmail": State.CONNECTED}
