"""Which Composio user a server's integrations belong to, and in which servers there are any."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import NotAllowedHereError, SettingsError

PLACEHOLDER = "{guild_id}"


@dataclass(frozen=True, slots=True)
class Tenancy:
    """From a server to its Composio user.

    ``user_id`` may contain ``{guild_id}``: then every server has its own Composio user. Without it one
    Composio user is shared, and whoever administers a server could see and revoke it, so the servers must be
    named. Raises `SettingsError` when they are not.
    """

    user_id: str
    guild_ids: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        """Refuse a shared Composio user without a list of servers."""
        if PLACEHOLDER not in self.user_id and not self.guild_ids:
            raise SettingsError(
                "INTEGRATIONS_GUILD_IDS is missing: name the servers that may use the Composio user "
                f"{self.user_id!r}, or put {PLACEHOLDER} into INTEGRATIONS_COMPOSIO_USER_ID to give each "
                "server its own"
            )

    @property
    def is_shared(self) -> bool:
        """Whether several servers have one Composio user."""
        return PLACEHOLDER not in self.user_id

    def composio_user_id(self, guild_id: int | None) -> str:
        """The Composio user of a server. Raises `NotAllowedHereError` where there is none."""
        if guild_id is None or (self.guild_ids and guild_id not in self.guild_ids):
            raise NotAllowedHereError
        return self.user_id.replace(PLACEHOLDER, str(guild_id))

    def has(self, composio_user_id: str) -> bool:
        """Whether it is the Composio user of some server that may use it."""
        if self.is_shared:
            return composio_user_id == self.user_id
        first, *others = map(re.escape, self.user_id.split(PLACEHOLDER))
        # Wherever the server's id stands a second time, it is the same.
        found = re.fullmatch(first + r"(\d+)" + r"\1".join(others), composio_user_id)
        return found is not None and self.owns(composio_user_id, int(found[1]))

    def owns(self, composio_user_id: str, guild_id: int) -> bool:
        """Whether the Composio user is still that of the server, and the server may use it."""
        if self.is_shared:
            return composio_user_id == self.user_id  # of several servers another one may
        try:
            return composio_user_id == self.composio_user_id(guild_id)
        except NotAllowedHereError:
            return False
