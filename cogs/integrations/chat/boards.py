"""Keeps the boards true: the list as a message of the bot that edits itself, one for each server that wants it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable
from typing import Any

import discord

from storage.integrations import Wishes

from ..mirror.errors import StorageUnavailableError
from ..mirror.running import Running
from ..mirror.servers import Servers
from ..mirror.service import IntegrationService
from ..mirror.urgency import background
from .answer import Answer
from .posting import Outcome, Posted, Poster
from .standing import Render, Shown, Standing, mark_of, pause, where_of

log = logging.getLogger(__name__)

# One board is edited at most this often.
GAP_SECONDS = 5.0
# So many boards are looked at side by side.
WORKERS = 4


class Boards:
    """A follower of `Upkeep`. *render* makes a message of what is stored, with a mark by which it can be found."""

    def __init__(self, *, service: IntegrationService, servers: Servers, poster: Poster, render: Render) -> None:
        self._service = service
        self._servers = servers
        self._places = servers.places
        self._poster = poster
        self._render = render
        self._boards: dict[int, Standing] = {}
        self._due: dict[int, None] = {}
        self._working = 0
        self._running = Running()

    # ---------------------------------------------------------------- what is told

    def changed(self, composio_user_ids: frozenset[str] | None) -> None:
        """Rows or switches of these were written; None for anybody's."""
        for wishes in self._places.all() if composio_user_ids is None else self._of(composio_user_ids):
            if wishes.board_message_id:
                self._look_soon(wishes.guild_id)

    def arrived(self, guild_ids: Collection[int]) -> None:
        """What these servers have and want is known from now on."""
        for guild_id in guild_ids:
            if (wishes := self._places.of(guild_id)) and wishes.board_message_id:
                self._look_soon(guild_id)

    def checked(self, composio_user_ids: Collection[str]) -> None:
        """These were checked; nothing else need have changed."""
        for wishes in self._of(composio_user_ids):
            board = self._boards.get(wishes.guild_id)
            if wishes.board_message_id and not (board and board.fresh):
                self._look_soon(wishes.guild_id)

    def deleted(self, guild_id: int | None, ids: Collection[int]) -> None:
        """These messages, or channels, are gone."""
        wishes = self._places.of(guild_id)
        if wishes and {wishes.board_message_id, wishes.board_channel_id} & set(ids):
            self._look_soon(wishes.guild_id).deleted = wishes.board_message_id

    def opened(self, guild_id: int) -> None:
        """The bot may do other things in this server than before."""
        board = self._boards.get(guild_id)
        if board and board.closed:
            self._look_soon(guild_id)

    def left(self, guild_id: int) -> None:
        """The bot was removed from this server: nothing of its board is remembered."""
        board = self._boards.get(guild_id)
        if board and not board.turn.locked():  # who holds it forgets it at its end
            self._forget(guild_id)

    def _forget(self, guild_id: int) -> None:
        self._due.pop(guild_id, None)
        board = self._boards.pop(guild_id, None)
        if board and board.timer:
            board.timer.cancel()

    def _of(self, composio_user_ids: Iterable[str]) -> Iterable[Wishes]:
        return (wishes for user_id in composio_user_ids for wishes in self._places.of_user(user_id))

    # ---------------------------------------------------------------- when it is looked at

    def _look_soon(self, guild_id: int) -> Standing:
        board = self._boards.setdefault(guild_id, Standing())
        board.again = True
        if not board.turn.locked():
            self._look_at(guild_id, board, board.rests_until)
        return board

    def _look_at(self, guild_id: int, board: Standing, when: float) -> None:
        """At that time, or when it was to be looked at anyway, whichever is first."""
        loop = asyncio.get_running_loop()
        when = max(when, loop.time())
        if self._running.closed or (board.timer and board.timer.when() <= when):
            return
        if board.timer:
            board.timer.cancel()
        board.timer = loop.call_at(when, self._begin, guild_id, board)

    def _begin(self, guild_id: int, board: Standing) -> None:
        board.timer = None
        self._due[guild_id] = None
        if self._working < WORKERS:
            self._working += 1
            self._running.start(self._work())

    async def _work(self) -> None:
        try:
            with background():
                while self._due:
                    guild_id = next(iter(self._due))
                    del self._due[guild_id]
                    await self._keep(guild_id)
        finally:
            self._working -= 1

    async def _keep(self, guild_id: int) -> None:
        board = self._boards[guild_id]
        if board.turn.locked():  # who holds it looks again at its end
            board.again = True
            return
        async with board.turn:
            board.again = False
            try:
                if board.doubtful:
                    await self._places.learn([guild_id])
                    board.doubtful = False
                done = await self._look(guild_id, board) and await self._tidy(guild_id, board)
            except StorageUnavailableError:  # it has logged itself
                done = False
            except Exception:  # whatever is wrong with one board, the others are kept true
                log.exception("the board of server %s could not be kept true", guild_id)
                done = False
        board.failures = 0 if done else board.failures + 1
        self._plan(guild_id, board)

    def _plan(self, guild_id: int, board: Standing) -> None:
        if not self._servers.serves(guild_id):
            self._forget(guild_id)
            return
        now = asyncio.get_running_loop().time()
        wishes = self._places.of(guild_id)
        if board.failures:
            self._look_at(guild_id, board, now + pause(board.failures))
        elif board.again:
            self._look_at(guild_id, board, board.rests_until)
        elif board.stale_in is not None and wishes and wishes.board_message_id:
            self._look_at(guild_id, board, now + max(board.stale_in, 1.0))

    # ---------------------------------------------------------------- what is done

    async def _look(self, guild_id: int, board: Standing) -> bool:
        """Edit it where it shows something else than what is stored; False when that is to be tried again."""
        if not self._servers.serves(guild_id):
            return True
        wishes = await self._places.read(guild_id)
        if wishes is None or not wishes.board_message_id:
            return True
        if board.deleted == wishes.board_message_id:
            return await self._end(wishes)
        if board.unclear and board.unclear[0] == mark_of(wishes):
            return await self._post_anew(wishes, board)
        shown = await self._shown(wishes.composio_user_id, guild_id, board)
        if shown.digest == wishes.board_shown:
            return True
        return await self._edit(wishes, board, shown)

    async def _shown(self, composio_user_id: str, guild_id: int, board: Standing, mark: str = "") -> Shown:
        shown = self._render(await self._service.look(composio_user_id, guild_id), mark)
        board.fresh, board.stale_in = shown.fresh, shown.stale_in
        return shown

    async def _edit(self, wishes: Wishes, board: Standing, shown: Shown) -> bool:
        channel_id, message_id = wishes.board_channel_id or 0, wishes.board_message_id or 0
        board.rests_until = asyncio.get_running_loop().time() + GAP_SECONDS
        match await self._poster.edit(channel_id, message_id, shown.answer):
            case Outcome.DONE:
                board.refused = 0
                self._open(wishes, board, closed=False)
                await self._change(wishes, board_shown=shown.digest)
                return True
            case Outcome.MESSAGE_GONE | Outcome.CHANNEL_GONE:
                return await self._end(wishes)
            case Outcome.CLOSED:
                self._open(wishes, board, closed=True)
                return False
            case Outcome.LATER | Outcome.UNCLEAR:
                return False
            case Outcome.REFUSED:
                # Once may be anything. Twice is what Discord says of messages that are older than an hour.
                board.refused += 1
                return board.refused > 1 and await self._post_anew(wishes, board)

    async def _post_anew(self, wishes: Wishes, board: Standing) -> bool:
        board.rests_until = asyncio.get_running_loop().time() + GAP_SECONDS
        channel_id = wishes.board_channel_id or 0
        posted = await self._post(wishes.guild_id, wishes.composio_user_id, channel_id, mark_of(wishes))
        self._open(wishes, board, closed=posted.outcome is Outcome.CLOSED)
        return posted.message_id is not None

    async def _end(self, wishes: Wishes) -> bool:
        await self._change(wishes, board_channel_id=None, board_message_id=None, board_shown=None)
        return True

    async def _change(self, wishes: Wishes, **wanted: Any) -> None:
        if self._places.of(wishes.guild_id):  # otherwise the server was left meanwhile
            await self._places.change(wishes.guild_id, wishes.composio_user_id, **wanted)

    def _open(self, wishes: Wishes, board: Standing, *, closed: bool) -> None:
        if closed and not board.closed:
            where = wishes.board_channel_id, wishes.guild_id
            log.warning("the board in channel %s of server %s cannot be edited: the bot may not", *where)
        elif board.closed and not closed:
            log.info("the board of server %s can be edited again", wishes.guild_id)
        board.closed = closed

    async def place(self, guild_id: int, composio_user_id: str, channel_id: int, mark: str) -> Posted:
        """Post the board in a channel; the one that there was goes. Raises `StorageUnavailableError`."""
        board = self._boards.setdefault(guild_id, Standing())
        try:
            async with board.turn:
                posted = await self._post(guild_id, composio_user_id, channel_id, mark)
                if posted.outcome is Outcome.UNCLEAR:
                    posted = await self._post(guild_id, composio_user_id, channel_id, mark)
                await self._tidy(guild_id, board)
                return posted
        finally:
            # What was written before it stood there was told to nobody.
            self._look_soon(guild_id)

    async def _post(self, guild_id: int, composio_user_id: str, channel_id: int, mark: str) -> Posted:
        """Post it, and remember where. With the same mark again, what came of the last time is looked for."""
        board = self._boards.setdefault(guild_id, Standing())
        before = await self._places.read(guild_id)
        again = board.unclear is not None and board.unclear[0] == mark
        shown = await self._shown(composio_user_id, guild_id, board, mark)
        posted = await self._send(board, guild_id, channel_id, shown.answer, mark)
        if posted.message_id is None:
            return posted
        where = {"board_channel_id": channel_id, "board_message_id": posted.message_id}
        # What was sent the last time may show something else.
        digest = None if again else shown.digest
        try:
            await self._places.change(guild_id, composio_user_id, **where, board_shown=digest)
        except StorageUnavailableError as error:
            # Of the two messages the one goes that is not the board in the end.
            board.old.append((channel_id, posted.message_id))
            if error.unknown:
                board.old += where_of(before)
                board.doubtful = True
            raise
        board.again, board.unclear, board.refused = again, None, 0
        board.old += where_of(before)
        return posted

    async def _send(self, board: Standing, guild_id: int, channel_id: int, answer: Answer, mark: str) -> Posted:
        if board.unclear and board.unclear[0] == mark:
            found = await self._poster.find(channel_id, board.unclear[1], mark)
            if found.outcome is Outcome.DONE:
                return found
        else:
            board.unclear = mark, discord.utils.utcnow()
        # Within some minutes Discord itself makes no second one with this nonce.
        posted = await self._poster.send(guild_id, channel_id, answer, nonce=mark)
        if posted.outcome not in (Outcome.DONE, Outcome.UNCLEAR):
            board.unclear = None
        return posted

    async def _tidy(self, guild_id: int, board: Standing) -> bool:
        """Delete what was the board, or was to be; False when that is to be tried again."""
        while board.old and not board.doubtful:
            is_board = board.old[0] in where_of(self._places.of(guild_id))
            if not is_board and await self._poster.delete(*board.old[0]) is Outcome.LATER:
                return False
            board.old.pop(0)
        return True

    async def close(self) -> None:
        """Edit nothing any more; what is cut off is seen after the next start."""
        for board in self._boards.values():
            if board.timer:
                board.timer.cancel()
        await self._running.close(0.1)
