"""How boards are kept true over a real database, by a Discord that does what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple, cast

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from cogs.integrations.chat import board, boards
from cogs.integrations.chat.answer import Answer
from cogs.integrations.chat.boards import Boards
from cogs.integrations.chat.posting import Outcome, Posted
from cogs.integrations.chat.standing import FIRST_PAUSE, pause
from cogs.integrations.mirror.catalog import DEFAULT
from cogs.integrations.mirror.errors import StorageUnavailableError
from cogs.integrations.mirror.freshness import Freshness
from storage.integrations import Mirror, State, Wishes
from tests.cogs.chat.stage import DASHBOARD, NOON, USER, written
from tests.cogs.mirror.serving import Serving, user
from tests.cogs.mirror.stores import Gate, row

LATE = NOON + timedelta(hours=3)
CHANNEL, OTHER = 70, 71


class Call(NamedTuple):
    """What Discord was asked."""

    what: str
    channel_id: int
    about: str = ""


class Scripted:
    """A Discord that does what it is asked, unless there is an outcome in ``next``."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.next: dict[str, list[Outcome]] = {"send": [], "edit": [], "delete": [], "find": []}
        self.messages: dict[int, str] = {}
        self.gate = Gate()
        self._called = asyncio.Event()

    async def _play(self, what: str, channel_id: int, about: str = "") -> Outcome:
        self.calls.append(Call(what, channel_id, about))
        self._called.set()
        await self.gate.passed()
        return self.next[what].pop(0) if self.next[what] else Outcome.DONE

    async def send(self, _guild_id: int, channel_id: int, answer: Answer, *, nonce: str) -> Posted:
        outcome = await self._play("send", channel_id, nonce)
        if outcome not in (Outcome.DONE, Outcome.UNCLEAR):
            return Posted(outcome)
        message_id = 100 + len(self.calls)
        self.messages[message_id] = written(answer)
        return Posted(outcome, message_id if outcome is Outcome.DONE else None)

    async def edit(self, channel_id: int, message_id: int, answer: Answer) -> Outcome:
        outcome = await self._play("edit", channel_id, str(message_id))
        if outcome is Outcome.DONE:
            self.messages[message_id] = written(answer)
        return outcome

    async def delete(self, channel_id: int, message_id: int) -> Outcome:
        outcome = await self._play("delete", channel_id, str(message_id))
        if outcome is Outcome.DONE:
            self.messages.pop(message_id, None)
        return outcome

    async def find(self, channel_id: int, _since: datetime, mark: str) -> Posted:
        outcome = await self._play("find", channel_id, mark)
        return Posted(outcome, max(self.messages) if outcome is Outcome.DONE else None)

    async def asked(self, *expected: str) -> None:
        """Return when it was asked exactly these, one after the other."""
        async with asyncio.timeout(5):
            while len(self.calls) < len(expected):
                self._called.clear()
                await self._called.wait()
        assert [call.what for call in self.calls] == list(expected)


