"""What the served Composio users have, in memory, for questions that are asked at every command."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set
from itertools import count
from typing import NamedTuple

from storage.integrations import Condition, Fact, Integration

from .catalog import Catalog


class Has(NamedTuple):
    """What memory holds of one provider: its condition, and Composio's slug of the account that decides it."""

    condition: Condition
    toolkit: str | None


NOTHING = Has(Condition.NOT_CONNECTED, None)
# The ticket of what an entry was made of, and its text; None until the rows have been read.
_Entry = tuple[int, str | None]


class Known:
    """Small enough for a hundred thousand servers: an entry for each Composio user that is tracked.

    Of an entry each character stands for one provider, in catalogue order, and is the number of one of the few
    different `Has` there are: to the garbage collector it is nothing to look through.

    Reads and writes overlap, so each takes a `ticket` before it begins: what began earlier than what memory was
    last made of says nothing about now, and is refused. A revision would not do: a restored database goes back.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._places = catalog.places
        self._entries: dict[str, _Entry] = {}
        self._tickets = count(1)
        self._kinds = [NOTHING]
        self._characters = {NOTHING: chr(0)}

    def ticket(self) -> int:
        """To be taken before a read or write begins."""
        return next(self._tickets)

    @property
    def tracked(self) -> Set[str]:
        """The Composio users that memory is kept for."""
        return self._entries.keys()

    def track(self, composio_user_id: str) -> None:
        """Keep memory for a Composio user from now on; nothing is known of it until it has been read."""
        self._entries.setdefault(composio_user_id, (0, None))

    def drop(self, composio_user_id: str) -> None:
        """Keep nothing for it any more."""
        self._entries.pop(composio_user_id, None)

    def has(self, composio_user_id: str) -> tuple[Has, ...] | None:
        """What it has, in catalogue order; None when that has not been read."""
        _, text = self._entries.get(composio_user_id, (0, None))
        return None if text is None else tuple(self._kinds[ord(character)] for character in text)

    def learn(self, composio_user_id: str, facts: Iterable[Fact], ticket: int) -> bool:
        """Take in all that was read of a Composio user.

        False when something newer is known already: who has to know what is stored now must read again.
        """
        if composio_user_id not in self._entries:
            return True  # nobody asks
        newest, _ = self._entries[composio_user_id]
        if newest > ticket:
            return False
        text = [self._characters[NOTHING]] * len(self._places)
        for fact in facts:
            if (place := self._places.get(fact.provider)) is not None:
                text[place] = self._character(fact)
        self._entries[composio_user_id] = ticket, "".join(text)
        return True

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
        for user_id in {row.composio_user_id for row in rows} & self._entries.keys():
            # What is being read right now may have looked before the write.
            self._entries[user_id] = self.ticket(), self._entries[user_id][1]
        return unclear

    def _patch(self, row: Integration, ticket: int) -> bool:
        newest, text = self._entries.get(row.composio_user_id, (0, None))
        place = self._places.get(row.provider)
        if text is None or place is None:
            return True
        if newest > ticket:
            return False
        text = text[:place] + self._character(row.fact) + text[place + 1 :]
        self._entries[row.composio_user_id] = ticket, text
        return True

    def unknow(self, composio_user_id: str) -> None:
        """Forget what it has, but go on tracking it: whoever asks has to read."""
        if composio_user_id in self._entries:
            self._entries[composio_user_id] = self.ticket(), None
