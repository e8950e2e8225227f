"""The way to one project's connected accounts at Composio."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import httpx

from storage.integrations import Deadline

from ..mirror.accounts import Account, Batch, Progress, Revocation
from ..mirror.errors import ComposioUnavailableError
from ..mirror.links import Link
from ..mirror.probes import Endpoint, Probe
from . import accounts, links, proxy, writes
from .batches import Batches
from .budget import Budget
from .client import READ_RETRIES, TIMEOUT, make_clients, patient
from .deadlines import Deadlines, late


class ComposioGateway:
    """Composio as `mirror.accounts.Accounts`, `mirror.links.Links` and `mirror.probes.Probes`.

    Every method raises `ComposioRefusedError`, `ComposioBusyError`, `ComposioBudgetError` or
    `ComposioUnavailableError`, and ends in time: see `Deadlines`. Reads are retried by the client; writes never
    are, because a lost answer says nothing about the effect.
    """

    deadlines = Deadlines()

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str,
        budget: Budget | None = None,
        read_retries: int = READ_RETRIES,
        timeout: httpx.Timeout = TIMEOUT,
    ) -> None:
        self._reads, self._writes = make_clients(
            api_key=api_key,
            base_url=base_url,
            read_retries=read_retries,
            timeout=timeout,
            budget=budget or Budget(),
        )
        self._once = self._reads.with_options(max_retries=0)
        self._batches = Batches(self._reads)
        self._endpoints = proxy.Endpoints(self._reads)
        self._patient = patient(timeout)
        self._calls = Deadline(self.deadlines.accounts, late)

    async def close(self) -> None:
        """Close the connections, as far as that can be done at once."""
        with suppress(ComposioUnavailableError):
            await self._calls.within(self._close(), self.deadlines.close)

    async def _close(self) -> None:
        await asyncio.gather(self._reads.close(), self._writes.close())

    async def check(self) -> None:
        """Return when Composio answers and accepts the key."""
        await self._calls.within(accounts.check(self._writes), self.deadlines.check)

    async def accounts(
        self, composio_user_id: str, toolkits: Sequence[str] = (), progress: Progress | None = None
    ) -> list[Account]:
        """All accounts of one Composio user, newest first; only those of *toolkits* where some are named."""
        work = accounts.read_accounts(self._reads, composio_user_id, progress)
        found = await self._calls.within(work, self.deadlines.accounts)
        # Chosen here and not by Composio: a catalogue may name a slug that Composio does not know.
        return [account for account in found if not toolkits or account.toolkit in toolkits]

    @property
    def batch_size(self) -> int:
        """How many Composio users one request may name, as far as is known."""
        return self._batches.size

    async def accounts_of(self, composio_user_ids: Sequence[str], seconds: float) -> Batch:
        """All accounts of these Composio users, within *seconds*."""
        return await self._calls.within(self._batches.read(composio_user_ids), seconds)

    async def account(self, account_id: str) -> Account | None:
        """One account as it is now, None when it no longer exists."""
        return await self._calls.within(accounts.read_account(self._reads, account_id), self.deadlines.account)

    async def look(self, account_id: str) -> Account | None:
        """The same, but never retried."""
        return await self._calls.within(accounts.read_account(self._once, account_id), self.deadlines.account)

    async def revoke(self, account_id: str) -> Revocation:
        """Ask the provider, through Composio, to forget the grant. An account already revoked counts too."""
        return await self._calls.within(writes.revoke(self._writes, account_id), self.deadlines.write)

    async def delete(self, account_id: str) -> bool:
        """Delete Composio's record of the account; False when it was already gone."""
        return await self._calls.within(writes.delete(self._writes, account_id), self.deadlines.write)

    async def auth_config(self, toolkit: str) -> str | None:
        """The id of the toolkit's newest auth config that Composio manages and that is enabled; None for none."""
        return await self._calls.within(links.auth_config(self._reads, toolkit), self.deadlines.account)

    async def make_auth_config(self, toolkit: str) -> str:
        """Make such a one. Raises `NotConnectableError` when the key may not, or the toolkit has none."""
        return await self._calls.within(links.make_auth_config(self._writes, toolkit), self.deadlines.write)

    async def link(self, auth_config_id: str, composio_user_id: str, alias: str) -> Link:
        """A link, and the record behind it. Raises `NotConnectableError` too; after others look for it: `made`."""
        work = links.link(self._writes, auth_config_id, composio_user_id, alias)
        return await self._calls.within(work, self.deadlines.write)

    async def made(self, composio_user_id: str, alias: str) -> Account | None:
        """The account of that user that is called *alias*, None when there is none."""
        return await self._calls.within(links.made(self._reads, composio_user_id, alias), self.deadlines.accounts)

    async def current_user_endpoint(self, toolkit: str) -> Endpoint | None:
        """Where the toolkit tells who is signed in, None for nowhere. Remembered for a day."""
        return await self._calls.within(self._endpoints.of(toolkit), self.deadlines.account)

    async def probe(self, account_id: str, endpoint: Endpoint) -> Probe:
        """Ask the endpoint with the account's token. Raises `ProbeForbiddenError` when the key may not."""
        work = proxy.probe(self._writes, account_id, endpoint, self._patient)
        return await self._calls.within(work, self.deadlines.probe)
