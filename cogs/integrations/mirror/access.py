"""What a host's commands may ask: may this app be used here, now?"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from storage.integrations import Condition, Integration

from .catalog import Catalog, Provider
from .errors import NotAllowedHereError
from .servers import Servers
from .service import IntegrationService
from .tenancy import Tenancy


class Refusal(NamedTuple):
    """The row of a provider that may not be used, and when the accounts were last read, None for never."""

    row: Integration
    synced_at: datetime | None


class Access:
    """Answers from memory."""

    def __init__(
        self, *, servers: Servers, service: IntegrationService, catalog: Catalog, tenancy: Tenancy
    ) -> None:
        self._servers = servers
        self._service = service
        self._catalog = catalog
        self._tenancy = tenancy

    def met(self, guild_id: int | None) -> None:
        """Something was asked in this server: remember what it has from now on."""
        self._servers.met(guild_id)

    def enabled_toolkits(self, guild_id: int | None) -> list[str]:
        """Composio's slugs of what is connected and switched on for a server; none until its rows are read."""
        try:
            found = self._servers.has(guild_id) or ()
        except NotAllowedHereError:
            return []
        return [has.toolkit for has in found if has.toolkit and has.condition is Condition.CONNECTED]

    def checked_at(self, guild_id: int | None) -> datetime | None:
        """When what is stored for a server was last known to be true; None where that is not known."""
        try:
            return self._servers.checked_at(guild_id)
        except NotAllowedHereError:
            return None

    def composio_user_id(self, guild_id: int | None) -> str:
        """The Composio user of a server. Raises `NotAllowedHereError` where there is none."""
        return self._tenancy.composio_user_id(guild_id)

    def condition(self, guild_id: int | None, provider: Provider) -> Condition:
        """What is remembered of a provider. Raises `NotAllowedHereError`."""
        found = self._servers.has(guild_id)
        return found[self._catalog.places[provider.id]].condition if found else Condition.NOT_CONNECTED

    async def refusal(self, guild_id: int | None, provider: Provider) -> Refusal | None:
        """None when the provider may be used; otherwise its row, which says why not, and how old that is.

        Memory is enough for a yes. A no is looked up: it names a reason, and may be old by a moment. Raises
        `NotAllowedHereError`, and `StorageUnavailableError` when nothing is known and the database cannot be read.
        """
        if self.condition(guild_id, provider) is Condition.CONNECTED:
            return None
        mirror = await self._service.look(self.composio_user_id(guild_id), guild_id)
        row = mirror.get(provider.id)
        return None if row.condition is Condition.CONNECTED else Refusal(row, mirror.synced_at)
