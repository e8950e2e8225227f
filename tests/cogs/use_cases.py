"""The use cases put together as the plugin does it, without Discord; for the tests of other rooms too."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from cogs.integrations.mirror.accounts import Accounts
from cogs.integrations.mirror.catalog import DEFAULT, Catalog
from cogs.integrations.mirror.known import Known
from cogs.integrations.mirror.ledger import Ledger
from cogs.integrations.mirror.revoking import Revoker
from cogs.integrations.mirror.service import IntegrationService
from cogs.integrations.mirror.waits import Patience
from storage.integrations import Event, Store

# A machine that is busy is not a database that is silent; that one has tests of its own.
PATIENT = Patience(read=30.0, write=30.0)


class UseCases:
    """Over accounts and a store that stay the caller's to close."""

    def __init__(
        self,
        accounts: Accounts,
        store: Store,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        catalog: Catalog = DEFAULT,
    ) -> None:
        self.store = store
        self.notified: list[Event] = []
        self.known = Known(catalog)
        self.ledger = Ledger(store, self.known, self.notified.append, patience=PATIENT)
        self.service = IntegrationService(accounts=accounts, ledger=self.ledger, catalog=catalog, clock=clock)
        self.revoker = Revoker(
            accounts=accounts,
            ledger=self.ledger,
            catalog=catalog,
            clock=clock,
            outdate=self.service.outdate,
        )

    async def close(self) -> None:
        """Let what is under way end."""
        await self.revoker.close()
        await self.service.close()
        await self.ledger.close()
