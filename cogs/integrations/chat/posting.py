"""Messages that the bot sends by itself: sent, edited, deleted and found by their ids."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any, NamedTuple

import aiohttp
import discord

from ..guard import AnyBot
from .answer import Answer

# discord.py sleeps as long as a 429 says, and asks five times after a 5xx: nothing of ours waits for longer.
CALL_SECONDS = 30.0
# What discord.py lets through when Discord cannot be reached. asyncio's TimeoutError is among them.
AWAY = (OSError, aiohttp.ClientError)
# A list that somebody waits for is not held up for longer.
LOOK_SECONDS = 1.0
# Discord's clock and ours differ, and a message that was sent is looked for among so many after it.
_CLOCKS, _MESSAGES = timedelta(minutes=2), 300

_UNKNOWN_CHANNEL, _UNKNOWN_GUILD, _UNKNOWN_MESSAGE = 10003, 10004, 10008
# No access, no permission; and with 400: not in this kind of channel, a thread that is archived or locked.
_CLOSED_CODES = (50001, 50013, 50008, 50024, 50083, 160005)


class Outcome(Enum):
    """What came of a call, as far as it is known."""

    DONE = auto()
    MESSAGE_GONE = auto()
    CHANNEL_GONE = auto()
    CLOSED = auto()
    """The bot may not."""
    REFUSED = auto()
    """Of an edit: Discord does not do it for now, as it says of messages that are older than an hour."""
    LATER = auto()
    """Discord does not do it now, or did not answer where asking again does no harm."""
    UNCLEAR = auto()
    """It may have been sent; of a search: what is there may not be read."""


class Posted(NamedTuple):
    """What came of sending or finding a message, and its id when there is one."""

    outcome: Outcome
    message_id: int | None = None


class Lack(NamedTuple):
    """Why the bot cannot post in a channel: it is gone, or permissions are missing, named as Discord does."""

    gone: bool = False
    permissions: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self.gone or bool(self.permissions)


class Poster:
    """Relies on no cache for what it does, and raises nothing that Discord or the network say. Every call ends."""

    def __init__(self, bot: AnyBot) -> None:
        self._bot = bot

    async def send(
        self,
        guild_id: int,
        channel_id: int,
        answer: Answer,
        *,
        nonce: str | None = None,
        role_id: int | None = None,
    ) -> Posted:
        """Send a message that mentions nobody but this role.

        Within some minutes Discord makes no second message with the same *nonce*, and answers with the first.
        """
        parts = answer.given() | ({"nonce": nonce} if nonce else {})
        if role_id:
            parts["content"] = " ".join(filter(None, (f"<@&{role_id}>", answer.text)))
            parts["allowed_mentions"] = discord.AllowedMentions(
                everyone=False, users=False, roles=[discord.Object(role_id)], replied_user=False
            )
        channel = self._bot.get_partial_messageable(channel_id, guild_id=guild_id)
        outcome, message = await self._call(channel.send(**parts), unclear=Outcome.UNCLEAR)
        return Posted(outcome, message.id if message else None)

    async def edit(self, channel_id: int, message_id: int, answer: Answer) -> Outcome:
        """Replace a message of the bot; a text that it has stays when *answer* has none. Nobody is mentioned."""
        parts = answer.parts()
        if answer.text is None:
            del parts["content"]
        outcome, _ = await self._call(self._message(channel_id, message_id).edit(**parts), limited=Outcome.REFUSED)
        return outcome

    async def delete(self, channel_id: int, message_id: int) -> Outcome:
        """Delete a message of the bot."""
        outcome, _ = await self._call(self._message(channel_id, message_id).delete())
        return outcome

    def _message(self, channel_id: int, message_id: int) -> discord.PartialMessage:
        return self._bot.get_partial_messageable(channel_id).get_partial_message(message_id)

    async def find(self, channel_id: int, since: datetime, mark: str) -> Posted:
        """The bot's own message since then of which a button's or select's custom id contains *mark*.

        `MESSAGE_GONE` when there is none, `UNCLEAR` when the channel's history may not be read.
        """
        outcome, found = await self._call(self._look_for(channel_id, since - _CLOCKS, mark))
        return found or Posted(outcome)

    async def _look_for(self, channel_id: int, since: datetime, mark: str) -> Posted:
        seen = False
        history = self._bot.get_partial_messageable(channel_id).history(
            limit=_MESSAGES, after=since, oldest_first=True
        )
        async for message in history:
            seen = True
            if (
                self._bot.user
                and message.author.id == self._bot.user.id
                and mark in " ".join(_custom_ids(message))
            ):
                return Posted(Outcome.DONE, message.id)
        # Whoever may not read the history is shown an empty one, without an error.
        readable = seen or self._may_read(channel_id)
        return Posted(Outcome.MESSAGE_GONE if readable else Outcome.UNCLEAR)

    def _may_read(self, channel_id: int) -> bool:
        permissions = permissions_in(self._bot.get_channel(channel_id))
        return permissions is not None and permissions.read_message_history

    async def lack(self, guild_id: int, channel_id: int) -> Lack:
        """Why the bot cannot post there, as far as it can know: an archived thread, say, is not in its cache."""
        guild = self._bot.get_guild(guild_id)
        channel = guild.get_channel_or_thread(channel_id) if guild else None
        if channel is None:
            outcome, _ = await self._call(self._bot.fetch_channel(channel_id), seconds=LOOK_SECONDS)
            closed = ("View Channel",) if outcome is Outcome.CLOSED else ()
            return Lack(outcome is Outcome.CHANNEL_GONE, closed)
        permissions = permissions_in(channel)
        if permissions is None:
            return Lack()
        in_thread = isinstance(channel, discord.Thread)
        needed = {
            "View Channel": permissions.view_channel,
            "Send Messages in Threads": permissions.send_messages_in_threads or not in_thread,
            "Send Messages": permissions.send_messages or in_thread,
            "Embed Links": permissions.embed_links,
        }
        return Lack(permissions=tuple(name for name, has in needed.items() if not has))

    async def _call(
        self,
        work: Coroutine[Any, Any, Any],
        *,
        unclear: Outcome = Outcome.LATER,
        limited: Outcome | None = None,
        seconds: float | None = None,
    ) -> tuple[Outcome, Any]:
        """What came of *work*, and what it returned; *unclear* stands for everything that is no answer.

        *limited* stands for a 429, and for a call that was cut off: nearly always discord.py waits after a 429.
        """
        if self._bot.is_closed():
            work.close()
            return Outcome.LATER, None
        try:
            async with asyncio.timeout(seconds or CALL_SECONDS) as limit:
                return Outcome.DONE, await work
        except discord.RateLimited:
            return limited or Outcome.LATER, None
        except discord.InvalidData:  # it is a channel of an unknown kind
            return Outcome.LATER, None
        except discord.HTTPException as error:
            return (limited if limited and error.status == 429 else _outcome(error, unclear)), None
        except AWAY:
            return (limited if limited and limit.expired() else unclear), None
        except RuntimeError:  # a session that was closed meanwhile says nothing better
            if not self._bot.is_closed():
                raise
            return unclear, None


def _outcome(error: discord.HTTPException, unclear: Outcome) -> Outcome:
    match error.code:
        case code if code == _UNKNOWN_MESSAGE:
            return Outcome.MESSAGE_GONE
        case code if code in (_UNKNOWN_CHANNEL, _UNKNOWN_GUILD):
            return Outcome.CHANNEL_GONE
        case code if code in _CLOSED_CODES:
            return Outcome.CLOSED
    if error.status >= 500:
        return unclear
    return Outcome.CLOSED if error.status == 403 else Outcome.LATER


def permissions_in(channel: object, member: discord.Member | None = None) -> discord.Permissions | None:
    """What *member*, without one the bot, may do in a channel; None when that cannot be known."""
    if not isinstance(channel, discord.abc.GuildChannel | discord.Thread):
        return None
    who = member or channel.guild.me
    if who is None or (isinstance(channel, discord.Thread) and channel.parent is None):
        return None
    return channel.permissions_for(who)


def _custom_ids(message: discord.Message) -> Iterator[str]:
    for component in message.components:
        for child in component.children if isinstance(component, discord.ActionRow) else ():
            yield getattr(child, "custom_id", None) or ""
