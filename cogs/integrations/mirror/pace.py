"""How often is read by itself, and who is told what came of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from .errors import IntegrationError

# For so long at most, and never for longer than the interval, nobody else reads who is being read.
LEASE_SECONDS = 120.0


@dataclass(frozen=True)
class Pace:
    """Each user is read every *interval* seconds; *jitter* spreads them, so that nothing falls into step."""

    interval: float
    clock: Callable[[], datetime]
    jitter: Callable[[], float] = lambda: random.uniform(0.9, 1.0)  # noqa: S311 – nothing secret depends on it

    @property
    def next(self) -> timedelta:
        """From one read to the next."""
        return timedelta(seconds=self.interval * self.jitter())

    @property
    def lease(self) -> float:
        """How long who is being read is nobody else's."""
        return min(self.interval, LEASE_SECONDS)


class Hearing(Protocol):
    """Is told of whom Composio could be asked, and of whom it could not: see `freshness.Freshness`."""

    def worked(self, composio_user_ids: Collection[str]) -> None:
        """They were read."""

    def failed(self, composio_user_ids: Collection[str] | None, error: IntegrationError) -> None:
        """They could not be read; None for all."""

    def suspected(self, composio_user_id: str) -> None:
        """What was read is not believed before it is seen again."""
