"""A switch whose COMMIT is lost: what the person reads, what is known and what the host hears are one truth."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from simcord.results import ResponseMessage
from sqlalchemy.ext.asyncio import AsyncEngine

from cogs import integrations
from cogs.integrations import Condition, of
from tests.conftest import GUILD_ID, World, card_of, labels_of, message_of, shown, text
from tests.hosts.host import bot_of, tools
from tests.hosts.work import Work, connected, one_answer
from tests.storage.conftest import databases, on_postgres, postgres, proxied_engine, server, url, wire
from tests.storage.counting import Wire

__all__ = ["databases", "postgres", "proxied_engine", "server", "url", "wire"]  # fixtures
pytestmark = on_postgres

OFF = [(Condition.CONNECTED, Condition.DISABLED)]


@pytest.fixture
async def card(world: World, proxied_engine: AsyncEngine) -> AsyncIterator[ResponseMessage]:
    """GitHub's, of a bot whose database is behind a wire."""
    await bot_of(world).add_cog(Work())
    await integrations.add_to(bot_of(world), engine=proxied_engine)
    await tools(world).sync()
    await connected(world)
    tools(world).changes.clear()
    yield message_of(await card_of(world, world.manager, "github"))
    await bot_of(world).remove_cog("Integrations")


def heard(world: World) -> list[tuple[Condition, Condition]]:
    return [(change.before, change.after) for change in tools(world).changes]


async def history(world: World) -> str:
    return shown(await world.manager.slash(world.channel, "integrations history"))


async def test_a_switch_that_was_stored_has_moved(world: World, card: ResponseMessage, wire: Wire) -> None:
    wire.cut_at(b"COMMIT", answer_is_lost=True)

    await world.manager.click(card, label="Disable")

    assert "Switched off here." in text(card)
    assert labels_of(card)[0] == "Enable"
    assert heard(world) == OFF
    assert of(bot_of(world)).enabled_toolkits(GUILD_ID) == []
    assert "switched off here" in one_answer(await world.member.slash(world.channel, "issues"))
    assert (await history(world)).count("switched off") == 1


async def test_a_switch_that_was_not_stored_has_not_moved(world: World, card: ResponseMessage, wire: Wire) -> None:
    before = text(card)
    wire.cut_at(b"COMMIT", answer_is_lost=False)

    pressed = await world.manager.click(card, label="Disable")

    assert text(card) == before
    assert labels_of(card)[0] == "Disable"
    told = message_of(pressed)
    assert told.ephemeral
    assert told.content.startswith("Sorry, something is wrong with this bot's database.")
    assert heard(world) == []
    assert shown(await world.member.slash(world.channel, "issues")) == "12 issues"
    assert "switched off" not in await history(world)
