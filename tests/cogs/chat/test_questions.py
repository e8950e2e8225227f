"""A question that waits for an answer: who may give one, and what becomes of it when the bot stops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import discord
import pytest
from simcord.results import ResponseMessage

from bot.client import EXTENSION
from bot.sandbox.faults import Meanwhile
from cogs.integrations.chat.answer import Answer, Reply
from cogs.integrations.chat.buttons import ActionButton
from cogs.integrations.chat.questions import Question, Questions
from tests.cogs.chat.stage import Kept
from tests.cogs.chat.test_waiting import button, told
from tests.conftest import GUILD_ID, World, live, message_of, shown, synced, text

OVER = "This question is over. Ask again with `/integrations revoke`."
STOPPED = "The bot was stopped before you answered. Nothing was revoked."


@pytest.fixture
async def world(world: World) -> World:
    """With two apps that can be revoked."""
    world.composio.connect("github")
    world.composio.connect("gmail")
    await synced(world)
    return world


async def ask(world: World, provider: str = "github") -> ResponseMessage:
    return message_of(await world.admin.slash(world.channel, "integrations revoke", provider=provider))


def forged(world: World, custom_id: str) -> ResponseMessage:
    """A message that everybody sees, with a button that reads like that."""
    [stored, *_] = world.env.backend.messages[world.channel.id].values()
    stored.components = [
        {"type": 1, "components": [{"type": 2, "style": 2, "label": "x", "custom_id": custom_id}]}
    ]
    return ResponseMessage(world.env, stored)


def question(confirmed: Callable[[Reply], Awaitable[None]]) -> Question:
    return Question(
        command="revoke",
        embed=discord.Embed(),
        label="Revoke",
        otherwise="Nothing was revoked.",
        confirmed=confirmed,
    )


async def nothing(_: Reply) -> None:
    raise AssertionError


def argument(asked: Kept) -> str:
    """What the buttons of a question carry."""
    assert asked.answer.view is not None
    [argument] = {item.argument for item in asked.answer.view.children if isinstance(item, ActionButton)}
    return argument


def asked_for(question: ResponseMessage, number: int = 0) -> str:
    return str(button(question, number)["custom_id"])


async def test_a_press_by_somebody_else_is_answered_and_does_nothing(world: World) -> None:
    question = await ask(world)
    other = world.guild.add_member(world.env.create_user("eve"), roles=[world.guild.roles["Administrators"]])

    for number in (0, 1):
        public = forged(world, asked_for(question, number))
        pressed = await other.click(public, custom_id=asked_for(question, number))
        assert told(pressed) == "Only the person who was asked may answer."

    assert len(world.composio.accounts) == 2
    await world.admin.click(question, label="Revoke 1 account")
    assert "GitHub revoked" in text(question)


async def test_the_same_person_in_another_server_is_somebody_else() -> None:
    questions, asked, press = Questions(), Kept(), Kept()
    await questions.ask(asked, question(nothing))
    press.person.guild_id = GUILD_ID + 1

    await questions.answered(press, argument(asked), yes=True)

    assert press.answer.text == "Only the person who was asked may answer."
    await questions.close()


async def test_an_answer_that_was_made_up_is_told_that_nothing_is_asked(world: World) -> None:
    for custom_id in ("integrations:confirm:revoke:0123", "integrations:cancel:revoke:0123"):
        assert told(await world.admin.click(forged(world, custom_id), custom_id=custom_id)) == OVER


async def test_the_second_of_two_clicks_is_told_nothing_false() -> None:
    questions, asked, first, second, late = Questions(), Kept(), Kept(), Kept(), Kept()

    async def revoked(press: Reply) -> None:
        await press.progress("Revoking…")
        await questions.answered(second, argument(asked), yes=True)
        await press.show(Answer(text="Revoked."))

    await questions.ask(asked, question(revoked))
    await questions.answered(first, argument(asked), yes=True)
    await questions.answered(late, argument(asked), yes=False)

    assert [answer.text for answer in first.person.told] == ["Revoking…", "Revoked."]
    for press in (second, late):
        assert [answer.text for answer in press.person.told] == ["You have answered this question already."]
    await questions.close()


async def test_who_may_not_any_more_is_told_in_place_of_the_question(world: World) -> None:
    question = await ask(world)
    world.env.backend.delete_role(world.guild.id, world.guild.roles["Administrators"].id)
    await world.env.settle()

    await world.admin.click(question, label="Revoke 1 account")

    assert text(question) == "Only an administrator may do this."
    assert question.components == []
    assert len(world.composio.accounts) == 2


# The bot stops


async def test_all_open_questions_are_taken_back_when_the_bot_stops(world: World) -> None:
    questions = [await ask(world), await ask(world, "gmail")]

    await world.env.bot.close()

    assert [text(question) for question in questions] == [STOPPED, STOPPED]
    assert [question.components for question in questions] == [[], []]


async def test_what_was_answered_is_not_taken_back(world: World) -> None:
    question = await ask(world)
    await world.admin.click(question, label="Cancel")

    await world.env.bot.unload_extension(EXTENSION)  # type: ignore[attr-defined]

    assert text(question) == "Cancelled. Nothing was revoked."


class Closing:
    """A bot that is stopped while Composio answers it, which it does when the bot waits for it."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waits = asyncio.Event()
        self._asked = asyncio.Event()
        self._world = world
        running = live("mirror.running").Running
        close = running.close

        async def closed(itself: Any) -> None:
            self.waits.set()
            await close(itself)

        monkeypatch.setattr(running, "close", closed)
        world.composio.fail(Meanwhile(self._hold))

    async def _hold(self) -> None:
        self._asked.set()
        await self.waits.wait()

    async def unload(self) -> None:
        await self._asked.wait()
        await self._world.env.bot.unload_extension(EXTENSION)  # type: ignore[attr-defined]


