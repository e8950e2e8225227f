"""What the served Composio users have, in memory, for questions that are asked at every command."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Set
from datetime import UTC, datetime
from itertools import count
from typing import NamedTuple

from storage.integrations import Condition, Fact, Facts, Integration, condition_of

from .catalog import Catalog


class Has(NamedTuple):
    """What memory holds of one provider: its condition, and Composio's slug of the account that decides it."""

    condition: Condition
    toolkit: str | None


NOTHING = Has(Condition.NOT_CONNECTED, None)
_UNMOVED, _OFF, _ON = "-01"
# The ticket of what an entry was made of, its text, None until the rows have been read, and when the accounts last
# were, in seconds since 1970.
_Entry = tuple[int, str | None, float | None]
_UNREAD: _Entry = (0, None, None)


class Known:
    """Small enough for a hundred thousand servers: an entry for each Composio user that is tracked.

    Of an entry each character stands for one provider, in catalogue order, and is the number of one of the few
    different `Has` there are: to the garbage collector it is nothing to look through. Servers that have moved a
    switch have such a string too.

    Reads and writes overlap, so each takes a `ticket` before it begins: what began earlier than what memory was
    last made of says nothing about now, and is refused. A revision would not do: a restored database goes back.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._places = catalog.places
        self._entries: dict[str, _Entry] = {}
        self._tickets = count(1)
        self._kinds = [NOTHING]
        self._characters = {NOTHING: chr(0)}
        self._switches: dict[str, dict[int, str]] = {}
        self._assumed: dict[str, dict[str, Integration]] = {}
        self.unread: set[str] = set()

    def ticket(self) -> int:
        """To be taken before a read or write begins."""
        return next(self._tickets)

    @property
    def tracked(self) -> Set[str]:
        """The Composio users that memory is kept for."""
        return self._entries.keys()

    def track(self, composio_user_id: str) -> None:
        """Keep memory for a Composio user from now on; nothing is known of it until it has been read."""
        self._entries.setdefault(composio_user_id, _UNREAD)

    def drop(self, composio_user_id: str) -> None:
        """Keep nothing for it any more."""
        self._entries.pop(composio_user_id, None)
        self._switches.pop(composio_user_id, None)
        self.unread.discard(composio_user_id)

    def has(self, composio_user_id: str, guild_id: int | None = None) -> tuple[Has, ...] | None:
        """What a server has of it, in catalogue order; None when that has not been read."""
        _, text, _ = self._entries.get(composio_user_id, _UNREAD)
        if text is None:
            return None
        found = [self._kinds[ord(character)] for character in text]
        for name, row in self.assumed(composio_user_id).items():
            if (place := self._places.get(name)) is not None:
                on = found[place].condition is not Condition.DISABLED
                found[place] = Has(condition_of(row.state, on), row.toolkit)
        moved = self._switches.get(composio_user_id, {}).get(guild_id or 0)
        return tuple(map(_switched, found, moved) if moved else found)

    def assume(self, row: Integration) -> None:
        """What a revoke has left of a provider counts more than what is stored, until that is stored too."""
        self._assumed.setdefault(row.composio_user_id, {})[row.provider] = row

    def settle(self, composio_user_id: str, provider: str) -> None:
        """What is stored counts again."""
        if assumed := self._assumed.get(composio_user_id):
            assumed.pop(provider, None)
            if not assumed:
                del self._assumed[composio_user_id]

    def assumed(self, composio_user_id: str) -> Mapping[str, Integration]:
        """What counts more than what is stored, by provider."""
        return self._assumed.get(composio_user_id, {})

    def learn(self, composio_user_id: str, facts: Facts, ticket: int) -> bool:
        """Take in what was read of a Composio user.

        False when something newer is known already: who has to know what is stored now must read again.
        """
        if composio_user_id not in self._entries:
            return True  # nobody asks
        newest, known, _ = self._entries[composio_user_id]
        if newest > ticket:
            return False
        if known is None and not facts.complete:
            return True  # the others' switches are not known
        text = [self._characters[NOTHING]] * len(self._places)
        for fact in facts.providers:
            if (place := self._places.get(fact.provider)) is not None:
                text[place] = self._character(fact)
        at = facts.synced_at.timestamp() if facts.synced_at else None
        self._entries[composio_user_id] = ticket, "".join(text), at
        self.unread.discard(composio_user_id)
        self._learn_switches(composio_user_id, facts)
        return True

    def _learn_switches(self, composio_user_id: str, facts: Facts) -> None:
        known = {} if facts.complete else self._switches.pop(composio_user_id, {})
        for guild_id, moved in facts.switches.items():
            if moved:
                known[guild_id] = "".join(_OFF_OR_ON[moved.get(name)] for name in self._places)
            else:
                known.pop(guild_id, None)
        if known:
            self._switches[composio_user_id] = known
        else:
            self._switches.pop(composio_user_id, None)

    def _character(self, fact: Fact) -> str:
        has = Has(fact.condition, fact.toolkit)
        if has not in self._characters:
            self._characters[has] = chr(len(self._kinds))
            self._kinds.append(has)
        return self._characters[has]

    def wrote(self, rows: Collection[Integration], ticket: int) -> set[str]:
        """Take in *rows* that were written by what took *ticket*; returns the Composio users to be read again.

        Those are the ones of which something was read since the write began: nobody can tell which is newer.
        """
        unclear = {row.composio_user_id for row in rows if not self._patch(row, ticket)}
        for user_id in {row.composio_user_id for row in rows}:
            self._outdate_reads(user_id)
        return unclear

    def switched(self, row: Integration, guild_id: int, ticket: int) -> bool:
        """Take in the switch of a server, moved by what took *ticket*; False when the user is to be read again."""
        user_id, place = row.composio_user_id, self._places.get(row.provider)
        newest, text, _ = self._entries.get(user_id, _UNREAD)
        clear = text is None or place is None or newest <= ticket
        if text is not None and place is not None and clear:
            moved = self._switches.setdefault(user_id, {})
            before = moved.get(guild_id, _UNMOVED * len(self._places))
            moved[guild_id] = before[:place] + _OFF_OR_ON[row.enabled] + before[place + 1 :]
        self._outdate_reads(user_id)
        return clear

    def _outdate_reads(self, composio_user_id: str) -> None:
        # What is being read right now may have looked before the write.
        if composio_user_id in self._entries:
            self._entries[composio_user_id] = self.ticket(), *self._entries[composio_user_id][1:]

    def _patch(self, row: Integration, ticket: int) -> bool:
        newest, text, at = self._entries.get(row.composio_user_id, _UNREAD)
        place = self._places.get(row.provider)
        if text is None or place is None:
            return True
        if newest > ticket:
            return False
        text = text[:place] + self._character(Fact(row.provider, row.condition, row.toolkit)) + text[place + 1 :]
        self._entries[row.composio_user_id] = ticket, text, at
        return True

    def checked_at(self, composio_user_id: str) -> datetime | None:
        """When its accounts were last read to the end; None for never, and until its rows have been read."""
        _, _, at = self._entries.get(composio_user_id, _UNREAD)
        return None if at is None else datetime.fromtimestamp(at, UTC)

    def checked(self, composio_user_id: str, at: datetime, now: datetime) -> None:
        """Take in that it is stored as read *at*, unless nothing is known of it, or something newer.

        What is known as later than *now* is not newer: the clock was put back. The store has the same rule.
        """
        _, text, known = self._entries.get(composio_user_id, _UNREAD)
        if text is None or (known is not None and at.timestamp() <= known <= now.timestamp()):
            return
        # What is being read right now may have looked before that was stored.
        self._entries[composio_user_id] = self.ticket(), text, at.timestamp()

    def unknow(self, composio_user_id: str) -> None:
        """Forget what it has, but go on tracking it: whoever asks has to read. It is among the ``unread`` then."""
        if composio_user_id in self._entries:
            self._entries[composio_user_id] = self.ticket(), None, None
            self.unread.add(composio_user_id)


_OFF_OR_ON = {None: _UNMOVED, False: _OFF, True: _ON}


def _switched(has: Has, moved: str) -> Has:
    """What it is with a server's own switch."""
    if moved == _UNMOVED or has.condition not in (Condition.CONNECTED, Condition.DISABLED):
        return has
    return Has(Condition.CONNECTED if moved == _ON else Condition.DISABLED, has.toolkit)
