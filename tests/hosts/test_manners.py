"""A guest that leaves the house as it found it, and that the host can turn away."""

# ruff: noqa: ASYNC240 – the files are a test's own, and small

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sqlite3
import sys
import threading
import warnings
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import discord
import httpx
import pytest
import sqlalchemy as sa
from discord import app_commands
from discord.ext import commands
from simcord.env import Env
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from bot.sandbox.faults import Meanwhile
from bot.sandbox.standin import StandIn
from cogs import integrations
from cogs.integrations.guard import AnyBot
from tests.cogs.test_buttons import message_of
from tests.conftest import API_KEY, GUILD_ID, World, shown, text_of
from tests.hosts.host import EXTENSION, bot_of, make, plugin, running, tools

pytestmark = pytest.mark.quick


@pytest.fixture(scope="module", autouse=True)
def only_what_is_new() -> Iterator[None]:
    """Let the collector look past what other tests and the libraries hold, which takes it a second each time."""
    gc.freeze()
    yield
    gc.unfreeze()


def traces(env: Env) -> dict[str, Any]:
    """Everything that a plugin could leave behind in a process."""
    gc.collect()
    for thread in threading.enumerate():
        if "connection_worker" in thread.name:
            thread.join(0.2)  # SQLite's driver does not wait for the thread of a connection that it could not open
    bot: Any = env.bot
    store = vars(bot._connection._view_store)  # noqa: SLF001
    tasks = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    things: list[Any] = gc.get_objects()
    return {
        # The stand-in for Composio serves in this process, and its connections end when it notices.
        "tasks": sorted(name for name in tasks if not name.startswith("RequestHandler.")),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "commands": sorted(command.qualified_name for command in bot.tree.walk_commands()),
        "cogs": sorted(bot.cogs),
        "extensions": sorted(bot.extensions),
        "listeners": {name: len(listeners) for name, listeners in bot.extra_events.items() if listeners},
        "views": {name: dict(store[name]) for name in ("_views", "_synced_message_views", "_dynamic_items")},
        "handlers": [bot.tree.on_error, bot.on_error, bot.on_command_error, bot.tree.interaction_check],
        "loop": asyncio.get_running_loop().get_exception_handler(),
        "process": [sys.excepthook, signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)],
        "warnings": list(warnings.filters),
        "logging": configured_loggers(),
        "open files": open_databases(),
        "connections": sum(open_connections(engine) for engine in things if type(engine) is AsyncEngine),
        "clients": sum(not c.is_closed for c in things if issubclass(type(c), httpx.AsyncClient)),
        "sessions": sum(not s.closed for s in things if type(s) is aiohttp.ClientSession),
    }


def configured_loggers() -> dict[str, Any]:
    """Every logger that is not as `logging.getLogger` makes it; a library's null handler does nothing."""
    loggers = {"": logging.root} | logging.root.manager.loggerDict
    found = {
        name: (
            logger.level,
            [handler for handler in logger.handlers if type(handler) is not logging.NullHandler],
            list(logger.filters),
            logger.propagate,
            logger.disabled,
        )
        for name, logger in loggers.items()
        if isinstance(logger, logging.Logger)
    }
    return {name: state for name, state in found.items() if state != (0, [], [], True, False)}


def open_connections(engine: Any) -> int:
    """How many connections of its pool are open, whether lent or not."""
    return int(engine.pool.checkedin() + engine.pool.checkedout())


def open_databases() -> list[str]:
    """The database files that this process holds open, where the system tells."""
    files = Path("/proc/self/fd")
    if not files.exists():
        return []
    links = [str(file.readlink()) for file in files.iterdir() if file.is_symlink()]
    return [link for link in links if "integrations.db" in link]