async def test_a_question_that_is_asked_while_the_bot_stops_is_taken_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, _ = await asyncio.gather(ask(world), Closing(world, monkeypatch).unload())

    assert text(asked) == STOPPED
    assert asked.components == []


async def test_a_question_is_taken_back_before_the_bot_waits_for_what_is_under_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, closing = await ask(world), Closing(world, monkeypatch)

    async def read() -> str:
        await closing.waits.wait()
        return text(asked)

    sync = world.admin.slash(world.channel, "integrations sync")
    synced, then, _ = await asyncio.gather(sync, read(), closing.unload())

    assert then == STOPPED
    assert shown(synced).startswith("Already up to date")


async def test_a_discord_that_does_not_answer_holds_nobody_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask(world)
    await ask(world, "gmail")
    reply, questions = live("chat.answer").Reply, live("chat.questions")
    cancelled: list[Any] = []

    async def silent(itself: Any, _answer: Any) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(itself)
            raise

    monkeypatch.setattr(reply, "show", silent)
    assert questions.CLOSE_SECONDS == 2
    monkeypatch.setattr(questions, "CLOSE_SECONDS", 0.05)
    before, begun = asyncio.all_tasks(), time.perf_counter()

    await world.env.bot.unload_extension(EXTENSION)  # type: ignore[attr-defined]

    assert time.perf_counter() - begun < 2
    assert len(cancelled) == 2
    assert asyncio.all_tasks() <= before


async def test_a_question_that_discord_does_not_let_us_take_back_keeps_nobody_from_the_others(
    world: World,
) -> None:
    first, second = await ask(world), await ask(world, "gmail")
    world.env.inject_error("PATCH", "/webhooks/*", status=404, code=10008)

    await world.env.bot.unload_extension(EXTENSION)  # type: ignore[attr-defined]

    assert [text(first), text(second)].count(STOPPED) == 1


async def test_after_a_crash_the_buttons_say_that_the_question_is_over(world: World) -> None:
    question = await ask(world)
    world.env.inject_error("*", "/webhooks/*", status=404, code=10015, times=None)
    await world.restart()
    world.env.backend.faults.clear()
    assert "Revoke GitHub?" in text(question)

    for label in ("Revoke 1 account", "Cancel"):
        pressed = await world.admin.click(question, label=label)
        assert shown(pressed) == OVER
        assert pressed.ephemeral

    assert len(world.composio.accounts) == 2
