"""What servers want to be told, and what they were: frozen values; nothing here knows the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from .values import Action, State


class Wishes(NamedTuple):
    """Where a server wants messages of the bot: alerts, a role to mention in them, and where its board stands.

    All are ids of Discord; ``board_shown`` is a digest of what the board shows.
    """

    guild_id: int
    composio_user_id: str
    alert_channel_id: int | None = None
    alert_role_id: int | None = None
    board_channel_id: int | None = None
    board_message_id: int | None = None
    board_shown: str | None = None


class Edge(NamedTuple):
    """A state that changed, as one server is to be told of it.

    ``enabled`` is where its switch stood. ``flips`` counts how often the provider came or went within the hour
    before, this time included. ``after_revoke`` says that it was revoked since it was last read: that may be why.
    """

    id: int
    guild_id: int
    composio_user_id: str
    provider: str
    action: Action
    before: State
    after: State
    at: datetime
    status: str | None
    reason: str | None
    enabled: bool
    flips: int
    after_revoke: bool


@dataclass(frozen=True, slots=True)
class AlertItem:
    """One provider in an alert: its state now, since when it is broken, and when it worked again, if it does.

    One that a revoke has taken away is over as well, at ``worked_at``; its state tells the two apart.
    ``status`` and ``reason`` are Composio's words for why. An ``unstable`` one comes and goes; ``changed_at`` is
    when it last did.
    """

    provider: str
    state: State
    broke_at: datetime
    changed_at: datetime
    status: str | None = None
    reason: str | None = None
    worked_at: datetime | None = None
    unstable: bool = False

    @property
    def over(self) -> bool:
        """Whether it works again, or was taken away."""
        return self.worked_at is not None

    @property
    def works(self) -> bool:
        """Whether it works again."""
        return self.over and self.state is State.CONNECTED


@dataclass(frozen=True, slots=True)
class Alert:
    """A message about what broke in one pass in one server.

    ``next_at`` is when there is something to do about it: to send it, to edit it, or to see whether it is still
    unstable; None for nothing. ``sending_at`` is when it was begun to be sent, ``channel_id`` and ``message_id``
    are where it stands once it was. A ``settled`` one is done with.
    """

    id: str
    guild_id: int
    composio_user_id: str
    items: tuple[AlertItem, ...]
    began_at: datetime
    changed_at: datetime
    next_at: datetime | None = None
    attempts: int = 0
    sending_at: datetime | None = None
    channel_id: int | None = None
    message_id: int | None = None
    settled: bool = False

    @property
    def sent(self) -> bool:
        """Whether it is known to stand in a channel."""
        return self.message_id is not None
