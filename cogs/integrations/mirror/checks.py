"""When Composio users were last read to the end, as memory learns it from whoever has read them."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta

from storage.integrations import Store

from .known import Known
from .waits import Waits

# A read is stored a while after the moment that it counts from. And one that is so much later than now was no read
# that went on meanwhile: the clock was put back.
LATE = timedelta(minutes=3)


class Checks:
    """Raises `StorageUnavailableError`. ``on_checked`` is told of who was, also where memory knew already."""

    def __init__(self, store: Store, waits: Waits, known: Known) -> None:
        self._store = store
        self._waits = waits
        self._known = known
        self._learned: datetime | None = None
        self.on_checked: Callable[[Collection[str]], None] = _nobody

    def stored(self, checked: Collection[tuple[str, datetime]], now: datetime) -> None:
        """These Composio users are stored as read then; see `Known.checked`."""
        for user_id, at in checked:
            self._known.checked(user_id, at, now + LATE)
        self.on_checked([user_id for user_id, _ in checked])

    async def learn(self, now: datetime) -> None:
        """Take in whom other processes have read since the last time; to be called about once a minute.

        A read alone is told to nobody: of each minute this reads one row for each Composio user that was read.
        """
        since = min(self._learned or now, now) - LATE
        found = await self._waits.read(self._store.checked_since(since))
        self._learned = now
        self.stored(found, now)


def _nobody(_composio_user_ids: Collection[str]) -> None:
    pass
