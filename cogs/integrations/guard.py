"""For a host's own commands: may I use this app here, now?"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from types import FunctionType
from typing import Any, Protocol, TypeAlias, TypeVar, cast, runtime_checkable

import discord
from discord.ext import commands

from .names import COG, NOT_LOADED

AnyBot: TypeAlias = commands.Bot | commands.AutoShardedBot
# The apps that commands want to be proved: whether that can be is asked when the plugin is loaded.
WANTED: set[str] = set()
_Command = TypeVar("_Command", bound=Callable[..., Coroutine[Any, Any, Any]])


@runtime_checkable
class Integrations(Protocol):
    """What the loaded plugin answers; `of` gives it.

    All answers come from memory, which keeps what the servers have that this bot serves here. They are never older
    than the last sync, toggle or revoke of this process, also when a revoke could not be stored yet. What anything
    else writes to the database they know within one second on PostgreSQL, and within five on SQLite or behind a
    pooler that cannot ``LISTEN``, while the database can be read; docs/how-it-stays-right.md names the exceptions.
    """

    async def require(
        self,
        interaction: discord.Interaction[Any],
        provider: str,
        *,
        verified_within: timedelta | None = None,
        ephemeral: bool = True,
    ) -> bool:
        """True when *provider* (an id or label) is connected and switched on for the interaction's server.

        Otherwise the person has been answered, once, with what is missing and the button that mends it; the
        command should just return. The answer is ephemeral, except after a ``defer()`` that was not: Discord
        shows the first answer to whom the deferral was shown.

        With *verified_within* its token must have been seen to work, at most so long ago; otherwise it is tried
        first, and no proof to be had is a no. The interaction is deferred then, for the person alone if
        *ephemeral*, so that the command answers by follow-up.
        """

    def enabled_toolkits(self, guild_id: int | None) -> list[str]:
        """Composio's slugs of what is connected and switched on for a server, in catalogue order.

        Empty for a server that may not use the integrations, for none, as in a direct message, and, for a moment
        after the start, until the server's rows have been read.
        """

    def checked_at(self, guild_id: int | None) -> datetime | None:
        """When the mirror of a server was last known to be true: when the read began that was last taken in.

        None before the first, for a server that may not use the integrations, and, for a moment after the start,
        until the server's rows have been read. What another process has read is known a minute later.
        """

    def composio_user_id(self, guild_id: int | None) -> str:
        """The Composio user of a server. Raises `LookupError` where `enabled_toolkits` is always empty."""


def of(bot: AnyBot) -> Integrations:
    """The plugin that *bot* has loaded. Raises `LookupError` when it has not.

    Ask each time: a reload puts another in its place.
    """
    cog = bot.get_cog(COG)
    if isinstance(cog, Integrations):  # not its class: a reload makes a new one
        return cog
    raise LookupError("cogs.integrations is not loaded")


async def require(
    interaction: discord.Interaction[Any],
    provider: str,
    *,
    verified_within: timedelta | None = None,
    ephemeral: bool = True,
) -> bool:
    """`Integrations.require` of the bot that received the interaction; when it is not loaded, the same refusal."""
    try:
        integrations = of(interaction.client)
    except LookupError:
        send = interaction.followup.send if interaction.response.is_done() else interaction.response.send_message
        await send(NOT_LOADED, ephemeral=True)
        return False
    if verified_within is None:
        return await integrations.require(interaction, provider)
    return await integrations.require(interaction, provider, verified_within=verified_within, ephemeral=ephemeral)


def requires_integration(
    provider: str, *, verified_within: timedelta | None = None, ephemeral: bool = True
) -> Callable[[_Command], _Command]:
    """Let a slash command run only where *provider* (an id or label) is connected and switched on.

    Put it below ``@app_commands.command()``; raises `TypeError` above it. Who may not use the app here gets one
    ephemeral answer and the command does not run; no error reaches the host's handler.

    With *verified_within* the app must also be proved to work: see `Integrations.require`. Raises `TypeError` or
    `ValueError` unless that is a time span longer than nothing.
    """
    if verified_within is not None:
        _must_be_a_span(verified_within)
        WANTED.add(provider)

    def decorate(callback: _Command) -> _Command:
        if not inspect.iscoroutinefunction(callback):
            raise TypeError("put @requires_integration(…) below @app_commands.command()")

        async def guarded(*args: Any, **kwargs: Any) -> Any:
            return await run(args, kwargs)

        async def run(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            interaction = _interaction(args)
            if await require(interaction, provider, verified_within=verified_within, ephemeral=ephemeral):
                return await callback(*args, **kwargs)
            return None

        # discord.py looks the names of annotations up in the globals of the function that it is given.
        moved = FunctionType(guarded.__code__, callback.__globals__, closure=guarded.__closure__)
        return cast("_Command", functools.update_wrapper(moved, callback))

    return decorate


def _must_be_a_span(verified_within: object) -> None:
    if not isinstance(verified_within, timedelta):
        raise TypeError("verified_within must be a datetime.timedelta")
    if verified_within <= timedelta(0):
        raise ValueError("verified_within must be longer than nothing")


def _interaction(args: tuple[Any, ...]) -> discord.Interaction[Any]:
    for value in args:
        if isinstance(value, discord.Interaction):
            return value
    raise TypeError("@requires_integration(…) is for slash commands: there is no interaction")
