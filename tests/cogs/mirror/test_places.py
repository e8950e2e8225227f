"""Where servers want messages of the bot: what is remembered is what is stored, whoever is faster."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cogs.integrations.mirror.errors import StorageUnavailableError
from storage.integrations import Wishes
from tests.cogs.mirror.serving import Serving, user
from tests.cogs.mirror.stores import Stage

WISHES = Wishes(1, user(1), 5, 6, 7, 8, "f" * 64)


@pytest.fixture
async def serving(engine: AsyncEngine) -> Serving:
    """Serves server 1, which wants both."""
    serving = Serving(engine)
    await serving.store.wish(WISHES)
    await serving.join(1)
    return serving


async def stored(serving: Serving) -> Wishes:
    [found] = await Stage(serving.engine).wishes([1])
    return found


@pytest.mark.parametrize(
    "wanted",
    [{"alert_channel_id": 9, "alert_role_id": None}, {"board_channel_id": 9, "board_message_id": 10}],
)
async def test_what_is_said_before_the_rest_was_read_leaves_the_rest(
    engine: AsyncEngine, wanted: dict[str, Any]
) -> None:
    serving = Serving(engine)
    await serving.store.wish(WISHES)

    wishes = await serving.servers.places.change(1, user(1), **wanted)

    assert wishes == await stored(serving) == WISHES._replace(**wanted)


async def test_a_question_before_it_was_read_reads_it(engine: AsyncEngine) -> None:
    serving = Serving(engine)
    await serving.store.wish(WISHES)

    assert serving.servers.places.of(1) is None
    assert await serving.servers.places.read(1) == WISHES


async def test_what_is_known_is_not_read_again(serving: Serving) -> None:
    await serving.join(2)
    calls = serving.store.calls["wishes"]

    assert await serving.servers.places.read(1) == WISHES
    assert await serving.servers.places.read(2) is None
    assert await serving.servers.places.read(None) is None
    assert serving.store.calls["wishes"] == calls


async def test_an_old_answer_does_not_cover_what_was_said_meanwhile(serving: Serving) -> None:
    places, gate = serving.servers.places, serving.store.after("wishes")
    learning = asyncio.create_task(places.learn([1]))
    await gate.reached.wait()

    changing = asyncio.create_task(places.change(1, user(1), alert_channel_id=9))
    await asyncio.wait([changing], timeout=0.2)  # if it did not wait it would have ended
    gate.open()
    await asyncio.gather(learning, changing)

    assert places.of(1) == await stored(serving) == WISHES._replace(alert_channel_id=9)


@pytest.mark.parametrize("arrived", [True, False])
async def test_after_a_lost_answer_it_is_read_again(serving: Serving, arrived: bool) -> None:
    places = serving.servers.places
    serving.store.lost["wish"] = arrived

    with pytest.raises(StorageUnavailableError):
        await places.change(1, user(1), alert_channel_id=9)

    serving.store.broken.add("wishes")
    with pytest.raises(StorageUnavailableError):
        await places.read(1)
    serving.store.broken.clear()
    assert await places.read(1) == await stored(serving)
    assert places.of(1) == WISHES._replace(alert_channel_id=9 if arrived else 5)


async def test_only_who_says_where_alerts_go_is_told_of(serving: Serving) -> None:
    told: list[int] = []
    serving.servers.places.followers.append(told.append)

    await serving.servers.places.change(1, user(1), board_shown="ab")
    assert told == []

    await serving.servers.places.change(1, user(1), alert_role_id=9)
    assert told == [1]


async def test_a_server_that_is_left_during_a_change_is_not_remembered(serving: Serving) -> None:
    places, gate = serving.servers.places, serving.store.after("wish")
    changing = asyncio.create_task(places.change(1, user(1), alert_channel_id=9))
    await gate.reached.wait()

    serving.servers.left(1)
    gate.open()
    await changing
    await serving.settled()

    assert places.of(1) is None
    assert places.all() == places.of_user(user(1)) == []


async def test_a_server_that_is_left_while_it_is_read_is_not_remembered(engine: AsyncEngine) -> None:
    serving = Serving(engine)
    await serving.store.wish(WISHES)
    gate = serving.store.after("wishes")
    joining = asyncio.create_task(serving.join(1))
    await gate.reached.wait()

    serving.members = set()
    serving.servers.left(1)
    gate.open()
    await joining
    await serving.settled()

    assert serving.servers.places.all() == []


async def test_who_remembers_something_of_a_server_is_told_that_it_was_left(serving: Serving) -> None:
    told: list[int] = []
    serving.servers.on_left.append(told.append)

    await serving.part(1)

    assert told == [1]
