"""Connect links as the mirror knows them, and what it asks of whoever makes them."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, Protocol

from .accounts import Account

# What is ours says so at Composio, where somebody may find it; nobody can guess the rest.
ALIAS_PREFIX = "connecting-"


def alias_of(attempt_id: str) -> str:
    """What our record is called at Composio until somebody gives it a name."""
    return f"{ALIAS_PREFIX}{attempt_id}"


class Link(NamedTuple):
    """Whoever opens ``url`` and consents becomes the account: it is for one person, never stored, never logged."""

    account_id: str
    url: str
    expires_at: datetime

    def __repr__(self) -> str:
        """Without the link: this may come into a log."""
        return f"Link({self.account_id!r}, …, {self.expires_at!r})"


class Links(Protocol):
    """Where connect links are made. Every method raises `ComposioError` when Composio could not be asked.

    None of the writes is retried.
    """

    async def auth_config(self, toolkit: str) -> str | None:
        """The id of the toolkit's newest auth config that Composio manages and that is enabled; None for none.

        Raises `NotConnectableError` when the key may not look.
        """

    async def make_auth_config(self, toolkit: str) -> str:
        """Make such a one. Raises `NotConnectableError` when the key may not, or the toolkit has none."""

    async def link(self, auth_config_id: str, composio_user_id: str, alias: str) -> Link:
        """A link, and the record behind it, which is called *alias*.

        Raises `NotConnectableError` when the auth config is gone or is not enough, or the key may not make links.
        After any other error but `ComposioBudgetError` the record may have been made: see `made`.
        """

    async def made(self, composio_user_id: str, alias: str) -> Account | None:
        """The account of that user that is called *alias*, None when there is none."""

    async def look(self, account_id: str) -> Account | None:
        """See `Accounts.account`. It is not retried: whoever waits for a change asks again anyway."""

    async def delete(self, account_id: str) -> bool:
        """See `Accounts.delete`."""