async def use(world: World) -> None:
    """A bit of everything, and a question that nobody answers."""
    await world.env.advance_time(10)
    world.composio.connect("github", alias="ci")
    assert "Synced" in shown(await world.admin.slash(world.channel, "integrations sync"))
    listed = message_of(await world.admin.slash(world.channel, "integrations list"))
    card = message_of(await world.admin.select(listed, ["github"]))
    await world.admin.click(card, label="Disable")
    await world.admin.slash(world.channel, "integrations howto", provider="gmail")
    await world.admin.slash(world.channel, "integrations toggle", provider="github", enabled=True)
    await world.admin.slash(world.channel, "integrations history")
    question = message_of(await world.admin.slash(world.channel, "integrations revoke", provider="github"))
    await world.admin.click(question, label="Revoke 1 account")
    world.composio.connect("notion")
    asked = await world.admin.slash(world.channel, "integrations revoke", provider="notion")
    assert "Revoke Notion?" in shown(asked)


async def test_loading_using_reloading_and_unloading_leaves_nothing_behind(world: World) -> None:
    await world.admin.slash(world.channel, "ping")
    before = traces(world.env)

    assert await plugin(world, "load") == "done"
    await use(world)
    assert await plugin(world, "reload") == "done"
    await use(world)
    assert await plugin(world, "unload") == "done"

    assert traces(world.env) == before
    assert not [name for name in sys.modules if name.startswith(EXTENSION)]


async def test_while_it_is_loaded_all_handlers_and_the_logging_are_the_hosts(world: World) -> None:
    await world.admin.slash(world.channel, "ping")
    before = traces(world.env)

    await plugin(world, "load")
    await use(world)

    loaded = traces(world.env)
    for name in ("handlers", "loop", "process", "warnings", "logging"):
        assert loaded[name] == before[name]


class Held(Meanwhile):
    """An answer of Composio's that comes when it is let go; `arrived` is when somebody waits for it."""

    def __init__(self) -> None:
        self.arrived = asyncio.Event()
        self.go = asyncio.Event()
        super().__init__(self._hold)

    async def _hold(self) -> None:
        self.arrived.set()
        await self.go.wait()


async def test_unloading_while_a_sync_runs_answers_first_and_leaves_nothing_behind(world: World) -> None:
    before = traces(world.env)
    await plugin(world, "load")
    listed = message_of(await world.member.slash(world.channel, "integrations list"))
    world.composio.connect("gmail")
    held = Held()
    world.composio.fail(held)

    async def unload() -> None:
        await held.arrived.wait()
        asyncio.get_running_loop().call_soon(held.go.set)
        await bot_of(world).unload_extension(EXTENSION)

    pressed, _ = await asyncio.gather(world.member.click(listed, label="Sync from Composio"), unload())

    assert "Synced: 1 added" in text_of("", pressed.followups[0].embeds)
    assert traces(world.env) == before


async def test_unloading_ends_though_composio_does_not_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = traces(world.env)
    await plugin(world, "load")
    monkeypatch.setattr(sys.modules[f"{EXTENSION}.service"], "CLOSE_SECONDS", 0.05)
    held = Held()
    world.composio.fail(held)

    async def unload() -> None:
        await held.arrived.wait()
        await bot_of(world).unload_extension(EXTENSION)

    await asyncio.gather(world.member.slash(world.channel, "integrations sync"), unload())

    assert traces(world.env) == before


async def test_nothing_of_the_plugin_stays_in_memory(world: World) -> None:
    await plugin(world, "load")
    await use(world)
    cog = weakref.ref(bot_of(world).get_cog("Integrations"))

    await plugin(world, "unload")

    gc.collect()
    assert cog() is None


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (commands.Bot, {"intents": discord.Intents.none()}),
        (commands.AutoShardedBot, {"intents": discord.Intents.none(), "shard_count": 1}),
    ],
    ids=["Bot", "AutoShardedBot"],
)
async def test_no_intent_is_needed_in_any_kind_of_bot(
    kind: type[AnyBot], options: dict[str, Any], environment: pytest.MonkeyPatch, composio: StandIn
) -> None:
    async with running(make(kind, **options)) as env:
        member = env.guild.add_member(env.create_user("max"))
        channel = env.guild.create_text_channel("general")
        before = traces(env)

        await member.slash(channel, "plugin", action="load")
        listed = message_of(await member.slash(channel, "integrations list"))
        composio.connect("gmail")
        await member.click(listed, label="Sync from Composio")
        await member.slash(channel, "plugin", action="unload")

        assert "**1 of 8** connected" in text_of("", listed.embeds)
        assert traces(env) == before


# Loading that fails


