"""Whom the background reads, and what it finds: the real gateway, the stand-in, a database of both kinds."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.sandbox.faults import Meanwhile
from bot.sandbox.standin import StandIn
from cogs.integrations.mirror import rounds
from cogs.integrations.mirror.rounds import LOOK_SECONDS
from storage.integrations import Action, State
from tests.cogs.mirror.backgrounds import INTERVAL, Background, Start, both, hangs, lists, user
from tests.cogs.mirror.stores import Clock
from tests.storage.conftest import on_sqlite


@both
class TestWhoIsRead:
    async def test_is_everybody_who_is_served_with_one_request(
        self, process: Background, standin: StandIn
    ) -> None:
        await process.serve(1, 2, 3)
        standin.connect("gmail", user_id=user(1))
        standin.connect("notion", user_id=user(3))

        await process.rounds.round()

        assert lists(standin) == [{user(1), user(2), user(3)}]
        assert await process.states(1) == {"gmail": State.CONNECTED}
        assert await process.states(2) == {}
        assert await process.states(3) == {"notion": State.CONNECTED}
        assert None not in [await process.checked_at(one) for one in (1, 2, 3)]

    async def test_is_nobody_again_before_the_interval_is_over(
        self, process: Background, standin: StandIn, clock: Clock
    ) -> None:
        await process.serve(1)
        await process.rounds.round()
        before = await process.checked_at(1)

        clock.go_on(seconds=INTERVAL - 10)
        wait = await process.rounds.round()
        assert len(standin.requests) == 1
        assert 0 < wait <= 10

        clock.go_on(seconds=11)
        assert await process.rounds.round() == LOOK_SECONDS
        assert len(standin.requests) == 2
        assert before is not None
        assert (await process.checked_at(1) or before) > before

    async def test_is_each_once_whichever_process_does_it(self, start: Start, standin: StandIn) -> None:
        one, other = start(), start()
        await one.serve(*range(1, 221))

        await asyncio.gather(one.rounds.round(), other.rounds.round())

        named = [name for users in lists(standin) for name in users]
        assert sorted(named) == sorted(user(guild_id) for guild_id in range(1, 221))

    async def test_is_everybody_as_soon_as_the_interval_is_shorter(
        self, start: Start, standin: StandIn, clock: Clock
    ) -> None:
        hourly = start(3600.0)
        await hourly.serve(1)
        await hourly.rounds.round()
        clock.go_on(seconds=300)

        await start(60.0).rounds.round()

        assert len(standin.requests) == 2

    async def test_is_nobody_whose_servers_were_left(
        self, process: Background, standin: StandIn, clock: Clock
    ) -> None:
        await process.serve(1, 2)
        await process.stage.leave([1], clock())

        await process.rounds.round()

        assert lists(standin) == [{user(2)}]

    async def test_is_nobody_of_another_setting(self, process: Background, standin: StandIn, clock: Clock) -> None:
        await process.stage.arrive({1: "another-1", 2: user(2)})

        await process.rounds.round()
        clock.go_on(seconds=INTERVAL + 1)
        await process.rounds.round()

        assert lists(standin) == [{user(2)}, {user(2)}]

    async def test_is_nobody_who_was_just_read_for_a_person(
        self, process: Background, standin: StandIn, clock: Clock
    ) -> None:
        await process.serve(1)
        await process.rounds.round()
        clock.go_on(seconds=INTERVAL / 2)
        await process.service.sync(user(1))
        clock.go_on(seconds=INTERVAL / 2 + 1)

        await process.rounds.round()
        assert len(standin.requests) == 2

        clock.go_on(seconds=INTERVAL)
        await process.rounds.round()
        assert len(standin.requests) == 3

    async def test_is_the_share_of_a_process_that_died_after_an_interval_at_most(
        self, start: Start, standin: StandIn, clock: Clock
    ) -> None:
        dead, alive = start(), start()
        await dead.serve(1)
        arrived = asyncio.Event()
        standin.fail(Meanwhile(hangs(arrived)))
        dying = asyncio.create_task(dead.rounds.round())
        await arrived.wait()
        dying.cancel()
        await asyncio.wait([dying])

        await alive.rounds.round()
        assert len(standin.requests) == 1

        clock.go_on(seconds=INTERVAL)
        await alive.rounds.round()
        assert lists(standin)[-1] == {user(1)}

    async def test_is_everybody_again_when_the_clock_was_put_back(
        self, process: Background, standin: StandIn, clock: Clock
    ) -> None:
        await process.serve(1)
        clock.go_on(days=300)
        await process.rounds.round()

        clock.go_on(days=-300)
        await process.rounds.round()

        assert len(standin.requests) == 2
        assert await process.checked_at(1) == pytest.approx(clock(), abs=timedelta(seconds=5))


@on_sqlite
class TestWhatIsFound:
    async def test_is_told_to_the_host_and_the_history_under_nobody(
        self, process: Background, standin: StandIn
    ) -> None:
        await process.serve(1)
        standin.connect("gmail", user_id=user(1))

        await process.rounds.round()

        [event] = process.notified
        assert (event.provider, event.action, event.person_id, event.guild_id) == (
            "gmail",
            Action.SYNC,
            None,
            None,
        )
        assert await process.stage.events(user(1), None, offset=0, limit=9) == [event]

    async def test_costs_no_write_of_a_row_when_nothing_has_changed(
        self, process: Background, standin: StandIn, clock: Clock
    ) -> None:
        await process.serve(1)
        account = standin.connect("gmail", user_id=user(1))
        await process.rounds.round()
        before = await process.stage.read(user(1))

        clock.go_on(seconds=INTERVAL + 1)
        standin.change(account.id)  # a token was refreshed
        await process.rounds.round()

        after = await process.stage.read(user(1))
        assert after.rows == before.rows
        assert after.revision == before.revision
        assert after.synced_at != before.synced_at

    async def test_is_seen_also_where_nothing_has_changed_at_composio(
        self, process: Background, standin: StandIn, clock: Clock
    ) -> None:
        """A row that somebody has written over is put right."""
        await process.serve(1)
        standin.connect("gmail", user_id=user(1))
        await process.rounds.round()
        row = (await process.stage.read(user(1))).get("gmail")
        await process.stage.write([type(row)(user(1), "gmail", revision=row.revision)])
        assert await process.states(1) == {}

        clock.go_on(seconds=INTERVAL + 1)
        await process.rounds.round()

        assert await process.states(1) == {"gmail": State.CONNECTED}

    async def test_is_discarded_when_a_person_has_synced_meanwhile(
        self, process: Background, standin: StandIn, clock: Clock
    ) -> None:
        await process.serve(1)
        account = standin.connect("gmail", user_id=user(1))
        await process.rounds.round()
        clock.go_on(seconds=INTERVAL + 1)

        async def a_person_syncs() -> None:
            standin.remove(account.id)
            await process.service.sync(user(1))

        standin.fail(Meanwhile(a_person_syncs))
        await process.rounds.round()

        assert len(standin.requests) == 3
        assert await process.states(1) == {}

    async def test_does_not_wait_for_a_read_that_hangs(self, process: Background, standin: StandIn) -> None:
        await process.serve(1)
        standin.connect("gmail", user_id=user(1))
        arrived = asyncio.Event()
        standin.fail(Meanwhile(hangs(arrived)))
        hanging = asyncio.create_task(process.rounds.round())
        await arrived.wait()

        report = await process.service.sync(user(1))

        assert report.plan.added == ("gmail",)
        await hanging

    async def test_is_newer_than_what_a_person_read_before(
        self, process: Background, standin: StandIn, clock: Clock
    ) -> None:
        """A person's read hangs; meanwhile the background sees that all is well again."""
        await process.serve(1)
        account = standin.connect("gmail", user_id=user(1))
        await process.rounds.round()
        clock.go_on(seconds=INTERVAL + 1)
        standin.expire(account.id)

        async def it_works_again() -> None:
            standin.change(account.id, status="ACTIVE", status_reason=None)
            await process.rounds.round()

        standin.fail(Meanwhile(it_works_again))
        await process.service.sync(user(1))

        assert await process.states(1) == {"gmail": State.CONNECTED}
        assert [event.after.value for event in process.notified] == ["connected"]


@on_sqlite
class TestByItself:
    async def test_it_goes_round_again_and_again(
        self, process: Background, standin: StandIn, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rounds, "SOON_SECONDS", 0.0)
        monkeypatch.setattr(rounds, "LOOK_SECONDS", 0.05)
        await process.serve(1)
        process.rounds.start()

        async with asyncio.timeout(10):
            for number in (1, 2, 3):
                while len(process.heard.read) < number:  # noqa: ASYNC110 – it is the background that does it
                    await asyncio.sleep(0.01)
                clock.go_on(seconds=INTERVAL + 1)

        assert len(standin.requests) >= 3

    async def test_an_end_cuts_off_a_read_that_hangs(
        self, process: Background, standin: StandIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rounds, "SOON_SECONDS", 0.0)
        before = asyncio.all_tasks()
        arrived = asyncio.Event()
        await process.serve(1)
        standin.fail(Meanwhile(hangs(arrived)))
        process.rounds.start()
        await arrived.wait()

        await process.rounds.close()

        left = [task for task in asyncio.all_tasks() - before if "rounds" in repr(task)]
        assert left == []
