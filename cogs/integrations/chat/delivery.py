"""Tells servers of what broke and what works again, by itself: from what is stored to their channels."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import TypeVar

from storage.integrations import Alert, OutdatedError, Wishes

from ..mirror import alerting
from ..mirror.errors import StorageUnavailableError
from ..mirror.ledger import BATCH
from ..mirror.running import Running
from ..mirror.servers import Servers
from ..mirror.telling import Telling
from ..mirror.urgency import background
from .answer import Answer
from .posting import Outcome, Poster

log = logging.getLogger(__name__)

# So many servers are told at once: one whose channel does not answer holds up no other.
_AT_ONCE = 10
# The database is asked again after so long, and nothing is waited for longer in one go.
_AGAIN_SECONDS, _LONGEST_SECONDS = 5.0, 3600.0
_ALL = 0  # in place of a server's id: which servers there are to be told is to be read

_T = TypeVar("_T", int, str)


class Delivery:
    """A follower of what is written. Raises nothing: what cannot be done now is done later, and stored until then.

    Posts by ``poster``. Each server has one task at most, which ends when nothing is left to do now; a timer
    begins the next.
    """

    def __init__(
        self,
        *,
        telling: Telling,
        servers: Servers,
        poster: Poster,
        show: Callable[[Alert], Answer],
        clock: Callable[[], datetime],
    ) -> None:
        self._telling = telling
        self._servers = servers
        self.poster = poster
        self._show = show
        self._clock = clock
        self._running = Running()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._working: set[int] = set()
        self._again: set[int] = set()
        # What is still to be looked at, and which channels the log calls closed, by server.
        self._users: set[str] = set()
        self._arrived: set[int] = set()
        self._closed: dict[int, set[int]] = {}
        self._opened: set[int] = set()

    # ---------------------------------------------------------------- what it is told

    def changed(self, composio_user_ids: frozenset[str] | None) -> None:
        """See `upkeep.Follower`. When anything may have changed, all servers arrive again."""
        if composio_user_ids:
            self._users |= composio_user_ids
            self.look(_ALL)

    def arrived(self, guild_ids: Collection[int]) -> None:
        """These servers are served from now on."""
        self._arrived.update(guild_ids)
        self.look(_ALL)

    def opened(self, guild_id: int) -> None:
        """What the bot may do in a server may have changed: try again what was refused there."""
        if guild_id in self._closed:
            self.moved(guild_id)

    def moved(self, guild_id: int) -> None:
        """A server has changed where it wants alerts: what could not be sent is tried again."""
        self._opened.add(guild_id)
        self.look(guild_id)

    def look(self, guild_id: int) -> None:
        """See what is to be told in a server, soon; one that was left is forgotten."""
        if timer := self._timers.pop(guild_id, None):
            timer.cancel()
        if guild_id in self._working:
            self._again.add(guild_id)
        elif not self._running.closed:
            self._working.add(guild_id)
            with background():
                self._running.start(self._work(guild_id))

    async def alert(self, guild_id: int, alert_id: str) -> Alert | None:
        """An alert that is open in a server, or was lately. Raises `StorageUnavailableError`."""
        _, alerts = await self._telling.to_tell(guild_id, self._clock() - alerting.RECENT)
        return next((alert for alert in alerts if alert.id == alert_id), None)

    async def close(self) -> None:
        """Let what is being sent end; what is cut off is looked for after the next start."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        await self._running.close()

    # ---------------------------------------------------------------- one server after the other

    async def _work(self, guild_id: int) -> None:
        seconds: float | None = _AGAIN_SECONDS
        try:
            seconds = await (self._tell(guild_id) if guild_id else self._gather())
        except (StorageUnavailableError, OutdatedError):
            pass  # the first has logged itself; and what somebody else has taken in meanwhile is read anew
        finally:
            self._working.discard(guild_id)
            if guild_id in self._again:
                self._again.discard(guild_id)
                self.look(guild_id)
            elif seconds is not None and not self._running.closed:
                timer = asyncio.get_running_loop().call_later(seconds, self.look, guild_id)
                self._timers[guild_id] = timer

    async def _gather(self) -> None:
        """Begin with every server in which there is something to do."""
        while self._users or self._arrived:
            await self._take(self._users, self._telling.with_edges)
            await self._take(self._arrived, self._telling.with_something_to_tell)

    async def _take(self, waiting: set[_T], read: Callable[[Collection[_T]], Awaitable[list[int]]]) -> None:
        batch = set(islice(waiting, BATCH))
        if not batch:
            return
        waiting -= batch
        try:
            found = await read(batch)
        except StorageUnavailableError:
            waiting |= batch
            raise
        for guild_id in found:
            if self._servers.serves(guild_id):
                self.look(guild_id)

    async def _tell(self, guild_id: int) -> float | None:
        """Do what is to be done now; in how many seconds there will be more, None for never."""
        async with self._turns:
            if not self._servers.serves(guild_id):
                self._closed.pop(guild_id, None)
                self._opened.discard(guild_id)
                return None
            wishes = await self._servers.places.read(guild_id)
            now = self._clock()
            edges, alerts = await self._telling.to_tell(guild_id, now - alerting.RECENT)
            wanted = wishes is not None and wishes.alert_channel_id is not None
            folded = alerting.fold(edges, alerts, now, wanted=wanted)
            if edges or folded.changed or folded.gone:
                await self._telling.keep(folded.changed, [edge.id for edge in edges], folded.gone)
            at_once = guild_id in self._opened
            self._opened.discard(guild_id)
            left = [await self._delivered(alert, wishes, at_once=at_once) for alert in folded.alerts]
        nexts = [alert.next_at for alert in left if alert.next_at and not alert.settled]
        if not nexts:
            self._closed.pop(guild_id, None)
            return None
        return min(max((min(nexts) - self._clock()).total_seconds(), 0.0), _LONGEST_SECONDS)

    # ---------------------------------------------------------------- one alert

    async def _delivered(self, alert: Alert, wishes: Wishes | None, *, at_once: bool) -> Alert:
        tried = at_once and alert.attempts > 0 and not alert.settled
        if not tried and not alerting.is_due(alert, self._clock()):
            return alert
        try:
            after = await (self._edited(alert) if alert.sent else self._sent(alert, wishes))
        except StorageUnavailableError:
            raise
        except Exception:  # whatever is wrong with one alert, the others are told
            log.exception("alert %s of server %d could not be told", alert.id, alert.guild_id)
            after = alerting.refused(self._doubtful(alert, wishes), self._clock())
        await self._telling.keep([after])
        return after

    def _doubtful(self, alert: Alert, wishes: Wishes | None) -> Alert:
        """As one that may have been sent: it is looked for, and waits apart from others."""
        channel_id = alert.channel_id or (wishes.alert_channel_id if wishes else None)
        return alert if alert.sent or not channel_id else alerting.begun(alert, channel_id, self._clock())

    async def _edited(self, alert: Alert) -> Alert:
        if alert.channel_id is None or alert.message_id is None:
            return alert
        outcome = await self.poster.edit(alert.channel_id, alert.message_id, self._show(alert))
        if outcome is not Outcome.CHANNEL_GONE:  # for which nothing waits
            self._note(alert.guild_id, alert.channel_id, outcome)
        match outcome:
            case Outcome.DONE:
                return alerting.stands(alert)
            case Outcome.MESSAGE_GONE | Outcome.CHANNEL_GONE:
                return alerting.deleted(alert)
            case _:
                return alerting.refused(alert, self._clock())

    async def _sent(self, alert: Alert, wishes: Wishes | None) -> Alert:
        """Send it, unless it is found where it may have been sent before."""
        channel_id = wishes.alert_channel_id if wishes else None
        if alert.channel_id is not None and alert.sending_at is not None:
            found = await self.poster.find(alert.channel_id, self._since(alert.sending_at), alert.id)
            match found.outcome:
                case Outcome.DONE:  # as it was then
                    return await self._edited(replace(alert, message_id=found.message_id))
                case Outcome.LATER:
                    return alerting.refused(alert, self._clock())
                case Outcome.MESSAGE_GONE | Outcome.CHANNEL_GONE:
                    alert = alerting.not_there(alert)
                case Outcome.UNCLEAR:
                    # Discord makes no second message while it remembers the nonce, but answers with the first,
                    # which stands there also when alerts go elsewhere by now.
                    channel_id = channel_id and alert.channel_id
                case Outcome.CLOSED:
                    pass
        if wishes is None or channel_id is None:
            return alerting.deleted(alert)
        return await self._posted(alert, channel_id, wishes.alert_role_id)

    async def _posted(self, alert: Alert, channel_id: int, role_id: int | None) -> Alert:
        begun = alerting.begun(alert, channel_id, self._clock())
        await self._telling.keep([begun])
        posted = await self.poster.send(
            alert.guild_id,
            channel_id,
            self._show(alert),
            nonce=alert.id,
            role_id=None if alerting.is_over(alert) else role_id,
        )
        self._note(alert.guild_id, channel_id, posted.outcome)
        match posted.outcome:
            case Outcome.DONE:
                stands = alerting.stands(begun, posted.message_id)
                # By its nonce Discord may have found the message that was sent before, as it was then.
                return await self._edited(stands) if alert.sending_at else stands
            case Outcome.UNCLEAR:
                return alerting.refused(begun, self._clock())
            case _:
                return alerting.refused(alert, self._clock())

    def _since(self, sending_at: datetime) -> datetime:
        now = self._clock()
        return sending_at if sending_at <= now else now - alerting.GIVEN_UP  # the clock was put back

    def _note(self, guild_id: int, channel_id: int, outcome: Outcome) -> None:
        """Say in the log once that a channel is closed, and once that it is open."""
        closed = self._closed.get(guild_id, set())
        if outcome in (Outcome.CLOSED, Outcome.CHANNEL_GONE) and channel_id not in closed:
            what = "closed to the bot" if outcome is Outcome.CLOSED else "gone"
            log.warning("alerts of server %d wait: channel %d is %s", guild_id, channel_id, what)
            self._closed.setdefault(guild_id, set()).add(channel_id)
        elif outcome is Outcome.DONE and channel_id in closed:
            log.info("alerts of server %d: channel %d is open again", guild_id, channel_id)
            closed.discard(channel_id)