class Scene:
    """Server 1, its GitHub row, and what keeps its board."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.serving = Serving(engine)
        self.discord = Scripted()
        self.now = NOON
        freshness = Freshness(900, lambda: self.now)
        self.boards = Boards(
            service=cast("Any", Look(self.serving)),
            servers=self.serving.servers,
            poster=cast("Any", self.discord),
            render=partial(board.render, DEFAULT, freshness, DASHBOARD),
        )
        self.serving.servers.on_arrived.append(self.boards.arrived)

    @property
    def wishes(self) -> Wishes:
        found = self.serving.servers.places.of(1)
        assert found is not None
        return found

    async def place(self, channel_id: int = CHANNEL, mark: str = "a1") -> Posted:
        return await self.boards.place(1, user(1), channel_id, mark)

    async def write(self, state: State) -> None:
        """Store a state, as anybody does, and tell."""
        now = (await self.serving.store.read(user(1))).get("github")
        await self.serving.store.write([replace(now, state=state)])
        self.boards.changed(frozenset([user(1)]))

    async def true(self, said: str) -> None:
        """Return when the board that is stored says so."""
        await ended(lambda: said in self.discord.messages.get(self.message_id or 0, ""))

    @property
    def message_id(self) -> int | None:
        found = self.serving.servers.places.of(1)
        return found.board_message_id if found else None


class Look:
    """The use case of looking."""

    def __init__(self, serving: Serving) -> None:
        self._serving = serving
        self.looks = 0

    async def look(self, composio_user_id: str, guild_id: int) -> Mirror:
        self.looks += 1
        return await self._serving.ledger.read(composio_user_id, guild_id)


@pytest.fixture
async def scene(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    """One edit in a twentieth of a second, and no longer pauses."""
    monkeypatch.setattr(boards, "GAP_SECONDS", 0.05)
    monkeypatch.setattr(boards, "pause", lambda _: 0.1)
    scene = Scene(engine)
    await scene.serving.store.write([replace(row("github", user=user(1)), revision=0)])
    await scene.serving.join(1)
    yield scene
    scene.discord.gate.open()
    await scene.boards.close()


WORKING, OUT = "🟢 **GitHub** · Connected", "🟠 **GitHub** · Needs reconnecting"


async def test_a_change_during_an_edit_ends_up_on_the_board(scene: Scene) -> None:
    await scene.place()
    scene.discord.gate.close()
    await scene.write(State.NEEDS_RECONNECT)
    await scene.discord.asked("send", "edit")

    await scene.write(State.NOT_CONNECTED)
    await scene.write(State.CONNECTED)
    scene.discord.gate.open()

    await scene.discord.asked("send", "edit", "edit")
    await scene.true(WORKING)


async def test_a_change_while_it_is_posted_ends_up_on_the_board(scene: Scene) -> None:
    scene.discord.gate.close()
    placing = asyncio.create_task(scene.place())
    await scene.discord.asked("send")

    await scene.write(State.NEEDS_RECONNECT)
    scene.discord.gate.open()
    await placing

    await scene.true(OUT)


async def test_changes_are_an_edit_at_once_and_one_after_the_gap(scene: Scene, monkeypatch: Any) -> None:
    await scene.place()
    await scene.write(State.NEEDS_RECONNECT)
    await scene.true(OUT)
    monkeypatch.setattr(boards, "GAP_SECONDS", 3600)
    await asyncio.sleep(0.06)
    await scene.write(State.CONNECTED)
    await scene.true(WORKING)

    await scene.write(State.NEEDS_RECONNECT)
    await asyncio.sleep(0.06)

    assert [call.what for call in scene.discord.calls] == ["send", "edit", "edit"]


async def test_what_was_refused_twice_is_posted_anew(scene: Scene) -> None:
    await scene.place()
    scene.discord.next["edit"] = [Outcome.REFUSED, Outcome.REFUSED]

    await scene.write(State.NEEDS_RECONNECT)

    await scene.discord.asked("send", "edit", "edit", "send", "delete")
    await scene.true(OUT)
    assert list(scene.discord.messages) == [scene.message_id]


async def test_after_an_unclear_send_it_is_looked_for_before_it_is_sent_again(scene: Scene) -> None:
    await scene.place()
    scene.discord.next["edit"] = [Outcome.REFUSED, Outcome.REFUSED]
    scene.discord.next["send"] = [Outcome.UNCLEAR]

    await scene.write(State.NEEDS_RECONNECT)

    await scene.discord.asked("send", "edit", "edit", "send", "find", "delete", "edit")
    await scene.true(OUT)
    assert list(scene.discord.messages) == [scene.message_id]


async def test_what_is_not_found_is_sent_again_with_the_same_nonce(scene: Scene) -> None:
    scene.discord.next["send"], scene.discord.next["find"] = [Outcome.UNCLEAR], [Outcome.MESSAGE_GONE]

    posted = await scene.place(mark="5f")

    assert posted.outcome is Outcome.DONE
    assert [call for call in scene.discord.calls if call.what == "send"] == [Call("send", CHANNEL, "5f")] * 2


async def test_an_unclear_command_leaves_the_old_board_where_it_was(scene: Scene) -> None:
    await scene.place()
    before = scene.message_id
    scene.discord.next["send"], scene.discord.next["find"] = [Outcome.UNCLEAR] * 2, [Outcome.UNCLEAR]

    posted = await scene.place(OTHER, mark="b2")

    assert posted.outcome is Outcome.UNCLEAR
    assert scene.message_id == before


async def test_a_new_one_that_could_not_be_stored_is_found_and_stored_later(scene: Scene) -> None:
    await scene.place()
    first = scene.message_id
    scene.discord.next["edit"] = [Outcome.REFUSED, Outcome.REFUSED]
    scene.serving.store.broken.add("wish")
    await scene.write(State.NEEDS_RECONNECT)
    await ended(lambda: scene.serving.store.calls["wish"] == 2)
    assert scene.message_id == first

    scene.serving.store.broken.clear()
    await scene.discord.asked("send", "edit", "edit", "send", "find", "delete", "edit")

    assert scene.message_id != first
    await scene.true(OUT)


async def test_two_moves_at_once_leave_one_board(scene: Scene) -> None:
    await asyncio.gather(scene.place(CHANNEL, "a1"), scene.place(OTHER, "b2"))

    await scene.discord.asked("send", "send", "delete")
    assert list(scene.discord.messages) == [scene.message_id]
    assert scene.wishes.board_channel_id == OTHER


@pytest.mark.parametrize("outcome", [Outcome.MESSAGE_GONE, Outcome.CHANNEL_GONE])
async def test_what_is_gone_is_wanted_no_more(scene: Scene, outcome: Outcome) -> None:
    await scene.place()
    scene.discord.next["edit"] = [outcome]

    await scene.write(State.NEEDS_RECONNECT)
    await scene.discord.asked("send", "edit")
    await ended(lambda: scene.message_id is None)

    assert await scene.serving.store.wishes([1]) == []


@pytest.mark.parametrize("by_channel", [True, False])
async def test_what_discord_says_is_deleted_is_wanted_no_more(scene: Scene, by_channel: bool) -> None:
    await scene.place()

    scene.boards.deleted(1, [5])
    scene.boards.deleted(2, [CHANNEL])
    assert scene.message_id
    scene.boards.deleted(1, [CHANNEL if by_channel else scene.message_id])
    await ended(lambda: scene.message_id is None)

    assert [call.what for call in scene.discord.calls] == ["send"]


async def test_a_deletion_that_cannot_be_stored_is_stored_later(scene: Scene) -> None:
    await scene.place()
    scene.serving.store.broken.add("wish")
    scene.boards.deleted(1, [CHANNEL])
    await ended(lambda: scene.serving.store.calls["wish"] > 2)

    scene.serving.store.broken.clear()

    await ended(lambda: scene.message_id is None)


async def ended(condition: Callable[[], bool]) -> None:
    """Return when it is so."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 – of what is stored nobody is told
            await asyncio.sleep(0)


