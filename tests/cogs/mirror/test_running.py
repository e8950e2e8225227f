"""Work that nobody's going away ends, and how it is closed."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from cogs.integrations.mirror import running as module
from cogs.integrations.mirror.running import Run, Running


@pytest.fixture
def running() -> Running:
    return Running()


async def for_ever() -> None:
    await asyncio.Event().wait()


# Closing


async def test_closing_lets_work_end(running: Running) -> None:
    goes_on = asyncio.Event()
    task = running.start(goes_on.wait())
    closing = asyncio.create_task(running.close())
    goes_on.set()

    await closing

    assert task.result() is True


async def test_what_does_not_end_is_cancelled(running: Running) -> None:
    task = running.start(for_ever())

    await running.close(0.01)

    assert task.cancelled()


async def test_what_swallows_its_cancellation_does_not_hold_the_closing(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CANCEL_SECONDS", 0.01)
    goes_on = asyncio.Event()

    async def stubborn() -> None:
        while not goes_on.is_set():
            with suppress(asyncio.CancelledError):
                await goes_on.wait()

    task = running.start(stubborn())
    closing = asyncio.create_task(running.close(0.01))
    closed, _ = await asyncio.wait([closing], timeout=5)
    goes_on.set()
    await asyncio.wait([task, closing])

    assert closed


# Waiting for a run


async def test_a_run_tells_how_far_it_is_and_what_came_of_it(running: Running) -> None:
    reached, goes_on = asyncio.Event(), asyncio.Event()

    async def work(run: Run[str]) -> str:
        run.progress(7, 40)
        reached.set()
        await goes_on.wait()
        return "done"

    run: Run[str] = Run(running, work)
    await reached.wait()
    half = (run.read, run.total, await run.ended(0))
    goes_on.set()

    assert half == (7, 40, False)
    assert await run.ended(5)
    assert await run.report() == "done"


async def test_who_stops_waiting_for_a_run_does_not_stop_it(running: Running) -> None:
    goes_on = asyncio.Event()
    run: Run[bool] = Run(running, lambda _: goes_on.wait())
    waiter = asyncio.create_task(run.report())
    await asyncio.sleep(0)
    waiter.cancel()
    goes_on.set()

    assert await run.report() is True
    assert waiter.cancelled()


async def test_a_run_that_failed_tells_why_to_everybody_who_asks(running: Running) -> None:
    async def work(_: Run[None]) -> None:
        raise LookupError("lost")

    run: Run[None] = Run(running, work)

    assert await run.ended(5)
    for _ in range(2):
        with pytest.raises(LookupError, match="lost"):
            await run.report()
