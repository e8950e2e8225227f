"""For a host's own commands: may I use this app here, now?"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from types import FunctionType
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar, cast, runtime_checkable
from weakref import WeakSet

import discord
from discord.ext import commands

from .names import COG, NOT_LOADED

AnyBot: TypeAlias = commands.Bot | commands.AutoShardedBot
_Command = TypeVar("_Command", bound=Callable[..., Coroutine[Any, Any, Any]])


class Wish(NamedTuple):
    """A host's command that runs only where an app is proved to work."""

    command: str
    provider: str


# Of commands that need not have been added to a bot yet.
WISHES: set[Wish] = set()
# Those that have loaded the plugin since this module was imported; by now they may have another, or none.
BOTS: WeakSet[AnyBot] = WeakSet()
# On the callback of a command: a reload makes this module anew, and the host's commands stay.
_WISHES = "__integrations_wishes__"


@runtime_checkable
class Integrations(Protocol):
    """What the loaded plugin answers; `of` gives it.

    All answers come from memory, which keeps what the servers have that this bot serves here. They are never older
    than the last sync, connection, check, toggle or revoke of this process, also when a revoke could not be stored
    yet. What anything else writes to the database they know within one second on PostgreSQL, and within five on
    SQLite or behind a pooler that cannot ``LISTEN``, while the database can be read; docs/how-it-stays-right.md
    names the exceptions.
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
    """`Integrations.require` of the bot that received the interaction; when it is not loaded, the same refusal.

    Raises `TypeError` or `ValueError` when *verified_within* is no time longer than nothing.
    """
    _refuse_wrong(verified_within)
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
    ephemeral answer and the command does not run; no error reaches the host's handler. With *verified_within*, a
    time longer than nothing, it must also be proved to work: see `Integrations.require`.
    """
    _refuse_wrong(verified_within)
    wish = functools.partial(_wish, provider, verified_within)
    asked = functools.partial(require, provider=provider, verified_within=verified_within, ephemeral=ephemeral)

    def decorate(callback: _Command) -> _Command:
        if not inspect.iscoroutinefunction(callback):
            raise TypeError("put @requires_integration(…) below @app_commands.command()")

        async def guarded(*args: Any, **kwargs: Any) -> Any:
            return await run(args, kwargs)

        async def run(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            if await asked(_interaction(args)):
                return await callback(*args, **kwargs)
            return None

        # discord.py looks the names of annotations up in the globals of the function that it is given.
        moved = FunctionType(guarded.__code__, callback.__globals__, closure=guarded.__closure__)
        return cast("_Command", wish(functools.update_wrapper(moved, callback)))

    return decorate


def _refuse_wrong(verified_within: object) -> None:
    if verified_within is None:
        return
    if not isinstance(verified_within, timedelta):
        raise TypeError("verified_within must be a datetime.timedelta")
    if verified_within <= timedelta(0):
        raise ValueError("verified_within must be longer than nothing")


class _Hears(Protocol):
    def wished(self, wish: Wish) -> Exception | None: ...


def _wish(provider: str, verified_within: timedelta | None, callback: Callable[..., Any]) -> Callable[..., Any]:
    """The same callback, once it is known of it what it wants to be proved."""
    if verified_within is None:
        return callback
    wish = Wish(f"{callback.__module__}.{callback.__qualname__}", provider)
    cogs = [cog for bot in BOTS if isinstance(cog := bot.get_cog(COG), Integrations)]
    refused = [cast("_Hears", cog).wished(wish) for cog in cogs]
    # Nobody knows for which of several bots the command is.
    if refused and (error := refused[0]) and all(refused):
        raise error
    WISHES.add(wish)
    setattr(callback, _WISHES, (*getattr(callback, _WISHES, ()), wish))
    return callback


def wishes_of(bot: AnyBot) -> set[Wish]:
    """What its commands want, and those that were made and not added to any bot that is known here."""
    others = (_carried(other) for other in BOTS if other is not bot)
    return _carried(bot) | WISHES.difference(*others)


def _carried(bot: AnyBot) -> set[Wish]:
    """What the commands of a bot want."""
    commands_ = [
        *bot.tree.walk_commands(),
        *(one for guild in bot.guilds for one in bot.tree.walk_commands(guild=guild)),
        *(one for cog in bot.cogs.values() for one in cog.walk_app_commands()),
    ]
    callbacks = [one.callback for one in commands_ if isinstance(one, discord.app_commands.Command)]
    return set().union(*(map(Wish._make, getattr(each, _WISHES, ())) for each in callbacks))


def _interaction(args: tuple[Any, ...]) -> discord.Interaction[Any]:
    for value in args:
        if isinstance(value, discord.Interaction):
            return value
    raise TypeError("@requires_integration(…) is for slash commands: there is no interaction")
