"""Everything that a plugin could leave behind in a process."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from simcord.env import Env
from sqlalchemy.ext.asyncio import AsyncEngine


@pytest.fixture(scope="module", autouse=True)
def only_what_is_new() -> Iterator[None]:
    """Let the collector look past what other tests and the libraries hold, which takes it a second each time."""
    gc.freeze()
    yield
    gc.unfreeze()


def traces(env: Env) -> dict[str, Any]:
    """What there is now; the loop of a test is idle while it looks."""
    gc.collect()
    for thread in threading.enumerate():
        if "connection_worker" in thread.name or type(thread).__module__ == "aiosqlite.core":  # before 0.22
            thread.join(0.2)  # SQLite's driver does not wait for the thread of a connection that it could not open
    bot: Any = env.bot
    store = vars(bot._connection._view_store)  # noqa: SLF001
    tasks = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    things: list[Any] = gc.get_objects()
    return {
        # The stand-in for Composio serves in this process, and its connections end when it notices.
        "tasks": sorted(name for name in tasks if not name.startswith("RequestHandler.")),
        # The loop's own pool, which everybody uses, keeps its threads.
        "threads": sorted(t.name for t in threading.enumerate() if not t.name.startswith("asyncio_")),
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
