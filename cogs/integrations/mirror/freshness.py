"""How old a mirror may be, and why it is older: what the background reports of those that it could not check."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import TypeAlias

from .errors import IntegrationError

# Older than so many intervals is stale: one read may fail, and one may come late.
INTERVALS = 3


class Unchecked(Enum):
    """Why something was not checked, where no error says it."""

    STARTING = auto()
    """This process has not run for an interval yet."""
    SUSPECTED = auto()
    """The last read has found that everything is lost, which is believed when it is seen twice."""
    UNKNOWN = auto()


Why: TypeAlias = IntegrationError | Unchecked


class Freshness:
    """Remembers only what fails. *interval* is in seconds; with 0 nothing is checked by itself, nor stale."""

    def __init__(self, interval: float, clock: Callable[[], datetime]) -> None:
        self._interval = timedelta(seconds=interval)
        self._clock = clock
        self._began = clock() if interval else None
        self._everyone: IntegrationError | None = None
        self._failing: dict[str, Why] = {}

    def is_stale(self, checked_at: datetime | None) -> bool:
        """Whether what was last checked then, None for never, is too old."""
        seconds = self.stale_in(checked_at)
        return seconds is not None and seconds <= 0

    def stale_in(self, checked_at: datetime | None) -> float | None:
        """In how many seconds what was last checked then is too old; None for never."""
        if checked_at is None or not self._interval:
            return None
        return (checked_at + INTERVALS * self._interval - self._clock()).total_seconds()

    def why(self, composio_user_id: str) -> Why:
        """Why it was not checked, as far as this process knows."""
        if found := self._everyone or self._failing.get(composio_user_id):
            return found
        starting = self._began is not None and self._clock() < self._began + self._interval
        return Unchecked.STARTING if starting else Unchecked.UNKNOWN

    def failed(self, composio_user_ids: Collection[str] | None, error: IntegrationError) -> None:
        """These could not be checked; None for nobody could."""
        if composio_user_ids is None:
            self._everyone = error
        else:
            self._failing.update(dict.fromkeys(composio_user_ids, error))

    def suspected(self, composio_user_id: str) -> None:
        """Everything that it had seems to be lost: it is read once more before that is believed."""
        self._everyone = None
        self._failing[composio_user_id] = Unchecked.SUSPECTED

    def worked(self, composio_user_ids: Collection[str]) -> None:
        """These were checked."""
        self._everyone = None
        for user_id in composio_user_ids:
            self._failing.pop(user_id, None)
