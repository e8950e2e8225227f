"""A revoke while somebody else holds the database: what is said, what is known at once, and what follows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from simcord.results import ResponseMessage

from bot.sandbox.faults import Before
from cogs.integrations import of
from storage.integrations import sqlite as setup
from tests.conftest import GUILD_ID, World, message_of, shown, text
from tests.hosts.host import bot_of, plugin, tools
from tests.hosts.work import Work

FOLLOWS = "The database could not be written. The list and the history follow as soon as it can."


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's driver waits for a lock for a fifth of a second, not ten."""
    monkeypatch.setattr(setup, "BUSY_SECONDS", 0.2)


@pytest.fixture
async def question(world: World) -> ResponseMessage:
    """Whether to revoke GitHub's only account."""
    await bot_of(world).add_cog(Work())
    await plugin(world, "load")
    world.composio.connect("github")
    await world.admin.slash(world.channel, "integrations sync")
    tools(world).changes.clear()
    return message_of(await world.admin.slash(world.channel, "integrations revoke", provider="github"))


@pytest.fixture
def other(question: ResponseMessage) -> Iterator[sqlite3.Connection]:
    """Another program's connection to the bot's database."""
    assert question
    connection = sqlite3.connect("integrations.db", isolation_level=None)
    yield connection
    connection.close()


@pytest.fixture
async def receipt(world: World, question: ResponseMessage, other: sqlite3.Connection) -> ResponseMessage:
    """Of a revoke during which the other program began to write."""
    world.composio.fail(Before(lambda _: other.execute("BEGIN IMMEDIATE")), method="DELETE")
    await world.admin.click(question, label="Revoke 1 account")
    return question


async def history(world: World) -> list[str]:
    told = shown(await world.manager.slash(world.channel, "integrations history", provider="github"))
    return [line for line in told.splitlines() if "evoke" in line or "onnected" in line]


async def test_it_is_stored_in_its_authors_name_whoever_syncs_before(
    world: World, receipt: ResponseMessage, other: sqlite3.Connection
) -> None:
    assert "revoked and deleted" in text(receipt)
    assert FOLLOWS in text(receipt)
    assert of(bot_of(world)).enabled_toolkits(GUILD_ID) == []
    await world.env.advance_time(11)
    other.execute("ROLLBACK")

    await world.manager.slash(world.channel, "integrations sync")
    assert len(await history(world)) == 1
    await world.env.advance_time(5)

    [last, first] = await history(world)
    assert "Revoked · ada" in last
    assert "Connected · ada" in first
    assert "🔴 **GitHub**" in shown(await world.member.slash(world.channel, "integrations list"))
    assert of(bot_of(world)).enabled_toolkits(GUILD_ID) == []
    assert [change.person_id for change in tools(world).changes] == [world.admin.id]


async def test_what_cannot_be_written_down_before_is_not_begun(
    world: World, question: ResponseMessage, other: sqlite3.Connection
) -> None:
    other.execute("BEGIN IMMEDIATE")
    world.composio.requests.clear()

    await world.admin.click(question, label="Revoke 1 account")

    assert text(question).startswith("Sorry, something is wrong with this bot's database.")
    assert text(question).endswith("Nothing was revoked.")
    assert "may" not in text(question)
    assert [request for request in world.composio.requests if request.method != "GET"] == []
    assert of(bot_of(world)).enabled_toolkits(GUILD_ID) == ["github"]
    assert tools(world).changes == []
    other.execute("ROLLBACK")
    await world.env.advance_time(5)
    assert len(await history(world)) == 1