@asynccontextmanager
async def missing_key(_: World, environment: pytest.MonkeyPatch) -> AsyncIterator[str]:
    environment.delenv("COMPOSIO_API_KEY")
    yield "SettingsError: COMPOSIO_API_KEY is missing: copy the project's API key from Composio's dashboard"
    environment.setenv("COMPOSIO_API_KEY", API_KEY)


@asynccontextmanager
async def shared_with_everybody(_: World, environment: pytest.MonkeyPatch) -> AsyncIterator[str]:
    environment.delenv("INTEGRATIONS_GUILD_IDS")
    yield "SettingsError: INTEGRATIONS_GUILD_IDS is missing: name the servers"
    environment.setenv("INTEGRATIONS_GUILD_IDS", str(GUILD_ID))


@asynccontextmanager
async def broken_catalogue(_: World, environment: pytest.MonkeyPatch) -> AsyncIterator[str]:
    Path("apps.toml").write_text("[[provider]]\n", "utf-8")
    environment.setenv("INTEGRATIONS_CATALOG", "apps.toml")
    yield "CatalogError: INTEGRATIONS_CATALOG is wrong: apps.toml, line 1:"
    environment.delenv("INTEGRATIONS_CATALOG")


@asynccontextmanager
async def senseless_database(_: World, environment: pytest.MonkeyPatch) -> AsyncIterator[str]:
    environment.setenv("INTEGRATIONS_DATABASE_URL", "mysql://nowhere")
    yield "SettingsError: INTEGRATIONS_DATABASE_URL is wrong: this database URL cannot be used"
    environment.setenv("INTEGRATIONS_DATABASE_URL", "sqlite+aiosqlite:///integrations.db")


@asynccontextmanager
async def unreachable_database(_: World, environment: pytest.MonkeyPatch) -> AsyncIterator[str]:
    environment.setenv("INTEGRATIONS_DATABASE_URL", "sqlite+aiosqlite:///nowhere/integrations.db")
    yield "SettingsError: INTEGRATIONS_DATABASE_URL cannot be used"
    environment.setenv("INTEGRATIONS_DATABASE_URL", "sqlite+aiosqlite:///integrations.db")


@asynccontextmanager
async def damaged_database(_: World, environment: pytest.MonkeyPatch) -> AsyncIterator[str]:
    Path("integrations.db").write_bytes(b"this is no database" * 400)
    yield "SettingsError: INTEGRATIONS_DATABASE_URL is wrong: the database file is damaged"
    Path("integrations.db").unlink()


@asynccontextmanager
async def the_hosts_own_table(_: World, environment: pytest.MonkeyPatch) -> AsyncIterator[str]:
    with closing(sqlite3.connect("integrations.db")) as database:
        database.execute("CREATE TABLE integrations_provider (name TEXT)")
    yield "SettingsError: INTEGRATIONS_DATABASE_URL is wrong: the database has"
    with closing(sqlite3.connect("integrations.db")) as database:
        [column] = database.execute("SELECT name FROM pragma_table_info('integrations_provider')")
    assert column == ("name",)
    Path("integrations.db").unlink()