async def test_a_server_that_was_left_is_edited_no_more(scene: Scene) -> None:
    await scene.place()
    await scene.serving.part(1)

    await scene.write(State.NEEDS_RECONNECT)
    scene.boards.changed(None)
    await asyncio.sleep(0.06)

    assert [call.what for call in scene.discord.calls] == ["send"]


async def test_a_server_that_is_left_during_an_edit_keeps_what_is_stored(scene: Scene) -> None:
    await scene.place()
    [before] = await scene.serving.store.wishes([1])
    scene.discord.gate.close()
    await scene.write(State.NEEDS_RECONNECT)
    await scene.discord.asked("send", "edit")

    await scene.serving.part(1)
    scene.discord.gate.open()
    await scene.boards.close()

    assert await scene.serving.store.wishes([1]) == [before]
    assert scene.serving.servers.places.of(1) is None


async def test_a_channel_that_opens_is_looked_at_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    await scene.place()
    scene.discord.next["edit"] = [Outcome.CLOSED]
    monkeypatch.setattr(boards, "pause", lambda _: 3600.0)
    await scene.write(State.NEEDS_RECONNECT)
    await scene.discord.asked("send", "edit")

    scene.boards.opened(2)
    scene.boards.opened(1)

    await scene.true(OUT)


def test_the_pause_has_an_end() -> None:
    assert [pause(failures) for failures in (1, 2, 9, 10, 100_000)] == [FIRST_PAUSE, 20, 2560, 3600, 3600]


async def test_a_stale_board_is_fresh_when_others_have_checked_though_memory_knew_it_already(scene: Scene) -> None:
    store, ledger = scene.serving.store, scene.serving.ledger
    ledger.checks.on_checked = scene.boards.checked
    await store.record_sync(await store.read(user(1)), [], NOON)
    scene.now = LATE
    await scene.place()
    await scene.true("⚠️ Not checked since")

    await store.record_sync(await store.read(user(1)), [], LATE)
    await ledger.read(user(1), 1)  # somebody has a look
    await ledger.checks.learn(LATE)

    await scene.true(f"Checked <t:{int(LATE.timestamp())}:R>")


async def test_a_choice_and_an_edit_at_once_lose_nothing(scene: Scene) -> None:
    places = scene.serving.servers.places

    await asyncio.gather(
        *(places.change(1, user(1), **wanted) for wanted in ({"alert_channel_id": 5}, {"board_shown": "ab"}))
    )

    [stored] = await scene.serving.store.wishes([1])
    assert (stored.alert_channel_id, stored.board_shown) == (5, "ab")
    assert places.of(1) == stored


async def test_a_board_cannot_be_posted_while_the_database_is_away(scene: Scene) -> None:
    scene.serving.store.broken.add("*")

    with pytest.raises(StorageUnavailableError):
        await scene.place()

    assert scene.discord.calls == []


async def test_what_nothing_changes_costs_nothing(scene: Scene) -> None:
    await scene.place()
    await asyncio.sleep(0.06)
    calls = scene.serving.store.calls.copy()

    scene.boards.checked([user(2), USER])
    scene.boards.changed(frozenset([user(2)]))
    await asyncio.sleep(0.06)

    assert scene.serving.store.calls == calls
