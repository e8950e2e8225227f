"""Boards when something fails that is no refusal: Discord for a while, the database, or the code itself."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import pytest

from cogs.integrations.chat import boards
from cogs.integrations.chat.posting import Outcome
from cogs.integrations.mirror.errors import StorageUnavailableError
from storage.integrations import State, Wishes
from tests.cogs.chat.test_boards import CHANNEL, OTHER, OUT, Call, Scene, ended, scene
from tests.cogs.mirror.serving import user
from tests.cogs.mirror.stores import row

__all__ = ["scene"]


async def test_what_discord_does_not_do_twice_for_its_own_reasons_stays_where_it_is(scene: Scene) -> None:
    await scene.place()
    scene.discord.next["edit"] = [Outcome.LATER] * 3

    await scene.write(State.NEEDS_RECONNECT)

    await scene.true(OUT)
    assert [call.what for call in scene.discord.calls] == ["send", "edit", "edit", "edit", "edit"]


async def test_an_unexpected_failure_holds_up_no_other_board(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(boards, "WORKERS", 1)
    await scene.serving.store.write([replace(row("github", user=user(2)), revision=0)])
    await scene.serving.join(2)
    await scene.place()
    await scene.boards.place(2, user(2), OTHER, "b2")
    edit = scene.discord.edit

    async def failing(channel_id: int, *what: Any) -> Outcome:
        if channel_id == CHANNEL and not caplog.records:
            raise ValueError("boom")
        return await edit(channel_id, *what)

    monkeypatch.setattr(scene.discord, "edit", failing)
    github = (await scene.serving.store.read(user(2))).get("github")
    await scene.serving.store.write([replace(github, state=State.NEEDS_RECONNECT)])
    await scene.write(State.NEEDS_RECONNECT)
    scene.boards.changed(frozenset([user(2)]))

    await scene.true(OUT)
    await ended(
        lambda: [call.channel_id for call in scene.discord.calls if call.what == "edit"] == [OTHER, CHANNEL]
    )
    assert ["boom" in (record.exc_text or "") for record in caplog.records] == [True]


async def test_a_board_that_could_not_be_stored_is_deleted(scene: Scene) -> None:
    await scene.place()
    first = scene.message_id
    scene.serving.store.broken.add("wish")

    with pytest.raises(StorageUnavailableError):
        await scene.place(OTHER, "b2")

    await ended(lambda: list(scene.discord.messages) == [first])
    assert scene.discord.calls[-1] == Call("delete", OTHER, "102")
    assert scene.message_id == first


@pytest.mark.parametrize("stored", [True, False])
async def test_of_two_boards_the_one_that_is_stored_stays(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    await scene.place()
    wish = scene.serving.ledger.wish

    async def lost(wishes: Wishes, names: Collection[str]) -> None:
        if stored:
            await wish(wishes, names)
        raise StorageUnavailableError("x", unknown=True)

    monkeypatch.setattr(scene.serving.ledger, "wish", lost)
    with pytest.raises(StorageUnavailableError):
        await scene.place(OTHER, "b2")
    monkeypatch.setattr(scene.serving.ledger, "wish", wish)

    await ended(lambda: len(scene.discord.messages) == 1)
    [known] = await scene.serving.store.wishes([1])
    assert list(scene.discord.messages) == [known.board_message_id] == [scene.message_id]
    assert known.board_channel_id == (OTHER if stored else CHANNEL)
