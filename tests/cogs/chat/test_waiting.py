"""An answer that takes its time: what is seen meanwhile, and what is left of that when something goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any

import pytest
from simcord.results import InteractionResult, ResponseMessage

from cogs.integrations.chat.answer import PATIENCE_SECONDS
from storage.integrations import Deadline
from tests.conftest import World, card_of, execute, labels_of, live, message_of, shown, synced, text

DATABASE = "Sorry, something is wrong with this bot's database. Reference: `"
# In the place of one and a half: SimCord waits for the real end.
SECONDS = 0.05


class Slow:
    """A database that answers when it is let go."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.go = asyncio.Event()
        self._world = world
        self._monkeypatch = monkeypatch

    def down(self, method: str) -> None:
        """Let a method of the store wait, which SimCord does not wait for."""
        store = live("mirror.ledger").Store
        work = getattr(store, method)

        async def slow(*arguments: Any, **options: Any) -> Any:
            await self._world.env.external_wait(self.go.wait(), reason="the database is slow")
            return await work(*arguments, **options)

        self._monkeypatch.setattr(store, method, slow)
        self._monkeypatch.setattr(live("chat.answer"), "PATIENCE_SECONDS", SECONDS)
        self._monkeypatch.setattr(Deadline, "within", _without_end)

    async def let_go(self) -> None:
        self.go.set()
        await self._world.env.settle()


async def _without_end(_: Deadline, work: Coroutine[Any, Any, Any], __: float | None = None) -> Any:
    # SimCord waits for a deadline that is near, and the database would have ended when it looks.
    return await work


@pytest.fixture
async def slow(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Slow]:
    slow = Slow(world, monkeypatch)
    yield slow
    slow.go.set()


@pytest.fixture
async def card(world: World) -> ResponseMessage:
    world.composio.connect("gmail")
    await synced(world)
    return message_of(await card_of(world, world.admin, "gmail"))


def damage_database() -> None:
    for file in Path.cwd().glob("integrations.db*"):
        file.write_bytes(b"this is no database" * 400)


def messages(world: World) -> list[str]:
    """What everybody reads in the channel."""
    stored = world.env.backend.messages[world.channel.id].values()
    return [message.content for message in stored if not message.is_ephemeral]


def told(result: InteractionResult) -> str:
    """The only thing that was said, to the person alone."""
    [message] = [*([result.response] if result.response else []), *result.followups]
    assert message.ephemeral
    return text(message)


def button(message: ResponseMessage, number: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = message.components[0]["components"][number]
    return found


# A press that the database keeps waiting


async def test_a_switch_that_takes_its_time_says_so_on_the_button(
    world: World, slow: Slow, card: ResponseMessage
) -> None:
    before = text(card)
    slow.down("set_enabled")

    await world.admin.click(card, label="Disable")

    assert PATIENCE_SECONDS < 2
    assert labels_of(card) == ["Working…", "Check now", "Revoke", "Open Composio"]
    assert [button(card, n).get("disabled", False) for n in range(3)] == [True, False, False]
    assert text(card) == before
    await slow.let_go()
    assert labels_of(card) == ["Enable", "Check now", "Revoke", "Open Composio"]
    assert "Switched off here." in text(card)


async def test_a_switch_that_is_moved_at_once_is_answered_in_one_go(world: World, card: ResponseMessage) -> None:
    world.env.http_requests.clear()

    await world.admin.click(card, label="Disable")

    [request] = world.env.http_requests
    assert request.path.endswith("/callback")
    assert labels_of(card) == ["Enable", "Check now", "Revoke", "Open Composio"]


async def test_a_command_that_takes_its_time_is_seen_to_think(
    world: World, slow: Slow, card: ResponseMessage
) -> None:
    slow.down("set_enabled")

    result = await world.admin.slash(world.channel, "integrations toggle", provider="gmail")

    assert result.deferred
    assert result.ephemeral
    await slow.let_go()
    assert "Switched off here." in shown(result)


async def test_a_page_of_the_history_that_takes_its_time_says_so_on_the_button(world: World, slow: Slow) -> None:
    world.composio.connect("gmail")
    await synced(world)
    for _ in range(11):
        await world.manager.slash(world.channel, "integrations toggle", provider="gmail")
    page = message_of(await world.manager.slash(world.channel, "integrations history"))
    assert labels_of(page) == ["Previous", "Next"]
    slow.down("events")

    await world.manager.click(page, label="Next")
    assert labels_of(page) == ["Previous", "Working…"]
    await slow.let_go()

    assert "**Gmail** connected" in text(page)
    assert labels_of(page) == ["Previous", "Next"]


async def test_an_error_gives_a_waiting_button_its_name_back(
    world: World, slow: Slow, card: ResponseMessage
) -> None:
    before = text(card)
    slow.down("set_enabled")
    pressed = await world.admin.click(card, label="Disable")
    damage_database()

    await slow.let_go()

    [error] = pressed.followups
    assert error.ephemeral
    assert error.content.startswith(DATABASE)
    assert text(card) == before
    assert labels_of(card) == ["Disable", "Check now", "Revoke", "Open Composio"]
    assert not button(card).get("disabled", False)


async def test_what_cannot_be_switched_gives_a_waiting_button_its_name_back(
    world: World, slow: Slow, card: ResponseMessage
) -> None:
    slow.down("set_enabled")
    pressed = await world.admin.click(card, label="Disable")
    execute("UPDATE integrations_provider SET state = 'not_connected'")

    await slow.let_go()

    assert "Gmail is not connected" in text(pressed.followups[0])
    assert labels_of(card) == ["Disable", "Check now", "Revoke", "Open Composio"]


async def test_a_name_that_discord_does_not_let_a_button_have_keeps_nobody_from_switching(
    world: World, slow: Slow, card: ResponseMessage
) -> None:
    slow.down("set_enabled")
    world.env.inject_error("POST", "/interactions/*/callback", status=404, code=10008)

    pressed = await world.admin.click(card, label="Disable")
    assert pressed.deferred
    assert labels_of(card) == ["Disable", "Check now", "Revoke", "Open Composio"]
    await slow.let_go()

    assert "Switched off here." in text(card)


# An answer for all that becomes an error for one


async def test_the_error_of_a_sync_is_for_the_person_who_asked(world: World) -> None:
    damage_database()

    result = await world.member.slash(world.channel, "integrations sync")

    assert told(result).startswith(DATABASE)
    assert result.response is None
    assert messages(world) == []


async def test_the_error_of_a_list_is_for_the_person_who_asked(world: World) -> None:
    damage_database()

    assert told(await world.member.slash(world.channel, "integrations list")).startswith(DATABASE)


async def test_a_placeholder_that_cannot_be_deleted_says_that_it_is_over(world: World) -> None:
    damage_database()
    world.env.inject_error("DELETE", "/webhooks/*", status=403, code=50013)

    result = await world.member.slash(world.channel, "integrations sync")

    assert result.response is not None
    assert result.response.content == "This did not work."
    assert [message.content[: len(DATABASE)] for message in result.followups if message.ephemeral] == [DATABASE]