@asynccontextmanager
async def taken_command(world: World, _: pytest.MonkeyPatch) -> AsyncIterator[str]:
    async def integrations(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message("the host's own")

    tree = bot_of(world).tree
    tree.add_command(app_commands.Command(name="integrations", description="…", callback=integrations))
    yield "CommandAlreadyRegistered: Command 'integrations' already registered."
    assert tree.remove_command("integrations")


@asynccontextmanager
async def taken_cog(world: World, _: pytest.MonkeyPatch) -> AsyncIterator[str]:
    class Integrations(commands.Cog):
        """The host's own."""

    await bot_of(world).add_cog(Integrations())
    yield "ClientException: Cog named 'Integrations' already loaded"
    assert isinstance(await bot_of(world).remove_cog("Integrations"), Integrations)


CAUSES = (
    missing_key,
    shared_with_everybody,
    broken_catalogue,
    senseless_database,
    unreachable_database,
    damaged_database,
    the_hosts_own_table,
    taken_command,
    taken_cog,
)
Cause = Callable[[World, pytest.MonkeyPatch], AbstractAsyncContextManager[str]]


@pytest.mark.parametrize("cause", CAUSES)
async def test_loading_that_fails_says_why_and_leaves_nothing_behind(
    world: World, environment: pytest.MonkeyPatch, cause: Cause
) -> None:
    async with cause(world, environment) as why:
        before = traces(world.env)

        said = await plugin(world, "load")

        assert said.startswith(f"Extension 'cogs.integrations' raised an error: {why}")
        assert traces(world.env) == before
        assert shown(await world.member.slash(world.channel, "ping")) == "pong"


@pytest.mark.parametrize("cause", CAUSES)
async def test_loading_works_once_the_cause_is_gone(
    world: World, environment: pytest.MonkeyPatch, cause: Cause
) -> None:
    async with cause(world, environment):
        await plugin(world, "load")

    assert await plugin(world, "load") == "done"
    assert "**0 of 8** connected" in shown(await world.member.slash(world.channel, "integrations list"))


async def test_a_reload_that_fails_leaves_nothing_behind_and_can_be_made_good(
    world: World, environment: pytest.MonkeyPatch
) -> None:
    before = traces(world.env)
    await plugin(world, "load")

    async with missing_key(world, environment) as why:
        said = await plugin(world, "reload")

    assert why == f"SettingsError: {said}"
    assert traces(world.env) == before
    assert await plugin(world, "load") == "done"


async def test_adding_it_twice_fails_and_the_first_one_works_on(world: World) -> None:
    await plugin(world, "load")
    listed = message_of(await world.member.slash(world.channel, "integrations list"))

    with pytest.raises(discord.ClientException):
        await integrations.add_to(bot_of(world))

    world.composio.connect("gmail")
    await world.member.click(listed, label="Sync from Composio")
    assert "**1 of 8** connected" in text_of("", listed.embeds)


# An engine of the host's own


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    opened = create_async_engine(f"sqlite+aiosqlite:///{tmp_path / 'host.db'}")
    async with opened.begin() as connection:
        await connection.execute(sa.text("CREATE TABLE notes (text)"))
        await connection.execute(sa.text("INSERT INTO notes VALUES ('buy milk')"))
    yield opened
    await opened.dispose()


async def notes(engine: AsyncEngine) -> list[str]:
    async with engine.connect() as connection:
        return list(await connection.scalars(sa.text("SELECT text FROM notes")))


async def test_an_engine_that_was_handed_over_is_used_and_stays_open(world: World, engine: AsyncEngine) -> None:
    pool = engine.pool
    await integrations.add_to(bot_of(world), engine=engine)
    await tools(world).sync()
    world.composio.connect("gmail")
    assert "Synced: 1 added" in shown(await world.member.slash(world.channel, "integrations sync"))

    await bot_of(world).remove_cog("Integrations")

    assert engine.pool is pool  # disposing would have put a new one in its place
    assert await notes(engine) == ["buy milk"]
    assert not Path("integrations.db").exists()


async def test_an_engine_that_was_handed_over_stays_open_when_loading_fails(
    world: World, engine: AsyncEngine
) -> None:
    pool = engine.pool

    async with taken_cog(world, pytest.MonkeyPatch()):
        with pytest.raises(discord.ClientException):
            await integrations.add_to(bot_of(world), engine=engine)

    assert engine.pool is pool
    assert await notes(engine) == ["buy milk"]


async def test_an_engine_with_a_table_named_like_ours_is_refused_as_an_engine(
    world: World, engine: AsyncEngine
) -> None:
    async with engine.begin() as connection:
        await connection.execute(sa.text("CREATE TABLE integrations_provider (name TEXT)"))

    with pytest.raises(integrations.SettingsError, match=r"^the engine is wrong: the database has .*provider"):
        await integrations.add_to(bot_of(world), engine=engine)

    assert await notes(engine) == ["buy milk"]


async def test_removing_the_cog_leaves_no_task_even_for_a_moment(world: World, engine: AsyncEngine) -> None:
    before = asyncio.all_tasks()
    await integrations.add_to(bot_of(world), engine=engine)

    await bot_of(world).remove_cog("Integrations")

    assert asyncio.all_tasks() == before
